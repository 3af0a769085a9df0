//! Redemption codes: made in bulk and shown once, redeemed once by an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{CodeBatch, GrantKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::batches::{CODES_MAX, USES_MAX, check_batch, one};
use super::credit::amount;
use super::request::{AccountOf, Json};
use super::{Operator, Problem};
use crate::api::{Code, MadeCodes, Redeemed, Redemption};
use crate::openapi::{self, Routes, doc, pattern, post};

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
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = USES_MAX))]
    uses: u32,
    /// When the codes stop working.
    expires_at_ms: Option<u64>,
    /// How long what they give lasts once it is redeemed.
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
