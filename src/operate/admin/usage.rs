//! What was used: records, sums, exports, and an account's statement of a month.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::request::{AccountOf, Asked};
use super::{Operator, Problem};
use crate::front::AnswerBody;
use crate::openapi::{Routes, doc, get, pattern};
use crate::usage::{self, Answered, Export, Format, UsageError, Whose, calendar, read_statement};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfMonth {
    #[schemars(regex(pattern = pattern::MONTH))]
    month: String,
    format: Option<Written>,
}

/// How a statement is written.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StatementFormat")]
enum Written {
    Json,
    Csv,
}

/// What is served of usage.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let listed = usage::described(doc(
        "listUsage",
        "Lists what was used, page by page; or sums of it; or all of it as a stream.",
    ));
    let listed = listed.answers_as(200, "application/json", usage::answer_for_operator);
    let told = doc("getStatement", "Gives an account's statement of a month.")
        .answers_as(200, "application/json", usage::statement_schema)
        .sends(200, Format::Csv.media_type());
    Routes::new().route("Usage", "/admin/v1/usage", get(list, listed)).route(
        "Usage",
        "/admin/v1/accounts/{account}/statement",
        get(statement, told),
    )
}

/// An export on its way past a router, whose own answers are whole.
#[derive(Clone)]
pub(super) struct Passing(Arc<Mutex<Option<(Format, Export)>>>);

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    headers: HeaderMap,
    Asked(asked): Asked<usage::Asked>,
) -> Result<Response, Problem> {
    let accept = accept(&headers);
    let answered = usage::answer(&operator.world, Whose::Operator, asked, accept).await;
    Ok(match answered? {
        Answered::Whole(format, body) => typed(format, body),
        Answered::Export(format, export) => {
            let mut response = typed(format, Bytes::new());
            let passing = Passing(Arc::new(Mutex::new(Some((format, export)))));
            response.extensions_mut().insert(passing);
            response
        }
    })
}

pub(super) async fn statement(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    headers: HeaderMap,
    Asked(asked): Asked<OfMonth>,
) -> Result<Response, Problem> {
    let wrong = || Problem::bad_request("`month` must be a month such as `2026-11`");
    let span = calendar::month(&asked.month).ok_or_else(wrong)?;
    // What has lapsed by now is written down, and an account that is not there is told.
    operator.system.accounts.inspect(account).await?;
    let statement = read_statement(&operator.world, account, span).await?;
    let format = asked.format.unwrap_or_else(|| match Format::accepted(accept(&headers)) {
        Format::Csv => Written::Csv,
        Format::Json | Format::Ndjson => Written::Json,
    });
    Ok(match format {
        Written::Csv => typed(Format::Csv, statement.csv().into()),
        Written::Json => axum::Json(statement).into_response(),
    })
}

fn accept(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok())
}

fn typed(format: Format, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let kind = HeaderValue::from_static(format.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl Passing {
    /// The body to be sent in the place of the router's.
    pub(super) fn body(self) -> Option<AnswerBody> {
        let export = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        export.map(|(format, export)| AnswerBody::export(export, format))
    }
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        match error {
            UsageError::Wrong(detail) => Self::bad_request(detail),
            UsageError::TooMany => Self::invalid(error.to_string()),
            UsageError::Ledger(error) => error.into(),
        }
    }
}
