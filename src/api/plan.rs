//! What holds of an account from its plan, as JSON. Pure.

use infergate_actors::account::{BillingPeriod, Limits, Offer, Overrides, PlanView};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// What a subscription costs and gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OfferShown {
    #[serde(flatten)]
    #[schemars(schema_with = "offer_amounts")]
    amounts: Amounts<2>,
    period: String,
    grace_ms: u64,
}

/// What holds of an account.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PlanOf {
    /// The plan it was put on; none: on whichever is the default.
    assigned: Option<String>,
    /// The plan that holds.
    in_force: Option<String>,
    is_missing: bool,
    overrides: Differences,
    limits: Limits,
    models: Vec<String>,
    markup: String,
}

/// Where an account differs from its plan.
#[derive(Debug, Serialize, JsonSchema)]
struct Differences {
    limits: Option<Limits>,
    models: Option<Vec<String>>,
    markup: Option<String>,
}

/// What holds of an account, as its owners see it: how it came to that is left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OwnPlan {
    in_force: Option<String>,
    is_missing: bool,
    limits: Limits,
    models: Vec<String>,
}

fn offer_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["price", "allowance"])
}

impl OfferShown {
    /// As it is offered.
    pub(crate) fn of(offer: &Offer) -> Self {
        let (price, allowance) = (wide(offer.price), wide(offer.allowance));
        Self {
            amounts: Amounts([("price", price), ("allowance", allowance)]),
            period: period(offer.period),
            grace_ms: offer.grace_ms,
        }
    }
}

impl PlanOf {
    pub(super) fn of(view: &PlanView) -> Self {
        let Overrides { limits, models, markup } = &view.overrides;
        let overrides = Differences {
            limits: *limits,
            models: models.clone(),
            markup: markup.map(|markup| markup.to_string()),
        };
        let models =
            if view.models.is_empty() { vec!["*".to_owned()] } else { view.models.clone() };
        Self {
            assigned: view.assigned.clone(),
            in_force: view.in_force.clone(),
            is_missing: view.is_missing,
            overrides,
            limits: view.limits,
            models,
            markup: view.markup.to_string(),
        }
    }
}

impl OwnPlan {
    pub(super) fn of(PlanOf { in_force, is_missing, limits, models, .. }: PlanOf) -> Self {
        Self { in_force, is_missing, limits, models }
    }
}

/// As the configuration writes it.
fn period(period: BillingPeriod) -> String {
    match period {
        BillingPeriod::Month => "month".to_owned(),
        BillingPeriod::Days(days) => format!("{days}d"),
    }
}
