//! Credit: granted, once per reference.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Denial, GrantKind, Order, Refusal};
use infergate_actors::money::NanoUsd;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::request::{AccountOf, Json, text};
use super::view::Granted;
use super::{Operator, Problem};
use crate::openapi::{self, Routes, doc, pattern, post};

const ONE_AMOUNT: &str = "exactly one of `amount_usd` (a text such as \"12.5\") and \
                          `amount_nano_usd` (a whole number) is needed";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = openapi::one_amount)]
pub(super) struct NewGrant {
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
    kind: GrantKind,
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reference: String,
    expires_at_ms: Option<u64>,
}

/// What is served of credit.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let granted = doc("createGrant", "Grants credit, once per reference.")
        .answers::<Granted>(201)
        .refuses(&[409])
        .example(json!({ "amount_usd": "25", "kind": "paid", "reference": "invoice 7" }));
    Routes::new().route("Credit", "/admin/v1/accounts/{account}/grants", post(grant, granted))
}

pub(super) async fn grant(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(new): Json<NewGrant>,
) -> Result<impl IntoResponse, Problem> {
    let amount = amount(new.amount_usd.as_deref(), new.amount_nano_usd)?;
    text("reference", &new.reference)?;
    let now_ms = operator.world.clock.now().wall_ms;
    if new.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Problem::invalid("`expires_at_ms` is in the past"));
    }
    let NewGrant { kind, reference, expires_at_ms, .. } = new;
    let order = Order::Grant { kind, amount, expires_at_ms, reference: reference.clone() };
    let granted = operator.system.accounts.order(account, order).await;
    let view = granted.map_err(|refusal| match refusal {
        Refusal::Denied(Denial::DuplicateReference) => Problem::conflict(format!(
            "a grant with the reference `{reference}` was made already and is not made again; the \
             account's journal has it"
        )),
        refusal => refusal.into(),
    })?;
    tracing::info!(%account, %amount, reference, "credit granted");
    // The order's own view: its newest lot is the one just made.
    let id = view.grants.iter().map(|grant| grant.id).max();
    let made = Granted::of(id, (kind, amount, expires_at_ms), reference, &view);
    Ok((StatusCode::CREATED, Answer(made)))
}

/// An amount above zero, written one way or the other.
pub(super) fn amount(usd: Option<&str>, nano: Option<i64>) -> Result<NanoUsd, Problem> {
    let amount = amount_if_any(usd, nano)?;
    amount.ok_or_else(|| Problem::invalid(ONE_AMOUNT))
}

/// The same, or none.
pub(super) fn amount_if_any(
    usd: Option<&str>,
    nano: Option<i64>,
) -> Result<Option<NanoUsd>, Problem> {
    let amount = match (usd, nano) {
        (None, None) => return Ok(None),
        (Some(usd), None) => usd
            .parse()
            .map_err(|error| Problem::invalid(format!("`amount_usd`: `{usd}` is {error}")))?,
        (None, Some(nano)) => NanoUsd::from_nano(nano),
        (Some(_), Some(_)) => return Err(Problem::invalid(ONE_AMOUNT)),
    };
    if amount.is_positive() { Ok(Some(amount)) } else { Err(Denial::BadAmount.into()) }
}
