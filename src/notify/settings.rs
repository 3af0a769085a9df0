//! What the configuration says of webhooks. Pure.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::address::Reach;
use super::retry::Retry;
use super::sign::SigningSecret;
use crate::config::Secret;

/// What holds of all webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifySettings {
    /// What the secrets of accounts' webhooks are made of; without it accounts have none.
    pub account_secret: Option<Secret>,
    /// Whether accounts' webhooks may be anywhere, and without TLS.
    pub private_addresses: bool,
    /// How long an account's webhook may take to answer.
    pub timeout: Duration,
    /// How messages that do not arrive are sent again.
    pub retry: Retry,
}

/// A webhook of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called.
    pub name: Arc<str>,
    /// Where messages are sent.
    pub url: Uri,
    /// Kinds of events it is sent; a trailing `*` stands for any ending. Empty: all.
    pub events: Vec<String>,
    /// What signs; each of them does.
    pub secrets: Vec<SigningSecret>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

impl NotifySettings {
    /// Where accounts' webhooks may be.
    pub fn reach(&self) -> Reach {
        if self.private_addresses { Reach::Everywhere } else { Reach::Public }
    }
}
