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
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{AccountOf, HookOf, Json};
use super::{Operator, Problem};
use crate::notify;

const EVENTS_MAX: usize = 64;
const OVERLAP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
const OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewHook {
    url: String,
    /// Kinds of events; none named: all.
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HookChange {
    url: Option<String>,
    events: Option<Vec<String>>,
    enabled: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present secret signs beside the new one; a day, if it is not said.
    overlap_ms: Option<u64>,
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    let webhooks = &view.watch.webhooks;
    let lines: Vec<_> = webhooks.iter().map(|webhook| shown(account, webhook, None)).collect();
    Ok(Answer(json!({ "webhooks": lines })))
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
fn shown(account: AccountId, webhook: &Webhook, secret: Option<String>) -> Value {
    let mut shown = notify::of_webhook(webhook);
    shown.insert("name".to_owned(), json!(notify::name_of(account, webhook.id)));
    if let Some(secret) = secret {
        shown.insert("secret".to_owned(), json!(secret));
    }
    Value::Object(shown)
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
