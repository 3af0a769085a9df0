//! Exchanges whose account or key is taken from them while they run.

use std::future::Future;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::ends::{begun, error_in};
use super::stage::{self, COST, Coming, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask};
use super::upstream::{STREAM, Upstream};
use crate::operate::fixture::text;

/// An order, what an exchange that runs is told, and how it ends.
const ORDERS: [(Order, u16, &str, &str); 3] = [
    (Order::Suspend, 403, "account_suspended", "suspended"),
    (Order::Close, 403, "account_closed", "closed"),
    (Order::Revoke, 401, "invalid_api_key", "key_revoked"),
];

#[derive(Clone, Copy)]
enum Order {
    Suspend,
    Close,
    Revoke,
}

/// Gives the order; it is in force then.
async fn give(stage: &Stage, order: Order) {
    match order {
        Order::Suspend => {
            let suspend = format!("{}/suspend", stage.account);
            let why = json!({ "class": "fraud", "reason": "test" });
            stage.gateway.post(&suspend, &why, 200).await;
        }
        Order::Close => {
            let close = format!("{}/close", stage.account);
            stage.gateway.post(&close, &json!({ "reason": "test" }), 200).await;
        }
        Order::Revoke => {
            let key = format!("{}/keys/key_1?reason=test", stage.account);
            let reply = stage.gateway.ask(Method::DELETE, &key, None).await;
            assert!(reply.status < 300, "{:?}", reply.body);
        }
    }
}

/// Nothing here takes as long, on any machine.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// What is to be so at once, on a machine that is busy with something else too.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(STUCK_AFTER, what).await.expect("before anybody gives up")
}

/// The bill of a stream that was ended: what came is charged.
fn assert_charged(bill: &Value, end: &str) {
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!(end), &json!(true)));
    assert_eq!((&bill["charged"], &bill["absorbed"]), (&bill["cost"], &json!(0)));
    assert!(bill["usage"]["output"].as_u64().unwrap() > 0, "{bill}");
    assert_eq!(bill["record"]["attempts"][0]["outcome"], "answered");
    let record = &bill["record"];
    assert_eq!((&record["served_model"], &record["source"]), (&Value::Null, &json!("provider")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_ends_at_once_and_what_came_is_charged() {
    for (order, status, code, end) in ORDERS {
        let mut upstream = Upstream::start().await;
        let stage = Stage::before(&[upstream.address]).await;
        let (coming, mut call) = begun(&stage, &mut upstream).await;
        give(&stage, order).await;
        let ((rest, in_order), ()) = soon(async { tokio::join!(coming.rest(), call.gone()) }).await;
        assert_eq!(error_in(&rest)["code"], code);
        assert!(in_order && !rest.contains("[DONE]"), "{rest}");
        let reply = stage.chat(ask(true)).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(code)));
        assert_eq!(error_in(&rest), reply.json()["error"], "in the same words");
        assert_charged(&stage.end().await, end);
        assert_eq!(stage.in_flight("p0").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_never_pauses_ends_too() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    let playing = tokio::spawn(async move {
        while call.is_open() {
            call.chunk(HELLO).await;
            tokio::task::yield_now().await;
        }
    });
    let rest = tokio::spawn(coming.rest());
    give(&stage, Order::Suspend).await;
    let (rest, in_order) = soon(rest).await.unwrap();
    soon(playing).await.unwrap();
    let last = rest.trim_end().rfind("data: ").unwrap();
    assert_eq!(error_in(&rest[last..])["code"], "account_suspended");
    assert!(in_order);
    assert_charged(&stage.end().await, "suspended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_leaves_the_streams_of_other_keys_alone() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    let keys = format!("{}/keys", stage.account);
    let key = stage.gateway.post(&keys, &json!({ "name": "other" }), 201).await;
    let stage = Stage { key: text(&key["secret"]), ..stage };
    let (others, mut others_call) = begun(&stage, &mut upstream).await;
    give(&stage, Order::Revoke).await;
    soon(async { tokio::join!(coming.rest(), call.gone()) }).await;
    others_call.chunk([STOP, USAGE, DONE].concat()).await;
    assert_eq!(soon(others.rest()).await, ([STOP, DONE].concat(), true));
    let ends = stage.ends().await;
    assert_charged(&ends[0], "key_revoked");
    assert_eq!((&ends[1]["end"], &ends[1]["charged"]), (&json!("completed"), &json!(COST)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_in_search_of_an_answer_is_refused_and_costs_nothing() {
    for (order, status, code, end) in ORDERS {
        for stream in [true, false] {
            let mut upstream = Upstream::start().await;
            let stage = Stage::before(&[upstream.address]).await;
            let asking = tokio::spawn({
                let (to, request) = (stage.gateway.data, stage.request(ask(stream)));
                async move {
                    let coming: Coming = stage::open(to, request).await;
                    (coming.status, coming.rest().await.0)
                }
            });
            let mut call = upstream.call().await;
            if stream {
                call.play(STREAM).await;
                call.chunk(ROLE).await;
            }
            give(&stage, order).await;
            let (told, ()) = soon(async { tokio::join!(asking, call.gone()) }).await;
            let (told_status, body) = told.unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((told_status, &body["error"]["code"]), (status, &json!(code)));
            assert_eq!(body, stage.chat(ask(stream)).await.json(), "in the same words");
            assert_eq!(stage.end().await["end"], end);
            let account = stage.gateway.get(&stage.account).await;
            assert_eq!(account["settled_nano_usd"], 0);
            assert_eq!(stage.in_flight("p0").await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_when_its_account_is_restricted_goes_on() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    let restrict = format!("{}/restrict", stage.account);
    let why = json!({ "class": "payment", "reason": "a card that was refused" });
    stage.gateway.post(&restrict, &why, 200).await;
    let refused = stage.chat(ask(true)).await;
    let error = &refused.json()["error"];
    assert_eq!((refused.status, &error["code"]), (403, &json!("account_restricted")));
    let said = text(&error["message"]);
    assert!(said.contains("payment") && !said.contains("card"), "{said}");
    call.chunk([STOP, USAGE, DONE].concat()).await;
    assert_eq!(soon(coming.rest()).await, ([STOP, DONE].concat(), true));
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["charged"]), (&json!("completed"), &json!(COST)));
}
