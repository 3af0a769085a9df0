//! The better of two drawn by lot: the one expected to be done sooner under its load. Pure.
//!
//! Always taking the best of all would send every request there until the figures follow, and then
//! all to the next; the better of two spreads them nearly as evenly as full knowledge would
//! (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
//!
//! What is unknown is taken to be as good as the best that is known, so that a target of which
//! nothing is known is tried, and not by everybody at once.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Asked, Candidate, Candidates, Facts, Group};
use crate::config::Place;
use crate::lots::Lots;

/// The best that is known of a group.
#[derive(Clone, Copy)]
struct Best {
    first_content: Duration,
    output_rate_milli: u64,
}

/// What is taken where nothing is known of anybody: one is as good as another.
const UNKNOWN: Best = Best { first_content: Duration::from_secs(1), output_rate_milli: 50_000 };

/// A score and a place: the lower the score, the better.
type Scored = (u64, u64, Place);

/// Appends a group: the better of two drawn, then the rest by their scores.
pub(super) fn arrange(
    group: &Group<'_, '_>,
    asked: &Asked<'_>,
    lots: &mut Lots,
    candidates: &mut Candidates,
) {
    let best = Best::of(group);
    let scored = |one: &&Candidate<'_>| (score(one, asked, best), lots.draw(), one.place);
    let mut scored: SmallVec<[Scored; 64]> = group.iter().map(scored).collect();
    if let Some(winner) = better_of_two(&scored, lots) {
        candidates.push(scored.swap_remove(winner).2);
    }
    scored.sort_unstable();
    candidates.extend(scored.into_iter().map(|(_, _, place)| place));
}

/// The index of the better one of two drawn by lot; of the only one, if there is but one.
fn better_of_two(scored: &[Scored], lots: &mut Lots) -> Option<usize> {
    let count = scored.len() as u64;
    let draw = |bound, lots: &mut Lots| usize::try_from(lots.below(bound)).unwrap_or_default();
    let first = draw(count, lots);
    let mut second = draw(count.saturating_sub(1), lots);
    if second >= first {
        second += 1;
    }
    let (one, Some(other)) = (scored.get(first)?, scored.get(second)) else { return Some(first) };
    Some(if other < one { second } else { first })
}

/// The expected time in microseconds, as many times as there are requests to share the target with.
/// One that takes no more is the worst.
fn score(candidate: &Candidate<'_>, asked: &Asked<'_>, best: Best) -> u64 {
    let facts = &candidate.facts;
    if facts.is_full() {
        return u64::MAX;
    }
    let known = Best {
        first_content: match facts.first_content {
            Duration::ZERO => best.first_content,
            known => known,
        },
        output_rate_milli: match facts.output_rate_milli {
            0 => best.output_rate_milli,
            known => known,
        },
    };
    known.time_us(asked).saturating_mul(u64::from(facts.in_flight) + 1)
}

/// The expected time to the end of the answer, if all of it is known.
pub(super) fn expected(facts: &Facts, asked: &Asked<'_>) -> Option<Duration> {
    let Facts { first_content, output_rate_milli, .. } = *facts;
    let known = Best { first_content, output_rate_milli };
    let is_known = !first_content.is_zero() && output_rate_milli > 0;
    is_known.then(|| Duration::from_micros(known.time_us(asked)))
}

impl Best {
    fn of(group: &Group<'_, '_>) -> Self {
        let times = group.iter().map(|one| one.facts.first_content);
        let rates = group.iter().map(|one| one.facts.output_rate_milli);
        Self {
            first_content: times
                .filter(|time| !time.is_zero())
                .min()
                .unwrap_or(UNKNOWN.first_content),
            output_rate_milli: rates
                .max()
                .filter(|rate| *rate > 0)
                .unwrap_or(UNKNOWN.output_rate_milli),
        }
    }

    fn time_us(self, asked: &Asked<'_>) -> u64 {
        let first = u64::try_from(self.first_content.as_micros()).unwrap_or(u64::MAX);
        let output = asked.output_tokens.saturating_mul(1_000_000_000);
        first.saturating_add(output / self.output_rate_milli.max(1))
    }
}
