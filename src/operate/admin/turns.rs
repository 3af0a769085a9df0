//! Whose turn it is to change an account by the admin API.

use std::sync::Arc;

use infergate_actors::id::AccountId;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Accounts that share a lock are rarely changed at the same time.
const STRIPES: u64 = 64;

/// Lets one action at a time look at an account and change it in accordance.
pub(super) struct Turns(Vec<Arc<Mutex<()>>>);

impl Turns {
    pub(super) fn new() -> Self {
        Self((0..STRIPES).map(|_| Arc::default()).collect())
    }

    /// Waits for the account's turn; there is none of nothing.
    pub(super) async fn of(&self, account: Option<AccountId>) -> Option<OwnedMutexGuard<()>> {
        let stripe = account?.0 % STRIPES;
        let lock = usize::try_from(stripe).ok().and_then(|stripe| self.0.get(stripe));
        match lock {
            Some(lock) => Some(Arc::clone(lock).lock_owned().await),
            None => None,
        }
    }
}
