//! The time that nineteen of twenty answers keep to, as of late. Pure.

use std::time::Duration;

/// How finely: four to a doubling, so that what is told is up to a fifth above what was.
const BUCKETS_PER_DOUBLING: u32 = 4;
/// The first bucket ends at 2^8 microseconds: below that nothing is told apart.
const FIRST_BITS: u32 = 8;
/// The last one ends at 2^30 microseconds, eighteen minutes, and holds what is above it too.
const BUCKETS: usize = 1 + (22 * BUCKETS_PER_DOUBLING) as usize;
/// What a sample weighs when it comes, so that it can halve a few times.
const SAMPLE: u16 = 16;
/// Fewer samples than this tell nothing, and about as many are kept however old they are.
const SAMPLES_MIN: u32 = 8;

/// A histogram whose samples weigh half after each half-life. 200 bytes.
#[derive(Clone, Debug)]
pub struct Percentile {
    buckets: [u16; BUCKETS],
    /// The weight of all.
    sum: u32,
    halved_at: Duration,
}

impl Default for Percentile {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0, halved_at: Duration::ZERO }
    }
}

impl Percentile {
    /// Adds a sample.
    pub fn add(&mut self, now: Duration, sample: Duration, half_life: Duration) {
        self.age(now, half_life);
        let place = place(micros(sample));
        if self.buckets.get(place).is_some_and(|weight| *weight > u16::MAX - SAMPLE) {
            // Thousands within one half-life: the older half of them may as well go.
            self.halve();
        }
        if let Some(weight) = self.buckets.get_mut(place) {
            *weight += SAMPLE;
            self.sum += u32::from(SAMPLE);
        }
    }

    /// The end of the bucket that the 95th of a hundred samples lies in; `None` while there are too few.
    pub fn p95(&self) -> Option<Duration> {
        if self.sum < SAMPLES_MIN * u32::from(SAMPLE) {
            return None;
        }
        let rank = (self.sum * 19).div_ceil(20);
        let mut below = 0;
        let reached = self.buckets.iter().position(|weight| {
            below += u32::from(*weight);
            below >= rank
        });
        Some(Duration::from_micros(end_us(reached?)))
    }

    fn age(&mut self, now: Duration, half_life: Duration) {
        let half_life = half_life.max(Duration::from_millis(1));
        let mut due = self.halved_at.saturating_add(half_life);
        while due <= now && self.sum >= 2 * SAMPLES_MIN * u32::from(SAMPLE) {
            self.halve();
            self.halved_at = due;
            due = due.saturating_add(half_life);
        }
        if due <= now {
            self.halved_at = now;
        }
    }

    /// Rounds up: what little is left in a bucket stays until the rest outweighs it.
    fn halve(&mut self) {
        self.sum = 0;
        for weight in &mut self.buckets {
            *weight = weight.div_ceil(2);
            // A sixteenth of a sample is none.
            if *weight == 1 {
                *weight = 0;
            }
            self.sum += u32::from(*weight);
        }
    }
}

/// The bucket of a sample: the doubling it is in and the quarter of that.
fn place(micros: u64) -> usize {
    let last_below = micros.saturating_sub(1) >> FIRST_BITS;
    if last_below == 0 {
        return 0;
    }
    let micros = micros - 1;
    let doubling = micros.ilog2() - FIRST_BITS;
    // The two bits behind the first one.
    let quarter = (micros >> (micros.ilog2() - 2)) & 3;
    let place = 1 + u64::from(doubling * BUCKETS_PER_DOUBLING) + quarter;
    usize::try_from(place).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The longest time that belongs in a bucket, the last one aside.
fn end_us(place: usize) -> u64 {
    let Some(above) = place.checked_sub(1) else { return 1 << FIRST_BITS };
    let above = u32::try_from(above).unwrap_or(u32::MAX);
    let (doubling, quarter) = (above / BUCKETS_PER_DOUBLING, above % BUCKETS_PER_DOUBLING);
    let quarters = u64::from(4 + quarter + 1);
    (quarters << (FIRST_BITS + doubling)) / 4
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(30);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn too_few_samples_tell_nothing() {
        let mut percentile = Percentile::default();
        for _ in 0..7 {
            assert_eq!(percentile.p95(), None);
            percentile.add(ms(0), ms(100), HALF_LIFE);
        }
        percentile.add(ms(0), ms(100), HALF_LIFE);
        assert_eq!(percentile.p95(), Some(Duration::from_micros(114_688)));
    }

    #[test]
    fn one_slow_answer_in_a_hundred_does_not_show_and_ten_do() {
        let mut percentile = Percentile::default();
        for number in 0..100 {
            percentile.add(ms(number), if number == 50 { ms(9_000) } else { ms(100) }, HALF_LIFE);
        }
        assert!(percentile.p95().unwrap() < ms(125));
        for number in 100..110 {
            percentile.add(ms(number), ms(9_000), HALF_LIFE);
        }
        assert!(percentile.p95().unwrap() >= ms(9_000));
    }

    #[test]
    fn what_was_slow_is_forgotten_when_enough_has_come_since() {
        let mut percentile = Percentile::default();
        for step in 0..100 {
            percentile.add(ms(step), ms(5_000), HALF_LIFE);
        }
        for step in 0..3_000 {
            percentile.add(ms(step * 100), ms(100), HALF_LIFE);
        }
        assert!(percentile.p95().unwrap() < ms(125), "{:?}", percentile.p95());
    }

    #[test]
    fn silence_forgets_nothing_but_the_crowd() {
        let mut percentile = Percentile::default();
        for _ in 0..20_000 {
            percentile.add(ms(0), ms(100), HALF_LIFE);
        }
        percentile.add(Duration::from_hours(50), ms(100), HALF_LIFE);
        assert!(percentile.p95().unwrap() < ms(125));
    }

    #[test]
    fn every_time_lies_in_its_bucket() {
        assert_eq!(std::mem::size_of::<Percentile>(), 200);
        for place in 0..BUCKETS - 1 {
            assert_eq!(self::place(end_us(place)), place);
            assert_eq!(self::place(end_us(place) + 1), place + 1);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn it_is_at_most_a_quarter_above_the_95th_of_a_hundred(
            samples in prop::collection::vec(300_u64..1_000_000_000, 8..400),
        ) {
            let mut percentile = Percentile::default();
            for &sample in &samples {
                percentile.add(ms(0), Duration::from_micros(sample), HALF_LIFE);
            }
            let mut sorted = samples;
            sorted.sort_unstable();
            let rank = (sorted.len() * 19).div_ceil(20);
            let exact = sorted[rank - 1];
            let told = micros(percentile.p95().unwrap());
            prop_assert!(exact <= told && told <= exact + exact / 4 + 1, "{told} for {exact}");
        }

        #[test]
        fn no_input_overflows_and_none_takes_long(
            samples in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 1..50),
        ) {
            let mut percentile = Percentile::default();
            for (now, sample, half_life) in samples {
                percentile.add(
                    Duration::from_secs(now),
                    Duration::from_nanos(sample),
                    Duration::from_nanos(half_life),
                );
            }
            percentile.p95();
        }
    }
}
