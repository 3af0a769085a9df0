//! Putting targets in order by scores, the lowest first. Pure.

use smallvec::SmallVec;

use super::{Candidate, Candidates, TargetState};
use crate::config::Place;
use crate::lots::Lots;

/// A score, a lot for equals, and a place, the highest bits first: one number, because numbers are
/// sorted several times as fast as anything that has parts.
type Card = u128;

/// Targets with their scores.
pub(super) type Cards = SmallVec<[Card; 64]>;

/// The score of a target that is due for a probe: before all others.
const DUE: u64 = 0;

/// The cards of `tier` in order: those due for a probe, and then by `score`, which is told a number
/// that looks random. Among equals the lot decides.
pub(super) fn sorted(
    tier: &[Candidate<'_>],
    lots: &mut Lots,
    score: impl Fn(&Candidate<'_>, u64) -> u64,
) -> Cards {
    let card = |one: &Candidate<'_>| {
        let lot = lots.draw();
        let score = match one.facts.state {
            TargetState::ProbeDue => DUE,
            _ => score(one, lot).max(DUE + 1),
        };
        card(score, lot, one.place)
    };
    let mut cards: Cards = tier.iter().map(card).collect();
    cards.sort_unstable();
    cards
}

/// Appends a tier in the order of [`sorted`].
pub(super) fn arrange(
    tier: &[Candidate<'_>],
    lots: &mut Lots,
    candidates: &mut Candidates,
    score: impl Fn(&Candidate<'_>, u64) -> u64,
) {
    append(&sorted(tier, lots, score), candidates);
}

/// Appends the places of cards.
pub(super) fn append(cards: &[Card], candidates: &mut Candidates) {
    candidates.extend(cards.iter().map(|card| place(*card)));
}

/// How many cards at the beginning are due for a probe.
pub(super) fn due(cards: &[Card]) -> usize {
    cards.partition_point(|card| card >> 64 == u128::from(DUE))
}

pub(super) fn card(score: u64, lot: u64, place: Place) -> Card {
    let Place { tier, target } = place;
    u128::from(score) << 64
        | u128::from(lot >> 32) << 32
        | u128::from(tier) << 16
        | u128::from(target)
}

fn place(card: Card) -> Place {
    let part = |shift: u32| u16::try_from(card >> shift & 0xffff).unwrap_or_default();
    Place { tier: part(16), target: part(0) }
}

/// The score of a target of this weight that has drawn `number`: over all numbers, it is the lowest
/// as often as its weight says, and so is the next among the rest.
///
/// The number is a share of the unit interval, and the score falls with `weight / -ln(share)`
/// (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
pub(super) fn weighted(number: u64, weight: u32) -> u64 {
    // The upper 52 bits, which a float holds exactly, and a half, so that it is neither 0 nor 1.
    #[expect(clippy::cast_precision_loss, reason = "52 bits are held exactly")]
    let share = ((number >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    let pull = f64::from(weight) / -share.ln();
    // The bits of floats that are not negative rise as they do.
    u64::MAX - pull.to_bits()
}
