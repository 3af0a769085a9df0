//! By lot: as often as weight and what is left of the provider's own rate limit say. Pure.
//!
//! A provider whose limit is used up comes last: it is asked only when nobody else answers.

use super::weighted::draw;
use super::{Candidates, Group};
use crate::lots::Lots;

/// Appends a group as the lots fall.
pub(super) fn arrange(group: &Group<'_, '_>, lots: &mut Lots, candidates: &mut Candidates) {
    let tickets = group.iter().map(|one| {
        let weight = u64::from(one.target.weight) * u64::from(one.facts.headroom_permille);
        (one.place, weight)
    });
    draw(tickets.collect(), lots, candidates);
}
