//! The people of an account, as its owners and the operator look after them.

use http::Method;
use serde_json::{Value, json};

use super::{House, SCOPES, problem};
use crate::operate::fixture::{Setup, text};

pub(super) fn person(email: &str, role: &str) -> Value {
    json!({ "email": email, "name": "n", "role": role })
}

/// A house whose owner signed up; the first key's secret.
pub(super) async fn signed_up() -> (House, String) {
    let mut setup = Setup::default();
    setup.config.push_str("[signup]\npolicy = \"open\"\n");
    let mut house = House::with(setup).await;
    let asked = json!({ "name": "ACME", "email": "ada@example.com" });
    let opened = house.post("/api/v1/signup", "", asked).await.json();
    house.id = text(&opened["account"]["id"]);
    (house, text(&opened["key"]["secret"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_added_changed_and_removed_and_an_owner_remains() {
    let (house, owner) = signed_up().await;
    let added = house.post("/api/v1/members", &owner, person("Bob@Example.com ", "admin")).await;
    assert_eq!(added.status, 201);
    let added = added.json();
    assert_eq!(
        (&added["id"], &added["email"], &added["status"], &added["added_by"]),
        (&json!("mem_2"), &json!("bob@example.com"), &json!("invited"), &json!("key_1"))
    );
    assert_eq!(added["email_verified"], false);
    let again = house.post("/api/v1/members", &owner, person("bob@example.com", "owner")).await;
    problem(&again, 409);
    for wrong in [person("bob", "admin"), person("x@example.com", "king"), json!({})] {
        problem(&house.post("/api/v1/members", &owner, wrong).await, 422);
    }
    let role = json!({ "role": "billing" });
    let changed = house.patch("/api/v1/members/mem_2", &owner, role.clone()).await;
    assert_eq!((changed.status, &changed.json()["role"]), (200, &json!("billing")));
    assert!(
        problem(&house.patch("/api/v1/members/mem_1", &owner, role).await, 409).contains("owner")
    );
    problem(&house.delete("/api/v1/members/mem_1", &owner).await, 409);
    let come = json!({ "status": "active" });
    problem(&house.patch("/api/v1/members/mem_2", &owner, come.clone()).await, 403);
    let path = format!("/admin/v1/accounts/{}/members", house.id);
    let reply = house.gateway.ask(Method::PATCH, &format!("{path}/mem_2"), Some(&come)).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("active")));
    let removed = house.delete("/api/v1/members/mem_2?reason=left", &owner).await;
    assert_eq!((removed.status, &removed.json()["status"]), (200, &json!("removed")));
    problem(&house.delete("/api/v1/members/mem_2", &owner).await, 404);
    problem(&house.get("/api/v1/members/mem_9", &owner).await, 404);
    let page = house.get("/api/v1/members?limit=1", &owner).await.json();
    assert_eq!((&page["members"][0]["id"], &page["next"]), (&json!("mem_1"), &json!("mem_1")));
    let page = house.gateway.get(&format!("{path}?after=mem_1")).await;
    assert_eq!((&page["members"][0]["removed_by"], &page["next"]), (&json!("key_1"), &Value::Null));
    let journal = house.gateway.get(&format!("/admin/v1/accounts/{}/journal", house.id)).await;
    let said = journal.to_string();
    assert!(said.contains("\"signed_up\"") && !said.contains("hash"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_members_keys_may_what_the_member_may_and_go_with_them() {
    let (house, owner) = signed_up().await;
    let path = format!("/admin/v1/accounts/{}/members", house.id);
    house.gateway.post(&path, &person("bob@example.com", "owner"), 201).await;
    let come = json!({ "status": "active" });
    let member = |id: &str| format!("{path}/{id}");
    assert_eq!(house.gateway.ask(Method::PATCH, &member("mem_2"), Some(&come)).await.status, 200);
    let wanted = json!({ "name": "all", "scopes": SCOPES });
    let made = house.post("/api/v1/keys", &owner, wanted).await.json();
    assert_eq!(made["member"], "mem_1");
    let key = text(&made["secret"]);
    let adds = async |role: &str, email: &str| {
        house.post("/api/v1/members", &key, person(email, role)).await.status
    };
    assert_eq!(adds("owner", "c@example.com").await, 201);

    let role = |role: &str| json!({ "role": role });
    let set = async |to: &str| {
        let reply = house.gateway.ask(Method::PATCH, &member("mem_1"), Some(&role(to))).await;
        assert_eq!(reply.status, 200);
    };
    set("admin").await;
    assert_eq!(adds("owner", "d@example.com").await, 403);
    assert_eq!(adds("developer", "d@example.com").await, 201);
    problem(&house.patch("/api/v1/members/mem_1", &key, role("owner")).await, 403);
    set("developer").await;
    assert_eq!(adds("developer", "e@example.com").await, 403);
    assert_eq!(house.get("/api/v1/keys", &key).await.status, 200);
    let project = json!({ "name": "mine" });
    problem(&house.post("/api/v1/projects", &key, project.clone()).await, 403);
    let watch = json!({ "low_balance_usd": ["1"] });
    problem(&house.patch("/api/v1/watch", &key, watch.clone()).await, 403);
    set("billing").await;
    assert_eq!(house.patch("/api/v1/watch", &key, watch).await.status, 200);
    problem(&house.post("/api/v1/projects", &key, project).await, 403);
    for path in ["/api/v1/events", "/api/v1/webhooks"] {
        problem(&house.get(path, &key).await, 403);
    }
    assert_eq!(house.get("/api/v1/projects", &key).await.status, 200);
    assert!(problem(&house.get("/api/v1/keys", &key).await, 403).contains("any more"));
    assert_eq!(house.get("/api/v1/account", &key).await.status, 200);

    let kept = house.gateway.ask(Method::DELETE, &member("mem_1"), None).await;
    assert_eq!(kept.status, 200);
    problem(&house.get("/api/v1/account", &key).await, 403);
    assert_eq!(house.delete("/api/v1/key", &key).await.status, 200, "it can still be ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_not_taken_from_whoever_may_more_with_it() {
    let (house, owner) = signed_up().await;
    let path = format!("/admin/v1/accounts/{}/members", house.id);
    house.gateway.post(&path, &person("bob@example.com", "owner"), 201).await;
    let come = json!({ "status": "active" });
    house.gateway.ask(Method::PATCH, &format!("{path}/mem_2"), Some(&come)).await;
    // Ada made this one, and is a developer from then on; what the operator made is nobody's.
    let wanted = json!({ "name": "all", "scopes": SCOPES });
    let adas = text(&house.post("/api/v1/keys", &owner, wanted).await.json()["secret"]);
    let (all, _) = house.key(&SCOPES, json!({})).await;
    let (app, _) = house.key(&["inference"], json!({})).await;
    for (role, may) in [("developer", 403), ("admin", 200)] {
        let role = json!({ "role": role });
        house.gateway.ask(Method::PATCH, &format!("{path}/mem_1"), Some(&role)).await;
        let rotation = json!({ "overlap": "0s" });
        let rotate = format!("/api/v1/keys/{all}/rotate");
        let told = problem(&house.post(&rotate, &adas, rotation.clone()).await, 403);
        assert!(told.contains("may more"), "{told}");
        let more = json!({ "scopes": SCOPES });
        problem(&house.patch(&format!("/api/v1/keys/{app}"), &adas, more).await, 403);
        let rotate = format!("/api/v1/keys/{app}/rotate");
        assert_eq!(house.post(&rotate, &adas, rotation).await.status, may, "no more than hers");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_loses_their_keys_where_that_is_asked_for() {
    let (house, owner) = signed_up().await;
    let path = format!("/admin/v1/accounts/{}/members", house.id);
    house.gateway.post(&path, &person("bob@example.com", "owner"), 201).await;
    let come = json!({ "status": "active" });
    house.gateway.ask(Method::PATCH, &format!("{path}/mem_2"), Some(&come)).await;
    let (_, operators) = house.key(&SCOPES, json!({})).await;
    let removed = house.delete("/api/v1/members/mem_1?revoke_keys=true", &operators).await;
    assert_eq!(removed.status, 200);
    problem(&house.get("/api/v1/account", &owner).await, 401);
    assert_eq!(house.get("/api/v1/account", &operators).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_accounts_people_are_not_there() {
    let (house, _) = signed_up().await;
    let other = house.gateway.account("other").await;
    let (_, stranger) = house.key_of(&other, &SCOPES, json!({})).await;
    let path = "/api/v1/members/mem_1";
    problem(&house.get(path, &stranger).await, 404);
    problem(&house.patch(path, &stranger, json!({ "role": "read_only" })).await, 404);
    problem(&house.delete(path, &stranger).await, 404);
    let page = house.get("/api/v1/members", &stranger).await.json();
    assert_eq!(page, json!({ "members": [], "next": null }));
    let developer = person("x@example.com", "developer");
    assert!(
        problem(&house.post("/api/v1/members", &stranger, developer).await, 409).contains("owner")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_added_gets_a_key_and_may_with_it_what_their_role_says() {
    let (house, owner) = signed_up().await;
    let keys = format!("/admin/v1/accounts/{}/keys", house.id);
    let come = json!({ "status": "active" });
    let key_of = |member: &str| json!({ "name": "k", "scopes": SCOPES, "member": member });
    for (number, role) in [(2, "developer"), (3, "admin"), (4, "billing")] {
        let email = format!("{role}@example.com");
        assert_eq!(house.post("/api/v1/members", &owner, person(&email, role)).await.status, 201);
        let invited = key_of(&format!("mem_{number}"));
        problem(&house.post("/api/v1/keys", &owner, invited.clone()).await, 409);
        let reply = house.gateway.ask(Method::POST, &keys, Some(&invited)).await;
        problem(&reply, 409);
        let path = format!("/admin/v1/accounts/{}/members/mem_{number}", house.id);
        assert_eq!(house.gateway.ask(Method::PATCH, &path, Some(&come)).await.status, 200);
    }
    // By an owner, and by the operator.
    let made = house.post("/api/v1/keys", &owner, key_of("mem_2")).await;
    assert_eq!((made.status, &made.json()["member"]), (201, &json!("mem_2")));
    let developers = text(&made.json()["secret"]);
    let made = house.gateway.post(&keys, &key_of("mem_3"), 201).await;
    assert_eq!(made["member"], "mem_3");
    let admins = text(&made["secret"]);
    assert_eq!(house.get("/api/v1/keys", &developers).await.status, 200);
    let person = person("e@example.com", "developer");
    problem(&house.post("/api/v1/members", &developers, person.clone()).await, 403);
    assert_eq!(house.post("/api/v1/members", &admins, person).await.status, 201);

    // For others by whom may manage them alone; for oneself by whom may manage keys.
    for (key, member, status) in [
        (&developers, "mem_2", 201),
        (&developers, "mem_4", 403),
        (&admins, "mem_4", 201),
        (&admins, "mem_1", 403),
        (&owner, "mem_1", 201),
        (&owner, "mem_9", 404),
    ] {
        let reply = house.post("/api/v1/keys", key, key_of(member)).await;
        assert_eq!(reply.status, status, "{member}: {:?}", reply.body);
    }
    problem(&house.gateway.ask(Method::POST, &keys, Some(&key_of("mem_9"))).await, 404);
    // And no further than the key that makes it.
    let (_, bound) = house.key(&SCOPES, json!({ "models": ["small"] })).await;
    assert!(
        problem(&house.post("/api/v1/keys", &bound, key_of("mem_2")).await, 403).contains("models")
    );
}
