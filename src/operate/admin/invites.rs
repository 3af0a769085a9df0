//! Invites: made in bulk and shown once, each good for a number of accounts.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{BatchView, CodeBatch, CodeKind, GrantKind, Removal};
use infergate_actors::money::NanoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::batches::{BatchOf, BatchesPage, CODES_MAX, USES_MAX, Why, check_batch, one, or_one};
use super::request::{Asked, Json};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::Code;
use crate::openapi::{Routes, doc, get, pattern};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvites {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    #[schemars(range(min = 1, max = CODES_MAX))]
    count: usize,
    /// How many accounts each is good for.
    #[serde(default = "one", deserialize_with = "or_one")]
    #[schemars(with = "Option<u32>", range(min = 1, max = USES_MAX))]
    uses: u32,
    expires_at_ms: Option<u64>,
}

/// A batch, without its invites.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invites")]
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

/// Invites that were made: the only place where they are ever shown.
#[derive(Serialize, JsonSchema)]
struct MadeInvites {
    batch: String,
    invites: Vec<String>,
}

/// A page of batches.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitesList")]
struct Batches {
    invites: Vec<Batch>,
    /// What to go on behind; none at the end.
    next: Option<u64>,
}

const TAG: &str = "Invites";

/// What is served of invites.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let made = doc("createInvites", "Makes invites, which are shown once.")
        .answers::<MadeInvites>(201)
        .refuses(&[409])
        .example(json!({ "name": "beta", "count": 2, "uses": 1 }));
    let listed = doc("listInvites", "Lists batches of invites, page by page.");
    let listed = listed.answers::<Batches>(200);
    let shown = doc("getInvites", "Shows a batch, without its invites.").answers::<Batch>(200);
    let revoked = doc("revokeInvites", "Takes a batch back: its invites stop working.");
    let revoked = revoked.answers::<Batch>(200).refuses(&[409, 422]);
    Routes::new().route(TAG, "/admin/v1/invites", get(list, listed).post(make, made)).route(
        TAG,
        "/admin/v1/invites/{batch}",
        get(show, shown).delete(revoke, revoked),
    )
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
    let made = MadeInvites { batch: batch.to_string(), invites };
    Ok((StatusCode::CREATED, Answer(made)))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<BatchesPage>,
) -> Result<impl IntoResponse, Problem> {
    let (batches, next) = page.of(&operator, CodeKind::Invite).await?;
    let batches = batches.into_iter().map(Batch::of).collect();
    Ok(Answer(Batches { invites: batches, next }))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    batch: BatchOf,
) -> Result<impl IntoResponse, Problem> {
    Ok(Answer(Batch::of(batch.show(&operator, CodeKind::Invite).await?)))
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    who: Who,
    batch: BatchOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let revoked = batch.revoke(&operator, CodeKind::Invite, (who, why)).await?;
    tracing::info!(batch = %revoked.id, "invites taken back");
    Ok(Answer(Batch::of(revoked)))
}

impl Batch {
    fn of(batch: BatchView) -> Self {
        let BatchView {
            id, name, made_at_ms, codes, uses_max, used, expires_at_ms, revoked, ..
        } = batch;
        Self {
            id: id.to_string(),
            name,
            made_at_ms,
            count: codes,
            uses: uses_max,
            used,
            expires_at_ms,
            revoked,
        }
    }
}
