//! A deployment's figures, written by its provider's actor and read by anyone without asking.
//!
//! Each is a number of its own: two that belong together may be read as they were before and after one
//! report, which a choice among providers can bear.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::quota::Refill;

/// A deployment's live figures.
#[derive(Debug, Default)]
pub struct Gauge {
    in_flight: AtomicU32,
    first_content_us: AtomicU64,
    /// When the last sample of it came.
    first_content_at_us: AtomicU64,
    /// In which time it fades to half.
    fade_us: AtomicU64,
    first_content_p95_us: AtomicU64,
    total_us: AtomicU64,
    output_rate_milli: AtomicU64,
    requests: RefillGauge,
    tokens: RefillGauge,
}

#[derive(Debug, Default)]
struct RefillGauge {
    full_at_us: AtomicU64,
    whole_us: AtomicU64,
}

impl Gauge {
    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Decaying average of the time to the first content, in microseconds; zero before the first answer.
    pub fn first_content_us(&self) -> u64 {
        self.first_content_us.load(Ordering::Relaxed)
    }

    /// What to expect of the next request: the average, which a slow answer raises at once, halved for
    /// each stretch of the averaging window in which no answer came. So a deployment that was slow once
    /// and is avoided for it will be tried again. Zero when nothing is known.
    pub fn expected_first_content(&self, now: Duration) -> Duration {
        let average = self.first_content_us();
        let silent = micros(now).saturating_sub(self.first_content_at_us.load(Ordering::Relaxed));
        let fade = self.fade_us.load(Ordering::Relaxed);
        let halvings = silent.checked_div(fade).unwrap_or(0);
        let halved = u32::try_from(halvings).ok().and_then(|bits| average.checked_shr(bits));
        let halved = halved.unwrap_or(0);
        // Between two halvings it goes down in a straight line.
        let into = u128::from(silent.checked_rem(fade).unwrap_or(0));
        let less = (u128::from(halved / 2) * into).checked_div(u128::from(fade)).unwrap_or(0);
        Duration::from_micros(halved.saturating_sub(u64::try_from(less).unwrap_or(u64::MAX)))
    }

    /// The time to the first content that nineteen of twenty answers of late have kept to; `None` while
    /// there were too few to tell.
    pub fn first_content_p95(&self) -> Option<Duration> {
        let micros = self.first_content_p95_us.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// Decaying average of the time to the end of the answer, in microseconds; zero before the first.
    pub fn total_us(&self) -> u64 {
        self.total_us.load(Ordering::Relaxed)
    }

    /// How fast an answer comes once it has begun, in thousandths of a token per second; zero when
    /// nothing is known. A slow answer lowers it at once.
    pub fn output_rate_milli(&self) -> u64 {
        self.output_rate_milli.load(Ordering::Relaxed)
    }

    /// What is left of the provider's own rate limit, requests or tokens, whichever is scarcer, in
    /// thousandths; of several credentials' the best that can be used. 1000 when nothing is known.
    pub fn headroom_permille(&self, now: Duration) -> u16 {
        self.requests.permille(now).min(self.tokens.permille(now))
    }

    pub(super) fn set_in_flight(&self, in_flight: u32) {
        self.in_flight.store(in_flight, Ordering::Relaxed);
    }

    pub(super) fn set_first_content(&self, average_us: u64, at: Duration, fade: Duration) {
        self.first_content_at_us.store(micros(at), Ordering::Relaxed);
        self.fade_us.store(micros(fade), Ordering::Relaxed);
        self.first_content_us.store(average_us, Ordering::Relaxed);
    }

    pub(super) fn set_first_content_p95(&self, p95: Option<Duration>) {
        self.first_content_p95_us.store(p95.map_or(0, micros), Ordering::Relaxed);
    }

    pub(super) fn set_total_us(&self, micros: u64) {
        self.total_us.store(micros, Ordering::Relaxed);
    }

    pub(super) fn set_output_rate_milli(&self, milli: u64) {
        self.output_rate_milli.store(milli, Ordering::Relaxed);
    }

    pub(super) fn set_headroom(&self, [requests, tokens]: [Refill; 2]) {
        self.requests.set(requests);
        self.tokens.set(tokens);
    }
}

impl RefillGauge {
    fn permille(&self, now: Duration) -> u16 {
        let full_at = Duration::from_micros(self.full_at_us.load(Ordering::Relaxed));
        if full_at <= now {
            return Refill::default().permille(now);
        }
        let whole = Duration::from_micros(self.whole_us.load(Ordering::Relaxed));
        Refill { full_at, whole }.permille(now)
    }

    fn set(&self, refill: Refill) {
        self.whole_us.store(micros(refill.whole), Ordering::Relaxed);
        self.full_at_us.store(micros(refill.full_at), Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_nothing_is_known_of_is_expected_to_be_fast_and_free() {
        let gauge = Gauge::default();
        assert_eq!(gauge.expected_first_content(ms(50_000)), Duration::ZERO);
        assert_eq!(gauge.first_content_p95(), None);
        assert_eq!(gauge.output_rate_milli(), 0);
        assert_eq!(gauge.headroom_permille(ms(0)), 1000);
    }

    #[test]
    fn expectation_halves_with_each_window_of_silence() {
        let gauge = Gauge::default();
        gauge.set_first_content(800_000, ms(1_000), WINDOW);
        let expected = [0, 1_000, 6_000, 11_000, 21_000, 31_000, 900_000]
            .map(|at| gauge.expected_first_content(ms(at)).as_millis());
        assert_eq!(expected, [800, 800, 600, 400, 200, 100, 0]);
    }

    #[test]
    fn headroom_is_that_of_the_scarcer_limit() {
        let gauge = Gauge::default();
        let limit = |full_at| Refill { full_at: ms(full_at), whole: ms(1_000) };
        gauge.set_headroom([limit(300), limit(600)]);
        assert_eq!([0, 500, 600].map(|at| gauge.headroom_permille(ms(at))), [400, 900, 1000]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn expectation_only_falls_while_nothing_comes(
            average_us in 0_u64..600_000_000, at in 0_u64..100_000, fade in 0_u64..60_000,
            mut times in prop::collection::vec(0_u64..1_000_000, 1..20),
        ) {
            let gauge = Gauge::default();
            gauge.set_first_content(average_us, ms(at), ms(fade));
            let mut before = Duration::from_micros(average_us);
            times.sort_unstable();
            for time in times {
                let expected = gauge.expected_first_content(ms(at + time));
                prop_assert!(expected <= before, "{expected:?} after {before:?}");
                before = expected;
            }
        }
    }
}
