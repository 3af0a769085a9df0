//! Idempotency keys: what is asked for twice is done once, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::middleware::{self, Next};
use axum::{Router, routing};
use http::{HeaderMap, Method, Request, StatusCode, header};
use infergate_actors::account::{
    Asked, Begun, CodeBatch, Denial, GrantKind, Idempotency, Limits, OperatorRole, Order, Refusal,
    acting,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeId, KeyHash, TokenId};
use infergate_actors::ledger::Digest;
use infergate_actors::money::NanoUsd;
use serde_json::{Value, json};
use tower_service::Service;

use super::super::acts;
use super::tokens::token;
use crate::operate::fixture::{Gateway, Reply, Setup, TOKEN, text};

const ACCOUNTS: &str = "/admin/v1/accounts";

async fn post(gateway: &Gateway, path: &str, key: &str, body: &Value) -> Reply {
    let headers = [("idempotency-key", key)];
    gateway.ask_as(TOKEN, (Method::POST, path), &headers, Some(body)).await
}

async fn count(gateway: &Gateway) -> usize {
    gateway.get(ACCOUNTS).await["accounts"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_is_answered_the_same_and_something_else_is_refused() {
    let gateway = Gateway::start().await;
    let new = json!({ "name": "one" });
    let first = post(&gateway, ACCOUNTS, "k", &new).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    // As the draft writes it, too.
    for key in ["k", "\"k\""] {
        let again = post(&gateway, ACCOUNTS, key, &new).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    }
    let log = gateway.get("/admin/v1/audit").await;
    assert_eq!(
        (&log["actions"][0]["outcome"], &log["actions"][1]["outcome"]),
        (&json!("done"), &json!("replayed"))
    );
    let other = post(&gateway, ACCOUNTS, "k", &json!({ "name": "two" })).await;
    assert!(other.status == 422 && text(&other.json()["detail"]).contains("another request"));
    // Another token's key is another.
    let ann = text(&token(&gateway, "ann", "admin").await["secret"]);
    let to = (Method::POST, ACCOUNTS);
    let hers = gateway.ask_as(&ann, to, &[("idempotency-key", "k")], Some(&new)).await;
    assert_eq!((hers.status, hers.header("idempotency-replayed")), (201, ""));
    assert_eq!(count(&gateway).await, 2);
    let too_long = "x".repeat(256);
    for wrong in ["", "\"\"", too_long.as_str()] {
        assert_eq!(post(&gateway, ACCOUNTS, wrong, &new).await.status, 400, "{wrong}");
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let reply = gateway.ask_as(TOKEN, (Method::POST, ACCOUNTS), &two, Some(&new)).await;
    assert!(reply.status == 400 && text(&reply.json()["detail"]).contains("more than one"));
    // A refusal did nothing, so its key is free for what is right.
    assert_eq!(post(&gateway, ACCOUNTS, "r", &json!({ "name": "" })).await.status, 422);
    assert_eq!(post(&gateway, ACCOUNTS, "r", &new).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_at_the_same_moment_give_one_grant() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let grants = format!("{ACCOUNTS}/{account}/grants");
    let grant = json!({ "amount_usd": "5", "kind": "paid", "reference": "r" });
    let new = json!({ "name": "two" });
    let pairs = (0..100).map(|_| async {
        let granted = post(&gateway, &grants, "g", &grant).await;
        let opened = post(&gateway, ACCOUNTS, "o", &new).await;
        (granted, opened)
    });
    for (granted, opened) in futures_util::future::join_all(pairs).await {
        for reply in [granted, opened] {
            match reply.status {
                201 => {}
                409 => assert_ne!(reply.header("retry-after"), ""),
                status => panic!("{status} {:?}", reply.body),
            }
        }
    }
    let shown = gateway.get(&format!("{ACCOUNTS}/{account}")).await;
    assert_eq!(
        (&shown["granted_usd"], shown["grants"].as_array().unwrap().len()),
        (&json!("5"), 1)
    );
    assert_eq!(count(&gateway).await, 2);
    assert_eq!(post(&gateway, &grants, "g", &grant).await.header("idempotency-replayed"), "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_kept_for_a_day_and_through_a_restart() {
    let clock = Clock::manual(1_790_000_000_000);
    let gateway = Setup { clock: clock.clone(), ..Setup::default() }.start().await;
    let new = json!({ "name": "one" });
    let first = post(&gateway, ACCOUNTS, "k", &new).await.json();
    // From the journal alone, and from a snapshot.
    for is_saved in [false, true] {
        if is_saved {
            gateway.post("/admin/v1/snapshot", &json!({}), 200).await;
        }
        let next = gateway.restarted().await;
        assert_eq!(post(&next, ACCOUNTS, "k", &new).await.json(), first);
        assert_eq!(count(&next).await, 1);
    }
    clock.advance(Duration::from_hours(24));
    assert_ne!(post(&gateway, ACCOUNTS, "k", &new).await.json(), first);
    assert_eq!(count(&gateway).await, 2);
}

/// A request that begins, as far as a crash lets it come.
pub(super) async fn begun(gateway: &Gateway, path: &str, key: &str, body: &Value) -> u64 {
    let all = format!("POST\n{path}\n{body}");
    let idempotency = Idempotency {
        key: key.to_owned(),
        fingerprint: Digest::of(all.as_bytes()),
        is_repeatable: false,
    };
    let asked = Asked {
        token: TokenId(0),
        name: "root".into(),
        role: OperatorRole::Owner,
        address: None,
        request: ExchangeId(Digest::of(all.as_bytes()).0.into_iter().map(u128::from).sum()),
        action: "account.create".into(),
        method: "POST".into(),
        path: path.to_owned(),
        account: None,
        body: body.to_string(),
        idempotency: Some(idempotency),
    };
    match gateway.operator.operators.begin(asked).await.unwrap() {
        Begun::Now(action) => action,
        before @ Begun::Before(..) => panic!("{before:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_cut_off_is_not_done_again_where_it_was_done_and_done_where_it_was_not() {
    let gateway = Gateway::start().await;
    let (done, not_done) = (json!({ "name": "done" }), json!({ "name": "not done" }));
    let account = gateway.account("one").await;
    let grants = format!("{ACCOUNTS}/{account}/grants");
    let grant = json!({ "amount_usd": "5", "kind": "paid", "reference": "r" });
    begun(&gateway, ACCOUNTS, "not-done", &not_done).await;
    let action = begun(&gateway, ACCOUNTS, "done", &done).await;
    let accounts = &gateway.system.accounts;
    acting(action, accounts.open("done".to_owned(), Limits::default())).await.unwrap();
    let action = begun(&gateway, &grants, "granted", &grant).await;
    let order = Order::Grant {
        kind: GrantKind::Paid,
        amount: NanoUsd::from_nano(5_000_000_000),
        expires_at_ms: None,
        reference: "r".into(),
    };
    acting(action, accounts.order(account.parse().unwrap(), order)).await.unwrap();
    // As long as it may still be under way, it is neither done again nor answered.
    assert_eq!(post(&gateway, ACCOUNTS, "done", &done).await.status, 409);

    let next = gateway.restarted().await;
    let outcomes = next.get("/admin/v1/audit").await;
    let outcomes = outcomes["actions"].as_array().unwrap();
    let of = |key: &str| {
        let act = outcomes.iter().find(|act| act["idempotency_key"] == *key).unwrap();
        (text(&act["outcome"]), act["did"].clone())
    };
    assert_eq!(of("not-done"), ("not_done".to_owned(), json!([])));
    let did = json!([{ "account": "acct_0000000000000002", "first": 1, "last": 1 }]);
    assert_eq!(of("done"), ("done".to_owned(), did));
    assert_eq!(of("granted").0, "done");
    let again = post(&next, ACCOUNTS, "done", &done).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, "true"));
    let answer = again.json();
    assert_eq!(answer["did"][0]["events"][0]["event"]["opened"]["name"], "done");
    assert_eq!(answer["withheld"], json!(["answer"]));
    assert_eq!((&answer["id"], &answer["name"]), (&json!("acct_0000000000000002"), &json!("done")));
    let again = post(&next, &grants, "granted", &grant).await;
    let events = &again.json()["did"][0]["events"];
    assert_eq!(events[0]["event"]["granted"]["reference"], "r");
    assert_eq!(count(&next).await, 2);
    let first = post(&next, ACCOUNTS, "not-done", &not_done).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    assert_eq!(count(&next).await, 3);
    let shown = next.get(&format!("{ACCOUNTS}/{account}")).await;
    assert_eq!(shown["granted_usd"], "5");
    let verified = next.post("/admin/v1/ledger/verify", &json!({}), 200).await;
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_invites_is_made_once_wherever_a_crash_came_between() {
    const INVITES: &str = "/admin/v1/invites";
    let gateway = Gateway::start().await;
    let (listed, made) =
        (json!({ "name": "listed", "count": 1 }), json!({ "name": "made", "count": 1 }));
    let batch = |name: &str, hash| CodeBatch {
        name: name.to_owned(),
        hashes: vec![KeyHash([hash; 32])],
        kind: GrantKind::Promotional,
        amount: NanoUsd::ZERO,
        uses_max: 1,
        expires_at_ms: None,
        lasts_ms: None,
    };
    let accounts = &gateway.system.accounts;
    // It is listed, and then, as if the gateway had died there, not made: what is there is no batch.
    let taken: AccountId = gateway.account("one").await.parse().unwrap();
    let action = begun(&gateway, INVITES, "listed", &listed).await;
    let cut_off = acting(action, accounts.make_invites(taken, batch("listed", 1))).await;
    assert_eq!(cut_off.unwrap_err(), Refusal::Denied(Denial::AlreadyOpen));
    let action = begun(&gateway, INVITES, "made", &made).await;
    let id = accounts.new_id();
    acting(action, accounts.make_invites(id, batch("made", 2))).await.unwrap();

    let next = gateway.restarted().await;
    let again = post(&next, INVITES, "made", &made).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, "true"));
    assert_eq!(again.json()["did"][0]["account"], id.to_string());
    let first = post(&next, INVITES, "listed", &listed).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let shown = next.get(INVITES).await;
    let names: Vec<&Value> =
        shown["invites"].as_array().unwrap().iter().map(|batch| &batch["name"]).collect();
    assert_eq!(names, [&json!("made"), &json!("listed")]);
}

#[tokio::test]
async fn what_breaks_down_has_ended_and_keeps_no_key() {
    let gateway = Gateway::start().await;
    let operator = Arc::clone(&gateway.operator);
    let headers =
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {TOKEN}").parse().unwrap())]);
    let root = operator.who(&headers, None).await.unwrap_or_else(|_| panic!("nobody"));
    let layer = middleware::from_fn(move |request: Request<Body>, next: Next| {
        acts::answer(Arc::clone(&operator), root.clone(), None, ExchangeId(7), request, next)
    });
    let breaks = || async {
        // What breaks down is no mistake of this test.
        assert!(TOKEN.is_empty(), "a test breaks it down");
        StatusCode::OK
    };
    let mut router = Router::new().route(ACCOUNTS, routing::post(breaks)).route_layer(layer);
    let request = Request::post(ACCOUNTS)
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header("idempotency-key", "k")
        .body(Body::from("{}"));
    assert_eq!(router.call(request.unwrap()).await.unwrap().status(), 500);
    let log = gateway.get("/admin/v1/audit").await;
    assert_eq!(log["actions"][0]["outcome"], "failed", "{log}");
    assert_eq!(post(&gateway, ACCOUNTS, "k", &json!({ "name": "one" })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_with_a_key_is_named_in_the_journal_of_what_it_changed() {
    let gateway = Gateway::start().await;
    let made = post(&gateway, ACCOUNTS, "k", &json!({ "name": "one" })).await.json();
    let account = text(&made["id"]);
    let keys = format!("{ACCOUNTS}/{account}/keys");
    let key = json!({ "name": "k", "tags": ["a"] });
    assert_eq!(post(&gateway, &keys, "l", &key).await.status, 201);
    gateway.post(&keys, &key, 201).await;
    let journal = gateway.get(&format!("{ACCOUNTS}/{account}/journal")).await;
    let did: Vec<&Value> = journal["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["event"].get("operator"))
        .collect();
    let expected = [
        json!({ "did": { "action": 1, "events": 1 } }),
        json!({ "did": { "action": 3, "events": 2 } }),
    ];
    assert_eq!(did, expected.iter().collect::<Vec<_>>());
}
