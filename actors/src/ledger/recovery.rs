//! Opening a ledger: nothing is served before it is proven to be all that was written.
//!
//! In order: the format and the lock; the store's files, before the store may change them; the
//! store; the journal, event by event, against its chain, its accounts' chains and the high-water
//! mark; the newest events' index entries. Then holds that no one is left to end are voided.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::chain::Chain;
use super::data_dir::{DataDir, Found, Lock};
use super::error::{Damage, LedgerError};
use super::follower::kept;
use super::glance::{Effect, Glance};
use super::high_water::{HighWater, Mark};
use super::layout::{
    Checkpoint, OpenHold, account_journal_key, checkpoint_key, epoch_prefix, ids_key, notices_key,
    read_u64, split_account_journal_key, split_entry, split_epoch_key, split_ids_value, usage_key,
};
use super::store::{Area, Store, StoreError, StoreMemory, View, guarded};
use super::store_files;
use super::verify::is_notice_indexed;
use super::wal;
use super::writer::Writer;
use super::{Digest, Head, Record, VerifyOnStart};
use crate::account::{End, Event};
use crate::clock::Clock;
use crate::id::{AccountId, HoldId};
use crate::money::NanoUsd;

/// The newest events whose index entries are looked at.
const INDEX_TAIL: usize = 256;

/// What opening a ledger found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Whether there was nothing before.
    pub created: bool,
    /// Whether the ledger had been closed in order.
    pub closed_in_order: bool,
    /// Which start of the ledger this is, counting from 1.
    pub epoch: u32,
    /// Events whose place in the chain was proven.
    pub events: u64,
    /// The journal's last event, before the voided holds.
    pub last_sequence: u64,
    /// Bytes of a write that a crash cut off: it was never acknowledged.
    pub torn_bytes: u64,
    /// The holds that had no end, and what they held.
    pub voided: Vec<(AccountId, HoldId, NanoUsd)>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A store that is proven, and what proving it has shown.
pub(super) struct Proven {
    pub(super) store: Store,
    pub(super) head: Head,
    pub(super) epoch_last: u32,
    high_water: HighWater,
    /// What was known to be on disk.
    promised: Head,
    heads: HashMap<AccountId, AccountHead>,
    holds: HashMap<HoldId, OpenHold>,
    report: RecoveryReport,
}

/// The last event of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountHead {
    pub(super) number: u64,
    pub(super) digest: Digest,
}

/// Opens or makes the ledger and readies it for writing.
pub(super) fn open(
    path: &Path,
    memory: StoreMemory,
    how: VerifyOnStart,
    clock: &Clock,
) -> Result<(Writer, HighWater, RecoveryReport), LedgerError> {
    let started = clock.mono();
    let dir = DataDir::new(path);
    dir.check_format()?;
    let lock = dir.lock()?;
    let proven = match dir.find()? {
        Found::New => create(&dir, memory, lock)?,
        Found::Ledger(high_water, mark) => prove(&dir, memory, lock, (high_water, mark), how)?,
    };
    // What was there is proven by now: what fails is writing, on a full disk for one.
    let store = dir.store();
    let failed =
        |error: StoreError| LedgerError::io("write to", &store, std::io::Error::other(error.0));
    let (writer, high_water, mut report) = take_over(&dir, proven, clock).map_err(failed)?;
    report.elapsed = clock.mono().saturating_sub(started);
    Ok((writer, high_water, report))
}

fn create(dir: &DataDir, memory: StoreMemory, lock: Lock) -> Result<Proven, LedgerError> {
    let failed = |error| LedgerError::io("make", dir.root(), error);
    let high_water = HighWater::create(&dir.high_water()).map_err(failed)?;
    dir.write_format().map_err(failed)?;
    dir.clear_store_new().map_err(failed)?;
    drop(Store::create(&dir.store_new(), memory)?);
    dir.adopt_store_new().map_err(failed)?;
    let store = Store::open(&dir.store(), memory, lock)?;
    let report = RecoveryReport { created: true, ..RecoveryReport::default() };
    Ok(Proven {
        store,
        head: Head::default(),
        epoch_last: 0,
        high_water,
        promised: Head::default(),
        heads: HashMap::new(),
        holds: HashMap::new(),
        report,
    })
}

/// Opens a store that is there and proves it. Writes nothing of its own.
pub(super) fn prove(
    dir: &DataDir,
    memory: StoreMemory,
    lock: Lock,
    (high_water, mark): (HighWater, Mark),
    how: VerifyOnStart,
) -> Result<Proven, LedgerError> {
    let path = dir.store();
    let unreadable = |error| LedgerError::io("read", &path, error);
    store_files::check(&path).map_err(unreadable)?.map_err(|damage| dir.damaged(damage))?;
    let summary = wal::check(&path, mark.head.sequence, mark.closed)
        .map_err(unreadable)?
        .map_err(|damage| dir.damaged(damage))?;
    let refused = |error: StoreError| dir.damaged(Damage::Store(error.0));
    let store = Store::open(&path, memory, lock).map_err(refused)?;
    let proof = guarded(|| Ok(Proof::run(&store.view(), mark, how))).map_err(refused)?;
    let (proof, epoch_last) = proof.map_err(|damage| dir.damaged(damage))?;
    let head = proof.chain.head();
    let report = RecoveryReport {
        closed_in_order: mark.closed,
        events: proof.events,
        last_sequence: head.sequence,
        torn_bytes: summary.torn_bytes,
        ..RecoveryReport::default()
    };
    let Proof { heads, holds, .. } = proof;
    let promised = mark.head;
    Ok(Proven { store, head, epoch_last, high_water, promised, heads, holds, report })
}

/// Makes this process the one that writes: voids what the last one left, and counts the start.
fn take_over(
    dir: &DataDir,
    proven: Proven,
    clock: &Clock,
) -> Result<(Writer, HighWater, RecoveryReport), StoreError> {
    let Proven { store, head, epoch_last, mut high_water, promised, mut heads, holds, .. } = proven;
    let mut report = proven.report;
    let at_ms = clock.now().wall_ms;
    let mut mark = |head, dir: &DataDir| {
        let marked = high_water.write(Mark { head, closed: false });
        let marked = marked.and_then(|()| high_water.sync()).and_then(|()| dir.sync());
        marked.map_err(|error| StoreError(error.to_string()))
    };
    // Before the first write: a crash from here on may leave half a batch.
    mark(promised, dir)?;
    let mut open: Vec<OpenHold> = holds.values().copied().collect();
    open.sort_by_key(|open| (open.account, open.hold));
    let mut batch = Batch::new();
    for OpenHold { hold, account, amount } in open {
        let head = match heads.entry(account) {
            Entry::Occupied(head) => head.into_mut(),
            Entry::Vacant(head) => head.insert(
                account_head(&store.view(), account)
                    .map_err(|damage| StoreError(damage.to_string()))?,
            ),
        };
        let event = Event::Voided { hold, end: End::Recovered };
        let (number, previous) = (head.number + 1, head.digest);
        let digest = batch.push(&Record { account, number, previous, at_ms, event });
        *head = AccountHead { number, digest };
        report.voided.push((account, hold, amount));
    }
    report.epoch = epoch_last.saturating_add(1);
    let has_notices = store.get(Area::Meta, notices_key())?.is_some();
    let mut writer = Writer::new(Arc::new(store), head, holds);
    if !has_notices {
        // A store of an earlier build, or a new one: notices begin here.
        writer.write_notices_from(head.sequence + 1)?;
    }
    writer.write(std::iter::once(&batch))?;
    writer.write_epoch(report.epoch, at_ms)?;
    writer.store().sync()?;
    mark(writer.head(), dir)?;
    Ok((writer, high_water, report))
}

/// The journal read once, from its beginning or from the last checkpoint.
struct Proof {
    chain: Chain,
    events: u64,
    heads: HashMap<AccountId, AccountHead>,
    holds: HashMap<HoldId, OpenHold>,
    /// The newest events, for the look at the indexes.
    tail: VecDeque<(u64, Glance)>,
    /// The highest epoch that a hold of any node carries.
    epoch: u32,
}

impl Proof {
    fn run(view: &View<'_>, mark: Mark, how: VerifyOnStart) -> Result<(Self, u32), Damage> {
        let checkpoint = match how {
            VerifyOnStart::Full => Checkpoint::default(),
            VerifyOnStart::Tail => checkpoint(view)?,
        };
        let mut proof = Self {
            chain: Chain::from(checkpoint.head),
            events: 0,
            heads: HashMap::new(),
            holds: checkpoint.holds.iter().map(|open| (open.hold, *open)).collect(),
            tail: VecDeque::with_capacity(INDEX_TAIL),
            epoch: 0,
        };
        let is_full = checkpoint.head.sequence == 0;
        proof.matches(mark.head)?;
        let first = checkpoint.head.sequence + 1;
        for pair in view.from(Area::Journal, &first.to_be_bytes()) {
            let (key, value) = pair?;
            proof.event(&key, &value, |account| {
                if is_full { Ok(AccountHead::default()) } else { head_before(view, account, first) }
            })?;
            proof.matches(mark.head)?;
        }
        let found = proof.chain.head().sequence;
        if found < mark.head.sequence {
            return Err(Damage::Behind { found, promised: mark.head.sequence });
        }
        proof.check_indexes(view)?;
        let epoch = epoch_last(view)?.max(proof.epoch);
        Ok((proof, epoch))
    }

    /// Where the chain stands at the mark's event it must be the mark's chain.
    fn matches(&self, promised: Head) -> Result<(), Damage> {
        let head = self.chain.head();
        let differs = head.sequence == promised.sequence && head.chain != promised.chain;
        if differs { Err(Damage::Other { sequence: head.sequence }) } else { Ok(()) }
    }

    fn event(
        &mut self,
        key: &[u8],
        value: &[u8],
        first: impl FnOnce(AccountId) -> Result<AccountHead, Damage>,
    ) -> Result<(), Damage> {
        let record = self.chain.prove(key, value)?;
        let sequence = self.chain.head().sequence;
        let undecodable = |error| Damage::Undecodable { sequence, error };
        let glance = Glance::read(record).map_err(undecodable)?;
        let Glance { account, number, .. } = glance;
        let head = match self.heads.entry(account) {
            Entry::Occupied(head) => head.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(first(account)?),
        };
        if number != head.number + 1 || glance.previous != head.digest {
            return Err(Damage::AccountChain { account, number });
        }
        *head = AccountHead { number, digest: Digest::of(record) };
        self.events += 1;
        match glance.effect {
            Effect::Held(hold, amount) => {
                self.epoch = self.epoch.max(epoch_of(hold));
                self.holds.insert(hold, OpenHold { hold, account, amount });
            }
            Effect::Extended(hold, more) => {
                if let Some(open) = self.holds.get_mut(&hold) {
                    open.amount = open.amount.saturating_add(more);
                }
            }
            Effect::Settled(hold) | Effect::Voided(hold) => {
                self.holds.remove(&hold);
            }
            Effect::Plain | Effect::KeyCreated(..) | Effect::Due(_) => {}
        }
        if self.tail.len() == INDEX_TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back((sequence, glance));
        Ok(())
    }

    /// Looks up the newest events in the indexes, and that the indexes have none newer.
    fn check_indexes(&self, view: &View<'_>) -> Result<(), Damage> {
        let (kept, notices_from) = (kept(view)?, notices_from(view)?);
        for (sequence, glance) in &self.tail {
            let sequence = *sequence;
            let Glance { account, number, at_ms, .. } = *glance;
            let points_here = |area: Area, key: &[u8]| -> Result<(), Damage> {
                let entry = view.get(area, key)?;
                let found = entry.as_deref().and_then(read_u64) == Some(sequence);
                let disagrees = Damage::Index { index: area.name(), sequence };
                if found { Ok(()) } else { Err(disagrees) }
            };
            points_here(Area::AccountJournal, &account_journal_key(account, number))?;
            if let Effect::Settled(hold) = glance.effect
                && at_ms >= kept.records_from_ms
            {
                points_here(Area::Usage, &usage_key(account, at_ms, hold))?;
            }
            if let Effect::KeyCreated(hash, _) = glance.effect
                && view.get(Area::Keys, &hash.0)?.is_none()
            {
                return Err(Damage::Index { index: Area::Keys.name(), sequence });
            }
            if let Some(kind) = glance.notice.filter(|_| sequence >= notices_from)
                && !is_notice_indexed(view, sequence, kind, account)?
            {
                return Err(Damage::Index { index: Area::Notices.name(), sequence });
            }
            let head = self.heads.get(&account).copied().unwrap_or_default();
            if last_number(view, account)? != head.number {
                return Err(Damage::Index { index: Area::AccountJournal.name(), sequence });
            }
        }
        Ok(())
    }
}

/// The newest checkpoint, proven to lie on the journal; the journal's beginning if there is none.
fn checkpoint(view: &View<'_>) -> Result<Checkpoint, Damage> {
    let Some(value) = view.get(Area::Meta, checkpoint_key())? else {
        return Ok(Checkpoint::default());
    };
    let unreadable = || Damage::Value { what: "the checkpoint".to_owned() };
    let checkpoint = Checkpoint::from_value(&value).ok_or_else(unreadable)?;
    let Head { sequence, chain } = checkpoint.head;
    if sequence == 0 {
        return Ok(checkpoint);
    }
    let entry = view.get(Area::Journal, &sequence.to_be_bytes())?;
    let entry = entry.ok_or(Damage::Gap { after: sequence - 1, found: sequence + 1 })?;
    if split_entry(&entry).is_none_or(|(found, _)| found != chain) {
        return Err(Damage::Other { sequence });
    }
    Ok(checkpoint)
}

/// The account's last event in the indexes.
fn account_head(view: &View<'_>, account: AccountId) -> Result<AccountHead, Damage> {
    head_before(view, account, u64::MAX)
}

/// The account's last event before a sequence, by the indexes.
fn head_before(view: &View<'_>, account: AccountId, before: u64) -> Result<AccountHead, Damage> {
    let [first, last] = [0, u64::MAX].map(|number| account_journal_key(account, number));
    for pair in view.between(Area::AccountJournal, &first, &last).rev() {
        let (key, value) = pair?;
        let unreadable = || Damage::Value { what: format!("an event of {account}") };
        let (_, number) = split_account_journal_key(&key).ok_or_else(unreadable)?;
        let sequence = read_u64(&value).ok_or_else(unreadable)?;
        if sequence < before {
            let entry = view.get(Area::Journal, &value)?;
            let entry = entry.ok_or(Damage::Index { index: "account_journal", sequence })?;
            let (_, record) = split_entry(&entry).ok_or_else(unreadable)?;
            return Ok(AccountHead { number, digest: Digest::of(record) });
        }
    }
    Ok(AccountHead::default())
}

fn last_number(view: &View<'_>, account: AccountId) -> Result<u64, Damage> {
    let [first, last] = [0, u64::MAX].map(|number| account_journal_key(account, number));
    let Some(pair) = view.between(Area::AccountJournal, &first, &last).next_back() else {
        return Ok(0);
    };
    let (key, _) = pair?;
    Ok(split_account_journal_key(&key).map_or(0, |(_, number)| number))
}

/// The first event that is in the index of notices, if it is one; none where it has not begun.
pub(super) fn notices_from(view: &View<'_>) -> Result<u64, StoreError> {
    let mark = view.get(Area::Meta, notices_key())?;
    Ok(mark.as_deref().and_then(read_u64).unwrap_or(u64::MAX))
}

/// Behind which place the ids of new accounts begin, where a repair has noted one.
pub(super) fn ids_behind(view: &View<'_>, dir: &DataDir) -> Result<Option<u64>, LedgerError> {
    let Some(value) = view.get(Area::Meta, ids_key())? else { return Ok(None) };
    let unreadable = || dir.damaged(Damage::Value { what: "the place of new ids".to_owned() });
    split_ids_value(&value).map(Some).ok_or_else(unreadable)
}

/// The last start that was counted.
fn epoch_last(view: &View<'_>) -> Result<u32, Damage> {
    let prefix = epoch_prefix();
    let last = [prefix, &[0xff; 4]].concat();
    let Some(pair) = view.between(Area::Meta, prefix, &last).next_back() else { return Ok(0) };
    let (key, _) = pair?;
    split_epoch_key(&key).ok_or_else(|| Damage::Value { what: "the epoch".to_owned() })
}

/// The epoch in an exchange id (see [`crate::id::ExchangeId`]).
pub(super) fn epoch_of(hold: HoldId) -> u32 {
    let bits = (hold.0 >> 80) & u128::from(u32::MAX);
    u32::try_from(bits).unwrap_or(u32::MAX)
}
