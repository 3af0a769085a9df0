//! The better of two drawn by lot: the one expected to be done sooner under its load. Pure.
//!
//! Always taking the best of all would send every request there until the figures follow, and then
//! all to the next; the better of two spreads them nearly as evenly as full knowledge would
//! (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
//!
//! What is unknown is taken to be as good as the best that is known, so that a target of which
//! nothing is known is tried, and not by everybody at once.

use std::time::Duration;

use super::{Asked, Candidate, Candidates, Facts, TargetState, score};
use crate::lots::Lots;

/// The best that is known of a tier.
#[derive(Clone, Copy)]
struct Best {
    first_content: Duration,
    output_rate_milli: u64,
}

/// What is taken where nothing is known of anybody: one is as good as another.
const UNKNOWN: Best = Best { first_content: Duration::from_secs(1), output_rate_milli: 50_000 };

/// Appends a tier: the better of two drawn, then the rest by their scores.
pub(super) fn arrange(
    tier: &[Candidate<'_>],
    asked: &Asked<'_>,
    lots: &mut Lots,
    candidates: &mut Candidates,
) {
    let best = Best::of(tier);
    let mut cards = score::sorted(tier, lots, |one, _| score(one, asked, best));
    let due = score::due(&cards);
    let passing = cards.get_mut(due..).unwrap_or_default();
    // In order as they are, the better of two is the one that comes before the other.
    let winner = better_of_two(passing.len() as u64, lots);
    if let Some(up_to_winner) = passing.get_mut(..=winner) {
        up_to_winner.rotate_right(1);
    }
    score::append(&cards, candidates);
}

/// The lower of two different numbers below `count`, drawn by lot; 0 where there are no two.
fn better_of_two(count: u64, lots: &mut Lots) -> usize {
    let first = lots.below(count);
    let second = lots.below(count.saturating_sub(1));
    let second = if second >= first { second + 1 } else { second };
    let winner = if second < count { first.min(second) } else { 0 };
    usize::try_from(winner).unwrap_or_default()
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
    /// Of those that pass: what was known of one that failed is no measure for others.
    fn of(tier: &[Candidate<'_>]) -> Self {
        let passing = || tier.iter().filter(|one| one.facts.state == TargetState::Passing);
        let times = passing().map(|one| one.facts.first_content);
        let rates = passing().map(|one| one.facts.output_rate_milli);
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
