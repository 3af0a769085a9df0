//! Plans, and what holds of an account, as JSON. Pure.

use infergate_actors::account::{
    BillingPeriod, Limits, Offer, Overrides, PlanTerms, PlanView, Plans,
};
use serde::Serialize;

use crate::operate::amount::{Amounts, wide};

const DAY_MS: u64 = 86_400_000;

/// A plan, as the configuration has it.
#[derive(Debug, Serialize)]
pub(in crate::operate::admin) struct Plan<'p> {
    name: &'p str,
    is_default: bool,
    limits: Limits,
    models: Vec<&'p str>,
    markup: String,
    subscription: Option<OfferShown>,
    /// All of it in words.
    reads: String,
}

/// What a subscription costs and gives.
#[derive(Debug, Serialize)]
pub(super) struct OfferShown {
    #[serde(flatten)]
    amounts: Amounts<2>,
    period: String,
    grace_ms: u64,
}

/// What holds of an account.
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
struct Differences {
    limits: Option<Limits>,
    models: Option<Vec<String>>,
    markup: Option<String>,
}

impl<'p> Plan<'p> {
    /// Every plan there is.
    pub(in crate::operate::admin) fn all(plans: &'p Plans) -> Vec<Self> {
        let default = plans.default_plan().map(|plan| plan.name.as_str());
        plans.all().iter().map(|plan| Self::of(plan, default == Some(&plan.name))).collect()
    }

    fn of(plan: &'p PlanTerms, is_default: bool) -> Self {
        let models = plan.models.iter().map(String::as_str);
        Self {
            name: &plan.name,
            is_default,
            limits: plan.limits,
            models: if plan.models.is_empty() { vec!["*"] } else { models.collect() },
            markup: plan.markup.to_string(),
            subscription: plan.offer.as_ref().map(OfferShown::of),
            reads: reads(plan),
        }
    }
}

impl OfferShown {
    pub(super) fn of(offer: &Offer) -> Self {
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

/// As the configuration writes it.
pub(super) fn period(period: BillingPeriod) -> String {
    match period {
        BillingPeriod::Month => "month".to_owned(),
        BillingPeriod::Days(days) => format!("{days}d"),
    }
}

/// A plan in words.
fn reads(plan: &PlanTerms) -> String {
    let Limits { requests_per_minute, tokens_per_minute, in_flight } = plan.limits;
    let limits = [
        requests_per_minute.map(|limit| format!("{limit} requests a minute")),
        tokens_per_minute.map(|limit| format!("{limit} tokens a minute")),
        in_flight.map(|limit| format!("{limit} requests at one time")),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let limits = if limits.is_empty() { "no limits".to_owned() } else { limits.join(", ") };
    let models =
        if plan.models.is_empty() { "all models".to_owned() } else { plan.models.join(", ") };
    let markup = format!("{} on the list price", plan.markup);
    let mut words = vec![limits, models, markup];
    words.extend(plan.offer.map(|Offer { price, allowance, period, grace_ms }| {
        let every = match period {
            BillingPeriod::Month => "a month".to_owned(),
            BillingPeriod::Days(days) => format!("every {days} days"),
        };
        let grace = grace_ms / DAY_MS;
        format!("{price} USD {every} for {allowance} USD of credit, {grace} days of grace")
    }));
    words.join("; ")
}
