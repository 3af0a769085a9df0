//! An account's own webhooks: made, listed, shown, changed, given another secret, removed.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Order, WatchOrder};
use serde_json::json;

use super::request::{AccountOf, HookOf, Json};
use super::{Operator, Problem};
use crate::api::{SecretRotation, WebhookLine, WebhookUpdate, WebhookWanted, Webhooks};
use crate::openapi::{Routes, doc, get, post};

const TAG: &str = "Webhooks";

/// What is served of accounts' own webhooks.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let hooks = |rest: &str| format!("/admin/v1/accounts/{{account}}/webhooks{rest}");
    let listed = doc("listAccountWebhooks", "Lists an account's own webhooks.");
    let listed = listed.answers::<Webhooks>(200);
    let created = doc("createAccountWebhook", "Makes a webhook; its secret is shown once.")
        .answers::<WebhookLine>(201)
        .refuses(&[409])
        .example(json!({ "url": "https://example.com/told", "events": ["key.*"] }));
    let shown = doc("getAccountWebhook", "Shows a webhook, without its secret.");
    let shown = shown.answers::<WebhookLine>(200);
    let changed = doc("updateAccountWebhook", "Changes what is named of a webhook.")
        .answers::<WebhookLine>(200)
        .refuses(&[409])
        .example(json!({ "enabled": false }));
    let removed = doc("removeAccountWebhook", "Removes a webhook.").nothing(204);
    let rotated = doc("rotateAccountWebhook", "Gives a webhook another secret, shown once.")
        .answers::<WebhookLine>(200)
        .refuses(&[409])
        .example(json!({ "overlap_ms": 3_600_000 }));
    let one = get(show, shown).patch(change, changed).delete(remove, removed);
    Routes::new()
        .route(TAG, &hooks(""), get(list, listed).post(create, created))
        .route(TAG, &hooks("/{webhook}"), one)
        .route(TAG, &hooks("/{webhook}/rotate-secret"), post(rotate, rotated))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Webhooks::of(&view)))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(WebhookLine::find(&view, webhook)?))
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
