//! Reads an answer as far as a judge needs it: whole or not, how much content, which usage. Pure.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use crate::words::Words;

/// Bytes of an unstreamed answer, or of one line of a stream, at most.
const BYTES_MAX: usize = 16 << 20;

/// The usage an answer reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// All prompt tokens, cached ones among them.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// All tokens generated.
    #[serde(default)]
    pub completion_tokens: u64,
}

/// What an answer has shown so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Events with content; for an unstreamed answer 1 when it is whole.
    pub contents: u32,
    /// The words of its text, as far as they were read.
    pub words: Words,
    /// Bytes of the body.
    pub bytes: u64,
    /// `[DONE]` was read, or the body of an unstreamed answer ended where it should.
    pub whole: bool,
    /// The usage, where one was reported.
    pub usage: Option<Usage>,
    /// The answer's `id`.
    pub answer_id: Option<String>,
    /// The `type` and `code` of an error object, in a body or in an event.
    pub error: Option<WireError>,
    /// Lines that should have been JSON and were not.
    pub garbled: u32,
    rest: Vec<u8>,
}

/// An error as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct WireError {
    /// The class of error, such as `insufficient_quota`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The code, such as `insufficient_credit`.
    #[serde(default)]
    pub code: Option<String>,
    /// The sentence for people.
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<WireError>,
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

impl Reading {
    /// Takes bytes of an unstreamed body.
    pub fn body(&mut self, bytes: &[u8]) {
        self.count(bytes);
        if self.rest.len() + bytes.len() <= BYTES_MAX {
            self.rest.extend_from_slice(bytes);
        }
    }

    /// The unstreamed body ended where it should.
    pub fn body_ended(&mut self) {
        let body = std::mem::take(&mut self.rest);
        if let Some(error) = self.envelope(&body) {
            self.error = Some(error);
        } else if self.garbled == 0 {
            self.whole = true;
            self.contents = 1;
        }
    }

    /// Takes bytes of an event stream, cut anywhere.
    pub fn stream(&mut self, bytes: &[u8]) {
        self.count(bytes);
        let mut left = bytes;
        while let Some(end) = memchr::memchr(b'\n', left) {
            let (line, after) = left.split_at(end);
            if self.rest.is_empty() {
                self.line(line);
            } else {
                let mut joined = std::mem::take(&mut self.rest);
                joined.extend_from_slice(line);
                self.line(&joined);
            }
            left = after.get(1..).unwrap_or_default();
        }
        if self.rest.len() + left.len() <= BYTES_MAX {
            self.rest.extend_from_slice(left);
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(0);
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.strip_prefix(b" ").unwrap_or(data);
        if data == b"[DONE]" {
            self.whole = self.error.is_none();
            return;
        }
        let text = memmem::find(data, br#""content":""#)
            .and_then(|at| data.get(at + 11..))
            .and_then(|text| text.get(..memchr::memchr(b'"', text)?));
        let content = text.is_some_and(|text| !text.is_empty());
        if let Some(text) = text.filter(|_| content) {
            self.contents += 1;
            self.words.read(text);
        }
        // Only events that may say something new are parsed: the first, and those that are no token.
        if (!content || self.answer_id.is_none())
            && let Some(error) = self.envelope(data)
        {
            self.error = Some(error);
        }
    }

    fn envelope(&mut self, json: &[u8]) -> Option<WireError> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(json) else {
            self.garbled += 1;
            return None;
        };
        self.usage = envelope.usage.or(self.usage);
        if self.answer_id.is_none() {
            self.answer_id = envelope.id;
        }
        for message in envelope.choices.into_iter().filter_map(|choice| choice.message) {
            self.words.read(message.content.unwrap_or_default().as_bytes());
        }
        envelope.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"id\":\"x-1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
        ": ping\n\n",
        "data: {\"id\":\"x-1\",\"choices\":[{\"delta\":{\"content\":\" w0\"}}]}\n\n",
        "data: {\"id\":\"x-1\",\"choices\":[{\"delta\":{\"content\":\" w1\"}}]}\n\n",
        "data: {\"id\":\"x-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_stream_is_read_the_same_wherever_it_is_cut() {
        let mut whole = Reading::default();
        whole.stream(STREAM.as_bytes());
        assert_eq!((whole.contents, whole.whole, whole.garbled), (2, true, 0));
        assert!(whole.words.are_exactly(2));
        assert_eq!(whole.usage, Some(Usage { prompt_tokens: 5, completion_tokens: 2 }));
        assert_eq!(whole.answer_id.as_deref(), Some("x-1"));
        for cut in 0..STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            let mut parts = Reading::default();
            parts.stream(first);
            assert!(!parts.whole || cut > STREAM.len() - 3);
            parts.stream(second);
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }

    #[test]
    fn the_words_of_a_body_are_read() {
        let mut reading = Reading::default();
        reading.body(br#"{"id":"x","choices":[{"message":{"content":" w0 w1 w2"}}]}"#);
        reading.body_ended();
        assert!(reading.whole && reading.words.are_exactly(3));
    }

    #[test]
    fn a_stream_with_an_error_event_is_not_whole() {
        let mut reading = Reading::default();
        reading.stream(
            b"data: {\"error\":{\"type\":\"server_error\",\"code\":null}}\n\ndata: [DONE]\n\n",
        );
        assert!(!reading.whole);
        assert_eq!(reading.error.unwrap().kind.as_deref(), Some("server_error"));
    }

    #[test]
    fn an_error_body_is_no_answer() {
        let mut reading = Reading::default();
        reading.body(br#"{"error":{"message":"m","type":"insufficient_quota","#);
        reading.body(br#""code":"insufficient_credit"}}"#);
        reading.body_ended();
        assert!(!reading.whole);
        assert_eq!(reading.error.unwrap().code.as_deref(), Some("insufficient_credit"));
    }
}
