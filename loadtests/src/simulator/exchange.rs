//! One request, from its body to the answer that the script has for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use tokio::time::sleep;

use super::behaviour::{ErrorRule, Hang, Plan};
use super::state::{Model, State};
use super::stats::{Outcome, Running};
use super::stream::{AnswerBody, Cut, Script, Stream, Whole};
use super::wire::{self, Asked, Events, Reported};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
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
        let plan = self.state.plan(&model, body.len(), asked.tokens_max());
        let mut running = self.state.stats.begin(&model.name);
        running.request_id = self
            .headers
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .map(|id| id.chars().take(80).collect::<String>().into_boxed_str());
        (running.prompt, running.cached) = (plan.prompt_tokens, plan.cached_tokens);

        if plan.faults.hang == Some(Hang::BeforeHead) {
            model.released().await;
        }
        let streamed = asked.stream == Some(true);
        let generating = if streamed {
            std::time::Duration::ZERO
        } else {
            plan.first_token + plan.interval * plan.tokens.saturating_sub(1)
        };
        let before_head = plan.head + generating;
        if !before_head.is_zero() {
            sleep(before_head).await;
        }
        if plan.faults.cut_before_head {
            self.reset.store(plan.faults.cut_by_reset, Ordering::Relaxed);
            running.ends_as(Outcome::Cut);
            return Err(Cut);
        }
        if let Some(rule) = self.error(&plan) {
            return Ok(self.refuse(&rule, running));
        }
        self.state.stats.count_status(200);
        if streamed {
            Ok(response(200, EVENTS, self.stream(&plan, &asked, &model, running)))
        } else {
            Ok(response(200, JSON, self.whole(&plan, &model, running)))
        }
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

    fn refuse(&self, rule: &ErrorRule, running: Running) -> Response<AnswerBody> {
        self.state.stats.count_status(rule.status);
        let body = rule.body.clone().map_or_else(|| wire::error_body(rule.status), Bytes::from);
        let mut answer =
            response(rule.status, JSON, Whole::answer(body, Outcome::Refused, running));
        let retry_after = rule.retry_after.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(value)) = retry_after {
            answer.headers_mut().insert(RETRY_AFTER, value);
        }
        answer
    }

    fn whole(&self, plan: &Plan, model: &Arc<Model>, mut running: Running) -> AnswerBody {
        let usage = reported(plan);
        let with_usage = plan.usage != super::behaviour::UsageMode::Off;
        let sequence = running.sequence;
        let bytes = wire::whole(&self.state.name, sequence, &model.name, usage, with_usage);
        if plan.faults.truncate_body || plan.faults.cut_after.is_some() {
            return Whole::answer(bytes, Outcome::Cut, running);
        }
        running.tokens = u64::from(plan.tokens);
        let silent = plan.faults.hang == Some(Hang::AfterHead) || plan.faults.stall_after.is_some();
        let silence = silent.then(|| model.released());
        Whole::after(silence, bytes, running)
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
            events: Events::new(&self.state.name, running.sequence, &model.name),
            usage: reported(plan),
            asked_usage: asked.wants_usage(),
            silence: (plan.faults.hang == Some(Hang::AfterHead)).then(|| model.released()),
            stall: plan.faults.stall_after.map(|_| model.released()),
            reset: Arc::clone(self.reset),
        };
        Stream::answer(script, running)
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
