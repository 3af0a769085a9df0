//! Each endpoint with each scope, and without a key.

use http::Method;
use serde_json::{Value, json};

use super::{House, SCOPES, problem, with_webhooks};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// An endpoint, what it is sent, the scope it needs, and how it answers whoever has it.
type Endpoint = (Method, &'static str, Option<Value>, &'static str, u16);

/// Every one of them.
fn endpoints() -> Vec<Endpoint> {
    let member = json!({ "email": "ada@example.com", "name": "Ada", "role": "owner" });
    vec![
        (GET, "/api/v1/account", None, "usage_read", 200),
        (GET, "/api/v1/usage", None, "usage_read", 200),
        (GET, "/api/v1/usage?group_by=day&format=csv", None, "usage_read", 200),
        (GET, "/api/v1/usage?format=ndjson", None, "usage_read", 200),
        (GET, "/api/v1/statement?month=2026-11", None, "usage_read", 200),
        (GET, "/api/v1/models", None, "usage_read", 200),
        (GET, "/api/v1/key", None, "usage_read", 200),
        (GET, "/api/v1/keys", None, "key_management", 200),
        (GET, "/api/v1/keys/key_1", None, "key_management", 200),
        (
            POST,
            "/api/v1/keys",
            Some(json!({ "name": "k", "scopes": ["key_management"] })),
            "key_management",
            201,
        ),
        (PATCH, "/api/v1/keys/key_1", Some(json!({ "name": "n" })), "key_management", 200),
        (
            POST,
            "/api/v1/keys/key_4/rotate",
            Some(json!({ "overlap": "1h" })),
            "key_management",
            200,
        ),
        (DELETE, "/api/v1/keys/key_1", None, "key_management", 200),
        (POST, "/api/v1/keys/key_1/compromised", None, "key_management", 200),
        (
            PATCH,
            "/api/v1/account",
            Some(json!({ "budgets": { "day_usd": "5" } })),
            "account_management",
            200,
        ),
        (POST, "/api/v1/redeem", Some(json!({ "code": "igc-1" })), "account_management", 404),
        (GET, "/api/v1/members", None, "account_management", 200),
        (POST, "/api/v1/members", Some(member), "account_management", 201),
        (GET, "/api/v1/members/mem_1", None, "account_management", 200),
        (PATCH, "/api/v1/members/mem_1", Some(json!({ "name": "L" })), "account_management", 200),
        (DELETE, "/api/v1/members/mem_1", None, "account_management", 409),
    ]
    .into_iter()
    .chain(projects())
    .chain(watching())
    .collect()
}

fn watching() -> [Endpoint; 10] {
    let needed = "account_management";
    let low = json!({ "low_balance_usd": ["5"] });
    // Of what never happens to an account: nothing is sent there.
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    let path = "/api/v1/webhooks/hook_1";
    [
        (GET, "/api/v1/subscription", None, "usage_read", 200),
        (GET, "/api/v1/watch", None, "usage_read", 200),
        (PATCH, "/api/v1/watch", Some(low), needed, 200),
        (GET, "/api/v1/events", None, needed, 200),
        (POST, "/api/v1/webhooks", Some(hook), needed, 201),
        (GET, "/api/v1/webhooks", None, needed, 200),
        (GET, path, None, needed, 200),
        (PATCH, path, Some(json!({ "enabled": false })), needed, 200),
        (POST, "/api/v1/webhooks/hook_1/rotate-secret", Some(json!({})), needed, 200),
        (DELETE, path, None, needed, 204),
    ]
}

fn projects() -> [Endpoint; 6] {
    let new = json!({ "name": "research" });
    [
        (POST, "/api/v1/projects", Some(new.clone()), "account_management", 201),
        (GET, "/api/v1/projects", None, "usage_read", 200),
        (GET, "/api/v1/projects/proj_1", None, "usage_read", 200),
        (PATCH, "/api/v1/projects/proj_1", Some(new), "account_management", 200),
        (POST, "/api/v1/projects/proj_1/archive", None, "account_management", 200),
        (POST, "/api/v1/projects/proj_1/restore", None, "account_management", 200),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_endpoint_is_open_to_one_scope_and_closed_to_the_others() {
    let house = House::with(with_webhooks()).await;
    // For others to look at, and the one that is rotated has the scope that it takes and no more.
    house.key(&["inference"], json!({})).await;
    let mut keys = Vec::new();
    for scope in SCOPES {
        keys.push((scope, house.key(&[scope], json!({})).await));
    }
    assert_eq!(keys[2].1.0, "key_4");
    for (method, path, body, needed, status) in endpoints() {
        for key in ["", "ig-nobodys"] {
            let reply = house.ask(method.clone(), path, key, body.clone()).await;
            problem(&reply, 401);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        for (scope, (_, secret)) in &keys {
            if *scope == needed {
                continue;
            }
            let reply = house.ask(method.clone(), path, secret, body.clone()).await;
            let told = problem(&reply, 403);
            assert!(told.contains(needed), "{method} {path} with {scope}: {told}");
        }
        let (_, (_, secret)) = keys.iter().find(|(scope, _)| *scope == needed).unwrap();
        let reply = house.ask(method.clone(), path, secret, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {:?}", reply.body);
        assert_eq!(reply.header("cache-control"), "no-store", "{method} {path}");
        assert_ne!(reply.header("x-request-id"), "", "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_in_problem_details() {
    let house = House::new().await;
    let (_, key) = house.key(&SCOPES, json!({})).await;
    let told = problem(&house.get("/api/v1/nothing", &key).await, 404);
    assert!(told.contains("/api/v1/nothing"), "{told}");
    let reply = house.delete("/api/v1/account", &key).await;
    problem(&reply, 405);
    assert_ne!(reply.header("allow"), "");
}
