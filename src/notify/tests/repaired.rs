//! What holds of webhooks when a part of the journal is lost.

use std::fs;
use std::path::Path;

use http::Method;
use infergate_actors::account::Webhook;
use infergate_actors::id::{AccountId, WebhookId};
use infergate_actors::ledger::repair;
use serde_json::json;
use tempfile::TempDir;

use super::super::follow::FOLLOWED;
use super::super::state::State;
use super::receiver::{Mode, Receiver};
use crate::operate::fixture::{Gateway, Setup, text};

const CONFIG: &str = "[notices]\naccount_secret = \"of the tests, and long enough for that\"\n\
                      private_addresses = true\n";

/// A gateway that goes on with what a repair saves of another's data, from which an event is gone.
async fn repaired(gateway: &Gateway, lost: u64) -> Gateway {
    let damaged = gateway.copy_of_data();
    change_event(damaged.path(), lost);
    let saved = TempDir::new().unwrap();
    let report = repair(damaged.path(), saved.path()).unwrap();
    assert_eq!(report.head.sequence, lost - 1);
    Setup { config: CONFIG.to_owned(), data: Some(saved), ..Setup::default() }.start().await
}

/// Changes a byte of an event, in the store's only write-ahead file.
fn change_event(data: &Path, sequence: u64) {
    let file = data.join("store/0.jnl");
    let mut bytes = fs::read(&file).unwrap();
    // The journal's number, the length of its keys, two lengths of the value, the key.
    let begin = [&1_u64.to_le_bytes()[..], &8_u16.to_le_bytes()].concat();
    let is_it = |at: &usize| {
        bytes[*at..].starts_with(&begin) && bytes[at + 18..].starts_with(&sequence.to_be_bytes())
    };
    let at = (0..bytes.len() - 60).find(is_it).unwrap();
    bytes[at + 58] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// The names of all webhooks.
async fn names(gateway: &Gateway) -> Vec<String> {
    let all = gateway.get("/admin/v1/webhooks").await;
    let all = all["webhooks"].as_array().unwrap();
    all.iter().map(|webhook| text(&webhook["name"])).collect()
}

#[tokio::test]
async fn a_lost_customers_webhook_hears_nothing_of_another_and_one_that_is_back_hears_all() {
    let theirs = Receiver::start(Mode::Take).await;
    let mut ours = Receiver::start(Mode::Take).await;
    let config = CONFIG.to_owned();
    let gateway = Setup { config, ..Setup::default() }.start().await;
    let hooks = |account: &str| format!("/admin/v1/accounts/{account}/webhooks");
    let kept = gateway.account("kept").await;
    let new = json!({ "url": ours.url(), "events": ["account.*"] });
    gateway.post(&hooks(&kept), &new, 201).await;
    let good = gateway.world.ledger.stats().sequence;
    // All of this is lost.
    let path = format!("{}/hook_1", hooks(&kept));
    assert_eq!(gateway.ask(Method::DELETE, &path, None).await.status, 204);
    let lost = gateway.account("lost").await;
    let new = json!({ "url": theirs.url() });
    let secret = text(&gateway.post(&hooks(&lost), &new, 201).await["secret"]);
    while names(&gateway).await != [format!("{lost}.hook_1")] {
        tokio::task::yield_now().await;
    }
    gateway.notifier.stop();
    let gateway = repaired(&gateway, good + 1).await;
    assert_eq!(names(&gateway).await, [format!("{kept}.hook_1")]);
    let other = gateway.account("other").await;
    assert_ne!(other, lost);
    let made = gateway.post(&hooks(&other), &json!({ "url": ours.url() }), 201).await;
    assert_eq!(made["webhook"], "hook_1");
    assert_ne!(text(&made["secret"]), secret);
    let limits = json!({ "limits": { "in_flight": 5 } });
    for account in [&kept, &other] {
        let path = format!("/admin/v1/accounts/{account}");
        gateway.ask(Method::PATCH, &path, Some(&limits)).await;
    }
    let mut told: Vec<_> = Vec::new();
    for _ in 0..2 {
        told.push(text(&ours.next_of("account.limits_changed").await.body()["data"]["account"]));
    }
    told.sort();
    assert_eq!(told, [kept, other]);
}

#[tokio::test]
async fn what_an_earlier_build_kept_of_a_lost_part_is_dropped() {
    let gateway = Setup { config: CONFIG.to_owned(), ..Setup::default() }.start().await;
    let kept = gateway.account("kept").await;
    let new = json!({ "url": "https://a.example/" });
    gateway.post(&format!("/admin/v1/accounts/{kept}/webhooks"), &new, 201).await;
    let kept = format!("{kept}.hook_1");
    while names(&gateway).await != [kept.clone()] {
        tokio::task::yield_now().await;
    }
    gateway.notifier.stop();
    let ledger = &gateway.world.ledger;
    let lost = AccountId::new(0, 7);
    let webhook = Webhook {
        id: WebhookId(1),
        url: "https://b.example/".to_owned(),
        enabled: true,
        events: Vec::new(),
        version: 1,
        former_until_ms: None,
    };
    let state = State { of: Some((lost, webhook)), ..State::behind(1) };
    ledger.put_delivery(&format!("{lost}.hook_1"), state.to_bytes(), None);
    // As it was written then.
    ledger.put_delivery(FOLLOWED, ledger.stats().sequence.to_be_bytes().to_vec(), None);
    ledger.barrier().await.unwrap();
    assert_eq!(names(&gateway.restarted().await).await, [kept]);
}
