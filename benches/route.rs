//! What a choice of route costs: `cargo bench --bench route`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use infergate::config::{
    Abilities, AfterContent, DataCollection, Place, Retry, Route, Sticky, StickyBy, Strategy,
    Target, Timeouts,
};
use infergate::dialect::wish::Wish;
use infergate::lots;
use infergate::route::{Asked, Facts, TargetState, order};
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::money::{Price, Rates, Tier};

/// Tiers of ten; every seventh target is shut, every eleventh due for a probe.
fn route(strategy: Strategy, targets: usize) -> Route {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts {
        connect: second,
        head: second,
        first_content: second,
        unstreamed: second,
        unstreamed_tokens_per_second: 20,
        idle: second,
        total: second,
    };
    let rates =
        |nano| Rates { input: nano, cached_input: nano / 10, output: nano * 4, ..Rates::default() };
    let price = |nano| Price {
        base: rates(nano),
        tiers: vec![Tier { context_over: 200_000, rates: rates(nano * 2) }],
    };
    let target = |deployment| Target {
        provider: 0,
        deployment,
        identity: Target::identity_of(&format!("provider-{deployment}"), "model"),
        provider_name: "provider".into(),
        upstream_model: "model".into(),
        weight: 1 + u32::try_from(deployment % 5).unwrap_or_default(),
        timeouts,
        when: None,
        context_tokens: Some(400_000),
        output_tokens_max: Some(128_000),
        abilities: Some(Abilities::ASSUMED),
        cost: Some(Arc::new(price(1_000_000_000 + 7_000_000 * (deployment as u64 % 13)))),
        data_collection: DataCollection::Allow,
    };
    let all: Vec<_> = (0..targets).map(target).collect();
    let tiers = all.chunks(10).map(<[Target]>::to_vec).collect();
    Route {
        strategy,
        tiers,
        attempts_max: 4,
        deadline: second,
        sticky: Sticky { by: StickyBy::Session, prefix_bytes: 4_096 },
        retry: Retry { percent: 20, floor_per_second: 10, window: second },
        hedge: None,
        after_content: AfterContent::Continue,
        cache: None,
    }
}

fn asked(wish: &Wish, affinity: u64) -> Asked<'_> {
    Asked {
        model: "model",
        account: AccountId(1),
        key: KeyId(1),
        input_tokens: 5_000,
        input_tokens_cached: 3_000,
        output_tokens: 400,
        output_ceiling: Some(1_000),
        needs: Abilities::TOOLS,
        affinity,
        rates: Rates::default(),
        wish,
    }
}

/// Figures as different as those of real deployments.
fn figures(index: u16) -> Facts {
    let number = lots::mix(u64::from(index));
    Facts {
        in_flight: u32::try_from(number % 23).unwrap_or_default(),
        first_content: Duration::from_millis(100 + number % 1_900),
        output_rate_milli: 20_000 + number % 150_000,
        headroom_permille: u16::try_from(number % 1_001).unwrap_or_default(),
        ..Facts::of(state(index))
    }
}

fn state(index: u16) -> TargetState {
    match index {
        n if n % 7 == 6 => TargetState::Shut,
        n if n % 11 == 10 => TargetState::ProbeDue,
        _ => TargetState::Passing,
    }
}

fn route_order(c: &mut Criterion) {
    let wish = Wish::default();
    // Read from a table: what a provider publishes is read and not reckoned.
    let table: Vec<Facts> = (0..50).map(figures).collect();
    let known = |place: Place| {
        let number = usize::from(place.tier * 10 + place.target);
        table.get(number).copied().unwrap_or_default()
    };
    for (name, strategy) in Strategy::NAMES {
        let tiered = route(strategy, 50);
        let mut one_tier = tiered.clone();
        one_tier.tiers = vec![one_tier.tiers.concat()];
        let two = route(strategy, 2);
        for (targets, route) in [("2", two), ("50", tiered), ("50 in one tier", one_tier)] {
            let mut dice = 0_u64;
            c.bench_function(&format!("route/{name}/{targets}"), |bencher| {
                bencher.iter(|| {
                    dice = dice.wrapping_add(1);
                    order(black_box(&route), &asked(&wish, lots::mix(dice)), known, dice)
                });
            });
        }
    }
}

criterion_group!(benches, route_order);
criterion_main!(benches);
