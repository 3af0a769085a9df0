//! Redemption codes: made in bulk and shown once, redeemed once by an account, taken back by the batch.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{BatchView, CodeBatch, CodeKind, GrantKind, Removal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batches::{BatchOf, BatchesPage, CODES_MAX, USES_MAX, Why, check_batch, one, or_one};
use super::credit::amount;
use super::request::{AccountOf, Asked, Json};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{Code, MadeCodes, Redeemed, Redemption};
use crate::openapi::{self, Routes, doc, get, pattern, post};
use crate::operate::amount::Amounts;
use crate::usage::calendar;

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

/// A batch, without its codes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Codes")]
struct Batch {
    #[serde(rename = "batch")]
    id: String,
    name: String,
    made_at_ms: u64,
    kind: GrantKind,
    #[serde(flatten)]
    amount: Amounts<1>,
    count: usize,
    uses: u32,
    used: usize,
    expires_at_ms: Option<u64>,
    lasts_ms: Option<u64>,
    revoked: Option<Removal>,
}

/// A page of batches.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CodesList")]
struct Batches {
    codes: Vec<Batch>,
    /// What to go on behind; none at the end.
    next: Option<u64>,
}

const TAG: &str = "Codes";

/// What is served of codes.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let made = doc("createCodes", "Makes redemption codes, which are shown once.")
        .answers::<MadeCodes>(201)
        .example(json!({ "name": "spring", "count": 2, "kind": "promotional", "amount_usd": "5" }));
    let redeemed = doc("redeemCode", "Redeems a code for an account.")
        .answers::<Redeemed>(200)
        .refuses(&[409])
        .example(json!({ "code": "igc-0000000000000002-…" }));
    let listed = doc("listCodes", "Lists batches of redemption codes, page by page.");
    let listed = listed.answers::<Batches>(200);
    let shown = doc("getCodes", "Shows a batch, without its codes.").answers::<Batch>(200);
    let revoked = doc("revokeCodes", "Takes a batch back: its codes stop working.");
    let revoked = revoked.answers::<Batch>(200).refuses(&[409, 422]);
    Routes::new()
        .route(TAG, "/admin/v1/codes", get(list, listed).post(make, made))
        .route(TAG, "/admin/v1/codes/{batch}", get(show, shown).delete(revoke, revoked))
        .route(TAG, "/admin/v1/accounts/{account}/redeem", post(redeem, redeemed))
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

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<BatchesPage>,
) -> Result<impl IntoResponse, Problem> {
    let (batches, next) = page.of(&operator, CodeKind::Credit).await?;
    Ok(Answer(Batches { codes: batches.into_iter().map(Batch::of).collect(), next }))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    batch: BatchOf,
) -> Result<impl IntoResponse, Problem> {
    Ok(Answer(Batch::of(batch.show(&operator, CodeKind::Credit).await?)))
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    who: Who,
    batch: BatchOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let revoked = batch.revoke(&operator, CodeKind::Credit, (who, why)).await?;
    tracing::info!(batch = %revoked.id, "codes taken back");
    Ok(Answer(Batch::of(revoked)))
}

pub(super) async fn redeem(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(asked): Json<Redemption>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Answer(asked.by(&operator.world, account).await?))
}

impl Batch {
    fn of(batch: BatchView) -> Self {
        Self {
            id: batch.id.to_string(),
            name: batch.name,
            made_at_ms: batch.made_at_ms,
            kind: batch.kind,
            amount: Amounts::one(batch.amount),
            count: batch.codes,
            uses: batch.uses_max,
            used: batch.used,
            expires_at_ms: batch.expires_at_ms,
            lasts_ms: batch.lasts_ms,
            revoked: batch.revoked,
        }
    }
}
