//! Replays the journal against everything that was derived from it.
//!
//! Two passes. The first follows the journal: sequence and chain. The second goes through each
//! account's index, which is proven to name every event exactly once: the account's own chain, its
//! state ([`Fold`]) against its snapshot, its books ([`super::audit`]), the usage and key indexes, its
//! sums of usage ([`super::recount`]). Of records and sums that are too old to be kept nothing is asked.

use std::path::Path;

use super::audit::{Audit, Totals};
use super::chain::Chain;
use super::data_dir::{DataDir, Found};
use super::error::{Damage, LedgerError};
use super::glance::Glance;
use super::handle::{Ledger, LedgerOptions, VerifyOnStart};
use super::layout::{
    Snapshot, account_journal_key, due_key, due_value, notice_value, read_u64,
    split_account_journal_key, split_entry, split_key_value, split_usage_key, usage_key,
};
use super::recount::Recount;
use super::store::{Area, StoreError, View, guarded};
use super::{Digest, Head, NoticeKind, Record, recovery};
use crate::account::{Event, Key};
use crate::id::AccountId;

/// Differences that are kept; those beyond are only counted.
const DIFFERENCES_MAX: usize = 100;

/// An account's state as the fold of its events.
pub trait Fold: Sized {
    /// Before the first event.
    fn new(account: AccountId) -> Self;
    /// Takes the next event; says what forbids it. `digest` is the digest of its bytes as they were
    /// written, which an older version may have written.
    fn apply(&mut self, record: &Record, digest: Digest) -> Result<(), String>;
    /// Reads what [`Fold::snapshot`] wrote.
    fn restore(account: AccountId, state: &[u8]) -> Result<Self, String>;
    /// The state in bytes: the same bytes for the same state.
    fn snapshot(&self) -> Vec<u8>;
    /// Whether the state agrees with itself; says what does not.
    fn check(&self) -> Result<(), String>;
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Events read.
    pub events: u64,
    /// Accounts that have events.
    pub accounts: u64,
    /// Snapshots compared with the fold.
    pub snapshots: u64,
    /// Settlements whose charge was derived again.
    pub settlements: u64,
    /// Where the journal ends.
    pub head: Head,
    /// The money in it.
    pub totals: Totals,
    /// What does not agree: the first hundred.
    pub differences: Vec<Difference>,
    /// How many differences there are.
    pub differences_count: u64,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub account: Option<AccountId>,
    /// Which event.
    pub sequence: Option<u64>,
    /// In words.
    pub what: String,
}

struct Verification<'view, F> {
    view: &'view View<'view>,
    report: VerifyReport,
    keys: u64,
    /// Settlements that must be in the index of usage.
    kept: u64,
    recount: Recount,
    /// From which event on notices are in their index, and how many there are.
    notices_from: u64,
    notices: u64,
    account: Option<Account<F>>,
}

/// The account that the second pass is in.
struct Account<F> {
    id: AccountId,
    fold: F,
    audit: Audit,
    number: u64,
    digest: Digest,
    sequence: u64,
    snapshot: Option<Snapshot>,
    /// When it is due, as the last event says that says so.
    due: Option<[u8; 8]>,
}

impl VerifyReport {
    /// Whether everything agrees.
    pub fn is_clean(&self) -> bool {
        self.differences_count == 0
    }
}

impl Ledger {
    /// Verifies everything appended before this call, while work goes on. Blocks.
    pub fn verify<F: Fold>(&self) -> Result<VerifyReport, LedgerError> {
        let view = self.settled_view()?;
        Ok(guarded(|| Verification::<F>::run(&view))?)
    }
}

/// Whether a notice is in both of its indexes.
pub(super) fn is_notice_indexed(
    view: &View<'_>,
    sequence: u64,
    kind: NoticeKind,
    account: AccountId,
) -> Result<bool, StoreError> {
    let known = view.get(Area::Notices, &sequence.to_be_bytes())?;
    let of_account = view.get(Area::AccountNotices, &account_journal_key(account, sequence))?;
    let is_known = known.as_deref() == Some(notice_value(kind, account).as_slice());
    Ok(is_known && of_account.as_deref() == Some(kind.to_bytes().as_slice()))
}

/// Verifies a ledger that no process has open, and changes nothing in it. Blocks.
pub fn verify_directory<F: Fold>(path: &Path) -> Result<VerifyReport, LedgerError> {
    let dir = DataDir::new(path);
    let proven = open_for_reading(&dir)?;
    let view = proven.store.view();
    let refused = |error: StoreError| dir.damaged(Damage::Store(error.0));
    guarded(|| Verification::<F>::run(&view)).map_err(refused)
}

/// Opens and proves a ledger that no process has open, without taking it over.
pub(super) fn open_for_reading(dir: &DataDir) -> Result<recovery::Proven, LedgerError> {
    let missing = || dir.damaged(Damage::Missing("FORMAT".to_owned()));
    if !dir.check_format()? {
        return Err(missing());
    }
    let lock = dir.lock()?;
    let Found::Ledger(high_water, mark) = dir.find()? else { return Err(missing()) };
    let memory = LedgerOptions::new(dir.root()).memory();
    recovery::prove(dir, memory, lock, (high_water, mark), VerifyOnStart::Full)
}

impl<'view, F: Fold> Verification<'view, F> {
    fn run(view: &'view View<'view>) -> Result<VerifyReport, StoreError> {
        let report = VerifyReport::default();
        let (recount, notices_from) = (Recount::new(view)?, recovery::notices_from(view)?);
        let mut this = Self {
            view,
            report,
            keys: 0,
            kept: 0,
            recount,
            notices_from,
            notices: 0,
            account: None,
        };
        this.journal()?;
        this.accounts()?;
        this.counts()?;
        Ok(this.report)
    }

    fn differs(&mut self, account: Option<AccountId>, sequence: Option<u64>, what: String) {
        self.report.differences_count += 1;
        if self.report.differences.len() < DIFFERENCES_MAX {
            self.report.differences.push(Difference { account, sequence, what });
        }
    }

    /// The first pass.
    fn journal(&mut self) -> Result<(), StoreError> {
        let mut chain = Chain::default();
        for pair in self.view.from(Area::Journal, &[]) {
            let (key, value) = pair?;
            self.report.events += 1;
            if let Err(damage) = chain.prove(&key, &value) {
                let sequence = read_u64(&key);
                self.differs(None, sequence, damage.to_string());
                let found = split_entry(&value).map(|(chain, _)| chain).unwrap_or_default();
                let sequence = sequence.unwrap_or(chain.head().sequence + 1);
                chain = Chain::from(Head { sequence, chain: found });
            }
        }
        self.report.head = chain.head();
        Ok(())
    }

    /// The second pass.
    fn accounts(&mut self) -> Result<(), StoreError> {
        let mut indexed = 0;
        for pair in self.view.from(Area::AccountJournal, &[]) {
            let (key, value) = pair?;
            indexed += 1;
            let place = split_account_journal_key(&key).zip(read_u64(&value));
            let Some(((account, number), sequence)) = place else {
                self.differs(None, None, "an unreadable entry in `account_journal`".to_owned());
                continue;
            };
            if self.account.as_ref().is_none_or(|current| current.id != account) {
                self.leave_account()?;
                self.enter_account(account)?;
            }
            match self.read(account, number, sequence)? {
                Ok((record, digest)) => self.event(sequence, &record, digest)?,
                Err(what) => self.differs(Some(account), Some(sequence), what),
            }
        }
        self.leave_account()?;
        if indexed != self.report.events {
            let events = self.report.events;
            let what = format!("`account_journal` names {indexed} events of {events}");
            self.differs(None, None, what);
        }
        Ok(())
    }

    fn read(
        &self,
        account: AccountId,
        number: u64,
        sequence: u64,
    ) -> Result<Result<(Record, Digest), String>, StoreError> {
        let Some(value) = self.view.get(Area::Journal, &sequence.to_be_bytes())? else {
            return Ok(Err(format!("event {number} is in `account_journal` and not in `journal`")));
        };
        let (_, bytes) = split_entry(&value).unwrap_or_default();
        Ok(match Record::decode(bytes) {
            Ok(record) if (record.account, record.number) == (account, number) => {
                Ok((record, Digest::of(bytes)))
            }
            Ok(_) => Err(format!("`account_journal` names another event as number {number}")),
            Err(error) => Err(error.to_string()),
        })
    }

    fn enter_account(&mut self, id: AccountId) -> Result<(), StoreError> {
        self.report.accounts += 1;
        let snapshot = match self.view.get(Area::Accounts, &id.0.to_be_bytes())? {
            None => None,
            Some(value) => {
                self.report.snapshots += 1;
                let snapshot = Snapshot::from_value(id, &value);
                if snapshot.is_none() {
                    self.differs(Some(id), None, "the snapshot can't be read".to_owned());
                }
                snapshot
            }
        };
        let (fold, audit, digest) = (F::new(id), Audit::default(), Digest::default());
        let (number, sequence, due) = (0, 0, None);
        self.account = Some(Account { id, fold, audit, number, digest, sequence, snapshot, due });
        Ok(())
    }

    fn leave_account(&mut self) -> Result<(), StoreError> {
        let Some(account) = self.account.take() else { return Ok(()) };
        if let Some(what) = self.recount.leave(self.view, account.id)? {
            self.differs(Some(account.id), None, what);
        }
        self.report.totals.add(&account.audit.totals);
        if let Err(what) = account.fold.check() {
            self.differs(Some(account.id), None, what);
        }
        if let Some(due) = account.due {
            let entry = self.view.get(Area::Meta, &due_key(account.id))?;
            if entry.as_deref() != Some(due.as_slice()) {
                let what = "`meta` does not say when it is due".to_owned();
                self.differs(Some(account.id), None, what);
            }
        }
        if account.snapshot.is_some_and(|snapshot| snapshot.number > account.number) {
            let what = "the snapshot is newer than the last event".to_owned();
            self.differs(Some(account.id), None, what);
        }
        Ok(())
    }

    fn event(&mut self, sequence: u64, record: &Record, digest: Digest) -> Result<(), StoreError> {
        let Some(account) = &mut self.account else { return Ok(()) };
        let mut faults = Vec::new();
        let follows = record.number == account.number + 1
            && record.previous == account.digest
            && sequence > account.sequence;
        if !follows {
            let number = record.number;
            faults.push(Damage::AccountChain { account: account.id, number }.to_string());
        }
        (account.number, account.digest, account.sequence) = (record.number, digest, sequence);
        faults.extend(account.fold.apply(record, digest).err());
        faults.extend(account.audit.event(&record.event));
        if let Event::Subscription(event) = &record.event {
            account.due = Some(due_value(event.due_at_ms()));
        }
        if let Some(snapshot) = account.snapshot.as_ref().filter(|at| at.number == record.number) {
            let restored = F::restore(account.id, &snapshot.state);
            let same = restored.is_ok_and(|it| it.snapshot() == account.fold.snapshot());
            if !same || snapshot.digest != digest {
                faults.push("the snapshot is not the fold of the events up to it".to_owned());
            }
        }
        faults.extend(self.indexes(sequence, record)?);
        faults.extend(self.notice(sequence, record)?);
        for what in faults {
            self.differs(Some(record.account), Some(sequence), what);
        }
        Ok(())
    }

    fn indexes(&mut self, sequence: u64, record: &Record) -> Result<Option<String>, StoreError> {
        let account = record.account;
        self.recount.event(sequence, record);
        let is_kept = record.at_ms >= self.recount.kept().records_from_ms;
        let agrees = match &record.event {
            Event::Settled(_) if !is_kept => {
                self.report.settlements += 1;
                true
            }
            Event::Settled(settlement) => {
                self.report.settlements += 1;
                self.kept += 1;
                let key = usage_key(account, record.at_ms, settlement.hold);
                let entry = self.view.get(Area::Usage, &key)?;
                entry.as_deref().and_then(read_u64) == Some(sequence)
            }
            Event::KeyCreated { key: Key { id: key, hash, .. } }
            | Event::KeyRotated { key, hash, .. } => {
                self.keys += 1;
                let entry = self.view.get(Area::Keys, &hash.0)?;
                entry.as_deref().and_then(split_key_value) == Some((account, *key))
            }
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::BudgetsChanged { .. }
            | Event::Granted { .. }
            | Event::Expired { .. }
            | Event::Held { .. }
            | Event::Extended { .. }
            | Event::Voided { .. }
            | Event::StatusSet(_)
            | Event::HeldOf { .. }
            | Event::Paid(_)
            | Event::Refunded(_)
            | Event::ChargedBack(_)
            | Event::CodesMade(_)
            | Event::CodeUsed { .. }
            | Event::Reclaimed { .. }
            | Event::Project(_)
            | Event::Member(_)
            | Event::Plan(_)
            | Event::Subscription(_)
            | Event::Watch(_)
            | Event::Operator(_)
            | Event::Once(_)
            | Event::KeyGuarded { .. }
            | Event::KeyRestricted { .. }
            | Event::KeyReleased { .. } => true,
        };
        Ok((!agrees).then(|| "the event is not in its index".to_owned()))
    }

    fn notice(&mut self, sequence: u64, record: &Record) -> Result<Option<String>, StoreError> {
        if sequence < self.notices_from || record.event.is_of_a_request() {
            return Ok(None);
        }
        let Some(kind) = Glance::notice(&record.encode()) else { return Ok(None) };
        self.notices += 1;
        let agree = is_notice_indexed(self.view, sequence, kind, record.account)?;
        Ok((!agree).then(|| "the event is not among the notices".to_owned()))
    }

    /// With every event found in its index, equal counts mean that nothing else is in there.
    fn counts(&mut self) -> Result<(), StoreError> {
        let records_from_ms = self.recount.kept().records_from_ms;
        for (area, expected) in [
            (Area::Usage, self.kept),
            (Area::Keys, self.keys),
            (Area::Accounts, self.report.snapshots),
            (Area::Notices, self.notices),
            (Area::AccountNotices, self.notices),
        ] {
            let mut found = 0;
            for pair in self.view.from(area, &[]) {
                let (key, _) = pair?;
                let is_old = |(at_ms, _)| at_ms < records_from_ms;
                let is_old = area == Area::Usage && split_usage_key(&key).is_some_and(is_old);
                found += u64::from(!is_old);
            }
            if found != expected {
                let what = format!("`{}` has {found} entries, not {expected}", area.name());
                self.differs(None, None, what);
            }
        }
        for what in self.recount.end(self.view, self.report.head.sequence)? {
            self.differs(None, None, what);
        }
        Ok(())
    }
}
