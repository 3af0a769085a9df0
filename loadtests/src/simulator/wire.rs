//! The simulated provider's bytes: what is read of a request, and answers put together by copying.
//! Pure.
//!
//! The shapes are those of `OpenAI`'s chat completions, streamed and not. Every content event of one
//! answer is the same bytes, so that a token costs a reference count and no formatting.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

/// The text of one token.
pub const WORD: &str = "word ";

const CREATED: &str = "1700000000";
const WORDS: &str =
    "word word word word word word word word word word word word word word word word ";
const WORDS_COUNT: usize = 16;

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

/// The events of one streamed answer.
#[derive(Debug)]
pub(super) struct Events {
    prefix: Bytes,
    /// The first event, with the role and no content.
    pub(super) role: Bytes,
    /// A token.
    pub(super) token: Bytes,
}

impl Asked<'_> {
    pub(super) fn tokens_max(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
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

fn put_number(buffer: &mut BytesMut, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut length = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        length += 1;
        if number == 0 {
            break;
        }
    }
    let (_, written) = digits.split_at(digits.len() - length);
    buffer.put_slice(written);
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

fn put_identity(buffer: &mut BytesMut, name: &str, sequence: u64, object: &str, model: &str) {
    buffer.put_slice(br#"{"id":"chatcmpl-"#);
    buffer.put_slice(name.as_bytes());
    buffer.put_slice(b"-");
    put_number(buffer, sequence);
    buffer.put_slice(br#"","object":""#);
    buffer.put_slice(object.as_bytes());
    buffer.put_slice(br#"","created":"#);
    buffer.put_slice(CREATED.as_bytes());
    buffer.put_slice(br#","model":"#);
    buffer.put_slice(quoted(model).as_bytes());
}

/// A whole unstreamed answer.
pub(super) fn whole(
    name: &str,
    sequence: u64,
    model: &str,
    usage: Reported,
    with_usage: bool,
) -> Bytes {
    let tokens = usize::try_from(usage.completion).unwrap_or(0);
    let mut buffer = BytesMut::with_capacity(400 + model.len() + tokens * WORD.len());
    put_identity(&mut buffer, name, sequence, "chat.completion", model);
    buffer.put_slice(br#","choices":[{"index":0,"message":{"role":"assistant","content":""#);
    for _ in 0..tokens / WORDS_COUNT {
        buffer.put_slice(WORDS.as_bytes());
    }
    for _ in 0..tokens % WORDS_COUNT {
        buffer.put_slice(WORD.as_bytes());
    }
    buffer.put_slice(br#""},"logprobs":null,"finish_reason":"stop"}]"#);
    if with_usage {
        buffer.put_slice(b",");
        put_usage(&mut buffer, usage);
    }
    buffer.put_slice(b"}");
    buffer.freeze()
}

impl Events {
    pub(super) fn new(name: &str, sequence: u64, model: &str) -> Self {
        let mut prefix = BytesMut::with_capacity(160 + model.len());
        prefix.put_slice(b"data: ");
        put_identity(&mut prefix, name, sequence, "chat.completion.chunk", model);
        let prefix = prefix.freeze();
        let role = join(
            &prefix,
            r#","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        );
        let token = join(
            &prefix,
            r#","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}"#,
        );
        Self { prefix, role, token }
    }

    /// The event that ends the content, with the usage on it where there is one.
    pub(super) fn finish(&self, usage: Option<Reported>) -> Bytes {
        let choices = r#","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#;
        self.with_usage(choices, usage)
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

    const USAGE: Reported = Reported { prompt: 1_234_567, cached: 3, completion: 35 };

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    fn event(bytes: &[u8]) -> Value {
        json(bytes.strip_prefix(b"data: ").unwrap())
    }

    #[test]
    fn a_whole_answer_is_json_with_its_tokens_and_usage() {
        let answer = json(&whole("a", 70, "odd \"name\"", USAGE, true));
        assert_eq!(answer["id"], "chatcmpl-a-70");
        assert_eq!(answer["model"], "odd \"name\"");
        assert_eq!(answer["choices"][0]["message"]["content"], WORD.repeat(35));
        assert_eq!(answer["usage"]["prompt_tokens"], 1_234_567);
        assert_eq!(answer["usage"]["total_tokens"], 1_234_602);
        assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
        assert!(json(&whole("a", 0, "m", USAGE, false)).get("usage").is_none());
    }

    #[test]
    fn every_event_is_json_and_names_its_answer() {
        let events = Events::new("b", 9, "m");
        for bytes in [&events.role, &events.token, &events.finish(None), &events.usage(USAGE)] {
            assert_eq!(event(bytes)["id"], "chatcmpl-b-9");
            assert!(bytes.ends_with(b"}\n\n"));
        }
        assert_eq!(event(&events.token)["choices"][0]["delta"]["content"], WORD);
        assert_eq!(event(&events.finish(Some(USAGE)))["usage"]["completion_tokens"], 35);
        assert_eq!(event(&error_event())["error"]["type"], "server_error");
        assert_eq!(json(&error_body(429))["error"]["code"], "rate_limit_exceeded");
        assert!(
            serde_json::from_slice::<Value>(garbled().strip_prefix(b"data: ").unwrap()).is_err()
        );
    }

    #[test]
    fn a_request_says_how_many_tokens_it_allows_and_whether_it_wants_the_usage() {
        let body = br#"{"messages":[{"role":"user","content":"hi"}],"model":"m","max_tokens":4,
            "stream":true,"stream_options":{"include_usage":true},"other":[1,2]}"#;
        let asked: Asked<'_> = serde_json::from_slice(body).unwrap();
        assert_eq!((asked.tokens_max(), asked.wants_usage()), (Some(4), true));
        assert_eq!(asked.stream, Some(true));
        let bare: Asked<'_> = serde_json::from_slice(br#"{"model":"m"}"#).unwrap();
        assert_eq!((bare.tokens_max(), bare.wants_usage()), (None, false));
    }
}
