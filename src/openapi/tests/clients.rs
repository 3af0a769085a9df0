//! What the clients' port answers.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::areas::CONFIG;
use super::checker::Checker;
use crate::front;
use crate::operate::fixture::{Gateway, Reply, Setup, send, text};

struct Stage {
    gateway: Gateway,
    checker: Checker,
    /// Where operators have the account.
    account: String,
    key: String,
}

impl Stage {
    /// With an account that has credit, and a key for everything.
    async fn start() -> Self {
        let mut setup = Setup::default();
        setup.config.push_str("[signup]\npolicy = \"open\"\ntrial_credit_usd = \"5\"\n");
        setup.config.push_str(CONFIG);
        let gateway = setup.start().await;
        let account = format!("/admin/v1/accounts/{}", gateway.account("acme").await);
        let grant = json!({ "amount_usd": "5", "kind": "paid", "reference": "r" });
        gateway.post(&format!("{account}/grants"), &grant, 201).await;
        let wanted = json!({
            "name": "k",
            "scopes": ["inference", "usage_read", "key_management", "account_management"],
            "limits": { "requests_per_minute": 100 },
        });
        let key = text(&gateway.post(&format!("{account}/keys"), &wanted, 201).await["secret"]);
        Self { gateway, checker: Checker::new(front::document()), account, key }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &Value, status: u16) -> Reply {
        self.ask_with(&[], (method, path), body, status).await
    }

    async fn ask_with(
        &mut self,
        headers: &[(&str, &str)],
        (method, path): (&str, &str),
        body: &Value,
        status: u16,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(Bytes::from(body.to_string())));
        let reply = send(self.gateway.data, request.unwrap()).await;
        self.checker.check(method, path, &reply);
        assert_eq!(reply.status, status, "{method} {path}: {:?}", reply.body);
        reply
    }

    async fn get(&mut self, path: &str, status: u16) {
        self.ask("GET", path, &Value::Null, status).await;
    }

    async fn owns(&mut self) {
        let code = json!({ "name": "n", "count": 1, "kind": "trial", "amount_usd": "1" });
        let made = self.gateway.post("/admin/v1/codes", &code, 201).await;
        for path in ["account", "statement?month=2026-11", "models", "key", "keys?limit=1"] {
            self.get(&format!("/api/v1/{path}"), 200).await;
        }
        self.get("/api/v1/statement?month=2026-11&format=csv", 200).await;
        let change = json!({ "budgets": { "month_usd": "9" } });
        self.ask("PATCH", "/api/v1/account", &change, 200).await;
        self.ask("PATCH", "/api/v1/account", &json!({ "limits": {} }), 422).await;
        let other = [("if-match", "\"other\"")];
        self.ask_with(&other, ("PATCH", "/api/v1/account"), &change, 412).await;
        self.ask_with(&other, ("POST", "/api/v1/key/compromised"), &Value::Null, 412).await;
        self.ask("POST", "/api/v1/redeem", &json!({ "code": made["codes"][0] }), 200).await;
        self.ask("POST", "/api/v1/redeem", &json!({ "code": "igc-no" }), 404).await;
        for _ in 0..2 {
            let rest = json!({ "requests_per_minute": 10 });
            let new = json!({ "name": "l", "limits": rest });
            self.ask("POST", "/api/v1/keys", &new, 201).await;
        }
        let more = json!({ "name": "l", "limits": { "requests_per_minute": 1_000 } });
        self.ask("POST", "/api/v1/keys", &more, 403).await;
        let key = "/api/v1/keys/key_2";
        self.get(key, 200).await;
        self.get("/api/v1/keys/key_9", 404).await;
        self.ask("PATCH", key, &json!({ "name": "m" }), 200).await;
        self.ask("POST", &format!("{key}/rotate"), &json!({ "overlap": "1h" }), 200).await;
        self.ask("DELETE", &format!("{key}?reason=lost"), &Value::Null, 200).await;
        for (reason, status) in [("?reason=", 422), ("", 200)] {
            let path = format!("/api/v1/keys/key_3/compromised{reason}");
            self.ask("POST", &path, &Value::Null, status).await;
        }
        let members = "/api/v1/members";
        let new = json!({ "email": "a@example.com", "name": "n", "role": "owner" });
        self.ask("POST", members, &new, 201).await;
        self.ask("POST", members, &new, 409).await;
        self.get(members, 200).await;
        self.get(&format!("{members}/mem_1"), 200).await;
        self.get(&format!("{members}/mem_9"), 404).await;
        self.ask("PATCH", &format!("{members}/mem_1"), &json!({ "name": "m" }), 200).await;
        let other = json!({ "email": "b@example.com", "name": "n", "role": "read_only" });
        self.ask("POST", members, &other, 201).await;
        self.ask("DELETE", &format!("{members}/mem_2"), &Value::Null, 200).await;
        let wish = json!({ "name": "c", "email": "c@example.com" });
        let opened = self.ask("POST", "/api/v1/signup", &wish, 201).await.json();
        self.ask("POST", "/api/v1/signup", &wish, 409).await;
        self.runs_projects().await;
        self.subscribes().await;
        self.is_watched().await;
        self.has_webhooks().await;
        self.ask("POST", "/api/v1/key/compromised", &Value::Null, 200).await;
        self.get("/api/v1/key", 401).await;
        self.key = text(&opened["key"]["secret"]);
        self.get("/api/v1/account", 200).await;
        self.ask("DELETE", "/api/v1/key", &Value::Null, 200).await;
    }

    async fn runs_projects(&mut self) {
        let projects = "/api/v1/projects";
        let wanted = json!({ "name": "p", "models": ["s*"], "limits": { "in_flight": 3 }, "budgets": { "day_usd": "1" } });
        for _ in 0..2 {
            self.ask("POST", projects, &wanted, 201).await;
        }
        let named = [("idempotency-key", "k")];
        for _ in 0..2 {
            self.ask_with(&named, ("POST", projects), &wanted, 201).await;
            self.ask_with(&named, ("POST", "/api/v1/keys"), &wanted, 422).await;
        }
        self.ask_with(&[("idempotency-key", "")], ("POST", projects), &wanted, 400).await;
        let new = json!({ "name": "k", "limits": { "requests_per_minute": 10 } });
        for _ in 0..2 {
            self.ask_with(&[("idempotency-key", "l")], ("POST", "/api/v1/keys"), &new, 201).await;
        }
        self.ask("POST", projects, &json!({ "name": "" }), 422).await;
        self.get(projects, 200).await;
        self.get(&format!("{projects}?limit=1"), 200).await;
        self.get(&format!("{projects}?limit=0"), 400).await;
        let one = format!("{projects}/proj_1");
        self.get(&one, 200).await;
        self.get(&format!("{projects}/proj_9"), 404).await;
        let change = json!({ "name": "q", "limits": { "in_flight": null } });
        self.ask("PATCH", &one, &change, 200).await;
        self.ask("POST", &format!("{one}/archive"), &Value::Null, 200).await;
        self.ask("POST", &format!("{one}/restore"), &Value::Null, 200).await;
        self.ask("POST", &format!("{projects}/proj_9/archive"), &Value::Null, 404).await;
    }

    async fn subscribes(&mut self) {
        self.get("/api/v1/subscription", 200).await;
        let paid = json!({ "plan": "team", "event_id": "s1", "payment": "s", "amount_usd": "10" });
        self.gateway.post(&format!("{}/subscription", self.account), &paid, 201).await;
        let shown = self.ask("GET", "/api/v1/subscription", &Value::Null, 200).await.json();
        assert_eq!(shown["subscription"]["plan"], "team");
    }

    async fn is_watched(&mut self) {
        let watch = "/api/v1/watch";
        self.get(watch, 200).await;
        let change = json!({
            "low_balance_usd": ["1", "5000"], "budget_percent": [50, 100],
            "auto_top_up": { "threshold_usd": "4000", "amount_usd": "10", "month_max_usd": "100" },
        });
        self.ask("PATCH", watch, &change, 200).await;
        let watched = self.ask("GET", watch, &Value::Null, 200).await.json();
        assert_eq!(watched["top_up_due"]["amount_usd"], "10");
        let endless = json!({ "auto_top_up": { "threshold_usd": "1", "amount_usd": "10" } });
        self.ask("PATCH", watch, &endless, 200).await;
        self.ask("PATCH", watch, &json!({ "budget_percent": [101] }), 422).await;
        for query in ["", "?limit=1", "?type=account.*", "?type=key.created"] {
            self.get(&format!("/api/v1/events{query}"), 200).await;
        }
        self.get("/api/v1/events?type=balance.high", 400).await;
    }

    async fn has_webhooks(&mut self) {
        let hooks = "/api/v1/webhooks";
        let wanted = json!({ "url": "http://127.0.0.1:9/", "events": ["codes.used"] });
        self.ask("POST", hooks, &wanted, 201).await;
        self.ask("POST", hooks, &json!({ "url": "no url" }), 422).await;
        self.get(hooks, 200).await;
        let hook = format!("{hooks}/hook_1");
        self.get(&hook, 200).await;
        self.ask("PATCH", &hook, &json!({ "events": ["codes.*"] }), 200).await;
        let rotation = json!({ "overlap_ms": 5 });
        self.ask("POST", &format!("{hook}/rotate-secret"), &rotation, 200).await;
        self.ask("DELETE", &hook, &Value::Null, 204).await;
        self.ask("DELETE", &hook, &Value::Null, 404).await;
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
    stage.owns().await;
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
