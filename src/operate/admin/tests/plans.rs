//! Plans and subscriptions, over the sockets, with a real store and a restart.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::Full;
use infergate_actors::account::{Account, AccountOptions, SubscriptionState};
use infergate_actors::clock::Clock;
use infergate_actors::ledger::{Ledger, LedgerOptions};
use infergate_actors::supervisor::System;
use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Reply, Setup, send, text};

const EVENTS: &str = "/admin/v1/payments/events";
const DAY: Duration = Duration::from_hours(24);
/// 2027-01-31T00:00:00Z.
const START_MS: u64 = 1_801_353_600_000;

const CONFIG: &str = r#"
default_plan = "list"
[plans.list]
models = ["small", "gift"]
[plans.team]
markup = "20%"
limits = { requests_per_minute = 100 }
models = ["sm*", "gift"]
subscription = { price_usd = "10", allowance_usd = "12", grace = "3d" }
[plans.large]
markup = "5%"
subscription = { price_usd = "40", allowance_usd = "50", grace = "3d" }
[[providers]]
name = "simulated"
kind = "simulated"
token_delay = "0ms"
[[models]]
name = "small"
context_tokens = 8000
output_tokens_max = 1000
price = { input = "1", output = "2", request = "0.001" }
route = { tiers = [[{ provider = "simulated" }]] }
[[models]]
name = "other"
context_tokens = 8000
output_tokens_max = 1000
price = { input = "1", output = "2" }
route = { tiers = [[{ provider = "simulated" }]] }
[[models]]
name = "gift"
context_tokens = 8000
output_tokens_max = 1000
free = true
route = { tiers = [[{ provider = "simulated" }]] }
"#;

async fn start(clock: Clock) -> Gateway {
    Setup { config: CONFIG.to_owned(), clock, ..Setup::default() }.start().await
}

fn path(account: &str, rest: &str) -> String {
    format!("/admin/v1/accounts/{account}{rest}")
}

async fn account(gateway: &Gateway) -> (String, String) {
    let account = gateway.account("one").await;
    let key = gateway.post(&path(&account, "/keys"), &json!({ "name": "k" }), 201).await;
    (account, text(&key["secret"]))
}

async fn grant(gateway: &Gateway, account: &str, usd: &str) {
    let grant = json!({ "amount_usd": usd, "kind": "trial", "reference": "first" });
    gateway.post(&path(account, "/grants"), &grant, 201).await;
}

async fn patch(gateway: &Gateway, path: &str, body: &Value, status: u16) -> Value {
    let reply = gateway.ask(Method::PATCH, path, Some(body)).await;
    assert_eq!(reply.status, status, "{path}: {:?}", reply.body);
    reply.json()
}

async fn with_key(gateway: &Gateway, key: &str, path: &str) -> Reply {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    send(gateway.data, request.body(Full::default()).unwrap()).await
}

fn told(kind: &str, account: &str, payment: &str) -> Value {
    json!({
        "type": kind, "event_id": format!("evt {payment}"), "account": account, "payment": payment,
    })
}

async fn verify(gateway: &Gateway) {
    let ledger = gateway.world.ledger.clone();
    let verifying = tokio::task::spawn_blocking(move || ledger.verify::<Account>().unwrap());
    let report = verifying.await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
}

/// The last settlement in an account's journal.
async fn bill(gateway: &Gateway, account: &str) -> Value {
    let journal = gateway.get(&path(account, "/journal?limit=1000")).await;
    let events = journal["events"].as_array().unwrap();
    let bill = events.iter().rev().find_map(|line| line["event"].get("settled")).unwrap();
    bill.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_holds_at_once_for_what_is_shown_allowed_and_charged() {
    let gateway = start(Clock::real()).await;
    let plans = gateway.get("/admin/v1/plans").await;
    let names: Vec<&Value> =
        plans["plans"].as_array().unwrap().iter().map(|plan| &plan["name"]).collect();
    assert_eq!(names, ["large", "list", "team"]);
    assert_eq!(
        (&plans["plans"][1]["is_default"], &plans["plans"][2]["markup"]),
        (&json!(true), &json!("20%"))
    );
    let reads = "100 requests a minute; sm*, gift; 20% on the list price; 10 USD a month for 12 USD of \
                 credit, 3 days of grace";
    assert_eq!(plans["plans"][2]["reads"], reads);

    let (account, key) = account(&gateway).await;
    grant(&gateway, &account, "5").await;
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "other").await), (200, 403));
    assert_eq!(bill(&gateway, &account).await["markup"], 1_000_000);
    let shown = patch(&gateway, &path(&account, ""), &json!({ "plan": "team" }), 200).await;
    assert_eq!(
        (&shown["plan"]["in_force"], &shown["plan"]["markup"]),
        (&json!("team"), &json!("20%"))
    );
    assert_eq!(shown["plan"]["limits"]["requests_per_minute"], 100);
    assert_eq!(shown["limits"]["requests_per_minute"], Value::Null, "its own stay its own");
    assert_eq!(gateway.chat(&key).await, 200);
    let charged = bill(&gateway, &account).await;
    assert_eq!(charged["markup"], 1_200_000);

    let listed = with_key(&gateway, &key, "/v1/models").await.json();
    let ids: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["small", "gift"]);
    assert_eq!(listed["data"][0]["pricing"]["prompt"], "0.0000012");
    assert_eq!(listed["data"][0]["pricing"]["request"], "0.0012");
    assert_eq!(with_key(&gateway, &key, "/v1/models/other").await.status, 403);
    let refused = gateway.chat_with(&key, "other").await;
    assert_eq!(refused, 403);

    let overrides = json!({ "overrides": { "markup": "-50%", "models": ["other"] } });
    patch(&gateway, &path(&account, ""), &overrides, 200).await;
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "other").await), (403, 200));
    assert_eq!(bill(&gateway, &account).await["markup"], 500_000);
    let removed = json!({ "overrides": { "markup": null, "models": null } });
    let shown = patch(&gateway, &path(&account, ""), &removed, 200).await;
    assert_eq!(
        shown["plan"]["overrides"],
        json!({ "limits": null, "models": null, "markup": null })
    );
    for (wrong, status) in [
        (json!({ "plan": "nowhere" }), 404),
        (json!({ "overrides": { "markup": "20" } }), 422),
        (json!({ "overrides": { "models": [] } }), 422),
        (json!({ "overrides": { "price": 1 } }), 422),
    ] {
        patch(&gateway, &path(&account, ""), &wrong, status).await;
    }
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_figures_hold_without_a_restart_and_a_plan_that_is_gone_sells_nothing() {
    let gateway = start(Clock::real()).await;
    let (account, key) = account(&gateway).await;
    grant(&gateway, &account, "5").await;
    patch(&gateway, &path(&account, ""), &json!({ "plan": "team" }), 200).await;
    assert_eq!(gateway.chat(&key).await, 200);
    gateway.reload(&CONFIG.replace("markup = \"20%\"", "markup = \"100%\"")).await;
    assert_eq!(gateway.chat(&key).await, 200);
    assert_eq!(bill(&gateway, &account).await["markup"], 2_000_000);
    gateway.reload(&CONFIG.replace("[plans.team]", "[plans.renamed]")).await;
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "gift").await), (503, 200));
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!(shown["plan"]["is_missing"], true);
    gateway.reload(CONFIG).await;
    assert_eq!(gateway.chat(&key).await, 200);
    assert_eq!(bill(&gateway, &account).await["markup"], 1_200_000);
    let shown = patch(&gateway, &path(&account, ""), &json!({ "plan": null }), 200).await;
    assert_eq!(
        (&shown["plan"]["assigned"], &shown["plan"]["in_force"]),
        (&Value::Null, &json!("list"))
    );
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_lives_through_its_months_and_a_restart() {
    let clock = Clock::manual(START_MS);
    let gateway = start(clock.clone()).await;
    let (account, key) = account(&gateway).await;
    let subscription = path(&account, "/subscription");
    assert_eq!(gateway.ask(Method::GET, &subscription, None).await.status, 404);
    gateway.post(&subscription, &json!({ "plan": "team" }), 422).await;
    let new = json!({ "plan": "team", "event_id": "evt p1", "payment": "p1" });
    let first = gateway.post(&subscription, &new, 201).await;
    assert_eq!((&first["state"], &first["price_usd"]), (&json!("active"), &json!("10")));
    assert_eq!(gateway.post(&subscription, &new, 201).await, first);
    gateway.post(&subscription, &json!({ "plan": "list" }), 409).await;
    gateway.post(&subscription, &json!({ "plan": "team", "event_id": "only" }), 422).await;
    assert_eq!(gateway.chat(&key).await, 200);

    // Half of 28 days is left: half of the difference is due, and given.
    clock.advance(14 * DAY);
    let preview = gateway.get(&format!("{subscription}/preview?plan=large")).await;
    assert_eq!((&preview["due_usd"], &preview["allowance_usd"]), (&json!("15"), &json!("19")));
    let change =
        json!({ "plan": "large", "event_id": "evt p2", "payment": "p2", "amount_usd": "15" });
    let changed = patch(&gateway, &subscription, &change, 200).await;
    assert_eq!(changed["plan"], "large");
    let later = patch(&gateway, &subscription, &json!({ "plan": "team" }), 200).await;
    assert_eq!(later["next"]["plan"], "team");
    assert_eq!(gateway.get(&path(&account, "")).await["plan"]["in_force"], "large");

    // Nobody asks for the account: it is woken when it is due.
    clock.advance(14 * DAY);
    assert_eq!(gateway.system.accounts.wake_due(), 1);
    let shown = gateway.get(&subscription).await;
    assert_eq!(shown["state"], "past_due");
    assert_eq!(gateway.get(&path(&account, "")).await["balance_usd"], "0");
    gateway.post(EVENTS, &told("subscription_payment_failed", &account, "p3"), 200).await;
    clock.advance(3 * DAY);
    assert_eq!(gateway.chat_with(&key, "small").await, 403);
    assert_eq!(gateway.chat_with(&key, "gift").await, 200);
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!(
        (&shown["status"], &shown["status_set"]["class"]),
        (&json!("restricted"), &json!("payment"))
    );
    let mut paid = told("subscription_payment_succeeded", &account, "p3");
    paid["event_id"] = json!("evt p3 paid");
    let moved = gateway.post(EVENTS, &paid, 200).await;
    assert_eq!((&moved["kind"], &moved["amount_usd"]), (&json!("subscription_paid"), &json!("10")));
    assert_eq!(gateway.post(EVENTS, &paid, 200).await, moved);
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!((&shown["status"], &shown["plan"]["in_force"]), (&json!("active"), &json!("team")));
    assert_eq!(shown["balance_usd"], "12");
    assert_eq!(gateway.chat(&key).await, 200);
    let unknown = json!({ "cancel_at_period_end": true, "plan": "team" });
    patch(&gateway, &subscription, &unknown, 422).await;
    let ending =
        patch(&gateway, &subscription, &json!({ "cancel_at_period_end": true }), 200).await;
    assert_eq!(
        (&ending["state"], &ending["cancel_at_period_end"]),
        (&json!("cancelled"), &json!(true))
    );
    statements_agree(&gateway, &account).await;
    verify(&gateway).await;

    restarted(&gateway, clock, &account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_a_subscription_has_no_use_for_is_answered_with_what_to_do_with_it() {
    let gateway = start(Clock::manual(START_MS)).await;
    let (account, _) = account(&gateway).await;
    let subscription = path(&account, "/subscription");
    let paid = |payment: &str| told("subscription_payment_succeeded", &account, payment);
    let todo = "tell it as `payment_succeeded` to give it as credit, or pay it back";
    let refused = async |payment: &str, status, why: &str| {
        let problem = gateway.post(EVENTS, &paid(payment), status).await;
        let detail = problem["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(todo) && detail.contains(why), "{detail}");
    };
    refused("p0", 409, "no subscription").await;
    let begin = json!({ "plan": "team", "event_id": "evt p1", "payment": "p1" });
    gateway.post(&subscription, &begin, 201).await;
    let mut little = paid("p2");
    little["amount_usd"] = json!("9");
    let problem = gateway.post(EVENTS, &little, 422).await;
    assert!(problem["detail"].as_str().unwrap().contains(todo), "{problem}");
    gateway.post(EVENTS, &paid("p2"), 200).await;
    refused("p3", 409, "paid for already").await;
    // What it says works, with the very same event; and only once, whatever is told.
    let mut credit = told("payment_succeeded", &account, "p3");
    credit["amount_usd"] = json!("10");
    assert_eq!(gateway.post(EVENTS, &credit, 200).await["kind"], "paid");
    credit["event_id"] = json!("evt again");
    credit["payment"] = json!("p2");
    gateway.post(EVENTS, &credit, 409).await;
    let back =
        json!({ "type": "refunded", "event_id": "back", "account": account, "payment": "p2" });
    gateway.post(EVENTS, &back, 200).await;
    patch(&gateway, &subscription, &json!({ "cancel_at_period_end": true }), 200).await;
    refused("p4", 409, "ends with its period").await;
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_above_what_is_due_is_shown_everywhere_and_goes_back_with_its_payment() {
    let gateway = start(Clock::manual(START_MS)).await;
    let (account, _) = account(&gateway).await;
    let subscription = path(&account, "/subscription");
    let begin =
        json!({ "plan": "team", "event_id": "evt p1", "payment": "p1", "amount_usd": "500" });
    let shown = gateway.post(&subscription, &begin, 201).await;
    let surplus = json!({
        "payment": "p1", "grant": "grant_2", "amount_usd": "490", "amount_nano_usd": 490_000_000_000_i64,
    });
    assert_eq!(shown["surplus"], surplus);
    assert_eq!(gateway.post(&subscription, &begin, 201).await, shown);
    assert_eq!(gateway.get(&path(&account, "")).await["balance_usd"], "502");
    let events = gateway.get("/admin/v1/events?type=subscription.changed").await;
    let data = &events["events"][0]["data"];
    assert_eq!((&data["paid_usd"], &data["surplus_usd"]), (&json!("500"), &json!("490")));

    let mut ahead = told("subscription_payment_succeeded", &account, "p2");
    ahead["amount_usd"] = json!("10.5");
    let moved = gateway.post(EVENTS, &ahead, 200).await;
    assert_eq!((&moved["amount_usd"], &moved["surplus_usd"]), (&json!("10.5"), &json!("0.5")));
    let grant = json!({ "amount_usd": "10", "kind": "paid", "reference": "p2" });
    gateway.post(&path(&account, "/grants"), &grant, 409).await;

    // The surplus goes first, and then the period's, whose credit is more than its price.
    let back = |payment: &str, id: &str, amount: Option<&str>| {
        let mut event = told("refunded", &account, payment);
        event["event_id"] = json!(id);
        event["amount_usd"] = json!(amount);
        event
    };
    let preview = format!("{subscription}/preview?plan=large");
    assert_eq!(gateway.get(&preview).await["takes_effect"], "now");
    let moved = gateway.post(EVENTS, &back("p1", "b1", Some("495")), 200).await;
    assert_eq!((&moved["amount_usd"], &moved["moved_usd"]), (&json!("495"), &json!("496")));
    assert_eq!(gateway.get(&preview).await["takes_effect"], "period_end");
    let moved = gateway.post(EVENTS, &back("p1", "b2", None), 200).await;
    assert_eq!((&moved["amount_usd"], &moved["moved_usd"]), (&json!("5"), &json!("6")));
    patch(&gateway, &subscription, &json!({ "cancel_now": true }), 409).await;
    let moved = gateway.post(EVENTS, &back("p2", "b3", None), 200).await;
    assert_eq!((&moved["amount_usd"], &moved["moved_usd"]), (&json!("10.5"), &json!("0.5")));
    assert_eq!(gateway.get(&path(&account, "")).await["balance_usd"], "0");
    statement_tells_what_went_back(&gateway, &account).await;

    // What went back in full goes on to its end, unless it is ended.
    patch(&gateway, &subscription, &json!({ "cancel_now": false }), 422).await;
    patch(&gateway, &subscription, &json!({ "cancel_now": true, "plan": "team" }), 422).await;
    for _ in 0..2 {
        let ended = patch(&gateway, &subscription, &json!({ "cancel_now": true }), 200).await;
        assert_eq!(ended["state"], "ended");
    }
    assert_eq!(gateway.get(&path(&account, "")).await["plan"]["in_force"], "list");
    verify(&gateway).await;
}

/// What was paid for periods, and above that, and went back: each in the line of its own part.
async fn statement_tells_what_went_back(gateway: &Gateway, account: &str) {
    let statement = gateway.get(&path(account, "/statement?month=2027-01")).await;
    let lines = statement["lines"].as_array().unwrap();
    let of = |line: &Value| {
        let field = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        ["line", "item", "reference", "amount_usd", "paid_usd"].map(field).join(" | ")
    };
    let told: Vec<String> = lines[1..lines.len() - 1].iter().map(of).collect();
    assert_eq!(
        told,
        [
            "credit | grant_1 subscription | p1 | 12 | -",
            "credit | grant_2 paid | p1 surplus | 490 | -",
            "credit | grant_3 paid | p2 surplus | 0.5 | -",
            "refund | grant_1 | p1 | -6 | -5",
            "refund | grant_2 | p1 | -490 | -",
            "refund | grant_1 | p1 | -6 | -5",
            "refund | team | p2 | 0 | -10",
            "refund | grant_3 | p2 | -0.5 | -",
            "subscription | team | p1 | 0 | 10",
            "subscription | team | p2 | 0 | 10",
        ]
    );
    assert_eq!(statement["subscription_paid_usd"], "0");
    assert_eq!(
        (&statement["returned_usd"], &statement["closing_usd"]),
        (&json!("502.5"), &json!("0"))
    );
    let csv = path(account, "/statement?month=2027-01&format=csv");
    let csv = gateway.ask(Method::GET, &csv, None).await;
    let csv = String::from_utf8(csv.body.to_vec()).unwrap();
    assert!(csv.contains(",team,p2,,0,0,-10,-10000000000"), "{csv}");
}

/// Each month's sums, and what was paid beside them, are those of the ledger.
async fn statements_agree(gateway: &Gateway, account: &str) {
    let (mut closing, mut paid) = (0, 0);
    for month in ["2027-01", "2027-02", "2027-03"] {
        let shown = gateway.get(&path(account, &format!("/statement?month={month}"))).await;
        assert_eq!(shown["opening_nano_usd"], closing, "{month}");
        closing = shown["closing_nano_usd"].as_i64().unwrap();
        paid += shown["subscription_paid_nano_usd"].as_i64().unwrap();
    }
    let shown = gateway.get(&path(account, "")).await;
    assert_eq!(shown["balance_nano_usd"], closing);
    assert_eq!(paid, 35_000_000_000);
    let csv = path(account, "/statement?month=2027-02&format=csv");
    let csv = gateway.ask(Method::GET, &csv, None).await;
    let csv = String::from_utf8(csv.body.to_vec()).unwrap();
    assert!(csv.contains("subscription,") && csv.contains(",p2,,0,0,15,15000000000"), "{csv}");
}

/// Another process on what this one has written: the account, asleep there, is still due in time.
async fn restarted(gateway: &Gateway, clock: Clock, account: &str) {
    let copy = gateway.copy_of_data();
    let (ledger, _) = Ledger::open(LedgerOptions::new(copy.path()), clock.clone()).unwrap();
    let options = AccountOptions { snapshot_every_events: 1_000, idle: Duration::from_mins(5) };
    let system = System::start(ledger.clone(), clock.clone(), options).await.unwrap();
    let config = crate::config::Config::parse("test.toml", CONFIG, &|_| None).unwrap();
    system.accounts.set_plans(config.plans);
    assert_eq!(system.accounts.load_due_times().await.unwrap(), 1);
    assert_eq!((system.accounts.wake_due(), system.accounts.living()), (0, 0));
    clock.advance(40 * DAY);
    assert_eq!((system.accounts.wake_due(), system.accounts.living()), (1, 1));
    let view = system.accounts.inspect(account.parse().unwrap()).await.unwrap();
    assert_eq!(view.subscription.unwrap().state, SubscriptionState::Ended);
    assert_eq!((view.plan.in_force.as_deref(), view.totals.remaining.nano()), (Some("list"), 0));
    assert_eq!(system.accounts.wake_due(), 0);
    system.stop().await;
    let verified = Arc::new(ledger.clone());
    let report = tokio::task::spawn_blocking(move || verified.verify::<Account>().unwrap());
    let report = report.await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
    ledger.close().unwrap();
}
