//! Redemption codes: made in bulk and shown once, redeemed once by an account.
//!
//! A code is `igc-`, the digits of its batch's id, and a secret. Of the secret, only a hash is kept.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{CodeBatch, Denial, GrantKind};
use infergate_actors::id::{AccountId, KeyHash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::credit::amount;
use super::request::{AccountOf, Json, text};
use super::{Operator, Problem};
use crate::auth;
use crate::openapi::{self, Routes, doc, pattern, post};
use crate::operate::amount::Amounts;

const PREFIX: &str = "igc-";
/// A batch is one actor, and one event and snapshot hold all of it.
const CODES_MAX: usize = 1_000;
const USES_MAX: u32 = 10_000;

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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redemption {
    code: String,
}

/// What a code gave.
#[derive(Serialize, JsonSchema)]
struct Redeemed {
    account: String,
    /// Of the grant.
    reference: String,
    kind: GrantKind,
    #[serde(flatten)]
    amount: Amounts<1>,
    expires_at_ms: Option<u64>,
}

/// Codes that were made: the only place where they are ever shown.
#[derive(Serialize, JsonSchema)]
struct MadeCodes {
    batch: String,
    codes: Vec<String>,
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

fn one() -> u32 {
    1
}

pub(super) async fn make(
    State(operator): State<Arc<Operator>>,
    Json(new): Json<NewCodes>,
) -> Result<impl IntoResponse, Problem> {
    new.check(operator.world.clock.now().wall_ms)?;
    let amount = amount(new.amount_usd.as_deref(), new.amount_nano_usd)?;
    let batch = operator.system.accounts.new_id();
    let codes: Result<Vec<String>, _> =
        (0..new.count).map(|_| auth::new_secret(&prefix_of(batch))).collect();
    let codes = codes.map_err(|error| Problem::unavailable(error.to_string()))?;
    let NewCodes { name, kind, uses, expires_at_ms, lasts_ms, .. } = new;
    let hashes: Vec<KeyHash> = codes.iter().map(|code| auth::hash(code)).collect();
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
    let code = asked.code.trim();
    let batch = batch_of(code).ok_or(Denial::UnknownCode)?;
    let terms = operator.system.accounts.redeem(account, batch, auth::hash(code)).await?;
    tracing::info!(%account, %batch, code = terms.code, "code redeemed");
    Ok(Answer(Redeemed {
        account: account.to_string(),
        reference: terms.reference(),
        kind: terms.kind,
        amount: Amounts::one(terms.amount),
        expires_at_ms: terms.expires_at_ms,
    }))
}

impl NewCodes {
    fn check(&self, now_ms: u64) -> Result<(), Problem> {
        text("name", &self.name)?;
        if !(1..=CODES_MAX).contains(&self.count) {
            return Err(Problem::invalid(format!("`count` must be 1 to {CODES_MAX}")));
        }
        if !(1..=USES_MAX).contains(&self.uses) {
            return Err(Problem::invalid(format!("`uses` must be 1 to {USES_MAX}")));
        }
        if self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(Problem::invalid("`expires_at_ms` is in the past"));
        }
        Ok(())
    }
}

fn prefix_of(batch: AccountId) -> String {
    format!("{PREFIX}{:016x}-", batch.0)
}

/// The batch that a code names.
fn batch_of(code: &str) -> Option<AccountId> {
    let (digits, _) = code.strip_prefix(PREFIX)?.split_once('-')?;
    format!("acct_{digits}").parse().ok()
}
