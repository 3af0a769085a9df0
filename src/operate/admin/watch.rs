//! What an account is watched for, and the top-ups that follow from it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{AutoTopUp, Order, WatchOrder, WatchSettings, WatchView};
use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{AccountOf, Json, TopUpOf, text};
use super::{Operator, Problem};
use crate::api::change::Setting;
use crate::notify;
use crate::openapi::{self, Routes, doc, get, pattern, post};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WatchChange {
    /// Balances; one that the balance falls below is told.
    #[serde(rename = "low_balance_usd")]
    #[schemars(inner(regex(pattern = pattern::USD)))]
    low_balance: Setting<Vec<String>>,
    budget_percent: Setting<Vec<u8>>,
    auto_top_up: Setting<TopUpAsked>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AutoTopUpWanted")]
struct TopUpAsked {
    #[schemars(regex(pattern = pattern::USD))]
    threshold_usd: String,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: String,
    #[schemars(regex(pattern = pattern::USD))]
    month_max_usd: Option<String>,
    /// How long one is waited for; a day, if it is not said.
    lasts_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TopUpFailure")]
pub(super) struct Failed {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: String,
}

const TAG: &str = "Webhooks";

/// What is served of what accounts are watched for.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let shown = doc("getWatch", "Shows what an account is watched for.");
    let shown = shown.answers_as(200, "application/json", watch_schema);
    let changed = doc("updateWatch", "Changes what an account is watched for.")
        .answers_as(200, "application/json", watch_schema)
        .refuses(&[409])
        .example(json!({ "low_balance_usd": ["5"], "budget_percent": [80, 100] }));
    let failed = doc("failTopUp", "Says that a top-up that is due can't be carried out.")
        .answers_as(200, "application/json", watch_schema)
        .refuses(&[409])
        .example(json!({ "reason": "the card was declined" }));
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    Routes::new().route(TAG, &account("/watch"), get(show, shown).patch(change, changed)).route(
        TAG,
        &account("/top-ups/{top_up}/fail"),
        post(fail, failed),
    )
}

fn watch_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut auto = openapi::amounts(&["threshold", "amount"]);
    openapi::member(&mut auto, "lasts_ms", json!({ "type": "integer" }));
    let most = openapi::amounts(&["month_max"]);
    let mut due = openapi::amounts(&["threshold", "amount", "balance"]);
    for (name, kind) in
        [("top_up", "string"), ("due_at_ms", "integer"), ("lapses_at_ms", "integer")]
    {
        openapi::member(&mut due, name, json!({ "type": kind }));
    }
    if let (Some(Value::Object(fields)), Some(Value::Object(more))) =
        (auto.get_mut("properties"), most.get("properties"))
    {
        fields.extend(more.clone());
    }
    let definitions = generator.definitions_mut();
    definitions.insert("AutoTopUp".to_owned(), auto.to_value());
    definitions.insert("TopUpDue".to_owned(), due.to_value());
    let or_null = |name: &str| json!({ "anyOf": [{ "$ref": format!("#/components/schemas/{name}") }, { "type": "null" }] });
    json_schema!({
        "type": "object",
        "properties": {
            "low_balance_usd": { "type": "array", "items": { "type": "string" } },
            "budget_percent": { "type": "array", "items": { "type": "integer" } },
            "auto_top_up": or_null("AutoTopUp"),
            "top_up_due": or_null("TopUpDue"),
        },
        "required": ["low_balance_usd", "budget_percent", "auto_top_up", "top_up_due"],
    })
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(shown(&view.watch)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(change): Json<WatchChange>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?.watch.settings;
        let order = Order::Watch(WatchOrder::Set(change.over(before)?));
        Ok(accounts.order(account, order).await?)
    };
    let view = operator.in_turn(account, changing).await?;
    tracing::info!(%account, "account is watched for something else");
    Ok(Answer(shown(&view.watch)))
}

/// Whoever was to carry a top-up out says that it can't be.
pub(super) async fn fail(
    State(operator): State<Arc<Operator>>,
    TopUpOf(account, top_up): TopUpOf,
    Json(Failed { reason }): Json<Failed>,
) -> Result<impl IntoResponse, Problem> {
    text("reason", &reason)?;
    let order = Order::Watch(WatchOrder::FailTopUp { top_up, reason });
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %top_up, "top-up failed");
    Ok(Answer(shown(&view.watch)))
}

fn shown(watch: &WatchView) -> Value {
    let mut shown = notify::watched_for(&watch.settings);
    let due = watch.top_up.as_ref().map(notify::of_top_up);
    shown.insert("top_up_due".to_owned(), json!(due));
    Value::Object(shown)
}

impl WatchChange {
    /// What is watched for from here on, where this was; `null` is what holds with nothing said.
    fn over(self, before: WatchSettings) -> Result<WatchSettings, Problem> {
        let default = WatchSettings::default();
        let amounts = |list: Vec<String>| {
            list.iter().map(|usd| amount("low_balance_usd", usd)).collect::<Result<Vec<_>, _>>()
        };
        Ok(WatchSettings {
            low_balance: match self.low_balance {
                Setting::Kept => before.low_balance,
                Setting::Set(list) => amounts(list.unwrap_or_default())?,
            },
            budget_percent: match self.budget_percent {
                Setting::Kept => before.budget_percent,
                Setting::Set(list) => list.unwrap_or(default.budget_percent),
            },
            top_up: match self.auto_top_up {
                Setting::Kept => before.top_up,
                Setting::Set(asked) => asked.map(TopUpAsked::read).transpose()?,
            },
        })
    }
}

impl TopUpAsked {
    fn read(self) -> Result<AutoTopUp, Problem> {
        let most = self.month_max_usd.as_deref();
        Ok(AutoTopUp {
            threshold: amount("auto_top_up.threshold_usd", &self.threshold_usd)?,
            amount: amount("auto_top_up.amount_usd", &self.amount_usd)?,
            month_max: most.map(|most| amount("auto_top_up.month_max_usd", most)).transpose()?,
            lasts_ms: self.lasts_ms.unwrap_or(DAY_MS),
        })
    }
}

fn amount(field: &str, usd: &str) -> Result<NanoUsd, Problem> {
    usd.parse().map_err(|error| Problem::invalid(format!("`{field}`: `{usd}` is {error}")))
}
