//! Versions of what owners see and change: told with each look and change, and asked for by `if-match`.
//!
//! A version is made of what its owners are shown, so it says nothing of what is the operator's. It is
//! compared in the account's turn, behind what refuses whoever may not change anything there.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, Request, header};
use infergate_actors::account::AccountView;
use infergate_actors::id::KeyId;

use super::Owners;
use super::need::{is_below, may_change};
use super::principal::Principal;
use crate::api::version::{self, Part, Seen, check_match, put_etag};
use crate::api::{OwnAccount, Problem, named, params};
use crate::openapi::{Common, Served};

/// What has a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Account,
    /// The key that asks.
    OwnKey,
    Key,
    Project,
    Member,
    Watch,
    Webhook,
}

/// What each path, and each below it, is about. What is not in here has no version.
const SUBJECTS: [(&str, Subject); 7] = [
    ("/api/v1/account", Subject::Account),
    ("/api/v1/key", Subject::OwnKey),
    ("/api/v1/keys/{key}", Subject::Key),
    ("/api/v1/projects/{project}", Subject::Project),
    ("/api/v1/members/{member}", Subject::Member),
    ("/api/v1/watch", Subject::Watch),
    ("/api/v1/webhooks/{webhook}", Subject::Webhook),
];

/// One of them.
#[derive(Clone, Copy, Debug)]
enum Named {
    Account,
    Part(Part),
}

/// Answers with the version of what a route is about, if it has one. A change is made of the versions that
/// are asked for, and is in the account's turn already.
pub(super) async fn answer(owners: &Arc<Owners>, request: Request<Body>, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let about = path.and_then(|path| Subject::of(path.as_str()).map(|subject| (subject, path)));
    match about {
        Some(about) => {
            let (parts, body) = request.into_parts();
            let answered = answer_about(owners, about, parts, body, next).await;
            answered.unwrap_or_else(Problem::into_response)
        }
        None => next.run(request).await,
    }
}

async fn answer_about(
    owners: &Arc<Owners>,
    (subject, path): (Subject, MatchedPath),
    mut parts: Parts,
    body: Body,
    next: Next,
) -> Result<Response, Problem> {
    let is_reading = matches!(parts.method, Method::GET | Method::HEAD);
    let principal = Principal::from_request_parts(&mut parts, owners).await?;
    let account = principal.id();
    // What can't be read is the handler's to refuse.
    let named = subject.named(&mut parts, &principal).await.ok();
    let shown = named.filter(|named| named.is_shown_to(&principal));
    let seen = shown.and_then(|named| named.seen(&principal.account));
    if named.is_some() && !is_reading && parts.headers.contains_key(header::IF_MATCH) {
        may_change(&principal, &parts.method, path.as_str())?;
        check_match(&parts.headers, seen.as_ref())?;
    }
    // The handler shows and changes what was seen here.
    parts.extensions.insert(principal);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_success() {
        let seen = if is_reading {
            seen
        } else {
            let view = owners.world.accounts.inspect(account).await.ok();
            named.zip(view).and_then(|(named, view)| named.seen(&view))
        };
        put_etag(response.headers_mut(), seen.as_ref());
    }
    Ok(response)
}

/// Whether a key is of a version that is asked for, for what takes the account's turn itself.
pub(super) fn check_key(
    headers: &HeaderMap,
    account: &AccountView,
    key: KeyId,
) -> Result<(), Problem> {
    check_match(headers, Part::Key(key).seen(account).as_ref())
}

/// An answer with the version of the key that it is about.
pub(super) fn of_key(account: &AccountView, key: KeyId, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    put_etag(response.headers_mut(), Part::Key(key).seen(account).as_ref());
    response
}

/// Says it in the document.
pub(super) fn describe(served: &Served, common: &mut Common) {
    if Subject::of(&served.path).is_some() {
        version::describe(common, served.method != "get");
    }
}

impl Subject {
    /// Of a path as the router has it.
    fn of(path: &str) -> Option<Self> {
        SUBJECTS.iter().find(|(top, _)| is_below(path, top)).map(|(_, subject)| *subject)
    }

    async fn named(self, parts: &mut Parts, principal: &Principal) -> Result<Named, Problem> {
        let params = params(parts).await?;
        Ok(Named::Part(match self {
            Self::Account => return Ok(Named::Account),
            Self::OwnKey => Part::Key(principal.key.key.id),
            Self::Key => Part::Key(named(&params, "key")?),
            Self::Project => Part::Project(named(&params, "project")?),
            Self::Member => Part::Member(named(&params, "member")?),
            Self::Watch => Part::Watch,
            Self::Webhook => Part::Webhook(named(&params, "webhook")?),
        }))
    }
}

impl Named {
    /// Whether it is there for whoever asks.
    fn is_shown_to(self, principal: &Principal) -> bool {
        match self {
            Self::Part(Part::Key(key)) => principal.find_key(key).is_ok(),
            Self::Account | Self::Part(_) => true,
        }
    }

    /// As its owners see it; `None` where there is none.
    fn seen(self, account: &AccountView) -> Option<Seen> {
        match self {
            Self::Account => Some(Seen::of_account(&OwnAccount::of(account))),
            Self::Part(part) => part.seen(account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_about_what_its_path_names_or_about_nothing() {
        for served in crate::owner::served() {
            let subject = Subject::of(&served.path);
            assert!(subject.is_some() || !served.path.contains('{'), "{}", served.path);
        }
        for (top, subject) in SUBJECTS {
            let is_at = |served: &Served| served.path == top;
            assert!(crate::owner::served().iter().any(is_at), "{top} is no route");
            assert_eq!(Subject::of(top), Some(subject));
        }
        assert_eq!(Subject::of("/api/v1/keys"), None);
        assert_eq!(Subject::of("/api/v1/key/compromised"), Some(Subject::OwnKey));
        assert_eq!(Subject::of("/api/v1/keys/{key}/rotate"), Some(Subject::Key));
    }
}
