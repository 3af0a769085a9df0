//! The same target for the same session or beginning of a prompt. Pure.
//!
//! Rendezvous hashing: each target has for each session a number of its own, and the highest comes
//! first. Where a target shuts, comes back, or is added, only the sessions move whose highest number
//! was, is or becomes that target's; all others stay where their prompts are cached. With weights as
//! in Resch, "New hashing algorithms for data storage", 2015: the number is `weight / -ln(share)`.

use smallvec::SmallVec;

use super::{Asked, Candidate, Candidates};
use crate::config::Place;
use crate::lots;

/// Appends a tier in the order of the session.
pub(super) fn arrange(tier: &[Candidate<'_>], asked: &Asked<'_>, candidates: &mut Candidates) {
    let pull = |one: &Candidate<'_>| {
        let number = lots::mix(asked.affinity ^ one.target.identity);
        (pull(number, one.target.weight), one.place)
    };
    let mut pulls: SmallVec<[(f64, Place); 64]> = tier.iter().map(pull).collect();
    pulls.sort_unstable_by(|(one, first), (other, second)| {
        other.total_cmp(one).then_with(|| first.cmp(second))
    });
    candidates.extend(pulls.into_iter().map(|(_, place)| place));
}

/// How much a target of this weight wants a session for which it has this number.
fn pull(number: u64, weight: u32) -> f64 {
    // The upper 52 bits, which a float holds exactly, and a half, so that it is neither 0 nor 1.
    #[expect(clippy::cast_precision_loss, reason = "52 bits are held exactly")]
    let share = ((number >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    f64::from(weight) / -share.ln()
}
