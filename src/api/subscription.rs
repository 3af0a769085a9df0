//! A subscription as JSON. Pure.

use infergate_actors::account::{AccountView, Contract, NextTerms, SubscriptionState};
use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{OfferShown, OwnPlan, PlanOf};
use crate::operate::amount::Amounts;

/// A subscription as it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Subscription {
    plan: String,
    state: SubscriptionState,
    #[serde(flatten)]
    offer: OfferShown,
    period_number: u32,
    from_ms: u64,
    to_ms: u64,
    cancel_at_period_end: bool,
    /// When time alone will change it.
    due_at_ms: Option<u64>,
    /// What holds from the next period on, where that is something else.
    next: Option<Next>,
    /// The payment that the next period was paid with.
    paid_ahead: Option<String>,
    /// What its newest payment was above what was due: that is paid credit.
    surplus: Option<Surplus>,
}

/// What an account's owners pay for and get: its subscription, the last where it is over, and what holds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OwnSubscription {
    subscription: Option<Subscription>,
    plan: OwnPlan,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NextSubscription")]
struct Next {
    plan: String,
    #[serde(flatten)]
    offer: OfferShown,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionSurplus")]
struct Surplus {
    payment: String,
    grant: String,
    #[serde(flatten)]
    amount: Amounts<1>,
}

impl Subscription {
    /// Of the view its account's actor gave, if there is one or was.
    pub(crate) fn of(view: &AccountView) -> Option<Self> {
        let contract = view.subscription.as_deref()?;
        let surplus = view.surplus.as_ref().map(|(payment, surplus)| Surplus {
            payment: payment.clone(),
            grant: surplus.grant.to_string(),
            amount: Amounts::one(surplus.amount),
        });
        Some(Self { surplus, ..Self::agreed(contract) })
    }

    fn agreed(contract: &Contract) -> Self {
        let next = |NextTerms { plan, offer }: &NextTerms| Next {
            plan: plan.clone(),
            offer: OfferShown::of(offer),
        };
        Self {
            plan: contract.plan.clone(),
            state: contract.state,
            offer: OfferShown::of(&contract.offer),
            period_number: contract.period,
            from_ms: contract.from_ms,
            to_ms: contract.to_ms,
            cancel_at_period_end: contract.state == SubscriptionState::Cancelled,
            due_at_ms: contract.due_at_ms(),
            next: contract.next.as_ref().map(next),
            paid_ahead: contract.ahead.clone(),
            surplus: None,
        }
    }
}

impl OwnSubscription {
    /// Of the view its account's actor gave.
    pub(crate) fn of(view: &AccountView) -> Self {
        let subscription = Subscription::of(view);
        Self { subscription, plan: OwnPlan::of(PlanOf::of(&view.plan)) }
    }
}
