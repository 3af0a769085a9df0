//! Which action of an operator the present task carries out, so that accounts can write it down.
//!
//! It goes with the task and not with each call, so that whatever an action comes to order is covered.

use tokio::task_local;

task_local! {
    /// `None`: part of an action, and not to be marked.
    static ACTION: Option<u64>;
}

/// Does `work` as the carrying out of this action: what it orders of accounts is marked with it.
pub async fn acting<F: Future>(action: u64, work: F) -> F::Output {
    ACTION.scope(Some(action), work).await
}

/// Does `work` as no action's: what it orders of accounts is harmless where the action breaks off behind
/// it, and must not be taken for the action's having been carried out.
pub(in crate::account) async fn unmarked<F: Future>(work: F) -> F::Output {
    ACTION.scope(None, work).await
}

/// `work` as part of the present action, for another task to do.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let present = action();
    async move {
        match present {
            Some(action) => acting(action, work).await,
            None => work.await,
        }
    }
}

/// The present action, if its orders are to be marked.
pub(in crate::account) fn action() -> Option<u64> {
    ACTION.try_with(|action| *action).ok().flatten()
}
