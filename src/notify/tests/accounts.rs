//! Accounts' own webhooks.

use serde_json::json;

use super::receiver::{Mode, Receiver};
use crate::operate::fixture::{Gateway, Setup, text};

async fn start(notices: &str) -> Gateway {
    let config = format!(
        "[notices]\nretry_first = \"5ms\"\nretry_max = \"20ms\"\n{notices}\n\
         [[providers]]\nname = \"simulated\"\nkind = \"simulated\"\n"
    );
    Setup { config, ..Setup::default() }.start().await
}

const MASTER: &str = "account_secret = \"of the tests, and long enough for that\"";

#[tokio::test]
async fn an_account_hears_of_itself_and_of_nobody_else() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(&format!("{MASTER}\nprivate_addresses = true")).await;
    let (mine, other) = (gateway.account("mine").await, gateway.account("other").await);
    let webhooks = format!("/admin/v1/accounts/{mine}/webhooks");
    let new = json!({ "url": receiver.url(), "events": ["account.*", "webhook.set"] });
    let made = gateway.post(&webhooks, &new, 201).await;
    let secret = text(&made["secret"]);
    assert_eq!(
        (&made["webhook"], &made["name"]),
        (&json!("hook_1"), &json!(format!("{mine}.hook_1")))
    );
    let limits = json!({ "limits": { "in_flight": 5 } });
    for account in [&other, &mine] {
        gateway
            .ask(http::Method::PATCH, &format!("/admin/v1/accounts/{account}"), Some(&limits))
            .await;
    }
    let got = receiver.next().await;
    assert_eq!(
        (got.kind(), got.body()["data"]["account"].clone()),
        ("account.limits_changed".into(), json!(mine))
    );
    assert!(got.is_signed_by(&secret));
    // A new secret, and both sign for a while.
    let rotated = gateway.post(&format!("{webhooks}/hook_1/rotate-secret"), &json!({}), 200).await;
    let new_secret = text(&rotated["secret"]);
    assert_ne!(new_secret, secret);
    let got = receiver.next_of("webhook.set").await;
    assert!(got.is_signed_by(&secret) && got.is_signed_by(&new_secret));
    assert!(!got.body().to_string().contains("whsec_"), "a secret is told");
    let listed = gateway.get(&webhooks).await;
    assert!(
        listed["webhooks"][0].get("secret").is_none()
            && listed["webhooks"][0]["secret_version"] == 2
    );
    // Another gateway that goes on with the same data has it too.
    let data = gateway.copy_of_data();
    gateway.notifier.stop();
    let config = format!("[notices]\n{MASTER}\nprivate_addresses = true\n");
    let gateway = Setup { config, data: Some(data), ..Setup::default() }.start().await;
    let reinstate = format!("/admin/v1/accounts/{mine}/reinstate");
    gateway.post(&reinstate, &json!({ "reason": "a test" }), 200).await;
    let got = receiver.next_of("account.status_set").await;
    assert!(got.is_signed_by(&new_secret));
    let removed = gateway.ask(http::Method::DELETE, &format!("{webhooks}/hook_1"), None).await;
    assert_eq!(removed.status, 204);
    while gateway.get("/admin/v1/webhooks").await["webhooks"] != json!([]) {
        tokio::task::yield_now().await;
    }
    let name = format!("/admin/v1/webhooks/{mine}.hook_1");
    assert_eq!(gateway.ask(http::Method::GET, &name, None).await.status, 404);
}

#[tokio::test]
async fn an_accounts_webhook_does_not_lead_inside() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(MASTER).await;
    let account = gateway.account("mine").await;
    let webhooks = format!("/admin/v1/accounts/{account}/webhooks");
    for url in [
        receiver.url().as_str(),
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1:8080/",
        "no url",
    ] {
        gateway.post(&webhooks, &json!({ "url": url }), 422).await;
    }
    gateway
        .post(&webhooks, &json!({ "url": "https://a.example/", "events": ["balance.high"] }), 422)
        .await;
    // What a name leads to shows when it is resolved.
    let url = format!("https://localhost:{}/", receiver.address.port());
    gateway.post(&webhooks, &json!({ "url": url }), 201).await;
    gateway
        .post(
            &format!("/admin/v1/accounts/{account}/reinstate"),
            &json!({ "reason": "a test" }),
            200,
        )
        .await;
    // The notifier learns of it from the journal, a moment later.
    let shown = format!("/admin/v1/webhooks/{account}.hook_1");
    let view = loop {
        let view = gateway.ask(http::Method::GET, &shown, None).await.json();
        if view["tries"].as_u64().is_some_and(|tries| tries > 0) {
            break view;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(view["last"]["fault"], "no connection");
    let change = json!({ "enabled": false });
    let path = format!("{webhooks}/hook_1");
    gateway.ask(http::Method::PATCH, &path, Some(&change)).await;
    while gateway.get(&format!("/admin/v1/webhooks/{account}.hook_1")).await["status"] != "disabled"
    {
        tokio::task::yield_now().await;
    }
    receiver.kill().await;
}

#[tokio::test]
async fn without_a_secret_to_make_others_of_accounts_have_no_webhooks() {
    let gateway = start("").await;
    let account = gateway.account("mine").await;
    let new = json!({ "url": "https://a.example/" });
    let refused = gateway.post(&format!("/admin/v1/accounts/{account}/webhooks"), &new, 409).await;
    assert!(text(&refused["detail"]).contains("notices.account_secret"));
}

#[tokio::test]
async fn owners_make_a_webhook_of_their_own_and_are_not_told_the_operators_words() {
    let mut receiver = Receiver::start(Mode::Take).await;
    let gateway = start(&format!("{MASTER}\nprivate_addresses = true")).await;
    let account = gateway.account("mine").await;
    let path = format!("/admin/v1/accounts/{account}");
    let new = json!({ "name": "k", "scopes": ["account_management"] });
    let key = text(&gateway.post(&format!("{path}/keys"), &new, 201).await["secret"]);
    let new = json!({ "url": receiver.url(), "events": ["account.status_set"] });
    let made =
        gateway.ask_data(http::Method::POST, "/api/v1/webhooks", &key, Some(&new)).await.json();
    let restrict = json!({ "class": "abuse", "reason": "a hunch of ours" });
    gateway.post(&format!("{path}/suspend"), &restrict, 200).await;
    let got = receiver.next().await;
    assert!(got.is_signed_by(&text(&made["secret"])));
    let told = got.body();
    assert_eq!(
        (&told["data"]["status"], &told["data"]["class"]),
        (&json!("suspended"), &json!("abuse"))
    );
    assert!(!told.to_string().contains("hunch") && told["data"].get("by").is_none(), "{told}");
    gateway.post(&format!("{path}/reinstate"), &json!({ "reason": "a test" }), 200).await;
    // What is asked for says the same.
    let page = "/api/v1/events?type=account.status_set";
    let own = gateway.ask_data(http::Method::GET, page, &key, None).await.json();
    let first = &own["events"][0];
    assert_eq!((&first["type"], &first["data"]), (&told["type"], &told["data"]));
    let all = gateway.get("/admin/v1/events?type=account.status_set").await;
    assert_eq!(all["events"][0]["data"]["reason"], "a hunch of ours");
}
