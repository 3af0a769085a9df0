//! An account's own webhooks: made, listed, changed, given another secret, removed.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Order, WatchOrder};

use super::request::{AccountOf, HookOf, Json};
use super::{Operator, Problem};
use crate::api::{SecretRotation, WebhookLine, WebhookUpdate, WebhookWanted, Webhooks};

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Webhooks::of(&view)))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<WebhookWanted>,
) -> Result<impl IntoResponse, Problem> {
    let order = wanted.order(&operator.notifier)?;
    let view = operator.system.accounts.order(account, order).await?;
    let made = WebhookLine::newest(&view, &operator.notifier)?;
    tracing::info!(%account, webhook = made.id(), "account's webhook made");
    Ok((StatusCode::CREATED, Answer(made)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
    Json(update): Json<WebhookUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let order = update.order(webhook, &operator.notifier)?;
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, "account's webhook changed");
    Ok(Answer(WebhookLine::find(&view, webhook)?))
}

pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
    Json(rotation): Json<SecretRotation>,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.order(account, rotation.order(webhook)?).await?;
    tracing::info!(%account, %webhook, "account's webhook has another secret");
    Ok(Answer(WebhookLine::with_secret(&view, webhook, &operator.notifier)?))
}

pub(super) async fn remove(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
) -> Result<impl IntoResponse, Problem> {
    let order = Order::Watch(WatchOrder::RemoveWebhook { webhook });
    operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, "account's webhook removed");
    Ok(StatusCode::NO_CONTENT)
}
