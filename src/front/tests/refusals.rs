//! What is refused, and in which words.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::raw;
use crate::exchange::tests::stage::{COMPLETION, HELLO, ROLE, Stage, ask, config};
use crate::exchange::tests::upstream::{STREAM, Upstream, whole};
use crate::front::BodyLimits;
use crate::operate::fixture::{Reply, Setup, send, text};

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n";

async fn lone_stage() -> Stage {
    Stage::before(&[Upstream::dead().await]).await
}

fn error(reply: &Reply) -> (u16, Value, Value) {
    let body = reply.json();
    let error = body["error"].as_object().unwrap();
    assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "message", "param", "type"]);
    assert!(reply.header("x-request-id").starts_with("req_"));
    assert_eq!(reply.header("content-type"), "application/json");
    (reply.status, error["type"].clone(), error["code"].clone())
}

/// Status, code and the whole of an answer that came as raw bytes.
fn raw_error(answer: &str) -> (&str, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    assert!(head.contains("\r\nx-request-id: req_"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    (&head["HTTP/1.1 ".len()..][..3], text(&body["error"]["code"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused_in_the_apis_words() {
    let stage = lone_stage().await;
    let ask_for = async |method: Method, path: &str, key: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, key)
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        send(stage.gateway.data, request.unwrap()).await
    };
    let key = format!("Bearer {}", stage.key);
    let chat = "/v1/chat/completions";
    let other = ask(false).replace("small", "other");
    for (method, path, key, body, status, kind, code) in [
        (Method::POST, chat, "", "", 401, "invalid_request_error", "invalid_api_key"),
        (Method::POST, chat, "Bearer ig-x", "", 401, "invalid_request_error", "invalid_api_key"),
        (Method::GET, "/v1/models", "Basic x", "", 401, "invalid_request_error", "invalid_api_key"),
        (Method::GET, chat, &*key, "", 405, "invalid_request_error", "method_not_allowed"),
        (Method::OPTIONS, chat, "", "", 405, "invalid_request_error", "method_not_allowed"),
        (
            Method::DELETE,
            "/v1/models/small",
            &*key,
            "",
            405,
            "invalid_request_error",
            "method_not_allowed",
        ),
        (
            Method::POST,
            "/v1/chat/completions/",
            &*key,
            "",
            404,
            "invalid_request_error",
            "unknown_url",
        ),
        (Method::POST, chat, &*key, &*other, 404, "invalid_request_error", "model_not_found"),
        (
            Method::GET,
            "/v1/models/other%2Fone",
            &*key,
            "",
            404,
            "invalid_request_error",
            "model_not_found",
        ),
    ] {
        let reply = ask_for(method, path, key, body).await;
        assert_eq!(error(&reply), (status, json!(kind), json!(code)), "{path} {key} {body}");
        assert_eq!(reply.header("allow").is_empty(), status != 405);
    }
    for body in ["", "{", "[]", "{\"model\":1}", "{\"model\":\"small\"}", "\u{feff}{}"] {
        let (status, kind, _) = error(&ask_for(Method::POST, chat, &key, body).await);
        assert_eq!((status, kind), (400, json!("invalid_request_error")), "{body}");
    }
    assert_eq!(stage.ends().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_found_by_its_name_however_that_is_written() {
    let config = config(&[Upstream::dead().await], "").replace("\"small\"", "\"org/small:1\"");
    let stage = Stage::with(&config, "1").await;
    for path in ["org/small:1", "org%2Fs%6dall%3A1?limit=1"] {
        let request = Request::get(format!("/v1/models/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", stage.key));
        let reply = send(stage.gateway.data, request.body(Full::default()).unwrap()).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!("org/small:1")), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_cannot_be_read_is_answered_like_any_other_request() {
    let stage = lone_stage().await;
    for (request, status, code) in [
        ("nonsense\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("GET / HTTP/1.1\r\na b: c\r\n\r\n".to_owned(), "400", "invalid_request"),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000)), "431", "head_too_large"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(500)), "431", "head_too_large"),
    ] {
        let answer = raw(stage.gateway.data, request.as_bytes()).await;
        assert_eq!(raw_error(&answer), (status, code.to_owned()), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_too_much_gets_to_read_so() {
    let stage = lone_stage().await;
    let head = format!("{CHAT}authorization: Bearer {}\r\n", stage.key);
    let much = "x".repeat(8 << 20);
    let chunks = format!("{:x}\r\n{much}\r\n0\r\n\r\n", much.len());
    for (head, body) in [
        (format!("{head}content-length: {}\r\n\r\n", much.len()), &much),
        (format!("{head}transfer-encoding: chunked\r\n\r\n"), &chunks),
    ] {
        let mut socket = TcpStream::connect(stage.gateway.data).await.unwrap();
        // All of it is sent before the answer is looked at, as many clients do.
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(raw_error(&answer), ("413", "request_too_large".into()), "{answer}");
    }
    // One that asks first is told without having sent anything.
    let asks = format!("{head}content-length: {}\r\nexpect: 100-continue\r\n\r\n", much.len());
    let mut socket = TcpStream::connect(stage.gateway.data).await.unwrap();
    socket.write_all(asks.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_slow_is_refused() {
    let setup = Setup {
        config: config(&[Upstream::dead().await], ""),
        body: BodyLimits {
            bytes_max: 1_000,
            timeout: Duration::from_millis(50),
            stall: Duration::from_mins(1),
        },
        ..Setup::default()
    };
    let stage = Stage::of(setup, "1").await;
    let slow = format!("{CHAT}authorization: Bearer {}\r\ncontent-length: 9\r\n\r\n{{", stage.key);
    let answer = raw(stage.gateway.data, slow.as_bytes()).await;
    assert_eq!(raw_error(&answer), ("408", "request_timeout".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_broken_or_encoded_is_refused() {
    // With the usual time for it: a busy machine must not make a slow one of it.
    let stage = Stage::before(&[Upstream::dead().await]).await;
    let head = format!("{CHAT}authorization: Bearer {}\r\n", stage.key);
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n");
    let answer = raw(stage.gateway.data, broken.as_bytes()).await;
    assert_eq!(raw_error(&answer), ("400", "invalid_body".into()));
    let mut request = stage.request(ask(false));
    request.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let reply = send(stage.gateway.data, request).await;
    assert_eq!(error(&reply).0, 415);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_places_taken_no_body_is_read() {
    let mut upstream = Upstream::start().await;
    let config = config(&[upstream.address], "");
    let stage = Stage::of(Setup { config, in_flight_max: 1, ..Setup::default() }, "1").await;
    let (coming, call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    // The body never comes.
    let head = format!("{CHAT}authorization: Bearer {}\r\ncontent-length: 9\r\n\r\n", stage.key);
    let mut socket = TcpStream::connect(stage.gateway.data).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503");
    let reply = stage.chat(ask(true)).await;
    assert_eq!(error(&reply), (503, json!("server_error"), json!("overloaded")));
    assert_eq!(reply.header("retry-after"), "1");
    coming.leave().await;
    stage.gateway.world.gate.wait_until_empty().await;
    drop(call);
    let upstream = upstream.plays(vec![whole("200 OK", "", COMPLETION)]);
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    upstream.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_says_what_it_is_and_when_to_come_back() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let change = async |limits: Value| {
        let change = json!({ "limits": limits });
        let reply = stage.gateway.ask(Method::PATCH, &stage.account, Some(&change)).await;
        assert_eq!(reply.status, 200);
    };
    let upstream = upstream.plays(vec![whole("200 OK", "", COMPLETION)]);
    change(json!({ "requests_per_minute": 1, "tokens_per_minute": 1_000_000 })).await;
    let reply = stage.chat(ask(false)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "1");
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), "1000000");
    upstream.await.unwrap();

    let reply = stage.chat(ask(false)).await;
    assert_eq!(error(&reply), (429, json!("rate_limit_error"), json!("rate_limit_exceeded")));
    assert!(matches!(reply.header("retry-after").parse(), Ok(1..=60)));
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "1");
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
    assert!(reply.header("x-ratelimit-reset-requests").ends_with("ms"));

    change(json!({ "tokens_per_minute": 10 })).await;
    let reply = stage.chat(ask(false)).await;
    assert_eq!((reply.status, reply.header("x-should-retry")), (429, "false"));
    change(json!({ "in_flight": 0 })).await;
    let reply = stage.chat(ask(false)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_is_told_so() {
    let stage = lone_stage().await;
    let keys = format!("{}/keys", stage.account);
    let other = json!({ "name": "other", "models": ["gpt-*"] });
    let other = text(&stage.gateway.post(&keys, &other, 201).await["secret"]);
    let mut request = stage.request(ask(false));
    let value = format!("Bearer {other}").parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let reply = send(stage.gateway.data, request).await;
    assert_eq!(error(&reply), (403, json!("permission_error"), json!("model_not_available")));
    let models = async |key: &str, path: &str| {
        let request = Request::get(format!("/v1/models{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {key}"));
        send(stage.gateway.data, request.body(Full::default()).unwrap()).await
    };
    assert_eq!(models(&other, "").await.json()["data"], json!([]));
    // What exists and is not for this key is refused as it is where it is asked for.
    let shown = models(&other, "/small").await;
    assert_eq!(error(&shown), error(&reply));
    assert_eq!(error(&models(&other, "/none").await).2, "model_not_found");
    assert_eq!(models(&stage.key, "").await.json()["data"][0]["id"], "small");
    let revoked = stage.gateway.ask(Method::DELETE, &format!("{keys}/key_1"), None).await;
    assert_eq!(revoked.status, 200);
    let reply = stage.chat(ask(false)).await;
    assert_eq!(error(&reply).2, "invalid_api_key");
    assert_eq!(reply.status, 401);
    assert_eq!(error(&models(&stage.key, "").await).0, 401);
    let suspend = format!("{}/suspend", stage.account);
    stage.gateway.post(&suspend, &json!({ "reason": "test" }), 200).await;
    assert_eq!(error(&models(&other, "").await).2, "account_suspended");
    stage.gateway.world.stop();
    let reply = stage.chat(ask(false)).await;
    assert_eq!(error(&reply), (503, json!("server_error"), json!("unavailable")));
}
