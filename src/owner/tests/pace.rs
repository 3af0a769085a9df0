//! How much an account may change in a minute.

use std::time::Duration;

use http::Method;
use infergate_actors::clock::Clock;
use serde_json::{Value, json};

use super::{House, SCOPES, problem};
use crate::operate::fixture::Setup;

/// A gateway whose accounts change one thing in a minute, and two at once.
async fn slow(clock: &Clock) -> House {
    let mut setup = Setup { clock: clock.clone(), ..Setup::default() };
    setup.config.push_str("[server]\nowner_changes_per_minute = 1\n");
    House::with(setup).await
}

fn budget(usd: u32) -> Value {
    json!({ "budgets": { "day_usd": usd.to_string() } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_changes_too_much_waits_and_no_other_does() {
    let clock = Clock::manual(1_790_000_000_000);
    let house = slow(&clock).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let (_, asking) = house.key(&["inference"], json!({})).await;
    let change = async |usd| house.patch("/api/v1/account", &owner, budget(usd)).await;
    // What is refused is no change, whoever asked.
    for _ in 0..3 {
        problem(&house.patch("/api/v1/account", &asking, budget(1)).await, 403);
        problem(&house.post("/api/v1/keys", &owner, json!({ "name": "" })).await, 422);
    }
    for usd in 1..=2 {
        assert_eq!(change(usd).await.status, 200);
    }
    let events = house.account().await["events"].clone();
    let refused = change(3).await;
    assert!(problem(&refused, 429).contains("changed too much"));
    assert_eq!(refused.header("retry-after"), "60");
    for (path, body) in [
        ("/api/v1/keys", json!({ "name": "k" })),
        ("/api/v1/projects", json!({ "name": "p" })),
        ("/api/v1/keys/key_2/rotate", json!({ "overlap": "0s" })),
    ] {
        problem(&house.post(path, &owner, body).await, 429);
    }
    assert_eq!(house.account().await["events"], events, "nothing was written");

    assert_eq!(house.get("/api/v1/account", &owner).await.status, 200);
    let account = house.gateway.account("two").await;
    let (_, other) = house.key_of(&account, &SCOPES, json!({})).await;
    assert_eq!(house.patch("/api/v1/account", &other, budget(1)).await.status, 200);
    clock.advance(Duration::from_mins(1));
    assert_eq!((change(3).await.status, change(4).await.status), (200, 429));
    house.gateway.reload("[server]\nowner_changes_per_minute = 0\n").await;
    for usd in 5..10 {
        assert_eq!(change(usd).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_revoked_and_reported_however_much_was_changed() {
    let house = slow(&Clock::manual(1_790_000_000_000)).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    for _ in 0..3 {
        house.key(&["inference"], json!({})).await;
    }
    for usd in 1..=2 {
        assert_eq!(house.patch("/api/v1/account", &owner, budget(usd)).await.status, 200);
    }
    problem(&house.patch("/api/v1/account", &owner, budget(3)).await, 429);
    for key in ["key_2", "key_3"] {
        assert_eq!(house.delete(&format!("/api/v1/keys/{key}"), &owner).await.status, 200);
    }
    for path in ["/api/v1/keys/key_4/compromised", "/api/v1/key/compromised"] {
        assert_eq!(house.ask(Method::POST, path, &owner, None).await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_change_counts_as_several() {
    let house = slow(&Clock::manual(1_790_000_000_000)).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let models: Vec<String> = (0..100).map(|number| format!("{number:0>200}")).collect();
    let long = json!({ "name": "k", "models": models });
    assert_eq!(house.post("/api/v1/keys", &owner, long).await.status, 201);
    // Five steps were begun, and there were two: three to pay off, and one for the next.
    let refused = house.patch("/api/v1/account", &owner, budget(1)).await;
    problem(&refused, 429);
    assert_eq!(refused.header("retry-after"), "240");
}
