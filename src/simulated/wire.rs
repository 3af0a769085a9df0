//! OpenAI's chat completions on the wire, as far as a simulated model needs them. Pure.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::answer::Answer;

/// A request: what is not named here is ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest {
    pub(super) model: Option<String>,
    pub(super) messages: Option<Vec<Message>>,
    pub(super) stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: Option<String>,
    pub(super) content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// What is wrong with a request, in OpenAI's envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) param: Option<&'static str>,
    pub(super) code: Option<&'static str>,
}

/// What all parts of one answer share.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Absent from a stream that it was not asked of.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Reported>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Said<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Delta<'a>>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<()>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

#[derive(Serialize, Clone, Copy)]
#[serde(untagged)]
enum Reported {
    /// In a chunk to come: null on the wire.
    Later,
    Now(Usage),
}

#[derive(Serialize, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "OpenAI's names")]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl ChatRequest {
    /// Reads and checks a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Fault> {
        let request: Self = serde_json::from_slice(body).map_err(|error| {
            Fault::invalid(format!("the body is no chat completion: {error}"), None)
        })?;
        let wrong = |message: &str, param| Err(Fault::invalid(message.to_owned(), Some(param)));
        if request.model.as_deref().unwrap_or_default().is_empty() {
            return wrong("a model is missing", "model");
        }
        if request.messages.as_deref().unwrap_or_default().is_empty() {
            return wrong("at least one message is needed", "messages");
        }
        if request.n.is_some_and(|n| n != 1) {
            return wrong("a simulated model gives one choice: n is 1", "n");
        }
        if request.max_tokens == Some(0) {
            return wrong("max_tokens is at least 1", "max_tokens");
        }
        if request.max_completion_tokens == Some(0) {
            return wrong("max_completion_tokens is at least 1", "max_completion_tokens");
        }
        if request.stream_options.is_some() && request.stream != Some(true) {
            return wrong("stream_options go with stream", "stream_options");
        }
        Ok(request)
    }

    /// The most tokens the answer may have.
    pub(super) fn ceiling(&self) -> Option<u64> {
        self.max_tokens.into_iter().chain(self.max_completion_tokens).min()
    }

    fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }
}

impl Answer {
    /// The answer as one JSON object.
    pub(super) fn whole(&self, frame: &Frame) -> Bytes {
        let text = self.tokens.concat();
        let said = Said { role: "assistant", content: &text, refusal: None };
        let choice = Choice {
            index: 0,
            message: Some(said),
            delta: None,
            logprobs: None,
            finish_reason: Some(self.finish_reason()),
        };
        json(&frame.completion("chat.completion", &[choice], Some(Reported::Now(self.usage()))))
    }

    /// The answer as events: role, tokens, end, usage if it was asked for, and the terminator.
    pub(super) fn events(
        self,
        request: &ChatRequest,
        frame: Frame,
    ) -> impl Iterator<Item = Bytes> + Send + use<> {
        let usage_of_chunks = request.wants_usage().then_some(Reported::Later);
        let chunk = move |frame: &Frame, delta: Delta<'_>, finish_reason| {
            let choice = Choice {
                index: 0,
                message: None,
                delta: Some(delta),
                logprobs: None,
                finish_reason,
            };
            event(&frame.completion("chat.completion.chunk", &[choice], usage_of_chunks))
        };
        let role = Delta { role: Some("assistant"), content: Some("") };
        let first = chunk(&frame, role, None);
        let mut last = vec![chunk(&frame, Delta::default(), Some(self.finish_reason()))];
        if request.wants_usage() {
            let usage = Some(Reported::Now(self.usage()));
            last.push(event(&frame.completion("chat.completion.chunk", &[], usage)));
        }
        last.push(Bytes::from_static(b"data: [DONE]\n\n"));
        let tokens = self
            .tokens
            .into_iter()
            .map(move |token| chunk(&frame, Delta { role: None, content: Some(&token) }, None));
        std::iter::once(first).chain(tokens).chain(last)
    }

    fn finish_reason(&self) -> &'static str {
        if self.is_cut { "length" } else { "stop" }
    }

    fn usage(&self) -> Usage {
        let (prompt_tokens, completion_tokens) = (self.prompt_tokens, self.tokens.len() as u64);
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Usage { prompt_tokens, completion_tokens, total_tokens }
    }
}

impl Fault {
    /// A request that is wrong.
    pub(super) fn invalid(message: String, param: Option<&'static str>) -> Self {
        Self { status: 400, message, param, code: None }
    }

    /// The envelope.
    pub(super) fn body(&self) -> Bytes {
        json(&serde_json::json!({ "error": {
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        } }))
    }
}

impl Frame {
    fn completion<'a>(
        &'a self,
        object: &'static str,
        choices: &'a [Choice<'a>],
        usage: Option<Reported>,
    ) -> Completion<'a> {
        let Self { id, created, model } = self;
        Completion { id, object, created: *created, model, choices, usage }
    }
}

/// The list of models.
pub(super) fn models(names: &[&str]) -> Bytes {
    let model = |name: &&str| {
        serde_json::json!({
            "id": name, "object": "model", "created": 0, "owned_by": "infergate",
        })
    };
    let data: Vec<_> = names.iter().map(model).collect();
    json(&serde_json::json!({ "object": "list", "data": data }))
}

fn event(value: &impl Serialize) -> Bytes {
    let mut event = b"data: ".to_vec();
    event.extend_from_slice(&json(value));
    event.extend_from_slice(b"\n\n");
    event.into()
}

fn json(value: &impl Serialize) -> Bytes {
    // Strings, numbers and lists of them: nothing that JSON could refuse.
    serde_json::to_vec(value).unwrap_or_default().into()
}
