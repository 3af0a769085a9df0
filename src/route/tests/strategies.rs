//! The law of each strategy.

use std::collections::HashMap;

use infergate_actors::money::NanoUsd;
use proptest::prelude::{
    ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, proptest,
};

use super::laws::any_facts;
use super::*;
use crate::lots;

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

#[test]
fn the_slowest_of_all_is_never_first_and_a_faster_one_is_first_more_often() {
    let route = route(Strategy::Fastest, &[&[1, 1, 1, 1]]);
    let wish = Wish::default();
    let mut firsts = [0_u32; 4];
    let throws = 12_000_u32;
    for dice in 0..u64::from(throws) {
        let facts = |place| Facts {
            first_content: Duration::from_millis(100 * (1 + number(&route, place) as u64)),
            output_rate_milli: 50_000,
            ..Facts::default()
        };
        let found = chosen(&route, &asked(&wish), facts, dice);
        firsts[found[0]] += 1;
        assert!(found[1..].is_sorted(), "the rest is in order: {found:?}");
    }
    // The best of four is in half of all pairs, the next in two of the six that lack the best.
    for (first, chance) in firsts.into_iter().zip([3.0, 2.0, 1.0, 0.0]) {
        assert_likely(first, throws, chance / 6.0);
    }
}

#[test]
fn one_that_nothing_is_known_of_is_tried_but_not_by_everybody_at_once() {
    let route = route(Strategy::Fastest, &[&[1, 1]]);
    let wish = Wish::default();
    let first = |unknown_in_flight, dice| {
        let facts = |place| match number(&route, place) {
            0 => Facts {
                first_content: Duration::from_millis(200),
                output_rate_milli: 50_000,
                ..Facts::default()
            },
            _ => Facts { in_flight: unknown_in_flight, ..Facts::default() },
        };
        chosen(&route, &asked(&wish), facts, dice)[0]
    };
    let tries: usize = (0..1_000).map(|dice| first(0, dice)).sum();
    assert!((400..600).contains(&tries), "{tries}");
    assert_eq!((0..1_000).map(|dice| first(1, dice)).sum::<usize>(), 0);
}

#[test]
fn a_long_answer_prefers_a_high_rate_and_a_short_one_an_early_start() {
    let route = route(Strategy::Fastest, &[&[1, 1]]);
    let wish = Wish::default();
    let facts = |place| match number(&route, place) {
        0 => Facts {
            first_content: Duration::from_millis(100),
            output_rate_milli: 20_000,
            ..Facts::default()
        },
        _ => Facts { first_content: SECOND, output_rate_milli: 200_000, ..Facts::default() },
    };
    for (output_tokens, winner) in [(5, 0), (400, 1)] {
        let asked = Asked { output_tokens, ..asked(&wish) };
        for dice in 0..20 {
            assert_eq!(chosen(&route, &asked, facts, dice)[0], winner, "{output_tokens}");
        }
    }
}

#[test]
fn what_is_left_of_a_rate_limit_is_the_chance_and_nothing_left_is_last() {
    let route = route(Strategy::Headroom, &[&[1, 1, 2, 1]]);
    let wish = Wish::default();
    let left = [1_000, 250, 500, 0];
    let facts =
        |place| Facts { headroom_permille: left[number(&route, place)], ..Facts::default() };
    let mut firsts = [0_u32; 4];
    let throws = 9_000_u32;
    for dice in 0..u64::from(throws) {
        let found = chosen(&route, &asked(&wish), facts, dice);
        firsts[found[0]] += 1;
        assert_eq!(found[3], 3);
    }
    for (first, chance) in firsts.into_iter().zip([1_000.0, 250.0, 1_000.0, 0.0]) {
        assert_likely(first, throws, chance / 2_250.0);
    }
}

#[test]
fn a_cached_beginning_counts_at_its_own_price_and_an_unknown_price_is_last() {
    let mut route = route(Strategy::Cheapest, &[&[1, 1, 1]]);
    route.tiers[0][1].cost = Some(price(2, 2, 5));
    route.tiers[0][2].cost = Some(price(3, 0, 5));
    let wish = Wish::default();
    for (input_tokens_cached, expected) in [(0, [1, 2, 0]), (900, [2, 1, 0])] {
        let asked = Asked { input_tokens_cached, ..asked(&wish) };
        assert_eq!(chosen(&route, &asked, |_| Facts::default(), 3), expected);
    }
}

#[test]
fn the_price_of_a_long_prompt_is_the_one_that_counts() {
    let mut route = route(Strategy::Cheapest, &[&[1, 1]]);
    let mut tiered = Price::clone(&price(1, 1, 1));
    let rates = price(9, 9, 9).base;
    tiered.tiers.push(infergate_actors::money::Tier { context_over: 2_000, rates });
    route.tiers[0][0].cost = Some(Arc::new(tiered));
    route.tiers[0][1].cost = Some(price(2, 2, 2));
    let wish = Wish::default();
    for (input_tokens, expected) in [(2_000, [0, 1]), (2_001, [1, 0])] {
        let asked = Asked { input_tokens, ..asked(&wish) };
        assert_eq!(chosen(&route, &asked, |_| Facts::default(), 3), expected);
    }
}

#[test]
fn sessions_are_spread_as_weights_say() {
    let route = route(Strategy::Sticky, &[&[1, 2, 5]]);
    let wish = Wish::default();
    let sessions = 20_000_u32;
    let mut homes = [0_u32; 3];
    for session in 0..u64::from(sessions) {
        let asked = Asked { affinity: lots::mix(session), ..asked(&wish) };
        homes[chosen(&route, &asked, |_| Facts::default(), session)[0]] += 1;
    }
    for (home, weight) in homes.into_iter().zip([1.0, 2.0, 5.0]) {
        assert_likely(home, sessions, weight / 8.0);
    }
}

/// The home of each of many sessions.
fn homes(route: &Route, shut: Option<&str>) -> Vec<Arc<str>> {
    let wish = Wish::default();
    let name = |place| route.target(place).unwrap().provider_name.clone();
    let facts = |place| match shut {
        Some(shut) if *name(place) == *shut => Facts::of(TargetState::Shut),
        _ => Facts::default(),
    };
    let home = |session| {
        let asked = Asked { affinity: lots::mix(session), ..asked(&wish) };
        // Other dice each time: they have no say.
        name(order(route, &asked, facts, lots::mix(!session))[0])
    };
    (0..4_000).map(home).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn only_the_sessions_of_a_target_that_goes_or_shuts_move_and_they_come_back(
        count in 2..12_u32,
        gone in any::<prop::sample::Index>(),
    ) {
        let whole = route(Strategy::Sticky, &[&vec![3; count as usize]]);
        let before = homes(&whole, None);
        let gone = gone.index(count as usize);
        let gone_name = whole.tiers[0][gone].provider_name.clone();
        let mut less = whole.clone();
        less.tiers[0].remove(gone);
        for after in [homes(&whole, Some(&gone_name)), homes(&less, None)] {
            let mut moved = 0;
            for (before, after) in before.iter().zip(&after) {
                prop_assert_ne!(after, &gone_name);
                prop_assert!(before == after || *before == gone_name, "another one moved");
                moved += u32::from(before != after);
            }
            assert_likely(moved, 4_000, 1.0 / f64::from(count));
        }
        // Listed elsewhere, open again: all are at home again.
        let mut again = less;
        again.tiers[0].push(whole.tiers[0][gone].clone());
        prop_assert_eq!(homes(&again, None), before);
    }

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_cheapest_is_a_minimum_and_the_order_rises(
        prices in prop::collection::vec(
            prop::option::weighted(0.8, (0..100_u64, 0..100_u64, 0..100_u64)), 1..20),
        input_tokens in 0..2_000_000_u64,
        cached in 0..=100_u64,
        output_tokens in 0..100_000_u64,
        dice in any::<u64>(),
    ) {
        let mut route = route(Strategy::Cheapest, &[&vec![1; prices.len()]]);
        for (target, known) in route.tiers[0].iter_mut().zip(&prices) {
            target.cost = known.map(|(input, cached, output)| price(input, cached, output));
        }
        let wish = Wish::default();
        let input_tokens_cached = input_tokens * cached / 100;
        let asked = Asked { input_tokens, input_tokens_cached, output_tokens, ..asked(&wish) };
        let found = explain(&route, &asked, |_| Facts::default(), dice);
        let costs: Vec<NanoUsd> = found.iter().map(|one| one.cost.unwrap_or(NanoUsd::MAX)).collect();
        prop_assert!(costs.is_sorted(), "{:?}", costs);
    }

    #[test]
    fn the_least_busy_is_a_minimum_and_the_order_rises(
        targets in prop::collection::vec((1..=1_000_000_u32, 0..1_000_000_u32), 1..20),
        dice in any::<u64>(),
    ) {
        let weights: Vec<u32> = targets.iter().map(|(weight, _)| *weight).collect();
        let route = route(Strategy::LeastBusy, &[&weights]);
        let in_flight = |number: usize| u64::from(targets[number].1);
        let facts = |place| Facts { in_flight: targets[number(&route, place)].1, ..Facts::default() };
        let found = chosen(&route, &asked(&Wish::default()), facts, dice);
        for pair in found.windows(2) {
            let (one, next) = (pair[0], pair[1]);
            let weight = |number: usize| u64::from(weights[number]);
            prop_assert!(in_flight(one) * weight(next) <= in_flight(next) * weight(one));
        }
    }

    #[test]
    fn of_two_the_worse_is_never_picked(
        one in any_facts(),
        other in any_facts(),
        dice in any::<u64>(),
    ) {
        let route = route(Strategy::Fastest, &[&[1, 1]]);
        let facts = |place| if number(&route, place) == 0 { one } else { other };
        let wish = Wish::default();
        let found = chosen(&route, &asked(&wish), facts, dice);
        let is_known = |facts: &Facts| !facts.first_content.is_zero() && facts.output_rate_milli > 0;
        if is_known(&one) && is_known(&other) {
            let time = |facts: &Facts| {
                let rate = u32::try_from(facts.output_rate_milli).unwrap();
                let output = Duration::from_secs(400) * 1_000 / rate;
                let time = (facts.first_content + output) * (facts.in_flight + 1);
                if facts.is_full() { Duration::MAX } else { time }
            };
            let (first, last) = (facts_of(found[0], one, other), facts_of(found[1], one, other));
            // Whole microseconds are compared, times the requests there.
            let unseen = Duration::from_micros(100);
            prop_assert!(time(&first) <= time(&last).saturating_add(unseen));
        }
        if one.is_full() != other.is_full() {
            prop_assert!(!facts_of(found[0], one, other).is_full());
        }
    }
}

fn facts_of(number: usize, one: Facts, other: Facts) -> Facts {
    if number == 0 { one } else { other }
}

#[test]
fn of_equals_each_is_first_equally_often() {
    for strategy in [Strategy::LeastBusy, Strategy::Cheapest, Strategy::Fastest] {
        let route = route(strategy, &[&[1, 1, 1]]);
        let throws = 6_000_u32;
        let mut firsts = [0_u32; 3];
        for dice in 0..u64::from(throws) {
            firsts[numbers(&route, "ppp", dice)[0]] += 1;
        }
        for first in firsts {
            assert_likely(first, throws, 1.0 / 3.0);
        }
    }
}
