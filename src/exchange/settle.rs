//! The end of an exchange: settled or voided exactly once, whatever happens to its task.

use infergate_actors::account::{Accounts, End, Settle, Unavailable};
use infergate_actors::id::{AccountId, HoldId};
use infergate_actors::money::NanoUsd;
use tokio::runtime::Handle;

use super::gate::Admission;

/// A hold that has not ended. Dropped as it is, it is voided.
///
/// It exists before the hold does: a client that leaves while the account is still deciding leaves
/// nothing behind, because the void is sent after the question and to the same mailbox.
pub(super) struct OpenHold(Option<Open>);

struct Open {
    accounts: Accounts,
    account: AccountId,
    hold: HoldId,
    /// Kept until the end is written, so that a stopping gateway waits for it.
    admission: Admission,
}

impl OpenHold {
    pub(super) fn new(
        accounts: Accounts,
        account: AccountId,
        hold: HoldId,
        admission: Admission,
    ) -> Self {
        Self(Some(Open { accounts, account, hold, admission }))
    }

    pub(super) fn account(&self) -> Option<(&Accounts, AccountId)> {
        self.0.as_ref().map(|open| (&open.accounts, open.account))
    }

    pub(super) fn hold(&self) -> Option<HoldId> {
        self.0.as_ref().map(|open| open.hold)
    }

    /// Nothing was held: there is nothing to end.
    pub(super) fn never_held(mut self) {
        self.0 = None;
    }

    /// Charges. Returns when that is as safe as the ledger's setting asks; goes on without the one
    /// who waits, should that one be gone. Gives what was charged, unless it had ended before.
    pub(super) async fn settle(mut self, settle: Settle) -> Result<Option<NanoUsd>, Unavailable> {
        let open = self.0.take().ok_or(Unavailable)?;
        let writing = tokio::spawn(open.settle(settle));
        writing.await.unwrap_or(Err(Unavailable))
    }

    /// Charges, with nobody waiting for it.
    pub(super) fn settle_detached(mut self, settle: Settle) {
        if let (Some(open), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(open.settle(settle));
        }
    }

    /// Lets go of what was held, with nobody waiting for it: nothing the client sees depends on it.
    pub(super) fn void(mut self, end: End) {
        self.void_detached(end);
    }

    /// The same, for one who waits until it is let go of.
    pub(super) async fn voided(mut self, end: End) {
        if let Some(open) = self.0.take() {
            // Whether it could be is told in the log, and it goes on if nobody waits any more.
            let _ = tokio::spawn(open.void(end)).await;
        }
    }

    fn void_detached(&mut self, end: End) {
        // Without a runtime the process is ending, and the next start voids what it finds open.
        if let (Some(open), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(open.void(end));
        }
    }
}

impl Drop for OpenHold {
    fn drop(&mut self) {
        self.void_detached(End::ClientGone);
    }
}

impl Open {
    async fn settle(self, settle: Settle) -> Result<Option<NanoUsd>, Unavailable> {
        let settled = self.accounts.charge(self.account, settle).await;
        if settled.is_err() {
            tracing::error!(account = %self.account, hold = %self.hold, "exchange not settled");
        }
        drop(self.admission);
        settled
    }

    async fn void(self, end: End) {
        if self.accounts.void(self.account, self.hold, end).await.is_err() {
            tracing::error!(account = %self.account, hold = %self.hold, "hold not voided");
        }
        drop(self.admission);
    }
}
