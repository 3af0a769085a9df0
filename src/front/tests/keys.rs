//! What a client is told of its key and its budget.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::auth;
use crate::operate::fixture::{Gateway, Reply, send, text};

async fn ask(gateway: &Gateway, method: Method, path: &str, key: &str) -> Reply {
    let body = json!({
        "model": "small", "max_tokens": 20, "messages": [{ "role": "user", "content": "hello" }],
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())));
    send(gateway.data, request.unwrap()).await
}

/// What a chat, a dry run and the list of models are answered with: the same refusal.
async fn refusal(gateway: &Gateway, key: &str) -> (u16, String, String) {
    let mut told = Vec::new();
    for (method, path) in [
        (Method::POST, "/v1/chat/completions"),
        (Method::POST, "/v1/explain"),
        (Method::GET, "/v1/models"),
    ] {
        let reply = ask(gateway, method, path, key).await;
        let error = reply.json()["error"].clone();
        told.push((reply.status, text(&error["code"]), text(&error["message"])));
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    told.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistyped_key_is_told_from_one_that_is_nobodys() {
    let gateway = Gateway::start().await;
    let key = auth::new_key().unwrap();
    let (status, code, message) = refusal(&gateway, &key).await;
    assert_eq!((status, code.as_str()), (401, "invalid_api_key"));
    assert!(message.contains("Incorrect"), "{message}");
    let typo = format!("{}{}", auth::KEY_PREFIX, "a".repeat(49));
    let (status, code, message) = refusal(&gateway, &typo).await;
    assert_eq!((status, code.as_str()), (401, "invalid_api_key"));
    assert!(message.contains("mistyped"), "{message}");
    for cut in [&key[..key.len() - 1], &key[..20], &format!("{key}x")] {
        let (status, code, message) = refusal(&gateway, cut).await;
        assert_eq!((status, code.as_str()), (401, "invalid_api_key"));
        assert!(message.contains("cut"), "{message}");
    }
    // One from elsewhere may look like that, and works.
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let brought = format!("{}{}", auth::KEY_PREFIX, "a".repeat(40));
    let new = json!({ "name": "brought", "secret": brought });
    gateway.post(&format!("{account}/keys"), &new, 201).await;
    assert_eq!(ask(&gateway, Method::GET, "/v1/models", &brought).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_what_its_key_is_not_good_for() {
    let gateway = Gateway::start().await;
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
    gateway.post(&format!("{account}/grants"), &grant, 201).await;
    let keys = format!("{account}/keys");
    let key = async |rest: Value| {
        let mut new = json!({ "name": "k" });
        new.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        text(&gateway.post(&keys, &new, 201).await["secret"])
    };
    let reader = key(json!({ "scopes": ["usage_read"] })).await;
    let told = refusal(&gateway, &reader).await;
    assert_eq!((told.0, told.1.as_str()), (403, "scope_missing"));
    let elsewhere = key(json!({ "allowed_ips": ["192.0.2.0/24"] })).await;
    let told = refusal(&gateway, &elsewhere).await;
    assert_eq!((told.0, told.1.as_str()), (403, "address_not_allowed"));

    let rotated = key(json!({})).await;
    let rotation = json!({ "overlap": "0s" });
    gateway.post(&format!("{keys}/key_3/rotate"), &rotation, 200).await;
    let told = refusal(&gateway, &rotated).await;
    assert_eq!((told.0, told.1.as_str()), (401, "invalid_api_key"));
    assert!(told.2.contains("rotated"), "{}", told.2);

    let poor = key(json!({ "budgets": { "week_usd": "0.000000001" } })).await;
    let reply = ask(&gateway, Method::POST, "/v1/chat/completions", &poor).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (402, &json!("budget_exceeded")));
    assert_eq!(error["type"], "insufficient_quota");
    let message = text(&error["message"]);
    assert!(message.contains("weekly budget of $0.000000001"), "{message}");
    assert!(message.contains("It resets at 20"), "{message}");
}
