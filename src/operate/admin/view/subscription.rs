//! What happened to a subscription, and what a change of it would cost, as JSON. Pure.

use infergate_actors::account::{
    Allowance, Contract, Proration, SubscriptionChange, SubscriptionEvent, SubscriptionPayment,
    SubscriptionStep,
};
use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// What a change of plan would cost and give.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionPreview")]
pub(in crate::operate::admin) struct Preview<'p> {
    plan: &'p str,
    /// `now`, or `period_end`.
    takes_effect: &'static str,
    from_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "preview_amounts")]
    amounts: Amounts<2>,
    left_ms: u64,
    period_ms: u64,
}

/// What happened to a subscription, in the journal.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SubscriptionFact")]
pub(crate) struct Happened<'e> {
    step: SubscriptionStep,
    due_at_ms: Option<u64>,
    contract: &'e Contract,
    payment: Option<&'e SubscriptionPayment>,
    allowance: Option<Given<'e>>,
    /// What of the payment is above what was due.
    surplus: Option<Given<'e>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CreditGiven")]
struct Given<'e> {
    grant: String,
    amount: NanoUsd,
    payment: Option<&'e str>,
}

fn preview_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["due", "allowance"])
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
        let SubscriptionChange { due_at_ms, step, contract, payment, allowance, surplus } = change;
        let (allowance, surplus) = (allowance.as_ref(), surplus.as_ref());
        Self {
            step: *step,
            due_at_ms: *due_at_ms,
            contract,
            payment: payment.as_ref(),
            allowance: allowance.map(Given::of),
            surplus: surplus.map(Given::of),
        }
    }
}

impl<'e> Given<'e> {
    fn of(given: &'e Allowance) -> Self {
        let Allowance { grant, amount, payment } = given;
        Self { grant: grant.to_string(), amount: *amount, payment: payment.as_deref() }
    }
}
