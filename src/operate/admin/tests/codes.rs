//! Redemption codes over the socket.

use http::Method;
use serde_json::json;

use crate::operate::fixture::{Gateway, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_shown_once_and_each_redeemed_once() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let other = gateway.account("other").await;
    let new = json!({
        "name": "spring", "count": 3, "kind": "promotional", "amount_usd": "2.5",
        "lasts_ms": 86_400_000,
    });
    let made = gateway.post("/admin/v1/codes", &new, 201).await;
    let codes: Vec<String> = made["codes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(codes.len(), 3);
    let batch = text(&made["batch"]);
    assert!(codes.iter().all(|code| code.starts_with("igc-") && code.contains(&batch[5..])));

    let redeem = |account: &str| format!("/admin/v1/accounts/{account}/redeem");
    let code = json!({ "code": codes[0] });
    let redeemed = gateway.post(&redeem(&account), &code, 200).await;
    assert_eq!(
        (&redeemed["amount_usd"], &redeemed["kind"]),
        (&json!("2.5"), &json!("promotional"))
    );
    assert_eq!(gateway.post(&redeem(&account), &code, 200).await, redeemed);
    let refused = gateway.post(&redeem(&other), &code, 409).await;
    assert!(text(&refused["detail"]).contains("used up"), "{refused}");
    let wrong = json!({ "code": format!("{}x", codes[1]) });
    for wrong in [wrong, json!({ "code": "igc-1-2" }), json!({ "code": "ig-key" })] {
        gateway.post(&redeem(&other), &wrong, 404).await;
    }
    let shown = gateway.get(&format!("/admin/v1/accounts/{account}")).await;
    assert_eq!(shown["balance_usd"], "2.5");

    let lines = gateway.get("/admin/v1/accounts").await;
    let ids: Vec<String> =
        lines["accounts"].as_array().unwrap().iter().map(|line| text(&line["id"])).collect();
    assert_eq!(ids, [account.clone(), other]);
    let journal = format!("/admin/v1/accounts/{batch}/journal");
    let reply = gateway.ask(Method::GET, &journal, None).await;
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(codes.iter().all(|code| !body.contains(code.as_str())) && !body.contains("hash"));
    let events = reply.json();
    assert_eq!(events["events"][0]["event"]["codes_made"]["codes"], 3);
    assert_eq!(events["events"][1]["event"]["code_used"]["account"], *account);
    for wrong in [
        json!({ "count": 0 }),
        json!({ "count": 1, "uses": 0 }),
        json!({ "lasts_ms": 0 }),
        json!({ "lasts_ms": u64::MAX }),
    ] {
        let mut asked = new.clone();
        asked.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        gateway.post("/admin/v1/codes", &asked, 422).await;
    }
}
