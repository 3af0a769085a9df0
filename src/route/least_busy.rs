//! Fewest requests in flight, relative to weight; among equals the lot decides. Pure.

use super::{Candidate, Candidates, score};
use crate::lots::Lots;

/// More than there ever are.
const IN_FLIGHT_MAX: u32 = (1 << 20) - 1;
/// Weights are below 2^20, so that two shares which differ at all differ by more than 2^-40.
const FRACTION_BITS: u32 = 43;

/// Appends a tier, the least busy first.
pub(super) fn arrange(tier: &[Candidate<'_>], lots: &mut Lots, candidates: &mut Candidates) {
    score::arrange(tier, lots, candidates, |one, _| busyness(one));
}

/// Requests in flight for each unit of weight, as a fraction. One that takes no more comes last.
fn busyness(candidate: &Candidate<'_>) -> u64 {
    if candidate.facts.is_full() {
        return u64::MAX;
    }
    let in_flight = u64::from(candidate.facts.in_flight.min(IN_FLIGHT_MAX));
    (in_flight << FRACTION_BITS) / u64::from(candidate.target.weight.max(1))
}
