//! What the admin port answers, area by area.

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use super::admin::Stage;
use crate::operate::fixture::{TOKEN, send, text};

/// Plans with a price, and webhooks of accounts; nobody listens where those lead.
pub(super) const CONFIG: &str = r#"
[plans.team]
markup = "20%"
models = ["sm*"]
subscription = { price_usd = "10", allowance_usd = "12", grace = "3d" }
[plans.large]
subscription = { price_usd = "40", allowance_usd = "50", grace = "3d" }
[notices]
account_secret = "of the tests, and long enough for that"
private_addresses = true
"#;

impl Stage {
    pub(super) async fn projects(&mut self, account: &str) {
        let projects = format!("{account}/projects");
        let wanted = json!({ "name": "p", "models": ["s*"], "limits": { "in_flight": 3 }, "budgets": { "day_usd": "1" } });
        for _ in 0..2 {
            self.post(&projects, wanted.clone(), 201).await;
        }
        self.post(&projects, json!({ "name": "" }), 422).await;
        self.get(&format!("{projects}?limit=1")).await;
        self.get(&projects).await;
        let project = format!("{projects}/proj_1");
        self.get(&project).await;
        let change = json!({ "name": "q", "limits": { "in_flight": null } });
        self.ask("PATCH", &project, Some(&change), 200).await;
        let secret = json!({ "name": "of a project", "project": "proj_2" });
        self.post(&format!("{account}/keys"), secret, 201).await;
        self.order(&format!("{project}/archive")).await;
        self.order(&format!("{project}/restore")).await;
        self.ask("GET", &format!("{projects}/proj_9"), None, 404).await;
    }

    pub(super) async fn members(&mut self, account: &str) {
        let members = format!("{account}/members");
        for (email, role) in [("a@example.com", "owner"), ("b@example.com", "developer")] {
            let wanted = json!({ "email": email, "name": "n", "role": role });
            self.post(&members, wanted.clone(), 201).await;
            self.post(&members, wanted, 409).await;
        }
        let change = json!({ "name": "m", "role": "billing", "status": "active" });
        self.ask("PATCH", &format!("{members}/mem_2"), Some(&change), 200).await;
        self.get(&format!("{members}/mem_2")).await;
        self.ask("GET", &format!("{members}/mem_9"), None, 404).await;
        self.ask("DELETE", &format!("{members}/mem_2?reason=left&revoke_keys=true"), None, 200)
            .await;
        self.ask("DELETE", &format!("{members}/mem_1"), None, 409).await;
        self.get(&members).await;
        self.get(&format!("{members}?limit=1")).await;
    }

    pub(super) async fn plans(&mut self, account: &str) {
        self.get("/admin/v1/plans").await;
        let overrides = json!({ "limits": { "in_flight": 9 }, "models": ["s*"], "markup": "5%" });
        let change = json!({ "plan": "team", "overrides": overrides });
        self.ask("PATCH", account, Some(&change), 200).await;
        let subscription = format!("{account}/subscription");
        self.ask("GET", &subscription, None, 404).await;
        let paid = json!({ "plan": "team", "event_id": "s1", "payment": "s", "amount_usd": "10" });
        self.post(&subscription, paid.clone(), 201).await;
        self.post(&subscription, json!({ "plan": "team" }), 409).await;
        self.get(&subscription).await;
        self.get(&format!("{subscription}/preview?plan=large")).await;
        self.ask("GET", &format!("{subscription}/preview?plan=none"), None, 404).await;
        let change = json!({ "cancel_at_period_end": true });
        self.ask("PATCH", &subscription, Some(&change), 200).await;
        self.ask("PATCH", &subscription, Some(&json!({})), 422).await;
        self.get(account).await;
    }

    pub(super) async fn invites(&mut self) {
        let invites = "/admin/v1/invites";
        let wanted = json!({ "name": "n", "count": 2, "uses": 3 });
        let made = self.post(invites, wanted, 201).await;
        self.batches(invites, &text(&made["batch"])).await;
    }

    /// What batches of codes and of invites have alike.
    pub(super) async fn batches(&mut self, all: &str, batch: &str) {
        self.get(&format!("{all}?limit=1")).await;
        self.get(&format!("{all}/{batch}")).await;
        self.ask("DELETE", &format!("{all}/{batch}?reason=over"), None, 200).await;
        self.ask("GET", &format!("{all}/acct_00000000000000ff"), None, 404).await;
    }

    pub(super) async fn watched(&mut self, account: &str) {
        let watch = format!("{account}/watch");
        self.get(&watch).await;
        let change = json!({
            "low_balance_usd": ["1", "5000"], "budget_percent": [50, 100],
            "auto_top_up": { "threshold_usd": "4000", "amount_usd": "10", "month_max_usd": "100" },
        });
        self.ask("PATCH", &watch, Some(&change), 200).await;
        let watched = self.get(&watch).await;
        let top_up = text(&watched["top_up_due"]["top_up"]);
        let declined = json!({ "reason": "declined" });
        self.post(&format!("{account}/top-ups/{top_up}/fail"), declined.clone(), 200).await;
        self.post(&format!("{account}/top-ups/topup_9/fail"), declined, 404).await;
        self.ask("PATCH", &watch, Some(&json!({ "auto_top_up": null })), 200).await;
    }

    pub(super) async fn webhooks(&mut self, account: &str) {
        let hooks = format!("{account}/webhooks");
        let wanted = json!({ "url": "http://127.0.0.1:9/", "events": ["account.*"] });
        let made = self.post(&hooks, wanted, 201).await;
        self.get(&hooks).await;
        self.post(&hooks, json!({ "url": "no url" }), 422).await;
        let hook = format!("{hooks}/hook_1");
        self.get(&hook).await;
        self.ask("PATCH", &hook, Some(&json!({ "events": ["key.*"] })), 200).await;
        self.post(&format!("{hook}/rotate-secret"), json!({ "overlap_ms": 5 }), 200).await;
        let all = "/admin/v1/webhooks";
        self.get(&format!("{all}?limit=1")).await;
        let one = format!("{all}/{}", text(&made["name"]));
        self.get(&one).await;
        self.post(&format!("{one}/replay"), json!({ "since_sequence": 0 }), 202).await;
        self.post(&format!("{one}/replay"), json!({}), 422).await;
        self.order(&format!("{one}/test")).await;
        self.ask("DELETE", &hook, None, 204).await;
        self.ask("DELETE", &hook, None, 404).await;
        self.ask("GET", &hook, None, 404).await;
        self.ask("GET", &format!("{all}/nobody"), None, 404).await;
        for query in ["", "?limit=1", "?type=account.*", "?type=key.created"] {
            self.get(&format!("/admin/v1/events{query}")).await;
        }
        self.ask("GET", "/admin/v1/events?type=balance.high", None, 400).await;
    }

    pub(super) async fn operators(&mut self, account: &str) {
        let tokens = "/admin/v1/tokens";
        let wanted = json!({ "name": "grace", "role": "support" });
        let made = self.post(tokens, wanted.clone(), 201).await;
        self.post(tokens, wanted, 409).await;
        self.get(&format!("{tokens}?limit=1")).await;
        self.get(&format!("{tokens}/self")).await;
        let token = format!("{tokens}/{}", text(&made["id"]));
        self.get(&token).await;
        let secret = text(&made["secret"]);
        self.ask_as(&secret, ("GET", tokens), &[], None, 403).await;
        self.post(&format!("{token}/rotate"), json!({ "overlap": "0s" }), 200).await;
        self.ask("DELETE", &token, None, 200).await;
        for query in ["", "?limit=1", "?actor=grace", "?format=ndjson"] {
            self.get(&format!("/admin/v1/audit{query}")).await;
        }
        self.ask("GET", "/admin/v1/audit?format=csv", None, 400).await;
        self.ask("GET", "/admin/v1/audit?from=never", None, 400).await;
        let change = json!({ "limits": { "in_flight": 7 } });
        let patch = ("PATCH", account);
        let etag = self.ask("GET", account, None, 200).await.header("etag").to_owned();
        let once = [("if-match", etag.as_str()), ("idempotency-key", "once")];
        self.ask_as(TOKEN, patch, &once, Some(&change), 200).await;
        let again = self.ask_as(TOKEN, patch, &once, Some(&change), 200).await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        self.ask_as(TOKEN, patch, &once, Some(&json!({})), 422).await;
        let keys = &format!("{account}/keys");
        for _ in 0..2 {
            let (key, new) = ([("idempotency-key", "key")], json!({ "name": "once" }));
            self.ask_as(TOKEN, ("POST", keys), &key, Some(&new), 201).await;
        }
        self.ask_as(TOKEN, patch, &[("if-match", etag.as_str())], Some(&json!({})), 412).await;
    }

    /// With another token and other headers, and held against the document as well.
    async fn ask_as(
        &mut self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
        status: u16,
    ) -> crate::operate::fixture::Reply {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        let reply = send(self.gateway.admin, request.body(Full::new(body)).unwrap()).await;
        self.checker.check(method, path, &reply);
        assert_eq!(reply.status, status, "{method} {path}: {:?}", reply.body);
        reply
    }
}
