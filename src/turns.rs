//! Turns at one account: while something is looked at and then changed in accordance, nothing comes
//! between, whichever port it is asked at.

use std::sync::Arc;

use infergate_actors::id::AccountId;
use tokio::sync::Mutex;
use tokio::task::JoinError;

/// Accounts that share a turn wait for each other, which is seldom.
const SHARES: usize = 64;

/// Whose turn it is, for all accounts.
pub(crate) struct Turns([Arc<Mutex<()>>; SHARES]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }
}

impl Turns {
    /// Does `work` while nobody else has the account's turn, to its end even if nobody waits for it any
    /// more.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        account: AccountId,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let share = usize::try_from(account.0 % SHARES as u64).unwrap_or_default();
        let Some(turn) = self.0.get(share) else { return Ok(work.await) };
        let turn = Arc::clone(turn).lock_owned().await;
        let working = tokio::spawn(async move {
            let _turn = turn;
            work.await
        });
        working.await
    }
}
