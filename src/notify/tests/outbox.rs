//! The outbox: every notice arrives, in order, whatever happens to the receiver and to the gateway.

use std::collections::BTreeMap;

use infergate_actors::ledger::Ledger;
use serde_json::json;

use super::super::follow::FOLLOWED;
use super::super::state::State;
use super::receiver::{Got, Mode, Receiver};
use crate::operate::fixture::{Gateway, Setup};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A configuration with webhooks that are tried again soon.
fn config(webhooks: &str) -> String {
    format!(
        "[notices]\ntimeout = \"1m\"\nretry_first = \"5ms\"\nretry_max = \"20ms\"\n{webhooks}\n\
         [[providers]]\nname = \"simulated\"\nkind = \"simulated\"\ntoken_delay = \"0ms\"\n"
    )
}

fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[webhooks]]\nname = \"{name}\"\nurl = \"{url}\"\nsecrets = [\"{SECRET}\"]\n{more}\n")
}

async fn start(config: String) -> Gateway {
    Setup { config, ..Setup::default() }.start().await
}

/// The ids of all notices, in the journal's order.
async fn ids(gateway: &Gateway) -> Vec<String> {
    let events = gateway.get("/admin/v1/events?limit=1000").await;
    assert_eq!(events["next"], json!(null));
    let events = events["events"].as_array().unwrap();
    events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// Takes messages until all of these have come; each that came, in order of its first coming.
async fn take_all(receiver: &mut Receiver, ids: &[String], seen: &mut Vec<Got>) {
    let has = |seen: &[Got], id: &String| seen.iter().any(|got| got.id == *id);
    while !ids.iter().all(|id| has(seen, id)) {
        let got = receiver.next().await;
        assert!(got.is_signed_by(SECRET), "{got:?}");
        seen.push(got);
    }
}

/// Every message is always the same one, and none came before one that was before it.
fn assert_in_order(seen: &[Got]) {
    let mut known: BTreeMap<String, &Got> = BTreeMap::new();
    let mut last = 0;
    for got in seen {
        if let Some(first) = known.get(&got.id) {
            assert_eq!(first.body(), got.body());
            continue;
        }
        assert!(got.sequence() > last, "{} came behind {last}", got.sequence());
        last = got.sequence();
        known.insert(got.id.clone(), got);
    }
}

#[tokio::test]
async fn every_notice_arrives_in_order_though_receiver_and_gateway_fail() {
    let mut receiver = Receiver::start(Mode::Answer(503)).await;
    let config = config(&webhook("main", &receiver.url(), ""));
    let first = start(config.clone()).await;
    let mut seen = Vec::new();
    for number in 0..4 {
        first.account(&format!("account {number}")).await;
    }
    // It fails some times, then takes, then stalls.
    for _ in 0..3 {
        seen.push(receiver.next().await);
    }
    receiver.set(Mode::Take);
    let some = ids(&first).await;
    take_all(&mut receiver, &some[..2], &mut seen).await;
    receiver.set(Mode::Stall);
    let more = first.account("while it stalls").await;
    let grant = json!({ "kind": "paid", "amount_usd": "5", "reference": "first" });
    first.post(&format!("/admin/v1/accounts/{more}/grants"), &grant, 201).await;
    receiver.kill().await;
    first.account("while it is away").await;
    let all = ids(&first).await;
    assert_eq!(all.len(), 7);
    // The gateway is gone without a word; another one finds what was on disk.
    let data = first.copy_of_data();
    first.notifier.stop();
    let second = Setup { config, data: Some(data), ..Setup::default() }.start().await;
    assert_eq!(ids(&second).await, all);
    receiver.set(Mode::Take);
    receiver.come_back();
    take_all(&mut receiver, &all, &mut seen).await;
    assert_in_order(&seen);
    second.account("behind all that").await;
    let all = ids(&second).await;
    take_all(&mut receiver, &all, &mut seen).await;
    assert_in_order(&seen);
}

#[tokio::test]
async fn what_follows_where_the_journal_was_cut_is_sent_though_more_was_sent_before() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let first = start(config("")).await;
    first.account("one").await;
    first.notifier.stop();
    // What a repair leaves of a journal that was longer.
    let mut beyond = State::behind(1_000);
    assert!(beyond.send_again(999));
    let put = move |ledger: &Ledger| {
        ledger.put_delivery("main", beyond.to_bytes(), None);
        ledger.put_delivery(FOLLOWED, 1_000_u64.to_be_bytes().to_vec(), None);
        ledger.deliveries()
    };
    first.system.accounts.read(put).await.unwrap();
    let data = Some(first.copy_of_data());
    let config = config(&webhook("main", &receiver.url(), ""));
    let second = Setup { config, data, ..Setup::default() }.start().await;
    let before = ids(&second).await.len();
    second.account("two").await;
    let new = ids(&second).await.split_off(before);
    let mut seen = Vec::new();
    take_all(&mut receiver, &new, &mut seen).await;
    assert_eq!((new.len(), seen.len()), (1, 1), "{seen:?}");
}

#[tokio::test]
async fn a_webhook_that_fails_stops_no_other_and_what_it_failed_at_is_listed_and_sent_again() {
    let mut good = Receiver::start(Mode::Take).await;
    let mut bad = Receiver::start(Mode::Answer(500)).await;
    let webhooks = [webhook("good", &good.url(), ""), webhook("bad", &bad.url(), "")].concat();
    let gateway =
        start(config(&webhooks).replace("retry_max", "give_up_after = \"1ms\"\nretry_max")).await;
    let mut seen = Vec::new();
    for number in 0..3 {
        gateway.account(&format!("account {number}")).await;
    }
    let all = ids(&gateway).await;
    take_all(&mut good, &all, &mut seen).await;
    let failed = loop {
        let view = gateway.get("/admin/v1/webhooks/bad").await;
        let failed = view["failed"].as_array().unwrap().clone();
        if failed.len() == 3 {
            assert_eq!((&view["status"], &view["failed_ever"]), (&json!("failing"), &json!(3)));
            assert_eq!(view["last"]["status"], 500);
            break failed;
        }
        tokio::task::yield_now().await;
    };
    // All that was tried has come, and nothing is under way: what comes from here on is sent again.
    bad.forget();
    bad.set(Mode::Take);
    let path = "/admin/v1/webhooks/bad/replay";
    gateway.post(path, &json!({ "failed": true }), 202).await;
    let mut again = Vec::new();
    while again.len() < 3 {
        let got = bad.next().await;
        assert!(got.is_signed_by(SECRET));
        if !again.contains(&got.id) {
            again.push(got.id);
        }
    }
    assert_eq!(again, all);
    let sequences: Vec<_> = seen.iter().map(|got| json!(got.sequence())).collect();
    assert_eq!(failed, sequences);
    let good = gateway.get("/admin/v1/webhooks/good").await;
    assert_eq!((&good["status"], &good["tries"]), (&json!("delivering"), &json!(0)));
}

#[tokio::test]
async fn what_was_sent_can_be_sent_again_with_the_same_ids() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(config(&webhook("main", &receiver.url(), ""))).await;
    for number in 0..3 {
        gateway.account(&format!("account {number}")).await;
    }
    let all = ids(&gateway).await;
    let mut seen = Vec::new();
    take_all(&mut receiver, &all, &mut seen).await;
    let path = "/admin/v1/webhooks/main/replay";
    gateway.post(path, &json!({ "since_sequence": seen[1].sequence() }), 202).await;
    let again = [receiver.next().await, receiver.next().await];
    assert_eq!(again.map(|got| got.id), all[1..]);
    gateway.post(path, &json!({ "message": all[0] }), 202).await;
    let one = receiver.next().await;
    assert_eq!((&one.id, one.body()), (&all[0], seen[0].body()));
    gateway.post(path, &json!({ "since_ms": 0 }), 202).await;
    for id in &all {
        assert_eq!(receiver.next().await.id, *id);
    }
    for (wrong, status) in [
        (json!({}), 422),
        (json!({ "failed": true, "since_ms": 1 }), 422),
        (json!({ "message": "msg_1" }), 404),
        (json!({ "message": "msg_00000000000f0000aaaaaaaa" }), 404),
    ] {
        gateway.post(path, &wrong, status).await;
    }
    gateway.post("/admin/v1/webhooks/none/replay", &json!({ "failed": true }), 404).await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone_until_somebody_says_otherwise() {
    let mut receiver = Receiver::start(Mode::Answer(410)).await;
    let gateway = start(config(&webhook("main", &receiver.url(), ""))).await;
    gateway.account("one").await;
    let refused = receiver.next().await;
    // What is sent to nobody is not tried; the one message was.
    while gateway.get("/admin/v1/webhooks/main").await["status"] != json!("gone") {
        tokio::task::yield_now().await;
    }
    gateway.account("two").await;
    gateway.post("/admin/v1/webhooks/main/test", &json!({}), 409).await;
    receiver.set(Mode::Take);
    let path = "/admin/v1/webhooks/main/replay";
    gateway.post(path, &json!({ "message": refused.id }), 202).await;
    assert_eq!(receiver.next().await.id, refused.id);
    let all = ids(&gateway).await;
    take_all(&mut receiver, &all, &mut vec![refused]).await;
}

#[tokio::test]
async fn a_webhook_hears_of_the_kinds_it_asked_for_and_follows_no_redirection() {
    let mut receiver = Receiver::start(Mode::Answer(302)).await;
    let only = webhook("main", &receiver.url(), "events = [\"credit.*\", \"account.status_set\"]");
    let gateway = start(config(&only)).await;
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let grant = json!({ "kind": "paid", "amount_usd": "5", "reference": "first" });
    gateway.post(&format!("{account}/grants"), &grant, 201).await;
    let first = receiver.next().await;
    assert_eq!((first.kind(), receiver.next().await.id), ("credit.granted".to_owned(), first.id));
    receiver.set(Mode::Take);
    gateway.post(&format!("{account}/suspend"), &json!({ "reason": "late" }), 200).await;
    let status = receiver.next_of("account.status_set").await;
    assert_eq!(status.body()["data"]["status"], "suspended");
    let amount = receiver_amount(&gateway).await;
    assert_eq!(amount, (json!("5"), json!(5_000_000_000_i64)));
}

async fn receiver_amount(gateway: &Gateway) -> (serde_json::Value, serde_json::Value) {
    let events = gateway.get("/admin/v1/events?type=credit.*").await;
    let data = &events["events"][0]["data"];
    (data["amount_usd"].clone(), data["amount_nano_usd"].clone())
}

#[tokio::test]
async fn a_new_configuration_brings_takes_and_rotates_webhooks() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(config("")).await;
    gateway.account("before it was there").await;
    gateway.reload(&config(&webhook("main", &receiver.url(), ""))).await;
    let tested = gateway.post("/admin/v1/webhooks/main/test", &json!({}), 200).await;
    assert_eq!((&tested["arrived"], &tested["status"]), (&json!(true), &json!(204)));
    assert_eq!(receiver.next().await.kind(), "webhook.test");
    let one = gateway.account("one").await;
    let got = receiver.next().await;
    assert_eq!((got.body()["data"]["account"].clone(), got.signatures()), (json!(one), 1));
    let both =
        webhook("main", &receiver.url(), "").replace("[\"whsec", &format!("[\"{OTHER}\", \"whsec"));
    gateway.reload(&config(&both)).await;
    gateway.account("two").await;
    let got = receiver.next().await;
    assert!(got.is_signed_by(SECRET) && got.is_signed_by(OTHER));
    assert_eq!(got.signatures(), 2);
    gateway.reload(&config("")).await;
    let two = gateway.account("while it is not there").await;
    assert_eq!(gateway.get("/admin/v1/webhooks").await["webhooks"], json!([]));
    // One that is back goes on where it was.
    gateway.reload(&config(&webhook("main", &receiver.url(), ""))).await;
    assert_eq!(receiver.next().await.body()["data"]["account"], json!(two));
}
