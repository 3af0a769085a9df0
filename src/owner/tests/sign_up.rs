//! Signing up, by each policy, at once and again and again.

use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{House, problem};
use crate::operate::fixture::{Gateway, Reply, Setup, send, text};

const OPEN: &str = "[signup]\npolicy = \"open\"\ntrial_credit_usd = \"5\"\n\
                    trial_expires_after = \"30d\"\nper_hour_and_address = 0\n";

async fn house(sign_up: &str) -> House {
    let mut setup = Setup::default();
    setup.config.push_str(sign_up);
    House::with(setup).await
}

fn wish(email: &str) -> Value {
    json!({ "name": "ACME", "email": email })
}

async fn sign_up(house: &House, body: Value) -> Reply {
    house.post("/api/v1/signup", "", body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_up_can_ask_at_once_and_look_after_everything() {
    let house = house(OPEN).await;
    let reply = sign_up(&house, wish(" Ada+x@Example.com")).await;
    assert_eq!(reply.status, 201, "{:?}", reply.body);
    let opened = reply.json();
    let grant = &opened["account"]["grants"][0];
    assert_eq!((&grant["kind"], &grant["amount_usd"]), (&json!("trial"), &json!("5")));
    assert!(grant["expires_at_ms"].as_u64() > opened["account"]["opened_at_ms"].as_u64());
    assert_eq!(
        (
            &opened["member"]["email"],
            &opened["member"]["role"],
            &opened["member"]["email_verified"]
        ),
        (&json!("ada+x@example.com"), &json!("owner"), &json!(false))
    );
    let key = text(&opened["key"]["secret"]);
    assert_eq!(house.gateway.chat(&key).await, 200);
    for path in ["account", "usage", "keys", "members", "key"] {
        assert_eq!(house.get(&format!("/api/v1/{path}"), &key).await.status, 200, "{path}");
    }
    for other in ["ada@example.com", "ADA+y@example.com"] {
        assert!(problem(&sign_up(&house, wish(other)).await, 409).contains("already"));
    }
    // The operator gives no second one under the same name, either.
    let id = text(&opened["account"]["id"]);
    let grant = json!({ "amount_usd": "1", "kind": "trial", "reference": "trial" });
    house.gateway.post(&format!("/admin/v1/accounts/{id}/grants"), &grant, 409).await;
    let lines = house.gateway.get("/admin/v1/accounts").await;
    assert_eq!(lines["accounts"].as_array().unwrap().len(), 2, "{lines}");
    let metrics =
        send(house.gateway.admin, Request::get("/metrics").body(Full::default()).unwrap());
    let metrics = String::from_utf8(metrics.await.body.to_vec()).unwrap();
    for line in [
        "infergate_sign_ups_total{result=\"opened\"} 1",
        "infergate_sign_ups_total{result=\"taken\"} 2",
    ] {
        assert!(metrics.contains(line), "no {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_with_one_address_get_one_account_and_one_trial() {
    let house = house(OPEN).await;
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let request =
            Request::post("/api/v1/signup").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(wish("ada@example.com").to_string())).unwrap();
        asking.spawn(send(house.gateway.data, request));
    }
    let replies = asking.join_all().await;
    let opened: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 201).collect();
    let refused = replies.iter().filter(|reply| reply.status == 409).count();
    assert_eq!((opened.len(), refused), (1, 49));
    let lines = house.gateway.get("/admin/v1/accounts").await;
    let balances: Vec<&Value> =
        lines["accounts"].as_array().unwrap().iter().map(|line| &line["balance_usd"]).collect();
    assert_eq!(balances, [&json!("1"), &json!("5")]);
}

/// The same request for an account, sent once more.
async fn again(house: &House, email: &str) -> Reply {
    let asked = Request::post("/api/v1/signup")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "4f8b6c1e-6f0d-4c1a-9a55-2b1f7f0d8c11")
        .body(Full::from(wish(email).to_string()));
    send(house.gateway.data, asked.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_had_the_answer_is_not_thrown_out_by_the_same_request_sent_again() {
    let house = house(OPEN).await;
    let suspend = json!({ "class": "other", "reason": "r" });
    for what in ["used", "rotated", "changed", "suspended"] {
        let email = format!("{what}@example.com");
        let first = again(&house, &email).await.json();
        let mut secret = text(&first["key"]["secret"]);
        match what {
            "used" => assert_eq!(house.gateway.chat(&secret).await, 200),
            "rotated" => {
                let rotation = json!({ "overlap": "0s" });
                let reply = house.post("/api/v1/keys/key_1/rotate", &secret, rotation).await;
                secret = text(&reply.json()["secret"]);
            }
            "changed" => {
                let named = json!({ "name": "mine" });
                assert_eq!(house.patch("/api/v1/keys/key_1", &secret, named).await.status, 200);
            }
            _ => {
                let account = format!("/admin/v1/accounts/{}", text(&first["account"]["id"]));
                house.gateway.post(&format!("{account}/suspend"), &suspend, 200).await;
            }
        }
        assert!(problem(&again(&house, &email).await, 409).contains("already"), "{what}");
        assert_eq!(house.get("/api/v1/key", &secret).await.status, 200, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_made_good_on_a_plan_with_a_price_of_its_own_and_not_for_ever() {
    let mut setup = Setup::default();
    setup.config.insert_str(0, "default_plan = \"free\"\n");
    setup.config.push_str("[plans.free]\nmarkup = \"20%\"\n");
    setup.config.push_str("[signup]\npolicy = \"open\"\nper_hour_and_address = 0\n");
    let house = House::with(setup).await;
    for _ in 0..=16 {
        assert_eq!(again(&house, "ada@example.com").await.status, 201);
    }
    problem(&again(&house, "ada@example.com").await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_sent_again_is_answered_with_a_secret_that_works() {
    let house = house(OPEN).await;
    let with = async |request: &str, body: Value| {
        let asked = Request::post("/api/v1/signup")
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", request)
            .body(Full::from(body.to_string()));
        send(house.gateway.data, asked.unwrap()).await
    };
    let same = "4f8b6c1e-6f0d-4c1a-9a55-2b1f7f0d8c11";
    let first = with(same, wish("ada@example.com")).await.json();
    // Each answer may be lost.
    assert_eq!(with(same, wish("ada@example.com")).await.status, 201);
    let again = with(same, wish("ada@example.com")).await;
    assert_eq!(again.status, 201);
    let again = again.json();
    let other = json!({ "name": "Another", "email": "ada@example.com" });
    for other in [other, wish("ada+1@example.com")] {
        assert!(problem(&with(same, other).await, 422).contains("another request"));
    }
    assert_eq!(again["account"]["id"], first["account"]["id"]);
    assert_eq!(again["account"]["balance_usd"], "5");
    assert_eq!((&again["key"]["id"], &first["key"]["id"]), (&json!("key_1"), &json!("key_1")));
    assert_eq!(house.gateway.chat(&text(&first["key"]["secret"])).await, 401);
    assert_eq!(house.gateway.chat(&text(&again["key"]["secret"])).await, 200);
    problem(&with("another-request-altogether", wish("ada@example.com")).await, 409);
    problem(&with("short", wish("bob@example.com")).await, 400);
    let two = Request::post("/api/v1/signup")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", same)
        .header("idempotency-key", "another-request-altogether")
        .body(Full::from(wish("bob@example.com").to_string()));
    problem(&send(house.gateway.data, two.unwrap()).await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_is_in_force_as_soon_as_it_is_read() {
    let house = house("").await;
    let base = Setup::default().config;
    assert!(problem(&sign_up(&house, wish("a@example.com")).await, 403).contains("operator"));
    house.gateway.reload(&format!("{base}{OPEN}trial_models = [\"none-*\"]\n")).await;
    let opened = sign_up(&house, wish("a@example.com")).await.json();
    // The trial does not buy what it may not.
    assert_eq!(house.gateway.chat(&text(&opened["key"]["secret"])).await, 402);
    let invite = OPEN.replace("open", "invite");
    house.gateway.reload(&format!("{base}{invite}email_domains = [\"example.com\"]\n")).await;
    assert!(problem(&sign_up(&house, wish("b@example.com")).await, 403).contains("`invite`"));
    assert!(problem(&sign_up(&house, wish("b@example.org")).await, 403).contains("`email`"));
    house.gateway.reload(&base).await;
    problem(&sign_up(&house, wish("b@example.com")).await, 403);
}

async fn invites(gateway: &Gateway, uses: u32) -> (String, Value) {
    let new = json!({ "name": "beta", "count": 2, "uses": uses });
    let made = gateway.post("/admin/v1/invites", &new, 201).await;
    (text(&made["batch"]), made["invites"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_lets_in_as_many_as_it_may_and_none_when_it_was_taken_back() {
    let house = house(&OPEN.replace("open", "invite")).await;
    let (batch, codes) = invites(&house.gateway, 1).await;
    let with = async |email: &str, code: &Value| {
        sign_up(&house, json!({ "name": "ACME", "email": email, "invite": code })).await
    };
    for wrong in
        [json!("igi-1"), json!("igc-0000000000000001-x"), json!(format!("{}x", text(&codes[0])))]
    {
        assert!(problem(&with("a@example.com", &wrong).await, 403).contains("no such code"));
    }
    // Twice at once, as a client that lost patience would: one account, one use.
    let (one, other) =
        tokio::join!(with("a@example.com", &codes[0]), with("a@example.com", &codes[0]));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert!(problem(&with("b@example.com", &codes[0]).await, 403).contains("used up"));
    let path = format!("/admin/v1/invites/{batch}");
    assert_eq!(house.gateway.get(&path).await["used"], 1);
    let reply =
        house.gateway.ask(http::Method::DELETE, &format!("{path}?reason=leaked"), None).await;
    assert_eq!((reply.status, &reply.json()["revoked"]["reason"]), (200, &json!("leaked")));
    assert!(problem(&with("b@example.com", &codes[1]).await, 403).contains("taken back"));
    // An invite is no credit for anybody.
    let redeem = format!("/admin/v1/accounts/{}/redeem", house.id);
    house.gateway.post(&redeem, &json!({ "code": codes[1] }), 404).await;

    let (second, _) = invites(&house.gateway, 5).await;
    let page = house.gateway.get("/admin/v1/invites?limit=1").await;
    assert_eq!((&page["invites"][0]["batch"], &page["next"]), (&json!(batch), &json!(1)));
    let page = house.gateway.get("/admin/v1/invites?after=1").await;
    assert_eq!((&page["invites"][0]["batch"], &page["next"]), (&json!(second), &Value::Null));
    let unknown = format!("/admin/v1/invites/{}", house.id);
    assert_eq!(house.gateway.ask(http::Method::GET, &unknown, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tries_too_often_waits_and_what_can_not_be_is_told() {
    let house = house("[signup]\npolicy = \"open\"\nper_hour_and_address = 7\n").await;
    for wrong in [
        json!({ "name": "", "email": "a@example.com" }),
        json!({ "name": "x".repeat(101), "email": "a@example.com" }),
        json!({ "name": "a", "email": "a" }),
        json!({ "name": "a\u{7}", "email": "a@example.com" }),
    ] {
        problem(&sign_up(&house, wrong).await, 422);
    }
    problem(&sign_up(&house, json!({ "name": "a" })).await, 422);
    let opened = sign_up(&house, wish("a@example.com")).await.json();
    assert_eq!(opened["account"]["grants"], json!([]), "no trial unless one is set");
    assert_eq!(sign_up(&house, wish("b@example.com")).await.status, 201);
    let reply = sign_up(&house, wish("c@example.com")).await;
    problem(&reply, 429);
    assert_ne!(reply.header("retry-after"), "");
}
