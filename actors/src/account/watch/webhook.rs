//! An account's own webhooks: where its owner wants to hear of what happens to it. Pure.
//!
//! No secret is kept: that of a webhook follows from its id, its version and the operator's own secret.

use serde::{Deserialize, Serialize};

use super::Watch;
use crate::account::{Account, Denial, WatchEvent};
use crate::id::WebhookId;

/// Webhooks that one account may have.
const WEBHOOKS_MAX: usize = 16;

/// Where the owner of an account wants to hear of what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its number in the account.
    pub id: WebhookId,
    /// Where messages are sent.
    pub url: String,
    /// Kinds of events it is sent; a trailing `*` stands for any ending. Empty: all.
    pub events: Vec<String>,
    /// Whether it is sent any.
    pub enabled: bool,
    /// Which of its secrets signs.
    pub version: u32,
    /// Until when the secret before that signs too, in milliseconds since 1970.
    pub former_until_ms: Option<u64>,
}

/// A change of a webhook; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Where messages are sent.
    pub url: Option<String>,
    /// Kinds of events it is sent.
    pub events: Option<Vec<String>>,
    /// Whether it is sent any.
    pub enabled: Option<bool>,
}

impl Watch {
    pub(super) fn set_webhook(&mut self, webhook: &Webhook) {
        self.webhooks_made = self.webhooks_made.max(webhook.id.0);
        match self.webhooks.iter_mut().find(|known| known.id == webhook.id) {
            Some(known) => known.clone_from(webhook),
            None => self.webhooks.push(webhook.clone()),
        }
    }
}

impl Account {
    fn webhooks(&self) -> &[Webhook] {
        self.tenancy.watch.as_deref().map_or(&[], |watch| &watch.webhooks)
    }

    pub(super) fn webhook(&self, id: WebhookId) -> Result<&Webhook, Denial> {
        let webhook = self.webhooks().iter().find(|known| known.id == id);
        webhook.ok_or(Denial::UnknownWebhook)
    }

    pub(super) fn add_webhook(&self, url: &str, events: &[String]) -> Result<WatchEvent, Denial> {
        if self.webhooks().len() >= WEBHOOKS_MAX {
            return Err(Denial::TooManyWebhooks);
        }
        let made = self.tenancy.watch.as_deref().map_or(0, |watch| watch.webhooks_made);
        let webhook = Webhook {
            id: WebhookId(made.saturating_add(1)),
            url: url.to_owned(),
            events: events.to_vec(),
            enabled: true,
            version: 1,
            former_until_ms: None,
        };
        Ok(WatchEvent::WebhookSet { webhook })
    }

    /// The webhook with a change made; `None` where it is so already.
    pub(super) fn changed_webhook(
        &self,
        id: WebhookId,
        change: &WebhookChange,
    ) -> Result<Option<WatchEvent>, Denial> {
        let before = self.webhook(id)?;
        let mut webhook = before.clone();
        let WebhookChange { url, events, enabled } = change;
        webhook.url = url.clone().unwrap_or(webhook.url);
        webhook.events = events.clone().unwrap_or(webhook.events);
        webhook.enabled = enabled.unwrap_or(webhook.enabled);
        Ok((webhook != *before).then_some(WatchEvent::WebhookSet { webhook }))
    }

    pub(super) fn rotated_webhook(
        &self,
        id: WebhookId,
        former_until_ms: u64,
    ) -> Result<WatchEvent, Denial> {
        let mut webhook = self.webhook(id)?.clone();
        webhook.version = webhook.version.saturating_add(1);
        webhook.former_until_ms = Some(former_until_ms);
        Ok(WatchEvent::WebhookSet { webhook })
    }
}
