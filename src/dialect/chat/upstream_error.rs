//! An upstream's error, whatever its shape, as something that may be shown to a client. Pure.

use serde_json::Value;

use super::render::ApiError;
use crate::dialect::redact::Redaction;

/// The longest error body that is read; anything longer is no error message.
const BODY_BYTES_MAX: usize = 256 << 10;
const MESSAGE_BYTES_MAX: usize = 1000;
const WORD_BYTES_MAX: usize = 80;

/// What an upstream said went wrong, without credentials and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// In words; `None` where it said nothing fit to be shown, such as a page.
    pub message: Option<String>,
    /// `type`, or Google's `status`.
    pub kind: Option<String>,
    /// `code`, numbers as text.
    pub code: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
}

impl UpstreamError {
    /// Reads an error body or an error event's payload: the shapes of OpenAI, llama-server,
    /// OpenRouter, Google, Bedrock, `vLLM` and `FastAPI`, or plain text.
    pub fn read(body: &[u8], redaction: &Redaction) -> Self {
        let body = body.trim_ascii();
        if body.len() > BODY_BYTES_MAX {
            return Self::default();
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of_value(&value, redaction),
            Err(_) => Self::of_text(&String::from_utf8_lossy(body), redaction),
        }
    }

    /// Whether it says that the request is longer than the model's context: by OpenAI's code, or in the
    /// words of servers that have none (`vLLM`, llama-server, Anthropic).
    pub fn is_too_long(&self) -> bool {
        let code = [&self.code, &self.kind].into_iter().flatten();
        let known = ["context_length_exceeded", "exceed_context_size_error"];
        let message = self.message.as_deref().unwrap_or_default();
        code.into_iter().any(|code| known.contains(&&**code))
            || [
                "maximum context length",
                "exceeds the available context size",
                "prompt is too long",
            ]
            .iter()
            .any(|words| message.contains(words))
    }

    /// In the API's form, with defaults for what the upstream did not say.
    pub fn to_api<'a>(&'a self, message: &'a str, kind: &'a str) -> ApiError<'a> {
        ApiError {
            message: self.message.as_deref().unwrap_or(message),
            kind: self.kind.as_deref().unwrap_or(kind),
            param: self.param.as_deref(),
            code: self.code.as_deref(),
        }
    }

    fn of_text(text: &str, redaction: &Redaction) -> Self {
        // The beginning of a document, not of a sentence: a proxy's page, or JSON cut short.
        let is_document = text.starts_with(['<', '{', '[']);
        let message = (!is_document).then(|| clean(text, redaction, MESSAGE_BYTES_MAX)).flatten();
        Self { message, ..Self::default() }
    }

    fn of_value(value: &Value, redaction: &Redaction) -> Self {
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let message = [error, error.get("message").unwrap_or(error), detail(error)]
            .into_iter()
            .find_map(Value::as_str)
            .and_then(|text| clean(text, redaction, MESSAGE_BYTES_MAX));
        let word = |names: &[&str]| {
            let value = names.iter().find_map(|name| error.get(name))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            clean(&text, redaction, WORD_BYTES_MAX)
        };
        Self {
            message,
            // A whole event may be typed `error`, which says nothing.
            kind: word(&["type", "status"]).filter(|kind| kind != "error"),
            code: word(&["code"]),
            param: word(&["param"]),
        }
    }
}

/// `FastAPI`'s `detail`: a text, or a list of what is wrong.
fn detail(error: &Value) -> &Value {
    let detail = error.get("detail").unwrap_or(&Value::Null);
    detail.get(0).and_then(|first| first.get("msg")).unwrap_or(detail)
}

fn clean(text: &str, redaction: &Redaction, bytes_max: usize) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| redaction.clean(text, bytes_max))
}
