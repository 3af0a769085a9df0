//! Redemption codes: made in bulk and shown once, redeemed once by an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{CodeBatch, GrantKind};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::credit::amount;
use super::request::{AccountOf, Json, text};
use super::{Operator, Problem};
use crate::api::{Code, MadeCodes, Redeemed, Redemption};
use crate::openapi::{self, Routes, doc, pattern, post};
use crate::usage::calendar;

/// A batch is one actor, and one event and snapshot hold all of it.
pub(super) const CODES_MAX: usize = 1_000;
pub(super) const USES_MAX: u32 = 10_000;
/// A hundred years.
const LASTS_MS_MAX: u64 = 100 * 366 * calendar::DAY_MS;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = openapi::one_amount)]
pub(super) struct NewCodes {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    #[schemars(range(min = 1, max = CODES_MAX))]
    count: usize,
    kind: GrantKind,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: Option<String>,
    #[schemars(range(min = 1))]
    amount_nano_usd: Option<i64>,
    #[serde(default = "one", deserialize_with = "or_one")]
    #[schemars(with = "Option<u32>", range(min = 1, max = USES_MAX))]
    uses: u32,
    /// When the codes stop working.
    expires_at_ms: Option<u64>,
    /// How long what they give lasts once it is redeemed.
    #[schemars(range(min = 1, max = LASTS_MS_MAX))]
    lasts_ms: Option<u64>,
}

/// What is served of codes.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let made = doc("createCodes", "Makes redemption codes, which are shown once.")
        .answers::<MadeCodes>(201)
        .example(json!({ "name": "spring", "count": 2, "kind": "promotional", "amount_usd": "5" }));
    let redeemed = doc("redeemCode", "Redeems a code for an account.")
        .answers::<Redeemed>(200)
        .refuses(&[409])
        .example(json!({ "code": "igc-0000000000000002-…" }));
    Routes::new().route("Codes", "/admin/v1/codes", post(make, made)).route(
        "Codes",
        "/admin/v1/accounts/{account}/redeem",
        post(redeem, redeemed),
    )
}

pub(super) fn one() -> u32 {
    1
}

/// [`one`] also where it is `null`.
pub(super) fn or_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Option::deserialize(deserializer).map(|uses| uses.unwrap_or_else(one))
}

pub(super) async fn make(
    State(operator): State<Arc<Operator>>,
    Json(new): Json<NewCodes>,
) -> Result<impl IntoResponse, Problem> {
    check_batch(&operator, &new.name, new.count, new.uses, new.expires_at_ms)?;
    if new.lasts_ms.is_some_and(|lasts_ms| !(1..=LASTS_MS_MAX).contains(&lasts_ms)) {
        return Err(Problem::invalid(format!("`lasts_ms` must be 1 to {LASTS_MS_MAX}")));
    }
    let amount = amount(new.amount_usd.as_deref(), new.amount_nano_usd)?;
    let batch = operator.system.accounts.new_id();
    let (codes, hashes) = Code::Credit.make(batch, new.count)?;
    let NewCodes { name, kind, uses, expires_at_ms, lasts_ms, .. } = new;
    let made = CodeBatch { name, hashes, kind, amount, uses_max: uses, expires_at_ms, lasts_ms };
    operator.system.accounts.make_codes(batch, made).await?;
    tracing::info!(%batch, codes = codes.len(), %amount, "codes made");
    let made = MadeCodes { batch: batch.to_string(), codes };
    Ok((StatusCode::CREATED, Answer(made)))
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
