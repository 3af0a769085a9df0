//! The audit log: every change is in it, and nothing secret.

use std::fs;
use std::path::Path;

use http::Method;
use infergate_actors::account::{Asked, OperatorRole};
use infergate_actors::id::{ExchangeId, TokenId};
use serde_json::{Value, json};

use super::tokens::{method, path, token};
use crate::operate::admin::rules::{RULES, Verb};
use crate::operate::fixture::{Gateway, TOKEN, text};

const AUDIT: &str = "/admin/v1/audit";

async fn actions(gateway: &Gateway, query: &str) -> Vec<Value> {
    gateway.get(&format!("{AUDIT}{query}")).await["actions"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_that_changes_something_leaves_its_entry_also_when_refused() {
    let gateway = Gateway::start().await;
    let reader = text(&token(&gateway, "reader", "read_only").await["secret"]);
    for rule in RULES.iter().filter(|rule| rule.method != Verb::Get) {
        let path = path(rule);
        for (secret, name) in [(TOKEN, "root"), (reader.as_str(), "reader")] {
            let to = (method(rule), path.as_str());
            let reply = gateway.ask_as(secret, to, &[], Some(&json!({ "note": "n" }))).await;
            let query = format!("?action={}&actor={name}", rule.action);
            let found = actions(&gateway, &query).await;
            let last = found.last().unwrap_or_else(|| panic!("{} of {name}", rule.action));
            assert_eq!(last["status"], reply.status, "{last}");
            assert_eq!((&last["path"], &last["method"]), (&json!(path), &json!(to_text(rule))));
            assert_eq!(last["request_id"], *reply.header("x-request-id"));
            assert_eq!(last["address"], "127.0.0.1");
            let is_begun = rule.needs.is_of(if name == "root" {
                OperatorRole::Owner
            } else {
                OperatorRole::ReadOnly
            });
            assert_eq!(last["outcome"] != "not_begun", is_begun, "{last}");
            if is_begun {
                assert_eq!(last["asked"], json!({ "note": "n" }));
            }
        }
    }
    // What is nowhere, or not so, is asked for as well.
    for (method, path, status) in
        [(Method::POST, "/admin/v1/nothing", 404), (Method::PATCH, "/admin/v1/cache", 405)]
    {
        let to = (method, path);
        assert_eq!(gateway.ask_as(&reader, to, &[], None).await.status, status);
        let found = actions(&gateway, "?action=none").await;
        let last = found.last().unwrap();
        assert_eq!((&last["path"], &last["status"]), (&json!(path), &json!(status)));
    }
    // Looking leaves nothing.
    let before = actions(&gateway, "?limit=1000").await.len();
    gateway.get("/admin/v1/accounts").await;
    assert_eq!(actions(&gateway, "?limit=1000").await.len(), before);
}

fn to_text(rule: &crate::operate::admin::rules::Rule) -> String {
    method(rule).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_tells_what_was_before_and_what_is_after() {
    let gateway = Gateway::start().await;
    let sam = text(&token(&gateway, "sam", "support").await["secret"]);
    let account = gateway.account("one").await;
    let at = format!("/admin/v1/accounts/{account}");
    let why = json!({ "reason": "unpaid" });
    let suspend = format!("{at}/suspend");
    let reply = gateway.ask_as(&sam, (Method::POST, &suspend), &[], Some(&why)).await;
    assert_eq!((reply.status, &reply.json()["status_set"]["by"]), (200, &json!("sam")));
    let grant = json!({ "amount_usd": "2", "kind": "paid", "reference": "r" });
    gateway.post(&format!("{at}/grants"), &grant, 201).await;

    let found = actions(&gateway, &format!("?account={account}")).await;
    let names: Vec<&str> = found.iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert_eq!(names, ["account.create", "account.suspend", "grant.create"]);
    let made = &found[0]["changes"];
    assert_eq!((&made["before"], &made["after"]["name"]), (&Value::Null, &json!("one")));
    let suspended = &found[1];
    let actor = json!({ "id": "tok_1", "name": "sam", "role": "support" });
    assert_eq!((&suspended["actor"], &suspended["asked"]), (&actor, &why));
    assert_eq!(suspended["outcome"], "done");
    assert_eq!(suspended["changes"]["before"], json!({ "status": "active", "status_set": null }));
    assert_eq!(suspended["changes"]["after"]["status"], "suspended");
    let granted = &found[2]["changes"];
    assert_eq!(granted["before"], json!({ "balance_usd": "0", "granted_usd": "0" }));
    assert_eq!(granted["after"], json!({ "balance_usd": "2", "granted_usd": "2" }));
    let verified = gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_read_page_by_page_and_exported_whole() {
    let gateway = Gateway::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        gateway.account(name).await;
    }
    let mut after = String::new();
    let mut names = Vec::new();
    loop {
        let page = gateway.get(&format!("{AUDIT}?limit=2{after}")).await;
        let found = page["actions"].as_array().unwrap();
        assert!(found.len() <= 2);
        names.extend(found.iter().map(|act| text(&act["asked"]["name"])));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let export = gateway.ask(Method::GET, &format!("{AUDIT}?format=ndjson"), None).await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines = String::from_utf8(export.body.to_vec()).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines, actions(&gateway, "").await);
    let none = actions(&gateway, "?from=2100-01-01").await;
    assert_eq!(none.len(), 0);
    assert_eq!(actions(&gateway, "?to=2100-01-01&from=2026-01-01&actor=tok_0").await.len(), 5);
    for wrong in ["?after=x", "?limit=0", "?format=csv", "?from=today", "?account=1", "?who=me"] {
        let reply = gateway.ask(Method::GET, &format!("{AUDIT}{wrong}"), None).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    // It is nobody's account.
    let journal = "/admin/v1/accounts/acct_0000000000000000/journal";
    assert_eq!(gateway.ask(Method::GET, journal, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_without_an_end_is_shown_as_unknown() {
    let gateway = Gateway::start().await;
    let asked = Asked {
        token: TokenId(0),
        name: "root".into(),
        role: OperatorRole::Owner,
        address: None,
        request: ExchangeId(7),
        action: "cache.purge".into(),
        method: "DELETE".into(),
        path: "/admin/v1/cache".into(),
        account: None,
        body: String::new(),
        idempotency: None,
    };
    gateway.operator.operators.begin(asked).await.unwrap();
    assert_eq!(actions(&gateway, "").await[0]["outcome"], "under_way");
    let next = gateway.restarted().await;
    let found = actions(&next, "").await;
    assert_eq!((found.len(), &found[0]["outcome"]), (1, &json!("unknown")));
    assert_eq!(found[0]["status"], Value::Null);
}

/// Every secret that the API shows or is given, and then the bytes of the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_store() {
    let gateway = Gateway::start().await;
    let mut secrets = vec!["known-elsewhere-0123456789".to_owned()];
    let account = gateway.account("a-name-that-is-found").await;
    let keys = format!("/admin/v1/accounts/{account}/keys");
    let rotate = format!("{keys}/key_1/rotate");
    let overlap = json!({ "overlap": "1h" });
    let codes = json!({ "name": "c", "count": 2, "kind": "promotional", "amount_usd": "1" });
    let asked = [
        ("/admin/v1/tokens", json!({ "name": "ann", "role": "admin" })),
        ("/admin/v1/tokens/tok_1/rotate", overlap.clone()),
        (keys.as_str(), json!({ "name": "k" })),
        (keys.as_str(), json!({ "name": "l", "secret": secrets[0] })),
        (rotate.as_str(), overlap),
        ("/admin/v1/codes", codes),
    ];
    for (number, (path, body)) in asked.iter().enumerate() {
        let key = format!("k-{number}");
        let headers = [("idempotency-key", key.as_str())];
        for is_first in [true, false] {
            let to = (Method::POST, *path);
            let reply = gateway.ask_as(TOKEN, to, &headers, Some(body)).await;
            assert!(reply.status < 300, "{path}: {:?}", reply.body);
            let answer = reply.json();
            if is_first {
                secrets.extend(answer["secret"].as_str().map(str::to_owned));
                let codes = answer["codes"].as_array().into_iter().flatten();
                secrets.extend(codes.map(text));
            } else {
                assert_eq!(reply.header("idempotency-replayed"), "true");
                assert!(!answer["withheld"].as_array().unwrap().is_empty(), "{answer}");
                assert!(answer["secret"].is_null() && answer["codes"].is_null());
            }
        }
    }
    let redeem = format!("/admin/v1/accounts/{account}/redeem");
    let code = json!({ "code": secrets.last().unwrap() });
    gateway.post(&redeem, &code, 200).await;

    gateway.post("/admin/v1/snapshot", &json!({}), 200).await;
    assert_eq!(secrets.len(), 8);

    let mut bytes = Vec::new();
    gather(gateway.copy_of_data().path(), &mut bytes);
    let is_there = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(is_there("a-name-that-is-found"), "the store hides what it holds");
    for secret in &secrets {
        assert!(!is_there(secret), "{secret}");
    }
}

fn gather(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, bytes);
        } else {
            bytes.extend(fs::read(path).unwrap());
        }
    }
}
