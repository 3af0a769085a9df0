//! What both ports have of idempotency keys (draft-ietf-httpapi-idempotency-key-header): how one is read,
//! what it stands for, and how an answer is given again.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use infergate_actors::account::KeptAnswer;
use infergate_actors::ledger::Digest;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{Problem, redact};
use crate::openapi::{Common, pattern};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_BYTES_MAX: usize = 255;
const LOST: &str = "this was carried out, and the gateway stopped before it could answer; these are \
                    the events that it left, and a secret that was made is lost";

/// Whether a request brings a key.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    headers.contains_key(KEY)
}

/// The key that a request brings, quoted or not; none is no wish that it be done once.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = only(headers)? else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if !is_key(key) {
        let detail = format!("`{KEY}` must have 1 to {KEY_BYTES_MAX} ASCII characters");
        return Err(Problem::bad_request(detail));
    }
    Ok(Some(key.to_owned()))
}

/// The header's one value; of two, it is not known which is meant.
pub(crate) fn only(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Problem::bad_request(format!("there is more than one `{KEY}`: send one")));
    }
    Ok(first)
}

/// Whether a text can be a key.
pub(crate) fn is_key(text: &str) -> bool {
    let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && is_printable
}

/// Of all that is asked: another under the same key is a mistake.
pub(crate) fn fingerprint(parts: &Parts, body: &[u8]) -> Digest {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    Digest::of(&[parts.method.as_str().as_bytes(), b"\n", path.as_bytes(), b"\n", body].concat())
}

/// An answer as it is kept for whoever asks again.
pub(crate) fn kept(headers: &HeaderMap, body: &[u8]) -> KeptAnswer {
    let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default();
    redact::answer(media_type, text(header::ETAG), body)
}

/// An answer that was kept, given again.
pub(crate) fn replay(status: Option<u16>, kept: KeptAnswer) -> Response {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    for (name, text) in [(header::CONTENT_TYPE, Some(kept.media_type)), (header::ETAG, kept.etag)] {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    replayed(response)
}

/// The same of another answer to what was done before.
pub(crate) fn replayed(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// What is told of what was done, where the answer was lost: what there is of it, in `body`, and what the
/// journal has, in `did`.
pub(crate) fn lost(mut body: Value, did: &[Value]) -> Value {
    let told = [("detail", json!(LOST)), ("withheld", json!(["answer"])), ("did", json!(did))];
    if let Some(fields) = body.as_object_mut() {
        fields.extend(told.map(|(name, value)| (name.to_owned(), value)));
    }
    body
}

/// Says in a document that requests may bring a key, what is refused for it beside `statuses`, and what
/// may be answered.
pub(crate) fn declare(common: &mut Common, statuses: &[u16]) {
    let says = "Asked again with the same key, it is done once, and answered as it was.";
    common.header(["idempotency-key", pattern::ONCE, says], &[400, 422]);
    common.refuses(statuses);
    let says = "`true`: this was answered before.";
    common.answer("idempotency-replayed", "string", says);
    common.instead(answered_again);
}

/// An answer that is given again, without what can't be: a secret, what is too long, or all where it was
/// lost. The other fields are those that the first answer had.
fn answered_again(generator: &mut SchemaGenerator) -> Schema {
    let schema = json!({
        "type": "object",
        "description": "An answer that is given again, without what can't be.",
        "properties": {
            "withheld": { "type": "array", "items": { "type": "string" } },
            "detail": { "type": "string" },
        },
        "required": ["withheld"],
        "additionalProperties": true,
    });
    generator.definitions_mut().insert("Replayed".to_owned(), schema);
    json_schema!({ "$ref": "#/components/schemas/Replayed" })
}
