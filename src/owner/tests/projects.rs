//! Projects, as owners have them.

use http::Method;
use serde_json::{Value, json};

use super::{House, SCOPES, problem};
use crate::operate::fixture::{Reply, text};

fn ids(reply: &Reply) -> Value {
    let page = reply.json();
    page["projects"].as_array().unwrap().iter().map(|project| project["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_bounds_its_keys_from_its_creation_to_its_archive() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let wanted =
        json!({ "name": "research", "models": ["small"], "budgets": { "month_usd": "5" } });
    let reply = house.post("/api/v1/projects", &owner, wanted).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let made = reply.json();
    assert_eq!((&made["id"], &made["name"]), (&json!("proj_1"), &json!("research")));
    assert_eq!(made["budgets"]["month"]["limit_usd"], "5");
    house.post("/api/v1/projects", &owner, json!({ "name": "support" })).await;
    for (path, shown, next) in [
        ("/api/v1/projects", json!(["proj_1", "proj_2"]), Value::Null),
        ("/api/v1/projects?limit=1", json!(["proj_1"]), json!("proj_1")),
        ("/api/v1/projects?limit=1&after=proj_1", json!(["proj_2"]), Value::Null),
    ] {
        let reply = house.get(path, &owner).await;
        assert_eq!((ids(&reply), &reply.json()["next"]), (shown, &next), "{path}");
    }
    let new = json!({ "name": "app", "project": "proj_1", "scopes": ["inference"] });
    let key = text(&house.post("/api/v1/keys", &owner, new).await.json()["secret"]);
    assert_eq!(house.gateway.chat(&key).await, 200);
    let none = json!({ "budgets": { "month_usd": "0" } });
    assert_eq!(house.patch("/api/v1/projects/proj_1", &owner, none).await.status, 200);
    assert_ne!(house.gateway.chat(&key).await, 200);
    let more = json!({ "budgets": { "month_usd": null }, "name": "lab" });
    let reply = house.patch("/api/v1/projects/proj_1", &owner, more).await;
    assert_eq!((&reply.json()["name"], &reply.json()["budgets"]), (&json!("lab"), &json!({})));
    for (call, status) in [("archive", 403), ("restore", 200)] {
        let path = format!("/api/v1/projects/proj_1/{call}");
        assert_eq!(house.ask(Method::POST, &path, &owner, None).await.status, 200);
        assert_eq!(house.gateway.chat(&key).await, status, "{call}");
    }
    let wrong = json!({ "name": "x", "owner": "me" });
    problem(&house.post("/api/v1/projects", &owner, wrong).await, 422);
    problem(&house.get("/api/v1/projects/1", &owner).await, 400);
    problem(&house.get("/api/v1/projects?limit=0", &owner).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_project_sees_no_other_and_changes_none() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    for name in ["one", "two"] {
        house.post("/api/v1/projects", &owner, json!({ "name": name })).await;
    }
    let (_, bound) = house.key(&SCOPES, json!({ "project": "proj_2" })).await;
    assert_eq!(ids(&house.get("/api/v1/projects", &bound).await), json!(["proj_2"]));
    assert_eq!(house.get("/api/v1/projects?limit=1", &bound).await.json()["next"], Value::Null);
    assert_eq!(house.get("/api/v1/projects/proj_2", &bound).await.status, 200);
    let hidden = problem(&house.get("/api/v1/projects/proj_1", &bound).await, 404);
    assert_eq!(hidden, problem(&house.get("/api/v1/projects/proj_9", &bound).await, 404));
    let before = house.account().await["projects"].clone();
    let named = json!({ "name": "three" });
    problem(&house.post("/api/v1/projects", &bound, named.clone()).await, 403);
    for project in ["proj_1", "proj_2"] {
        let path = format!("/api/v1/projects/{project}");
        problem(&house.patch(&path, &bound, named.clone()).await, 403);
        for call in ["archive", "restore"] {
            let path = format!("{path}/{call}");
            problem(&house.ask(Method::POST, &path, &bound, None).await, 403);
        }
    }
    assert_eq!(house.account().await["projects"], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_projects_are_not_there() {
    let house = House::new().await;
    let (_, own) = house.key(&SCOPES, json!({})).await;
    let other = house.gateway.account("other").await;
    let projects = format!("/admin/v1/accounts/{other}/projects");
    house.gateway.post(&projects, &json!({ "name": "theirs" }), 201).await;
    let before = house.gateway.get(&projects).await;
    let path = "/api/v1/projects/proj_1";
    problem(&house.get(path, &own).await, 404);
    problem(&house.patch(path, &own, json!({ "name": "mine" })).await, 404);
    for call in ["archive", "restore"] {
        problem(&house.ask(Method::POST, &format!("{path}/{call}"), &own, None).await, 404);
    }
    assert_eq!(ids(&house.get("/api/v1/projects", &own).await), json!([]));
    assert_eq!(house.gateway.get(&projects).await, before);
}
