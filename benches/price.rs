//! What a cost and a hold cost to compute: `cargo bench --bench price`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use infergate_actors::money::{Markup, NanoUsd, Price, Rates, Tier, Usage};

fn price(criterion: &mut Criterion) {
    let rates = |input: u64| Rates {
        input,
        cached_input: input / 10,
        output: input * 4,
        reasoning: input * 4,
        ..Rates::default()
    };
    let price = Price {
        base: rates(150_000_000),
        tiers: vec![Tier { context_over: 200_000, rates: rates(300_000_000) }],
    };
    let usage = Usage {
        input: 1_234,
        cached_input: 10_000,
        output: 567,
        reasoning: 89,
        ..Usage::default()
    };
    let markup = Markup::default();
    criterion.bench_function("price/cost", |bencher| {
        bencher.iter(|| {
            let usage = black_box(&usage);
            price.rates(usage.prompt_tokens()).cost(usage, markup)
        });
    });
    criterion.bench_function("price/ceiling", |bencher| {
        bencher.iter(|| {
            let prompt = black_box(12_000);
            price.rates_ceiling(prompt).cost_ceiling(prompt, 4_096, markup)
        });
    });
    criterion.bench_function("price/affordable", |bencher| {
        let credit = NanoUsd::from_usd(20);
        bencher.iter(|| price.base.affordable_completion(black_box(credit), 12_000, markup));
    });
}

criterion_group!(benches, price);
criterion_main!(benches);
