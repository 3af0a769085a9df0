//! Conditions, abilities and wishes: who is left, and why not the others.

use super::*;
use crate::config::When;
use crate::dialect::wish::{MaxPrice, Sort};

/// Why a target that `change` has changed is unfit for a request that `alter` has altered.
fn reason(change: impl Fn(&mut Target), alter: impl Fn(&mut Asked<'_>)) -> Option<Unfit> {
    reason_with(&Wish::default(), change, alter)
}

fn reason_with(
    wish: &Wish,
    change: impl Fn(&mut Target),
    alter: impl Fn(&mut Asked<'_>),
) -> Option<Unfit> {
    let (mut target, mut asked) = (target(0, 1), asked(wish));
    change(&mut target);
    alter(&mut asked);
    unfit(&target, &asked)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_condition_lets_through_whom_it_names() {
    let when = |when: When| move |target: &mut Target| target.when = Some(Box::new(when.clone()));
    let models = when(When { models: vec!["gpt-*".into(), "m".into()], ..When::default() });
    assert_eq!(reason(&models, |_| {}), None);
    assert_eq!(reason(&models, |asked| asked.model = "gpt-5"), None);
    assert_eq!(reason(&models, |asked| asked.model = "m2"), Some(Unfit::Model));
    let tags = when(When { tags: vec!["batch".into(), "test".into()], ..When::default() });
    assert_eq!(reason(&tags, |_| {}), Some(Unfit::Tags));
    let tagged = Wish { tags: names(&["x", "test"]), ..Wish::default() };
    assert_eq!(reason_with(&tagged, &tags, |_| {}), None);
    let accounts = when(When { accounts: vec![AccountId(1), AccountId(3)], ..When::default() });
    assert_eq!(reason(&accounts, |_| {}), None);
    assert_eq!(reason(&accounts, |asked| asked.account = AccountId(2)), Some(Unfit::Account));
    let keys = when(When { keys: vec![KeyId(2)], ..When::default() });
    assert_eq!(reason(&keys, |_| {}), Some(Unfit::Key));
    assert_eq!(reason(&keys, |asked| asked.key = KeyId(2)), None);
    let size =
        When { input_tokens_over: Some(1_000), input_tokens_max: Some(2_000), ..When::default() };
    for (tokens, expected) in [
        (1_000, Some(Unfit::InputTooShort)),
        (1_001, None),
        (2_000, None),
        (2_001, Some(Unfit::InputTooLong)),
    ] {
        assert_eq!(reason(when(size.clone()), |asked| asked.input_tokens = tokens), expected);
    }
    let both = Abilities::VISION.with(Abilities::TOOLS);
    let needs = when(When { needs: both, ..When::default() });
    let expected = Some(Unfit::NotNeeded(both));
    assert_eq!(reason(&needs, |asked| asked.needs = Abilities::VISION), expected);
    assert_eq!(reason(&needs, |asked| asked.needs = both.with(Abilities::AUDIO)), None);
}

#[test]
fn a_target_gets_nothing_that_it_can_not_do() {
    let able = |abilities| move |target: &mut Target| target.abilities = Some(abilities);
    let needs = |asked: &mut Asked<'_>| asked.needs = Abilities::VISION.with(Abilities::TOOLS);
    assert_eq!(reason(|_| {}, needs), None, "nobody has said that it can't");
    let unable = Some(Unfit::Unable(Abilities::VISION));
    assert_eq!(reason(able(Abilities::TOOLS), needs), unable);
    assert_eq!(reason(able(Abilities::TOOLS), |_| {}), None);
    let known = Wish { require_parameters: Some(true), ..Wish::default() };
    let both = Abilities::VISION.with(Abilities::TOOLS);
    assert_eq!(reason_with(&known, |_| {}, needs), Some(Unfit::AbilitiesUnknown(both)));
    assert_eq!(reason_with(&known, able(both), needs), None);
    assert_eq!(reason_with(&known, |_| {}, |_| {}), None, "nothing is needed");
    let context = |target: &mut Target| target.context_tokens = Some(999);
    assert_eq!(reason(context, |_| {}), Some(Unfit::Context(999)));
    assert_eq!(reason(context, |asked| asked.input_tokens = 999), None);
    let output = |target: &mut Target| target.output_tokens_max = Some(50);
    assert_eq!(reason(output, |_| {}), None);
    assert_eq!(reason(output, |asked| asked.output_ceiling = Some(51)), Some(Unfit::Output(50)));
}

#[test]
fn a_wish_leaves_out_whom_it_does_not_want() {
    let only = Wish { only: names(&["x", "P0"]), ..Wish::default() };
    assert_eq!(reason_with(&only, |_| {}, |_| {}), None, "letters' case does not matter");
    let others = |target: &mut Target| target.provider_name = "other".into();
    assert_eq!(reason_with(&only, others, |_| {}), Some(Unfit::NotAmongOnly));
    let ignore = Wish { ignore: names(&["p0"]), ..Wish::default() };
    assert_eq!(reason_with(&ignore, |_| {}, |_| {}), Some(Unfit::Ignored));
    assert_eq!(reason_with(&ignore, others, |_| {}), None);
    let private = Wish { data_collection: Some(DataCollection::Deny), ..Wish::default() };
    assert_eq!(reason_with(&private, |_| {}, |_| {}), Some(Unfit::KeepsData));
    let keeps_nothing = |target: &mut Target| target.data_collection = DataCollection::Deny;
    assert_eq!(reason_with(&private, keeps_nothing, |_| {}), None);
    for (prompt, completion, request, fits) in [
        (Some(10), Some(20), Some(1), true),
        (Some(9), None, None, false),
        (None, Some(19), None, false),
        (None, None, Some(0), false),
        (None, None, None, true),
    ] {
        let max_price = MaxPrice { prompt, completion, request };
        let wish = Wish { max_price, ..Wish::default() };
        let rates = Rates { input: 10, output: 20, request: 1, ..Rates::default() };
        let found = reason_with(&wish, |_| {}, |asked| asked.rates = rates);
        assert_eq!(found, (!fits).then_some(Unfit::TooDear));
    }
}

#[test]
fn the_order_asked_for_stands_over_tiers_and_strategy() {
    let route = route(Strategy::Priority, &[&[1, 1], &[1], &[1]]);
    let with = |wish: &Wish| chosen(&route, &asked(wish), |_| Facts::default(), 7);
    let order = names(&["p3", "nobody", "P1"]);
    assert_eq!(with(&Wish { order: order.clone(), ..Wish::default() }), [3, 1, 0, 2]);
    let strict = Wish { order, allow_fallbacks: Some(false), ..Wish::default() };
    assert_eq!(with(&strict), [3, 1]);
    assert_eq!(with(&Wish { allow_fallbacks: Some(false), ..Wish::default() }), [0]);
}

#[test]
fn a_sort_goes_over_all_tiers() {
    let mut route = route(Strategy::Priority, &[&[1, 1], &[1], &[1]]);
    for (number, cost) in
        [(0, Some(price(3, 3, 3))), (1, Some(price(1, 1, 1))), (2, None), (3, Some(price(2, 2, 2)))]
    {
        let target = route.tiers.iter_mut().flatten().nth(number).unwrap();
        target.cost = cost;
    }
    let figures = [(300, 10), (200, 40), (100, 30), (400, 20)];
    let facts = |place| {
        let (first_content_ms, rate) = figures[number(&route, place)];
        Facts {
            first_content: Duration::from_millis(first_content_ms),
            output_rate_milli: rate * 1_000,
            ..Facts::default()
        }
    };
    for (sort, expected) in [
        (Sort::Price, [1, 3, 0, 2]),
        (Sort::Latency, [2, 1, 0, 3]),
        (Sort::Throughput, [1, 2, 3, 0]),
    ] {
        let wish = Wish { sort: Some(sort), ..Wish::default() };
        assert_eq!(chosen(&route, &asked(&wish), facts, 7), expected, "{sort:?}");
    }
}

#[test]
fn a_shut_target_is_a_candidate_only_where_no_other_fits() {
    let route = route(Strategy::Priority, &[&[1], &[1]]);
    let facts = |place| match number(&route, place) {
        0 => Facts::of(TargetState::Shut),
        _ => Facts::default(),
    };
    assert_eq!(chosen(&route, &asked(&Wish::default()), facts, 7), [1]);
    let ignore = Wish { ignore: names(&["p1"]), ..Wish::default() };
    assert_eq!(chosen(&route, &asked(&ignore), facts, 7), [0]);
}
