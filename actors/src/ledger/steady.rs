//! What time it is for what can't be taken back. Pure.
//!
//! The machine's wall clock may be set wrong and set right again, and what was taken out of an index
//! meanwhile is gone. So a clock that leaps is not believed at once:
//!
//! ```text
//!             at most two days ahead of what was believed, and the time gone by since
//!   +----------+ <----------------------------------------------------- +-------+
//!   | Believed |                                                        | Ahead | <---.
//!   +----------+ -----------------------------------------------------> +-------+     | leaps once more:
//!        ^           more than two days ahead                                |  '------' counts from there
//!        '------------------------------------------------------------------'
//!                    stood so for a day, by the monotonic clock
//! ```
//!
//! What is believed at a start is when the newest event was written: a gateway that was off for a year
//! waits for a day more, and one that comes back from a clock set wrong goes on as if nothing had been.

use crate::clock::Now;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How far ahead a clock is believed at once: a gateway that was off for a weekend waits for nothing.
const AHEAD_MAX_MS: u64 = 2 * DAY_MS;
/// How long one has to stand that is farther ahead.
const STANDS_MS: u64 = DAY_MS;

/// The time that is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    believed: Reading,
    /// Where the clock stood when it was first found too far ahead, as far as it has gone on from there.
    ahead: Option<Reading>,
}

/// Both clocks, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall_ms: u64,
    mono_ms: u64,
}

impl Steady {
    /// Begins with the time of the newest event; `None` where there is none.
    pub(super) fn new(newest_ms: Option<u64>, now: Now) -> Self {
        let now = Reading::of(now);
        let believed = Reading { wall_ms: newest_ms.unwrap_or(now.wall_ms), ..now };
        Self { believed, ahead: None }
    }

    /// What time it is, in milliseconds since 1970.
    pub(super) fn at_ms(&mut self, now: Now) -> u64 {
        let now = Reading::of(now);
        if !now.leaps_from(self.believed) {
            (self.believed, self.ahead) = (now, None);
            return now.wall_ms;
        }
        let ahead = self.ahead.filter(|ahead| !now.leaps_from(*ahead)).unwrap_or(now);
        self.ahead = Some(ahead);
        if now.mono_ms.saturating_sub(ahead.mono_ms) >= STANDS_MS {
            (self.believed, self.ahead) = (now, None);
            return now.wall_ms;
        }
        self.believed.expected_ms(now)
    }
}

impl Reading {
    fn of(now: Now) -> Self {
        let mono_ms = u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX);
        Self { wall_ms: now.wall_ms, mono_ms }
    }

    /// What the wall clock should say now, going by this reading.
    fn expected_ms(self, now: Self) -> u64 {
        self.wall_ms.saturating_add(now.mono_ms.saturating_sub(self.mono_ms))
    }

    /// Whether the wall clock is farther ahead of an earlier reading than time alone has brought it.
    fn leaps_from(self, before: Self) -> bool {
        self.wall_ms > before.expected_ms(self).saturating_add(AHEAD_MAX_MS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const YEAR_MS: u64 = 365 * DAY_MS;
    const HOUR_MS: u64 = DAY_MS / 24;

    fn at(wall_ms: u64, mono_ms: u64) -> Now {
        Now { wall_ms, mono: Duration::from_millis(mono_ms) }
    }

    #[test]
    fn a_clock_that_leaps_and_comes_back_within_a_day_was_never_believed() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(begin), at(begin + HOUR_MS, 0));
        assert_eq!(steady.at_ms(at(begin + HOUR_MS, 0)), begin + HOUR_MS);
        for hour in 1..24 {
            let wrong = at(begin + 14 * YEAR_MS, hour * HOUR_MS);
            assert_eq!(steady.at_ms(wrong), begin + (1 + hour) * HOUR_MS);
        }
        let right = begin + 25 * HOUR_MS;
        assert_eq!(steady.at_ms(at(right, DAY_MS)), right);
        // The day begins anew with the next leap.
        let wrong = at(begin + 14 * YEAR_MS, DAY_MS + HOUR_MS);
        assert_eq!(steady.at_ms(wrong), right + HOUR_MS);
    }

    #[test]
    fn a_gateway_that_was_off_for_a_year_believes_the_clock_after_a_day() {
        let (newest, now) = (50 * YEAR_MS, 51 * YEAR_MS);
        let mut steady = Steady::new(Some(newest), at(now, 0));
        assert_eq!(steady.at_ms(at(now, 0)), newest);
        assert_eq!(steady.at_ms(at(now + DAY_MS - 1, DAY_MS - 1)), newest + DAY_MS - 1);
        assert_eq!(steady.at_ms(at(now + DAY_MS, DAY_MS)), now + DAY_MS);
        assert_eq!(steady.at_ms(at(now + 2 * DAY_MS, 2 * DAY_MS)), now + 2 * DAY_MS);
    }

    #[test]
    fn a_clock_that_keeps_leaping_is_not_believed() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(begin), at(begin, 0));
        for hour in 1..100 {
            let leaping = at(begin + hour * YEAR_MS, hour * HOUR_MS);
            assert_eq!(steady.at_ms(leaping), begin + hour * HOUR_MS);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_or_a_little_ahead_is_believed_at_once() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(None, at(begin, 0));
        let back = begin - YEAR_MS;
        assert_eq!(steady.at_ms(at(back, HOUR_MS)), back);
        assert_eq!(steady.at_ms(at(back + DAY_MS, HOUR_MS)), back + DAY_MS);
    }
}
