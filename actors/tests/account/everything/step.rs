//! What can happen to an account, all of it in one order.

use infergate_actors::account::{AutoTopUp, Budget, Period, Role, WatchSettings};
use proptest::prelude::*;

use crate::credit::nano;
use crate::subscriptions_random::{self as money};

/// Projects that there are from the start.
pub(super) const PROJECTS: u32 = 3;
/// Codes in the one batch.
pub(super) const CODES: u8 = 4;
pub(super) const MODELS: [&str; 3] = ["sim-a", "sim-b", "gpt"];

const LOW: [i64; 3] = [100, 1_000, 4_000];
const PERCENT: [&[u8]; 4] = [&[], &[80], &[50, 80, 100], &[10, 50, 90, 100]];
const HOUR_MS: u64 = 3_600_000;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Credit, the subscription, its plans' prices, what becomes of holds, time, and sleep.
    Money(money::Step),
    Ask(Ask),
    Budget {
        whose: Whose,
        period: Period,
        nano: Option<i64>,
    },
    /// What owners set.
    OwnBudgets(Vec<Budget>),
    Move {
        key: u32,
        project: Option<u32>,
    },
    Archive {
        project: u32,
        is_archived: bool,
    },
    Watch(WatchSettings),
    PayTopUp {
        nano: i64,
    },
    FailTopUp,
    Join {
        role: Role,
    },
    Leave {
        member: u32,
        revoke_keys: bool,
    },
    KeyFor {
        member: Option<u32>,
    },
    Revoke {
        key: u32,
    },
    Redeem {
        code: u8,
        is_ours: bool,
    },
    Rules {
        restricted: bool,
    },
    Snapshot,
    /// The gateway is gone: another starts from the last snapshot and the events behind it, and ends what
    /// was open.
    Crash,
}

/// A request that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) hold: u128,
    pub(super) key: u32,
    pub(super) model: usize,
    pub(super) fallback: Option<usize>,
    pub(super) tokens: u64,
    pub(super) first: u64,
}

/// Whose budget: one of the youngest keys, or a project.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    Account,
    Key(u32),
    Project(u32),
}

/// A step, and whether the actor breaks down before what it wrote is kept, and the step is taken again.
pub(super) fn step() -> impl Strategy<Value = (Step, bool)> {
    let step = prop_oneof![
        30 => money::step().prop_map(Step::Money),
        20 => ask().prop_map(Step::Ask),
        10 => limits(),
        4 => people(),
        6 => watched(),
        3 => (0..CODES, prop::bool::weighted(0.7))
            .prop_map(|(code, is_ours)| Step::Redeem { code, is_ours }),
        // More of what spends, and from one day into the next.
        16 => (0..6_u128, 0..900_u64)
            .prop_map(|(hold, tokens)| Step::Money(money::Step::Settle { hold, tokens })),
        6 => (1..30_u64).prop_map(|hours| Step::Money(money::Step::Wait { hours })),
        1 => any::<bool>().prop_map(|restricted| Step::Rules { restricted }),
        2 => Just(Step::Snapshot),
        2 => Just(Step::Crash),
    ];
    (step, prop::bool::weighted(0.05))
}

fn ask() -> impl Strategy<Value = Ask> {
    let model = || 0..MODELS.len();
    let what = (model(), prop::option::of(model()), 1..900_u64, 1..900_u64);
    (0..6_u128, 0..6_u32, what).prop_map(|(hold, key, (model, fallback, tokens, first))| Ask {
        hold,
        key,
        model,
        fallback,
        tokens,
        first,
    })
}

fn limits() -> impl Strategy<Value = Step> {
    let period = || prop::sample::select(&Period::ALL);
    let amount = || prop_oneof![0..400_i64, 0..4_000_i64];
    let whose = prop_oneof![
        2 => Just(Whose::Account),
        2 => (0..6_u32).prop_map(Whose::Key),
        3 => (1..=PROJECTS).prop_map(Whose::Project),
    ];
    let own = prop::collection::btree_map(period(), amount(), 0..3);
    let budgets = |own: std::collections::BTreeMap<Period, i64>| {
        own.into_iter().map(|(period, limit)| Budget { period, limit: nano(limit) }).collect()
    };
    prop_oneof![
        5 => (whose, period(), prop::option::weighted(0.8, amount()))
            .prop_map(|(whose, period, nano)| Step::Budget { whose, period, nano }),
        2 => own.prop_map(move |own| Step::OwnBudgets(budgets(own))),
        3 => (0..6_u32, prop::option::weighted(0.8, 1..=PROJECTS))
            .prop_map(|(key, project)| Step::Move { key, project }),
        1 => (1..=PROJECTS, prop::bool::weighted(0.3))
            .prop_map(|(project, is_archived)| Step::Archive { project, is_archived }),
    ]
}

fn people() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop::sample::select(Role::ALL.to_vec()).prop_map(|role| Step::Join { role }),
        1 => (1..5_u32, any::<bool>())
            .prop_map(|(member, revoke_keys)| Step::Leave { member, revoke_keys }),
        3 => prop::option::weighted(0.7, 1..5_u32).prop_map(|member| Step::KeyFor { member }),
        1 => (0..6_u32).prop_map(|key| Step::Revoke { key }),
    ]
}

fn watched() -> impl Strategy<Value = Step> {
    let top_up = (prop::sample::select(&[500, 2_000]), any::<bool>(), 1..60_u64);
    let top_up = top_up.prop_map(|(threshold, is_bounded, hours)| AutoTopUp {
        threshold: nano(threshold),
        amount: nano(300),
        month_max: is_bounded.then_some(nano(700)),
        lasts_ms: hours * HOUR_MS,
    });
    let low = prop::sample::subsequence(LOW.to_vec(), 0..=LOW.len());
    let percent = prop::sample::select(&PERCENT);
    let settings = (low, percent, prop::option::weighted(0.8, top_up));
    let settings = settings.prop_map(|(low, percent, top_up)| WatchSettings {
        low_balance: low.into_iter().map(nano).collect(),
        budget_percent: percent.to_vec(),
        top_up,
    });
    prop_oneof![
        2 => settings.prop_map(Step::Watch),
        3 => (1..600_i64).prop_map(|nano| Step::PayTopUp { nano }),
        1 => Just(Step::FailTopUp),
    ]
}
