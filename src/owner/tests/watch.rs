//! What an account is watched for, what happened to it, and its webhooks, as owners have them.

use http::Method;
use serde_json::{Value, json};

use super::{House, SCOPES, problem, with_webhooks};
use crate::operate::fixture::Reply;

const MANAGER: [&str; 1] = ["account_management"];
const HOOKS: &str = "/api/v1/webhooks";

/// Of what never happens to an account: nothing is sent there.
fn hook() -> Value {
    json!({ "url": "https://a.example/hook", "events": ["codes.used"] })
}

fn kinds(reply: &Reply) -> Vec<Value> {
    let page = reply.json();
    page["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_says_what_the_account_is_watched_for_and_is_told() {
    let house = House::new().await;
    let (_, key) = house.key(&SCOPES, json!({})).await;
    let watch = json!({
        "low_balance_usd": ["0.9999999", "0.5"], "budget_percent": [50],
        "auto_top_up": { "threshold_usd": "0.9999999", "amount_usd": "10", "month_max_usd": "20" },
    });
    let reply = house.patch("/api/v1/watch", &key, watch).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let watched = reply.json();
    assert_eq!(watched["low_balance_usd"], json!(["0.5", "0.9999999"]));
    assert_eq!(watched["auto_top_up"]["month_max_usd"], "20");
    assert_eq!(watched["top_up_due"], Value::Null);
    let as_operator = house.gateway.get(&format!("/admin/v1/accounts/{}/watch", house.id)).await;
    assert_eq!(as_operator, watched, "both see the same");
    assert_eq!(house.gateway.chat(&key).await, 200);
    let due = house.get("/api/v1/watch", &key).await.json()["top_up_due"].clone();
    assert_eq!((&due["top_up"], &due["amount_usd"]), (&json!("topup_1"), &json!("10")));
    // An operator's integration carries it out, and says so.
    house
        .gateway
        .post(
            &format!("/admin/v1/accounts/{}/top-ups/topup_1/fail", house.id),
            &json!({ "reason": "declined" }),
            200,
        )
        .await;
    // What an order has put on disk is told.
    let told = house.get("/api/v1/events?type=top_up.due", &key).await.json();
    assert_eq!(told["events"][0]["data"]["top_up"], "topup_1");
    let ended = house.get("/api/v1/events?type=top_up.ended", &key).await.json();
    assert_eq!(ended["events"][0]["data"]["reason"], "declined");
    let none = json!({ "auto_top_up": null, "low_balance_usd": null });
    let reply = house.patch("/api/v1/watch", &key, none).await.json();
    assert_eq!(
        (&reply["auto_top_up"], &reply["budget_percent"]),
        (&Value::Null, &json!([50])),
        "what is not named stays"
    );
    for wrong in [
        json!({ "low_balance_usd": ["-1"] }),
        json!({ "budget_percent": [101] }),
        json!({ "auto_top_up": { "threshold_usd": "1", "amount_usd": "lots" } }),
        json!({ "webhooks": [] }),
    ] {
        problem(&house.patch("/api/v1/watch", &key, wrong).await, 422);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_paged_by_their_sequence_and_are_of_the_account_alone() {
    let house = House::new().await;
    let (_, key) = house.key(&MANAGER, json!({})).await;
    let other = house.gateway.account("other").await;
    let (_, stranger) = house.key_of(&other, &MANAGER, json!({})).await;
    let all = house.get("/api/v1/events", &key).await;
    assert_eq!(kinds(&all), ["account.opened", "credit.granted", "key.created", "key.changed"]);
    assert_eq!(all.json()["next"], Value::Null);
    assert!(!String::from_utf8_lossy(&all.body).contains(&other));
    let mut seen = Vec::new();
    let mut after = json!("0");
    while let Some(sequence) = after.as_str().map(str::to_owned) {
        let path = format!("/api/v1/events?limit=1&after={sequence}");
        let page = house.get(&path, &key).await;
        seen.extend(kinds(&page));
        after = page.json()["next"].clone();
    }
    assert_eq!(seen, kinds(&all));
    let theirs = house.get("/api/v1/events", &stranger).await;
    assert_eq!(kinds(&theirs), ["account.opened", "key.created", "key.changed"]);
    problem(&house.get("/api/v1/events?type=nothing", &key).await, 400);
    problem(&house.get("/api/v1/events?limit=1001", &key).await, 400);
    // Whose they are is not asked.
    problem(&house.get(&format!("/api/v1/events?account={other}"), &key).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_lives_from_its_creation_to_its_end_and_shows_each_secret_once() {
    let house = House::with(with_webhooks()).await;
    let (_, key) = house.key(&MANAGER, json!({})).await;
    let reply = house.post(HOOKS, &key, hook()).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let made = reply.json();
    assert_eq!(made["name"], format!("{}.hook_1", house.id));
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!("{HOOKS}/hook_1");
    let rotation = json!({ "overlap_ms": 1_000 });
    let rotated = house.post(&format!("{path}/rotate-secret"), &key, rotation).await.json();
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(rotated["secret_version"], 2);
    let off = json!({ "enabled": false, "events": ["codes.*"] });
    let changed = house.patch(&path, &key, off).await.json();
    assert_eq!((&changed["enabled"], &changed["url"]), (&json!(false), &made["url"]));
    assert_eq!(house.get(&path, &key).await.json(), changed);
    let listed = house.get(HOOKS, &key).await.json();
    assert_eq!(listed, json!({ "webhooks": [changed] }));
    assert!(!listed.to_string().contains("whsec_"), "a secret is told");
    for wrong in [
        json!({ "url": "http://a.example/" }),
        json!({ "url": "https://127.0.0.1/" }),
        json!({ "url": format!("https://a.example/{}", "a".repeat(2_048)) }),
        json!({ "url": "https://a.example/", "events": ["nothing"] }),
        json!({ "url": "https://a.example/", "secret": "mine" }),
    ] {
        problem(&house.post(HOOKS, &key, wrong).await, 422);
    }
    let long = json!({ "overlap_ms": 31_u64 * 24 * 60 * 60 * 1_000 });
    problem(&house.post(&format!("{path}/rotate-secret"), &key, long).await, 422);
    assert_eq!(house.delete(&path, &key).await.status, 204);
    problem(&house.get(&path, &key).await, 404);
    // Where the operator has none to make them of, there are none.
    let house = House::new().await;
    let (_, key) = house.key(&MANAGER, json!({})).await;
    problem(&house.post(HOOKS, &key, hook()).await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_webhooks_are_not_there() {
    let house = House::with(with_webhooks()).await;
    let (_, own) = house.key(&SCOPES, json!({})).await;
    let other = house.gateway.account("other").await;
    let theirs = format!("/admin/v1/accounts/{other}/webhooks");
    house.gateway.post(&theirs, &hook(), 201).await;
    let before = house.gateway.get(&theirs).await;
    let path = format!("{HOOKS}/hook_1");
    problem(&house.get(&path, &own).await, 404);
    problem(&house.patch(&path, &own, json!({ "enabled": false })).await, 404);
    problem(&house.post(&format!("{path}/rotate-secret"), &own, json!({})).await, 404);
    problem(&house.ask(Method::DELETE, &path, &own, None).await, 404);
    assert_eq!(house.get(HOOKS, &own).await.json(), json!({ "webhooks": [] }));
    assert_eq!(house.gateway.get(&theirs).await, before);
    problem(&house.get(&format!("{HOOKS}/1"), &own).await, 400);
}
