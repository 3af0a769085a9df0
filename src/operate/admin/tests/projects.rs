//! Projects within an account, keys tied to pages, and keys that the guard has stopped.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::desk::{Desk, HOUR, NOW_MS};
use crate::operate::fixture::{send, text};

impl Desk {
    /// One request from a page, and the code of its refusal.
    async fn chat_from(&self, secret: &str, page: Option<(&str, &str)>) -> (u16, Value) {
        let body = json!({
            "model": "small", "max_tokens": 20, "messages": [{ "role": "user", "content": "hi" }],
        });
        let mut request = Request::post("/v1/chat/completions")
            .header(header::AUTHORIZATION, format!("Bearer {secret}"))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some((name, value)) = page {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
        let reply = send(self.gateway.data, request).await;
        (reply.status, reply.json()["error"]["code"].clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_project_share_its_budget_and_usage_and_budget_agree() {
    let desk = Desk::start("10").await;
    let wanted = json!({
        "name": "team", "models": ["sm*"], "limits": { "in_flight": 5 },
        "budgets": { "day_usd": "0.0004" },
    });
    let made = desk.gateway.post(&desk.path("projects"), &wanted, 201).await;
    assert_eq!((&made["id"], &made["limits"]["in_flight"]), (&json!("proj_1"), &json!(5)));
    let [one, two] = [
        desk.secret(&json!({ "name": "one", "project": "proj_1" })).await,
        desk.secret(&json!({ "name": "two" })).await,
    ];
    assert_eq!(
        desk.patch(&desk.path("keys/key_2"), &json!({ "project": "proj_1" })).await["project"],
        "proj_1"
    );
    let (mut answered, mut turn) = (0, [&one, &two].into_iter().cycle());
    let refused = loop {
        match desk.chat_from(turn.next().unwrap(), None).await {
            (200, _) => answered += 1,
            refused => break refused,
        }
        assert!(answered < 100, "no budget ever ends it");
    };
    assert_eq!(refused, (402, json!("budget_exceeded")));
    let shown = desk.gateway.get(&desk.path("projects/proj_1")).await;
    let spent = &shown["budgets"]["day"]["spent_nano_usd"];
    let id = desk.account.rsplit('/').next().unwrap();
    let usage = format!("/admin/v1/usage?account={id}");
    let sums = desk.gateway.get(&format!("{usage}&group_by=project")).await;
    assert_eq!(sums["groups"][0]["project"], format!("{id}/proj_1"));
    assert_eq!(&sums["groups"][0]["charged_nano_usd"], spent);
    assert_eq!(sums["groups"][0]["requests"], answered);

    desk.patch(&desk.path("keys/key_2"), &json!({ "project": null })).await;
    assert_eq!(desk.chat_from(&two, None).await.0, 200, "in no project any more");
    let rows = desk.gateway.get(&format!("{usage}&project=proj_1&limit=1000")).await;
    assert_eq!(rows["usage"].as_array().unwrap().len(), answered);
    assert_eq!(rows["usage"][0]["project"], "proj_1");
    let raised = json!({ "budgets": { "day_usd": null }, "models": ["other"], "name": "renamed" });
    let changed = desk.patch(&desk.path("projects/proj_1"), &raised).await;
    assert_eq!((&changed["name"], &changed["budgets"]), (&json!("renamed"), &json!({})));
    assert_eq!(changed["limits"]["in_flight"], 5, "what is not named stays");
    assert_eq!(desk.chat_from(&one, None).await, (403, json!("model_not_available")));
    desk.check_ledger();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_project_is_listed_and_its_keys_wait_for_it() {
    let desk = Desk::start("10").await;
    for name in ["one", "two", "three"] {
        desk.gateway.post(&desk.path("projects"), &json!({ "name": name }), 201).await;
    }
    let secret = desk.secret(&json!({ "name": "k", "project": "proj_2" })).await;
    assert_eq!(desk.chat_from(&secret, None).await.0, 200);
    let archived = desk.gateway.post(&desk.path("projects/proj_2/archive"), &json!({}), 200).await;
    assert_eq!(archived["archived_at_ms"], NOW_MS);
    assert_eq!(desk.chat_from(&secret, None).await, (403, json!("project_archived")));
    let models = Request::get("/v1/models")
        .header(header::AUTHORIZATION, format!("Bearer {secret}"))
        .body(Full::default())
        .unwrap();
    assert_eq!(send(desk.gateway.data, models).await.status, 403);
    let page = desk.gateway.get(&desk.path("projects?limit=2")).await;
    assert_eq!((page["projects"].as_array().unwrap().len(), &page["next"]), (2, &json!("proj_2")));
    let rest = desk.gateway.get(&desk.path("projects?limit=2&after=proj_2")).await;
    assert_eq!((&rest["projects"][0]["name"], &rest["next"]), (&json!("three"), &Value::Null));
    desk.gateway.post(&desk.path("projects/proj_2/restore"), &json!({}), 200).await;
    assert_eq!(desk.chat_from(&secret, None).await.0, 200);
    let view = desk.gateway.get(&desk.account).await;
    assert_eq!(view["projects"][1]["archived_at_ms"], Value::Null);
    let events = desk.gateway.get(&desk.path("journal?limit=1000")).await.to_string();
    for event in ["project_created", "project_archived", "project_restored"] {
        assert!(events.contains(event), "{event}");
    }

    let referrers = vec!["a.b"; 101];
    for (method, rest, body, status, detail) in [
        (Method::POST, "projects", json!({ "name": " " }), 422, "`name` is empty"),
        (Method::POST, "projects", json!({ "name": "x", "x": 1 }), 422, "unknown field"),
        (Method::PATCH, "projects/proj_9", json!({}), 404, "no such project"),
        (Method::PATCH, "projects/x", json!({}), 400, "proj_<number>"),
        (
            Method::PATCH,
            "projects/proj_1",
            json!({ "budgets": { "day_usd": "x" } }),
            422,
            "day_usd",
        ),
        (Method::PATCH, "keys/key_1", json!({ "project": "proj_9" }), 404, "no such project"),
        (Method::PATCH, "keys/key_1", json!({ "project": 1 }), 422, "invalid type"),
        (Method::PATCH, "keys/key_1", json!({ "allowed_referrers": ["a b"] }), 422, "no origin"),
        (Method::PATCH, "keys/key_1", json!({ "allowed_referrers": referrers }), 422, "more than"),
        (Method::POST, "keys/key_9/release", json!({}), 404, "unknown"),
    ] {
        let reply = desk.gateway.ask(method, &desk.path(rest), Some(&body)).await;
        let said = text(&reply.json()["detail"]);
        assert_eq!(reply.status, status, "{rest} {body}: {said}");
        assert!(said.contains(detail), "{rest} {body}: {said}");
    }
    desk.check_ledger();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_referrers_works_on_their_pages_only() {
    let desk = Desk::start("10").await;
    let new =
        json!({ "name": "k", "allowed_referrers": ["https://app.example.com", "*.dev.test"] });
    let secret = desk.secret(&new).await;
    for (page, is_allowed) in [
        (Some(("origin", "https://app.example.com")), true),
        (Some(("referer", "https://app.example.com/chat?x=1")), true),
        (Some(("origin", "http://a.dev.test")), true),
        (Some(("origin", "https://app.example.com.evil.org")), false),
        (Some(("referer", "https://evil.org/https://app.example.com")), false),
        (Some(("origin", "null")), false),
        (None, false),
    ] {
        let expected =
            if is_allowed { (200, Value::Null) } else { (403, json!("referrer_not_allowed")) };
        assert_eq!(desk.chat_from(&secret, page).await, expected, "{page:?}");
    }
    let changed = desk.patch(&desk.path("keys/key_1"), &json!({ "allowed_referrers": [] })).await;
    assert_eq!(changed["allowed_referrers"], json!([]));
    assert_eq!(desk.chat_from(&secret, None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_guard_has_stopped_works_again_when_it_is_released_or_rotated() {
    let desk = Desk::start("10").await;
    let guard = "[keys.guard]\nenabled = true\nlearning = \"1h\"\nspend_factor = 2\n\
                 spend_floor_usd = \"0\"\n";
    desk.gateway.system.accounts.set_guard(guard_of(guard));
    let secret = desk.secret(&json!({ "name": "k" })).await;
    for _ in 0..2 {
        assert_eq!(desk.chat_from(&secret, None).await.0, 200);
    }
    desk.clock.advance(2 * HOUR);
    let mut answered = 0;
    while desk.chat_from(&secret, None).await == (200, Value::Null) {
        answered += 1;
        assert!(answered < 20, "nothing is ever unusual");
    }
    assert_eq!(desk.chat_from(&secret, None).await, (403, json!("key_restricted")));
    let shown = &desk.gateway.get(&desk.account).await["keys"][0]["restricted"];
    assert_eq!(
        (&shown["suspicion"], &shown["at_ms"]),
        (&json!("spend"), &json!(NOW_MS + 7_200_000))
    );
    assert!(shown["spent_nano_usd"].as_i64() > shown["usual_nano_usd"].as_i64(), "{shown}");
    let release = desk.path("keys/key_1/release?reason=a%20batch");
    let released = desk.gateway.ask(Method::POST, &release, None).await.json();
    assert_eq!(released["restricted"], Value::Null);
    assert_eq!(desk.chat_from(&secret, None).await.0, 200);
    let events = desk.gateway.get(&desk.path("journal?limit=1000")).await.to_string();
    assert!(events.contains("\"key_restricted\"") && events.contains("a batch"), "{events}");

    desk.clock.advance(HOUR);
    while desk.chat_from(&secret, None).await == (200, Value::Null) {}
    let rotate = json!({ "overlap": "24h" });
    let rotated = desk.gateway.post(&desk.path("keys/key_1/rotate"), &rotate, 200).await;
    assert_eq!(rotated["restricted"], Value::Null);
    assert_eq!(desk.chat_from(&text(&rotated["secret"]), None).await.0, 200);
    assert_eq!(desk.chat_from(&secret, None).await.0, 401, "it gets no overlap");
    desk.check_ledger();
}

fn guard_of(config: &str) -> Option<infergate_actors::account::GuardRules> {
    crate::config::Config::parse("test.toml", config, &|_| None).unwrap().guard
}
