//! Versions of what owners see: nobody's work is undone unseen, and nobody learns of what is not theirs.

use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{House, SCOPES, problem, with_webhooks};
use crate::operate::fixture::{Reply, Setup, TOKEN, send, text};

const ACCOUNT: &str = "/api/v1/account";

impl House {
    /// Asks for a change of one version.
    pub(super) async fn change(
        &self,
        to: (Method, &str),
        key: &str,
        etag: &str,
        body: &Value,
    ) -> Reply {
        let request = Request::builder()
            .method(to.0)
            .uri(to.1)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, etag);
        send(self.gateway.data, request.body(Full::from(body.to_string())).unwrap()).await
    }

    async fn etag(&self, path: &str, key: &str) -> String {
        let reply = self.get(path, key).await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        let etag = reply.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() == 34, "{path} has no version");
        etag
    }

    /// The version that operators see of the account, or of a part of it.
    async fn etag_of_operators(&self, rest: &str) -> String {
        let path = format!("/admin/v1/accounts/{}{rest}", self.id);
        self.gateway.ask(Method::GET, &path, None).await.header("etag").to_owned()
    }

    async fn operator_changes(&self, rest: &str, body: Value) {
        let path = format!("/admin/v1/accounts/{}{rest}", self.id);
        let reply = self.gateway.ask(Method::PATCH, &path, Some(&body)).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
    }
}

/// A house with one of everything, and a key that may change it: `key_1`.
async fn full() -> (House, String) {
    let house = House::with(with_webhooks()).await;
    let (_, key) = house.key(&SCOPES, json!({})).await;
    house.key(&["inference"], json!({})).await;
    let owner = json!({ "email": "a@example.com", "name": "n", "role": "owner" });
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    for (path, body) in [
        ("/api/v1/members", owner),
        ("/api/v1/webhooks", hook),
        ("/api/v1/projects", json!({ "name": "p" })),
    ] {
        assert_eq!(house.post(path, &key, body).await.status, 201, "{path}");
    }
    (house, key)
}

/// All that has a version and can be changed, and two changes of it.
fn changes() -> [(&'static str, Value, Value); 6] {
    let names = || (json!({ "name": "x" }), json!({ "name": "y" }));
    let of = |path, (one, other)| (path, one, other);
    let budget = |usd: &str| json!({ "budgets": { "day_usd": usd } });
    [
        (ACCOUNT, budget("4"), budget("5")),
        of("/api/v1/keys/key_2", names()),
        of("/api/v1/projects/proj_1", names()),
        of("/api/v1/members/mem_1", names()),
        ("/api/v1/watch", json!({ "budget_percent": [7] }), json!({ "budget_percent": [8] })),
        ("/api/v1/webhooks/hook_1", json!({ "enabled": false }), json!({ "enabled": true })),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_an_older_version_is_refused_with_the_present_one() {
    let (house, key) = full().await;
    for (path, one, other) in changes() {
        let patch = || (Method::PATCH, path);
        let first = house.etag(path, &key).await;
        let changed = house.change(patch(), &key, &first, &one).await;
        assert_eq!(changed.status, 200, "{path}: {:?}", changed.body);
        let second = house.etag(path, &key).await;
        assert_eq!((changed.header("etag"), second == first), (second.as_str(), false), "{path}");
        let late = house.change(patch(), &key, &first, &other).await;
        assert!(problem(&late, 412).contains(&second), "{path}");
        assert_eq!(late.header("etag"), second, "{path}");
        assert_eq!(house.etag(path, &key).await, second, "{path}");
        // Without, it works as ever.
        let plain = house.patch(path, &key, other).await;
        assert_eq!((plain.status, plain.header("etag").len()), (200, 34), "{path}");
        assert_eq!(house.change(patch(), &key, "*", &one).await.status, 200, "{path}");
    }
    for (method, path, is_left) in [
        (Method::POST, "/api/v1/projects/proj_1/archive", true),
        (Method::POST, "/api/v1/keys/key_2/compromised", true),
        (Method::POST, "/api/v1/webhooks/hook_1/rotate-secret", true),
        (Method::DELETE, "/api/v1/webhooks/hook_1", false),
    ] {
        let shown = path.rsplit_once('/').filter(|_| is_left).map_or(path, |(shown, _)| shown);
        let present = house.etag(shown, &key).await;
        let to = || (method.clone(), path);
        let late = house.change(to(), &key, "\"other\"", &json!({})).await;
        assert_eq!((late.status, late.header("etag")), (412, present.as_str()), "{path}");
        assert_eq!(house.etag(shown, &key).await, present, "{path}");
        let done = house.change(to(), &key, &present, &json!({})).await;
        assert!(done.status < 300, "{path}: {:?}", done.body);
        let after = if is_left { house.etag(shown, &key).await } else { String::new() };
        assert_eq!((done.header("etag"), after == present), (after.as_str(), false), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_owners_who_change_one_version_at_the_same_moment_one_does() {
    let (house, key) = full().await;
    let etag = house.etag(ACCOUNT, &key).await;
    let changes = (1..=20_u32).map(|usd| {
        let (house, key, etag) = (&house, &key, &etag);
        async move {
            let body = json!({ "budgets": { "month_usd": usd.to_string() } });
            house.change((Method::PATCH, ACCOUNT), key, etag, &body).await.status
        }
    });
    let statuses = futures_util::future::join_all(changes).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 19, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_change_is_another_version_to_owners_and_the_other_way_round() {
    let (house, key) = full().await;
    let parts = [
        ("/api/v1/keys/key_2", "/keys/key_2"),
        ("/api/v1/projects/proj_1", "/projects/proj_1"),
        ("/api/v1/members/mem_1", "/members/mem_1"),
    ];
    for (path, rest) in parts {
        let first = house.etag(path, &key).await;
        assert_eq!(house.etag_of_operators(rest).await, first, "{path}: both see the same");
        house.operator_changes(rest, json!({ "name": "by an operator" })).await;
        let late = json!({ "name": "by an owner" });
        let reply = house.change((Method::PATCH, path), &key, &first, &late).await;
        assert_eq!(reply.status, 412, "{path}");
        let present = reply.header("etag").to_owned();
        assert_eq!(house.change((Method::PATCH, path), &key, &present, &late).await.status, 200);
        let to = format!("/admin/v1/accounts/{}{rest}", house.id);
        let stale = [("if-match", present.as_str())];
        let to = (Method::PATCH, to.as_str());
        let reply = house.gateway.ask_as(TOKEN, to, &stale, Some(&json!({ "name": "z" }))).await;
        assert_eq!(reply.status, 412, "{path}");
    }
    let first = house.etag(ACCOUNT, &key).await;
    house.operator_changes("", json!({ "budgets": { "month_usd": "9" } })).await;
    let late = json!({ "budgets": { "month_usd": "8" } });
    assert_eq!(house.change((Method::PATCH, ACCOUNT), &key, &first, &late).await.status, 412);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_tells_nothing_that_owners_do_not_see() {
    let mut setup = Setup::default();
    setup.config.push_str("[plans.one]\n[plans.other]\nmarkup = \"20%\"\n");
    let house = House::with(setup).await;
    let (_, key) = house.key(&SCOPES, json!({})).await;
    house.operator_changes("", json!({ "plan": "one" })).await;
    let (own, operators) = (house.etag(ACCOUNT, &key).await, house.etag_of_operators("").await);
    let shown = house.get(ACCOUNT, &key).await.json();
    house.operator_changes("", json!({ "overrides": { "markup": "5%" } })).await;
    assert_ne!(house.etag_of_operators("").await, operators);
    assert_eq!(house.get(ACCOUNT, &key).await.json(), shown, "a markup is the operator's");
    assert_eq!(house.etag(ACCOUNT, &key).await, own);
    // Of their words on a status, owners are told the class.
    let restrict = format!("/admin/v1/accounts/{}/restrict", house.id);
    let why = |reason: &str| json!({ "class": "abuse", "reason": reason });
    house.gateway.post(&restrict, &why("one"), 200).await;
    let restricted = house.etag(ACCOUNT, &key).await;
    assert_ne!(restricted, own);
    let reinstate = format!("/admin/v1/accounts/{}/reinstate", house.id);
    house.gateway.post(&reinstate, &why("other"), 200).await;
    house.gateway.post(&restrict, &why("another"), 200).await;
    assert_eq!(house.etag(ACCOUNT, &key).await, restricted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_credit_leave_versions_as_they_are() {
    let (house, key) = full().await;
    let bounds = json!({ "budgets": { "day_usd": "5" }, "limits": { "tokens_per_minute": 9_000 } });
    house.operator_changes("", bounds.clone()).await;
    house.operator_changes("/projects/proj_1", bounds.clone()).await;
    let (_, spender) = house.key(&["inference"], json!({ "project": "proj_1" })).await;
    house.operator_changes("/keys/key_3", bounds).await;
    let top_up = json!({ "threshold_usd": "0.9999999", "amount_usd": "10", "month_max_usd": "20" });
    house.patch("/api/v1/watch", &key, json!({ "auto_top_up": top_up })).await;
    let paths = [
        ACCOUNT,
        "/api/v1/key",
        "/api/v1/keys/key_3",
        "/api/v1/projects/proj_1",
        "/api/v1/watch",
        "/api/v1/members/mem_1",
    ];
    let look = async || {
        let mut seen = Vec::new();
        for path in paths {
            seen.push((path, house.etag(path, &key).await));
        }
        seen
    };
    let shown = house.get(ACCOUNT, &key).await.json();
    let before = look().await;
    assert_eq!(house.gateway.chat(&spender).await, 200);
    let due = house.get("/api/v1/watch", &key).await.json()["top_up_due"].clone();
    assert_eq!(due["top_up"], "topup_1");
    assert_eq!(look().await, before);
    let code = json!({ "name": "c", "count": 1, "kind": "promotional", "amount_usd": "1" });
    let made = house.gateway.post("/admin/v1/codes", &code, 201).await;
    let redeemed = house.post("/api/v1/redeem", &key, json!({ "code": made["codes"][0] })).await;
    assert_eq!((redeemed.status, redeemed.header("etag")), (200, ""));
    assert_ne!(house.get(ACCOUNT, &key).await.json()["balance_usd"], shown["balance_usd"]);
    assert_eq!(look().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_change_something_learns_no_version_of_it() {
    let (house, key) = full().await;
    let project = json!({ "name": "other" });
    assert_eq!(house.post("/api/v1/projects", &key, project).await.status, 201);
    let (_, plain) = house.key(&["inference"], json!({})).await;
    let (id, tied) = house.key(&SCOPES, json!({ "project": "proj_1" })).await;
    for (path, body, _) in changes() {
        let refused = house.change((Method::PATCH, path), &plain, "\"other\"", &body).await;
        problem(&refused, 403);
        assert_eq!(refused.header("etag"), "", "{path}");
    }
    let other = (Method::PATCH, "/api/v1/projects/proj_2");
    let refused = house.change(other, &tied, "\"other\"", &json!({ "name": "n" })).await;
    problem(&refused, 403);
    assert_eq!(refused.header("etag"), "");
    problem(&house.change((Method::PATCH, ACCOUNT), "ig-none", "*", &json!({})).await, 401);
    // What is not there has no version, not even any; and what is no id is that first.
    for (path, status) in [("/api/v1/keys/key_9", 412), ("/api/v1/keys/nine", 400)] {
        let reply = house.change((Method::PATCH, path), &key, "*", &json!({ "name": "n" })).await;
        problem(&reply, status);
        assert_eq!(reply.header("etag"), "");
    }
    // Any key may end itself, and so learn of itself.
    let own = "/api/v1/key";
    let late = house.change((Method::DELETE, own), &plain, "\"other\"", &json!({})).await;
    problem(&late, 412);
    let present = late.header("etag").to_owned();
    let ended = house.change((Method::DELETE, own), &plain, &present, &json!({})).await;
    assert_eq!((ended.status, ended.header("etag") == present), (200, false));
    let etag = house.etag(own, &tied).await;
    let compromised = (Method::POST, "/api/v1/key/compromised");
    let ended = house.change(compromised, &tied, &etag, &json!({})).await;
    assert_eq!((ended.status, text(&ended.json()["id"])), (200, id.clone()));
    assert_eq!(ended.header("etag"), house.etag(&format!("/api/v1/keys/{id}"), &key).await);
}
