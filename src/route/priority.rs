//! As listed. Pure.

use super::{Candidate, Candidates};

/// Appends a tier in the order of the list.
pub(super) fn arrange(tier: &[Candidate<'_>], candidates: &mut Candidates) {
    candidates.extend(tier.iter().map(|candidate| candidate.place));
}
