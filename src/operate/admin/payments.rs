//! Money outside: what a payment processor tells, what an operator pays back, and what came of it.
//!
//! Each is told with an id of its own. Told again, it is answered the same and changes nothing; under
//! the same id something else is a conflict.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Denial, Refusal, Transfer, TransferKind};
use infergate_actors::id::{AccountId, GrantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::credit::{amount, amount_if_any};
use super::request::{AccountOf, Asked, Json, id, text};
use super::view::Moved;
use super::{Operator, Problem};
use crate::api::page_limit;
use crate::openapi::{self, Routes, doc, get, pattern, post};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
const TAG: &str = "Payments";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = openapi::amount_if_any)]
pub(super) struct PaymentEvent {
    r#type: EventType,
    /// Of the processor; what is told again under it changes nothing.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    event_id: String,
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: String,
    /// What the processor knows the payment by.
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    payment: String,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
    /// For `payment_succeeded` only.
    expires_at_ms: Option<u64>,
    /// The automatic top-up that it is, where it is one.
    #[schemars(regex(pattern = pattern::TOP_UP))]
    top_up: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[schemars(rename = "PaymentEventType")]
#[serde(rename_all = "snake_case")]
enum EventType {
    PaymentSucceeded,
    Refunded,
    Disputed,
    SubscriptionPaymentSucceeded,
    SubscriptionPaymentFailed,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = openapi::amount_if_any)]
pub(super) struct NewRefund {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reference: String,
    #[schemars(regex(pattern = pattern::GRANT))]
    grant: String,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentsPage {
    /// The `next` of the page before.
    after: Option<String>,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<usize>,
}

/// A page of what payments, refunds and disputes did, the oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentsList")]
struct Payments {
    payments: Vec<Moved>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// What is served of payments.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let told = doc("createPaymentEvent", "Takes what a payment processor tells, once per event.")
        .answers::<Moved>(200)
        .refuses(&[404, 409])
        .example(json!({
            "type": "payment_succeeded", "event_id": "evt_1", "account": "acct_0000000000000001",
            "payment": "pay_1", "amount_usd": "25",
        }));
    let refunded = doc("createRefund", "Pays back what is left of a grant, once per reference.")
        .answers::<Moved>(200)
        .refuses(&[409])
        .example(json!({ "reference": "ticket 9", "grant": "grant_1", "amount_usd": "5" }));
    let listed = doc("listPayments", "Lists an account's payments, refunds and disputes by pages.");
    let listed = listed.answers::<Payments>(200);
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    Routes::new()
        .route(TAG, "/admin/v1/payments/events", post(event, told))
        .route(TAG, &account("/payments"), get(list, listed))
        .route(TAG, &account("/refunds"), post(refund, refunded))
}

/// What was told of an account, under which id, and what it did.
pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<PaymentsPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let accounts = &operator.system.accounts;
    let mut listed = accounts.movements(account, page.after, limit + 1).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(id, _)| id.clone());
    let moved = |(id, movement): (String, _)| Moved::of(id, account, &movement);
    Ok(Answer(Payments { payments: listed.into_iter().map(moved).collect(), next }))
}

/// What a processor tells.
pub(super) async fn event(
    State(operator): State<Arc<Operator>>,
    Json(event): Json<PaymentEvent>,
) -> Result<impl IntoResponse, Problem> {
    text("event_id", &event.event_id)?;
    text("payment", &event.payment)?;
    let account: AccountId = id(&event.account)?;
    let what = event.what()?;
    moved(&operator, account, Transfer { id: event.event_id, what }).await
}

/// What an operator pays back.
pub(super) async fn refund(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(new): Json<NewRefund>,
) -> Result<impl IntoResponse, Problem> {
    text("reference", &new.reference)?;
    let grant: GrantId = id(&new.grant)?;
    let amount = amount_if_any(new.amount_usd.as_deref(), new.amount_nano_usd)?;
    let what = TransferKind::GrantRefund { grant, amount };
    moved(&operator, account, Transfer { id: new.reference, what }).await
}

async fn moved(
    operator: &Operator,
    account: AccountId,
    transfer: Transfer,
) -> Result<impl IntoResponse + use<>, Problem> {
    let id = transfer.id.clone();
    let is_subscriptions = matches!(transfer.what, TransferKind::SubscriptionPaid { .. });
    let told = operator.system.accounts.transfer(account, transfer).await;
    let movement = told.map_err(|refusal| match refusal {
        Refusal::Denied(denial) if is_subscriptions => not_booked(account, &id, denial),
        refusal => refusal.into(),
    })?;
    let (kind, moved) = (movement.kind, movement.moved);
    tracing::info!(%account, id, ?kind, %moved, "payment, refund or dispute");
    Ok(Answer(Moved::of(id, account, &movement)))
}

/// Money that came in for a subscription which has no use for it: whoever reads it must do something.
fn not_booked(account: AccountId, id: &str, denial: Denial) -> Problem {
    let problem = Problem::from(denial);
    let status = match denial {
        // The account is there, and so is the money.
        Denial::NoSubscription => StatusCode::CONFLICT,
        Denial::PaidAhead
        | Denial::SubscriptionEnds
        | Denial::Closed
        | Denial::Underpaid { .. } => problem.status,
        _ => return problem,
    };
    tracing::warn!(%account, id, %denial, "a payment for a subscription came in and is not booked");
    let todo = "the payment is not booked: tell it as `payment_succeeded` to give it as credit, or pay \
                it back";
    Problem::new(status, format!("{denial}; {todo}"))
}

impl PaymentEvent {
    fn what(&self) -> Result<TransferKind, Problem> {
        let payment = self.payment.clone();
        let (usd, nano) = (self.amount_usd.as_deref(), self.amount_nano_usd);
        if self.r#type == EventType::PaymentSucceeded {
            // One that is told again when its time is over is still answered the same.
            let expires_at_ms = self.expires_at_ms;
            let top_up = self.top_up.as_deref().map(id).transpose()?;
            return Ok(TransferKind::Payment {
                payment,
                amount: amount(usd, nano)?,
                expires_at_ms,
                top_up,
            });
        }
        if self.expires_at_ms.is_some() {
            return Err(Problem::invalid("`expires_at_ms` is for `payment_succeeded` only"));
        }
        if self.top_up.is_some() {
            return Err(Problem::invalid("`top_up` is for `payment_succeeded` only"));
        }
        let amount = amount_if_any(usd, nano)?;
        Ok(match self.r#type {
            EventType::Disputed => TransferKind::Dispute { payment, amount },
            EventType::SubscriptionPaymentSucceeded => {
                TransferKind::SubscriptionPaid { payment, amount }
            }
            EventType::SubscriptionPaymentFailed if amount.is_none() => {
                TransferKind::SubscriptionFailed { payment }
            }
            EventType::SubscriptionPaymentFailed => {
                return Err(Problem::invalid("nothing was paid: an amount has no place here"));
            }
            EventType::PaymentSucceeded | EventType::Refunded => {
                TransferKind::Refund { payment, amount }
            }
        })
    }
}
