//! Invites: made in bulk and shown once, each good for a number of accounts.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{CodeBatch, Denial, GrantKind, InviteBatch, Refusal, Removal};
use infergate_actors::id::AccountId;
use infergate_actors::money::NanoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::codes::{check_batch, one};
use super::request::{Asked, Json, id, text};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{Code, page_limit};

const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 100;
const REASON_DEFAULT: &str = "taken back by the operator";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvites {
    name: String,
    count: usize,
    #[serde(default = "one")]
    uses: u32,
    expires_at_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitesPage {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: Option<String>,
}

/// A batch, without its invites.
#[derive(Serialize, JsonSchema)]
struct Batch {
    #[serde(rename = "batch")]
    id: String,
    name: String,
    made_at_ms: u64,
    count: usize,
    uses: u32,
    used: usize,
    expires_at_ms: Option<u64>,
    revoked: Option<Removal>,
}

pub(super) async fn make(
    State(operator): State<Arc<Operator>>,
    Json(new): Json<NewInvites>,
) -> Result<impl IntoResponse, Problem> {
    let NewInvites { name, count, uses, expires_at_ms } = new;
    check_batch(&operator, &name, count, uses, expires_at_ms)?;
    let batch = operator.system.accounts.new_id();
    let (invites, hashes) = Code::Invite.make(batch, count)?;
    // An invite gives no credit: what there is to begin with is the policy's to say.
    let (kind, amount, lasts_ms) = (GrantKind::Trial, NanoUsd::ZERO, None);
    let made = CodeBatch { name, hashes, kind, amount, uses_max: uses, expires_at_ms, lasts_ms };
    operator.system.accounts.make_invites(batch, made).await?;
    tracing::info!(%batch, count, "invites made");
    let answer = json!({ "batch": batch.to_string(), "invites": invites });
    Ok((StatusCode::CREATED, Answer(answer)))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<InvitesPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let accounts = &operator.system.accounts;
    let mut listed = accounts.list_invites(page.after, limit + 1).await?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|(place, _)| *place);
    let mut batches = Vec::new();
    for (_, batch) in listed {
        match accounts.inspect_invites(batch).await {
            Ok(batch) => batches.push(Batch::of(batch)),
            // Listed, and then not made.
            Err(Refusal::Denied(Denial::NoSuchAccount)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(Answer(json!({ "invites": batches, "next": next })))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    Path(batch): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let batch: AccountId = id(&batch)?;
    let shown = operator.system.accounts.inspect_invites(batch).await;
    Ok(Answer(Batch::of(shown.map_err(unknown)?)))
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    who: Who,
    Path(batch): Path<String>,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let batch: AccountId = id(&batch)?;
    let reason = why.reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    text("reason", &reason)?;
    let revoked = operator.system.accounts.revoke_invites(batch, who.name, reason).await;
    tracing::info!(%batch, "invites taken back");
    Ok(Answer(Batch::of(revoked.map_err(unknown)?)))
}

fn unknown(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Denied(Denial::NoSuchAccount) => Problem::not_found("no such batch of invites"),
        refusal => refusal.into(),
    }
}

impl Batch {
    fn of(batch: InviteBatch) -> Self {
        let InviteBatch { id, name, made_at_ms, invites, uses_max, used, expires_at_ms, revoked } =
            batch;
        Self {
            id: id.to_string(),
            name,
            made_at_ms,
            count: invites,
            uses: uses_max,
            used,
            expires_at_ms,
            revoked,
        }
    }
}
