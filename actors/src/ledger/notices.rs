//! Reading notices, and keeping how far each reader of them has come.
//!
//! Only what is on disk is given out: a number that was told outside must never become another event's,
//! as it would where the power fails before it is written.

use tokio::sync::watch;

use super::error::{Damage, LedgerError};
use super::handle::Ledger;
use super::layout::{
    account_journal_key, read_u64, split_account_journal_key, split_entry, split_notice_value,
    unseal,
};
use super::store::Area;
use super::{Batch, Digest, JournalEntry, NoticeKind, Record, Then};
use crate::id::AccountId;

/// The place of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The sequence of its event.
    pub sequence: u64,
    /// What kind it is.
    pub kind: NoticeKind,
    /// Whose.
    pub account: AccountId,
}

impl Ledger {
    /// Tells the sequence of the newest notice on disk, whenever there is a newer one.
    pub fn notices_seen(&self) -> watch::Receiver<u64> {
        self.shared().notices.subscribe()
    }

    /// Up to `limit` notices behind sequence `after`, in order, of one account or of all; those on disk
    /// only. Blocks.
    pub fn notices(
        &self,
        account: Option<AccountId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Notice>, LedgerError> {
        let on_disk = self.stats().sequence_synced;
        let view = self.store().view();
        let first = after.saturating_add(1);
        let mut notices = Vec::new();
        let unreadable = || self.damaged(Damage::Value { what: "a notice".to_owned() });
        if on_disk < first {
            return Ok(notices);
        }
        match account {
            None => {
                let (first, last) = (first.to_be_bytes(), on_disk.to_be_bytes());
                for pair in view.between(Area::Notices, &first, &last).take(limit) {
                    let (key, value) = pair?;
                    let sequence = read_u64(&key).ok_or_else(unreadable)?;
                    let (kind, account) = split_notice_value(&value).ok_or_else(unreadable)?;
                    notices.push(Notice { sequence, kind, account });
                }
            }
            Some(account) => {
                let [first, last] = [first, on_disk].map(|at| account_journal_key(account, at));
                for pair in view.between(Area::AccountNotices, &first, &last).take(limit) {
                    let (key, kind) = pair?;
                    let (_, sequence) = split_account_journal_key(&key).ok_or_else(unreadable)?;
                    let kind = NoticeKind::from_bytes(&kind).ok_or_else(unreadable)?;
                    notices.push(Notice { sequence, kind, account });
                }
            }
        }
        Ok(notices)
    }

    /// The event with this sequence; `None` where there is none. Blocks.
    pub fn event_at(&self, sequence: u64) -> Result<Option<JournalEntry>, LedgerError> {
        let Some(value) = self.store().get(Area::Journal, &sequence.to_be_bytes())? else {
            return Ok(None);
        };
        let unreadable = || self.damaged(Damage::Value { what: format!("event {sequence}") });
        let (chain, bytes) = split_entry(&value).ok_or_else(unreadable)?;
        let undecodable = |error| self.damaged(Damage::Undecodable { sequence, error });
        let record = Record::decode(bytes).map_err(undecodable)?;
        Ok(Some(JournalEntry { sequence, chain, digest: Digest::of(bytes), record }))
    }

    /// The sequence of the first event written at this time, in milliseconds since 1970, or later; one
    /// behind the last where there is none. Events are taken to be in the order of their times. Blocks.
    pub fn sequence_at(&self, at_ms: u64) -> Result<u64, LedgerError> {
        let (mut low, mut high) = (1, self.stats().sequence.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let is_before = self.event_at(middle)?.is_some_and(|it| it.record.at_ms < at_ms);
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Keeps how far a reader of notices has come, in its own format.
    pub fn put_delivery(&self, name: &str, state: Vec<u8>, then: Option<Then>) {
        let mut batch = Batch::new().lazy();
        batch.delivery(name, state);
        self.append(batch, then);
    }

    /// How far every reader of notices has come, by name. Blocks.
    pub fn deliveries(&self) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
        self.settle()?;
        let mut states = Vec::new();
        for pair in self.store().view().from(Area::Deliveries, &[]) {
            let (name, sealed) = pair?;
            let what = || format!("delivery `{}`", String::from_utf8_lossy(&name));
            let unreadable = || self.damaged(Damage::Value { what: what() });
            let state = unseal(&name, &sealed).ok_or_else(unreadable)?;
            states.push((String::from_utf8_lossy(&name).into_owned(), state.to_vec()));
        }
        Ok(states)
    }
}
