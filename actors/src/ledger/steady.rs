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
//! What is believed, and how long a leap has stood, is written beside the journal as [`Belief`], and the
//! next start goes on from there: events are stamped by the clock whatever it says, so that their times
//! are no witness. How long the gateway was off is not known, so at each start a clock that stood ahead
//! may have gone on by two days. Where nothing was written yet nothing is believed, and any clock has to
//! stand for a day: there is nothing to look up, and nothing is lost by waiting.

use super::layout::{seal, unseal};
use crate::clock::Now;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How far ahead a clock is believed at once: a gateway that was off for a weekend waits for nothing.
const AHEAD_MAX_MS: u64 = 2 * DAY_MS;
/// How long one has to stand that is farther ahead.
const STANDS_MS: u64 = DAY_MS;
/// What is written is renewed when it is so old: what a restart may cost of the time that a leap has stood.
const WRITTEN_MS: u64 = 10 * 60 * 1_000;
const KEY: &[u8] = b"clock";

/// The time that is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    believed: Reading,
    ahead: Option<Ahead>,
    /// What the next start would go on from.
    written: Option<Belief>,
}

/// A clock that is too far ahead.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    /// Where it stood when it was first found so, as far as it has gone on from there.
    at: Reading,
    /// How long it had stood before that, in earlier runs.
    stood_ms: u64,
}

/// Both clocks, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    wall_ms: u64,
    mono_ms: u64,
}

/// What outlasts a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belief {
    /// What time it was, in milliseconds since 1970.
    at_ms: u64,
    /// The leap that was not believed yet.
    leap: Option<Leap>,
}

/// How far a leap has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leap {
    /// What time it would be by it, in milliseconds since 1970.
    at_ms: u64,
    /// How long it has stood, in milliseconds of running.
    stood_ms: u64,
}

impl Steady {
    /// Goes on from what was written; `None` where nothing was.
    pub(super) fn new(written: Option<Belief>, now: Now) -> Self {
        let now = Reading::of(now);
        let believed = Reading { wall_ms: written.map_or(0, |belief| belief.at_ms), ..now };
        let leap = written.and_then(|belief| belief.leap);
        let leap = leap.filter(|leap| !now.leaps_from(Reading { wall_ms: leap.at_ms, ..now }));
        let ahead = leap.map(|leap| Ahead { at: now, stood_ms: leap.stood_ms });
        Self { believed, ahead, written }
    }

    /// What time it is, in milliseconds since 1970.
    pub(super) fn at_ms(&mut self, now: Now) -> u64 {
        let now = Reading::of(now);
        if !now.leaps_from(self.believed) {
            (self.believed, self.ahead) = (now, None);
            return now.wall_ms;
        }
        let ahead = self.ahead.filter(|ahead| !now.leaps_from(ahead.at));
        let ahead = ahead.unwrap_or(Ahead { at: now, stood_ms: 0 });
        self.ahead = Some(ahead);
        if ahead.stood_ms(now) >= STANDS_MS {
            (self.believed, self.ahead) = (now, None);
            return now.wall_ms;
        }
        self.believed.expected_ms(now)
    }

    /// What is to be written now, if what was written says another thing or is old; it is taken for
    /// written then.
    pub(super) fn unwritten(&mut self, now: Now) -> Option<Belief> {
        let now = Reading::of(now);
        let leap = self
            .ahead
            .map(|ahead| Leap { at_ms: ahead.at.expected_ms(now), stood_ms: ahead.stood_ms(now) });
        let belief = Belief { at_ms: self.believed.expected_ms(now), leap };
        if self.written.is_some_and(|written| written.is_near(belief)) {
            return None;
        }
        self.written = Some(belief);
        Some(belief)
    }
}

impl Ahead {
    fn stood_ms(self, now: Reading) -> u64 {
        self.stood_ms.saturating_add(now.mono_ms.saturating_sub(self.at.mono_ms))
    }
}

impl Belief {
    pub(super) fn key() -> &'static [u8] {
        KEY
    }

    pub(super) fn to_value(self) -> Vec<u8> {
        let mut value = self.at_ms.to_be_bytes().to_vec();
        if let Some(leap) = self.leap {
            value.extend_from_slice(&leap.at_ms.to_be_bytes());
            value.extend_from_slice(&leap.stood_ms.to_be_bytes());
        }
        seal(KEY, value)
    }

    /// `None` for what can't be read.
    pub(super) fn from_value(value: &[u8]) -> Option<Self> {
        let (at_ms, rest) = unseal(KEY, value)?.split_first_chunk()?;
        let leap = match rest.split_first_chunk() {
            None if rest.is_empty() => None,
            None => return None,
            Some((at_ms, stood_ms)) => Some(Leap {
                at_ms: u64::from_be_bytes(*at_ms),
                stood_ms: u64::from_be_bytes(stood_ms.try_into().ok()?),
            }),
        };
        Some(Self { at_ms: u64::from_be_bytes(*at_ms), leap })
    }

    /// Whether a start may go on from it as well as from the other.
    fn is_near(self, other: Self) -> bool {
        let is_near = |one: u64, other: u64| one.abs_diff(other) < WRITTEN_MS;
        is_near(self.at_ms, other.at_ms)
            && match (self.leap, other.leap) {
                (None, None) => true,
                (Some(one), Some(other)) => {
                    is_near(one.at_ms, other.at_ms) && is_near(one.stood_ms, other.stood_ms)
                }
                _ => false,
            }
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

    fn since(at_ms: u64) -> Belief {
        Belief { at_ms, leap: None }
    }

    fn at(wall_ms: u64, mono_ms: u64) -> Now {
        Now { wall_ms, mono: Duration::from_millis(mono_ms) }
    }

    #[test]
    fn a_clock_that_leaps_and_comes_back_within_a_day_was_never_believed() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(since(begin)), at(begin + HOUR_MS, 0));
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
        let mut steady = Steady::new(Some(since(newest)), at(now, 0));
        assert_eq!(steady.at_ms(at(now, 0)), newest);
        assert_eq!(steady.at_ms(at(now + DAY_MS - 1, DAY_MS - 1)), newest + DAY_MS - 1);
        assert_eq!(steady.at_ms(at(now + DAY_MS, DAY_MS)), now + DAY_MS);
        assert_eq!(steady.at_ms(at(now + 2 * DAY_MS, 2 * DAY_MS)), now + 2 * DAY_MS);
    }

    #[test]
    fn a_clock_that_keeps_leaping_is_not_believed() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(since(begin)), at(begin, 0));
        for hour in 1..100 {
            let leaping = at(begin + hour * YEAR_MS, hour * HOUR_MS);
            assert_eq!(steady.at_ms(leaping), begin + hour * HOUR_MS);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_or_a_little_ahead_is_believed_at_once() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(since(begin)), at(begin, 0));
        let back = begin - YEAR_MS;
        assert_eq!(steady.at_ms(at(back, HOUR_MS)), back);
        assert_eq!(steady.at_ms(at(back + DAY_MS, HOUR_MS)), back + DAY_MS);
    }

    /// A run of so long from `wall_ms` on; what is believed at its end, and what is written then.
    fn run(written: Option<Belief>, wall_ms: u64, long_ms: u64) -> (u64, Option<Belief>) {
        let mut steady = Steady::new(written, at(wall_ms, 7));
        let mut at_ms = steady.at_ms(at(wall_ms, 7));
        let mut written = steady.unwritten(at(wall_ms, 7)).or(written);
        for gone_ms in (0..=long_ms).step_by(60_000) {
            let now = at(wall_ms + gone_ms, 7 + gone_ms);
            at_ms = steady.at_ms(now);
            written = steady.unwritten(now).or(written);
        }
        (at_ms, written)
    }

    #[test]
    fn a_leap_is_not_believed_for_being_there_at_the_next_start() {
        let begin = 50 * YEAR_MS;
        let (at_ms, mut written) = run(Some(since(begin)), begin, HOUR_MS);
        assert_eq!(at_ms, begin + HOUR_MS);
        for restart in 0..23 {
            let (at_ms, next) = run(written, begin + YEAR_MS + restart * HOUR_MS, HOUR_MS);
            assert_eq!(at_ms, begin + (2 + restart) * HOUR_MS);
            written = next;
        }
        // Right again, it is believed at once; and one that stays is, after a day of running in all.
        let right = begin + 25 * HOUR_MS;
        assert_eq!(run(written, right, 0).0, right);
        let late = begin + YEAR_MS + DAY_MS;
        assert_eq!(run(written, late, HOUR_MS).0, late + HOUR_MS);
    }

    #[test]
    fn a_gateway_that_nobody_asks_anything_and_that_is_started_often_keeps_up() {
        let (mut wall_ms, mut written) = (50 * YEAR_MS, Some(since(50 * YEAR_MS)));
        // Running by night only, for months.
        for _ in 0..100 {
            let (at_ms, next) = run(written, wall_ms, HOUR_MS / 2);
            assert_eq!(at_ms, wall_ms + HOUR_MS / 2);
            (wall_ms, written) = (wall_ms + DAY_MS, next);
        }
    }

    #[test]
    fn where_nothing_was_written_any_clock_stands_for_a_day_first() {
        let (wall_ms, mut written) = (50 * YEAR_MS, None);
        for restart in 0..2 {
            let (at_ms, next) = run(written, wall_ms + restart * DAY_MS, DAY_MS / 2 - 1);
            assert!(at_ms < 3 * DAY_MS, "{at_ms}");
            written = next;
        }
        assert_eq!(run(written, wall_ms + 2 * DAY_MS, HOUR_MS).0, wall_ms + 2 * DAY_MS + HOUR_MS);
    }

    #[test]
    fn little_is_written_and_reads_back() {
        let begin = 50 * YEAR_MS;
        let mut steady = Steady::new(Some(since(begin)), at(begin, 0));
        let mut writes = 0;
        for second in 0..3_600 {
            let now = at(begin + second * 1_000, second * 1_000);
            steady.at_ms(now);
            writes += u64::from(steady.unwritten(now).is_some());
        }
        assert_eq!(writes, HOUR_MS / WRITTEN_MS - 1);
        let leaps = [None, Some(Leap { at_ms: 3, stood_ms: 4 })];
        for belief in leaps.map(|leap| Belief { at_ms: 2, leap }) {
            let value = belief.to_value();
            assert_eq!(Belief::from_value(&value), Some(belief));
            assert_eq!(Belief::from_value(&value[1..]), None);
        }
        assert_eq!(Belief::from_value(&seal(KEY, vec![0; 9])), None);
        assert_eq!(Belief::from_value(&seal(KEY, vec![0; 25])), None);
    }
}
