//! Idempotency keys of owners: what is asked for twice is done once, whatever happens in between.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use infergate_actors::account::{
    Answered, Breakdown, KeptAnswer, Limits, NewProject, Once, Order, doing_once,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::ledger::Digest;
use serde_json::{Value, json};

use super::{House, SCOPES, problem, with_webhooks};
use crate::operate::fixture::{Gateway, Reply, Setup, text};

const PROJECTS: &str = "/api/v1/projects";

/// Asks under an idempotency key.
async fn ask(
    gateway: &Gateway,
    (method, path): (Method, &str),
    key: &str,
    once: &str,
    body: &Value,
) -> Reply {
    let headers = [("idempotency-key", once)];
    gateway.ask_data_as(key, (method, path), &headers, Some(body)).await
}

async fn post(house: &House, path: &str, key: &str, once: &str, body: &Value) -> Reply {
    ask(&house.gateway, (Method::POST, path), key, once, body).await
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == "true"
}

fn count(view: &Value, of: &str) -> usize {
    view[of].as_array().unwrap().len()
}

async fn projects(gateway: &Gateway, key: &str) -> usize {
    let listed = gateway.ask_data(Method::GET, PROJECTS, key, None).await;
    count(&listed.json(), "projects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_is_answered_the_same_without_secrets() {
    let house = House::with(with_webhooks()).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let member = json!({ "email": "ada@example.com", "name": "Ada", "role": "owner" });
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    for (path, body, secret) in [
        ("/api/v1/keys", json!({ "name": "laptop" }), true),
        ("/api/v1/keys/key_2/rotate", json!({ "overlap": "1h" }), true),
        (PROJECTS, json!({ "name": "research" }), false),
        ("/api/v1/members", member, false),
        ("/api/v1/webhooks", hook, true),
        ("/api/v1/webhooks/hook_1/rotate-secret", json!({ "overlap_ms": 60_000 }), true),
    ] {
        let first = post(&house, path, &owner, path, &body).await;
        assert!(matches!(first.status, 200 | 201), "{path} {:?}", first.body);
        assert!(!is_replayed(&first));
        let account = house.account().await;
        let mut told = first.json();
        if secret {
            assert!(told["secret"].is_string(), "{path} {told}");
            told["secret"] = Value::Null;
            told["withheld"] = json!(["secret"]);
        }
        // As the draft writes it, too.
        for key in [path, &format!("\"{path}\"")] {
            let again = post(&house, path, &owner, key, &body).await;
            assert_eq!((again.status, is_replayed(&again)), (first.status, true), "{path}");
            assert_eq!(again.json(), told, "{path}");
        }
        assert_eq!(house.account().await, account, "{path}");
        let other = post(&house, path, &owner, path, &json!({ "name": "another" })).await;
        assert!(problem(&other, 422).contains("another request"), "{path}");
    }
    let (to, body) = ((Method::PATCH, "/api/v1/projects/proj_1"), json!({ "name": "research" }));
    let elsewhere = ask(&house.gateway, to, &owner, PROJECTS, &body);
    problem(&elsewhere.await, 422);
    for wrong in ["", "\"\"", "x".repeat(256).as_str()] {
        problem(&post(&house, PROJECTS, &owner, wrong, &json!({ "name": "p" })).await, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_its_api_keys_own_and_a_refusal_frees_it() {
    let house = House::new().await;
    let (_, one) = house.key(&SCOPES, json!({})).await;
    let (_, other) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "research" });
    for key in [&one, &other] {
        let made = post(&house, PROJECTS, key, "k", &body).await;
        assert_eq!((made.status, is_replayed(&made)), (201, false));
    }
    assert_eq!(projects(&house.gateway, &one).await, 2);
    problem(&post(&house, PROJECTS, &one, "r", &json!({ "name": "" })).await, 422);
    assert_eq!(post(&house, PROJECTS, &one, "r", &body).await.status, 201);
    // A revoked key is told nothing of what it did.
    assert_eq!(house.delete("/api/v1/key", &one).await.status, 200);
    problem(&post(&house, PROJECTS, &one, "k", &body).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_told_again_to_whoever_may_still_do_it() {
    let house = House::with(with_webhooks()).await;
    let (id, owner) = house.key(&SCOPES, json!({})).await;
    let member = json!({ "email": "ada@example.com", "name": "Ada", "role": "owner" });
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    let asked = [
        (Method::POST, "/api/v1/keys", json!({ "name": "laptop" })),
        (Method::PATCH, "/api/v1/keys/key_2", json!({ "name": "desktop" })),
        (Method::POST, PROJECTS, json!({ "name": "research" })),
        (Method::POST, "/api/v1/members", member),
        (Method::POST, "/api/v1/webhooks", hook),
        (Method::PATCH, "/api/v1/account", json!({ "budgets": { "day_usd": "5" } })),
        (Method::PATCH, "/api/v1/watch", json!({ "low_balance_usd": ["5"] })),
    ];
    let all = async |key: &str, is_allowed: bool| {
        for (method, path, body) in &asked {
            let once = format!("{method} {path}");
            let reply = ask(&house.gateway, (method.clone(), path), key, &once, body).await;
            if is_allowed {
                assert!(matches!(reply.status, 200 | 201), "{once} {:?}", reply.body);
            } else {
                problem(&reply, 403);
            }
        }
    };
    all(&owner, true).await;
    let path = format!("/admin/v1/accounts/{}/keys/{id}", house.id);
    let scoped = async |scopes: &[&str]| {
        let change = json!({ "scopes": scopes });
        let reply = house.gateway.ask(Method::PATCH, &path, Some(&change)).await;
        assert_eq!(reply.status, 200);
    };
    scoped(&["inference", "usage_read"]).await;
    all(&owner, false).await;
    scoped(&SCOPES).await;
    all(&owner, true).await;
    // As a secret that was replaced, it makes and changes nothing.
    let path = format!("/api/v1/keys/{id}/rotate");
    let rotated = house.post(&path, &owner, json!({ "overlap": "1h" })).await;
    let present = text(&rotated.json()["secret"]);
    all(&owner, false).await;
    all(&present, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_are_no_key() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "research" });
    let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let to = (Method::POST, PROJECTS);
    let reply = house.gateway.ask_data_as(&owner, to, &two, Some(&body)).await;
    assert!(problem(&reply, 400).contains("more than one"));
    assert_eq!(projects(&house.gateway, &owner).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_looks_like_a_secret_is_told_again() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "sk-service-for-the-search" });
    let first = post(&house, PROJECTS, &owner, "k", &body).await;
    let again = post(&house, PROJECTS, &owner, "k", &body).await;
    assert_eq!((again.body.clone(), is_replayed(&again)), (first.body, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_nothing_is_answered_again_and_not_done_later() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let path = "/api/v1/projects/proj_1";
    house.post(PROJECTS, &owner, json!({ "name": "one" })).await;
    let rename = async |once: &str, name: &str| {
        let body = json!({ "name": name });
        ask(&house.gateway, (Method::PATCH, path), &owner, once, &body).await
    };
    assert_eq!(rename("a", "one").await.status, 200);
    assert_eq!(rename("b", "two").await.status, 200);
    let again = rename("a", "one").await;
    assert_eq!((is_replayed(&again), &again.json()["name"]), (true, &json!("one")));
    assert_eq!(house.get(path, &owner).await.json()["name"], "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_the_same_moment_give_one() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "research" });
    let asked = (0..30).map(|_| post(&house, PROJECTS, &owner, "k", &body));
    let replies = join_all(asked).await;
    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(replies.iter().filter(|reply| !is_replayed(reply)).count(), 1);
    assert_eq!(projects(&house.gateway, &owner).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_kept_for_a_day_and_through_a_restart() {
    let clock = Clock::manual(1_790_000_000_000);
    let house = House::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let to = || (Method::POST, "/api/v1/keys");
    let body = json!({ "name": "laptop" });
    let first = ask(&house.gateway, to(), &owner, "k", &body).await;
    let secret = text(&first.json()["secret"]);
    // From the journal alone, and from a snapshot.
    for is_saved in [false, true] {
        if is_saved {
            house.gateway.post("/admin/v1/snapshot", &json!({}), 200).await;
        }
        let next = house.gateway.restarted().await;
        let again = ask(&next, to(), &owner, "k", &body).await;
        assert_eq!((again.status, is_replayed(&again)), (201, true));
        assert_eq!(again.json()["id"], first.json()["id"]);
        let account = next.get(&format!("/admin/v1/accounts/{}", house.id)).await;
        assert_eq!(count(&account, "keys"), 2);
        let verified = next.post("/admin/v1/ledger/verify", &json!({}), 200).await;
        assert_eq!(verified["ok"], true, "{verified}");
    }
    let id: AccountId = house.id.parse().unwrap();
    let read = house.gateway.system.accounts.read(move |ledger| ledger.account_journal(id, 0, 99));
    for entry in read.await.unwrap() {
        let bytes = entry.record.encode();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{entry:?}");
    }
    clock.advance(Duration::from_hours(24));
    let later = ask(&house.gateway, to(), &owner, "k", &body).await;
    assert_eq!((later.status, is_replayed(&later)), (201, false));
    assert_ne!(later.json()["id"], first.json()["id"]);
}

/// What `key_1` asks for in the body, under a name.
fn once(name: &str, body: &Value) -> Once {
    let all = format!("POST\n{PROJECTS}\n{body}");
    Once::new(KeyId(1), name, Digest::of(all.as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_without_an_answer_is_told_and_not_done_again() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "research" });
    let project = NewProject {
        name: "research".into(),
        models: Vec::new(),
        limits: Limits::default(),
        budgets: Vec::new(),
    };
    let id: AccountId = house.id.parse().unwrap();
    // As far as a crash lets it come: it is written, and its answer is not.
    let ordered = house.gateway.system.accounts.order(id, Order::CreateProject(project));
    doing_once(id, once("k", &body), ordered).await.unwrap();

    let next = house.gateway.restarted().await;
    for gateway in [&house.gateway, &next] {
        let told = ask(gateway, (Method::POST, PROJECTS), &owner, "k", &body).await;
        assert_eq!((told.status, is_replayed(&told)), (200, true));
        let told = told.json();
        assert_eq!(told["withheld"], json!(["answer"]));
        assert_eq!(
            (&told["did"][0]["account"], count(&told["did"][0], "events")),
            (&json!(house.id), 1)
        );
        let event = &told["did"][0]["events"][0];
        assert_eq!(
            (&event["type"], &event["data"]["project"]),
            (&json!("project.created"), &json!("proj_1"))
        );
        assert_eq!(projects(gateway, &owner).await, 1);
        let other = ask(gateway, (Method::POST, PROJECTS), &owner, "k", &json!({})).await;
        problem(&other, 422);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_breaks_down_over_it_has_done_it_once() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let body = json!({ "name": "research" });
    let accounts = &house.gateway.system.accounts;
    let id = house.id.parse().unwrap();
    accounts.break_down(id, Breakdown::BeforeNextReply).await.unwrap();
    let first = post(&house, PROJECTS, &owner, "k", &body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false));
    let again = post(&house, PROJECTS, &owner, "k", &body).await;
    assert_eq!((again.body.clone(), is_replayed(&again)), (first.body, true));
    assert_eq!(projects(&house.gateway, &owner).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_has_room_for_so_many_and_is_told_when_there_is_more() {
    const KEYS_MAX: usize = 250;
    let clock = Clock::manual(1_790_000_000_000);
    let house = House::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let id: AccountId = house.id.parse().unwrap();
    let body = json!({ "name": "research" });
    let accounts = &house.gateway.system.accounts;
    let answers = (0..KEYS_MAX).map(|number| {
        let answer = KeptAnswer { media_type: String::new(), etag: None, body: Vec::new() };
        let once = once(&number.to_string(), &body);
        accounts.keep_answer(id, Answered { once, status: 200, answer })
    });
    assert!(join_all(answers).await.into_iter().all(|kept| kept.is_ok()));
    let refused = post(&house, PROJECTS, &owner, "one more", &body).await;
    assert!(problem(&refused, 429).contains("this API key used 250"));
    assert_eq!(refused.header("retry-after"), "86400");
    assert_eq!(post(&house, PROJECTS, &owner, "7", &body).await.status, 200);
    // Without one, it is done as ever, and another API key and another account have room of their own.
    assert_eq!(house.post(PROJECTS, &owner, body.clone()).await.status, 201);
    let (_, second) = house.key(&SCOPES, json!({})).await;
    assert_eq!(post(&house, PROJECTS, &second, "one more", &body).await.status, 201);
    let two = house.gateway.account("two").await;
    let (_, other) = house.key_of(&two, &SCOPES, json!({})).await;
    assert_eq!(post(&house, PROJECTS, &other, "one more", &body).await.status, 201);
    clock.advance(Duration::from_hours(24));
    assert_eq!(post(&house, PROJECTS, &owner, "one more", &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_is_redeemed_again_gives_nothing_more() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let new = json!({ "name": "c", "count": 1, "amount_usd": "5", "kind": "promotional" });
    let made = house.gateway.post("/admin/v1/codes", &new, 201).await;
    let body = json!({ "code": made["codes"][0] });
    let first = post(&house, "/api/v1/redeem", &owner, "k", &body).await;
    assert_eq!(first.status, 200, "{:?}", first.body);
    let again = post(&house, "/api/v1/redeem", &owner, "k", &body).await;
    assert_eq!((again.status, is_replayed(&again)), (200, true));
    assert_eq!(house.account().await["granted_usd"], "6");
}
