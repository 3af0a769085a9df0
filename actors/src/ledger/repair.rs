//! Saves what is provably good of a damaged ledger into a new directory.
//!
//! Good is what the chain proves: from the first event to the last one before the first that is
//! missing or changed. Events behind that one may still be legible, but whether the accounts could
//! pay for them depends on the missing one, so they are listed and left out. Nothing is written to
//! the damaged directory: the store's tables are opened in a copy, and its write-ahead files, which
//! the store might refuse or cut, are read without it.
//!
//! What is lost may have opened accounts, which are known outside by their ids. So where anything may be
//! lost, the ids of new accounts begin far behind all that can have been given out.
//!
//! Indexes are made again from the events. Not saved are snapshots, which accounts take again, and
//! the states of providers where they can't be read.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use super::chain::Chain;
use super::data_dir::{DataDir, require_empty};
use super::error::{Damage, LedgerError};
use super::handle::LedgerOptions;
use super::high_water::HighWater;
use super::layout::{
    account_of, epoch_prefix, ids_key, read_u64, split_entry, split_epoch_key, split_ids_value,
    unseal,
};
use super::rebuild::Rebuild;
use super::store::{Area, Store, StoreError, View, guarded};
use super::{Head, Record, store_files, wal};
use crate::id::AccountId;

/// Legible events beyond the break that are kept for the report.
const LEGIBLE_MAX: usize = 1000;
/// Ids are left out in steps of so many, and at least so many: more than may be lost in a ledger of
/// which not even that is known.
const IDS_STEP: u64 = 1 << 20;

/// What a repair saved and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Where the new journal ends; its sequence is also the number of events saved.
    pub head: Head,
    /// The first and the last event that are left out, if any are.
    pub dropped: Option<(u64, u64)>,
    /// Those of them that can still be read: up to a thousand.
    pub legible: Vec<(u64, Record)>,
    /// Providers whose states were saved.
    pub providers: usize,
    /// Where what is lost may have opened accounts: new ones get ids behind this place (see
    /// [`AccountId::place`]), so that none is given out twice.
    pub ids_behind: Option<u64>,
    /// What was found broken on the way.
    pub notes: Vec<String>,
}

/// Everything that could be read, proven or not.
#[derive(Default)]
struct Salvage {
    /// Journal entries from the write-ahead files. A break may have produced wrong ones too.
    entries: HashMap<u64, Vec<Vec<u8>>>,
    providers: BTreeMap<String, Vec<u8>>,
    deliveries: BTreeMap<String, Vec<u8>>,
    epoch: u32,
    /// The last event that was ever known of.
    last: u64,
    /// The place of the last account that was ever known of.
    place: u64,
    /// Behind which place ids begin since an earlier repair.
    ids_behind: Option<u64>,
    notes: Vec<String>,
}

/// Copies what is good of the ledger in `from` to a new one in `to`, which must be empty or not
/// exist. `from` is not changed. Blocks.
pub fn repair(from: &Path, to: &Path) -> Result<RepairReport, LedgerError> {
    require_empty(to)?;
    let source = DataDir::new(from);
    let mut salvage = Salvage::default();
    if !source.store().is_dir() {
        return Err(source.damaged(Damage::Missing("store".to_owned())));
    }
    check_format(&source, &mut salvage)?;
    let _lock = source.lock()?;
    match HighWater::read(&source.high_water()) {
        Ok(Some(mark)) => salvage.last = mark.head.sequence,
        Ok(None) => salvage.notes.push(Damage::HighWater.to_string()),
        Err(error) => salvage.notes.push(format!("the high-water file can't be read: {error}")),
    }
    read_write_ahead(&source, &mut salvage)
        .map_err(|error| LedgerError::io("read", &source.store(), error))?;
    // Beside the target and not inside: the target is empty until its own ledger is begun.
    let copy = to.with_extension("salvage");
    require_empty(&copy)?;
    let result = repair_with_copy(&source, to, &copy, salvage);
    let removed = fs::remove_dir_all(&copy);
    let report = result?;
    removed.map_err(|error| LedgerError::io("remove", &copy, error))?;
    Ok(report)
}

fn repair_with_copy(
    source: &DataDir,
    to: &Path,
    copy: &Path,
    mut salvage: Salvage,
) -> Result<RepairReport, LedgerError> {
    let tables = open_tables(&source.store(), copy, &mut salvage)?;
    let view = tables.as_ref().map(Store::view);
    if let Some(view) = &view {
        let read = guarded(|| read_tables(view, &mut salvage));
        salvage.notes.extend(read.err().map(|error| format!("the store's tables: {error}")));
    }
    let mut rebuild = Rebuild::begin(to)?;
    let good = copy_good(view.as_ref(), &mut salvage, &mut rebuild)?;
    let legible = legible_behind(view.as_ref(), &salvage, good);
    let providers = salvage.providers.len();
    for (name, state) in salvage.providers {
        rebuild.provider(&name, state);
    }
    for (name, state) in salvage.deliveries {
        rebuild.delivery(&name, state);
    }
    rebuild.epoch(salvage.epoch);
    let dropped = (salvage.last > good).then_some((good + 1, salvage.last));
    // What was broken may have told of more, such as the high-water file of events whose files are gone.
    let may_lack = dropped.is_some() || !salvage.notes.is_empty();
    let ids_behind = may_lack.then(|| {
        let before = salvage.ids_behind.unwrap_or_default();
        let known = salvage.place.max(rebuild.place_last()).max(before);
        // Opening an account takes an event.
        far_behind(known.saturating_add(salvage.last.saturating_sub(good)))
    });
    if let Some(place) = ids_behind.or(salvage.ids_behind) {
        rebuild.ids_behind(place);
    }
    let head = rebuild.finish()?;
    Ok(RepairReport { head, dropped, legible, providers, ids_behind, notes: salvage.notes })
}

/// A place that is a step or more behind one that may have been given out.
fn far_behind(place: u64) -> u64 {
    (place / IDS_STEP).saturating_add(2).saturating_mul(IDS_STEP)
}

/// A format of another version is not ours to repair; an illegible or missing one is damage.
fn check_format(source: &DataDir, salvage: &mut Salvage) -> Result<(), LedgerError> {
    match source.check_format() {
        Ok(true) => {}
        Ok(false) => salvage.notes.push("`FORMAT` is missing".to_owned()),
        Err(LedgerError::UnknownFormat { path, found, expected }) => {
            let version = found.strip_prefix("infergate-ledger ");
            let is_version = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if version.is_some_and(is_version) {
                return Err(LedgerError::UnknownFormat { path, found, expected });
            }
            salvage.notes.push(format!("`FORMAT` says `{found}`"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn read_write_ahead(source: &DataDir, salvage: &mut Salvage) -> io::Result<()> {
    for path in wal::files(&source.store())? {
        wal::salvage(&fs::read(path)?, |item| match item.area {
            Area::Journal => {
                let Some(sequence) = read_u64(item.key) else { return };
                salvage.entries.entry(sequence).or_default().push(item.value.to_vec());
            }
            Area::Providers => salvage.provider(item.key, item.value),
            Area::Meta => salvage.meta(item.key, item.value),
            Area::Deliveries => salvage.delivery(item.key, item.value),
            Area::Accounts => salvage.account(item.key, item.value),
            Area::AccountJournal
            | Area::Usage
            | Area::Keys
            | Area::Rollups
            | Area::Notices
            | Area::AccountNotices => {}
        });
    }
    Ok(())
}

fn read_tables(view: &View<'_>, salvage: &mut Salvage) -> Result<(), StoreError> {
    if let Some(pair) = view.from(Area::Journal, &[]).next_back() {
        salvage.last = salvage.last.max(read_u64(&pair?.0).unwrap_or_default());
    }
    for pair in view.from(Area::Meta, epoch_prefix()) {
        salvage.meta(&pair?.0, &[]);
    }
    if let Some(value) = view.get(Area::Meta, ids_key())? {
        salvage.meta(ids_key(), &value);
    }
    for pair in view.from(Area::Providers, &[]) {
        let (name, state) = pair?;
        // What the write-ahead files have is newer.
        if !salvage.providers.contains_key(&*String::from_utf8_lossy(&name)) {
            salvage.provider(&name, &state);
        }
    }
    for pair in view.from(Area::Deliveries, &[]) {
        let (name, state) = pair?;
        if !salvage.deliveries.contains_key(&*String::from_utf8_lossy(&name)) {
            salvage.delivery(&name, &state);
        }
    }
    Ok(())
}

/// Takes events as long as each follows from the one before it, and gives the last one's sequence.
fn copy_good(
    view: Option<&View<'_>>,
    salvage: &mut Salvage,
    rebuild: &mut Rebuild,
) -> Result<u64, LedgerError> {
    let mut chain = Chain::default();
    loop {
        let sequence = chain.head().sequence + 1;
        let candidates = candidates(view, salvage, sequence);
        let accepted = candidates.iter().find_map(|value| {
            let (digest, record) = split_entry(value)?;
            chain.accept(digest, record).then_some(record)
        });
        let Some(record) = accepted else { break };
        if let Err(refused) = rebuild.event(record)? {
            salvage.notes.push(format!("event {sequence} is not taken: {refused:?}"));
            salvage.last = salvage.last.max(sequence);
            return Ok(sequence - 1);
        }
    }
    let good = chain.head().sequence;
    // A break may have produced entries of any number: only those near what is known are believed.
    let believable = good.max(salvage.last).saturating_add(1);
    for sequence in believable.. {
        if !salvage.entries.contains_key(&sequence) {
            break;
        }
        salvage.last = sequence;
    }
    Ok(good)
}

fn candidates(view: Option<&View<'_>>, salvage: &Salvage, sequence: u64) -> Vec<Vec<u8>> {
    let from_tables = view.and_then(|view| {
        let read = guarded(|| view.get(Area::Journal, &sequence.to_be_bytes()));
        read.ok().flatten().map(|value| value.to_vec())
    });
    let from_files = salvage.entries.get(&sequence).into_iter().flatten().cloned();
    from_tables.into_iter().chain(from_files).collect()
}

fn legible_behind(view: Option<&View<'_>>, salvage: &Salvage, good: u64) -> Vec<(u64, Record)> {
    let mut legible = Vec::new();
    for sequence in good + 1..=salvage.last {
        let record = candidates(view, salvage, sequence)
            .iter()
            .find_map(|value| Record::decode(split_entry(value)?.1).ok());
        legible.extend(record.map(|record| (sequence, record)));
        if legible.len() == LEGIBLE_MAX {
            break;
        }
    }
    legible
}

/// Opens a copy of the tables that a repair needs, or of the journal's alone.
fn open_tables(
    from: &Path,
    copy: &Path,
    salvage: &mut Salvage,
) -> Result<Option<Store>, LedgerError> {
    let failed = |error| LedgerError::io("copy to", copy, error);
    let memory = LedgerOptions::new(copy).memory();
    let all = [Area::Journal, Area::Meta, Area::Providers, Area::Deliveries];
    for areas in [all.as_slice(), &[Area::Journal]] {
        if copy.exists() {
            fs::remove_dir_all(copy).map_err(failed)?;
        }
        // A store of its own, whose keyspaces are then exchanged for copies of the damaged ones: so
        // nothing depends on the files that the store keeps about itself.
        drop(Store::create(copy, memory)?);
        for area in areas {
            let folder = from.join(format!("keyspaces/{}", area.number()));
            if area.is_later() && !folder.exists() {
                continue;
            }
            match store_files::check_tables(from, area.number()).map_err(failed)? {
                Ok(()) => {
                    let folder = format!("keyspaces/{}", area.number());
                    fs::remove_dir_all(copy.join(&folder)).map_err(failed)?;
                    copy_folder(&from.join(&folder), &copy.join(&folder)).map_err(failed)?;
                }
                Err(damage) => salvage.note(format!("the tables of `{}`: {damage}", area.name())),
            }
        }
        match Store::open_copy(copy, memory) {
            Ok(store) => return Ok(Some(store)),
            Err(StoreError(reason)) => {
                salvage.note(format!("the tables of {} keyspaces: {reason}", areas.len()));
            }
        }
    }
    Ok(None)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

impl Salvage {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn provider(&mut self, name: &[u8], sealed: &[u8]) {
        match (std::str::from_utf8(name), unseal(name, sealed)) {
            (Ok(name), Some(state)) => {
                self.providers.insert(name.to_owned(), state.to_vec());
            }
            _ => self.note("a provider's state can't be read".to_owned()),
        }
    }

    /// One that can't be read begins anew, as that of a webhook that was just made.
    fn delivery(&mut self, name: &[u8], sealed: &[u8]) {
        match (std::str::from_utf8(name), unseal(name, sealed)) {
            (Ok(name), Some(state)) => {
                // Some are named after an account, and what they are named after was there.
                let account = name.split('.').next().and_then(|id| id.parse::<AccountId>().ok());
                self.place = self.place.max(account.map_or(0, AccountId::place));
                self.deliveries.insert(name.to_owned(), state.to_vec());
            }
            _ => self.note("how far a webhook has come can't be read".to_owned()),
        }
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) {
        self.epoch = self.epoch.max(split_epoch_key(key).unwrap_or_default());
        if key == ids_key() {
            self.ids_behind = self.ids_behind.max(split_ids_value(value));
        }
    }

    /// An account's snapshot is sealed, so there was this account.
    fn account(&mut self, key: &[u8], sealed: &[u8]) {
        if let (Some(account), Some(_)) = (account_of(key), unseal(key, sealed)) {
            self.place = self.place.max(account.place());
        }
    }
}
