//! What the orders of the present task are part of, so that accounts can write it down with them.
//!
//! It goes with the task and not with each call, so that whatever is ordered on the way is covered.

use tokio::task_local;

use super::once::Once;
use crate::id::AccountId;

task_local! {
    static PRESENT: Option<Mark>;
}

/// What leaves a mark in an account's journal, in one batch with what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An operator's action, of this number.
    Action(u64),
    /// What is asked of this account under an idempotency key. Elsewhere it leaves none.
    Once(AccountId, Once),
}

/// Does `work` as the carrying out of this action: what it orders of accounts is marked with it.
pub async fn acting<F: Future>(action: u64, work: F) -> F::Output {
    PRESENT.scope(Some(Mark::Action(action)), work).await
}

/// Does `work` as what is asked of an account under an idempotency key: what it orders of that account is
/// marked so.
pub async fn doing_once<F: Future>(account: AccountId, once: Once, work: F) -> F::Output {
    PRESENT.scope(Some(Mark::Once(account, once)), work).await
}

/// Does `work` as part of nothing: for what does no harm when it is done and the rest is not.
pub(super) async fn unmarked<F: Future>(work: F) -> F::Output {
    PRESENT.scope(None, work).await
}

/// `work` as part of what the present task does, for another task to do.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    PRESENT.scope(present(), work)
}

impl Mark {
    /// The mark that an order leaves in this account's journal, if any.
    pub(super) fn on(account: AccountId) -> Option<Self> {
        present().filter(|mark| match mark {
            Self::Action(_) => true,
            Self::Once(own, _) => *own == account,
        })
    }
}

fn present() -> Option<Mark> {
    PRESENT.try_with(|mark| *mark).ok().flatten()
}
