//! By lot: a target comes first as often as its weight says. Pure.

use super::{Candidate, Candidates, score};
use crate::lots::Lots;

/// Appends a tier as the lots fall: each target as likely the next as its weight is of what is left.
pub(super) fn arrange(tier: &[Candidate<'_>], lots: &mut Lots, candidates: &mut Candidates) {
    score::arrange(tier, lots, candidates, |one, lot| score::weighted(lot, one.target.weight));
}
