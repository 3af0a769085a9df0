//! What the gateway itself says in OpenAI's words: errors. Pure.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

/// The last event of a stream that ended well.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error as the API writes it. All four members are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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

/// What an answer with an error status says.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorEnvelope")]
pub(crate) struct Envelope<'a> {
    error: &'a ApiError<'a>,
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

/// Strings and numbers in structs can always be written as JSON.
pub(super) fn json(value: &impl Serialize) -> Bytes {
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
