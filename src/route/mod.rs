//! Chooses which deployments to try, and in which order. Pure.
//!
//! Nothing is sent and nothing is taken here: a candidate is tried only once its provider has given
//! it a place, and the provider alone decides that one request at a time may probe.
//!
//! | file | |
//! | --- | --- |
//! | `asked`, `facts` | what a choice depends on: of the request, of a target |
//! | `fit` | which targets the request may go to at all, and why not to others |
//! | `priority` … `sticky` | the order within a tier, a file for each strategy |
//! | `score` | putting a tier in order by numbers |
//! | `wished` | the order that a client asks for instead |
//! | `explain` | the same choice with its reasons |
//! | `budget` | how much more than was asked for a route may send |

mod asked;
mod budget;
mod cheapest;
mod explain;
mod facts;
mod fastest;
mod fit;
mod headroom;
mod least_busy;
mod priority;
mod score;
mod sticky;
#[cfg(test)]
mod tests;
mod weighted;
mod wished;

use smallvec::SmallVec;

use crate::config::{Place, Route, Strategy, Target};
use crate::lots::Lots;

pub use asked::Asked;
pub use budget::{Budget, Share};
pub use explain::{Considered, Standing, explain};
pub use facts::{Facts, TargetState};
pub use fit::{Unfit, none_fits, unfit};

/// Places in a route, in the order in which to try them. A route has at most 64 targets.
pub type Candidates = SmallVec<[Place; 64]>;

/// A target that the request may go to.
#[derive(Clone, Copy)]
struct Candidate<'r> {
    place: Place,
    target: &'r Target,
    facts: Facts,
}

/// The candidates of `route`, in the order in which to try them; each at most once.
///
/// Targets that the request may not go to are left out; see [`unfit`]. Tiers come in order, and
/// within a tier the strategy decides. Passing and probe-due targets are candidates. A probe-due one
/// stands where the strategy puts it if that is a fixed place, as listed or by session, and otherwise
/// before the passing ones of its tier: it must not be kept from ever being probed. Only where no
/// target of any tier is passing or probe-due are the shut ones candidates, so that their providers
/// can say when to come back.
///
/// A client's wish stands over the order: `sort` puts the whole route in another, and providers
/// named in `order` come first. Without fallbacks only the named ones are left, or only the first
/// candidate where none is named.
///
/// The same `dice` gives the same order; throw them anew for each request.
pub fn order(
    route: &Route,
    asked: &Asked<'_>,
    facts: impl Fn(Place) -> Facts,
    dice: u64,
) -> Candidates {
    let field = field(route, asked, facts);
    let mut lots = Lots::new(dice);
    let mut candidates = Candidates::new();
    if let Some(sort) = asked.wish.sort {
        wished::sorted(sort, &field, asked, &mut lots, &mut candidates);
    } else {
        for tier in field.chunk_by(|one, next| one.place.tier == next.place.tier) {
            arrange(route.strategy, tier, asked, &mut lots, &mut candidates);
        }
    }
    wished::ordered(asked.wish, route, &mut candidates);
    candidates
}

/// Those the request may go to and that may be tried, tier by tier.
fn field<'r>(
    route: &'r Route,
    asked: &Asked<'_>,
    facts: impl Fn(Place) -> Facts,
) -> SmallVec<[Candidate<'r>; 64]> {
    let (mut any_open, mut any_shut) = (false, false);
    let mut field = SmallVec::<[Candidate<'r>; 64]>::new();
    for (tier, targets) in (0..=u16::MAX).zip(&route.tiers) {
        for (index, target) in (0..=u16::MAX).zip(targets) {
            if unfit(target, asked).is_some() {
                continue;
            }
            let place = Place { tier, target: index };
            let facts = facts(place);
            match facts.state {
                TargetState::Passing | TargetState::ProbeDue => any_open = true,
                TargetState::Shut => any_shut = true,
                TargetState::Unavailable => continue,
            }
            field.push(Candidate { place, target, facts });
        }
    }
    if any_open && any_shut {
        field.retain(|candidate| candidate.facts.state != TargetState::Shut);
    }
    field
}

/// Puts one tier in order.
fn arrange(
    strategy: Strategy,
    tier: &[Candidate<'_>],
    asked: &Asked<'_>,
    lots: &mut Lots,
    candidates: &mut Candidates,
) {
    match strategy {
        Strategy::Priority => priority::arrange(tier, candidates),
        Strategy::Weighted => weighted::arrange(tier, lots, candidates),
        Strategy::Fastest => fastest::arrange(tier, asked, lots, candidates),
        Strategy::LeastBusy => least_busy::arrange(tier, lots, candidates),
        Strategy::Cheapest => cheapest::arrange(tier, asked, lots, candidates),
        Strategy::Headroom => headroom::arrange(tier, lots, candidates),
        Strategy::Sticky => sticky::arrange(tier, asked, candidates),
    }
}
