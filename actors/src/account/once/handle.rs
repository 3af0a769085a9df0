//! How the rest of the gateway asks what was done under an idempotency key, and has answers kept.

use super::event::{Answered, Once, OnceEvent};
use super::fold::{OnceDenial, Recalled};
use super::shell::Ask;
use crate::account::handle::TRIES_MAX;
use crate::account::message::Message;
use crate::account::{Accounts, Event, Unavailable};
use crate::id::AccountId;
use crate::ledger::{JournalEntry, Ledger, LedgerError};

/// How many events are looked through for what was done: between its orders, others' may stand.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Why it is not known whether something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceRefusal {
    /// It is not to be done.
    #[error(transparent)]
    Denied(#[from] OnceDenial),
    /// Nobody answers.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Accounts {
    /// What became of what is asked of an account under an idempotency key. To be asked, and done where
    /// it is new, while nobody else changes the account.
    pub async fn recall(&self, account: AccountId, once: Once) -> Result<Recalled, OnceRefusal> {
        let ask = |_, reply| Message::Once(Box::new(Ask::Recall(once, reply)));
        Ok(self.ask(account, TRIES_MAX, ask).await??)
    }

    /// Keeps an answer, if it is one to be kept. Returns when it is on disk.
    pub async fn keep_answer(
        &self,
        account: AccountId,
        answered: Answered,
    ) -> Result<(), Unavailable> {
        let ask = |_, reply| Message::Once(Box::new(Ask::Keep(answered.clone(), reply)));
        self.ask(account, TRIES_MAX, ask).await?
    }

    /// The answer that the account's event of this number keeps.
    pub async fn kept_answer(
        &self,
        account: AccountId,
        number: u64,
    ) -> Result<Option<Answered>, LedgerError> {
        let after = number.saturating_sub(1);
        let read = move |ledger: &Ledger| ledger.account_journal(account, after, 1);
        let entry = self.read(read).await?.into_iter().next();
        Ok(entry.and_then(|entry| match entry.record.event {
            Event::Once(event) => match *event {
                OnceEvent::Answered(answered) => Some(*answered),
                OnceEvent::Did { .. } => None,
            },
            _ => None,
        }))
    }

    /// The events that were asked for so, among those of the numbers `first` to `last`.
    pub async fn done_once(
        &self,
        account: AccountId,
        once: Once,
        (first, last): (u64, u64),
    ) -> Result<Vec<JournalEntry>, LedgerError> {
        let after = first.saturating_sub(1);
        let count = usize::try_from(last.saturating_sub(after)).unwrap_or(LOOKED_THROUGH_MAX);
        let count = count.min(LOOKED_THROUGH_MAX);
        let read = move |ledger: &Ledger| ledger.account_journal(account, after, count);
        let mut entries = self.read(read).await?;
        let marked: Vec<(u64, u64)> =
            entries.iter().filter_map(|entry| marked_by(entry, once)).collect();
        entries.retain(|entry| {
            let number = entry.record.number;
            marked.iter().any(|(from, to)| (*from..*to).contains(&number))
        });
        Ok(entries)
    }
}

/// The numbers of the events that an entry says were asked for so: from the first to behind the last.
fn marked_by(entry: &JournalEntry, once: Once) -> Option<(u64, u64)> {
    let Event::Once(event) = &entry.record.event else { return None };
    let OnceEvent::Did { once: done, events } = &**event else { return None };
    let number = entry.record.number;
    (*done == once).then(|| (number.saturating_sub(u64::from(*events)), number))
}
