//! What whoever owns an account asks for under an idempotency key: done once, and answered again as it was.
//!
//! To be carried out in the account's turn: whoever asks a second time while the first is under way waits
//! for it, and is then told what it came to.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use infergate_actors::account::{Answered, Once, OnceDenial, OnceRefusal, Recalled, doing_once};
use infergate_actors::id::AccountId;
use serde_json::{Value, json};

use super::Owners;
use super::need::may_change;
use super::principal::Principal;
use super::turn::is_apart;
use crate::api::{Problem, once, read};
use crate::notify::{Reader, Told};
use crate::openapi::{Common, Served};

/// Carries out a request, unless that was done before under the idempotency key that it brings.
pub(super) async fn carry_out<F: Future<Output = Response>>(
    owners: &Arc<Owners>,
    request: Request<Body>,
    endpoint: impl FnOnce(Request<Body>) -> F,
) -> Result<Response, Problem> {
    let Some(name) = once::key(request.headers())? else { return Ok(endpoint(request).await) };
    let (mut parts, body) = request.into_parts();
    // While the body came, and while others had their turn, the key may have been revoked.
    let principal = Principal::from_request_parts(&mut parts, owners).await?;
    let account = principal.id();
    let bytes = read(body).await?;
    let once = Once::new(principal.key.key.id, &name, once::fingerprint(&parts, &bytes));
    match owners.world.accounts.recall(account, once).await? {
        Recalled::New => {}
        Recalled::Answered(number) => {
            may_see(&principal, &parts)?;
            return replay(owners, account, number).await;
        }
        Recalled::Done(first, last) => {
            may_see(&principal, &parts)?;
            return lost(owners, account, once, (first, last)).await;
        }
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let (parts, body) = doing_once(account, once, endpoint(request)).await.into_parts();
    // All answers to what changes something are whole.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let answer = once::kept(&parts.headers, &bytes);
    let answered = Answered { once, status: parts.status.as_u16(), answer };
    owners.world.accounts.keep_answer(account, answered).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Refuses whoever may not do it any more: their key was given less since, or is replaced.
fn may_see(principal: &Principal, parts: &Parts) -> Result<(), Problem> {
    let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    may_change(principal, &parts.method, path)
}

/// The answer that was given before, without secrets.
async fn replay(owners: &Owners, account: AccountId, number: u64) -> Result<Response, Problem> {
    let kept = owners.world.accounts.kept_answer(account, number).await?;
    let kept = kept.ok_or_else(|| Problem::unavailable("the kept answer is gone"))?;
    Ok(once::replay(Some(kept.status), kept.answer))
}

/// What is told of what was done, where the answer was lost: the events that its owner may be told of.
async fn lost(
    owners: &Owners,
    account: AccountId,
    once: Once,
    numbers: (u64, u64),
) -> Result<Response, Problem> {
    let entries = owners.world.accounts.done_once(account, once, numbers).await?;
    let told = entries.iter().filter_map(|entry| {
        let kind = entry.notice()?;
        Some(json!(Told::of(entry, kind, Reader::Owner)))
    });
    let events: Vec<Value> = told.collect();
    let did = [json!({ "account": account.to_string(), "events": events })];
    Ok(once::replayed(Json(once::lost(json!({}), &did))))
}

/// What follows for the document: whatever changes something, and is done in the account's turn, takes a
/// key.
pub(super) fn declare(served: &Served, common: &mut Common) {
    let is_reading = served.method.eq_ignore_ascii_case(Method::GET.as_str());
    if !is_reading && !is_apart(&served.path) {
        once::declare(common, &[408, 413]);
    }
}

impl From<OnceRefusal> for Problem {
    fn from(refusal: OnceRefusal) -> Self {
        let denial = match refusal {
            OnceRefusal::Denied(denial) => denial,
            OnceRefusal::Unavailable(unavailable) => return unavailable.into(),
        };
        let (status, retry_after) = match denial {
            OnceDenial::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, None),
            OnceDenial::TooManyKeys { retry_after }
            | OnceDenial::TooManyKeysOfAsker { retry_after } => {
                (StatusCode::TOO_MANY_REQUESTS, Some(retry_after))
            }
        };
        Self { retry_after, ..Self::new(status, denial.to_string()) }
    }
}
