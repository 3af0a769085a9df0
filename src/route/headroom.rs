//! By lot: as often as weight and what is left of the provider's own rate limit say. Pure.
//!
//! A provider whose limit is used up comes last: it is asked only when nobody else answers.

use super::{Candidate, Candidates, score};
use crate::lots::Lots;

/// Appends a tier as the lots fall.
pub(super) fn arrange(tier: &[Candidate<'_>], lots: &mut Lots, candidates: &mut Candidates) {
    score::arrange(tier, lots, candidates, |one, lot| {
        let left = u32::from(one.facts.headroom_permille);
        score::weighted(lot, one.target.weight.saturating_mul(left))
    });
}
