//! What the audit log tells of people, of what an account is watched for, of its webhooks and of its money,
//! before and after; and versions of them.

use http::Method;
use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Reply, Setup, TOKEN, text};

/// Accounts may have webhooks, and nobody listens where they lead; a plan with a price.
const CONFIG: &str = r#"
[plans.team]
subscription = { price_usd = "10", allowance_usd = "12", grace = "3d" }
[notices]
account_secret = "of the tests, and long enough for that"
private_addresses = true
"#;

/// A gateway, and where it has an account.
struct Desk {
    gateway: Gateway,
    id: String,
    account: String,
}

impl Desk {
    async fn open() -> Self {
        let mut setup = Setup::default();
        setup.config.push_str(CONFIG);
        let gateway = setup.start().await;
        let id = gateway.account("one").await;
        let account = format!("/admin/v1/accounts/{id}");
        Self { gateway, id, account }
    }

    fn at(&self, rest: &str) -> String {
        format!("{}{rest}", self.account)
    }

    async fn patch(&self, rest: &str, body: Value) -> Value {
        let reply = self.gateway.ask(Method::PATCH, &self.at(rest), Some(&body)).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.json()
    }

    async fn post(&self, rest: &str, body: Value, status: u16) -> Value {
        self.gateway.post(&self.at(rest), &body, status).await
    }

    /// What changed with the last of these actions.
    async fn last(&self, action: &str) -> Value {
        let path = format!("/admin/v1/audit?account={}&action={action}", self.id);
        let page = self.gateway.get(&path).await;
        page["actions"].as_array().unwrap().last().unwrap()["changes"].clone()
    }

    async fn etag(&self, rest: &str) -> String {
        let reply = self.gateway.ask(Method::GET, &self.at(rest), None).await;
        assert_eq!(reply.status, 200, "{rest}: {:?}", reply.body);
        let etag = reply.header("etag").to_owned();
        assert!(etag.starts_with('"'), "{rest} has no version");
        etag
    }

    /// Asks for a change of one version.
    async fn change(&self, method: Method, rest: &str, etag: &str, body: &Value) -> Reply {
        let path = self.at(rest);
        self.gateway.ask_as(TOKEN, (method, &path), &[("if-match", etag)], Some(body)).await
    }

    async fn told(&self, kind: &str, event: &str, amount: Option<&str>) {
        let mut body = json!({
            "type": kind, "event_id": event, "account": self.id, "payment": "pay_1",
        });
        if let Some(amount) = amount {
            body["amount_usd"] = json!(amount);
        }
        self.gateway.post("/admin/v1/payments/events", &body, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_somebody_is_told_with_the_keys_that_they_lose() {
    let desk = Desk::open().await;
    let add = |email: &str, role: &str| json!({ "email": email, "name": "n", "role": role });
    desk.post("/members", add("a@example.com", "owner"), 201).await;
    desk.post("/members", add("b@example.com", "developer"), 201).await;
    let added = desk.last("member.add").await;
    assert_eq!(added["before"], Value::Null);
    assert_eq!(
        (&added["after"]["id"], &added["after"]["email"]),
        (&json!("mem_2"), &json!("b@example.com"))
    );
    desk.patch("/members/mem_2", json!({ "status": "active" })).await;
    desk.patch("/members/mem_2", json!({ "role": "billing" })).await;
    assert_eq!(
        desk.last("member.change").await,
        json!({ "before": { "role": "developer" }, "after": { "role": "billing" } })
    );
    for name in ["k", "l"] {
        desk.post("/keys", json!({ "name": name, "member": "mem_2" }), 201).await;
    }
    let remove = desk.at("/members/mem_2?revoke_keys=true");
    assert_eq!(desk.gateway.ask(Method::DELETE, &remove, None).await.status, 200);
    let removed = desk.last("member.remove").await;
    let (before, after) = (&removed["before"], &removed["after"]);
    assert_eq!(
        (&before["status"], &before["keys"]),
        (&json!("active"), &json!(["key_1", "key_2"]))
    );
    assert_eq!((&after["status"], &after["keys"]), (&json!("removed"), &json!([])));
    assert_eq!(after["removed_by"], "root");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_is_watched_for_is_told_with_the_top_up_that_is_due() {
    let desk = Desk::open().await;
    desk.patch("/watch", json!({ "budget_percent": [50] })).await;
    desk.patch("/watch", json!({ "budget_percent": [90], "low_balance_usd": ["5"] })).await;
    assert_eq!(
        desk.last("watch.change").await,
        json!({
            "before": { "budget_percent": [50], "low_balance_usd": [] },
            "after": { "budget_percent": [90], "low_balance_usd": ["5"] },
        })
    );
    let top_up = json!({ "threshold_usd": "1", "amount_usd": "10", "month_max_usd": "100" });
    let watched = desk.patch("/watch", json!({ "auto_top_up": top_up })).await;
    assert_eq!(watched["top_up_due"]["top_up"], "topup_1");
    let began = desk.last("watch.change").await;
    assert_eq!(began["before"]["top_up_due"], Value::Null);
    assert_eq!(began["after"]["top_up_due"]["top_up"], "topup_1");
    // What is due is no setting: that it failed leaves the version as it is.
    let before = desk.etag("/watch").await;
    desk.post("/top-ups/topup_1/fail", json!({ "reason": "declined" }), 200).await;
    let failed = desk.last("top_up.fail").await;
    assert_eq!(failed["before"]["top_up_due"]["top_up"], "topup_1");
    assert_eq!(failed["after"], json!({ "top_up_due": null }));
    assert_eq!(desk.etag("/watch").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_told_without_their_secrets() {
    let desk = Desk::open().await;
    let hook = json!({ "url": "http://127.0.0.1:9/told", "events": ["key.*"] });
    let made = desk.post("/webhooks", hook, 201).await;
    let first = text(&made["secret"]);
    let told = desk.last("account_webhook.create").await;
    assert_eq!((&told["before"], &told["after"]["url"]), (&Value::Null, &made["url"]));
    assert_eq!(told["after"]["secret"], "[secret]");
    desk.patch("/webhooks/hook_1", json!({ "enabled": false })).await;
    assert_eq!(
        desk.last("account_webhook.change").await,
        json!({ "before": { "enabled": true }, "after": { "enabled": false } })
    );
    let rotated =
        desk.post("/webhooks/hook_1/rotate-secret", json!({ "overlap_ms": 60_000 }), 200).await;
    let told = desk.last("account_webhook.rotate").await;
    let version = &made["secret_version"];
    assert_eq!(
        told["before"],
        json!({ "secret_version": version, "former_secret_until_ms": null })
    );
    assert_eq!(told["after"]["former_secret_until_ms"], rotated["former_secret_until_ms"]);
    let path = desk.at("/webhooks/hook_1");
    assert_eq!(desk.gateway.ask(Method::DELETE, &path, None).await.status, 204);
    let removed = desk.last("account_webhook.remove").await;
    assert_eq!((&removed["before"]["url"], &removed["after"]), (&made["url"], &Value::Null));
    let log = desk.gateway.get("/admin/v1/audit?limit=1000").await.to_string();
    for secret in [first, text(&rotated["secret"])] {
        assert!(!log.contains(&secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_processor_tells_is_told_as_the_money_it_moved() {
    let desk = Desk::open().await;
    desk.told("payment_succeeded", "e1", Some("10")).await;
    let paid = json!({
        "before": { "balance_usd": "0", "granted_usd": "0" },
        "after": { "balance_usd": "10", "granted_usd": "10" },
    });
    assert_eq!(desk.last("payment.event").await, paid);
    desk.told("payment_succeeded", "e1", Some("10")).await;
    assert_eq!(desk.last("payment.event").await, Value::Null, "told again, it moves nothing");
    desk.told("refunded", "e2", Some("4")).await;
    assert_eq!(
        desk.last("payment.event").await["after"],
        json!({ "balance_usd": "6", "refunded_usd": "4" })
    );
    desk.told("disputed", "e3", None).await;
    let disputed = desk.last("payment.event").await;
    assert_eq!(disputed["before"]["charged_back_usd"], "0");
    assert_eq!(disputed["after"]["charged_back_usd"], "6");

    let paid = json!({ "plan": "team", "event_id": "s1", "payment": "s", "amount_usd": "10" });
    desk.post("/subscription", paid, 201).await;
    let begun = desk.last("subscription.start").await;
    assert_eq!(
        (&begun["before"]["subscription"], &begun["before"]["balance_usd"]),
        (&Value::Null, &json!("0"))
    );
    assert_eq!(begun["after"]["subscription"]["plan"], "team");
    assert_eq!(begun["after"]["balance_usd"], "12");
    let code = json!({ "name": "c", "count": 1, "kind": "promotional", "amount_usd": "1" });
    let made = desk.gateway.post("/admin/v1/codes", &code, 201).await;
    desk.post("/redeem", json!({ "code": made["codes"][0] }), 200).await;
    assert_eq!(
        desk.last("code.redeem").await["after"],
        json!({ "balance_usd": "13", "granted_usd": "23" })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_taken_back_says_so() {
    let desk = Desk::open().await;
    let wanted = json!({ "name": "beta", "count": 2, "uses": 1 });
    let made = desk.gateway.post("/admin/v1/invites", &wanted, 201).await;
    let batch = format!("/admin/v1/invites/{}", text(&made["batch"]));
    let reply = desk.gateway.ask(Method::GET, &batch, None).await;
    let etag = reply.header("etag").to_owned();
    let revoke = || async {
        let to = (Method::DELETE, batch.as_str());
        desk.gateway.ask_as(TOKEN, to, &[("if-match", &etag)], None).await.status
    };
    assert_eq!((revoke().await, revoke().await), (200, 412));
    let page = desk.gateway.get("/admin/v1/audit?action=invite.revoke").await;
    let changes = &page["actions"][0]["changes"];
    assert_eq!(changes["before"], json!({ "revoked": null }));
    assert_eq!(changes["after"]["revoked"]["by"], "root");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_webhooks_and_what_is_watched_for_have_versions() {
    let desk = Desk::open().await;
    let owner = json!({ "email": "a@example.com", "name": "n", "role": "owner" });
    desk.post("/members", owner, 201).await;
    desk.post("/webhooks", json!({ "url": "http://127.0.0.1:9/" }), 201).await;
    let tried = [
        ("/members/mem_1", json!({ "name": "m" }), json!({ "name": "o" })),
        ("/webhooks/hook_1", json!({ "events": ["key.*"] }), json!({ "events": [] })),
        ("/watch", json!({ "budget_percent": [7] }), json!({ "budget_percent": [8] })),
    ];
    for (rest, one, other) in tried {
        let account = desk.etag("").await;
        let first = desk.etag(rest).await;
        let changed = desk.change(Method::PATCH, rest, &first, &one).await;
        assert_eq!(changed.status, 200, "{rest}: {:?}", changed.body);
        let second = desk.etag(rest).await;
        assert_eq!((changed.header("etag"), second == first), (second.as_str(), false), "{rest}");
        let late = desk.change(Method::PATCH, rest, &first, &other).await;
        assert_eq!((late.status, late.header("etag")), (412, second.as_str()), "{rest}");
        assert_eq!(desk.etag(rest).await, second, "{rest}");
        assert_eq!(desk.etag("").await, account, "{rest} is not the account's");
    }
    let (hook, none) = ("/webhooks/hook_1", json!({}));
    let etag = desk.etag(hook).await;
    let reply = desk.change(Method::POST, &format!("{hook}/rotate-secret"), &etag, &none).await;
    assert_eq!(reply.status, 200);
    assert_eq!(desk.change(Method::DELETE, hook, &etag, &none).await.status, 412);
    let gone = desk.change(Method::DELETE, hook, reply.header("etag"), &none).await;
    assert_eq!((gone.status, gone.header("etag")), (204, ""));
    assert_eq!(desk.change(Method::DELETE, hook, "*", &none).await.status, 412);
    // An event of a processor is about the account that it names.
    let event = json!({
        "type": "payment_succeeded", "event_id": "e", "account": desk.id, "payment": "p",
        "amount_usd": "1",
    });
    let events = "/admin/v1/payments/events";
    let account = desk.etag("").await;
    for (etag, status) in [(etag.as_str(), 412), (account.as_str(), 200)] {
        let headers = [("if-match", etag)];
        let reply =
            desk.gateway.ask_as(TOKEN, (Method::POST, events), &headers, Some(&event)).await;
        assert_eq!((reply.status, reply.header("etag")), (status, account.as_str()));
    }
}

/// Payments of one account come one after the other, as all that changes it: between them, each is told of
/// its own money alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_at_once_are_told_each_with_its_own_money() {
    let desk = Desk::open().await;
    let events = (1..=20_u32).map(|number| {
        let desk = &desk;
        async move {
            let event = json!({
                "type": "payment_succeeded", "event_id": format!("e{number}"), "account": desk.id,
                "payment": format!("p{number}"), "amount_usd": "1",
            });
            desk.gateway.post("/admin/v1/payments/events", &event, 200).await;
        }
    });
    futures_util::future::join_all(events).await;
    let page = desk.gateway.get("/admin/v1/audit?action=payment.event").await;
    let granted = |act: &Value, when: &str| -> u32 {
        text(&act["changes"][when]["granted_usd"]).parse().unwrap()
    };
    let acts = page["actions"].as_array().unwrap();
    let mut before: Vec<u32> = acts.iter().map(|act| granted(act, "before")).collect();
    assert!(acts.iter().all(|act| granted(act, "after") == granted(act, "before") + 1), "{page}");
    before.sort_unstable();
    assert_eq!(before, (0..20).collect::<Vec<_>>());
}
