//! The side door of the simulator: scripts in, statistics out.
//!
//! ```text
//! GET    /control/models            every behaviour, by model
//! PUT    /control/models/{model}    a behaviour; what hangs and is no longer told to, goes on
//! DELETE /control/models[/{model}]  healthy again
//! GET    /control/stats             the counters
//! GET    /control/log?after=&limit= the log of ended answers, in pages
//! PUT    /control/listening         {"listening": false} closes the data port and its connections
//! ```

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Response};
use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::exchange::response;
use super::state::State;
use super::stream::{AnswerBody, Whole};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PAGE_MAX: usize = 10_000;

/// Whether the data port is open.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listening {
    /// Closed, a connection attempt is refused.
    pub listening: bool,
}

#[derive(Serialize)]
struct Fault<'a> {
    error: &'a str,
}

/// Answers a request whose path starts with `/control/`.
pub(super) fn answer(
    state: &State,
    method: &Method,
    path: &str,
    query: &str,
    body: &Bytes,
) -> Response<AnswerBody> {
    let rest = path.strip_prefix("/control/").unwrap_or_default();
    let (part, name) = rest.split_once('/').map_or((rest, None), |(part, name)| (part, Some(name)));
    match (method, part, name) {
        (&Method::GET, "models", None) => json(200, &state.behaviours()),
        (&Method::PUT, "models", Some(name)) => put_model(state, name, body),
        (&Method::DELETE, "models", name) => {
            state.reset(name);
            json(200, &state.behaviours())
        }
        (&Method::GET, "stats", None) => json(200, &state.stats.counts()),
        (&Method::GET, "log", None) => {
            let after = parameter(query, "after").unwrap_or(0);
            let limit = parameter(query, "limit").and_then(|limit| usize::try_from(limit).ok());
            json(200, &state.stats.log(after, limit.unwrap_or(PAGE_MAX).min(PAGE_MAX)))
        }
        (&Method::PUT, "listening", None) => put_listening(state, body),
        _ => fault(404, "no such control"),
    }
}

fn put_model(state: &State, name: &str, body: &Bytes) -> Response<AnswerBody> {
    let behaviour = match serde_json::from_slice::<Behaviour>(body) {
        Ok(behaviour) => behaviour,
        Err(error) => return fault(400, &error.to_string()),
    };
    match state.set(name, behaviour) {
        Ok(()) => json(200, &state.behaviours().get(name)),
        Err(error) => fault(409, &error.to_string()),
    }
}

fn put_listening(state: &State, body: &Bytes) -> Response<AnswerBody> {
    match serde_json::from_slice::<Listening>(body) {
        Ok(wish) => {
            state.listening.send_replace(wish.listening);
            json(200, &wish)
        }
        Err(error) => fault(400, &error.to_string()),
    }
}

fn parameter(query: &str, name: &str) -> Option<u64> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}

pub(super) fn fault(status: u16, error: &str) -> Response<AnswerBody> {
    json(status, &Fault { error })
}

fn json<T: Serialize>(status: u16, value: &T) -> Response<AnswerBody> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    response(status, JSON, Whole::plain(Bytes::from(text)))
}
