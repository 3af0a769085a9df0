//! Reading what is asked: pages from the query, strict JSON bodies, ids and texts.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Problem, strict};
use crate::openapi::{Operation, Takes};

/// The longest body that may be sent.
const BODY_BYTES_MAX: usize = 1 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest name, reason or reference, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// A JSON body of exactly the fields of `T`.
pub(crate) struct Json<T>(pub(crate) T);

/// The query string, of exactly the fields of `T`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "send JSON, and say so: `content-type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = read(body).await?;
        strict::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::invalid(error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => {
                Problem::bad_request(format!("the body is not JSON: {error}"))
            }
        })
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

impl<T: JsonSchema> Takes for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>();
    }
}

impl<T: JsonSchema> Takes for Asked<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

/// An id in a text, or what is wrong with it.
pub(crate) fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{error}")))
}

/// Whether a character hides what is around it, or shows it in another order or line: bidirectional
/// controls (UAX #9 §2), separators of lines and paragraphs, and the invisible ones that join nothing. Those
/// that emoji, flags and the scripts of some names need (U+200C, U+200D, tags) are none of them.
pub(crate) fn is_disguise(character: char) -> bool {
    matches!(
        character,
        '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// A name, reason or reference: something, and not too much, that a terminal can show as it is.
pub(crate) fn text(field: &str, value: &str) -> Result<(), Problem> {
    if value.trim().is_empty() {
        return Err(Problem::invalid(format!("`{field}` is empty")));
    }
    if value.len() > TEXT_BYTES_MAX {
        return Err(Problem::invalid(format!("`{field}` is longer than {TEXT_BYTES_MAX} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("`{field}` holds a control character")));
    }
    if let Some(found) = value.chars().find(|character| is_disguise(*character)) {
        return Err(Problem::invalid(format!(
            "`{field}` holds U+{:04X}, which hides text or shows it in another order: leave it out",
            u32::from(found)
        )));
    }
    Ok(())
}

/// The parts of the path that a route names.
pub(crate) async fn params(parts: &mut Parts) -> Result<RawPathParams, Problem> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    params.map_err(|error| Problem::bad_request(error.body_text()))
}

/// The id that a part of the path is.
pub(crate) fn named<T: FromStr<Err: std::fmt::Display>>(
    params: &RawPathParams,
    name: &str,
) -> Result<T, Problem> {
    let value = params.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    id(value.unwrap_or_default())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// A whole body, within its limits.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    read_within(body, BODY_BYTES_MAX).await
}

/// The same of no more than so many bytes.
pub(crate) async fn read_within(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    tokio::time::timeout(BODY_TIMEOUT, collected(body, bytes_max)).await.map_err(late)?
}

async fn collected(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {bytes_max} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => Err(Problem::bad_request("the body broke off")),
    }
}

/// How many lines a page may have.
pub(crate) fn page_limit(
    asked: Option<usize>,
    default: usize,
    most: usize,
) -> Result<usize, Problem> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::bad_request(format!("`limit` must be 1 to {most}"))),
    }
}

/// What is told at a path that is none.
pub(crate) async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
}

/// What is told of a method that a path does not take.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}; see the header `allow`", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_shows_as_something_else_is_refused_and_a_name_in_any_script_is_not() {
        for disguise in
            ["\u{202e}", "\u{202a}", "\u{2066}", "\u{2069}", "\u{200e}", "\u{200f}", "\u{61c}"]
        {
            let told = text("name", &format!("invoice{disguise}fdp.exe")).unwrap_err().detail;
            let place = format!("U+{:04X}", u32::from(disguise.chars().next().unwrap()));
            assert!(told.contains("`name`") && told.contains(&place), "{told}");
        }
        for other in ["a\u{2028}b", "a\u{2029}b", "\u{feff}a", "a\u{200b}b", "a\u{2060}b", "a\nb"] {
            assert_eq!(text("name", other).unwrap_err().status, 422, "{other:?}");
        }
        for name in
            ["\u{6cc}\u{200c}\u{627}", "\u{1f469}\u{200d}\u{1f4bb}", "\u{5d0}\u{5d1} 7", "Zo\u{eb}"]
        {
            assert_eq!(text("name", name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn the_document_says_of_texts_what_is_taken() {
        let schema = json!({ "type": "string", "pattern": crate::openapi::pattern::TEXT });
        let schema = jsonschema::validator_for(&schema).unwrap();
        for character in ('\0'..='\u{ffff}').chain(['\u{1f469}', '\u{e0041}']) {
            let is_taken = !character.is_control() && !is_disguise(character);
            assert_eq!(schema.is_valid(&json!(character.to_string())), is_taken, "{character:?}");
        }
    }
}
