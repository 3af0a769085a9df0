//! What is done for an operator: allowed, written down before and after, and done once.
//!
//! ```text
//! token ─▶ rule ─▶ role ─▶ body ─▶ intent on disk ─▶ the account's turn ─▶ version ─▶ the endpoint
//!           │       │        │            │                                    │            │
//!           └───────┴────────┴─ refused: noted on disk      done before: told again         │
//!                                                            answer ◀─ outcome on disk ◀────┘
//! ```

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use infergate_actors::account::{
    Asked, Begun, Ended, Idempotency, OperatorDenial, OperatorRefusal, acting,
};
use infergate_actors::id::{AccountId, ExchangeId};
use infergate_actors::ledger::Ledger;
use serde_json::{Value, json};

use super::rules::{Repeat, Rule, Subject};
use super::settings::Named;
use super::view::{Account, JournalLine};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::version::{Seen, check_match, put_etag};
use crate::api::{once, redact};

/// What is under way when it is asked for again takes no longer, mostly.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// The action of what is nowhere.
const UNKNOWN: &str = "none";
const CREATE_ACCOUNT: &str = "account.create";

/// A request on its way to its endpoint.
struct Errand {
    operator: Arc<Operator>,
    rule: &'static Rule,
    named: Named,
    asked: Asked,
    request: Request<Body>,
    next: Next,
}

/// Answers a request of `who`.
pub(super) async fn answer(
    operator: Arc<Operator>,
    who: Who,
    client: Option<IpAddr>,
    id: ExchangeId,
    request: Request<Body>,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let is_reading = matches!(parts.method, Method::GET | Method::HEAD);
    let params = params(&mut parts).await;
    let matched = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let rule = matched.as_deref().and_then(|path| Rule::find(&parts.method, path));
    let named = Named::of(rule.map_or(Subject::Nothing, |rule| rule.subject), &params);
    let asked = asked(&who, client, id, rule, named.account, &parts);
    let refusal = match (rule, matched) {
        (Some(rule), _) => missing(&who, rule).map(IntoResponse::into_response),
        (None, Some(path)) => Some(wrong_method(&parts, &path)),
        (None, None) => {
            let detail = format!("there is nothing at `{}`", parts.uri.path());
            Some(Problem::not_found(detail).into_response())
        }
    };
    parts.extensions.insert(who);
    let (Some(rule), None) = (rule, &refusal) else {
        let refusal = refusal.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response());
        return if is_reading { refusal } else { operator.noted(asked, refusal).await };
    };
    if is_reading {
        // Looked at first, so that the version is never newer than what is shown.
        let seen = operator.look(&named).await;
        let mut response = next.run(Request::from_parts(parts, body)).await;
        if response.status().is_success() {
            put_etag(response.headers_mut(), seen.as_ref());
        }
        return response;
    }
    let bytes = match crate::api::read(body).await {
        Ok(bytes) => bytes,
        Err(problem) => return operator.noted(asked, problem.into_response()).await,
    };
    // While the body came, the token may have been revoked.
    let refusal = match operator.who(&parts.headers, client).await {
        Ok(who) => missing(&who, rule),
        Err(problem) => Some(problem),
    };
    if let Some(problem) = refusal {
        return operator.noted(asked, problem.into_response()).await;
    }
    let idempotency = match idempotency(&parts, rule, &bytes) {
        Ok(idempotency) => idempotency,
        Err(problem) => return operator.noted(asked, problem.into_response()).await,
    };
    let in_body = account_of(&bytes);
    let named = named.or_in_body(in_body);
    let asked = Asked {
        account: asked.account.or(in_body),
        body: redact::body(&bytes),
        idempotency,
        ..asked
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    let errand = Errand { operator, rule, named, asked, request, next };
    // To its end, also when nobody waits for the answer any more.
    let doing = tokio::spawn(errand.carry_out());
    doing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an operator's request broke down");
        broken_down()
    })
}

impl Errand {
    async fn carry_out(self) -> Response {
        let Self { operator, rule, named, asked, request, next } = self;
        let is_marked = asked.idempotency.is_some() && rule.repeat == Repeat::Marked;
        let is_kept = asked.idempotency.is_some();
        let action = match operator.operators.begin(asked.clone()).await {
            Ok(Begun::Now(action)) => action,
            Ok(Begun::Before(_, end)) => {
                let replay = operator.replay(rule, end).await;
                return operator.noted(asked, replay).await;
            }
            Err(refusal) => {
                let problem = Problem::from(refusal).into_response();
                return operator.noted(asked, problem).await;
            }
        };
        let _turn = match named.turn() {
            Some(account) => operator.world.turns.of(account).await,
            None => None,
        };
        let before = operator.look(&named).await;
        let response = match check_match(request.headers(), before.as_ref()) {
            Err(problem) => problem.into_response(),
            Ok(()) if is_marked => acting(action, to_its_end(next, request)).await,
            Ok(()) => to_its_end(next, request).await,
        };
        let (mut parts, body) = response.into_parts();
        // All answers to what changes something are whole.
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        let after = operator.look(&named).await;
        if parts.status.is_success() {
            put_etag(&mut parts.headers, after.as_ref());
        }
        let changes = changed(parts.status, before.as_ref(), after.as_ref(), &bytes);
        let answer =
            (is_kept && parts.status.is_success()).then(|| once::kept(&parts.headers, &bytes));
        let deeds = if is_marked && parts.status.is_server_error() {
            match operator.operators.deeds(action).await {
                Ok(deeds) => deeds,
                // Not ended: the next start looks again, and until then it is not done twice.
                Err(error) => return Problem::from(error).into_response(),
            }
        } else {
            Vec::new()
        };
        let status = Some(parts.status.as_u16());
        let ended = Ended { action, status, changes, answer, deeds };
        match operator.operators.end(ended).await {
            Ok(()) => Response::from_parts(parts, Body::from(bytes)),
            Err(refusal) => Problem::from(refusal).into_response(),
        }
    }
}

impl Operator {
    /// Writes down what was answered without being begun, before the answer leaves.
    async fn noted(&self, asked: Asked, response: Response) -> Response {
        match self.operators.note(asked, response.status().as_u16()).await {
            Ok(()) => response,
            Err(refusal) => Problem::from(refusal).into_response(),
        }
    }

    /// The answer that was given before, without secrets; what was done, where there was none.
    async fn replay(&self, rule: &Rule, end: u64) -> Response {
        let ended = match self.operators.ended(end).await {
            Ok(Some(ended)) => ended,
            Ok(None) => return Problem::unavailable("the kept answer is gone").into_response(),
            Err(error) => return Problem::from(error).into_response(),
        };
        match ended.answer {
            Some(kept) => once::replay(ended.status, kept),
            None => once::replayed(self.lost(rule, &ended).await),
        }
    }

    /// What is told of what was done, where the answer was lost: an account as it is now, and of all else
    /// what the journal has.
    async fn lost(&self, rule: &Rule, ended: &Ended) -> Response {
        let mut did = Vec::new();
        for deed in &ended.deeds {
            let (account, after) = (deed.account, deed.first.saturating_sub(1));
            let count = usize::try_from(deed.last.saturating_sub(after)).unwrap_or(0);
            let read = move |ledger: &Ledger| ledger.account_journal(account, after, count);
            let events = match self.system.accounts.read(read).await {
                Ok(events) => events,
                Err(error) => return Problem::from(error).into_response(),
            };
            let events: Vec<JournalLine<'_>> = events.iter().map(JournalLine::of).collect();
            did.push(json!({ "account": account.to_string(), "events": events }));
        }
        let mut body = json!({});
        if let (CREATE_ACCOUNT, Some(made)) = (rule.action, ended.deeds.first())
            && let Ok(view) = self.system.accounts.inspect(made.account).await
        {
            body = json!(Account::of(&view));
        }
        axum::Json(once::lost(body, &did)).into_response()
    }
}

/// The endpoint's answer, also where it breaks down: what it began must end, or it stays under way.
async fn to_its_end(next: Next, request: Request<Body>) -> Response {
    // Nothing of the request is looked at any more behind a panic.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| {
        tracing::error!("an operator's request broke down");
        broken_down()
    })
}

fn broken_down() -> Response {
    let detail = "the gateway broke down over this; the audit log says what was asked";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}

/// What changed: of a resource that was there, or of one that was made.
fn changed(
    status: StatusCode,
    before: Option<&Seen>,
    after: Option<&Seen>,
    bytes: &Bytes,
) -> String {
    if !status.is_success() {
        return String::new();
    }
    if before.is_none() && after.is_none() && status == StatusCode::CREATED {
        let made = serde_json::from_slice(bytes).ok();
        return redact::changes(None, made.as_ref());
    }
    redact::changes(before.map(Seen::told).as_ref(), after.map(Seen::told).as_ref())
}

fn asked(
    who: &Who,
    client: Option<IpAddr>,
    request: ExchangeId,
    rule: Option<&Rule>,
    account: Option<AccountId>,
    parts: &Parts,
) -> Asked {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    Asked {
        token: who.token,
        name: who.name.clone(),
        role: who.role,
        address: client,
        request,
        action: rule.map_or(UNKNOWN, |rule| rule.action).to_owned(),
        method: redact::cut(parts.method.as_str(), 16).to_owned(),
        path: redact::path(path),
        account,
        body: String::new(),
        idempotency: None,
    }
}

/// The account that a body names.
fn account_of(body: &[u8]) -> Option<AccountId> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("account")?.as_str()?.parse().ok()
}

/// What the role lacks.
fn missing(who: &Who, rule: &Rule) -> Option<Problem> {
    let needs = rule.needs;
    if needs.is_of(who.role) {
        return None;
    }
    let (name, has, needed, roles) = (&who.name, who.role.name(), needs.name(), needs.roles());
    let detail = format!(
        "`{}` needs the permission `{needed}`, which these roles have: {roles}; the token `{name}` \
         has the role {has}",
        rule.action
    );
    Some(Problem::new(StatusCode::FORBIDDEN, detail))
}

fn wrong_method(parts: &Parts, path: &str) -> Response {
    let (method, asked) = (&parts.method, parts.uri.path());
    let detail = format!("`{asked}` does not take {method}; see the header `allow`");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
    if let Ok(allowed) = HeaderValue::try_from(Rule::allowed(path)) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

async fn params(parts: &mut Parts) -> Vec<(String, String)> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    let owned = |params: RawPathParams| {
        params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    params.map_or_else(|_| Vec::new(), owned)
}

/// The wish that it be done once.
fn idempotency(parts: &Parts, rule: &Rule, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let wish = |key| Idempotency {
        key,
        fingerprint: once::fingerprint(parts, body),
        is_repeatable: rule.repeat == Repeat::Again,
    };
    Ok(once::key(&parts.headers)?.map(wish))
}

impl From<OperatorRefusal> for Problem {
    fn from(refusal: OperatorRefusal) -> Self {
        let OperatorRefusal::Denied(denial) = refusal else {
            let detail = "what operators do can't be written down: nothing is done without";
            return Self::unavailable(detail);
        };
        let status = match denial {
            OperatorDenial::UnknownToken => StatusCode::NOT_FOUND,
            OperatorDenial::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            OperatorDenial::TooManyKeys | OperatorDenial::TooManyKeysOfToken => {
                StatusCode::TOO_MANY_REQUESTS
            }
            OperatorDenial::TokenOver
            | OperatorDenial::NameTaken
            | OperatorDenial::TooManyTokens
            | OperatorDenial::UnderWay => StatusCode::CONFLICT,
        };
        let retry_after = (denial == OperatorDenial::UnderWay).then_some(UNDER_WAY);
        Self { retry_after, ..Self::new(status, denial.to_string()) }
    }
}
