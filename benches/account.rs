//! What an exchange costs in the books: `cargo bench --bench account`.
//!
//! - `machine`: the pure state machine, down to the encoded events
//! - `actor`: through the actor and a real ledger at `Process`, on all processors; the time is that of
//!   one exchange of each caller, so `64` is for 64 exchanges

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use infergate_actors::account::{
    Account, AccountOptions, Admit, Attempt, AttemptOutcome, End, GrantKind, Limits, Machine,
    NewKey, Order, Presented, Settle, UsageRecord,
};
use infergate_actors::clock::{Clock, Now};
use infergate_actors::id::{AccountId, ExchangeIds, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Ledger, LedgerOptions};
use infergate_actors::money::{NanoUsd, Rates, Usage};
use infergate_actors::supervisor::System;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

const RATES: Rates = Rates {
    input: 150_000_000,
    cached_input: 75_000_000,
    cache_write_5m: 0,
    cache_write_1h: 0,
    audio_input: 0,
    image_input: 0,
    output: 600_000_000,
    reasoning: 600_000_000,
    audio_output: 0,
    image_output: 0,
    request: 0,
    tool_call: 0,
};

fn admit(hold: HoldId, model: &Arc<str>) -> Admit {
    Admit {
        hold,
        key: KeyId(1),
        presented: Presented::default(),
        model: model.clone(),
        free: false,
        rates: RATES,
        prompt_tokens_max: 1_200,
        completion_tokens_max: 512,
        completion_tokens_first: 512,
        completion_tokens_min: 16,
        tokens_estimate: 700,
        fallbacks: Vec::new(),
    }
}

fn settle(hold: HoldId) -> Settle {
    let attempt = Attempt {
        provider: "openai".to_owned(),
        upstream_model: "gpt-4o-mini-2024-07-18".to_owned(),
        outcome: AttemptOutcome::Answered,
        status: Some(200),
        provider_cost: NanoUsd::from_nano(250_000),
    };
    Settle {
        hold,
        usage: Usage { input: 900, cached_input: 128, output: 211, ..Usage::default() },
        estimated: false,
        rates: RATES,
        end: End::Completed,
        record: UsageRecord {
            model: "gpt-4o-mini".to_owned(),
            streamed: true,
            started_at_ms: 1_800_000_000_000,
            first_content_ms: Some(412),
            total_ms: 2_950,
            attempts: std::iter::once(attempt).collect(),
            ..UsageRecord::default()
        },
    }
}

/// An account with a key and more credit than will be used.
fn orders() -> [Order; 2] {
    let limits = Limits {
        requests_per_minute: Some(u32::MAX),
        tokens_per_minute: Some(u64::MAX >> 16),
        in_flight: None,
    };
    let key = NewKey {
        hash: KeyHash([7; 32]),
        hint: "wxyz".to_owned(),
        name: "bench".to_owned(),
        models: vec!["gpt-*".to_owned()],
        expires_at_ms: None,
        limits,
        rest: Vec::new(),
    };
    let grant = Order::Grant {
        kind: GrantKind::Paid,
        amount: NanoUsd::from_nano(i64::MAX / 2),
        expires_at_ms: None,
        reference: "bench".to_owned(),
    };
    [Order::CreateKey(key), grant]
}

fn machine(c: &mut Criterion) {
    let now = Now { wall_ms: 1_800_000_000_000, mono: Duration::from_secs(1) };
    let mut machine = Machine::new(Account::new(AccountId::new(0, 1)), now);
    let open = Order::Open { name: "bench".to_owned(), limits: Limits::default() };
    let taken = std::iter::once(open).chain(orders()).all(|order| {
        let done = machine.order(&order, now, &mut Batch::new());
        done.is_ok()
    });
    assert!(taken, "an account to work on");
    let model: Arc<str> = "gpt-4o-mini".into();
    let ids = ExchangeIds::new(0, 1);
    c.bench_function("account/machine/admit+settle", |bencher| {
        bencher.iter(|| {
            let hold = ids.next();
            let (mut began, mut ended) = (Batch::new(), Batch::new());
            let permit = machine.admit(black_box(&admit(hold, &model)), now, &mut began);
            let settled = machine.settle(black_box(settle(hold)), now, &mut ended);
            assert!(permit.is_ok() && settled.is_ok(), "an exchange");
            (began, ended)
        });
    });
}

struct World {
    system: System,
    account: AccountId,
    ids: ExchangeIds,
    model: Arc<str>,
}

impl World {
    async fn open(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let clock = Clock::real();
        let (ledger, _) = Ledger::open(LedgerOptions::new(path), clock.clone())?;
        let ids = ExchangeIds::new(0, ledger.epoch());
        let options = AccountOptions { snapshot_every_events: 1_000, idle: Duration::from_mins(5) };
        let system = System::start(ledger, clock, options).await?;
        let account = system.accounts.open("bench".to_owned(), Limits::default()).await?.id;
        for order in orders() {
            system.accounts.order(account, order).await?;
        }
        Ok(Self { system, account, ids, model: "gpt-4o-mini".into() })
    }

    async fn exchange(&self) {
        let hold = self.ids.next();
        let permit = self.system.accounts.admit(self.account, admit(hold, &self.model)).await;
        let settled = self.system.accounts.settle(self.account, settle(hold)).await;
        assert!(permit.is_ok() && settled.is_ok(), "an exchange");
    }
}

fn actor(c: &mut Criterion) {
    let (Ok(runtime), Ok(dir)) =
        (Builder::new_multi_thread().enable_all().build(), tempfile::tempdir())
    else {
        return;
    };
    let Ok(world) = runtime.block_on(World::open(dir.path())) else { return };
    let world = Arc::new(world);
    let mut group = c.benchmark_group("account/actor/admit+settle");
    for callers in [1_u64, 64] {
        group.throughput(Throughput::Elements(callers));
        group.bench_function(BenchmarkId::from_parameter(callers), |bencher| {
            bencher.iter_custom(|rounds| {
                let clock = Clock::real();
                runtime.block_on(all(&world, callers, rounds));
                clock.mono()
            });
        });
    }
    group.finish();
    close(&runtime, world);
}

/// So many exchanges of each caller.
async fn all(world: &Arc<World>, callers: u64, rounds: u64) {
    let mut calling = JoinSet::new();
    for _ in 0..callers {
        let world = Arc::clone(world);
        calling.spawn(async move {
            for _ in 0..rounds {
                world.exchange().await;
            }
        });
    }
    calling.join_all().await;
}

fn close(runtime: &Runtime, world: Arc<World>) {
    runtime.block_on(world.system.stop());
    drop(world);
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = machine, actor
}
criterion_main!(benches);
