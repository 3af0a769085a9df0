//! One request, from its body to the answer that the script has for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use tokio::time::sleep;

use super::behaviour::{ErrorRule, Hang, Plan, Refusal, Wanted};
use super::state::{Model, State};
use super::stats::{Outcome, Running};
use super::stream::{AnswerBody, Cut, Released, Script, Stream, Whole};
use super::wire::{self, Answer, Asked, Events, Reported};
use crate::words;

/// Where a gateway may write its own id of a request.
const REQUEST_IDS: [HeaderName; 2] =
    [HeaderName::from_static("x-request-id"), HeaderName::from_static("x-client-request-id")];
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// What the connection lends to an exchange.
pub(super) struct Exchange<'a> {
    pub(super) state: &'a State,
    pub(super) headers: &'a HeaderMap,
    pub(super) reset: &'a Arc<AtomicBool>,
}

impl Exchange<'_> {
    /// Answers a chat completion; an error breaks the connection off.
    pub(super) async fn answer(self, body: Bytes) -> Result<Response<AnswerBody>, Cut> {
        let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else {
            return Ok(response(400, JSON, Whole::plain(wire::error_body(400))));
        };
        let model = self.state.model(&asked.model);
        let wanted = Wanted {
            body_bytes: body.len(),
            tokens_max: asked.tokens_max(),
            prefilled: asked.prefill().map(|text| words::next_after(&text)),
        };
        let plan = self.state.plan(&model, wanted);
        let mut running = self.state.stats.begin(&model.name);
        running.request_id = self.request_id();
        running.streamed = asked.stream == Some(true);
        (running.prompt, running.cached) = (plan.prompt_tokens, plan.cached_tokens);
        running.prefilled = plan.prefilled;

        if plan.faults.hang == Some(Hang::BeforeHead) {
            model.released().await;
        }
        let refused = self.refused(&plan);
        let before_head = plan.head + generating(&plan, running.streamed || refused.is_some());
        if !before_head.is_zero() {
            sleep(before_head).await;
        }
        if plan.faults.cut_before_head {
            self.reset.store(plan.faults.cut_by_reset, Ordering::Relaxed);
            running.ends_as(Outcome::Cut);
            return Err(Cut);
        }
        let status = refused.as_ref().map_or(200, |refused| refused.status);
        self.state.stats.count_status(status);
        running.status = Some(status);
        let mut answer = match refused {
            Some(refused) => refused.answer(running),
            None if running.streamed => {
                response(200, EVENTS, self.stream(&plan, &asked, &model, running))
            }
            None => response(200, JSON, self.whole(&plan, &model, running)),
        };
        add(&plan, answer.headers_mut());
        Ok(answer)
    }

    fn request_id(&self) -> Option<Box<str>> {
        let value = REQUEST_IDS.iter().find_map(|name| self.headers.get(name))?;
        let id = value.to_str().ok()?;
        Some(id.chars().take(80).collect::<String>().into_boxed_str())
    }

    /// The error that the request is answered with, if it is: by script, or because the model does
    /// not take such a request.
    fn refused(&self, plan: &Plan) -> Option<Refused> {
        if let Some(rule) = self.error(plan) {
            let body = rule.body.map_or_else(|| wire::error_body(rule.status), Bytes::from);
            return Some(Refused { status: rule.status, body, retry_after: rule.retry_after });
        }
        let body = match plan.refusal? {
            Refusal::Prefill => wire::prefill_refused(),
            Refusal::TooLong { context_tokens } => {
                wire::context_exceeded(context_tokens, plan.prompt_tokens)
            }
        };
        Some(Refused { status: 400, body, retry_after: None })
    }

    fn error(&self, plan: &Plan) -> Option<ErrorRule> {
        let credential = self
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if credential.is_some() && credential == plan.faults.limited_credential.as_deref() {
            let retry_after = plan.faults.limited_retry_after.map(|seconds| seconds.to_string());
            return Some(ErrorRule {
                status: 429,
                per_million: 1_000_000,
                body: None,
                retry_after,
            });
        }
        plan.faults.error.clone()
    }

    fn whole(&self, plan: &Plan, model: &Arc<Model>, mut running: Running) -> AnswerBody {
        let with_usage = plan.usage != super::behaviour::UsageMode::Off;
        let bytes = {
            let answer = self.identity(plan, model, &running);
            wire::whole(&answer, reported(plan), with_usage)
        };
        let faults = &plan.faults;
        if faults.truncate_body || faults.cut_after.is_some() {
            return Whole::answer(bytes, Outcome::Cut, running);
        }
        running.tokens = u64::from(plan.tokens);
        if faults.garbled_body {
            return Whole::answer(wire::garbled_body(&bytes), Outcome::Failed, running);
        }
        if faults.stall_after.is_some() {
            return Whole::stalled(bytes, stall(plan, model), faults.stall_ms.is_some(), running);
        }
        let silent = faults.hang == Some(Hang::AfterHead);
        Whole::after(silent.then(|| model.released()), bytes, running)
    }

    fn identity<'a>(&'a self, plan: &Plan, model: &'a Model, running: &Running) -> Answer<'a> {
        Answer {
            name: &self.state.name,
            sequence: running.sequence,
            model: &model.name,
            first: plan.prefilled,
            finish: if plan.cut_short { "length" } else { "stop" },
        }
    }

    fn stream(
        &self,
        plan: &Plan,
        asked: &Asked<'_>,
        model: &Arc<Model>,
        running: Running,
    ) -> AnswerBody {
        let script = Script {
            plan,
            events: Events::new(&self.identity(plan, model, &running)),
            usage: reported(plan),
            asked_usage: asked.wants_usage(),
            silence: (plan.faults.hang == Some(Hang::AfterHead)).then(|| model.released()),
            stall: plan.faults.stall_after.map(|_| stall(plan, model)),
            left_open: plan.faults.left_open.then(|| model.released()),
            reset: Arc::clone(self.reset),
        };
        Stream::answer(script, running)
    }
}

/// An error answer, decided.
struct Refused {
    status: u16,
    body: Bytes,
    retry_after: Option<String>,
}

impl Refused {
    fn answer(self, running: Running) -> Response<AnswerBody> {
        let body = Whole::answer(self.body, Outcome::Refused, running);
        let mut answer = response(self.status, JSON, body);
        let retry_after = self.retry_after.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(value)) = retry_after {
            answer.headers_mut().insert(RETRY_AFTER, value);
        }
        answer
    }
}

/// How long the model takes before the head of an answer: all of it, where it is not streamed.
fn generating(plan: &Plan, at_once: bool) -> Duration {
    if at_once {
        return Duration::ZERO;
    }
    plan.first_token + plan.interval * plan.tokens.saturating_sub(1)
}

/// The silence in the middle of an answer.
fn stall(plan: &Plan, model: &Model) -> Released {
    match plan.faults.stall_ms {
        Some(millis) => Box::pin(sleep(Duration::from_millis(millis))),
        None => model.released(),
    }
}

/// The headers of the script; one that cannot be a header is left out.
fn add(plan: &Plan, headers: &mut HeaderMap) {
    for (name, value) in &plan.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value))
        {
            headers.insert(name, value);
        }
    }
}

fn reported(plan: &Plan) -> Reported {
    Reported {
        prompt: plan.prompt_tokens,
        cached: plan.cached_tokens,
        completion: u64::from(plan.tokens),
    }
}

/// An answer with this status; 500 for a status there cannot be.
pub(super) fn response(status: u16, kind: HeaderValue, body: AnswerBody) -> Response<AnswerBody> {
    let mut answer = Response::new(body);
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
