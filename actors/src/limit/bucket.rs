//! A bucket of tokens that can be looked at, given back to, and driven into debt. Pure.

use std::time::Duration;

use super::{MINUTE_NS, Wait, nanos};

/// A bucket of tokens refilled evenly, whose level may be below zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// In 1/[`MINUTE_NS`] of a token, as of `at`.
    level: i128,
    capacity: u64,
    per_minute: u64,
    at: Duration,
}

impl TokenBucket {
    /// A full bucket of `per_minute` tokens, refilled at that rate.
    pub fn new(per_minute: u64, now: Duration) -> Self {
        Self::with_capacity(per_minute, per_minute, now)
    }

    /// A full bucket of `capacity` tokens, refilled at `per_minute`.
    pub fn with_capacity(capacity: u64, per_minute: u64, now: Duration) -> Self {
        Self { level: units(capacity), capacity, per_minute, at: now }
    }

    /// Whether `n` tokens could be taken. Changes nothing.
    pub fn peek(&self, now: Duration, n: u64) -> Result<(), Wait> {
        match self.retry_after(now, n) {
            Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(Wait::After(wait)),
            None => Err(Wait::Never),
        }
    }

    /// Takes `n` tokens, or none.
    pub fn take(&mut self, now: Duration, n: u64) -> Result<(), Wait> {
        self.peek(now, n)?;
        self.debit(now, n);
        Ok(())
    }

    /// Takes `n` tokens that are already spent: the level may fall below zero, and then nothing is
    /// granted until the debt is refilled.
    pub fn debit(&mut self, now: Duration, n: u64) {
        self.refill(now);
        self.level = self.level.saturating_sub(units(n));
    }

    /// Gives back `n` tokens that were taken and not used. Whenever that is done, the level is then
    /// what it would be had they never been taken.
    pub fn refund(&mut self, now: Duration, n: u64) {
        self.refill(now);
        self.level = self.level.saturating_add(units(n)).min(units(self.capacity));
    }

    /// Replaces a guess by the truth: `held` tokens were taken, `used` were used.
    pub fn correct(&mut self, now: Duration, held: u64, used: u64) {
        if used > held {
            self.debit(now, used - held);
        } else {
            self.refund(now, held - used);
        }
    }

    /// Whole tokens that could be taken.
    pub fn remaining(&self, now: Duration) -> u64 {
        whole(self.level_at(now))
    }

    /// Tokens to be refilled before the level is zero again, rounded up.
    pub fn debt(&self, now: Duration) -> u64 {
        let below = self.level_at(now).saturating_neg().max(0);
        whole(below.saturating_add(i128::from(MINUTE_NS) - 1))
    }

    /// Time until `n` tokens can be taken, zero if they can be now; `None` if they never can.
    pub fn retry_after(&self, now: Duration, n: u64) -> Option<Duration> {
        if n > self.capacity {
            return None;
        }
        self.time_to(now, units(n))
    }

    /// Time until the bucket is full, zero if it is; `None` if it never will be.
    pub fn full_after(&self, now: Duration) -> Option<Duration> {
        self.time_to(now, units(self.capacity))
    }

    /// The capacity.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Changes capacity and rate to `per_minute`. The level stays, cut to the new capacity: a change
    /// of the limit is no occasion for a fresh burst.
    pub fn resize(&mut self, per_minute: u64, now: Duration) {
        self.refill(now);
        self.capacity = per_minute;
        self.per_minute = per_minute;
        self.level = self.level.min(units(per_minute));
    }

    fn refill(&mut self, now: Duration) {
        self.level = self.level_at(now);
        self.at = self.at.max(now);
    }

    fn level_at(&self, now: Duration) -> i128 {
        let elapsed_ns = i128::from(nanos(now.saturating_sub(self.at)));
        let gained = elapsed_ns.saturating_mul(i128::from(self.per_minute));
        self.level.saturating_add(gained).min(units(self.capacity))
    }

    fn time_to(&self, now: Duration, level: i128) -> Option<Duration> {
        let missing = level.saturating_sub(self.level_at(now));
        if missing <= 0 {
            return Some(Duration::ZERO);
        }
        if self.per_minute == 0 {
            return None;
        }
        let wait_ns = missing.unsigned_abs().div_ceil(u128::from(self.per_minute));
        Some(Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX)))
    }
}

fn units(tokens: u64) -> i128 {
    i128::from(tokens) * i128::from(MINUTE_NS)
}

fn whole(units: i128) -> u64 {
    u64::try_from(units.max(0) / i128::from(MINUTE_NS)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_bucket_starts_full_and_refills_evenly() {
        let mut bucket = TokenBucket::new(60, seconds(0));
        assert_eq!(bucket.take(seconds(0), 60), Ok(()));
        assert_eq!(bucket.take(seconds(0), 1), Err(Wait::After(seconds(1))));
        assert_eq!(bucket.remaining(seconds(7)), 7);
        assert_eq!(bucket.peek(seconds(7), 10), Err(Wait::After(seconds(3))));
        assert_eq!(bucket.take(seconds(10), 10), Ok(()));
        assert_eq!(bucket.full_after(seconds(10)), Some(seconds(60)));
        assert_eq!(bucket.remaining(seconds(1_000)), 60);
    }

    #[test]
    fn more_than_the_capacity_is_never_granted_even_when_full() {
        let mut bucket = TokenBucket::new(60, seconds(0));
        assert_eq!(bucket.take(seconds(0), 61), Err(Wait::Never));
        assert_eq!(bucket.retry_after(seconds(0), 61), None);
        assert_eq!(TokenBucket::new(0, seconds(0)).peek(seconds(9), 1), Err(Wait::Never));
        let mut dry = TokenBucket::with_capacity(5, 0, seconds(0));
        assert_eq!(dry.take(seconds(0), 5), Ok(()));
        assert_eq!(dry.take(seconds(1_000), 1), Err(Wait::Never));
    }

    #[test]
    fn a_debt_delays_even_the_smallest_demand() {
        let mut bucket = TokenBucket::new(60, seconds(0));
        bucket.debit(seconds(0), 90);
        assert_eq!((bucket.debt(seconds(0)), bucket.remaining(seconds(0))), (30, 0));
        assert_eq!(bucket.take(seconds(0), 0), Err(Wait::After(seconds(30))));
        assert_eq!(bucket.take(seconds(0), 1), Err(Wait::After(seconds(31))));
        assert_eq!(bucket.take(seconds(31), 1), Ok(()));
    }

    #[test]
    fn a_guess_is_corrected_either_way() {
        let mut bucket = TokenBucket::new(100, seconds(0));
        bucket.take(seconds(0), 50).unwrap();
        bucket.correct(seconds(0), 50, 20);
        assert_eq!(bucket.remaining(seconds(0)), 80);
        bucket.correct(seconds(0), 20, 130);
        assert_eq!(bucket.debt(seconds(0)), 30);
    }

    #[test]
    fn a_new_limit_is_no_fresh_burst() {
        let mut bucket = TokenBucket::new(100, seconds(0));
        bucket.take(seconds(0), 40).unwrap();
        bucket.resize(1_000, seconds(0));
        assert_eq!(bucket.remaining(seconds(0)), 60);
        bucket.resize(10, seconds(0));
        assert_eq!((bucket.remaining(seconds(0)), bucket.capacity()), (10, 10));
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let mut bucket = TokenBucket::new(60, seconds(100));
        bucket.take(seconds(100), 60).unwrap();
        assert_eq!(bucket.remaining(seconds(50)), 0);
        bucket.debit(seconds(50), 0);
        assert_eq!(bucket.remaining(seconds(101)), 1);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = TokenBucket::new(u64::MAX, Duration::ZERO);
        for _ in 0..3 {
            bucket.debit(Duration::ZERO, u64::MAX);
        }
        assert!(bucket.retry_after(Duration::ZERO, u64::MAX).is_some());
        assert_eq!(bucket.remaining(Duration::MAX), u64::MAX);
        let mut slow = TokenBucket::new(1, Duration::ZERO);
        slow.debit(Duration::ZERO, u64::MAX);
        assert_eq!(slow.retry_after(Duration::ZERO, 1), Some(Duration::from_nanos(u64::MAX)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn never_more_is_granted_than_capacity_and_refill(
            per_minute in 1_u64..5_000,
            steps in prop::collection::vec((0_u64..3_000_000_000, 0_u64..400), 1..200),
        ) {
            let mut now = Duration::from_secs(3);
            let mut bucket = TokenBucket::new(per_minute, now);
            let mut grants: Vec<(Duration, u64)> = Vec::new();
            for (pause_ns, n) in steps {
                now += Duration::from_nanos(pause_ns);
                if bucket.take(now, n).is_ok() {
                    grants.push((now, n));
                }
            }
            for (first, &(from, _)) in grants.iter().enumerate() {
                let mut granted = 0;
                for &(at, n) in &grants[first..] {
                    granted += u128::from(n);
                    let refilled = at.saturating_sub(from).as_nanos() * u128::from(per_minute);
                    let allowed = u128::from(per_minute) * u128::from(MINUTE_NS) + refilled;
                    prop_assert!(granted * u128::from(MINUTE_NS) <= allowed);
                }
            }
        }

        #[test]
        fn a_refund_leaves_what_would_be_had_nothing_been_taken(
            per_minute in 1_u64..5_000,
            spent in 0_u64..5_000,
            held in 0_u64..5_000,
            waits_ns in prop::array::uniform3(0_u64..90_000_000_000),
        ) {
            let [first, second, third] = waits_ns.map(Duration::from_nanos);
            let mut with = TokenBucket::new(per_minute, Duration::ZERO);
            with.debit(Duration::ZERO, spent);
            let mut without = with.clone();
            with.debit(first, held);
            with.refund(first + second, held);
            without.debit(first + second, 0);
            prop_assert_eq!(&with, &without);
            let later = first + second + third;
            prop_assert_eq!(with.remaining(later), without.remaining(later));
        }

        #[test]
        fn after_the_named_wait_it_is_granted_and_not_before(
            per_minute in 1_u64..5_000, spent in 0_u64..20_000, n in 0_u64..5_000,
        ) {
            let mut bucket = TokenBucket::new(per_minute, Duration::ZERO);
            bucket.debit(Duration::ZERO, spent);
            match bucket.retry_after(Duration::ZERO, n) {
                None => prop_assert!(n > per_minute),
                Some(Duration::ZERO) => prop_assert!(bucket.take(Duration::ZERO, n).is_ok()),
                Some(wait) => {
                    prop_assert!(bucket.peek(wait.saturating_sub(Duration::from_nanos(1)), n).is_err());
                    prop_assert!(bucket.take(wait, n).is_ok());
                }
            }
        }
    }
}
