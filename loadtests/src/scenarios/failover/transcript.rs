//! What a caller could read in an answer, from any gateway. Pure.

use serde_json::Value;

use crate::client::{Usage, WireError};
use crate::words::Words;

/// An answer's body, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The text.
    pub words: Words,
    /// Why the model stopped.
    pub finish: Option<String>,
    /// `[DONE]` was read.
    pub done: bool,
    /// The usage, where one was reported.
    pub usage: Option<Usage>,
    /// An error, in a body or in an event.
    pub error: Option<WireError>,
    /// Pieces that should have been JSON and were not.
    pub garbled: u32,
    /// The answer's `id`.
    pub id: Option<String>,
    /// The model that it names last.
    pub model: Option<String>,
}

impl Transcript {
    /// Reads an event stream, to its end or as far as it came.
    pub fn of_stream(body: &[u8], ended: bool) -> Self {
        let mut transcript = Self::default();
        let mut lines: Vec<&[u8]> = body.split(|&byte| byte == b'\n').collect();
        // The line that a broken connection cut is nobody's fault but its own.
        let rest = lines.pop().filter(|rest| ended && !rest.is_empty());
        for line in lines.into_iter().chain(rest) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            match data.trim_ascii() {
                b"" => {}
                b"[DONE]" => transcript.done = true,
                data => transcript.json(data),
            }
        }
        transcript
    }

    /// Reads a body that is no stream.
    pub fn of_body(body: &[u8]) -> Self {
        let mut transcript = Self::default();
        transcript.json(body);
        transcript
    }

    fn json(&mut self, bytes: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            self.garbled += 1;
            return;
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        if self.id.is_none() {
            self.id = text("id");
        }
        self.model = text("model").or(self.model.take());
        if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            self.error = Some(wire_error(error));
        }
        if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
            let number = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
            self.usage = Some(Usage {
                prompt_tokens: number("prompt_tokens"),
                completion_tokens: number("completion_tokens"),
            });
        }
        let Some(choice) = value.pointer("/choices/0") else { return };
        let said = choice.get("delta").or_else(|| choice.get("message"));
        if let Some(content) = said.and_then(|said| said.get("content")).and_then(Value::as_str) {
            self.words.read(content.as_bytes());
        }
        let finish = choice.get("finish_reason").and_then(Value::as_str);
        self.finish = finish.map(str::to_owned).or(self.finish.take());
    }
}

/// An error in whatever shape a gateway gives it.
fn wire_error(error: &Value) -> WireError {
    let field = |name: &str| match error.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    let message = error.as_str().map(str::to_owned).or_else(|| field("message"));
    WireError { kind: field("type"), code: field("code"), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_as_far_as_it_came() {
        let whole = concat!(
            "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\" w0\"}}]}\n\n",
            ": ping\n\n",
            "data: {\"id\": \"b\", \"choices\": [{\"delta\": {\"content\": \" w1\"}}]}\r\n\r\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        );
        let read = Transcript::of_stream(whole.as_bytes(), true);
        assert!(read.words.are_exactly(2) && read.done);
        assert_eq!((read.garbled, read.finish.as_deref()), (0, Some("stop")));
        assert_eq!(read.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2 }));
        assert_eq!((read.id.as_deref(), read.model.as_deref()), (Some("a"), Some("m")));
        let (cut, _) = whole.as_bytes().split_at(90);
        let read = Transcript::of_stream(cut, false);
        assert_eq!((read.words.in_order(), read.garbled), (1, 0));
        assert_eq!(Transcript::of_stream(b"data: {\"id", true).garbled, 1);
    }

    #[test]
    fn an_error_is_read_in_every_shape() {
        for (body, code, message) in [
            (r#"{"error":{"message":"m","code":"c"}}"#, Some("c"), Some("m")),
            (r#"{"error":{"message":"m","code":500}}"#, Some("500"), Some("m")),
            (r#"{"error":"m"}"#, None, Some("m")),
        ] {
            let error = Transcript::of_body(body.as_bytes()).error.unwrap();
            assert_eq!((error.code.as_deref(), error.message.as_deref()), (code, message));
        }
        assert_eq!(Transcript::of_body(b"<html>").garbled, 1);
        assert_eq!(Transcript::of_body(br#"{"error":null}"#).error, None);
    }
}
