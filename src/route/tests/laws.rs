//! What every strategy keeps.

use proptest::prelude::{
    Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_compose, prop_oneof,
    proptest,
};
use proptest::strategy::Strategy as Generator;

use super::*;

pub(super) fn any_strategy() -> impl Generator<Value = Strategy> {
    prop::sample::select(Strategy::NAMES.map(|(_, strategy)| strategy).to_vec())
}

pub(super) fn any_tiers() -> impl Generator<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(1..=1_000_000_u32, 1..8), 1..6)
}

prop_compose! {
    pub(super) fn any_facts()(
        in_flight in 0..50_u32,
        in_flight_max in prop_oneof![3 => Just(u32::MAX), 1 => 0..50_u32],
        first_content_ms in prop_oneof![1 => Just(0), 3 => 1..20_000_u64],
        output_rate_milli in prop_oneof![1 => Just(0), 3 => 1..500_000_u64],
        headroom_permille in 0..=1_000_u16,
    ) -> Facts {
        Facts {
            state: TargetState::Passing,
            in_flight,
            in_flight_max,
            first_content: Duration::from_millis(first_content_ms),
            output_rate_milli,
            headroom_permille,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_eligible_target_comes_once_and_no_shut_one_before_a_passing_one(
        tiers in any_tiers(),
        states in "[pdsu]{40}",
        facts in prop::collection::vec(any_facts(), 40),
        dice in any::<u64>(),
        affinity in any::<u64>(),
        strategy in any_strategy(),
    ) {
        let tiers: Vec<&[u32]> = tiers.iter().map(Vec::as_slice).collect();
        let route = route(strategy, &tiers);
        let wish = Wish::default();
        let asked = Asked { affinity, ..asked(&wish) };
        let facts = |place| {
            let number = number(&route, place);
            let state = match states.as_bytes()[number] {
                b'p' => TargetState::Passing,
                b'd' => TargetState::ProbeDue,
                b's' => TargetState::Shut,
                _ => TargetState::Unavailable,
            };
            Facts { state, ..facts[number] }
        };
        let count: usize = tiers.iter().map(|tier| tier.len()).sum();
        let found = chosen(&route, &asked, facts, dice);
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
        prop_assert_eq!(chosen(&route, &asked, facts, dice), found);
    }

    #[test]
    fn a_due_probe_gets_the_next_request_that_is_meant_for_its_tier(
        count in 2..20_usize,
        due in any::<prop::sample::Index>(),
        facts in prop::collection::vec(any_facts(), 20),
        strategy in any_strategy(),
    ) {
        let route = route(strategy, &[&vec![1; count]]);
        let due = due.index(count);
        let facts = |place| {
            let number = number(&route, place);
            let state = if number == due { TargetState::ProbeDue } else { TargetState::Passing };
            Facts { state, ..facts[number] }
        };
        let wish = Wish::default();
        let first = |affinity| chosen(&route, &Asked { affinity, ..asked(&wish) }, facts, affinity)[0];
        match strategy {
            // In its listed place: a list's later targets are for when the earlier ones fail.
            Strategy::Priority => prop_assert_eq!(first(0), 0),
            // Its own sessions come back to it.
            Strategy::Sticky => prop_assert!((0..2_000).any(|session| first(session) == due)),
            _ => prop_assert_eq!(first(0), due),
        }
    }

    #[test]
    fn what_is_explained_is_what_is_chosen(
        tiers in any_tiers(),
        states in "[pdsu]{40}",
        dice in any::<u64>(),
        strategy in any_strategy(),
        ignored in 0..40_usize,
        fallbacks in any::<bool>(),
    ) {
        let tiers: Vec<&[u32]> = tiers.iter().map(Vec::as_slice).collect();
        let route = route(strategy, &tiers);
        let wish = Wish {
            ignore: vec![format!("P{ignored}")],
            allow_fallbacks: Some(fallbacks),
            ..Wish::default()
        };
        let asked = asked(&wish);
        let facts = |place| Facts::of(match states.as_bytes()[number(&route, place)] {
            b'p' => TargetState::Passing,
            b'd' => TargetState::ProbeDue,
            b's' => TargetState::Shut,
            _ => TargetState::Unavailable,
        });
        let considered = explain(&route, &asked, facts, dice);
        prop_assert_eq!(considered.len(), route.places().count());
        let candidates: Vec<Place> = considered
            .iter()
            .filter(|one| matches!(one.standing, Standing::Candidate(_)))
            .map(|one| one.place)
            .collect();
        prop_assert_eq!(&*candidates, &*order(&route, &asked, facts, dice));
        for one in &considered {
            prop_assert_eq!(
                one.standing == Standing::Unfit(Unfit::Ignored),
                number(&route, one.place) == ignored
            );
        }
    }
}
