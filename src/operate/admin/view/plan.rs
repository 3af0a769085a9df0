//! Plans as JSON. Pure.

use infergate_actors::account::{BillingPeriod, Limits, Offer, PlanTerms, Plans};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::OfferShown;

const DAY_MS: u64 = 86_400_000;

/// A plan, as the configuration has it.
#[derive(Debug, Serialize, JsonSchema)]
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
