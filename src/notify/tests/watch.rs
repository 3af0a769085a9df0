//! Budgets, balances and top-ups, from a request to the message.

use http::Method;
use serde_json::{Value, json};

use super::receiver::{Mode, Receiver};
use crate::operate::fixture::{Gateway, Setup, text};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn start(receiver: &Receiver) -> Gateway {
    let config = format!(
        "[[webhooks]]\nname = \"main\"\nurl = \"{}\"\nsecrets = [\"{SECRET}\"]\n\
         events = [\"budget.*\", \"balance.*\", \"top_up.*\", \"payment.*\"]\n\
         [[providers]]\nname = \"simulated\"\nkind = \"simulated\"\ntoken_delay = \"0ms\"\n\
         [[models]]\nname = \"small\"\ncontext_tokens = 8000\noutput_tokens_max = 1000\n\
         price = {{ input = \"10\", output = \"20\" }}\n\
         route = {{ tiers = [[{{ provider = \"simulated\" }}]] }}\n",
        receiver.url()
    );
    Setup { config, ..Setup::default() }.start().await
}

async fn patch(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let reply = gateway.ask(Method::PATCH, path, Some(body)).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.json()
}

#[tokio::test]
async fn a_request_that_crosses_a_threshold_is_told_of_and_a_top_up_is_paid() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(&receiver).await;
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let grant = json!({ "kind": "paid", "amount_usd": "1", "reference": "first" });
    gateway.post(&format!("{account}/grants"), &grant, 201).await;
    let key = gateway.post(&format!("{account}/keys"), &json!({ "name": "first" }), 201).await;
    let key = text(&key["secret"]);
    patch(&gateway, &account, &json!({ "budgets": { "month_usd": "0.01" } })).await;
    let watch = json!({
        "low_balance_usd": ["0.999"],
        "auto_top_up": { "threshold_usd": "0.999", "amount_usd": "10", "month_max_usd": "20" },
    });
    let watched = patch(&gateway, &format!("{account}/watch"), &watch).await;
    assert_eq!(watched["budget_percent"], json!([50, 80, 100]));
    assert_eq!(
        (&watched["top_up_due"], &watched["auto_top_up"]["amount_usd"]),
        (&json!(null), &json!("10"))
    );
    while gateway.chat(&key).await == 200 {}
    let low = receiver.next_of("balance.low").await;
    assert_eq!(low.body()["data"]["threshold_usd"], "0.999");
    let due = receiver.next_of("top_up.due").await;
    assert!(due.is_signed_by(SECRET));
    let due = due.body()["data"].clone();
    let told = receiver.next_of("budget.reached").await.body()["data"].clone();
    assert_eq!((&told["budget_of"], &told["period"]), (&json!("account"), &json!("month")));
    let top_up = text(&due["top_up"]);
    assert_eq!((top_up.as_str(), &due["amount_usd"]), ("topup_1", &json!("10")));
    let payment = json!({
        "type": "payment_succeeded", "event_id": "evt_1", "account": due["account"],
        "payment": "pay_1", "amount_usd": "10", "top_up": top_up,
    });
    gateway.post("/admin/v1/payments/events", &payment, 200).await;
    gateway.post("/admin/v1/payments/events", &payment, 200).await;
    assert_eq!(receiver.next_of("payment.received").await.body()["data"]["amount_usd"], "10");
    let ended = receiver.next_of("top_up.ended").await.body()["data"].clone();
    assert_eq!((&ended["end"], &ended["payment"]), (&json!("paid"), &json!("pay_1")));
    let kinds = gateway.get("/admin/v1/events?type=top_up.*").await;
    assert_eq!(kinds["events"].as_array().unwrap().len(), 2);
    assert_eq!(gateway.get(&format!("{account}/watch")).await["top_up_due"], json!(null));
    let fail = format!("{account}/top-ups/topup_1/fail");
    gateway.post(&fail, &json!({ "reason": "declined" }), 404).await;
    let journal = gateway.get(&format!("{account}/journal?limit=1000")).await;
    let facts = journal["events"].as_array().unwrap().iter();
    let facts: Vec<_> = facts.filter_map(|line| line["event"]["watch"]["fact"].as_str()).collect();
    assert!(facts.contains(&"top_up_due") && facts.contains(&"budget_reached"), "{facts:?}");
}

#[tokio::test]
async fn what_can_not_be_watched_for_is_a_problem_with_a_word_on_what_can() {
    let receiver = Receiver::start(Mode::Take).await;
    let gateway = start(&receiver).await;
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let path = format!("{account}/watch");
    for wrong in [
        json!({ "budget_percent": [0] }),
        json!({ "low_balance_usd": ["much"] }),
        json!({ "low_balance_usd": ["-1"] }),
        json!({ "auto_top_up": { "threshold_usd": "1" } }),
        json!({ "auto_top_up": { "threshold_usd": "1", "amount_usd": "5", "month_max_usd": "4" } }),
        json!({ "other": 1 }),
    ] {
        let reply = gateway.ask(Method::PATCH, &path, Some(&wrong)).await;
        assert_eq!(reply.status, 422, "{wrong}");
    }
    let one_page = gateway.get("/admin/v1/events?limit=1").await;
    assert_eq!(
        (&one_page["events"][0]["type"], &one_page["next"]),
        (&json!("account.opened"), &json!("2"))
    );
    for (query, status) in [("type=nothing", 400), ("limit=0", 400), ("account=acct_1", 400)] {
        let reply = gateway.ask(Method::GET, &format!("/admin/v1/events?{query}"), None).await;
        assert_eq!(reply.status, status, "{query}");
    }
}
