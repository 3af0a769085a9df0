//! Keys that keys make, and what they can't.

use std::time::Duration;

use http::Method;
use infergate_actors::clock::Clock;
use serde_json::{Value, json};

use super::{House, SCOPES, problem};
use crate::operate::fixture::{Setup, text};

const MANAGER: [&str; 2] = ["inference", "key_management"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_lives_from_its_creation_to_its_end() {
    let house = House::new().await;
    let (_, manager) = house.key(&MANAGER, json!({})).await;
    let wanted = json!({
        "name": "app", "models": ["small"], "limits": { "in_flight": 2 },
        "budgets": { "day_usd": "0.5" }, "tags": ["team-a"],
    });
    let reply = house.post("/api/v1/keys", &manager, wanted).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let created = reply.json();
    assert_eq!((&created["id"], &created["scopes"]), (&json!("key_2"), &json!(["inference"])));
    assert_eq!(created["budgets"]["day"]["limit_usd"], "0.5");
    let first = text(&created["secret"]);
    assert_eq!(house.gateway.chat(&first).await, 200);

    let reply = house.patch("/api/v1/keys/key_2", &manager, json!({ "name": "app 2" })).await;
    assert_eq!((reply.status, &reply.json()["name"]), (200, &json!("app 2")));
    let rotation = json!({ "overlap": "0s" });
    let reply = house.post("/api/v1/keys/key_2/rotate", &manager, rotation).await;
    let second = text(&reply.json()["secret"]);
    assert_eq!((reply.status, house.gateway.chat(&first).await), (200, 401));
    assert_eq!(house.gateway.chat(&second).await, 200);

    for (path, ids, next) in [
        ("/api/v1/keys", json!(["key_1", "key_2"]), Value::Null),
        ("/api/v1/keys?limit=1", json!(["key_1"]), json!("key_1")),
        ("/api/v1/keys?limit=1&after=key_1", json!(["key_2"]), Value::Null),
    ] {
        let reply = house.get(path, &manager).await;
        let page = reply.json();
        let shown: Vec<&Value> =
            page["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
        assert_eq!((json!(shown), &page["next"]), (ids, &next), "{path}");
        let said = String::from_utf8_lossy(&reply.body);
        assert!(!said.contains("secret\":\"") && !said.contains("hash"), "{said}");
    }
    let path = "/api/v1/keys/key_2/compromised?reason=seen%20on%20a%20wall";
    let reply = house.ask(Method::POST, path, &manager, None).await;
    let shut = reply.json();
    assert!(shut["revoked_at_ms"].is_u64());
    let seen = &shut["recent_use"]["addresses"][0];
    assert_eq!((&seen["address"], &seen["requests"]), (&json!("127.0.0.1"), &json!(2)), "{shut}");
    assert_eq!(house.gateway.chat(&second).await, 401);
    let journal = house.gateway.get(&format!("/admin/v1/accounts/{}/journal", house.id)).await;
    assert!(journal.to_string().contains("reported as compromised: seen on a wall"));
    problem(&house.patch("/api/v1/keys/key_2", &manager, json!({ "name": "x" })).await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_gives_no_other_more_than_it_has_itself() {
    let house = House::new().await;
    let bounds = json!({
        "models": ["small", "sim-*"], "expires_at_ms": 4_000_000_000_000_u64,
        "limits": { "requests_per_minute": 100 }, "allowed_ips": ["127.0.0.0/8"],
    });
    let (own, manager) = house.key(&MANAGER, bounds.clone()).await;
    let with = |rest: Value| {
        let mut wanted = json!({ "name": "k", "scopes": ["inference"] });
        for each in [&bounds, &rest] {
            wanted.as_object_mut().unwrap().extend(each.as_object().unwrap().clone());
        }
        wanted
    };
    assert_eq!(house.post("/api/v1/keys", &manager, with(json!({}))).await.status, 201);
    let wider = [
        ("scopes", json!({ "scopes": SCOPES })),
        ("scopes", json!({ "scopes": ["usage_read"] })),
        ("models", json!({ "models": [] })),
        ("models", json!({ "models": ["small", "large"] })),
        ("allowed_ips", json!({ "allowed_ips": [] })),
        ("allowed_ips", json!({ "allowed_ips": ["127.0.0.1", "10.0.0.1"] })),
        ("expires_at_ms", json!({ "expires_at_ms": null })),
        ("limits", json!({ "limits": { "requests_per_minute": 101 } })),
    ];
    let before = house.account().await["keys"].clone();
    for (field, rest) in &wider {
        let told = problem(&house.post("/api/v1/keys", &manager, with(rest.clone())).await, 403);
        assert!(told.contains(&format!("`{field}`")), "{rest}: {told}");
    }
    // Neither by changing one that it made, nor by changing itself.
    for key in ["key_2", own.as_str()] {
        for (field, rest) in [
            ("scopes", json!({ "scopes": SCOPES })),
            ("models", json!({ "models": [] })),
            ("allowed_ips", json!({ "allowed_ips": [] })),
            ("expires_at_ms", json!({ "expires_at_ms": null })),
            ("limits", json!({ "limits": { "requests_per_minute": null } })),
        ] {
            let path = format!("/api/v1/keys/{key}");
            let told = problem(&house.patch(&path, &manager, rest).await, 403);
            assert!(told.contains(&format!("`{field}`")), "{key}: {told}");
        }
    }
    assert_eq!(house.account().await["keys"], before, "nothing was changed");
    // Such keys may be more than one, so that they have budgets where it has none.
    let narrower = json!({ "budgets": { "month_usd": "4" }, "models": ["small"] });
    assert_eq!(house.patch("/api/v1/keys/key_2", &manager, narrower).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mightier_key_is_neither_had_nor_changed_but_can_be_stopped() {
    let house = House::new().await;
    let (_, manager) = house.key(&MANAGER, json!({})).await;
    let (mighty, secret) = house.key(&SCOPES, json!({})).await;
    let path = format!("/api/v1/keys/{mighty}");
    let rotated = house.post(&format!("{path}/rotate"), &manager, json!({ "overlap": "0s" })).await;
    assert!(problem(&rotated, 403).contains("`scopes`"));
    let changed = house.patch(&path, &manager, json!({ "models": ["small"] })).await;
    assert!(problem(&changed, 403).contains("`scopes`"));
    assert_eq!(house.patch(&path, &manager, json!({ "tags": ["x"] })).await.status, 200);
    assert_eq!(house.get("/api/v1/account", &secret).await.status, 200);
    assert_eq!(house.delete(&path, &manager).await.status, 200);
    problem(&house.get("/api/v1/account", &secret).await, 401);
    // Nobody brings a secret: the answer would tell whether somebody has it.
    let brought = json!({ "name": "k", "secret": "sk-known-elsewhere-1234" });
    problem(&house.post("/api/v1/keys", &manager, brought).await, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_key_may_end_it_whatever_it_is_good_for() {
    let house = House::new().await;
    for scope in SCOPES {
        let (id, secret) = house.key(&[scope], json!({})).await;
        let reply = house.delete("/api/v1/key?reason=done", &secret).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!(id)), "{scope}");
        problem(&house.get("/api/v1/key", &secret).await, 401);
    }
    // From where it was used is told to whoever could have asked before.
    for (scopes, is_told) in [
        (&["inference"][..], false),
        (&["account_management"], false),
        (&["usage_read"], true),
        (&["key_management"], true),
    ] {
        let (_, secret) = house.key(scopes, json!({})).await;
        let reply = house.ask(Method::POST, "/api/v1/key/compromised", &secret, None).await;
        assert_eq!(reply.status, 200);
        let addresses = &reply.json()["recent_use"]["addresses"];
        assert_eq!(addresses.is_array(), is_told, "{scopes:?}: {:?}", reply.body);
        assert_eq!(house.gateway.chat(&secret).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_keys_are_not_there() {
    let house = House::new().await;
    let (_, own) = house.key(&SCOPES, json!({})).await;
    let other = house.gateway.account("other").await;
    for _ in 0..3 {
        house.key_of(&other, &["inference"], json!({})).await;
    }
    let before = house.gateway.get(&format!("/admin/v1/accounts/{other}")).await;
    // Numbers count within an account: the third is another's alone.
    let path = "/api/v1/keys/key_3";
    problem(&house.get(path, &own).await, 404);
    problem(&house.patch(path, &own, json!({ "name": "mine" })).await, 404);
    problem(&house.delete(path, &own).await, 404);
    let rotation = json!({ "overlap": "0s" });
    problem(&house.post(&format!("{path}/rotate"), &own, rotation).await, 404);
    problem(&house.ask(Method::POST, &format!("{path}/compromised"), &own, None).await, 404);
    assert_eq!(house.gateway.get(&format!("/admin/v1/accounts/{other}")).await, before);
    problem(&house.get("/api/v1/keys/3", &own).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_bound_to_a_place_asks_for_nothing_elsewhere() {
    let house = House::new().await;
    let (_, elsewhere) = house.key(&SCOPES, json!({ "allowed_ips": ["192.0.2.0/24"] })).await;
    assert!(problem(&house.get("/api/v1/account", &elsewhere).await, 403).contains("address"));
    problem(&house.delete("/api/v1/key", &elsewhere).await, 403);
}

/// What is read of an account, by its paths.
const READ: [&str; 6] = [
    "/api/v1/account",
    "/api/v1/usage",
    "/api/v1/statement?month=2026-11",
    "/api/v1/keys",
    "/v1/credits",
    "/v1/key",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_account_is_read_and_its_keys_revoked_and_nothing_else() {
    let house = House::new().await;
    let (own, key) = house.key(&SCOPES, json!({})).await;
    for _ in 0..2 {
        house.key(&["inference"], json!({})).await;
    }
    let (_, found) = house.key(&["inference"], json!({})).await;
    let (_, last) = house.key(&SCOPES, json!({})).await;
    let suspend = format!("/admin/v1/accounts/{}/suspend", house.id);
    house.gateway.post(&suspend, &json!({ "class": "abuse", "reason": "spam" }), 200).await;
    for path in READ {
        let reply = house.get(path, &key).await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
    }
    let rotate = format!("/api/v1/keys/{own}/rotate");
    for reply in [
        house.post("/api/v1/keys", &key, json!({ "name": "k" })).await,
        house.post(&rotate, &key, json!({ "overlap": "0s" })).await,
        house.patch("/api/v1/account", &key, json!({ "budgets": { "day_usd": "5" } })).await,
    ] {
        let told = problem(&reply, 403);
        assert!(told.contains("abuse") && !told.contains("spam"), "{told}");
    }
    assert_eq!(house.gateway.chat(&key).await, 403);
    assert_eq!(house.delete("/api/v1/keys/key_2", &key).await.status, 200);
    let shut = house.ask(Method::POST, "/api/v1/keys/key_3/compromised", &key, None).await;
    assert_eq!(shut.status, 200);
    let shut = house.ask(Method::POST, "/api/v1/key/compromised", &found, None).await;
    assert_eq!(shut.status, 200);
    assert_eq!(house.delete("/api/v1/key", &key).await.status, 200);
    problem(&house.get("/api/v1/account", &key).await, 401);

    let close = format!("/admin/v1/accounts/{}/close", house.id);
    house.gateway.post(&close, &json!({ "reason": "over" }), 200).await;
    for path in READ {
        assert_eq!(house.get(path, &last).await.status, 200, "{path}");
    }
    problem(&house.delete("/api/v1/key", &last).await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_guard_has_stopped_can_be_ended_and_nothing_else() {
    let clock = Clock::manual(1_795_550_400_000);
    let house = House::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let guard = "[keys.guard]\nenabled = true\nlearning = \"1h\"\nspend_factor = 2\n\
                 spend_floor_usd = \"0\"\n";
    let guard = crate::config::Config::parse("test.toml", guard, &|_| None).unwrap().guard;
    house.gateway.system.accounts.set_guard(guard);
    let keys = [house.key(&SCOPES, json!({})).await, house.key(&SCOPES, json!({})).await];
    for (_, key) in &keys {
        assert_eq!(house.gateway.chat(key).await, 200);
        assert_eq!(house.gateway.chat(key).await, 200);
    }
    clock.advance(Duration::from_hours(2));
    for ((method, path), (_, key)) in
        [(Method::DELETE, "/api/v1/key"), (Method::POST, "/api/v1/key/compromised")]
            .iter()
            .zip(&keys)
    {
        let mut answered = 0;
        while house.gateway.chat(key).await == 200 {
            answered += 1;
            assert!(answered < 20, "nothing is ever unusual");
        }
        problem(&house.get("/api/v1/account", key).await, 403);
        problem(&house.delete("/api/v1/keys/key_1", key).await, 403);
        let reply = house.ask(method.clone(), path, key, None).await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        problem(&house.get("/api/v1/account", key).await, 401);
    }
}

/// 366 changes of a thousand such names took 184 MB of disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lists_of_a_key_and_of_a_project_have_an_end() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let names = |count: usize| -> Vec<String> {
        (0..count).map(|number| format!("{number:0>248}")).collect()
    };
    let (fits, longer) = (names(264), names(265));
    let new = |models: &Vec<String>| json!({ "name": "k", "models": models });
    for path in ["/api/v1/keys", "/api/v1/projects"] {
        let told = problem(&house.post(path, &owner, new(&longer)).await, 422);
        assert!(told.contains("at most 65536"), "{told}");
        assert_eq!(house.post(path, &owner, new(&fits)).await.status, 201, "{path}");
    }
    for path in ["/api/v1/keys/key_2", "/api/v1/projects/proj_1"] {
        problem(&house.patch(path, &owner, json!({ "models": longer })).await, 422);
        assert_eq!(house.patch(path, &owner, json!({ "name": "n" })).await.status, 200);
    }
    // All together, those that stay with those that come.
    let tags = json!({ "tags": ["t".repeat(100)] });
    problem(&house.patch("/api/v1/keys/key_2", &owner, tags).await, 422);
    let fewer = json!({ "tags": ["t".repeat(100)], "models": ["small"] });
    assert_eq!(house.patch("/api/v1/keys/key_2", &owner, fewer).await.status, 200);
}
