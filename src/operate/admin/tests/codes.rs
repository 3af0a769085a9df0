//! Redemption codes over the socket.

use http::Method;
use infergate_actors::account::{CodeBatch, CodeKind, GrantKind, acting};
use infergate_actors::clock::Clock;
use infergate_actors::id::KeyHash;
use infergate_actors::money::NanoUsd;
use serde_json::{Value, json};

use super::desk::NOW_MS;
use super::idempotency::begun;
use super::tokens::token;
use crate::operate::fixture::{Gateway, Setup, TOKEN, text};

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

const CODES: &str = "/admin/v1/codes";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_listed_shown_and_taken_back() {
    let clock = Clock::manual(NOW_MS);
    let gateway = Setup { clock, ..Setup::default() }.start().await;
    let account = gateway.account("one").await;
    assert_eq!(gateway.get(CODES).await, json!({ "codes": [], "next": null }));
    let new = json!({
        "name": "spring", "count": 2, "kind": "promotional", "amount_usd": "2.5", "uses": 3,
        "lasts_ms": 86_400_000,
    });
    let made = gateway.post(CODES, &new, 201).await;
    let second = text(&gateway.post(CODES, &new, 201).await["batch"]);
    let batch = text(&made["batch"]);
    let redeem = format!("/admin/v1/accounts/{account}/redeem");
    gateway.post(&redeem, &json!({ "code": made["codes"][0] }), 200).await;

    let page = gateway.get(&format!("{CODES}?limit=1")).await;
    let shown = json!({
        "batch": batch, "name": "spring", "made_at_ms": NOW_MS, "kind": "promotional",
        "amount_usd": "2.5", "amount_nano_usd": 2_500_000_000_u64, "count": 2, "uses": 3, "used": 1,
        "expires_at_ms": null, "lasts_ms": 86_400_000, "revoked": null,
    });
    assert_eq!(page, json!({ "codes": [shown], "next": 1 }));
    let rest = gateway.get(&format!("{CODES}?after=1")).await;
    assert_eq!((&rest["codes"][0]["batch"], &rest["next"]), (&json!(second), &Value::Null));
    let path = format!("{CODES}/{batch}");
    assert_eq!(gateway.get(&path).await, shown);

    // Looking after money is not for everybody.
    let (ann, tim) =
        (token(&gateway, "ann", "billing").await, token(&gateway, "tim", "admin").await);
    let eve = token(&gateway, "eve", "support").await;
    let delete = async |token: &Value, path: &str| {
        let (token, to) = (text(&token["secret"]), (Method::DELETE, path));
        gateway.ask_as(&token, to, &[], None).await
    };
    assert_eq!(delete(&eve, &path).await.status, 403);
    let revoked = delete(&ann, &format!("{path}?reason=leaked")).await.json();
    let removal = json!({ "at_ms": NOW_MS, "by": "ann", "reason": "leaked" });
    assert_eq!(revoked["revoked"], removal);
    assert_eq!(delete(&tim, &path).await.json(), revoked, "taken back once");
    let refused = gateway.post(&redeem, &json!({ "code": made["codes"][1] }), 409).await;
    assert_eq!(refused["detail"], "the code was taken back");
    let again = gateway.post(&redeem, &json!({ "code": made["codes"][0] }), 200).await;
    assert_eq!(again["amount_usd"], "2.5");
    let journal = gateway.get(&format!("/admin/v1/accounts/{batch}/journal")).await;
    assert_eq!(journal["events"][2]["event"]["member"]["codes_revoked"]["removal"], removal);
    let told = gateway.get("/admin/v1/events?type=codes.revoked").await;
    assert_eq!(told["events"][0]["data"]["by"], "ann");

    for nothing in [account.as_str(), "acct_00000000000000ff"] {
        let path = format!("{CODES}/{nothing}");
        for method in [Method::GET, Method::DELETE] {
            let reply = gateway.ask_as(TOKEN, (method, &path), &[], None).await;
            assert_eq!(
                (reply.status, text(&reply.json()["detail"])),
                (404, "no such batch of codes".into())
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_a_crash_left_listed_and_not_made_is_made_by_the_next_try() {
    let gateway = Gateway::start().await;
    let new = json!({
        "name": "spring", "count": 1, "kind": "promotional", "amount_usd": "2.5",
    });
    // Listed, and then not made: its id is an account's.
    let account = gateway.account("one").await.parse().unwrap();
    let batch = CodeBatch {
        name: "spring".into(),
        hashes: vec![KeyHash([1; 32])],
        kind: GrantKind::Promotional,
        amount: NanoUsd::from_nano(2_500_000_000),
        uses_max: 1,
        expires_at_ms: None,
        lasts_ms: None,
    };
    let action = begun(&gateway, CODES, "k", &new).await;
    let accounts = &gateway.system.accounts;
    acting(action, accounts.make_codes(account, batch)).await.unwrap_err();
    let listed = accounts.list_batches(CodeKind::Credit, 0, 9).await.unwrap();
    assert_eq!(listed, [(1, account)]);

    let next = gateway.restarted().await;
    assert_eq!(next.get(CODES).await["codes"], json!([]), "passed over");
    let once = [("idempotency-key", "k")];
    let made = next.ask_as(TOKEN, (Method::POST, CODES), &once, Some(&new)).await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""));
    let again = next.ask_as(TOKEN, (Method::POST, CODES), &once, Some(&new)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(next.get(CODES).await["codes"][0]["batch"], made.json()["batch"]);
}
