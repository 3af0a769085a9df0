//! What the admin port answers.

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use super::areas::CONFIG;
use super::checker::Checker;
use crate::operate::admin;
use crate::operate::fixture::{Gateway, Reply, Setup, TOKEN, send, text};

pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) checker: Checker,
}

impl Stage {
    async fn start() -> Self {
        let mut setup = Setup::default();
        setup.config.push_str(CONFIG);
        let gateway = setup.start().await;
        Self { gateway, checker: Checker::new(admin::document()) }
    }

    /// Asks, and holds the answer against the document.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        status: u16,
    ) -> Reply {
        let asked = method.parse::<Method>().unwrap();
        let reply = self.gateway.ask(asked, path, body).await;
        self.checker.check(method, path, &reply);
        assert_eq!(reply.status, status, "{method} {path}: {:?}", reply.body);
        reply
    }

    pub(super) async fn get(&mut self, path: &str) -> Value {
        let reply = self.ask("GET", path, None, 200).await;
        if reply.header("content-type") == "application/json" { reply.json() } else { Value::Null }
    }

    pub(super) async fn post(&mut self, path: &str, body: Value, status: u16) -> Value {
        self.ask("POST", path, Some(&body), status).await.json()
    }

    /// Without a body.
    pub(super) async fn order(&mut self, path: &str) {
        self.ask("POST", path, None, 200).await;
    }

    async fn account(&mut self) -> String {
        let wanted = json!({ "name": "acme", "limits": { "in_flight": 20 } });
        let id = text(&self.post("/admin/v1/accounts", wanted, 201).await["id"]);
        format!("/admin/v1/accounts/{id}")
    }

    async fn money(&mut self, account: &str) {
        let grant = json!({ "amount_usd": "25", "kind": "paid", "reference": "r", "expires_at_ms": 9_000_000_000_000_u64 });
        self.post(&format!("{account}/grants"), grant.clone(), 201).await;
        self.post(&format!("{account}/grants"), grant, 409).await;
        self.post(&format!("{account}/grants"), json!({ "kind": "gift" }), 422).await;
        let refund = json!({ "reference": "t", "grant": "grant_1", "amount_nano_usd": 5 });
        self.post(&format!("{account}/refunds"), refund, 200).await;
        let unknown = json!({ "reference": "u", "grant": "grant_7" });
        self.post(&format!("{account}/refunds"), unknown, 404).await;
        let id = account.rsplit('/').next().unwrap();
        let event = |kind: &str, event: &str| {
            let amount = (kind == "payment_succeeded").then_some("3");
            json!({ "type": kind, "event_id": event, "account": id, "payment": "p", "amount_usd": amount })
        };
        for (kind, of) in [("payment_succeeded", "e1"), ("refunded", "e2"), ("disputed", "e3")] {
            self.post("/admin/v1/payments/events", event(kind, of), 200).await;
        }
        self.get(&format!("{account}/payments?limit=2")).await;
        self.ask("GET", &format!("{account}/payments?after=none"), None, 404).await;
        self.post(&format!("{account}/reinstate"), json!({ "reason": "again" }), 200).await;
        let codes =
            json!({ "name": "n", "count": 2, "kind": "trial", "amount_usd": "1", "uses": 2 });
        let made = self.post("/admin/v1/codes", codes, 201).await;
        let redeem = format!("{account}/redeem");
        self.post(&redeem, json!({ "code": made["codes"][0] }), 200).await;
        self.batches("/admin/v1/codes", &text(&made["batch"])).await;
        self.post(&redeem, json!({ "code": "igc-no" }), 404).await;
    }

    async fn keys(&mut self, account: &str) {
        let keys = format!("{account}/keys");
        let wanted = json!({
            "name": "k", "models": ["s*"], "expires_at_ms": 9_000_000_000_000_u64, "tags": ["a"],
            "limits": { "requests_per_minute": 60, "tokens_per_minute": 100_000 },
            "budgets": { "day_usd": "1", "total_usd": "9" }, "scopes": ["inference", "usage_read"],
            "allowed_ips": ["127.0.0.0/8", "2001:db8::/32"],
        });
        let secret = text(&self.post(&keys, wanted, 201).await["secret"]);
        assert_eq!(self.gateway.chat(&secret).await, 200);
        let change = json!({ "name": "l", "expires_at_ms": null, "limits": {}, "budgets": { "week_usd": "5" }, "tags": [], "models": [], "allowed_ips": [], "scopes": ["inference"] });
        self.ask("PATCH", &format!("{keys}/key_1"), Some(&change), 200).await;
        self.ask("PATCH", &format!("{keys}/key_9"), Some(&json!({})), 404).await;
        self.post(&format!("{keys}/key_1/rotate"), json!({ "overlap": "1h" }), 200).await;
        self.get(&format!("{keys}?limit=1")).await;
        self.get(&format!("{keys}/key_1")).await;
        self.order(&format!("{keys}/key_1/release?reason=ours")).await;
        self.ask("DELETE", &format!("{keys}/key_1?reason=lost"), None, 200).await;
        self.ask("DELETE", &format!("{keys}/key_1?reason="), None, 422).await;
        self.post(&keys, json!({ "name": "m" }), 201).await;
        self.order(&format!("{keys}/key_2/compromised")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_answers_as_its_document_says() {
    let mut stage = Stage::start().await;
    let account = stage.account().await;
    stage.money(&account).await;
    stage.keys(&account).await;
    stage.projects(&account).await;
    stage.members(&account).await;
    stage.plans(&account).await;
    stage.invites().await;
    stage.watched(&account).await;
    stage.webhooks(&account).await;
    stage.operators(&account).await;
    let change = json!({ "limits": { "in_flight": null }, "budgets": { "month_usd": "100" } });
    stage.ask("PATCH", &account, Some(&change), 200).await;
    for (status, path) in [("restrict", 200), ("suspend", 200), ("reinstate", 200), ("close", 200)]
    {
        stage.post(&format!("{account}/{status}"), json!({ "reason": "r" }), path).await;
    }
    stage.post(&format!("{account}/suspend"), json!({ "reason": "r" }), 409).await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/admin/v1/cache"] {
        stage.get(path).await;
    }
    for path in ["/admin/v1/actors", "/admin/v1/actors?limit=1", "/admin/v1/providers"] {
        stage.get(path).await;
    }
    for path in ["", "?limit=1", "?group_by=day", "?format=csv", "?format=ndjson"] {
        stage.get(&format!("/admin/v1/usage{path}")).await;
    }
    for path in ["", "/journal", "/journal?limit=2", "/statement?month=2026-11"] {
        stage.get(&format!("{account}{path}")).await;
    }
    stage.get(&format!("{account}/statement?month=2026-11&format=csv")).await;
    stage.get("/admin/v1/accounts?limit=100").await;
    for path in ["/admin/v1/snapshot", "/admin/v1/ledger/verify"] {
        stage.order(path).await;
    }
    stage.ask("DELETE", "/admin/v1/cache", None, 200).await;
    let supposed = json!({ "model": "small", "headers": { "x-infergate-sort": "price" } });
    stage.post("/admin/v1/explain", supposed, 200).await;
    stage.post("/admin/v1/explain", json!({ "model": "none" }), 404).await;
    for order in ["drain", "close", "open"] {
        stage.order(&format!("/admin/v1/providers/simulated/{order}")).await;
    }
    let real = stage.get("/admin/v1/providers/real").await;
    let fingerprint = text(&real["credentials"][0]["fingerprint"]);
    stage.order(&format!("/admin/v1/providers/real/credentials/{fingerprint}/enable")).await;
    stage.checker.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_refuses_as_its_document_says() {
    let mut stage = Stage::start().await;
    let accounts = "/admin/v1/accounts";
    let none = &format!("{accounts}/acct_00000000000000ff");
    for (method, path, body, status) in [
        ("GET", "/admin/v1/accounts?limit=0", None, 400),
        ("GET", "/admin/v1/accounts/7", None, 400),
        ("GET", none, None, 404),
        ("GET", "/admin/v1/usage?from=never", None, 400),
        ("POST", accounts, Some(json!(["acme"])), 422),
        ("POST", accounts, Some(json!({ "name": "acme", "limits": [1, 2, 3] })), 422),
        ("POST", accounts, Some(json!({ "name": "x".repeat(2 << 20) })), 413),
        ("POST", accounts, None, 415),
        ("GET", "/admin/v1/providers/nobody", None, 404),
    ] {
        stage.ask(method, path, body.as_ref(), status).await;
    }
    let request = Request::get(accounts).body(Full::default()).unwrap();
    let reply = send(stage.gateway.admin, request).await;
    stage.checker.check("GET", accounts, &reply);
    assert_eq!(reply.status, 401);
    let garbled = Request::post(accounts)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::from("{\"name\""));
    let reply = send(stage.gateway.admin, garbled.unwrap()).await;
    stage.checker.check("POST", accounts, &reply);
    assert_eq!(reply.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_served_without_a_token() {
    let gateway = Gateway::start().await;
    for port in [gateway.admin, gateway.data] {
        let request = Request::get("/openapi.json").body(Full::default()).unwrap();
        let reply = send(port, request).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        assert_eq!(reply.json()["openapi"], "3.1.0");
    }
}
