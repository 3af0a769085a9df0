//! The laws of each strategy, and of conditions and wishes.

mod conditions;
mod laws;
mod strategies;

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::money::{Price, Rates};

use super::*;
use crate::config::{Abilities, AfterContent, DataCollection, Retry, Sticky, StickyBy, Timeouts};
use crate::dialect::wish::Wish;

const SECOND: Duration = Duration::from_secs(1);

fn target(number: usize, weight: u32) -> Target {
    let timeouts = Timeouts {
        connect: SECOND,
        head: SECOND,
        first_content: SECOND,
        unstreamed: SECOND,
        unstreamed_tokens_per_second: 20,
        idle: SECOND,
        total: SECOND,
    };
    let provider_name = format!("p{number}");
    Target {
        provider: 0,
        deployment: number,
        identity: Target::identity_of(&provider_name, "m"),
        provider_name: provider_name.into(),
        upstream_model: "m".into(),
        weight,
        timeouts,
        when: None,
        context_tokens: None,
        output_tokens_max: None,
        abilities: None,
        cost: None,
        data_collection: DataCollection::Allow,
    }
}

/// A route with these weights; a target's deployment is its number over all tiers.
fn route(strategy: Strategy, tiers: &[&[u32]]) -> Route {
    let mut numbers = 0..;
    let mut target = |&weight: &u32| target(numbers.next().unwrap(), weight);
    let tiers = tiers.iter().map(|tier| tier.iter().map(&mut target).collect()).collect();
    Route {
        strategy,
        tiers,
        attempts_max: 4,
        deadline: SECOND,
        sticky: Sticky { by: StickyBy::Session, prefix_bytes: 100 },
        retry: Retry { percent: 20, floor_per_second: 10, window: SECOND },
        hedge: None,
        after_content: AfterContent::Continue,
        cache: None,
    }
}

fn asked(wish: &Wish) -> Asked<'_> {
    Asked {
        model: "m",
        account: AccountId(1),
        key: KeyId(1),
        input_tokens: 1_000,
        input_tokens_cached: 0,
        output_tokens: 400,
        output_ceiling: None,
        needs: Abilities::default(),
        affinity: 7,
        rates: Rates::default(),
        wish,
    }
}

fn number(route: &Route, place: Place) -> usize {
    route.target(place).unwrap().deployment
}

/// The numbers of the targets in order; `states` has a letter for each target.
fn numbers(route: &Route, states: &str, dice: u64) -> Vec<usize> {
    let state_of = |place| match states.as_bytes()[number(route, place)] {
        b'p' => TargetState::Passing,
        b'd' => TargetState::ProbeDue,
        b's' => TargetState::Shut,
        _ => TargetState::Unavailable,
    };
    chosen(route, &asked(&Wish::default()), |place| Facts::of(state_of(place)), dice)
}

fn chosen(
    route: &Route,
    asked: &Asked<'_>,
    facts: impl Fn(Place) -> Facts,
    dice: u64,
) -> Vec<usize> {
    order(route, asked, facts, dice).into_iter().map(|place| number(route, place)).collect()
}

/// Within five standard deviations of what is expected.
#[track_caller]
fn assert_likely(count: u32, throws: u32, chance: f64) {
    let expected = f64::from(throws) * chance;
    let deviation = (expected * (1.0 - chance)).sqrt();
    assert!((f64::from(count) - expected).abs() <= 5.0 * deviation + 1.0, "{count}: {expected}");
}

/// Dollars per million input and output tokens.
fn price(input: u64, cached: u64, output: u64) -> Arc<Price> {
    let nano = 1_000_000_000;
    let base = Rates {
        input: input * nano,
        cached_input: cached * nano,
        output: output * nano,
        ..Rates::default()
    };
    Arc::new(Price { base, tiers: Vec::new() })
}
