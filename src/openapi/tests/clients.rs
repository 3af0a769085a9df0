//! What the clients' port answers.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::checker::Checker;
use crate::front;
use crate::operate::fixture::{Gateway, Reply, send, text};

struct Stage {
    gateway: Gateway,
    checker: Checker,
    key: String,
}

impl Stage {
    /// With an account that has credit, and a key for everything.
    async fn start() -> Self {
        let gateway = Gateway::start().await;
        let account = format!("/admin/v1/accounts/{}", gateway.account("acme").await);
        let grant = json!({ "amount_usd": "5", "kind": "paid", "reference": "r" });
        gateway.post(&format!("{account}/grants"), &grant, 201).await;
        let wanted = json!({
            "name": "k", "scopes": ["inference", "usage_read"],
            "limits": { "requests_per_minute": 100 },
        });
        let key = text(&gateway.post(&format!("{account}/keys"), &wanted, 201).await["secret"]);
        Self { gateway, checker: Checker::new(front::document()), key }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &Value, status: u16) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(Full::from(Bytes::from(body.to_string())));
        let reply = send(self.gateway.data, request.unwrap()).await;
        self.checker.check(method, path, &reply);
        assert_eq!(reply.status, status, "{method} {path}: {:?}", reply.body);
        reply
    }

    async fn get(&mut self, path: &str, status: u16) {
        self.ask("GET", path, &Value::Null, status).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_port_answers_as_its_document_says() {
    let mut stage = Stage::start().await;
    let chat = json!({ "model": "small", "messages": [{ "role": "user", "content": "Hello!" }] });
    let reply = stage.ask("POST", "/v1/chat/completions", &chat, 200).await;
    let id = reply.header("x-request-id").to_owned();
    assert_ne!(reply.header("x-infergate-cost"), "");
    let mut streamed = chat.clone();
    streamed["stream"] = json!(true);
    stage.ask("POST", "/v1/chat/completions", &streamed, 200).await;
    stage.ask("POST", "/v1/explain", &chat, 200).await;
    for path in ["/v1/models", "/v1/models/small", "/v1/credits", "/v1/key", "/healthz", "/readyz"]
    {
        stage.get(path, 200).await;
    }
    stage.get(&format!("/v1/generation?id={id}"), 200).await;
    for query in ["", "?group_by=model", "?format=csv", "?format=ndjson"] {
        stage.get(&format!("/api/v1/usage{query}"), 200).await;
    }
    stage.get("/openapi.json", 200).await;
    stage.checker.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_port_refuses_as_its_document_says() {
    let mut stage = Stage::start().await;
    stage.get("/v1/models/none", 404).await;
    stage.get("/v1/models/", 404).await;
    stage.get("/v1/generation", 400).await;
    stage.get("/v1/generation?id=req_7", 404).await;
    stage.get("/api/v1/usage?limit=0", 400).await;
    for path in ["/v1/chat/completions", "/v1/explain"] {
        stage.ask("POST", path, &json!({}), 400).await;
        stage.ask("POST", path, &json!({ "model": "none", "messages": [{}] }), 404).await;
    }
    let long = json!({ "model": "small", "messages": ["x".repeat(2 << 20)] });
    stage.ask("POST", "/v1/chat/completions", &long, 413).await;
    stage.key = "wrong".to_owned();
    for path in ["/v1/models", "/v1/credits", "/v1/key", "/v1/generation?id=x", "/api/v1/usage"] {
        stage.get(path, 401).await;
    }
}
