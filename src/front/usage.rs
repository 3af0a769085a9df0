//! What an account used, for its owner: `GET /api/v1/usage` with a key of the account. Refusals are
//! problem details (RFC 9457), as everywhere outside the dialects.

use infergate_actors::account::KeyScope;
use std::net::SocketAddr;

use axum::extract::Query;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json as value;

use super::{AnswerBody, Shared, json, refusal};
use crate::error::ApiError;
use crate::usage::{Answered, Asked, UsageError, Whose, answer};

impl Shared {
    /// Records, sums or an export of what the caller's account used.
    pub(super) async fn usage(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Response<AnswerBody> {
        let caller = async {
            let caller = self.caller(request, client).await?;
            self.permitted(&caller, &[KeyScope::UsageRead]).await.map(|_| caller.account)
        };
        let account = match caller.await {
            Ok(account) => account,
            Err(error) => return in_problem_details(&error),
        };
        let asked = match Query::<Asked>::try_from_uri(request.uri()) {
            Ok(Query(asked)) => asked,
            Err(error) => return problem(StatusCode::BAD_REQUEST, &error.body_text()),
        };
        let accept = request.headers().get(header::ACCEPT).and_then(|kind| kind.to_str().ok());
        let answered = answer(&self.world, Whose::Account(account), asked, accept).await;
        let (format, body) = match answered {
            Ok(Answered::Whole(format, body)) => (format, AnswerBody::whole(body)),
            Ok(Answered::Export(format, export)) => (format, AnswerBody::export(export, format)),
            Err(error) => return failed(&error),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn failed(error: &UsageError) -> Response<AnswerBody> {
    match error {
        UsageError::Wrong(detail) => problem(StatusCode::BAD_REQUEST, detail),
        UsageError::TooMany => problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
        UsageError::Ledger(error) => {
            tracing::error!(%error, "the ledger can't be read for a client");
            problem(StatusCode::SERVICE_UNAVAILABLE, "the records can't be read now")
        }
    }
}

/// A refusal of the front door, with its headers, in the other form.
fn in_problem_details(error: &ApiError) -> Response<AnswerBody> {
    let (mut parts, _) = refusal(error).into_parts();
    let told = problem(error.status, &error.message);
    let (form, body) = told.into_parts();
    parts.headers.extend(form.headers);
    Response::from_parts(parts, body)
}

fn problem(status: StatusCode, detail: &str) -> Response<AnswerBody> {
    let body = value!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = json(body.to_string());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
