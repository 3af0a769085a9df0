//! What operators do alike with batches of codes and of invites: page through them, name one, take it back.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use infergate_actors::account::{BatchView, CodeKind, Denial, Refusal};
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::request::text;
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{named, page_limit, params};
use crate::openapi::{Operation, Takes, pattern};

/// A batch is one actor, and one event and snapshot hold all of it.
pub(super) const CODES_MAX: usize = 1_000;
pub(super) const USES_MAX: u32 = 10_000;

const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 100;
const REASON_DEFAULT: &str = "taken back by the operator";

/// Which batches to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchesPage {
    /// The `next` of the page before.
    #[serde(default)]
    after: u64,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<usize>,
}

/// Why a batch is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BatchReason")]
pub(super) struct Why {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: Option<String>,
}

/// The batch that the path names.
pub(super) struct BatchOf(AccountId);

impl FromRequestParts<Arc<Operator>> for BatchOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        named(&params(parts).await?, "batch").map(Self)
    }
}

impl Takes for BatchOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("batch", Some(pattern::ACCOUNT), "The batch's id.");
        operation.refuses(&[400, 404]);
    }
}

impl BatchesPage {
    /// The batches of the page, and what to go on behind: `None` at the end.
    pub(super) async fn of(
        &self,
        operator: &Operator,
        what: CodeKind,
    ) -> Result<(Vec<BatchView>, Option<u64>), Problem> {
        let limit = page_limit(self.limit, PAGE_DEFAULT, PAGE_MAX)?;
        let accounts = &operator.system.accounts;
        let mut listed = accounts.list_batches(what, self.after, limit + 1).await?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        let next = listed.last().filter(|_| more).map(|(place, _)| *place);
        let mut batches = Vec::new();
        for (_, batch) in listed {
            match accounts.inspect_batch(what, batch).await {
                Ok(batch) => batches.push(batch),
                // Listed, and then not made.
                Err(Refusal::Denied(Denial::NoSuchAccount)) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Ok((batches, next))
    }
}

impl BatchOf {
    /// The batch as it is, if it is one of this kind.
    pub(super) async fn show(
        self,
        operator: &Operator,
        what: CodeKind,
    ) -> Result<BatchView, Problem> {
        let shown = operator.system.accounts.inspect_batch(what, self.0).await;
        shown.map_err(|refusal| unknown(what, refusal))
    }

    /// Takes it back, if it is one of this kind: the batch as it is then.
    pub(super) async fn revoke(
        self,
        operator: &Operator,
        what: CodeKind,
        (who, why): (Who, Why),
    ) -> Result<BatchView, Problem> {
        let reason = why.reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
        text("reason", &reason)?;
        let revoked = operator.system.accounts.revoke_batch(what, self.0, who.name, reason).await;
        revoked.map_err(|refusal| unknown(what, refusal))
    }
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

/// What is told of a batch that is not there, or not of this kind.
fn unknown(what: CodeKind, refusal: Refusal) -> Problem {
    let detail = match what {
        CodeKind::Credit => "no such batch of codes",
        CodeKind::Invite => "no such batch of invites",
    };
    match refusal {
        Refusal::Denied(Denial::NoSuchAccount) => Problem::not_found(detail),
        refusal => refusal.into(),
    }
}

/// What serde takes where nothing is said.
pub(super) fn one() -> u32 {
    1
}

/// [`one`] also where it is `null`.
pub(super) fn or_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Option::deserialize(deserializer).map(|uses| uses.unwrap_or_else(one))
}
