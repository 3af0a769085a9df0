//! Subscriptions: begun, changed, cancelled, looked at, and what a change would cost.
//!
//! What a processor tells of their payments is in `payments`.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{
    AccountView, Contract, Denial, Order, PaidBy, SubscriptionOrder, SubscriptionState,
};
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::credit::amount_if_any;
use super::request::{AccountOf, Asked, Json, text};
use super::view::{Preview, Subscription};
use super::{Operator, Problem};
use crate::openapi::{self, Routes, doc, get, pattern};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewSubscription", transform = openapi::amount_if_any)]
pub(super) struct New {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    plan: String,
    /// What the payment is told by.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    event_id: Option<String>,
    /// What the processor knows the payment by.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    payment: Option<String>,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SubscriptionChanges", transform = openapi::amount_if_any)]
pub(super) struct Change {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    plan: Option<String>,
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    event_id: Option<String>,
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    payment: Option<String>,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
    cancel_at_period_end: Option<bool>,
    /// Ends it at once; `true` and nothing else.
    cancel_now: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OtherPlan")]
pub(super) struct Other {
    /// The plan to change to.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    plan: String,
}

const TAG: &str = "Plans";

/// What is served of subscriptions.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let of = |rest: &str| format!("/admin/v1/accounts/{{account}}/subscription{rest}");
    let started = doc("startSubscription", "Puts an account on a plan that is paid by period.")
        .answers::<Subscription>(201)
        .refuses(&[409])
        .example(json!({
            "plan": "team", "event_id": "evt_2", "payment": "pay_2", "amount_usd": "20",
        }));
    let changed = doc(
        "updateSubscription",
        "Changes its plan, or cancels it at the period's end or at once.",
    )
    .answers::<Subscription>(200)
    .refuses(&[409])
    .example(json!({ "cancel_at_period_end": true }));
    let shown = doc("getSubscription", "Shows an account's subscription.");
    let shown = shown.answers::<Subscription>(200);
    let told = doc("previewSubscription", "Tells what a change of plan would cost and give now.");
    let told = told.answers::<Preview<'_>>(200).refuses(&[409]);
    let all = get(show, shown).post(start, started).patch(change, changed);
    Routes::new().route(TAG, &of(""), all).route(TAG, &of("/preview"), get(preview, told))
}

pub(super) async fn start(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(new): Json<New>,
) -> Result<impl IntoResponse, Problem> {
    text("plan", &new.plan)?;
    let amount = (new.amount_usd.as_deref(), new.amount_nano_usd);
    let paid = paid_by(new.event_id, new.payment, amount)?;
    let shown = carry_out(&operator, account, SubscriptionOrder::Start { plan: new.plan, paid });
    Ok((StatusCode::CREATED, Answer(shown.await?)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(change): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    let amount = (change.amount_usd.as_deref(), change.amount_nano_usd);
    let paid = paid_by(change.event_id, change.payment, amount)?;
    let order = match (change.plan, change.cancel_at_period_end, change.cancel_now, paid) {
        (Some(plan), None, None, paid) => {
            text("plan", &plan)?;
            SubscriptionOrder::Change { plan, paid }
        }
        (None, Some(at_end), None, None) => SubscriptionOrder::CancelAtPeriodEnd(at_end),
        (None, None, Some(true), None) => SubscriptionOrder::CancelNow,
        _ => {
            let detail = "either `plan`, and what was paid for the change where something is due, or \
                          `cancel_at_period_end` alone, or `\"cancel_now\": true` alone is needed";
            return Err(Problem::invalid(detail));
        }
    };
    Ok(Answer(carry_out(&operator, account, order).await?))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(shown(&view)?))
}

/// What a change to another plan would cost and give now.
pub(super) async fn preview(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(other): Asked<Other>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = &operator.system.accounts;
    let view = accounts.inspect(account).await?;
    let is_running = |contract: &&Contract| contract.state != SubscriptionState::Ended;
    let contract = view.subscription.as_deref().filter(is_running).ok_or(Denial::NoSubscription)?;
    let plans = accounts.plans();
    let offer = plans.get(&other.plan).ok_or(Denial::UnknownPlan)?.offer.ok_or(Denial::NoOffer)?;
    let now_ms = operator.world.clock.now().wall_ms;
    let proration = contract.proration(&offer, view.is_period_whole, now_ms);
    Ok(Answer(Preview::of(&other.plan, &proration)).into_response())
}

async fn carry_out(
    operator: &Operator,
    account: AccountId,
    order: SubscriptionOrder,
) -> Result<Subscription, Problem> {
    let order = Order::Subscription(Box::new(order));
    let view = operator.system.accounts.order(account, order).await?;
    let shown = shown(&view)?;
    tracing::info!(%account, "subscription begun, changed or cancelled");
    Ok(shown)
}

fn shown(view: &AccountView) -> Result<Subscription, Problem> {
    Ok(Subscription::of(view).ok_or(Denial::NoSubscription)?)
}

/// A payment: all that names it, or nothing of it.
fn paid_by(
    id: Option<String>,
    payment: Option<String>,
    (usd, nano): (Option<&str>, Option<i64>),
) -> Result<Option<PaidBy>, Problem> {
    let amount = amount_if_any(usd, nano)?;
    match (id, payment) {
        (Some(id), Some(payment)) => {
            text("event_id", &id)?;
            text("payment", &payment)?;
            Ok(Some(PaidBy { id, payment, amount }))
        }
        (None, None) if amount.is_none() => Ok(None),
        _ => Err(Problem::invalid("a payment needs both `event_id` and `payment`")),
    }
}
