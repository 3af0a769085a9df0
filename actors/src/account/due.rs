//! When time alone will change accounts, also those that are asleep: which one is due next.
//!
//! What is due is decided by the account itself before each question, so nothing here decides
//! anything; it only sees to it that an account nobody asks is asked. Each account with a subscription
//! has one entry: kept in memory, read from the ledger's index once at the start, and corrected by the
//! account's actor whenever it changes. So no look goes through more than what is due.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::AccountId;

/// An account that was asked and did not go on is asked again so much later.
const AGAIN_AFTER_MS: u64 = 60_000;

/// When accounts are due.
#[derive(Debug, Default)]
pub(super) struct DueTimes(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    next: BTreeSet<(u64, AccountId)>,
    of: HashMap<AccountId, u64>,
}

impl DueTimes {
    /// The account is due at `at_ms`, in milliseconds since 1970, or not at all.
    pub(super) fn set(&self, account: AccountId, at_ms: Option<u64>) {
        self.lock().set(account, at_ms);
    }

    /// Up to `most` accounts that are due at `now_ms`, the longest due first. They are due again a
    /// little later, unless they say otherwise.
    pub(super) fn take(&self, now_ms: u64, most: usize) -> Vec<AccountId> {
        let mut times = self.lock();
        let due = times.next.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).take(most);
        let due: Vec<AccountId> = due.map(|(_, account)| *account).collect();
        for account in &due {
            times.set(*account, Some(now_ms.saturating_add(AGAIN_AFTER_MS)));
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn set(&mut self, account: AccountId, at_ms: Option<u64>) {
        let before = match at_ms {
            Some(at_ms) => self.of.insert(account, at_ms),
            None => self.of.remove(&account),
        };
        if let Some(before) = before {
            self.next.remove(&(before, account));
        }
        self.next.extend(at_ms.map(|at_ms| (at_ms, account)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_due_are_taken_first_and_come_again_unless_they_went_on() {
        let times = DueTimes::default();
        let [one, two, three] = [1, 2, 3].map(AccountId);
        for (account, at_ms) in [(one, 30), (two, 10), (three, 20)] {
            times.set(account, Some(at_ms));
        }
        assert_eq!(times.take(9, 9), []);
        assert_eq!(times.take(30, 2), [two, three]);
        times.set(two, None);
        times.set(three, Some(90_000));
        assert_eq!(times.take(30, 9), [one]);
        assert_eq!(times.take(30, 9), []);
        assert_eq!(times.take(30 + AGAIN_AFTER_MS, 9), [one]);
        assert_eq!(times.take(100_000, 9), [three]);
        assert_eq!(times.take(200_000, 9), [one, three]);
    }
}
