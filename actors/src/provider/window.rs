//! Outcomes of the last so many seconds, counted in a ring of buckets. Pure.

use std::time::Duration;

/// How finely the window slides.
const BUCKETS: usize = 10;

/// Successes and failures in a sliding stretch of time; a tenth of it leaves at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    width_us: u64,
    /// The number, since time zero, of the newest bucket.
    newest: u64,
    buckets: [Counts; BUCKETS],
}

/// How many requests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Successes.
    pub successes: u32,
    /// Failures.
    pub failures: u32,
}

impl Window {
    /// An empty window of this length.
    pub fn new(length: Duration) -> Self {
        let width_us = (micros(length) / BUCKETS as u64).max(1);
        Self { width_us, newest: 0, buckets: [Counts::default(); BUCKETS] }
    }

    /// Counts a success.
    pub fn success(&mut self, now: Duration) {
        let bucket = self.at(now);
        bucket.successes = bucket.successes.saturating_add(1);
    }

    /// Counts a failure.
    pub fn failure(&mut self, now: Duration) {
        let bucket = self.at(now);
        bucket.failures = bucket.failures.saturating_add(1);
    }

    /// What the window holds.
    pub fn counts(&self, now: Duration) -> Counts {
        let aged = self.number(now).saturating_sub(self.newest);
        let mut sum = Counts::default();
        // Behind the newest bucket lie those before it, and in their order.
        for back in 0..(BUCKETS as u64).saturating_sub(aged) {
            let number = self.newest.wrapping_add(BUCKETS as u64 - back);
            if let Some(bucket) = self.buckets.get(place(number)) {
                sum.successes = sum.successes.saturating_add(bucket.successes);
                sum.failures = sum.failures.saturating_add(bucket.failures);
            }
        }
        sum
    }

    fn at(&mut self, now: Duration) -> &mut Counts {
        let number = self.number(now);
        for passed in 1..=number.saturating_sub(self.newest).min(BUCKETS as u64) {
            let place = place(self.newest.wrapping_add(passed));
            if let Some(bucket) = self.buckets.get_mut(place) {
                *bucket = Counts::default();
            }
        }
        self.newest = self.newest.max(number);
        #[expect(clippy::indexing_slicing, reason = "a place is less than the number of buckets")]
        &mut self.buckets[place(self.newest)]
    }

    fn number(&self, now: Duration) -> u64 {
        micros(now) / self.width_us
    }
}

impl Counts {
    /// Successes and failures.
    pub fn total(self) -> u32 {
        self.successes.saturating_add(self.failures)
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % BUCKETS as u64).unwrap_or(0)
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(duration.subsec_micros()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::new(ms(10_000));
        window.failure(ms(500));
        window.success(ms(1_500));
        window.success(ms(1_600));
        assert_eq!(window.counts(ms(9_999)), Counts { successes: 2, failures: 1 });
        assert_eq!(window.counts(ms(10_000)), Counts { successes: 2, failures: 0 });
        assert_eq!(window.counts(ms(11_000)), Counts::default());
        window.failure(ms(500_000));
        assert_eq!(window.counts(ms(500_000)), Counts { successes: 0, failures: 1 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_ring_counts_what_a_list_would(
            events in prop::collection::vec((0_u64..4_000, any::<bool>()), 1..120),
        ) {
            let mut window = Window::new(ms(10_000));
            let mut list: Vec<(u64, bool)> = Vec::new();
            let mut now_ms = 0;
            for (pause_ms, success) in events {
                now_ms += pause_ms;
                list.push((now_ms, success));
                if success { window.success(ms(now_ms)) } else { window.failure(ms(now_ms)) }
                let recent = |wanted: bool| {
                    let oldest = (now_ms / 1_000).saturating_sub(9);
                    let hits = list.iter().filter(|&&(at, ok)| at / 1_000 >= oldest && ok == wanted);
                    u32::try_from(hits.count()).unwrap()
                };
                let counts = window.counts(ms(now_ms));
                prop_assert_eq!(counts.successes, recent(true));
                prop_assert_eq!(counts.failures, recent(false));
                prop_assert_eq!(counts.total(), recent(true) + recent(false));
            }
        }
    }
}
