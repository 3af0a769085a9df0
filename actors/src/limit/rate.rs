//! Requests per minute: governor's GCRA with time as an argument. Pure.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::{MINUTE_NS, Wait, nanos};

/// So many requests per minute.
pub struct RequestRate {
    limit: u32,
    /// `None` for a limit of zero, which governor does not know.
    gcra: Option<Gcra>,
}

struct Gcra {
    limiter: RateLimiter<NotKeyed, InMemoryState, HandClock, NoOpMiddleware<Nanos>>,
    /// Time for one request, rounded up: never more than the limit in a minute's refill.
    interval_ns: u64,
    /// When the bucket is full again: GCRA's theoretical arrival time. governor keeps the same number
    /// but shows it only to those it refuses.
    full_at_ns: u64,
}

/// A clock that stands where it is put, in nanoseconds.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl RequestRate {
    /// A full bucket of `limit` requests, refilled at `limit` per minute. Zero lets nothing through.
    pub fn new(limit: u32, now: Duration) -> Self {
        Self { limit, gcra: NonZeroU32::new(limit).and_then(|limit| Gcra::new(limit, now)) }
    }

    /// Takes one request.
    pub fn check(&mut self, now: Duration) -> Result<(), Wait> {
        self.gcra.as_mut().ok_or(Wait::Never)?.check(now)
    }

    /// Whether one request could be taken. Changes nothing.
    pub fn peek(&self, now: Duration) -> Result<(), Wait> {
        match self.retry_after(now) {
            Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(Wait::After(wait)),
            None => Err(Wait::Never),
        }
    }

    /// The limit, per minute.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Requests that could be taken at once.
    pub fn remaining(&self, now: Duration) -> u32 {
        self.gcra.as_ref().map_or(0, |gcra| gcra.remaining(self.limit, now))
    }

    /// Time until a request can be taken, zero if one can be now; `None` if none ever can.
    pub fn retry_after(&self, now: Duration) -> Option<Duration> {
        self.gcra.as_ref().map(|gcra| {
            let burst_ns = gcra.interval_ns.saturating_mul(u64::from(self.limit.saturating_sub(1)));
            Duration::from_nanos(gcra.used_ns(now).saturating_sub(burst_ns))
        })
    }

    /// Time until all of the limit can be taken at once; `None` if nothing ever can.
    pub fn full_after(&self, now: Duration) -> Option<Duration> {
        self.gcra.as_ref().map(|gcra| Duration::from_nanos(gcra.used_ns(now)))
    }

    /// Changes the limit. What remains stays, cut to the new limit.
    pub fn resize(&mut self, limit: u32, now: Duration) {
        if limit == self.limit {
            return;
        }
        let remaining = self.remaining(now).min(limit);
        let mut resized = Self::new(limit, now);
        if let (Some(gcra), Some(used)) = (&mut resized.gcra, NonZeroU32::new(limit - remaining)) {
            gcra.use_up(used, now);
        }
        *self = resized;
    }
}

impl Gcra {
    fn new(limit: NonZeroU32, now: Duration) -> Option<Self> {
        let interval_ns = MINUTE_NS.div_ceil(u64::from(limit.get()));
        let quota = Quota::with_period(Duration::from_nanos(interval_ns))?.allow_burst(limit);
        // Started at zero, so that its times are those of `now`.
        let limiter = RateLimiter::new(quota, InMemoryState::default(), HandClock::default());
        Some(Self { limiter, interval_ns, full_at_ns: nanos(now) })
    }

    fn check(&mut self, now: Duration) -> Result<(), Wait> {
        let now_ns = self.limiter.clock().put(now);
        match self.limiter.check() {
            Ok(()) => {
                self.full_at_ns = self.full_at_ns.max(now_ns).saturating_add(self.interval_ns);
                Ok(())
            }
            Err(refused) => Err(Wait::After(refused.wait_time_from(Nanos::from(now_ns)))),
        }
    }

    fn use_up(&mut self, n: NonZeroU32, now: Duration) {
        let now_ns = self.limiter.clock().put(now);
        if let Ok(Ok(())) = self.limiter.check_n(n) {
            let used_ns = self.interval_ns.saturating_mul(u64::from(n.get()));
            self.full_at_ns = self.full_at_ns.max(now_ns).saturating_add(used_ns);
        }
    }

    fn used_ns(&self, now: Duration) -> u64 {
        self.full_at_ns.saturating_sub(nanos(now))
    }

    fn remaining(&self, limit: u32, now: Duration) -> u32 {
        let used = self.used_ns(now).div_ceil(self.interval_ns);
        limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }
}

impl HandClock {
    fn put(&self, now: Duration) -> u64 {
        let now_ns = nanos(now);
        self.0.store(now_ns, Ordering::Relaxed);
        now_ns
    }
}

impl Clock for HandClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRate")
            .field("limit", &self.limit)
            .field("full_at_ns", &self.gcra.as_ref().map(|gcra| gcra.full_at_ns))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_limit_may_come_at_once_and_then_evenly() {
        let mut rate = RequestRate::new(6, seconds(100));
        for left in (0..6).rev() {
            assert_eq!(rate.check(seconds(100)), Ok(()));
            assert_eq!(rate.remaining(seconds(100)), left);
        }
        assert_eq!(rate.peek(seconds(100)), Err(Wait::After(seconds(10))));
        assert_eq!(rate.check(seconds(103)), Err(Wait::After(seconds(7))));
        assert_eq!(rate.check(seconds(110)), Ok(()));
        assert_eq!(rate.full_after(seconds(110)), Some(seconds(60)));
        assert_eq!(rate.remaining(seconds(1_000)), 6);
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        let mut rate = RequestRate::new(0, seconds(0));
        assert_eq!(rate.check(seconds(0)), Err(Wait::Never));
        assert_eq!((rate.remaining(seconds(9)), rate.retry_after(seconds(9))), (0, None));
        rate.resize(2, seconds(9));
        assert_eq!(rate.check(seconds(9)), Err(Wait::After(seconds(30))));
    }

    #[test]
    fn a_new_limit_is_no_fresh_burst() {
        let mut rate = RequestRate::new(10, seconds(0));
        for _ in 0..4 {
            rate.check(seconds(0)).unwrap();
        }
        rate.resize(100, seconds(0));
        assert_eq!((rate.limit(), rate.remaining(seconds(0))), (100, 6));
        rate.resize(3, seconds(0));
        assert_eq!(rate.remaining(seconds(0)), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn looking_first_says_what_taking_will(
            limit in 1_u32..3_000,
            pauses_ns in prop::collection::vec(0_u64..2_000_000_000, 1..200),
        ) {
            let mut now = seconds(7);
            let mut rate = RequestRate::new(limit, now);
            let mut granted: Vec<Duration> = Vec::new();
            for pause_ns in pauses_ns {
                now += Duration::from_nanos(pause_ns);
                let seen = rate.peek(now);
                let remaining = rate.remaining(now);
                let taken = rate.check(now);
                prop_assert_eq!(seen, taken);
                prop_assert_eq!(taken.is_ok(), remaining > 0);
                match taken {
                    Ok(()) => {
                        prop_assert_eq!(rate.remaining(now), remaining - 1);
                        granted.push(now);
                    }
                    Err(Wait::After(wait)) => prop_assert!(rate.peek(now + wait).is_ok()),
                    Err(Wait::Never) => prop_assert!(false),
                }
            }
            for (first, &from) in granted.iter().enumerate() {
                for (count, &at) in granted[first..].iter().enumerate() {
                    let refilled = at.saturating_sub(from).as_nanos() * u128::from(limit);
                    let allowed = u128::from(limit) * u128::from(MINUTE_NS) + refilled;
                    prop_assert!((count as u128 + 1) * u128::from(MINUTE_NS) <= allowed);
                }
            }
        }
    }
}
