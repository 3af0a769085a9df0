//! Answers one HTTP request to the simulated provider.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use infergate_actors::clock::Clock;
use tokio::time::timeout;

use super::answer::answer;
use super::wire::{ChatRequest, Fault, Frame, models};

/// A longer body is answered 413.
const BODY_BYTES_MAX: usize = 64 << 20;
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// Those of the shipped configuration; any other name is answered as well.
const MODELS: [&str; 2] = ["sim-small", "sim-large"];

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) struct Service {
    token_delay: Duration,
    clock: Clock,
    answers: AtomicU64,
}

impl Service {
    pub(super) fn new(token_delay: Duration, clock: Clock) -> Self {
        Self { token_delay, clock, answers: AtomicU64::new(1) }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/v1/models") => json(StatusCode::OK, models(&MODELS)),
            (&Method::POST, "/v1/chat/completions") => {
                self.chat(request.into_body()).await.unwrap_or_else(|fault| refuse(&fault))
            }
            (_, "/v1/models") => wrong_method("GET"),
            (_, "/v1/chat/completions") => wrong_method("POST"),
            (_, path) => refuse(&Fault {
                status: 404,
                message: format!("nothing is at {path}: see /v1/chat/completions and /v1/models"),
                param: None,
                code: Some("unknown_url"),
            }),
        }
    }

    async fn chat(&self, body: Incoming) -> Result<Response<Body>, Fault> {
        let request = ChatRequest::read(&collect(body).await?)?;
        let answer = answer(&request);
        let frame = Frame {
            id: format!("chatcmpl-sim-{:012x}", self.answers.fetch_add(1, Ordering::Relaxed)),
            created: self.clock.now().wall_ms / 1_000,
            model: request.model.clone().unwrap_or_default(),
        };
        if request.stream == Some(true) {
            return Ok(events(answer.events(&request, frame), self.token_delay));
        }
        Ok(json(StatusCode::OK, answer.whole(&frame)))
    }
}

async fn collect(body: Incoming) -> Result<Bytes, Fault> {
    let fault = |status, message: String| Fault { status, message, param: None, code: None };
    match timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(fault(413, format!("the body is longer than {} MiB", BODY_BYTES_MAX >> 20)))
        }
        Ok(Err(error)) => Err(fault(400, format!("the body broke off: {error}"))),
        Err(_) => Err(fault(408, "the body took too long".to_owned())),
    }
}

/// A response of events, with the delay before each but the first. It ends early when the client
/// goes: then nobody asks for the next event.
fn events(events: impl Iterator<Item = Bytes> + Send + 'static, delay: Duration) -> Response<Body> {
    let paced = stream::unfold((events, true), move |(mut rest, is_first)| async move {
        let event = rest.next()?;
        if !is_first && !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Some((Ok(BodyFrame::data(event)), (rest, false)))
    });
    let mut response = Response::new(StreamBody::new(paced).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refuse(fault: &Fault) -> Response<Body> {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
    json(status, fault.body())
}

fn wrong_method(allowed: &'static str) -> Response<Body> {
    let mut response = refuse(&Fault {
        status: 405,
        message: format!("use {allowed} here"),
        param: None,
        code: Some("method_not_supported"),
    });
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
