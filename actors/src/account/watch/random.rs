//! Facts of an account's watch at random, for tests of what is written of them.

use proptest::prelude::*;

use super::{
    AutoTopUp, BudgetOwner, BudgetReached, TopUp, TopUpEnd, WatchEvent, WatchSettings, Webhook,
};
use crate::account::Period;
use crate::id::{KeyId, ProjectId, TopUpId, WebhookId};
use crate::money::NanoUsd;

fn amount() -> impl Strategy<Value = NanoUsd> {
    any::<i64>().prop_map(NanoUsd::from_nano)
}

/// Any fact.
pub(crate) fn watch_event() -> impl Strategy<Value = WatchEvent> {
    let top_up = (any::<(u32, u64, u64)>(), amount(), amount()).prop_map(
        |((id, due_at_ms, lapses_at_ms), amount, balance)| {
            let id = TopUpId(id);
            TopUp { id, amount, threshold: balance, balance, due_at_ms, lapses_at_ms }
        },
    );
    let webhook = any::<(u32, String, Vec<String>, bool, u32, Option<u64>)>().prop_map(
        |(id, url, events, enabled, version, former_until_ms)| {
            let id = WebhookId(id);
            Webhook { id, url, events, enabled, version, former_until_ms }
        },
    );
    let auto = (amount(), amount(), proptest::option::of(amount()), any::<u64>()).prop_map(
        |(threshold, amount, month_max, lasts_ms)| AutoTopUp {
            threshold,
            amount,
            month_max,
            lasts_ms,
        },
    );
    let lists = (prop::collection::vec(amount(), 0..4), any::<Vec<u8>>());
    let settings =
        (lists, proptest::option::of(auto)).prop_map(|((low_balance, budget_percent), top_up)| {
            WatchSettings { low_balance, budget_percent, top_up }
        });
    let end = prop_oneof![
        any::<String>().prop_map(|payment| TopUpEnd::Paid { payment }),
        any::<String>().prop_map(|reason| TopUpEnd::Failed { reason }),
        Just(TopUpEnd::Lapsed),
    ];
    let periods = prop::sample::select(&Period::ALL);
    let numbers = any::<(u64, u8, bool, Option<u32>)>();
    let reached = (periods, numbers, amount(), amount()).prop_map(
        |(period, (began_at_ms, percent, refused, key), limit, spent)| {
            let whose = match key {
                None => BudgetOwner::Account,
                Some(odd) if odd % 2 == 1 => BudgetOwner::Project(ProjectId(odd)),
                Some(even) => BudgetOwner::Key(KeyId(even)),
            };
            BudgetReached { whose, period, began_at_ms, percent, limit, spent, refused }
        },
    );
    prop_oneof![
        settings.prop_map(|settings| WatchEvent::SettingsChanged { settings }),
        reached.prop_map(WatchEvent::BudgetReached),
        (amount(), amount())
            .prop_map(|(threshold, balance)| WatchEvent::BalanceLow { threshold, balance }),
        top_up.prop_map(WatchEvent::TopUpDue),
        (any::<u32>(), end)
            .prop_map(|(top_up, end)| WatchEvent::TopUpEnded { top_up: TopUpId(top_up), end }),
        webhook.prop_map(|webhook| WatchEvent::WebhookSet { webhook }),
        any::<u32>().prop_map(|id| WatchEvent::WebhookRemoved { webhook: WebhookId(id) }),
    ]
}
