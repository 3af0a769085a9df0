//! The order that a client asks for in place of the route's. Pure.

use super::{Asked, Candidate, Candidates, cheapest, score};
use crate::config::Route;
use crate::dialect::wish::{Sort, Wish, position};
use crate::lots::Lots;

/// Appends all candidates of a route in the order asked for, whatever their tiers. Of what is to be
/// known of a target from its answers, a target comes first of which it is not known yet, so that it
/// becomes known; an unknown price is last.
pub(super) fn sorted(
    sort: Sort,
    all: &[Candidate<'_>],
    asked: &Asked<'_>,
    lots: &mut Lots,
    candidates: &mut Candidates,
) {
    score::arrange(all, lots, candidates, |one, _| match sort {
        Sort::Price => cheapest::cost(one.target, asked),
        Sort::Latency => u64::try_from(one.facts.first_content.as_micros()).unwrap_or(u64::MAX),
        Sort::Throughput if one.facts.output_rate_milli == 0 => 0,
        Sort::Throughput => u64::MAX - one.facts.output_rate_milli,
    });
}

/// Puts the providers that are named in `order` first, and leaves out what may not be tried where
/// fallbacks are not allowed.
pub(super) fn ordered(wish: &Wish, route: &Route, candidates: &mut Candidates) {
    if !wish.order.is_empty() {
        // Those not named come last, in the order they have; without fallbacks they did not fit.
        candidates.sort_by_key(|place| {
            let name = route.target(*place).map_or("", |target| &target.provider_name);
            position(&wish.order, name).unwrap_or(usize::MAX)
        });
    } else if !wish.allows_fallbacks() {
        candidates.truncate(1);
    }
}
