//! Keys that are changed, rotated and reported, and what they and their account may spend.

use http::Method;
use serde_json::{Value, json};

use super::desk::{Desk, HOUR, NOW_MS};
use crate::auth;
use crate::operate::fixture::text;

impl Desk {
    /// Asks until it is refused; the status, and how often it was answered before.
    async fn ask_on(&self, secret: &str) -> (u16, u32) {
        let mut answered = 0;
        loop {
            match self.gateway.chat(secret).await {
                200 => answered += 1,
                refused => return (refused, answered),
            }
            assert!(answered < 100, "no budget ever ends it");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_of_a_key_and_of_its_account_end_what_may_be_spent_until_they_are_whole_again() {
    let desk = Desk::start("1").await;
    let new = json!({ "name": "k", "budgets": { "day_usd": "0.0002", "month_usd": "0.0009" } });
    let made = desk.key(&new).await;
    let secret = text(&made["secret"]);
    let midnight = NOW_MS + 4 * 3_600_000;
    assert_eq!(made["budgets"]["day"]["limit_nano_usd"], 200_000);
    assert_eq!(made["budgets"]["day"]["resets_at_ms"], midnight);
    assert_eq!((&made["scopes"], &made["tags"]), (&json!(["inference"]), &json!([])));

    let (status, answered) = desk.ask_on(&secret).await;
    assert!(status == 402 && answered > 0, "{status} after {answered}");
    let shown = &desk.gateway.get(&desk.account).await["keys"][0]["budgets"]["day"];
    assert!((1..=200_000).contains(&shown["spent_nano_usd"].as_i64().unwrap()), "{shown}");
    assert_eq!(shown["held_nano_usd"], 0);

    desk.clock.advance(4 * HOUR);
    assert_eq!(desk.gateway.chat(&secret).await, 200);
    let no_day = json!({ "budgets": { "day_usd": null } });
    let changed = desk.patch(&desk.path("keys/key_1"), &no_day).await;
    assert_eq!(changed["budgets"]["day"], Value::Null);
    assert_eq!(changed["budgets"]["month"]["limit_usd"], "0.0009", "what is not named stays");
    assert_eq!(desk.ask_on(&secret).await.0, 402);

    let other = desk.secret(&json!({ "name": "other" })).await;
    assert_eq!(desk.gateway.chat(&other).await, 200);
    let account = desk.patch(&desk.account, &json!({ "budgets": { "total_usd": "0" } })).await;
    assert_eq!(account["budgets"]["total"]["limit_nano_usd"], 0);
    assert_eq!(account["budgets"]["total"]["resets_at_ms"], Value::Null);
    assert_eq!(desk.gateway.chat(&other).await, 402);
    desk.patch(&desk.account, &json!({ "budgets": { "total_usd": null } })).await;
    assert_eq!(desk.gateway.chat(&other).await, 200);

    desk.check_ledger();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_changed_field_by_field_and_the_journal_tells_how() {
    let desk = Desk::start("1").await;
    let secret = desk.secret(&json!({ "name": "k" })).await;
    let key = desk.path("keys/key_1");
    let change = json!({
        "name": "renamed", "tags": ["team-a"], "models": ["*mall"], "limits": { "in_flight": 3 },
        "scopes": ["usage_read", "inference"], "allowed_ips": ["127.0.0.0/8", "::1"],
        "expires_at_ms": NOW_MS + 1_000,
    });
    let changed = desk.patch(&key, &change).await;
    for (field, expected) in change.as_object().unwrap() {
        let expected = match field.as_str() {
            "scopes" => &json!(["inference", "usage_read"]),
            "limits" => &json!({
                "requests_per_minute": null, "tokens_per_minute": null, "in_flight": 3,
            }),
            _ => expected,
        };
        assert_eq!(&changed[field], expected, "{field}");
    }
    let again = desk.patch(&key, &change).await;
    assert_eq!(again, changed);
    let events = desk.gateway.get(&desk.path("journal")).await;
    let event = &events["events"][3]["event"]["key_changed"];
    assert_eq!((&event["key"], &events["events"][4]), (&json!("key_1"), &Value::Null));
    assert!(event["changes"].as_array().unwrap().contains(&json!({ "name": "renamed" })));

    assert_eq!(desk.gateway.chat(&secret).await, 200);
    for (change, status) in [
        (json!({ "models": ["other"] }), 403),
        (json!({ "models": [] }), 200),
        (json!({ "scopes": ["usage_read"] }), 403),
        (json!({ "scopes": ["inference"] }), 200),
        (json!({ "allowed_ips": ["192.0.2.0/24"] }), 403),
        (json!({ "allowed_ips": [] }), 200),
    ] {
        desk.patch(&key, &change).await;
        assert_eq!(desk.gateway.chat(&secret).await, status, "{change}");
    }
    desk.clock.advance(HOUR);
    assert_eq!(desk.gateway.chat(&secret).await, 401);
    desk.patch(&key, &json!({ "expires_at_ms": null })).await;
    assert_eq!(desk.gateway.chat(&secret).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_has_two_secrets_for_a_while_and_a_compromised_one_has_none() {
    let desk = Desk::start("1").await;
    let old = desk.secret(&json!({ "name": "k" })).await;
    let rotate = desk.path("keys/key_1/rotate");
    let rotated = desk.gateway.post(&rotate, &json!({ "overlap": "24h" }), 200).await;
    let new = text(&rotated["secret"]);
    assert_eq!((&rotated["id"], new == old), (&json!("key_1"), false));
    assert!(new.starts_with(auth::KEY_PREFIX) && new.ends_with(&text(&rotated["hint"])));
    let former = json!([{ "hint": auth::hint(&old), "until_ms": NOW_MS + 24 * 3_600_000 }]);
    assert_eq!(rotated["former_secrets"], former);
    for secret in [&old, &new] {
        assert_eq!(desk.gateway.chat(secret).await, 200);
    }
    let known = json!({ "name": "again", "secret": old });
    desk.gateway.post(&desk.path("keys"), &known, 409).await;
    desk.clock.advance(24 * HOUR);
    assert_eq!((desk.gateway.chat(&old).await, desk.gateway.chat(&new).await), (401, 200));

    // At once, in the middle of an overlap as well.
    let rotated = desk.gateway.post(&rotate, &json!({ "overlap": "1h" }), 200).await;
    let newest = text(&rotated["secret"]);
    let path = desk.path("keys/key_1/compromised?reason=in%20a%20log");
    let reported = desk.gateway.ask(Method::POST, &path, None).await;
    let told = reported.json();
    assert!(reported.status == 200 && told["revoked_at_ms"].is_u64());
    let used = &told["recent_use"];
    assert_eq!(used["from_ms"], NOW_MS + 24 * 3_600_000 - 7 * 24 * 3_600_000);
    assert_eq!(
        (used["addresses"].as_array().unwrap().len(), &used["other_requests"]),
        (1, &json!(0))
    );
    let seen = &used["addresses"][0];
    assert_eq!((&seen["address"], &seen["requests"]), (&json!("127.0.0.1"), &json!(3)));
    assert_eq!(
        (&seen["first_seen_ms"], &seen["last_seen_ms"]),
        (&json!(NOW_MS), &json!(NOW_MS + 24 * 3_600_000))
    );
    assert!(seen["charged_nano_usd"].as_u64().unwrap() > 0 && seen["charged_usd"].is_string());
    for secret in [&new, &newest] {
        assert_eq!(desk.gateway.chat(secret).await, 401);
    }
    desk.gateway.post(&rotate, &json!({ "overlap": "1h" }), 409).await;
    let journal = desk.gateway.get(&desk.path("journal")).await.to_string();
    assert!(journal.contains("reported as compromised: in a log"));
    for secret in [&old, &new, &newest] {
        assert!(!journal.contains(secret.as_str()));
    }
    desk.check_ledger();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_change_is_said() {
    let desk = Desk::start("1").await;
    desk.key(&json!({ "name": "k" })).await;
    let (key, account) = (desk.path("keys/key_1"), desk.account.clone());
    let none = desk.path("keys/key_9");
    let rotate = format!("{key}/rotate");
    let many = vec!["t"; 101];
    for (method, path, body, status, detail) in [
        (Method::PATCH, &key, json!({ "budgets": { "day_usd": "x" } }), 422, "`budgets.day_usd`"),
        (Method::PATCH, &key, json!({ "budgets": { "week_usd": "-1" } }), 422, "below zero"),
        (Method::PATCH, &key, json!({ "budgets": { "hour_usd": "1" } }), 422, "unknown field"),
        (Method::PATCH, &account, json!({ "budgets": { "day_usd": 1 } }), 422, "invalid type"),
        (Method::PATCH, &key, json!({ "allowed_ips": ["10.0.0.1/8"] }), 422, "`10.0.0.0/8`?"),
        (Method::PATCH, &key, json!({ "scopes": [] }), 422, "`scopes` is empty"),
        (Method::PATCH, &key, json!({ "scopes": ["all"] }), 422, "unknown variant"),
        (Method::PATCH, &key, json!({ "tags": many }), 422, "more than 100"),
        (Method::PATCH, &key, json!({ "name": " " }), 422, "`name` is empty"),
        (Method::PATCH, &key, json!({ "expires_at_ms": NOW_MS }), 422, "in the past"),
        (Method::PATCH, &key, json!({ "secret": "x" }), 422, "unknown field"),
        (Method::PATCH, &none, json!({}), 404, "unknown"),
        (Method::POST, &rotate, json!({}), 422, "missing field `overlap`"),
        (Method::POST, &rotate, json!({ "overlap": "91d" }), 422, "at most `90d`"),
        (Method::POST, &format!("{none}/rotate"), json!({ "overlap": "0s" }), 404, "unknown"),
        (Method::POST, &format!("{none}/compromised"), json!({}), 404, "unknown"),
    ] {
        let reply = desk.gateway.ask(method, path, Some(&body)).await;
        let said = text(&reply.json()["detail"]);
        assert_eq!(reply.status, status, "{path} {body}: {said}");
        assert!(said.contains(detail), "{path} {body}: {said}");
    }
    let typo = format!("{}{}", auth::KEY_PREFIX, "a".repeat(49));
    let import = json!({ "name": "typo", "secret": typo });
    let refused = desk.gateway.post(&desk.path("keys"), &import, 422).await;
    assert!(text(&refused["detail"]).contains("checksum"), "{refused}");
}
