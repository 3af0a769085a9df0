//! The simulated provider over a real socket.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;

/// 2026-01-01.
const WALL_MS: u64 = 1_767_225_600_000;
const GENEROUS: Duration = Duration::from_mins(1);

struct Harness {
    simulated: Simulated,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Harness {
    fn start(token_delay: Duration) -> Self {
        let simulated = Simulated::start(token_delay, Clock::manual(WALL_MS)).unwrap();
        Self { simulated, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, Bytes) {
        let uri = format!("{}{path}", self.simulated.base_url());
        let request = Request::builder().method(method).uri(uri).body(Full::new(body.into()));
        let response = self.client.request(request.unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    async fn chat(&self, body: Value) -> (StatusCode, Bytes) {
        self.send(Method::POST, "/chat/completions", body.to_string().into()).await
    }
}

fn hello(more: &Value) -> Value {
    let mut body =
        json!({ "model": "sim-small", "messages": [{ "role": "user", "content": "Hello!" }] });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn parsed(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The payloads of a stream, without the terminator, which must be the last.
fn chunks(stream: &Bytes) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let payloads: Vec<_> =
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (last, chunks) = payloads.split_last().unwrap();
    assert_eq!(*last, "[DONE]");
    chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect()
}

fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_chat_is_answered_whole() {
    let harness = Harness::start(Duration::ZERO);
    let (status, body) = harness.chat(hello(&json!({}))).await;
    let body = parsed(&body);
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["id"], "chatcmpl-sim-000000000001");
    assert_eq!(body["created"], WALL_MS / 1_000);
    assert_eq!(body["model"], "sim-small");
    let choice = &body["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["index"]), (&json!("stop"), &json!(0)));
    assert!(choice["message"]["content"].as_str().unwrap().starts_with("You said: Hello!\n"));
    let usage = |part: &str| body["usage"][part].as_u64().unwrap();
    assert_eq!(usage("prompt_tokens"), 5);
    assert_eq!(usage("total_tokens"), 5 + usage("completion_tokens"));
}

#[tokio::test]
async fn a_stream_says_the_same_as_the_whole_and_counts_the_same() {
    let harness = Harness::start(Duration::ZERO);
    let whole = parsed(&harness.chat(hello(&json!({}))).await.1);
    let stream = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let (status, body) = harness.chat(hello(&stream)).await;
    assert_eq!(status, StatusCode::OK);
    let chunks = chunks(&body);
    assert_eq!(text_of(&chunks), whole["choices"][0]["message"]["content"]);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let (usage, rest) = chunks.split_last().unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
    assert!(rest.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    let ends: Vec<_> = rest.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    let (end, before) = ends.split_last().unwrap();
    assert!(**end == "stop" && before.iter().all(|end| end.is_null()));
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]));
}

#[tokio::test]
async fn a_stream_has_no_usage_unless_it_is_asked_for() {
    let harness = Harness::start(Duration::ZERO);
    let (_, body) = harness.chat(hello(&json!({ "stream": true }))).await;
    assert!(chunks(&body).iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn a_ceiling_ends_the_answer_with_length() {
    let harness = Harness::start(Duration::ZERO);
    for field in ["max_tokens", "max_completion_tokens"] {
        let whole = parsed(&harness.chat(hello(&json!({ field: 3 }))).await.1);
        assert_eq!(whole["choices"][0]["finish_reason"], "length");
        assert_eq!(whole["choices"][0]["message"]["content"], "You said: Hello!");
        assert_eq!(whole["usage"]["completion_tokens"], 3);
        let (_, body) = harness.chat(hello(&json!({ field: 3, "stream": true }))).await;
        let chunks = chunks(&body);
        assert_eq!(text_of(&chunks), "You said: Hello!");
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "length");
    }
}

#[tokio::test]
async fn a_wrong_request_is_refused_in_the_envelope() {
    let harness = Harness::start(Duration::ZERO);
    for (body, param) in [
        ("{".to_owned(), Value::Null),
        ("[]".to_owned(), Value::Null),
        (hello(&json!({ "max_tokens": -1 })).to_string(), Value::Null),
        (hello(&json!({ "messages": [{ "content": { "a": 1 } }] })).to_string(), Value::Null),
        (hello(&json!({ "model": null })).to_string(), json!("model")),
        (hello(&json!({ "messages": [] })).to_string(), json!("messages")),
        (hello(&json!({ "n": 2 })).to_string(), json!("n")),
        (hello(&json!({ "max_tokens": 0 })).to_string(), json!("max_tokens")),
        (hello(&json!({ "stream_options": {} })).to_string(), json!("stream_options")),
    ] {
        let sent = harness.send(Method::POST, "/chat/completions", body.clone().into());
        let (status, answer) = sent.await;
        let error = &parsed(&answer)["error"];
        assert_eq!((status, &error["param"]), (StatusCode::BAD_REQUEST, &param), "{body}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(!error["message"].as_str().unwrap().is_empty() && error["code"].is_null());
    }
}

#[tokio::test]
async fn models_are_listed_and_other_places_and_methods_are_refused() {
    let harness = Harness::start(Duration::ZERO);
    let (_, list) = harness.send(Method::GET, "/models", Vec::new()).await;
    let list = parsed(&list);
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][1]["id"]),
        (&json!("sim-small"), &json!("sim-large"))
    );
    for (method, path, status) in [
        (Method::GET, "/chat/completions", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/models", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/embeddings", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(harness.send(method, path, Vec::new()).await.0, status);
    }
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused() {
    let harness = Harness::start(Duration::ZERO);
    let sent = harness.send(Method::POST, "/chat/completions", vec![b' '; (64 << 20) + 1]);
    assert_eq!(sent.await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_answer_in_flight_is_finished_before_the_stop_and_then_nobody_listens() {
    let harness = Harness::start(Duration::from_millis(1));
    let uri = format!("{}/chat/completions", harness.simulated.base_url());
    let body = hello(&json!({ "stream": true })).to_string();
    let request = Request::post(uri).body(Full::new(body.into())).unwrap();
    let response = harness.client.request(request).await.unwrap();
    let address = harness.simulated.address();
    let (body, ()) = tokio::join!(response.into_body().collect(), harness.simulated.stop(GENEROUS));
    assert!(!chunks(&body.unwrap().to_bytes()).is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_answer_beyond_the_grace_is_cut() {
    let harness = Harness::start(Duration::from_hours(1));
    let uri = format!("{}/chat/completions", harness.simulated.base_url());
    let body = hello(&json!({ "stream": true })).to_string();
    let request = Request::post(uri).body(Full::new(body.into())).unwrap();
    let response = harness.client.request(request).await.unwrap();
    harness.simulated.stop(Duration::from_millis(1)).await;
    let read = tokio::time::timeout(GENEROUS, response.into_body().collect()).await.unwrap();
    assert!(read.is_err());
}
