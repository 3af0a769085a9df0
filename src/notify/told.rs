//! What an account is watched for, a top-up and a webhook, as messages and answers show them. Pure.

use infergate_actors::account::{self, AutoTopUp, WatchSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::openapi;
use crate::operate::amount::{Amounts, usd, wide};

/// What an account is watched for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WatchedFor {
    low_balance_usd: Vec<String>,
    budget_percent: Vec<u8>,
    auto_top_up: Option<TopUpRule>,
}

/// When an account is topped up, and by how much.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AutoTopUp")]
struct TopUpRule {
    lasts_ms: u64,
    /// `threshold` and `amount`.
    #[serde(flatten)]
    #[schemars(schema_with = "rule_amounts")]
    amounts: Amounts<2>,
    /// `month_max`, where there is one.
    #[serde(flatten)]
    #[schemars(schema_with = "month_amount")]
    month_max: Option<Amounts<1>>,
}

/// A top-up that is due.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TopUpDue {
    top_up: String,
    due_at_ms: u64,
    lapses_at_ms: u64,
    /// `amount`, `threshold` and `balance`.
    #[serde(flatten)]
    #[schemars(schema_with = "due_amounts")]
    amounts: Amounts<3>,
}

/// A webhook of an account, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OwnWebhook {
    webhook: String,
    url: String,
    /// Kinds of events; empty: all.
    events: Vec<String>,
    enabled: bool,
    secret_version: u32,
    former_secret_until_ms: Option<u64>,
}

fn rule_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["threshold", "amount"])
}

/// None where a month has no end to it.
fn month_amount(_: &mut SchemaGenerator) -> Schema {
    let mut schema = openapi::amounts(&["month_max"]);
    schema.remove("required");
    schema
}

fn due_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["amount", "threshold", "balance"])
}

impl WatchedFor {
    pub(crate) fn of(settings: &WatchSettings) -> Self {
        let WatchSettings { low_balance, budget_percent, top_up } = settings;
        Self {
            low_balance_usd: low_balance.iter().map(|balance| usd(wide(*balance))).collect(),
            budget_percent: budget_percent.clone(),
            auto_top_up: top_up.map(TopUpRule::of),
        }
    }
}

impl TopUpRule {
    fn of(rule: AutoTopUp) -> Self {
        let AutoTopUp { threshold, amount, month_max, lasts_ms } = rule;
        Self {
            lasts_ms,
            amounts: Amounts([("threshold", wide(threshold)), ("amount", wide(amount))]),
            month_max: month_max.map(|most| Amounts([("month_max", wide(most))])),
        }
    }
}

impl TopUpDue {
    pub(crate) fn of(top_up: &account::TopUp) -> Self {
        Self {
            top_up: top_up.id.to_string(),
            due_at_ms: top_up.due_at_ms,
            lapses_at_ms: top_up.lapses_at_ms,
            amounts: Amounts([
                ("amount", wide(top_up.amount)),
                ("threshold", wide(top_up.threshold)),
                ("balance", wide(top_up.balance)),
            ]),
        }
    }
}

impl OwnWebhook {
    pub(crate) fn of(webhook: &account::Webhook) -> Self {
        Self {
            webhook: webhook.id.to_string(),
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            enabled: webhook.enabled,
            secret_version: webhook.version,
            former_secret_until_ms: webhook.former_until_ms,
        }
    }

    /// Its number, as it is written.
    pub(crate) fn id(&self) -> &str {
        &self.webhook
    }
}
