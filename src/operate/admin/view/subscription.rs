//! A subscription, and what happened to it, as JSON. Pure.

use infergate_actors::account::{
    Contract, NextTerms, Proration, SubscriptionChange, SubscriptionEvent, SubscriptionPayment,
    SubscriptionState, SubscriptionStep,
};
use infergate_actors::money::NanoUsd;
use serde::Serialize;

use super::plan::OfferShown;
use crate::operate::amount::{Amounts, wide};

/// A subscription as it stands.
#[derive(Debug, Serialize)]
pub(in crate::operate::admin) struct Subscription {
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
}

#[derive(Debug, Serialize)]
struct Next {
    plan: String,
    #[serde(flatten)]
    offer: OfferShown,
}

/// What a change of plan would cost and give.
#[derive(Debug, Serialize)]
pub(in crate::operate::admin) struct Preview<'p> {
    plan: &'p str,
    /// `now`, or `period_end`.
    takes_effect: &'static str,
    from_ms: u64,
    #[serde(flatten)]
    amounts: Amounts<2>,
    left_ms: u64,
    period_ms: u64,
}

/// What happened to a subscription, in the journal.
#[derive(Debug, Serialize)]
pub(crate) struct Happened<'e> {
    step: SubscriptionStep,
    due_at_ms: Option<u64>,
    contract: &'e Contract,
    payment: Option<&'e SubscriptionPayment>,
    allowance: Option<Given<'e>>,
}

#[derive(Debug, Serialize)]
struct Given<'e> {
    grant: String,
    amount: NanoUsd,
    payment: Option<&'e str>,
}

impl Subscription {
    pub(in crate::operate::admin) fn of(contract: &Contract) -> Self {
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
        }
    }
}

impl<'p> Preview<'p> {
    pub(in crate::operate::admin) fn of(plan: &'p str, proration: &Proration) -> Self {
        let Proration { is_at_once, from_ms, due, allowance, left_ms, period_ms } = *proration;
        Self {
            plan,
            takes_effect: if is_at_once { "now" } else { "period_end" },
            from_ms,
            amounts: Amounts([("due", wide(due)), ("allowance", wide(allowance))]),
            left_ms,
            period_ms,
        }
    }
}

impl<'e> Happened<'e> {
    pub(super) fn of(event: &'e SubscriptionEvent) -> Self {
        let SubscriptionEvent::Changed(change) = event;
        let SubscriptionChange { due_at_ms, step, contract, payment, allowance } = change;
        let allowance = allowance.as_ref().map(|given| Given {
            grant: given.grant.to_string(),
            amount: given.amount,
            payment: given.payment.as_deref(),
        });
        let (step, due_at_ms, payment) = (*step, *due_at_ms, payment.as_ref());
        Self { step, due_at_ms, contract, payment, allowance }
    }
}
