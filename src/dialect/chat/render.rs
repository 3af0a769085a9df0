//! What the gateway itself says in OpenAI's words: errors and models. Pure.

use bytes::Bytes;
use serde::Serialize;

/// The last event of a stream that ended well.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error as the API writes it. All four members are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ApiError<'a> {
    /// In words, for a person.
    pub message: &'a str,
    /// The class that SDKs and programs tell errors by, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The request's field at fault.
    pub param: Option<&'a str>,
    /// The exact reason, such as `model_not_found`.
    pub code: Option<&'a str>,
}

/// A model as the API lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Model<'a> {
    /// Its public name.
    pub id: &'a str,
    /// Always `model`.
    object: &'static str,
    /// When it came to be, in seconds since 1970.
    pub created: u64,
    /// Who offers it.
    pub owned_by: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ApiError<'a>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: &'a [Model<'a>],
}

impl ApiError<'_> {
    /// The body of an answer with an error status.
    pub fn body(&self) -> Bytes {
        json(&Envelope { error: self })
    }

    /// The event that tells of an error in a stream already begun.
    pub fn event(&self) -> Bytes {
        event(&Envelope { error: self })
    }
}

impl<'a> Model<'a> {
    /// A model by its public name.
    pub fn new(id: &'a str, created: u64, owned_by: &'a str) -> Self {
        Self { id, object: "model", created, owned_by }
    }
}

/// The body of `GET /v1/models`.
pub fn model_list(models: &[Model<'_>]) -> Bytes {
    json(&List { object: "list", data: models })
}

/// The body of `GET /v1/models/{id}`.
pub fn model(model: &Model<'_>) -> Bytes {
    json(model)
}

/// Strings and numbers in structs can always be written as JSON.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// One event with the JSON of `value` as its payload.
pub(super) fn event(value: &impl Serialize) -> Bytes {
    let mut bytes = b"data: ".to_vec();
    // A struct of strings and numbers can always be written as JSON.
    let _ = serde_json::to_writer(&mut bytes, value);
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}
