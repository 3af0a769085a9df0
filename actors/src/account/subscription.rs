//! Subscriptions: what is paid for each period, and given for it. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionEvent {}

/// The subscription of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {}

impl Subscription {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &SubscriptionEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
