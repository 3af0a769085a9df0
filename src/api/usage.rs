//! What was used: records, sums, exports, and an account's statement of a month, for whoever may see
//! them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Problem;
use crate::exchange::World;
use crate::front::AnswerBody;
use crate::openapi::pattern;
use crate::usage::{self, Answered, Export, Format, Whose, calendar, read_statement};

/// Which month's statement is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfMonth {
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

/// An export on its way past a router, whose own answers are whole.
#[derive(Clone)]
pub(crate) struct Passing(Arc<Mutex<Option<(Format, Export)>>>);

/// Records, sums or an export of what `whose` may see.
pub(crate) async fn used(
    world: &Arc<World>,
    whose: Whose,
    headers: &HeaderMap,
    asked: usage::Asked,
) -> Result<Response, Problem> {
    let answered = usage::answer(world, whose, asked, accept(headers)).await;
    Ok(match answered? {
        Answered::Whole(format, body) => typed(format, body),
        Answered::Export(format, export) => Passing::answer(format, export),
    })
}

/// An account's statement of a month.
pub(crate) async fn statement(
    world: &Arc<World>,
    account: AccountId,
    headers: &HeaderMap,
    asked: OfMonth,
) -> Result<Response, Problem> {
    let wrong = || Problem::bad_request("`month` must be a month such as `2026-11`");
    let span = calendar::month(&asked.month).ok_or_else(wrong)?;
    // What has lapsed by now is written down, and an account that is not there is told.
    world.accounts.inspect(account).await?;
    let statement = read_statement(world, account, span).await?;
    let format = asked.format.unwrap_or_else(|| match Format::accepted(accept(headers)) {
        Format::Csv => Written::Csv,
        Format::Json | Format::Ndjson => Written::Json,
    });
    Ok(match format {
        Written::Csv => typed(Format::Csv, statement.csv().into()),
        Written::Json => axum::Json(statement).into_response(),
    })
}

/// What a request says of the form of its answer.
pub(crate) fn accept(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok())
}

fn typed(format: Format, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let kind = HeaderValue::from_static(format.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

impl Passing {
    /// An answer whose body is this export.
    pub(crate) fn answer(format: Format, export: Export) -> Response {
        let mut response = typed(format, Bytes::new());
        response.extensions_mut().insert(Self(Arc::new(Mutex::new(Some((format, export))))));
        response
    }

    /// The body to be sent in the place of the router's.
    pub(crate) fn body(self) -> Option<AnswerBody> {
        let export = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        export.map(|(format, export)| AnswerBody::export(export, format))
    }
}

/// What a router answered, as a socket wants it.
pub(crate) async fn onto_socket(response: Response) -> http::Response<AnswerBody> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(body) = parts.extensions.remove().and_then(Passing::body) {
        // The router counted the empty body that stood in its place.
        parts.headers.remove(header::CONTENT_LENGTH);
        return http::Response::from_parts(parts, body);
    }
    // All other answers are whole: nothing is waited for here.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    http::Response::from_parts(parts, AnswerBody::whole(bytes))
}
