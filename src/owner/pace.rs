//! How much each account changes in a minute. What it changes is written to disk and kept there.
//!
//! A change counts once for each [`STEP_BYTES`] of it that are begun. It is looked at in the account's turn
//! whether there is room, and counted when it was made: what is refused costs nothing, so that a key which
//! may change nothing leaves nobody without. What was long is paid off before the next one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infergate_actors::id::AccountId;
use infergate_actors::limit::{TokenBucket, Wait};

/// So much counts as one change.
const STEP_BYTES: usize = 4 << 10;

/// Counts changes by account.
pub(super) struct Pace(Mutex<Counted>);

struct Counted {
    /// Zero: as many as they like.
    per_minute: u32,
    left: HashMap<AccountId, TokenBucket>,
}

impl Pace {
    /// So many changes in a minute, and twice as many at once; zero: as many as they like.
    pub(super) fn new(per_minute: u32) -> Self {
        Self(Mutex::new(Counted { per_minute, left: HashMap::new() }))
    }

    /// The same from here on. Where that is another, all begin anew.
    pub(super) fn set(&self, per_minute: u32) {
        let mut counted = self.counted();
        if counted.per_minute != per_minute {
            *counted = Counted { per_minute, left: HashMap::new() };
        }
    }

    /// Whether an account may change something now. `Err` says how long to wait.
    pub(super) fn check(&self, account: AccountId, now: Duration) -> Result<(), Duration> {
        let counted = self.counted();
        let Some(left) = counted.left.get(&account) else { return Ok(()) };
        left.peek(now, 1).map_err(|wait| match wait {
            Wait::After(wait) => wait,
            // One is never more than fits.
            Wait::Never => Duration::from_mins(1),
        })
    }

    /// Counts a change of so many bytes.
    pub(super) fn count(&self, account: AccountId, bytes: usize, now: Duration) {
        let mut counted = self.counted();
        let per_minute = u64::from(counted.per_minute);
        if per_minute == 0 {
            return;
        }
        let full = || TokenBucket::with_capacity(2 * per_minute, per_minute, now);
        let steps = u64::try_from(bytes.div_ceil(STEP_BYTES)).unwrap_or(u64::MAX);
        counted.left.entry(account).or_insert_with(full).debit(now, steps.max(1));
    }

    /// Forgets accounts that have all left.
    pub(super) fn tidy(&self, now: Duration) {
        let mut counted = self.counted();
        counted.left.retain(|_, left| left.full_after(now) != Some(Duration::ZERO));
        counted.left.shrink_to_fit();
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: AccountId = AccountId(1);
    const START: Duration = Duration::from_secs(5);

    #[test]
    fn an_account_changes_twice_a_minutes_worth_at_once_and_then_waits() {
        let pace = Pace::new(60);
        for _ in 0..120 {
            assert_eq!(pace.check(ONE, START), Ok(()));
            pace.count(ONE, 0, START);
        }
        assert_eq!(pace.check(ONE, START), Err(Duration::from_secs(1)));
        assert_eq!(pace.check(AccountId(2), START), Ok(()));
        assert_eq!(pace.check(ONE, START + Duration::from_secs(1)), Ok(()));
        pace.set(60);
        assert!(pace.check(ONE, START).is_err());
        pace.tidy(START + Duration::from_secs(119));
        assert!(pace.check(ONE, START).is_err(), "there is something to wait for");
        pace.tidy(START + Duration::from_mins(2));
        assert!(pace.counted().left.is_empty());
    }

    #[test]
    fn a_long_change_counts_as_several_and_is_paid_off() {
        let pace = Pace::new(60);
        for bytes in [STEP_BYTES * 119, STEP_BYTES * 60 + 1] {
            assert_eq!(pace.check(ONE, START), Ok(()));
            pace.count(ONE, bytes, START);
        }
        // 180 of the 120 that there were, and one more.
        assert_eq!(pace.check(ONE, START), Err(Duration::from_secs(61)));
        pace.set(0);
        for _ in 0..1_000 {
            pace.count(ONE, STEP_BYTES, START);
        }
        assert_eq!(pace.check(ONE, START), Ok(()), "as much as they like");
    }
}
