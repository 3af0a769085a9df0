//! Plans, and which one an account is on.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{AccountView, Limits, Order, Overrides, PlanOrder};
use infergate_actors::money::Markup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::text;
use super::view::Plan;
use super::{Operator, Problem};
use crate::api::change::Setting;
use crate::openapi::{Routes, doc, get, pattern};

/// How many models an account's own list may name.
const MODELS_MAX: usize = 1_000;

/// A change of an account's plan, and of where it differs. What is absent stays; `null` removes it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OverridesChange {
    limits: Setting<Limits>,
    #[schemars(length(min = 1, max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Setting<Vec<String>>,
    /// On the list price, such as `20%` or `-5%`.
    #[schemars(regex(pattern = pattern::MARKUP))]
    markup: Setting<String>,
}

/// All plans.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PlanList")]
struct PlanLines<'p> {
    plans: Vec<Plan<'p>>,
}

/// What is served of plans.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let listed = doc("listPlans", "Lists the plans that the configuration has.");
    let listed = listed.answers::<PlanLines<'_>>(200);
    Routes::new().route("Plans", "/admin/v1/plans", get(list, listed))
}

pub(super) async fn list(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let plans = operator.system.accounts.plans();
    Answer(PlanLines { plans: Plan::all(&plans) }).into_response()
}

/// The orders that a change comes to.
pub(super) fn orders(
    view: &AccountView,
    plan: Setting<String>,
    overrides: OverridesChange,
) -> Result<Vec<Order>, Problem> {
    let order = |order| Order::Plan(Box::new(order));
    let mut orders = Vec::new();
    if let Setting::Set(name) = plan {
        orders.push(order(PlanOrder::Assign(name)));
    }
    let before = &view.plan.overrides;
    let overrides = overrides.over(before.clone())?;
    if overrides != *before {
        orders.push(order(PlanOrder::Override(overrides)));
    }
    Ok(orders)
}

impl OverridesChange {
    fn over(self, before: Overrides) -> Result<Overrides, Problem> {
        let markup = match self.markup {
            Setting::Kept => before.markup,
            Setting::Set(None) => None,
            Setting::Set(Some(text)) => Some(markup(&text)?),
        };
        let models = self.models.over(before.models);
        for model in models.iter().flatten() {
            text("overrides.models", model)?;
        }
        if models.as_ref().is_some_and(|models| models.is_empty() || models.len() > MODELS_MAX) {
            let detail = format!("`overrides.models` names 1 to {MODELS_MAX} models, or [\"*\"]");
            return Err(Problem::invalid(detail));
        }
        Ok(Overrides { limits: self.limits.over(before.limits), models, markup })
    }
}

fn markup(text: &str) -> Result<Markup, Problem> {
    text.parse()
        .map_err(|error| Problem::invalid(format!("`overrides.markup`: `{text}` is {error}")))
}
