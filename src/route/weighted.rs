//! By lot: a target comes first as often as its weight says. Pure.

use smallvec::SmallVec;

use super::{Candidates, Group};
use crate::config::Place;
use crate::lots::Lots;

/// Places with their weights.
pub(super) type Tickets = SmallVec<[(Place, u64); 64]>;

/// Appends a group as the lots fall.
pub(super) fn arrange(group: &Group<'_, '_>, lots: &mut Lots, candidates: &mut Candidates) {
    let ticket = |weight: u32| u64::from(weight);
    let tickets = group.iter().map(|one| (one.place, ticket(one.target.weight))).collect();
    draw(tickets, lots, candidates);
}

/// Draws all tickets, one after another, each as likely as its weight is of what is left. Those
/// without weight come last.
pub(super) fn draw(mut tickets: Tickets, lots: &mut Lots, candidates: &mut Candidates) {
    let mut weight_left: u64 = tickets.iter().map(|&(_, weight)| weight).sum();
    while !tickets.is_empty() {
        let mut lot = lots.below(weight_left);
        let mut winner = 0;
        for (index, &(_, weight)) in tickets.iter().enumerate() {
            if lot < weight {
                winner = index;
                break;
            }
            lot -= weight;
        }
        let (place, weight) = tickets.swap_remove(winner);
        weight_left -= weight;
        candidates.push(place);
    }
}
