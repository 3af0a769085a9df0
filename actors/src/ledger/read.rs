//! Reading the ledger: what actors are started from, and what people look up.
//!
//! Everything here blocks on the store, and sees everything that was appended before the call.

use super::error::{Damage, LedgerError};
use super::glance::Glance;
use super::handle::Ledger;
use super::layout::{
    NEVER_MS, Snapshot, account_journal_key, due_keys, read_u64, split_account_journal_key,
    split_due_key, split_entry, split_key_value, unseal, usage_key,
};
use super::notice::NoticeKind;
use super::store::{Area, View};
use super::{Digest, Record};
use crate::account::{Deed, Event, OperatorEvent};
use crate::id::{AccountId, ExchangeId, HoldId, KeyHash, KeyId};

/// What an account is started from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Its newest snapshot, if one was taken.
    pub snapshot: Option<Snapshot>,
    /// Its events behind the snapshot, in order.
    pub tail: Vec<JournalEntry>,
}

/// One event, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the whole journal.
    pub sequence: u64,
    /// The journal's chain there.
    pub chain: Digest,
    /// The event.
    pub record: Record,
    /// The event's digest: the `previous` of the account's next one.
    pub digest: Digest,
}

impl JournalEntry {
    /// What kind of notice it is, if it is one.
    pub fn notice(&self) -> Option<NoticeKind> {
        Glance::notice(&self.record.encode())
    }
}

/// One settled exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// When it was settled, in milliseconds since 1970.
    pub at_ms: u64,
    /// The exchange.
    pub hold: HoldId,
    /// Its event.
    pub entry: JournalEntry,
}

impl UsageEntry {
    /// The settlement that an event is; `None` where it is another.
    pub(super) fn of(entry: JournalEntry) -> Option<Self> {
        let Event::Settled(settlement) = &entry.record.event else { return None };
        Some(Self { at_ms: entry.record.at_ms, hold: settlement.hold, entry })
    }
}

impl Ledger {
    /// What an account is started from: everything appended for it before this call. Proves the
    /// account's chain from the snapshot on. Blocks.
    pub fn load_account(&self, account: AccountId) -> Result<Option<Loaded>, LedgerError> {
        let view = self.settled_view()?;
        let snapshot = match view.get(Area::Accounts, &account.0.to_be_bytes())? {
            None => None,
            Some(value) => {
                let snapshot = Snapshot::from_value(account, &value);
                Some(snapshot.ok_or_else(|| self.unreadable(account))?)
            }
        };
        let (mut number, mut digest) =
            snapshot.as_ref().map_or_else(Default::default, |at| (at.number, at.digest));
        let mut tail = Vec::new();
        for entry in self.entries(&view, account, number, usize::MAX) {
            let entry = entry?;
            let record = &entry.record;
            if record.number != number + 1 || record.previous != digest {
                let number = record.number;
                return Err(self.damaged(Damage::AccountChain { account, number }));
            }
            (number, digest) = (record.number, entry.digest);
            tail.push(entry);
        }
        let exists = snapshot.is_some() || !tail.is_empty();
        Ok(exists.then_some(Loaded { snapshot, tail }))
    }

    /// Whose key has this hash. Blocks.
    pub fn find_key(&self, hash: &KeyHash) -> Result<Option<(AccountId, KeyId)>, LedgerError> {
        let Some(value) = self.store().get(Area::Keys, &hash.0)? else { return Ok(None) };
        let unreadable = || self.damaged(Damage::Value { what: "a key".to_owned() });
        split_key_value(&value).map(Some).ok_or_else(unreadable)
    }

    /// When time alone will change accounts next, in milliseconds since 1970: of those that it will. Blocks.
    pub fn due_times(&self) -> Result<Vec<(AccountId, u64)>, LedgerError> {
        let view = self.settled_view()?;
        let (first, last) = due_keys();
        let mut times = Vec::new();
        for pair in view.between(Area::Meta, &first, &last) {
            let (key, value) = pair?;
            let unreadable = || self.damaged(Damage::Value { what: "a due time".to_owned() });
            let entry = split_due_key(&key).zip(read_u64(&value));
            let (account, at_ms) = entry.ok_or_else(unreadable)?;
            times.extend((at_ms != NEVER_MS).then_some((account, at_ms)));
        }
        Ok(times)
    }

    /// Up to `limit` account ids above `after`, rising. Blocks.
    pub fn account_ids(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<AccountId>, LedgerError> {
        let view = self.settled_view()?;
        let mut ids = Vec::new();
        // The operators are none.
        let after = after.unwrap_or(AccountId::OPERATORS);
        let mut next = after.0.checked_add(1);
        while let Some(from) = next.filter(|_| ids.len() < limit) {
            // One seek an account: its own events are jumped over.
            let first = account_journal_key(AccountId(from), 0);
            let Some(pair) = view.from(Area::AccountJournal, &first).next() else { break };
            let (key, _) = pair?;
            let Some((account, _)) = split_account_journal_key(&key) else { break };
            ids.push(account);
            next = account.0.checked_add(1);
        }
        Ok(ids)
    }

    /// What an operator's action did to accounts, by the marks that it left in their journals behind
    /// the event `from` of the whole journal. Blocks, and reads all of the journal from there on.
    pub fn deeds(&self, from: u64, action: u64) -> Result<Vec<Deed>, LedgerError> {
        let view = self.settled_view()?;
        let mut deeds = Vec::new();
        for pair in view.from(Area::Journal, &from.to_be_bytes()) {
            let (key, value) = pair?;
            let sequence = read_u64(&key).unwrap_or_default();
            let undecodable = |error| self.damaged(Damage::Undecodable { sequence, error });
            let unreadable = || self.damaged(Damage::Value { what: format!("event {sequence}") });
            let (_, bytes) = split_entry(&value).ok_or_else(unreadable)?;
            let record = Record::decode(bytes).map_err(undecodable)?;
            let Event::Operator(event) = &record.event else { continue };
            if let OperatorEvent::Did { action: done_by, events } = **event
                && done_by == action
            {
                let (account, last) = (record.account, record.number.saturating_sub(1));
                let first = record.number.saturating_sub(u64::from(events));
                deeds.push(Deed { account, first, last });
            }
        }
        Ok(deeds)
    }

    /// Up to `limit` of an account's events above number `after`, in order. Blocks.
    pub fn account_journal(
        &self,
        account: AccountId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, LedgerError> {
        self.entries(&self.settled_view()?, account, after, limit).collect()
    }

    /// Up to `limit` of an account's settled exchanges behind `after` (a time and an exchange), in
    /// the order they were settled. Blocks.
    pub fn usage_page(
        &self,
        account: AccountId,
        after: Option<(u64, HoldId)>,
        limit: usize,
    ) -> Result<Vec<UsageEntry>, LedgerError> {
        let view = self.settled_view()?;
        // What is too old to be kept may be there still, in part.
        let kept = (self.kept().records_from_ms, ExchangeId(0));
        let (at_ms, hold) = after.unwrap_or(kept).max(kept);
        let first = usage_key(account, at_ms, hold);
        let after = after.filter(|after| *after >= kept);
        let last = usage_key(account, u64::MAX, ExchangeId(u128::MAX));
        let mut page = Vec::new();
        for pair in view.between(Area::Usage, &first, &last) {
            let (key, sequence) = pair?;
            if after.is_some() && key == first {
                continue;
            }
            if page.len() == limit {
                break;
            }
            page.extend(self.usage_entry(&view, account, &sequence)?);
        }
        Ok(page)
    }

    /// Up to `limit` of an account's exchanges settled at `since_ms` or later and before `before` (a time
    /// and an exchange), the last one first. Blocks.
    pub fn usage_back(
        &self,
        account: AccountId,
        since_ms: u64,
        before: Option<(u64, HoldId)>,
        limit: usize,
    ) -> Result<Vec<UsageEntry>, LedgerError> {
        let view = self.settled_view()?;
        let since_ms = since_ms.max(self.kept().records_from_ms);
        let first = usage_key(account, since_ms, ExchangeId(0));
        let (at_ms, hold) = before.unwrap_or((u64::MAX, ExchangeId(u128::MAX)));
        let last = usage_key(account, at_ms, hold);
        if last < first {
            return Ok(Vec::new());
        }
        let mut page = Vec::new();
        for pair in view.between(Area::Usage, &first, &last).rev() {
            let (key, sequence) = pair?;
            if before.is_some() && *key == last {
                continue;
            }
            if page.len() == limit {
                break;
            }
            page.extend(self.usage_entry(&view, account, &sequence)?);
        }
        Ok(page)
    }

    /// What the index of usage points at.
    pub(super) fn usage_entry(
        &self,
        view: &View<'_>,
        account: AccountId,
        sequence: &[u8],
    ) -> Result<Option<UsageEntry>, LedgerError> {
        Ok(UsageEntry::of(self.entry(view, account, sequence)?))
    }

    /// A provider's newest state. Blocks.
    pub fn provider(&self, name: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.settle()?;
        let Some(value) = self.store().get(Area::Providers, name.as_bytes())? else {
            return Ok(None);
        };
        let unreadable = || self.damaged(Damage::Value { what: format!("provider `{name}`") });
        unseal(name.as_bytes(), &value).map(|state| Some(state.to_vec())).ok_or_else(unreadable)
    }

    fn entries(
        &self,
        view: &View<'_>,
        account: AccountId,
        after: u64,
        limit: usize,
    ) -> impl Iterator<Item = Result<JournalEntry, LedgerError>> {
        let first = account_journal_key(account, after.saturating_add(1));
        let last = account_journal_key(account, u64::MAX);
        let index = view.between(Area::AccountJournal, &first, &last).take(limit);
        index.map(move |pair| self.entry(view, account, &pair?.1))
    }

    fn entry(
        &self,
        view: &View<'_>,
        account: AccountId,
        sequence: &[u8],
    ) -> Result<JournalEntry, LedgerError> {
        let number = read_u64(sequence).ok_or_else(|| self.unreadable(account))?;
        let disagrees =
            || self.damaged(Damage::Index { index: "account_journal", sequence: number });
        let value = view.get(Area::Journal, sequence)?.ok_or_else(disagrees)?;
        let (chain, bytes) = split_entry(&value).ok_or_else(|| self.unreadable(account))?;
        let undecodable = |error| self.damaged(Damage::Undecodable { sequence: number, error });
        let record = Record::decode(bytes).map_err(undecodable)?;
        if record.account != account {
            return Err(disagrees());
        }
        Ok(JournalEntry { sequence: number, chain, digest: Digest::of(bytes), record })
    }

    fn unreadable(&self, account: AccountId) -> LedgerError {
        self.damaged(Damage::Value { what: account.to_string() })
    }
}
