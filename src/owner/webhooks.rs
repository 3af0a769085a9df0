//! The account's own webhooks.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Order, Permission, WatchOrder};
use serde_json::json;

use super::Owners;
use super::principal::{Principal, WebhookOf};
use crate::api::{
    Json, Problem, SecretRotation, WebhookLine, WebhookUpdate, WebhookWanted, Webhooks,
};
use crate::openapi::{Routes, doc, get, post};

const TAG: &str = "Webhooks";

/// What is served of the account's webhooks.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let listed = doc("listWebhooks", "Lists the account's webhooks.").answers::<Webhooks>(200);
    let created = doc("createWebhook", "Makes a webhook; its secret is shown once.")
        .answers::<WebhookLine>(201)
        .refuses(&[409])
        .example(json!({ "url": "https://example.com/told", "events": ["key.*"] }));
    let shown = doc("getWebhook", "Shows a webhook, without its secret.");
    let shown = shown.answers::<WebhookLine>(200);
    let changed = doc("updateWebhook", "Changes what is named of a webhook.")
        .answers::<WebhookLine>(200)
        .refuses(&[409])
        .example(json!({ "enabled": false }));
    let removed = doc("removeWebhook", "Removes a webhook.").nothing(204);
    let rotated = doc("rotateWebhook", "Gives a webhook another secret, shown once.")
        .answers::<WebhookLine>(200)
        .refuses(&[409])
        .example(json!({ "overlap_ms": 3_600_000 }));
    let one = get(show, shown).patch(change, changed).delete(remove, removed);
    Routes::new()
        .route(TAG, "/api/v1/webhooks", get(list, listed).post(create, created))
        .route(TAG, "/api/v1/webhooks/{webhook}", one)
        .route(TAG, "/api/v1/webhooks/{webhook}/rotate-secret", post(rotate, rotated))
}

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
