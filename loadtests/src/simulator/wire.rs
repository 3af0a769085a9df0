//! The simulated provider's bytes: what is read of a request, and answers put together by copying.
//! Pure.
//!
//! The shapes are those of `OpenAI`'s chat completions, streamed and not. The content events of one
//! answer differ in their word only, so that a token costs a copy and no formatting.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::words::{self, WORD_BYTES_MAX, put_number};

const CREATED: &str = "1700000000";
const BEFORE_WORD: &[u8] = br#","choices":[{"index":0,"delta":{"content":""#;
const AFTER_WORD: &[u8] = b"\"},\"finish_reason\":null}]}\n\n";
/// Tokens that one allocation is made for, at most.
const TOKENS_AT_ONCE: usize = 16;

/// What the simulator reads of a request.
#[derive(Debug, Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// What a message can say: a text, or parts of which some are text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// The usage that an answer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) completion: u64,
}

/// Who answers, and from which token on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    /// The simulator's name.
    pub(super) name: &'a str,
    pub(super) sequence: u64,
    pub(super) model: &'a str,
    /// The index of its first token: how many the request had already.
    pub(super) first: u64,
    /// Why it ends.
    pub(super) finish: &'static str,
}

/// The events of one streamed answer.
#[derive(Debug)]
pub(super) struct Events {
    prefix: Bytes,
    /// The first event, with the role and no content.
    pub(super) role: Bytes,
    first: u64,
    finish: &'static str,
    room: BytesMut,
}

impl Asked<'_> {
    pub(super) fn tokens_max(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The text that the answer is to go on from, when the last message is the assistant's own.
    pub(super) fn prefill(&self) -> Option<String> {
        let last = self.messages.last().filter(|last| last.role == "assistant")?;
        Some(match serde_json::from_str(last.content?.get()) {
            Ok(Content::Text(text)) => text,
            Ok(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
            Err(_) => String::new(),
        })
    }

    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true)
    }
}

/// The JSON of a string, quotes included.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        return Cow::Owned(["\"", text, "\""].concat());
    }
    Cow::Owned(serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()))
}

fn put_usage(buffer: &mut BytesMut, usage: Reported) {
    buffer.put_slice(br#""usage":{"prompt_tokens":"#);
    put_number(buffer, usage.prompt);
    buffer.put_slice(br#","completion_tokens":"#);
    put_number(buffer, usage.completion);
    buffer.put_slice(br#","total_tokens":"#);
    put_number(buffer, usage.prompt.saturating_add(usage.completion));
    if usage.cached > 0 {
        buffer.put_slice(br#","prompt_tokens_details":{"cached_tokens":"#);
        put_number(buffer, usage.cached);
        buffer.put_slice(b"}");
    }
    buffer.put_slice(b"}");
}

fn put_identity(buffer: &mut BytesMut, answer: &Answer<'_>, object: &str) {
    buffer.put_slice(br#"{"id":"chatcmpl-"#);
    buffer.put_slice(answer.name.as_bytes());
    buffer.put_slice(b"-");
    put_number(buffer, answer.sequence);
    buffer.put_slice(br#"","object":""#);
    buffer.put_slice(object.as_bytes());
    buffer.put_slice(br#"","created":"#);
    buffer.put_slice(CREATED.as_bytes());
    buffer.put_slice(br#","model":"#);
    buffer.put_slice(quoted(answer.model).as_bytes());
}

/// A whole unstreamed answer.
pub(super) fn whole(answer: &Answer<'_>, usage: Reported, with_usage: bool) -> Bytes {
    let tokens = usize::try_from(usage.completion).unwrap_or(0);
    let mut buffer =
        BytesMut::with_capacity(400 + answer.model.len() + tokens * (WORD_BYTES_MAX / 3));
    put_identity(&mut buffer, answer, "chat.completion");
    buffer.put_slice(br#","choices":[{"index":0,"message":{"role":"assistant","content":""#);
    for index in 0..usage.completion {
        words::put(&mut buffer, answer.first + index);
    }
    buffer.put_slice(br#""},"logprobs":null,"finish_reason":""#);
    buffer.put_slice(answer.finish.as_bytes());
    buffer.put_slice(br#""}]"#);
    if with_usage {
        buffer.put_slice(b",");
        put_usage(&mut buffer, usage);
    }
    buffer.put_slice(b"}");
    buffer.freeze()
}

/// The same without a piece of its middle, so that it is not JSON.
pub(super) fn garbled_body(whole: &Bytes) -> Bytes {
    let (kept, lost) = (whole.slice(..whole.len() / 2), whole.len() / 8);
    let rest = whole.slice(whole.len() / 2 + lost..);
    [&kept, &b"\\x\n"[..], &rest].concat().into()
}

impl Events {
    pub(super) fn new(answer: &Answer<'_>) -> Self {
        let mut prefix = BytesMut::with_capacity(160 + answer.model.len());
        prefix.put_slice(b"data: ");
        put_identity(&mut prefix, answer, "chat.completion.chunk");
        let prefix = prefix.freeze();
        let role = join(
            &prefix,
            r#","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        );
        Self { prefix, role, first: answer.first, finish: answer.finish, room: BytesMut::new() }
    }

    /// The event of the `index`-th token of this answer, of `rest` that are to come.
    pub(super) fn token(&mut self, index: u64, rest: u64) -> Bytes {
        let bytes = self.prefix.len() + BEFORE_WORD.len() + WORD_BYTES_MAX + AFTER_WORD.len();
        if self.room.capacity() < bytes {
            let tokens = usize::try_from(rest).unwrap_or(TOKENS_AT_ONCE).clamp(1, TOKENS_AT_ONCE);
            self.room = BytesMut::with_capacity(bytes * tokens);
        }
        self.room.put_slice(&self.prefix);
        self.room.put_slice(BEFORE_WORD);
        words::put(&mut self.room, self.first + index);
        self.room.put_slice(AFTER_WORD);
        self.room.split().freeze()
    }

    /// The event that ends the content, with the usage on it where there is one.
    pub(super) fn finish(&self, usage: Option<Reported>) -> Bytes {
        let finish = self.finish;
        let choices =
            format!(r#","choices":[{{"index":0,"delta":{{}},"finish_reason":"{finish}"}}]"#);
        self.with_usage(&choices, usage)
    }

    /// The usage in an event of its own.
    pub(super) fn usage(&self, usage: Reported) -> Bytes {
        self.with_usage(r#","choices":[]"#, Some(usage))
    }

    fn with_usage(&self, choices: &str, usage: Option<Reported>) -> Bytes {
        let mut buffer = BytesMut::with_capacity(self.prefix.len() + choices.len() + 160);
        buffer.put_slice(&self.prefix);
        buffer.put_slice(choices.as_bytes());
        if let Some(usage) = usage {
            buffer.put_slice(b",");
            put_usage(&mut buffer, usage);
        }
        buffer.put_slice(b"}\n\n");
        buffer.freeze()
    }
}

fn join(prefix: &[u8], rest: &str) -> Bytes {
    let mut buffer = BytesMut::with_capacity(prefix.len() + rest.len() + 2);
    buffer.put_slice(prefix);
    buffer.put_slice(rest.as_bytes());
    buffer.put_slice(b"\n\n");
    buffer.freeze()
}

/// The end of a stream.
pub(super) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// An event that is not JSON.
pub(super) fn garbled() -> Bytes {
    Bytes::from_static(b"data: {\"id\":\"chatcmpl-, 12\n\n")
}

/// An error in a stream.
pub(super) fn error_event() -> Bytes {
    let text = concat!(
        r#"data: {"error":{"message":"the simulated model failed","#,
        r#""type":"server_error","param":null,"code":null}}"#,
        "\n\n"
    );
    Bytes::from_static(text.as_bytes())
}

/// The refusal of a model that can't go on from a text of its own.
pub(super) fn prefill_refused() -> Bytes {
    let text = concat!(
        r#"{"error":{"message":"This model does not support assistant message prefill. "#,
        r#"The conversation must end with a user message.","#,
        r#""type":"invalid_request_error","param":"messages","code":null}}"#
    );
    Bytes::from_static(text.as_bytes())
}

/// The refusal of a prompt that is longer than the model can take.
pub(super) fn context_exceeded(context_tokens: u64, prompt_tokens: u64) -> Bytes {
    let text = format!(
        concat!(
            r#"{{"error":{{"message":"This model's maximum context length is {} tokens. "#,
            r#"However, your messages resulted in {} tokens. "#,
            r#"Please reduce the length of the messages.","type":"invalid_request_error","#,
            r#""param":"messages","code":"context_length_exceeded"}}}}"#
        ),
        context_tokens, prompt_tokens
    );
    Bytes::from(text)
}

/// The body of an error answer.
pub(super) fn error_body(status: u16) -> Bytes {
    let (kind, code) = match status {
        401 | 403 => ("authentication_error", "invalid_api_key"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        400..=499 => ("invalid_request_error", "invalid_request"),
        _ => ("server_error", "server_error"),
    };
    let text = format!(
        r#"{{"error":{{"message":"simulated failure {status}","type":"{kind}","param":null,"code":"{code}"}}}}"#
    );
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::words::Words;

    const USAGE: Reported = Reported { prompt: 1_234_567, cached: 3, completion: 35 };

    fn answer(model: &str, first: u64) -> Answer<'_> {
        Answer { name: "a", sequence: 70, model, first, finish: "stop" }
    }

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    fn event(bytes: &[u8]) -> Value {
        json(bytes.strip_prefix(b"data: ").unwrap())
    }

    fn asked(json: &str) -> Asked<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_whole_answer_is_json_with_its_tokens_and_usage() {
        let body = whole(&answer("odd \"name\"", 0), USAGE, true);
        let read = json(&body);
        assert_eq!(read["id"], "chatcmpl-a-70");
        assert_eq!(read["model"], "odd \"name\"");
        let text = read["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(Words::of(text).are_exactly(35), "{text}");
        assert_eq!(read["usage"]["prompt_tokens"], 1_234_567);
        assert_eq!(read["usage"]["total_tokens"], 1_234_602);
        assert_eq!(read["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
        let bare = whole(&answer("m", 0), USAGE, false);
        assert!(json(&bare).get("usage").is_none());
        assert!(serde_json::from_slice::<Value>(&garbled_body(&body)).is_err());
        assert!(serde_json::from_slice::<Value>(&garbled_body(&bare)).is_err());
    }

    #[test]
    fn an_answer_that_goes_on_begins_with_the_token_after_what_is_there() {
        let read = json(&whole(&answer("m", 40), Reported { completion: 2, ..USAGE }, true));
        assert_eq!(read["choices"][0]["message"]["content"], " w40 w41");
        let mut events = Events::new(&answer("m", 40));
        assert_eq!(event(&events.token(0, 2))["choices"][0]["delta"]["content"], " w40");
        assert_eq!(event(&events.token(1, 1))["choices"][0]["delta"]["content"], " w41");
    }

    #[test]
    fn every_event_is_json_and_names_its_answer() {
        let mut events = Events::new(&answer("m", 0));
        let token = events.token(7, 40);
        for bytes in [&events.role, &token, &events.finish(None), &events.usage(USAGE)] {
            assert_eq!(event(bytes)["id"], "chatcmpl-a-70");
            assert!(bytes.ends_with(b"}\n\n"));
        }
        assert_eq!(event(&token)["choices"][0]["delta"]["content"], " w7");
        assert_eq!(event(&events.finish(Some(USAGE)))["usage"]["completion_tokens"], 35);
        assert_eq!(event(&error_event())["error"]["type"], "server_error");
        assert_eq!(json(&error_body(429))["error"]["code"], "rate_limit_exceeded");
        assert_eq!(json(&prefill_refused())["error"]["type"], "invalid_request_error");
        assert_eq!(json(&context_exceeded(8, 9))["error"]["code"], "context_length_exceeded");
        assert!(
            serde_json::from_slice::<Value>(garbled().strip_prefix(b"data: ").unwrap()).is_err()
        );
    }

    #[test]
    fn a_request_says_how_many_tokens_it_allows_and_whether_it_wants_the_usage() {
        let long = asked(
            r#"{"messages":[{"role":"user","content":"hi"}],"model":"m","max_tokens":4,
            "stream":true,"stream_options":{"include_usage":true},"other":[1,2]}"#,
        );
        assert_eq!((long.tokens_max(), long.wants_usage()), (Some(4), true));
        assert_eq!((long.stream, long.prefill()), (Some(true), None));
        let bare = asked(r#"{"model":"m"}"#);
        assert_eq!((bare.tokens_max(), bare.wants_usage()), (None, false));
    }

    #[test]
    fn a_request_that_ends_with_the_assistants_words_is_a_prefill() {
        for (last, text) in [
            (r#"{"role":"assistant","content":" w0 w1"}"#, Some(" w0 w1")),
            (r#"{"role":"assistant","content":[{"type":"text","text":" w0"}]}"#, Some(" w0")),
            (r#"{"role":"assistant","tool_calls":[]}"#, None),
            (r#"{"role":"user","content":" w0 w1"}"#, None),
        ] {
            let json = format!(r#"{{"model":"m","messages":[{{"role":"user"}},{last}]}}"#);
            assert_eq!(asked(&json).prefill().as_deref(), text, "{last}");
        }
    }
}
