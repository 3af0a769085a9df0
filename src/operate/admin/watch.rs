//! What an account is watched for, and the top-ups that follow from it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{AutoTopUp, Order, WatchOrder, WatchSettings, WatchView};
use infergate_actors::money::NanoUsd;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{AccountOf, Json, TopUpOf, text};
use super::{Operator, Problem};
use crate::api::change::Setting;
use crate::notify;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WatchChange {
    #[serde(rename = "low_balance_usd")]
    low_balance: Setting<Vec<String>>,
    budget_percent: Setting<Vec<u8>>,
    auto_top_up: Setting<TopUpAsked>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TopUpAsked {
    threshold_usd: String,
    amount_usd: String,
    month_max_usd: Option<String>,
    /// How long one is waited for; a day, if it is not said.
    lasts_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Failed {
    reason: String,
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
