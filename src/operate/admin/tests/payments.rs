//! Payments, refunds, disputes and the rules of credit, over the sockets.

use std::time::Duration;

use http::Method;
use infergate_actors::account::Account;
use infergate_actors::clock::Clock;
use serde_json::{Value, json};

use super::desk::NOW_MS;
use crate::operate::fixture::{Gateway, Setup, text};

const EVENTS: &str = "/admin/v1/payments/events";

/// A model that costs something, one that is free, and trial credit that buys neither but `sim-*`.
const CONFIG: &str = r#"
[credit]
on_dispute = "restrict"
rules.trial = { models = ["sim-*"] }
[[providers]]
name = "simulated"
kind = "simulated"
token_delay = "0ms"
[[models]]
name = "small"
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

async fn start() -> Gateway {
    Setup { config: CONFIG.to_owned(), ..Setup::default() }.start().await
}

fn path(account: &str, rest: &str) -> String {
    format!("/admin/v1/accounts/{account}{rest}")
}

/// An account and a key of it.
async fn account(gateway: &Gateway) -> (String, String) {
    let account = gateway.account("one").await;
    let key = gateway.post(&path(&account, "/keys"), &json!({ "name": "k" }), 201).await;
    (account, text(&key["secret"]))
}

fn event(kind: &str, id: &str, account: &str, amount: Option<&str>) -> Value {
    let mut event = json!({
        "type": kind, "event_id": id, "account": account, "payment": "pay_1",
    });
    if let Some(amount) = amount {
        event["amount_usd"] = json!(amount);
    }
    event
}

async fn verify(gateway: &Gateway) {
    let ledger = gateway.world.ledger.clone();
    let verifying = tokio::task::spawn_blocking(move || ledger.verify::<Account>().unwrap());
    let report = verifying.await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_credited_once_and_goes_back_as_far_as_it_is_unused() {
    let gateway = start().await;
    let (account, key) = account(&gateway).await;
    let paid = event("payment_succeeded", "evt_1", &account, Some("10"));
    let first = gateway.post(EVENTS, &paid, 200).await;
    assert_eq!((&first["kind"], &first["moved_usd"]), (&json!("paid"), &json!("10")));
    assert_eq!(gateway.post(EVENTS, &paid, 200).await, first);
    let other = event("payment_succeeded", "evt_1", &account, Some("11"));
    gateway.post(EVENTS, &other, 409).await;
    let again = event("payment_succeeded", "evt_2", &account, Some("10"));
    gateway.post(EVENTS, &again, 409).await;
    gateway.post(EVENTS, &event("payment_succeeded", "evt_3", &account, None), 422).await;

    assert_eq!(gateway.chat(&key).await, 200);
    let spent = gateway.settled(&path(&account, "")).await;
    let refund = event("refunded", "evt_4", &account, None);
    let back = gateway.post(EVENTS, &refund, 200).await;
    assert_eq!((&back["kind"], &back["amount_usd"]), (&json!("refunded"), &json!("10")));
    assert_eq!(back["moved_nano_usd"], 10_000_000_000 - spent);
    assert_eq!(back["short_nano_usd"], spent);
    assert_eq!(gateway.post(EVENTS, &refund, 200).await, back);
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!((&shown["balance_usd"], &shown["refunded_usd"]), (&json!("0"), &back["moved_usd"]));
    assert_eq!(gateway.chat(&key).await, 402);

    let unknown = json!({
        "type": "refunded", "event_id": "evt_5", "account": account, "payment": "pay_9",
    });
    gateway.post(EVENTS, &unknown, 404).await;
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_goes_back_than_is_left_and_what_is_left_is_said() {
    let gateway = start().await;
    let (account, _) = account(&gateway).await;
    gateway.post(EVENTS, &event("payment_succeeded", "evt_1", &account, Some("10")), 200).await;
    let refused = async |id: &str, amount: Option<&str>, left: &str| {
        let problem = gateway.post(EVENTS, &event("refunded", id, &account, amount), 409).await;
        let detail = text(&problem["detail"]);
        assert!(detail.starts_with(&format!("{left} USD are left of it")), "{detail}");
    };
    refused("evt_2", Some("1000"), "10").await;
    let part = event("refunded", "evt_2", &account, Some("4"));
    let back = gateway.post(EVENTS, &part, 200).await;
    refused("evt_3", Some("6.000000001"), "6").await;
    let lot = json!({ "reference": "r1", "grant": "grant_1", "amount_usd": "7" });
    let problem = gateway.post(&path(&account, "/refunds"), &lot, 409).await;
    assert!(text(&problem["detail"]).starts_with("6 USD are left"), "{problem}");
    let rest = gateway.post(EVENTS, &event("refunded", "evt_3", &account, None), 200).await;
    assert_eq!((&rest["amount_usd"], &rest["short_usd"]), (&json!("6"), &json!("0")));
    refused("evt_4", None, "0").await;
    assert_eq!(gateway.post(EVENTS, &part, 200).await, back, "told again, the same");
    let dispute = event("disputed", "evt_5", &account, Some("10"));
    let late = gateway.post(EVENTS, &dispute, 200).await;
    assert_eq!((&late["amount_usd"], &late["short_usd"]), (&json!("0"), &json!("0")));
    assert_eq!(gateway.post(EVENTS, &dispute, 200).await, late);
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!((&shown["refunded_usd"], &shown["status"]), (&json!("10"), &json!("restricted")));
    // Its name is no grant's too.
    let grant = json!({ "amount_usd": "5", "kind": "paid", "reference": "pay_1" });
    gateway.post(&path(&account, "/grants"), &grant, 409).await;
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_pays_back_what_may_be_paid_back() {
    let gateway = start().await;
    let (account, _) = account(&gateway).await;
    for (kind, reference) in [("paid", "invoice"), ("compensation", "sorry")] {
        let grant = json!({ "amount_usd": "5", "kind": kind, "reference": reference });
        gateway.post(&path(&account, "/grants"), &grant, 201).await;
    }
    let refunds = path(&account, "/refunds");
    let refund = json!({ "reference": "r1", "grant": "grant_1", "amount_usd": "2" });
    let back = gateway.post(&refunds, &refund, 200).await;
    assert_eq!((&back["moved_usd"], &back["payment"]), (&json!("2"), &Value::Null));
    assert_eq!(gateway.post(&refunds, &refund, 200).await, back);
    let rest = json!({ "reference": "r2", "grant": "grant_1" });
    assert_eq!(gateway.post(&refunds, &rest, 200).await["moved_usd"], "3");
    let gift = json!({ "reference": "r3", "grant": "grant_2" });
    let refused = gateway.post(&refunds, &gift, 409).await;
    assert!(text(&refused["detail"]).contains("not refundable"), "{refused}");
    gateway.post(&refunds, &json!({ "reference": "r4", "grant": "grant_3" }), 404).await;
    assert_eq!(gateway.get(&path(&account, "")).await["balance_usd"], "5");
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_restricts_the_account_to_what_is_free_until_it_is_reinstated() {
    let gateway = start().await;
    let (account, key) = account(&gateway).await;
    gateway.post(EVENTS, &event("payment_succeeded", "evt_1", &account, Some("10")), 200).await;
    let dispute = event("disputed", "evt_2", &account, Some("4"));
    let back = gateway.post(EVENTS, &dispute, 200).await;
    assert_eq!((&back["kind"], &back["moved_usd"]), (&json!("charged_back"), &json!("4")));
    let shown = gateway.get(&path(&account, "")).await;
    assert_eq!((&shown["status"], &shown["charged_back_usd"]), (&json!("restricted"), &json!("4")));
    let set = &shown["status_set"];
    assert_eq!((&set["by"], &set["class"]), (&json!("system"), &json!("payment")));
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "gift").await), (403, 200));
    gateway.post(&path(&account, "/reinstate"), &json!({ "reason": "won" }), 200).await;
    assert_eq!(gateway.post(EVENTS, &dispute, 200).await, back);
    assert_eq!(gateway.chat(&key).await, 200, "told again, it restricts nothing again");

    let why = json!({ "class": "fraud", "reason": "a stolen card" });
    let closed = gateway.post(&path(&account, "/close"), &why, 200).await;
    assert_eq!(
        (&closed["status"], &closed["status_set"]["class"]),
        (&json!("closed"), &json!("fraud"))
    );
    gateway.post(&path(&account, "/restrict"), &why, 409).await;
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trial_credit_buys_what_the_rules_say_and_new_rules_hold_at_once() {
    let gateway = start().await;
    let (account, key) = account(&gateway).await;
    let grant = json!({ "amount_usd": "5", "kind": "trial", "reference": "trial" });
    gateway.post(&path(&account, "/grants"), &grant, 201).await;
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "gift").await), (402, 200));
    gateway.reload(&CONFIG.replace("sim-*", "sm*")).await;
    assert_eq!(gateway.chat(&key).await, 200);
    gateway.reload(&CONFIG.replace("[credit]", "[credit]\npaid_entitlement = true")).await;
    assert_eq!((gateway.chat(&key).await, gateway.chat_with(&key, "gift").await), (402, 200));
    gateway.post(EVENTS, &event("payment_succeeded", "evt_1", &account, Some("1")), 200).await;
    assert_eq!(gateway.chat(&key).await, 200);
    let journal = gateway.get(&path(&account, "/journal?limit=1000")).await;
    let held = |line: &&Value| line["event"].get("held_of").is_some();
    let held: Vec<_> = journal["events"].as_array().unwrap().iter().filter(held).collect();
    assert_eq!(held.len(), 1, "only the last one counted on less than all credit");
    let kinds = held[0]["event"]["held_of"]["kinds"].as_array().unwrap();
    assert!(!kinds.contains(&json!("trial")) && kinds.contains(&json!("paid")));
    verify(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_is_listed_in_the_order_it_was_told() {
    let clock = Clock::manual(NOW_MS);
    let gateway = Setup { clock: clock.clone(), ..Setup::default() }.start().await;
    let account = gateway.account("one").await;
    let of_account = format!("/admin/v1/accounts/{account}");
    let none = json!({ "payments": [], "next": null });
    assert_eq!(gateway.get(&format!("{of_account}/payments")).await, none);
    let tell = async |id: &str, kind: &str, amount: &str| {
        let event = json!({
            "type": kind, "event_id": id, "account": account, "payment": "pay_1",
            "amount_usd": amount,
        });
        let told = gateway.post("/admin/v1/payments/events", &event, 200).await;
        clock.advance(Duration::from_secs(1));
        told
    };
    // Ids that do not sort as time does.
    let paid = tell("evt_9", "payment_succeeded", "10").await;
    let refunded = tell("evt_5", "refunded", "4").await;
    let back = json!({ "reference": "ticket 1", "grant": "grant_1", "amount_usd": "1" });
    let back = gateway.post(&format!("{of_account}/refunds"), &back, 200).await;
    clock.advance(Duration::from_secs(1));
    // Of more than is left, what is left.
    let disputed = tell("evt_7", "disputed", "8").await;
    assert_eq!((&disputed["moved_usd"], &disputed["short_usd"]), (&json!("5"), &json!("0")));
    let all = gateway.get(&format!("{of_account}/payments")).await;
    assert_eq!(all, json!({ "payments": [paid, refunded, back, disputed], "next": null }));
    let first = gateway.get(&format!("{of_account}/payments?limit=3")).await;
    assert_eq!((&first["payments"][2], &first["next"]), (&back, &json!("ticket 1")));
    let rest = gateway.get(&format!("{of_account}/payments?limit=3&after=ticket%201")).await;
    assert_eq!(rest, json!({ "payments": [disputed], "next": null }));
    for (path, status) in [
        (format!("{of_account}/payments?after=none"), 404),
        (format!("{of_account}/payments?limit=0"), 400),
        ("/admin/v1/accounts/acct_00000000000000ff/payments".to_owned(), 404),
    ] {
        assert_eq!(gateway.ask(Method::GET, &path, None).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_may_not_use_is_not_listed_and_refused_as_a_request_for_it_is() {
    let gateway = start().await;
    let (account, key) = account(&gateway).await;
    let get = async |path: &str| gateway.ask_data(Method::GET, path, &key, None).await;
    let listed = async || {
        let all = get("/v1/models").await.json();
        let ids = all["data"].as_array().unwrap().iter().map(|model| text(&model["id"]));
        ids.collect::<Vec<_>>()
    };
    let shown = async |model: &str| {
        let reply = get(&format!("/v1/models/{model}")).await;
        (reply.status, reply.json()["error"]["code"].clone())
    };
    assert_eq!(listed().await, ["small", "gift"]);
    gateway.reload(&CONFIG.replace("[credit]", "[credit]\npaid_entitlement = true")).await;
    assert_eq!(listed().await, ["gift"]);
    assert_eq!(shown("small").await, (402, json!("payment_needed")));
    gateway.post(EVENTS, &event("payment_succeeded", "evt_1", &account, Some("1")), 200).await;
    assert_eq!(listed().await, ["small", "gift"]);
    let why = json!({ "class": "abuse", "reason": "a test" });
    gateway.post(&path(&account, "/restrict"), &why, 200).await;
    assert_eq!((listed().await, gateway.chat(&key).await), (vec!["gift".to_owned()], 403));
    assert_eq!(shown("small").await, (403, json!("account_restricted")));
    assert_eq!(shown("gift").await.0, 200);
}
