//! What a choice of route costs: `cargo bench --bench route`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use infergate::config::{Place, Route, Strategy, Target, Timeouts};
use infergate::route::{TargetState, order};

/// Tiers of ten; every seventh target is shut, every eleventh due for a probe.
fn route(strategy: Strategy, targets: usize) -> Route {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts {
        connect: second,
        head: second,
        first_content: second,
        unstreamed: second,
        idle: second,
        total: second,
    };
    let target = |deployment| Target {
        provider: 0,
        deployment,
        provider_name: "provider".into(),
        upstream_model: "model".into(),
        weight: 1 + u32::try_from(deployment % 5).unwrap_or_default(),
        timeouts,
    };
    let all: Vec<_> = (0..targets).map(target).collect();
    let tiers = all.chunks(10).map(<[Target]>::to_vec).collect();
    Route { strategy, tiers, attempts_max: 4, deadline: second }
}

fn state(place: Place) -> TargetState {
    match place.tier * 10 + place.target {
        n if n % 7 == 6 => TargetState::Shut,
        n if n % 11 == 10 => TargetState::ProbeDue,
        _ => TargetState::Passing,
    }
}

fn route_order(c: &mut Criterion) {
    for (name, strategy) in [("priority", Strategy::Priority), ("weighted", Strategy::Weighted)] {
        for targets in [2, 50] {
            let route = route(strategy, targets);
            let mut dice = 0_u64;
            c.bench_function(&format!("route/{name}/{targets}"), |bencher| {
                bencher.iter(|| {
                    dice = dice.wrapping_add(1);
                    order(black_box(&route), state, dice)
                });
            });
        }
    }
    let mut one_tier = route(Strategy::Weighted, 50);
    one_tier.tiers = vec![one_tier.tiers.concat()];
    let mut dice = 0_u64;
    c.bench_function("route/weighted/50 in one tier", |bencher| {
        bencher.iter(|| {
            dice = dice.wrapping_add(1);
            order(black_box(&one_tier), |_| TargetState::Passing, dice)
        });
    });
}

criterion_group!(benches, route_order);
criterion_main!(benches);
