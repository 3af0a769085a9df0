//! What an account is watched for, and the top-ups that follow from it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{Order, WatchOrder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::request::{AccountOf, Json, TopUpOf, text};
use super::{Operator, Problem};
use crate::api::{WatchUpdate, Watched};
use crate::openapi::{Routes, doc, get, pattern, post};

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
    let shown = shown.answers::<Watched>(200);
    let changed = doc("updateWatch", "Changes what an account is watched for.")
        .answers::<Watched>(200)
        .refuses(&[409])
        .example(json!({ "low_balance_usd": ["5"], "budget_percent": [80, 100] }));
    let failed = doc("failTopUp", "Says that a top-up that is due can't be carried out.")
        .answers::<Watched>(200)
        .refuses(&[409])
        .example(json!({ "reason": "the card was declined" }));
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    Routes::new().route(TAG, &account("/watch"), get(show, shown).patch(change, changed)).route(
        TAG,
        &account("/top-ups/{top_up}/fail"),
        post(fail, failed),
    )
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Watched::of(&view.watch)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(change): Json<WatchUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?.watch.settings;
        let order = Order::Watch(WatchOrder::Set(change.over(before)?));
        Ok(accounts.order(account, order).await?)
    };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, "account is watched for something else");
    Ok(Answer(Watched::of(&view.watch)))
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
    Ok(Answer(Watched::of(&view.watch)))
}
