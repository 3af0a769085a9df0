//! An account's own webhooks as they are asked for, changed and shown with a new secret.

use std::time::Duration;

use infergate_actors::account::{AccountView, Denial, Order, WatchOrder, Webhook, WebhookChange};
use infergate_actors::id::{AccountId, WebhookId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, or_default};
use crate::notify::{self, Notifier, OwnWebhook};

/// Kinds of events that one may name.
const EVENTS_MAX: usize = 64;
/// Longer than anybody's address is; it is kept as long as the account.
const URL_BYTES_MAX: usize = 2_048;
const OVERLAP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
const OVERLAP_MS: u64 = 24 * 60 * 60 * 1_000;

/// A webhook that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
pub(crate) struct WebhookWanted {
    #[schemars(length(min = 1, max = URL_BYTES_MAX))]
    url: String,
    /// Kinds of events; none named: all.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>", length(max = EVENTS_MAX))]
    events: Vec<String>,
}

/// A change of a webhook: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookChanges")]
pub(crate) struct WebhookUpdate {
    #[schemars(length(min = 1, max = URL_BYTES_MAX))]
    url: Option<String>,
    #[schemars(length(max = EVENTS_MAX))]
    events: Option<Vec<String>>,
    enabled: Option<bool>,
}

/// Another secret that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookRotation")]
pub(crate) struct SecretRotation {
    /// How long the present secret signs beside the new one; a day, if it is not said.
    #[schemars(range(max = OVERLAP_MS_MAX))]
    overlap_ms: Option<u64>,
}

/// A webhook as the APIs show it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountWebhook")]
pub(crate) struct WebhookLine {
    #[serde(flatten)]
    webhook: OwnWebhook,
    /// What it is called among all webhooks.
    name: String,
    /// Where it is new: shown here and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// All webhooks of an account: they are few.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountWebhooks")]
pub(crate) struct Webhooks {
    webhooks: Vec<WebhookLine>,
}

impl Webhooks {
    /// Of the view their account's actor gave.
    pub(crate) fn of(view: &AccountView) -> Self {
        let webhooks = view.watch.webhooks.iter();
        Self { webhooks: webhooks.map(|webhook| WebhookLine::of(view.id, webhook)).collect() }
    }
}

impl WebhookLine {
    fn of(account: AccountId, webhook: &Webhook) -> Self {
        let name = notify::name_of(account, webhook.id);
        Self { webhook: OwnWebhook::of(webhook), name, secret: None }
    }

    /// Of the one with this number.
    pub(crate) fn find(view: &AccountView, webhook: WebhookId) -> Result<Self, Problem> {
        Ok(Self::of(view.id, find(view, webhook)?))
    }

    /// The same with its newest secret.
    pub(crate) fn with_secret(
        view: &AccountView,
        webhook: WebhookId,
        notifier: &Notifier,
    ) -> Result<Self, Problem> {
        let found = find(view, webhook)?;
        Ok(Self { secret: notifier.secret_of(view.id, found), ..Self::of(view.id, found) })
    }

    /// Of the one that was just made, with its secret: the view is as the order left it.
    pub(crate) fn newest(view: &AccountView, notifier: &Notifier) -> Result<Self, Problem> {
        let newest = view.watch.webhooks.last().ok_or(Denial::UnknownWebhook)?;
        Self::with_secret(view, newest.id, notifier)
    }

    /// Its number, as it is written.
    pub(crate) fn id(&self) -> &str {
        self.webhook.id()
    }
}

impl WebhookWanted {
    /// The order to make it.
    pub(crate) fn order(self, notifier: &Notifier) -> Result<Order, Problem> {
        if notifier.settings().account_secret.is_none() {
            let detail =
                "accounts can't have webhooks: set `notices.account_secret` in the configuration";
            return Err(Problem::conflict(detail));
        }
        let Self { url, events } = self;
        check_url(notifier, &url)?;
        check_events(&events)?;
        Ok(Order::Watch(WatchOrder::AddWebhook { url, events }))
    }
}

impl WebhookUpdate {
    /// The order to change it.
    pub(crate) fn order(self, webhook: WebhookId, notifier: &Notifier) -> Result<Order, Problem> {
        let Self { url, events, enabled } = self;
        url.as_deref().map_or(Ok(()), |url| check_url(notifier, url))?;
        check_events(events.as_deref().unwrap_or_default())?;
        let change = WebhookChange { url, events, enabled };
        Ok(Order::Watch(WatchOrder::ChangeWebhook { webhook, change }))
    }
}

impl SecretRotation {
    /// The order to make the next one.
    pub(crate) fn order(self, webhook: WebhookId) -> Result<Order, Problem> {
        let overlap_ms = self.overlap_ms.unwrap_or(OVERLAP_MS);
        if overlap_ms > OVERLAP_MS_MAX {
            return Err(Problem::invalid("`overlap_ms` is more than 30 days"));
        }
        let overlap = Duration::from_millis(overlap_ms);
        Ok(Order::Watch(WatchOrder::RotateWebhook { webhook, overlap }))
    }
}

fn find(view: &AccountView, webhook: WebhookId) -> Result<&Webhook, Problem> {
    let found = view.watch.webhooks.iter().find(|known| known.id == webhook);
    Ok(found.ok_or(Denial::UnknownWebhook)?)
}

fn check_url(notifier: &Notifier, url: &str) -> Result<(), Problem> {
    if url.len() > URL_BYTES_MAX {
        return Err(Problem::invalid(format!("`url` is longer than {URL_BYTES_MAX} bytes")));
    }
    let parsed = notifier.settings().reach().parse(url);
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
