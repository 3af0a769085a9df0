//! The account's money: what is told, budgets, codes, usage and statements.

use http::Method;
use serde_json::{Value, json};

use super::{House, problem};
use crate::operate::fixture::{Setup, text};

const OWN: [&str; 3] = ["inference", "usage_read", "account_management"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_sees_what_there_is_and_nothing_that_is_the_operators() {
    let house = House::new().await;
    let (_, key) = house.key(&OWN, json!({})).await;
    assert_eq!(house.gateway.chat(&key).await, 200);
    let restrict = format!("/admin/v1/accounts/{}/restrict", house.id);
    house.gateway.post(&restrict, &json!({ "class": "payment", "reason": "secret" }), 200).await;
    let reply = house.get("/api/v1/account", &key).await;
    let (own, all) = (reply.json(), house.account().await);
    assert_eq!((&own["status"], &own["status_class"]), (&json!("restricted"), &json!("payment")));
    for field in ["id", "name", "balance_usd", "settled_nano_usd", "grants", "budgets", "limits"] {
        assert_eq!(own[field], all[field], "{field}");
    }
    assert_ne!(own["settled_nano_usd"], 0);
    for field in ["absorbed_usd", "holds", "keys", "digest", "events", "status_set"] {
        assert_eq!(own[field], Value::Null, "{field}");
    }
    assert!(!String::from_utf8_lossy(&reply.body).contains("secret"));

    let models = house.get("/api/v1/models", &key).await.json();
    let model = &models["data"][0];
    assert_eq!((&model["id"], &model["pricing"]["prompt"]), (&json!("small"), &json!("0.000001")));
    let charged: i64 = own["settled_nano_usd"].as_i64().unwrap();
    let sums = house.get("/api/v1/usage?group_by=model", &key).await.json();
    assert_eq!(sums["groups"][0]["charged_nano_usd"], charged);
    let csv = house.get("/api/v1/usage?format=csv", &key).await;
    assert_eq!(String::from_utf8_lossy(&csv.body).lines().count(), 2);
    problem(&house.get("/api/v1/usage?account=acct_00000000000000ff", &key).await, 400);
    problem(&house.get("/api/v1/statement?month=11", &key).await, 400);
    let now_ms = house.gateway.world.clock.now().wall_ms;
    let day = crate::config::date::show(now_ms);
    let month = house.get(&format!("/api/v1/statement?month={}", &day[..7]), &key).await.json();
    assert_eq!(
        (&month["account"], month["closing_nano_usd"].as_i64()),
        (&json!(house.id), Some(1_000_000_000 - charged))
    );
}

/// A plan with a model less, and a subscription to it.
const PLANS: &str = r#"
[[models]]
name = "other"
context_tokens = 8000
output_tokens_max = 1000
price = { input = "1", output = "2" }
route = { tiers = [[{ provider = "simulated" }]] }
[plans.team]
markup = "20%"
limits = { requests_per_minute = 100 }
models = ["sm*"]
subscription = { price_usd = "10", allowance_usd = "12", grace = "3d" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_sees_what_the_plan_gives_and_not_what_it_puts_on_prices() {
    let mut setup = Setup::default();
    setup.config.push_str(PLANS);
    let house = House::with(setup).await;
    let (_, key) = house.key(&OWN, json!({})).await;
    let own = house.get("/api/v1/account", &key).await.json();
    let nothing = json!({
        "in_force": null, "is_missing": false, "models": ["*"],
        "limits": { "requests_per_minute": null, "tokens_per_minute": null, "in_flight": null },
    });
    assert_eq!((&own["plan"], &own["subscription"]), (&nothing, &Value::Null));

    let path = format!("/admin/v1/accounts/{}", house.id);
    let paid = json!({ "plan": "team", "event_id": "e", "payment": "p", "amount_usd": "10" });
    let subscribed = house.gateway.post(&format!("{path}/subscription"), &paid, 201).await;
    let narrower = json!({ "limits": { "in_flight": 9 } });
    assert_eq!(house.gateway.ask(Method::PATCH, &path, Some(&narrower)).await.status, 200);
    let reply = house.get("/api/v1/account", &key).await;
    let (own, all) = (reply.json(), house.account().await);
    let limits = json!({ "requests_per_minute": 100, "tokens_per_minute": null, "in_flight": 9 });
    let plan =
        json!({ "in_force": "team", "is_missing": false, "limits": limits, "models": ["sm*"] });
    assert_eq!((&own["plan"], &own["limits"]), (&plan, &limits));
    assert_eq!(own["buckets"]["requests"]["limit"], 100);
    assert_eq!(own["subscription"], subscribed);
    assert_eq!(all["subscription"], subscribed);
    let alone = house.get("/api/v1/subscription", &key).await.json();
    assert_eq!(alone, json!({ "subscription": subscribed, "plan": plan }));
    assert_eq!(
        (&all["plan"]["markup"], &own["subscription"]["state"]),
        (&json!("20%"), &json!("active"))
    );
    assert!(!String::from_utf8_lossy(&reply.body).contains("markup"));

    let models = house.get("/api/v1/models", &key).await.json();
    let shown: Vec<&Value> =
        models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(
        (shown, &models["data"][0]["pricing"]["prompt"]),
        (vec![&json!("small")], &json!("0.0000012"))
    );
    let own_key = house.get("/v1/key", &key).await.json();
    assert_eq!(own_key["data"]["rate_limit"]["requests"], 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_sets_budgets_below_the_operators_and_no_limits() {
    let house = House::new().await;
    let (_, key) = house.key(&OWN, json!({})).await;
    let operators = json!({ "budgets": { "month_usd": "100" }, "limits": { "in_flight": 9 } });
    let path = format!("/admin/v1/accounts/{}", house.id);
    assert_eq!(house.gateway.ask(Method::PATCH, &path, Some(&operators)).await.status, 200);
    let set = async |budgets: Value| {
        house.patch("/api/v1/account", &key, json!({ "budgets": budgets })).await
    };
    let own = set(json!({ "day_usd": "3", "month_usd": "50" })).await.json();
    assert_eq!(own["budgets"]["day"]["limit_usd"], "3");
    assert_eq!(
        own["budget_ceilings"],
        json!({ "month": { "limit_usd": "100", "limit_nano_usd": 100_000_000_000_i64 } })
    );
    for budgets in [json!({ "month_usd": "101" }), json!({ "month_usd": null })] {
        assert!(problem(&set(budgets).await, 403).contains("100 USD (month)"));
    }
    assert_eq!(set(json!({ "day_usd": null, "month_usd": "100" })).await.status, 200);
    assert_eq!(house.account().await["budgets"]["month"]["limit_usd"], "100");
    for wrong in [json!({ "limits": { "in_flight": 10 }, "budgets": {} }), json!({})] {
        problem(&house.patch("/api/v1/account", &key, wrong).await, 422);
    }
    problem(&set(json!({ "day_usd": "-1" })).await, 422);
    // What the owner has set holds.
    assert_eq!(set(json!({ "total_usd": "0" })).await.status, 200);
    assert_eq!(house.gateway.chat(&key).await, 402);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_redeemed_once_however_often_it_is_sent() {
    let house = House::new().await;
    let (_, key) = house.key(&OWN, json!({})).await;
    let new = json!({ "name": "spring", "count": 1, "kind": "promotional", "amount_usd": "2" });
    let made = house.gateway.post("/admin/v1/codes", &new, 201).await;
    let code = json!({ "code": text(&made["codes"][0]) });
    let first = house.post("/api/v1/redeem", &key, code.clone()).await;
    assert_eq!((first.status, &first.json()["amount_usd"]), (200, &json!("2")));
    let again = house.post("/api/v1/redeem", &key, code.clone()).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert_eq!(house.account().await["balance_usd"], "3");
    let other = house.gateway.account("other").await;
    let (_, stranger) = house.key_of(&other, &OWN, json!({})).await;
    assert!(problem(&house.post("/api/v1/redeem", &stranger, code).await, 409).contains("used up"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_told_its_tightest_budget_and_the_limits_of_its_project() {
    let house = House::new().await;
    let (_, free) = house.key(&OWN, json!({})).await;
    let told = house.get("/v1/key", &free).await.json()["data"].clone();
    for field in ["limit", "limit_remaining", "limit_reset", "rate_limit"] {
        assert_eq!(told[field], Value::Null, "{field}");
    }
    let project = json!({ "name": "p", "limits": { "requests_per_minute": 7 } });
    assert_eq!(house.post("/api/v1/projects", &free, project).await.status, 201);
    for (budgets, limit, reset) in [
        (json!({ "day_usd": "0.5", "month_usd": "0.75" }), 0.5, json!("daily")),
        (json!({ "day_usd": "0.5", "week_usd": "0.4" }), 0.4, json!("weekly")),
        (json!({ "day_usd": "0.5", "month_usd": "0.25" }), 0.25, json!("monthly")),
        (json!({ "total_usd": "0.2", "month_usd": "0.25" }), 0.2, Value::Null),
    ] {
        let rest = json!({
            "budgets": budgets, "limits": { "requests_per_minute": 9 }, "project": "proj_1",
        });
        let (_, key) = house.key(&["inference"], rest).await;
        assert_eq!(house.gateway.chat(&key).await, 200);
        let told = house.get("/v1/key", &key).await.json()["data"].clone();
        let number =
            |field: &str| told[field].as_f64().unwrap_or_else(|| panic!("{field}: {told}"));
        assert!((number("limit") - limit).abs() < 1e-12, "{told}");
        let left = number("limit_remaining");
        assert!(left < limit && (left + number("usage") - limit).abs() < 1e-12, "{told}");
        assert_eq!(told["limit_reset"], reset);
        assert_eq!(told["rate_limit"]["requests"], 7, "the project's");
    }
}
