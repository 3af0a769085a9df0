//! Chooses which deployments to try, and in which order. Pure.
//!
//! Nothing is sent and nothing is taken here: a candidate is tried only once its provider has given
//! it a place, and the provider alone decides that one request at a time may probe.

use smallvec::SmallVec;

use crate::config::{Place, Route, Strategy};

/// Whether a target may be tried, as its provider last published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// It answers.
    Passing,
    /// It failed, has cooled down, and waits for one request to probe it.
    ProbeDue,
    /// It failed and is cooling down, or is being probed.
    Shut,
    /// It is drained, or has no credential that may be used: never a candidate.
    Unavailable,
}

/// Places in a route, in the order in which to try them.
pub type Candidates = SmallVec<[Place; 16]>;

/// The candidates of `route`, in the order in which to try them; each at most once.
///
/// Tiers come in order, and within a tier the strategy decides: `priority` keeps the list's order,
/// `weighted` draws lots without putting them back. Passing and probe-due targets are candidates.
/// A probe-due one stands in its listed place, and where lots are drawn before the passing ones of
/// its tier: a small weight must not keep it from ever being probed. Only where no target of any
/// tier is passing or probe-due are the shut ones candidates, so that their providers can say when
/// to come back.
///
/// The same `dice` gives the same order; throw them anew for each request.
pub fn order(route: &Route, state_of: impl Fn(Place) -> TargetState, dice: u64) -> Candidates {
    let mut shut_only = true;
    let states: SmallVec<[TargetState; 64]> = route
        .places()
        .map(|place| {
            let state = state_of(place);
            shut_only &= !matches!(state, TargetState::Passing | TargetState::ProbeDue);
            state
        })
        .collect();
    let mut states = states.into_iter();
    let mut lots = Lots(dice);
    let mut candidates = Candidates::new();
    for (tier_index, tier) in (0..=u16::MAX).zip(&route.tiers) {
        let mut passing = Tickets::new();
        let mut probe_due = Tickets::new();
        for ((index, target), state) in (0..=u16::MAX).zip(tier).zip(&mut states) {
            let place = Place { tier: tier_index, target: index };
            let group = match state {
                TargetState::Shut if shut_only => &mut passing,
                TargetState::Passing => &mut passing,
                // The list's order is kept: one group for both.
                TargetState::ProbeDue if route.strategy == Strategy::Priority => &mut passing,
                TargetState::ProbeDue => &mut probe_due,
                TargetState::Shut | TargetState::Unavailable => continue,
            };
            group.push((place, target.weight));
        }
        match route.strategy {
            Strategy::Priority => candidates.extend(passing.iter().map(|&(place, _)| place)),
            Strategy::Weighted => {
                lots.draw(probe_due, &mut candidates);
                lots.draw(passing, &mut candidates);
            }
        }
    }
    candidates
}

type Tickets = SmallVec<[(Place, u32); 16]>;

/// A stream of numbers that look random and follow from the dice: the `SplitMix64` generator of
/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Lots(u64);

impl Lots {
    /// Draws all tickets, one after another, each as likely as its weight is of what is left.
    fn draw(&mut self, mut tickets: Tickets, drawn: &mut Candidates) {
        let mut weight_left: u64 = tickets.iter().map(|&(_, weight)| u64::from(weight)).sum();
        while !tickets.is_empty() {
            let mut lot = self.below(weight_left);
            let mut winner = 0;
            for (index, &(_, weight)) in tickets.iter().enumerate() {
                if lot < u64::from(weight) {
                    winner = index;
                    break;
                }
                lot -= u64::from(weight);
            }
            let (place, weight) = tickets.swap_remove(winner);
            weight_left -= u64::from(weight);
            drawn.push(place);
        }
    }

    /// A number below `bound`, by taking the upper half of a product: uniform within 2^-32 or so
    /// for bounds as small as a tier's weights.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let product = u128::from(mixed) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::config::{Target, Timeouts};

    /// A route with these weights; a target's deployment is its number over all tiers.
    fn route(strategy: Strategy, tiers: &[&[u32]]) -> Route {
        let second = Duration::from_secs(1);
        let timeouts = Timeouts {
            connect: second,
            head: second,
            first_content: second,
            unstreamed: second,
            idle: second,
            total: second,
        };
        let mut numbers = 0..;
        let mut target = |&weight: &u32| Target {
            provider: 0,
            deployment: numbers.next().unwrap(),
            provider_name: "p".into(),
            upstream_model: "m".into(),
            weight,
            timeouts,
        };
        let tiers = tiers.iter().map(|tier| tier.iter().map(&mut target).collect()).collect();
        Route { strategy, tiers, attempts_max: 4, deadline: second }
    }

    /// The numbers of the targets in order; `states` has a letter for each target.
    fn numbers(route: &Route, states: &str, dice: u64) -> Vec<usize> {
        let number = |place: Place| route.target(place).unwrap().deployment;
        let state_of = |place| match states.as_bytes()[number(place)] {
            b'p' => TargetState::Passing,
            b'd' => TargetState::ProbeDue,
            b's' => TargetState::Shut,
            _ => TargetState::Unavailable,
        };
        order(route, state_of, dice).into_iter().map(number).collect()
    }

    #[test]
    fn priority_keeps_the_order_of_the_list_and_leaves_out_what_is_shut() {
        let route = route(Strategy::Priority, &[&[1, 9], &[1, 1], &[5]]);
        for (states, expected) in [
            ("ppppp", &[0, 1, 2, 3, 4][..]),
            ("spppp", &[1, 2, 3, 4]),
            ("dpppp", &[0, 1, 2, 3, 4]),
            ("pdsup", &[0, 1, 4]),
            ("ssssd", &[4]),
            ("sussu", &[0, 2, 3]),
            ("uuuuu", &[]),
        ] {
            assert_eq!(numbers(&route, states, 7), expected, "{states}");
        }
    }

    #[test]
    fn where_lots_are_drawn_a_due_probe_comes_first_in_its_tier() {
        let route = route(Strategy::Weighted, &[&[1_000_000, 1, 1], &[1, 1]]);
        for dice in 0..100 {
            let found = numbers(&route, "pdppd", dice);
            assert_eq!((found[0], found[3], found.len()), (1, 4, 5));
        }
    }

    #[test]
    fn every_order_is_as_likely_as_its_weights_say() {
        let route = route(Strategy::Weighted, &[&[1, 2, 3]]);
        let mut counts: HashMap<Vec<usize>, u32> = HashMap::new();
        let throws = 60_000_u32;
        for dice in 0..u64::from(throws) {
            *counts.entry(numbers(&route, "ppp", dice)).or_default() += 1;
        }
        for (order, chance) in [
            (vec![0, 1, 2], 1.0 / 6.0 * 2.0 / 5.0),
            (vec![0, 2, 1], 1.0 / 6.0 * 3.0 / 5.0),
            (vec![1, 0, 2], 2.0 / 6.0 * 1.0 / 4.0),
            (vec![1, 2, 0], 2.0 / 6.0 * 3.0 / 4.0),
            (vec![2, 0, 1], 3.0 / 6.0 * 1.0 / 3.0),
            (vec![2, 1, 0], 3.0 / 6.0 * 2.0 / 3.0),
        ] {
            assert_likely(counts[&order], throws, chance);
        }
    }

    /// Within five standard deviations of what is expected.
    #[track_caller]
    fn assert_likely(count: u32, throws: u32, chance: f64) {
        let expected = f64::from(throws) * chance;
        let deviation = (expected * (1.0 - chance)).sqrt();
        assert!(
            (f64::from(count) - expected).abs() <= 5.0 * deviation + 1.0,
            "{count}: {expected}"
        );
    }

    fn tiers() -> impl proptest::strategy::Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(1..=1_000_000_u32, 1..8), 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn each_eligible_target_comes_once_and_no_shut_one_before_a_passing_one(
            tiers in tiers(),
            states in "[pdsu]{40}",
            dice in any::<u64>(),
            weighted in any::<bool>(),
        ) {
            let strategy = if weighted { Strategy::Weighted } else { Strategy::Priority };
            let tiers: Vec<&[u32]> = tiers.iter().map(Vec::as_slice).collect();
            let route = route(strategy, &tiers);
            let count: usize = tiers.iter().map(|tier| tier.len()).sum();
            let found = numbers(&route, &states, dice);
            let with = |letters: &str| -> Vec<usize> {
                let states = states.chars().take(count).enumerate();
                states.filter(|(_, state)| letters.contains(*state)).map(|(n, _)| n).collect()
            };
            let eligible = if with("pd").is_empty() { with("s") } else { with("pd") };
            let mut sorted = found.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, eligible);
            let tier_of = |number: usize| {
                let mut ends = tiers.iter().scan(0, |end, tier| {
                    *end += tier.len();
                    Some(*end)
                });
                ends.position(|end| number < end)
            };
            prop_assert!(found.iter().map(|&number| tier_of(number)).is_sorted());
            prop_assert_eq!(numbers(&route, &states, dice), found);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_target_comes_first_as_often_as_its_weight_says(
            weights in prop::collection::vec(1..100_u32, 2..12),
            start in any::<u64>(),
        ) {
            let route = route(Strategy::Weighted, &[&weights]);
            let throws = 4_000_u32;
            let mut firsts = vec![0_u32; weights.len()];
            for dice in 0..u64::from(throws) {
                firsts[numbers(&route, &"p".repeat(12), start.wrapping_add(dice))[0]] += 1;
            }
            let total = f64::from(weights.iter().sum::<u32>());
            for (&first, &weight) in firsts.iter().zip(&weights) {
                assert_likely(first, throws, f64::from(weight) / total);
            }
        }
    }
}
