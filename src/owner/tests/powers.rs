//! What keys may not although their scopes say so: former secrets, keys with budgets of their own, keys of
//! a project, and keys that are others'.

use http::Method;
use serde_json::{Value, json};

use super::members::{person, signed_up};
use super::{House, SCOPES, problem, with_webhooks};
use crate::operate::fixture::{Reply, text};

const MANAGER: [&str; 3] = ["inference", "usage_read", "key_management"];

fn overlap(time: &str) -> Value {
    json!({ "overlap": time })
}

async fn rotate(house: &House, key: &str, with: &str, time: &str) -> Reply {
    house.post(&format!("/api/v1/keys/{key}/rotate"), with, overlap(time)).await
}

/// The ids in a list of keys.
fn ids(reply: &Reply) -> Vec<String> {
    let list = reply.json();
    list["keys"].as_array().unwrap().iter().map(|key| text(&key["id"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_secret_asks_and_reads_and_revokes_and_makes_nothing_that_outlives_it() {
    let house = House::with(with_webhooks()).await;
    let (own, former) = house.key(&SCOPES, json!({})).await;
    for _ in 0..2 {
        house.key(&["inference"], json!({})).await;
    }
    let present = text(&rotate(&house, &own, &former, "1h").await.json()["secret"]);
    let before = house.account().await;
    let path = format!("/api/v1/keys/{own}");
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    for reply in [
        rotate(&house, &own, &former, "0s").await,
        rotate(&house, "key_2", &former, "0s").await,
        house.post("/api/v1/keys", &former, json!({ "name": "k" })).await,
        house.patch(&path, &former, json!({ "tags": ["x"] })).await,
        house.post("/api/v1/members", &former, person("eve@example.com", "owner")).await,
        house.patch("/api/v1/account", &former, json!({ "budgets": { "day_usd": "9" } })).await,
        house.patch("/api/v1/watch", &former, json!({ "low_balance_usd": ["1"] })).await,
        house.post("/api/v1/redeem", &former, json!({ "code": "igc-1" })).await,
        house.post("/api/v1/webhooks", &former, hook).await,
        house.post("/api/v1/projects", &former, json!({ "name": "p" })).await,
    ] {
        let told = problem(&reply, 403);
        assert!(told.contains("was replaced") && told.contains(&own), "{told}");
    }
    let after = house.account().await;
    assert_eq!((&after["keys"], &after["events"]), (&before["keys"], &before["events"]));
    assert_eq!(house.gateway.chat(&former).await, 200);
    for path in ["account", "usage", "keys", "key", "members"] {
        let reply = house.get(&format!("/api/v1/{path}"), &former).await;
        assert_eq!(reply.status, 200, "{path}");
    }
    assert_eq!(house.delete("/api/v1/keys/key_2", &former).await.status, 200);
    let path = "/api/v1/keys/key_3/compromised";
    assert_eq!(house.ask(Method::POST, path, &former, None).await.status, 200);
    assert_eq!(house.post("/api/v1/keys", &present, json!({ "name": "k" })).await.status, 201);
    assert_eq!(house.delete("/api/v1/key", &former).await.status, 200);
    problem(&house.get("/api/v1/key", &present).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_without_overlap_a_key_has_one_secret() {
    let house = House::new().await;
    let (own, first) = house.key(&MANAGER, json!({})).await;
    let second = text(&rotate(&house, &own, &first, "30d").await.json()["secret"]);
    let third = text(&rotate(&house, &own, &second, "0s").await.json()["secret"]);
    let statuses = [
        house.gateway.chat(&first).await,
        house.gateway.chat(&second).await,
        house.gateway.chat(&third).await,
    ];
    assert_eq!(statuses, [401, 401, 200]);
}

/// An account of whoever signed up, with two developers; their keys' secrets, the owner's first.
async fn with_developers() -> (House, [String; 3]) {
    let (house, owner) = signed_up().await;
    let mut secrets = [owner.clone(), String::new(), String::new()];
    for number in [2, 3] {
        let email = format!("dev{number}@example.com");
        house.post("/api/v1/members", &owner, person(&email, "developer")).await;
        let path = format!("/admin/v1/accounts/{}/members/mem_{number}", house.id);
        let come = json!({ "status": "active" });
        assert_eq!(house.gateway.ask(Method::PATCH, &path, Some(&come)).await.status, 200);
        let member = format!("mem_{number}");
        let new = json!({ "name": "k", "scopes": MANAGER, "member": member });
        let made = house.post("/api/v1/keys", &owner, new).await;
        secrets[number - 1] = text(&made.json()["secret"]);
    }
    (house, secrets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_developer_takes_no_key_that_would_not_be_theirs_to_make() {
    let (house, [owner, bob, _]) = with_developers().await;
    let (nobodys, _) = house.key(&["key_management"], json!({})).await;
    let (app, _) = house.key(&["inference"], json!({ "models": ["small"] })).await;
    // The last is another developer's.
    for key in [nobodys.as_str(), &app, "key_3"] {
        problem(&rotate(&house, key, &bob, "24h").await, 403);
        let path = format!("/api/v1/keys/{key}");
        for change in [
            json!({ "scopes": ["inference", "key_management"], "models": [] }),
            json!({ "expires_at_ms": 4_000_000_000_000_u64, "tags": ["t"] }),
        ] {
            problem(&house.patch(&path, &bob, change).await, 403);
        }
        assert_eq!(house.patch(&path, &bob, json!({ "tags": ["t"] })).await.status, 200, "{key}");
    }
    for (key, with) in
        [(app.as_str(), &owner), ("key_2", &bob), ("key_3", &owner), (nobodys.as_str(), &owner)]
    {
        let path = format!("/api/v1/keys/{key}");
        let till = json!({ "expires_at_ms": 4_000_000_000_000_u64 });
        assert_eq!(house.patch(&path, with, till).await.status, 200, "{key}");
        assert_eq!(rotate(&house, key, with, "24h").await.status, 200, "{key}");
    }
    // What the operator gave without a member goes on giving its like.
    let (_, operators) = house.key(&MANAGER, json!({})).await;
    assert_eq!(rotate(&house, &nobodys, &operators, "0s").await.status, 200);
    problem(&rotate(&house, "key_2", &operators, "0s").await, 403);
}

/// Somebody would make it as little as theirs, rotate it, and have it when it is whole again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_narrows_a_key_that_they_may_not_have_but_anybody_who_manages_keys_revokes_it() {
    let (house, [_, bob, _]) = with_developers().await;
    let (all, _) = house.key(&SCOPES, json!({})).await;
    let brief = json!({
        "name": "k", "scopes": MANAGER, "expires_at_ms": 4_000_000_000_000_u64,
        "limits": { "in_flight": 5 }, "models": ["small"], "allowed_ips": ["127.0.0.0/8"],
    });
    let brief = text(&house.post("/api/v1/keys", &bob, brief).await.json()["secret"]);
    let before = house.account().await["keys"].clone();
    // An operator's to a member, and a sibling to one that lasts less long.
    for (key, with) in [(all.as_str(), &bob), ("key_2", &brief)] {
        let path = format!("/api/v1/keys/{key}");
        for narrower in [
            json!({ "scopes": ["inference"] }),
            json!({ "expires_at_ms": 3_900_000_000_000_u64 }),
            json!({ "models": ["small"] }),
            json!({ "allowed_ips": ["127.0.0.1"] }),
            json!({ "allowed_referrers": ["*.example.com"] }),
            json!({ "limits": { "in_flight": 1 } }),
            json!({ "budgets": { "day_usd": "1" } }),
            json!({
                "expires_at_ms": 3_900_000_000_000_u64, "models": ["small"], "scopes": ["inference"],
                "allowed_ips": ["127.0.0.1"], "limits": { "in_flight": 1 },
            }),
        ] {
            problem(&house.patch(&path, with, narrower).await, 403);
        }
        problem(&rotate(&house, key, with, "24h").await, 403);
    }
    assert_eq!(house.account().await["keys"], before, "nothing was changed");
    for (key, with) in [(all.as_str(), &bob), ("key_2", &brief)] {
        assert_eq!(house.delete(&format!("/api/v1/keys/{key}"), with).await.status, 200, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_a_budget_of_its_own_gives_no_other_anything() {
    let house = House::new().await;
    let budget = json!({ "budgets": { "month_usd": "5" } });
    let (own, manager) = house.key(&MANAGER, budget.clone()).await;
    let small = json!({ "models": ["small"], "budgets": { "month_usd": "1" } });
    let (other, _) = house.key(&["inference"], small).await;
    let (path, others) = (format!("/api/v1/keys/{own}"), format!("/api/v1/keys/{other}"));
    let new = json!({ "name": "k", "budgets": { "month_usd": "5" } });
    for reply in [
        house.post("/api/v1/keys", &manager, new).await,
        rotate(&house, &other, &manager, "0s").await,
        house.patch(&others, &manager, budget).await,
        house.patch(&others, &manager, json!({ "models": [] })).await,
        house.patch(&others, &manager, json!({ "budgets": { "month_usd": "0.5" } })).await,
    ] {
        assert!(problem(&reply, 403).contains("a budget of its own"));
    }
    for changes in
        [json!({ "budgets": { "month_usd": "5.1" } }), json!({ "budgets": { "month_usd": null } })]
    {
        assert!(problem(&house.patch(&path, &manager, changes).await, 403).contains("`budgets`"));
    }
    let less = json!({ "budgets": { "month_usd": "0.5" } });
    assert_eq!(house.patch(&path, &manager, less).await.status, 200);
    let rotated = rotate(&house, &own, &manager, "0s").await;
    assert_eq!((rotated.status, house.gateway.chat(&manager).await), (200, 401));
}

/// An account with two projects and a key of each that may everything, and one of none: their secrets.
async fn with_projects() -> (House, [(String, String); 3]) {
    let house = House::with(with_webhooks()).await;
    let whole = house.key(&SCOPES, json!({})).await;
    for name in ["one", "two"] {
        house.post("/api/v1/projects", &whole.1, json!({ "name": name })).await;
    }
    let one = house.key(&SCOPES, json!({ "project": "proj_1" })).await;
    let two = house.key(&SCOPES, json!({ "project": "proj_2" })).await;
    (house, [whole, one, two])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_project_does_nothing_with_what_is_the_accounts() {
    let (house, [_, (_, one), _]) = with_projects().await;
    let before = house.account().await["events"].clone();
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    for path in ["events", "members", "watch", "webhooks", "statement?month=2026-11"] {
        let told = problem(&house.get(&format!("/api/v1/{path}"), &one).await, 403);
        assert!(told.contains("a key of proj_1"), "{path}: {told}");
    }
    for reply in [
        house.patch("/api/v1/account", &one, json!({ "budgets": { "day_usd": "9" } })).await,
        house.patch("/api/v1/watch", &one, json!({ "low_balance_usd": ["1"] })).await,
        house.post("/api/v1/members", &one, person("eve@example.com", "owner")).await,
        house.post("/api/v1/webhooks", &one, hook).await,
        house.post("/api/v1/redeem", &one, json!({ "code": "igc-1" })).await,
    ] {
        assert!(problem(&reply, 403).contains("a key of proj_1"));
    }
    assert_eq!(house.account().await["events"], before);
    let shown = house.get("/api/v1/account", &one).await;
    assert_eq!((shown.status, &shown.json()["balance_usd"]), (200, &json!("1")));
    let said = shown.json().to_string();
    assert!(!said.contains("proj_") && !said.contains("key_"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_project_sees_and_manages_the_keys_of_that_project() {
    let (house, [(whole, secret), (one, of_one), (two, of_two)]) = with_projects().await;
    assert_eq!(ids(&house.get("/api/v1/keys", &of_one).await), [one.as_str()]);
    let page = house.get("/api/v1/keys?limit=1", &of_one).await;
    assert_eq!(page.json()["next"], Value::Null);
    let before = house.account().await["keys"].clone();
    for other in [&whole, &two, "key_9"] {
        let path = format!("/api/v1/keys/{other}");
        let compromised = format!("{path}/compromised");
        let unknown = problem(&house.get(&path, &of_one).await, 404);
        assert_eq!(unknown, "the key is unknown");
        for reply in [
            house.patch(&path, &of_one, json!({ "project": "proj_1" })).await,
            house.patch(&path, &of_one, json!({ "name": "n" })).await,
            rotate(&house, other, &of_one, "0s").await,
            house.delete(&path, &of_one).await,
            house.ask(Method::POST, &compromised, &of_one, None).await,
        ] {
            assert_eq!(problem(&reply, 404), unknown);
        }
        // Not even whether it is of some version.
        let name = json!({ "name": "n" });
        let reply = house.change((Method::PATCH, &path), &of_one, "\"x\"", &name).await;
        problem(&reply, 412);
        assert_eq!(reply.header("etag"), "");
    }
    assert_eq!(house.account().await["keys"], before, "nothing was changed");
    let made = async |project: Value| {
        let new = json!({ "name": "k", "project": project });
        house.post("/api/v1/keys", &of_one, new).await.status
    };
    assert_eq!(made(json!("proj_1")).await, 201);
    assert_eq!((made(json!("proj_2")).await, made(Value::Null).await), (403, 403));
    assert_eq!(house.delete("/api/v1/keys/key_4", &of_one).await.status, 200);
    assert_eq!(house.delete(&format!("/api/v1/keys/{one}"), &of_one).await.status, 200);
    assert_eq!(house.delete("/api/v1/key", &of_two).await.status, 200);
    assert_eq!(house.get("/api/v1/keys", &secret).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_project_sees_the_usage_of_that_project() {
    let (house, [(_, whole), (one, of_one), (two, of_two)]) = with_projects().await;
    for secret in [&whole, &of_one, &of_two] {
        assert_eq!(house.gateway.chat(secret).await, 200);
    }
    let all = house.get("/api/v1/usage", &whole).await.json();
    let records = all["usage"].as_array().unwrap();
    assert_eq!(records.len(), 3, "{all}");
    let page = house.get("/api/v1/usage", &of_one).await.json();
    let records_seen = page["usage"].as_array().unwrap();
    assert_eq!((records_seen.len(), &records_seen[0]["key"]), (1, &json!(one)));
    for format in ["csv", "ndjson"] {
        let export = house.get(&format!("/api/v1/usage?format={format}"), &of_one).await;
        let export = String::from_utf8(export.body.to_vec()).unwrap();
        assert!(export.contains(&one) && !export.contains(&two), "{export}");
    }
    let sums = house.get("/api/v1/usage?group_by=project", &of_one).await.json();
    let groups = sums["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["project"]), (1, &json!(format!("{}/proj_1", house.id))));
    problem(&house.get("/api/v1/usage?project=proj_2", &of_one).await, 400);
    let others = house.get(&format!("/api/v1/usage?key={two}"), &of_one).await.json();
    assert_eq!(others["usage"], json!([]));

    for record in records {
        let path = format!("/v1/generation?id={}", text(&record["id"]));
        let own = record["key"] == json!(one);
        assert_eq!(house.get(&path, &of_one).await.status, if own { 200 } else { 404 });
        assert_eq!(house.get(&path, &whole).await.status, 200);
    }
}
