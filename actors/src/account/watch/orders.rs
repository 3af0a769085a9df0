//! What may be changed of an account's watch. Pure.

use std::time::Duration;

use super::{TopUpEnd, WebhookChange};
use crate::account::{Account, Denial, WatchEvent, WatchSettings};
use crate::id::{TopUpId, WebhookId};

/// An order about what an account is watched for.
#[derive(Clone, Debug)]
pub enum WatchOrder {
    /// Watch it for this.
    Set(WatchSettings),
    /// A top-up can't be carried out.
    FailTopUp {
        /// Which.
        top_up: TopUpId,
        /// Why.
        reason: String,
    },
    /// Make a webhook.
    AddWebhook {
        /// Where messages are sent.
        url: String,
        /// Kinds of events; empty: all.
        events: Vec<String>,
    },
    /// Change a webhook.
    ChangeWebhook {
        /// Which.
        webhook: WebhookId,
        /// How.
        change: WebhookChange,
    },
    /// Give a webhook another secret.
    RotateWebhook {
        /// Which.
        webhook: WebhookId,
        /// How long the present one signs beside it.
        overlap: Duration,
    },
    /// Remove a webhook.
    RemoveWebhook {
        /// Which.
        webhook: WebhookId,
    },
}

impl Account {
    /// Decides such an order; nothing where it is so already.
    pub(in crate::account) fn watch_order(
        &self,
        order: &WatchOrder,
        now_ms: u64,
    ) -> Result<Option<WatchEvent>, Denial> {
        Ok(Some(match order {
            WatchOrder::Set(settings) => {
                let settings = settings.clone().checked()?;
                let known = self.tenancy.watch.as_deref().map(|watch| &watch.settings);
                let is_same = match known {
                    Some(known) => *known == settings,
                    None => settings == WatchSettings::default(),
                };
                if is_same {
                    return Ok(None);
                }
                WatchEvent::SettingsChanged { settings }
            }
            WatchOrder::FailTopUp { top_up, reason } => {
                let pending = self.tenancy.watch.as_deref().and_then(|it| it.top_ups.pending);
                if pending.is_none_or(|pending| pending.id != *top_up) {
                    return Err(Denial::UnknownTopUp);
                }
                let end = TopUpEnd::Failed { reason: reason.clone() };
                WatchEvent::TopUpEnded { top_up: *top_up, end }
            }
            WatchOrder::AddWebhook { url, events } => self.add_webhook(url, events)?,
            WatchOrder::ChangeWebhook { webhook, change } => {
                return self.changed_webhook(*webhook, change);
            }
            WatchOrder::RotateWebhook { webhook, overlap } => {
                let overlap_ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
                self.rotated_webhook(*webhook, now_ms.saturating_add(overlap_ms))?
            }
            WatchOrder::RemoveWebhook { webhook } => {
                self.webhook(*webhook)?;
                WatchEvent::WebhookRemoved { webhook: *webhook }
            }
        }))
    }

    /// What a payment that names a top-up ends. One that is over already stays so: the money came in.
    pub(in crate::account) fn paid_top_up(
        &self,
        top_up: Option<TopUpId>,
        payment: &str,
    ) -> Result<Option<WatchEvent>, Denial> {
        let Some(top_up) = top_up else { return Ok(None) };
        let watch = self.tenancy.watch.as_deref().ok_or(Denial::UnknownTopUp)?;
        if !(1..=watch.top_ups.made).contains(&top_up.0) {
            return Err(Denial::UnknownTopUp);
        }
        let is_pending = watch.top_ups.pending.is_some_and(|pending| pending.id == top_up);
        let end = TopUpEnd::Paid { payment: payment.to_owned() };
        Ok(is_pending.then_some(WatchEvent::TopUpEnded { top_up, end }))
    }
}
