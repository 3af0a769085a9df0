//! Averages that forget. Pure.

use std::time::Duration;

/// Binary digits kept behind a microsecond, so that many small steps are not lost one by one.
const FRACTION_BITS: u32 = 16;

/// A decaying average of durations, in whole microseconds to the outside.
///
/// A sample weighs `dt / (window + dt)`, where `dt` is the time since the sample before: what is older
/// than the window fades whatever the rate of requests. One above the average weighs at least a
/// quarter, because that a provider became slow must show at once, and that it is fast again may take
/// its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Average {
    /// In 1/2^[`FRACTION_BITS`] of a microsecond. Zero before the first sample.
    scaled: u64,
    at: Duration,
}

impl Average {
    /// An average that stands at `micros`, with as much to say as a sample taken now.
    pub fn standing_at(micros: u64, now: Duration) -> Self {
        Self { scaled: scale(micros), at: now }
    }

    /// Adds a sample.
    pub fn add(&mut self, now: Duration, sample: Duration, window: Duration) {
        let sample = scale(micros(sample).max(1));
        let elapsed = micros(now.saturating_sub(self.at));
        self.at = self.at.max(now);
        if self.scaled == 0 {
            self.scaled = sample;
            return;
        }
        let (weight, of) = (u128::from(elapsed), u128::from(elapsed) + u128::from(micros(window)));
        if sample >= self.scaled {
            let rise = u128::from(sample - self.scaled);
            let step = part(rise, weight, of).max(rise / 4);
            self.scaled = self.scaled.saturating_add(narrow(step));
        } else {
            let fall = u128::from(self.scaled - sample);
            self.scaled = self.scaled.saturating_sub(narrow(part(fall, weight, of)));
        }
    }

    /// In microseconds; zero before the first sample.
    pub fn micros(self) -> u64 {
        self.scaled >> FRACTION_BITS
    }
}

/// `whole` times `weight` / `of`; all of it where `of` is zero.
fn part(whole: u128, weight: u128, of: u128) -> u128 {
    whole.saturating_mul(weight).checked_div(of).unwrap_or(whole)
}

fn scale(micros: u64) -> u64 {
    // 2^46 microseconds are two years: past that an average has nothing to say.
    micros.min(1 << 46) << FRACTION_BITS
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(duration.subsec_micros()))
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
    fn the_first_sample_is_the_average() {
        let mut average = Average::default();
        assert_eq!(average.micros(), 0);
        average.add(ms(5), ms(80), WINDOW);
        assert_eq!(average.micros(), 80_000);
        assert_eq!(Average::standing_at(7, ms(5)).micros(), 7);
    }

    #[test]
    fn a_rise_shows_at_once_and_a_fall_takes_its_time() {
        let mut average = Average::standing_at(100_000, ms(0));
        average.add(ms(0), ms(500), WINDOW);
        assert_eq!(average.micros(), 200_000);
        average.add(ms(1), ms(100), WINDOW);
        assert_eq!(average.micros(), 199_990);
        average.add(ms(10_001), ms(100), WINDOW);
        assert_eq!(average.micros(), 149_995);
    }

    #[test]
    fn many_samples_in_a_short_time_add_up_like_few() {
        let mut average = Average::standing_at(200_000, ms(0));
        for step in 1..=10_000 {
            average.add(Duration::from_micros(step * 1_000), ms(100), WINDOW);
        }
        // Ten seconds, one window: 100 ms · (1 + 1/e).
        assert!((136_000..138_000).contains(&average.micros()), "{}", average.micros());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn an_average_lies_between_its_samples(
            samples in prop::collection::vec((0_u64..20_000_000, 1_u64..600_000_000), 1..60),
        ) {
            let mut average = Average::default();
            let mut now = Duration::ZERO;
            for &(pause, sample) in &samples {
                now += Duration::from_micros(pause);
                average.add(now, Duration::from_micros(sample), WINDOW);
            }
            let low = samples.iter().map(|&(_, sample)| sample).min().unwrap_or(0);
            let high = samples.iter().map(|&(_, sample)| sample).max().unwrap_or(0);
            prop_assert!((low.saturating_sub(1)..=high).contains(&average.micros()));
        }

        #[test]
        fn no_input_overflows(now in any::<u64>(), sample in any::<u64>(), window in any::<u64>()) {
            let mut average = Average::standing_at(u64::MAX, Duration::ZERO);
            average.add(
                Duration::from_secs(now), Duration::from_secs(sample), Duration::from_nanos(window),
            );
        }
    }
}
