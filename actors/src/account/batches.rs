//! How batches of codes and of invites are made, and looked after: each listed, looked at, taken back.

use super::handle::{Accounts, TRIES_MAX, Unavailable};
use super::mark::unmarked;
use super::message::{HallMessage, Message, Refusal};
use super::{BatchView, CodeBatch, CodeKind, Denial, Event, MemberEvent, Order};
use crate::id::AccountId;
use crate::ledger::{JournalEntry, LedgerError};

impl Accounts {
    /// An id that no account has: for a batch of codes, which name it.
    pub fn new_id(&self) -> AccountId {
        self.ledger().new_account_id()
    }

    /// Makes codes, as a batch of this id. Returns when they are on disk, and listed.
    pub async fn make_codes(&self, id: AccountId, batch: CodeBatch) -> Result<(), Refusal> {
        // Listed first: what is listed and not there is passed over, and what is there is never lost. A
        // mark would say that the action was carried out, where it broke off in between.
        let list = AccountId::codes(self.ledger().node());
        unmarked(self.order(list, Order::ListCodes(id))).await?;
        self.order(id, Order::MakeCodes(batch)).await.map(|_| ())
    }

    /// Takes a batch back. Returns it when that is on disk.
    pub async fn revoke_batch(
        &self,
        what: CodeKind,
        batch: AccountId,
        by: String,
        reason: String,
    ) -> Result<BatchView, Refusal> {
        self.order(batch, Order::RevokeBatch { what, by, reason }).await?;
        self.inspect_batch(what, batch).await
    }

    /// A batch as it is now.
    pub async fn inspect_batch(
        &self,
        what: CodeKind,
        batch: AccountId,
    ) -> Result<BatchView, Refusal> {
        let ask = |_, reply| Message::Hall(HallMessage::Inspect(what, reply));
        let view = self.ask(batch, TRIES_MAX, ask).await??;
        // Its first event is its making, whose time not every batch keeps.
        let read = self.read(move |ledger| ledger.account_journal(batch, 0, 1)).await;
        let first = read.map_err(|_| Unavailable)?.into_iter().next();
        let made_at_ms = first.ok_or(Denial::NoSuchAccount)?.record.at_ms;
        Ok(BatchView { made_at_ms, ..view })
    }

    /// Up to `limit` batches behind place `after` of their list, each with its place. Batches of codes
    /// are listed since there is a list: those that were made before are not in it.
    pub async fn list_batches(
        &self,
        what: CodeKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, AccountId)>, LedgerError> {
        let node = self.ledger().node();
        let list = match what {
            CodeKind::Credit => AccountId::codes(node),
            CodeKind::Invite => AccountId::invites(node),
        };
        let entries = self.read(move |ledger| ledger.account_journal(list, after, limit)).await?;
        let listed = |entry: &JournalEntry| match &entry.record.event {
            Event::Member(event) => match &**event {
                MemberEvent::InvitesListed { batch } | MemberEvent::CodesListed { batch } => {
                    Some((entry.record.number, *batch))
                }
                _ => None,
            },
            _ => None,
        };
        Ok(entries.iter().filter_map(listed).collect())
    }
}
