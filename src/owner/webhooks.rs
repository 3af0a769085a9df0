//! The account's own webhooks.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Order, Permission, WatchOrder};

use super::Owners;
use super::principal::{Principal, WebhookOf};
use crate::api::{
    Json, Problem, SecretRotation, WebhookLine, WebhookUpdate, WebhookWanted, Webhooks,
};

pub(super) async fn list(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    Ok(Answer(Webhooks::of(&principal.account)))
}

pub(super) async fn show(
    principal: Principal,
    WebhookOf(webhook): WebhookOf,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    Ok(Answer(WebhookLine::find(&principal.account, webhook)?))
}

pub(super) async fn create(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(wanted): Json<WebhookWanted>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    let account = principal.id();
    let order = wanted.order(&owners.notifier)?;
    let view = owners.world.accounts.order(account, order).await?;
    let made = WebhookLine::newest(&view, &owners.notifier)?;
    tracing::info!(%account, webhook = made.id(), by = principal.by().name, "webhook made");
    Ok((StatusCode::CREATED, Answer(made)))
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    WebhookOf(webhook): WebhookOf,
    Json(update): Json<WebhookUpdate>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    let account = principal.id();
    let order = update.order(webhook, &owners.notifier)?;
    let view = owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, by = principal.by().name, "webhook changed");
    Ok(Answer(WebhookLine::find(&view, webhook)?))
}

pub(super) async fn rotate(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    WebhookOf(webhook): WebhookOf,
    Json(rotation): Json<SecretRotation>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    let account = principal.id();
    let view = owners.world.accounts.order(account, rotation.order(webhook)?).await?;
    tracing::info!(%account, %webhook, by = principal.by().name, "webhook has another secret");
    Ok(Answer(WebhookLine::with_secret(&view, webhook, &owners.notifier)?))
}

pub(super) async fn remove(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    WebhookOf(webhook): WebhookOf,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    let account = principal.id();
    let order = Order::Watch(WatchOrder::RemoveWebhook { webhook });
    owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, by = principal.by().name, "webhook removed");
    Ok(StatusCode::NO_CONTENT)
}
