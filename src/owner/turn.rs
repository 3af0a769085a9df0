//! One change of an account at a time, by whoever may make it then.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use infergate_actors::id::AccountId;

use super::intake::{BODY_BYTES_MAX, Sender};
use super::principal::Principal;
use super::sign_up::Admitted;
use super::tries::network;
use super::{Owners, client, once, version};
use crate::api::{Problem, once as idempotency, read_within};

const SIGN_UP: &str = "/signup";

/// Has what changes something carried out in the account's turn, once all of it has come: a body may
/// take its time, and whoever sent its head may be nobody by its end. So who asks, and what they may,
/// is found out once more for the handler, with nothing to wait for and nothing that comes between.
///
/// A request is in the works before its body and after it, and not while that comes.
pub(super) async fn in_turn(
    State(owners): State<Arc<Owners>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let answered = answer(&owners, request, next).await;
    answered.unwrap_or_else(Problem::into_response)
}

async fn answer(
    owners: &Arc<Owners>,
    request: Request<Body>,
    next: Next,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    let (signs_up, is_apart) = (path.ends_with(SIGN_UP), is_apart(path));
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if (is_apart && !signs_up) || is_reading {
        let _at_work = owners.at_work()?;
        return Ok(if is_apart {
            next.run(request).await
        } else {
            version::answer(owners, request, next).await
        });
    }
    if signs_up {
        let request = whole_of_nobody(owners, request).await?;
        let _at_work = owners.at_work()?;
        return Ok(next.run(request).await);
    }
    let (account, request) = whole(owners, request).await?;
    let _at_work = owners.at_work()?;
    let doing = Arc::clone(owners);
    let changing = Box::pin(async move {
        let answer = |request| paced(&doing, account, request, next);
        once::carry_out(&doing, request, answer).await
    });
    Problem::unless_broken(owners.world.turns.take(account, changing).await)
}

/// Whether nobody's turn is taken here. A report of a compromised key tells of a week's use, which others
/// are not to wait for; it has no body to wait for, and takes the turn itself to compare versions and
/// revoke. Whoever signs up has no account yet.
pub(super) fn is_apart(path: &str) -> bool {
    path.ends_with("/compromised") || path.ends_with(SIGN_UP)
}

/// The request with all of its body, which is read of nobody who has no key.
async fn whole(
    owners: &Arc<Owners>,
    request: Request<Body>,
) -> Result<(AccountId, Request<Body>), Problem> {
    let (mut parts, body) = request.into_parts();
    let account = {
        let _at_work = owners.at_work()?;
        Principal::from_request_parts(&mut parts, owners).await?.id()
    };
    let body = come(owners, Sender::Account(account), body).await?;
    Ok((account, Request::from_parts(parts, body)))
}

/// The same of whoever may sign up.
async fn whole_of_nobody(
    owners: &Arc<Owners>,
    request: Request<Body>,
) -> Result<Request<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let admitted = Admitted::from_request_parts(&mut parts, owners).await?;
    let sender = Sender::Address(network(client(&parts)?));
    parts.extensions.insert(admitted);
    let body = come(owners, sender, body).await?;
    Ok(Request::from_parts(parts, body))
}

/// A body that has come. What has none takes no place of those that have.
async fn come(owners: &Owners, sender: Sender, body: Body) -> Result<Body, Problem> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let _place = owners.intake.enter(sender)?;
    Ok(Body::from(read_within(body, BODY_BYTES_MAX).await?))
}

/// Makes a change unless its account has made too many, and counts it if it was made. What takes something
/// away is never too much: each time, something was made before.
async fn paced(
    owners: &Arc<Owners>,
    account: AccountId,
    request: Request<Body>,
    next: Next,
) -> Response {
    if *request.method() == Method::DELETE {
        return version::answer(owners, request, next).await;
    }
    let pace = &owners.pace;
    if let Err(wait) = pace.check(account, owners.world.clock.mono()) {
        let detail = "the account has changed too much within a minute: try again later";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
        return Problem { retry_after: Some(wait), ..problem }.into_response();
    }
    let length = |body: &Body| body.size_hint().lower().try_into().unwrap_or(usize::MAX);
    let (asked, is_kept) = (length(request.body()), idempotency::is_asked(request.headers()));
    let response = version::answer(owners, request, next).await;
    if response.status().is_success() {
        let kept = if is_kept { length(response.body()) } else { 0 };
        pace.count(account, asked.saturating_add(kept), owners.world.clock.mono());
    }
    response
}
