//! Redemption codes: made in bulk and shown once, redeemed once by an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{CodeBatch, GrantKind};
use serde::Deserialize;
use serde_json::json;

use super::credit::amount;
use super::request::{AccountOf, Json, text};
use super::{Operator, Problem};
use crate::api::{Code, Redemption};

/// A batch is one actor, and one event and snapshot hold all of it.
const CODES_MAX: usize = 1_000;
const USES_MAX: u32 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCodes {
    name: String,
    count: usize,
    kind: GrantKind,
    amount_usd: Option<String>,
    amount_nano_usd: Option<i64>,
    #[serde(default = "one")]
    uses: u32,
    expires_at_ms: Option<u64>,
    lasts_ms: Option<u64>,
}

pub(super) fn one() -> u32 {
    1
}

pub(super) async fn make(
    State(operator): State<Arc<Operator>>,
    Json(new): Json<NewCodes>,
) -> Result<impl IntoResponse, Problem> {
    check_batch(&operator, &new.name, new.count, new.uses, new.expires_at_ms)?;
    let amount = amount(new.amount_usd.as_deref(), new.amount_nano_usd)?;
    let batch = operator.system.accounts.new_id();
    let (codes, hashes) = Code::Credit.make(batch, new.count)?;
    let NewCodes { name, kind, uses, expires_at_ms, lasts_ms, .. } = new;
    let made = CodeBatch { name, hashes, kind, amount, uses_max: uses, expires_at_ms, lasts_ms };
    operator.system.accounts.make_codes(batch, made).await?;
    tracing::info!(%batch, codes = codes.len(), %amount, "codes made");
    let answer = json!({ "batch": batch.to_string(), "codes": codes });
    Ok((StatusCode::CREATED, Answer(answer)))
}

pub(super) async fn redeem(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(asked): Json<Redemption>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Answer(asked.by(&operator.world, account).await?))
}

/// Whether such a batch can be.
pub(super) fn check_batch(
    operator: &Operator,
    name: &str,
    count: usize,
    uses: u32,
    expires_at_ms: Option<u64>,
) -> Result<(), Problem> {
    text("name", name)?;
    if !(1..=CODES_MAX).contains(&count) {
        return Err(Problem::invalid(format!("`count` must be 1 to {CODES_MAX}")));
    }
    if !(1..=USES_MAX).contains(&uses) {
        return Err(Problem::invalid(format!("`uses` must be 1 to {USES_MAX}")));
    }
    let now_ms = operator.world.clock.now().wall_ms;
    if expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Problem::invalid("`expires_at_ms` is in the past"));
    }
    Ok(())
}
