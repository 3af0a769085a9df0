//! Providers, the ledger, health and metrics.

use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::operate::fixture::{Gateway, send, text};

/// An account with credit and a key; its path and the key.
async fn customer(gateway: &Gateway) -> (String, String) {
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
    gateway.post(&format!("{account}/grants"), &grant, 201).await;
    let key = gateway.post(&format!("{account}/keys"), &json!({ "name": "k" }), 201).await;
    (account, text(&key["secret"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_charged_adds_up_and_the_ledger_verifies() {
    let gateway = Gateway::start().await;
    let (path, key) = customer(&gateway).await;
    for _ in 0..3 {
        assert_eq!(gateway.chat(&key).await, 200);
    }
    let snapshots = gateway.post("/admin/v1/snapshot", &json!({}), 200).await;
    assert_eq!(snapshots, json!({ "accounts": 1, "providers": 2 }));
    let verified = gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
    assert_eq!(verified["ok"], true, "{verified}");
    // One of the account, and one of the operators.
    assert_eq!((&verified["settlements"], &verified["snapshots"]), (&json!(3), &json!(2)));

    let account = gateway.get(&path).await;
    let nano = |name: &str| account[name].as_i64().unwrap();
    assert!(nano("settled_nano_usd") > 0);
    assert_eq!(nano("balance_nano_usd"), 1_000_000_000 - nano("settled_nano_usd"));
    assert_eq!(verified["totals"]["balance_nano_usd"], account["balance_nano_usd"]);
    let journal = gateway.get(&format!("{path}/journal")).await;
    let settled = journal["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["event"].get("settled"));
    let charged: i64 = settled.clone().map(|bill| bill["charged"].as_i64().unwrap()).sum();
    assert_eq!((settled.clone().count(), charged), (3, nano("settled_nano_usd")));
    for bill in settled {
        assert!(text(&bill["hold"]).starts_with("req_"));
        assert_eq!(bill["record"]["attempts"][0]["provider"], "simulated");
    }

    let metrics = gateway.ask(Method::GET, "/metrics", None).await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "infergate_exchanges_total{end=\"completed\"} 3",
        "infergate_accounts_living 1",
        "infergate_ledger_holds_open 0",
        "infergate_deployment_passing{provider=\"simulated\",model=\"small\"} 1",
        "infergate_deployment_in_flight{provider=\"simulated\",model=\"small\"} 0",
    ] {
        assert!(metrics.contains(line), "no `{line}` in\n{metrics}");
    }
    assert!(!metrics.contains("acct_") && !metrics.contains("key_1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_closed_drained_and_opened() {
    let gateway = Gateway::start().await;
    let (_, key) = customer(&gateway).await;
    let provider = "/admin/v1/providers/simulated";
    let shown = gateway.get(provider).await;
    assert_eq!((&shown["mode"], &shown["in_flight"]), (&json!("open"), &json!(0)));
    assert_eq!(shown["deployments"][0]["breaker"]["state"], "passing");
    let all = gateway.get("/admin/v1/providers").await;
    assert_eq!((&all["providers"][0]["name"], &all["providers"][1]), (&json!("real"), &shown));
    for (order, mode, status) in
        [("close", "closed", 503), ("drain", "draining", 503), ("open", "open", 200)]
    {
        let reply = gateway.ask(Method::POST, &format!("{provider}/{order}"), None).await;
        assert_eq!((reply.status, &reply.json()["mode"]), (200, &json!(mode)));
        let chat = gateway.chat(&key).await;
        assert_eq!(chat == 200, status == 200, "{order}: {chat}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_enabled_by_its_fingerprint() {
    let gateway = Gateway::start().await;
    let provider = "/admin/v1/providers/real";
    let credentials = gateway.get(provider).await["credentials"].clone();
    let fingerprint = text(&credentials[0]["fingerprint"]);
    let path = format!("{provider}/credentials/{fingerprint}/enable");
    let enabled = gateway.ask(Method::POST, &path, None).await;
    assert_eq!((enabled.status, &enabled.json()["credentials"]), (200, &credentials));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_verification_runs_at_a_time() {
    let gateway = Gateway::start().await;
    let verify = "/admin/v1/ledger/verify";
    let running = gateway.operator.verifying.acquire().await.unwrap();
    gateway.post(verify, &json!({}), 409).await;
    drop(running);
    assert_eq!(gateway.post(verify, &json!({}), 200).await["ok"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_is_alive_and_not_ready() {
    let gateway = Gateway::start().await;
    let status = async |path: &str| {
        send(gateway.admin, Request::get(path).body(Full::default()).unwrap()).await.status
    };
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    gateway.world.stop();
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
}
