//! How operators look after batches of codes: each listed, looked at, taken back.

use super::actor::{HallMessage, Message, Refusal};
use super::handle::{Accounts, TRIES_MAX};
use super::{BatchView, Event, MemberEvent, Order};
use crate::id::AccountId;
use crate::ledger::{JournalEntry, LedgerError};

impl Accounts {
    /// Takes a batch of invites back. Returns it when that is on disk.
    pub async fn revoke_batch(
        &self,
        batch: AccountId,
        by: String,
        reason: String,
    ) -> Result<BatchView, Refusal> {
        self.order(batch, Order::RevokeInvites { by, reason }).await?;
        self.inspect_batch(batch).await
    }

    /// A batch of invites as it is now.
    pub async fn inspect_batch(&self, batch: AccountId) -> Result<BatchView, Refusal> {
        Ok(self
            .ask(batch, TRIES_MAX, |_, reply| Message::Hall(HallMessage::Inspect(reply)))
            .await??)
    }

    /// Up to `limit` batches of invites behind place `after` of their list, each with its place.
    pub async fn list_batches(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, AccountId)>, LedgerError> {
        let list = self.invites();
        let entries = self.read(move |ledger| ledger.account_journal(list, after, limit)).await?;
        let listed = |entry: &JournalEntry| match &entry.record.event {
            Event::Member(event) => match &**event {
                MemberEvent::InvitesListed { batch } => Some((entry.record.number, *batch)),
                _ => None,
            },
            _ => None,
        };
        Ok(entries.iter().filter_map(listed).collect())
    }
}
