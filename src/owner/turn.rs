//! One change of an account at a time, by whoever may make it then.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};

use super::principal::Principal;
use super::{Owners, once, version};
use crate::api::{Problem, read};

/// Has what changes something carried out in the account's turn, once all of it has come: a body may
/// take its time, and whoever sent its head may be nobody by its end. So who asks, and what they may,
/// is found out once more for the handler, with nothing to wait for and nothing that comes between.
pub(super) async fn in_turn(
    State(owners): State<Arc<Owners>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if is_apart(request.uri().path()) {
        return next.run(request).await;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return version::answer(&owners, request, next).await;
    }
    match whole(&owners, request).await {
        Ok((principal, request)) => {
            let doing = Arc::clone(&owners);
            let changing = Box::pin(async move {
                let answer = |request| version::answer(&doing, request, next);
                once::carry_out(&doing, request, answer).await
            });
            let turn = owners.world.turns.take(principal.id(), changing).await;
            Problem::unless_broken(turn).unwrap_or_else(Problem::into_response)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whether nobody's turn is taken here. A report of a compromised key tells of a week's use, which others
/// are not to wait for; it has no body to wait for, and takes the turn itself to compare versions and
/// revoke. Whoever signs up has no account yet.
pub(super) fn is_apart(path: &str) -> bool {
    path.ends_with("/compromised") || path.ends_with("/signup")
}

/// The request with all of its body, which is read of nobody who has no key.
async fn whole(
    owners: &Arc<Owners>,
    request: Request<Body>,
) -> Result<(Principal, Request<Body>), Problem> {
    let (mut parts, body) = request.into_parts();
    let principal = Principal::from_request_parts(&mut parts, owners).await?;
    let body = Body::from(read(body).await?);
    Ok((principal, Request::from_parts(parts, body)))
}
