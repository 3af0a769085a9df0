//! What an account is watched for, and the top-ups that follow from it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{Order, WatchOrder};
use serde::Deserialize;

use super::request::{AccountOf, Json, TopUpOf, text};
use super::{Operator, Problem};
use crate::api::{WatchUpdate, Watched};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failed {
    reason: String,
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
    let view = operator.in_turn(account, changing).await?;
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
