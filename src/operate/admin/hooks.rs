//! An account's own webhooks: made, listed, changed, given another secret, removed.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{AccountView, Denial, Order, WatchOrder, Webhook, WebhookChange};
use infergate_actors::id::{AccountId, WebhookId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{AccountOf, HookOf, Json};
use super::{Operator, Problem};
use crate::notify;
use crate::openapi::{Routes, doc, get, patch, post};

const EVENTS_MAX: usize = 64;
const OVERLAP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
const OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(super) struct NewHook {
    #[schemars(length(min = 1, max = 2_048))]
    url: String,
    /// Kinds of events; none named: all.
    #[serde(default)]
    #[schemars(length(max = EVENTS_MAX))]
    events: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookChanges")]
pub(super) struct HookChange {
    #[schemars(length(min = 1, max = 2_048))]
    url: Option<String>,
    #[schemars(length(max = EVENTS_MAX))]
    events: Option<Vec<String>>,
    enabled: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookRotation")]
pub(super) struct Rotation {
    /// How long the present secret signs beside the new one; a day, if it is not said.
    #[schemars(range(max = OVERLAP_MS_MAX))]
    overlap_ms: Option<u64>,
}

/// A webhook of an account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountWebhook")]
struct Shown {
    webhook: String,
    url: String,
    /// Kinds of events; none named: all.
    events: Vec<String>,
    enabled: bool,
    secret_version: u32,
    former_secret_until_ms: Option<u64>,
    /// By which it is known among all webhooks.
    name: String,
    /// Where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// All webhooks of an account.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountWebhooks")]
struct Webhooks {
    webhooks: Vec<Shown>,
}

const TAG: &str = "Webhooks";

/// What is served of accounts' own webhooks.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let hooks = |rest: &str| format!("/admin/v1/accounts/{{account}}/webhooks{rest}");
    let listed = doc("listAccountWebhooks", "Lists an account's own webhooks.");
    let listed = listed.answers::<Webhooks>(200);
    let created = doc("createAccountWebhook", "Makes a webhook; its secret is shown once.")
        .answers::<Shown>(201)
        .refuses(&[409])
        .example(json!({ "url": "https://example.com/told", "events": ["key.*"] }));
    let changed = doc("updateAccountWebhook", "Changes what is named of a webhook.")
        .answers::<Shown>(200)
        .refuses(&[409])
        .example(json!({ "enabled": false }));
    let removed = doc("removeAccountWebhook", "Removes a webhook.").nothing(204);
    let rotated = doc("rotateAccountWebhook", "Gives a webhook another secret, shown once.")
        .answers::<Shown>(200)
        .refuses(&[409])
        .example(json!({ "overlap_ms": 3_600_000 }));
    Routes::new()
        .route(TAG, &hooks(""), get(list, listed).post(create, created))
        .route(TAG, &hooks("/{webhook}"), patch(change, changed).delete(remove, removed))
        .route(TAG, &hooks("/{webhook}/rotate-secret"), post(rotate, rotated))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    let webhooks = &view.watch.webhooks;
    let lines: Vec<_> = webhooks.iter().map(|webhook| shown(account, webhook, None)).collect();
    Ok(Answer(Webhooks { webhooks: lines }))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(NewHook { url, events }): Json<NewHook>,
) -> Result<impl IntoResponse, Problem> {
    if operator.notifier.settings().account_secret.is_none() {
        let detail =
            "accounts can't have webhooks: set `notices.account_secret` in the configuration";
        return Err(Problem::conflict(detail));
    }
    check_url(&operator, &url)?;
    check_events(&events)?;
    let order = Order::Watch(WatchOrder::AddWebhook { url, events });
    let view = operator.system.accounts.order(account, order).await?;
    // As the order left it: the last one is the one that was made.
    let webhook = view.watch.webhooks.last().ok_or(Denial::UnknownWebhook)?;
    tracing::info!(%account, webhook = %webhook.id, "account's webhook made");
    let secret = operator.notifier.secret_of(account, webhook);
    Ok((StatusCode::CREATED, Answer(shown(account, webhook, secret))))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
    Json(HookChange { url, events, enabled }): Json<HookChange>,
) -> Result<impl IntoResponse, Problem> {
    if let Some(url) = &url {
        check_url(&operator, url)?;
    }
    check_events(events.as_deref().unwrap_or_default())?;
    let change = WebhookChange { url, events, enabled };
    let order = Order::Watch(WatchOrder::ChangeWebhook { webhook, change });
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, "account's webhook changed");
    Ok(Answer(shown(account, of(&view, webhook)?, None)))
}

pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    HookOf(account, webhook): HookOf,
    Json(Rotation { overlap_ms }): Json<Rotation>,
) -> Result<impl IntoResponse, Problem> {
    let overlap_ms = overlap_ms.unwrap_or(OVERLAP_MS);
    if overlap_ms > OVERLAP_MS_MAX {
        return Err(Problem::invalid("`overlap_ms` is more than 30 days"));
    }
    let overlap = Duration::from_millis(overlap_ms);
    let order = Order::Watch(WatchOrder::RotateWebhook { webhook, overlap });
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %webhook, "account's webhook has another secret");
    let changed = of(&view, webhook)?;
    let secret = operator.notifier.secret_of(account, changed);
    Ok(Answer(shown(account, changed, secret)))
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

fn of(view: &AccountView, webhook: WebhookId) -> Result<&Webhook, Problem> {
    let found = view.watch.webhooks.iter().find(|known| known.id == webhook);
    Ok(found.ok_or(Denial::UnknownWebhook)?)
}

/// A webhook, with its secret where that is new.
fn shown(account: AccountId, webhook: &Webhook, secret: Option<String>) -> Shown {
    Shown {
        webhook: webhook.id.to_string(),
        url: webhook.url.clone(),
        events: webhook.events.clone(),
        enabled: webhook.enabled,
        secret_version: webhook.version,
        former_secret_until_ms: webhook.former_until_ms,
        name: notify::name_of(account, webhook.id),
        secret,
    }
}

fn check_url(operator: &Operator, url: &str) -> Result<(), Problem> {
    let parsed = operator.notifier.settings().reach().parse(url);
    parsed.map(drop).map_err(|error| Problem::invalid(format!("`url` {error}")))
}

fn check_events(events: &[String]) -> Result<(), Problem> {
    if events.len() > EVENTS_MAX {
        return Err(Problem::invalid(format!("`events` names more than {EVENTS_MAX}")));
    }
    let wrong = events.iter().find_map(|text| Some((text, notify::check_kind(text).err()?)));
    match wrong {
        None => Ok(()),
        Some((text, what)) => Err(Problem::invalid(format!("`events`: `{text}` {what}"))),
    }
}
