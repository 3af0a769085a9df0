//! The same target for the same session or beginning of a prompt. Pure.
//!
//! Rendezvous hashing: each target has for each session a number of its own, and the highest comes
//! first. Where a target shuts, comes back, or is added, only the sessions move whose highest number
//! was, is or becomes that target's; all others stay where their prompts are cached. With weights as
//! in Resch, "New hashing algorithms for data storage", 2015: the number is `weight / -ln(share)`.

use super::{Asked, Candidate, Candidates, score};
use crate::lots;

/// Appends a tier in the order of the session.
pub(super) fn arrange(tier: &[Candidate<'_>], asked: &Asked<'_>, candidates: &mut Candidates) {
    let card = |one: &Candidate<'_>| {
        let number = lots::mix(asked.affinity ^ one.target.identity);
        score::card(score::weighted(number, one.target.weight), 0, one.place)
    };
    let mut cards: score::Cards = tier.iter().map(card).collect();
    cards.sort_unstable();
    score::append(&cards, candidates);
}
