//! Accounts, credit and keys from the first order to the disk.

use http::Method;
use infergate_actors::clock::Clock;
use infergate_actors::ledger::{Ledger, LedgerOptions};
use serde_json::{Value, json};

use crate::auth;
use crate::operate::fixture::{CREDENTIAL, Gateway, TOKEN, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_limited_suspended_and_reinstated() {
    let gateway = Gateway::start().await;
    let new = json!({ "name": "one", "limits": { "requests_per_minute": 60, "in_flight": 3 } });
    let opened = gateway.post("/admin/v1/accounts", &new, 201).await;
    let account = format!("/admin/v1/accounts/{}", text(&opened["id"]));
    assert_eq!(opened["status"], "active");
    let limits = json!({ "requests_per_minute": 60, "tokens_per_minute": null, "in_flight": 3 });
    assert_eq!(opened["limits"], limits);
    assert_eq!(opened["buckets"]["requests"]["remaining"], 60);
    assert_eq!(opened["buckets"]["tokens"], Value::Null);
    assert_eq!((&opened["balance_usd"], &opened["balance_nano_usd"]), (&json!("0"), &json!(0)));

    let change = json!({ "limits": { "tokens_per_minute": 1000, "in_flight": null } });
    let changed = gateway.ask(Method::PATCH, &account, Some(&change)).await.json();
    let limits = json!({ "requests_per_minute": 60, "tokens_per_minute": 1000, "in_flight": null });
    assert_eq!(changed["limits"], limits, "what is not named stays, null removes");

    let why = json!({ "reason": "unpaid" });
    let suspended = gateway.post(&format!("{account}/suspend"), &why, 200).await;
    assert_eq!(suspended["status"], "suspended");
    let reinstated = gateway.post(&format!("{account}/reinstate"), &why, 200).await;
    assert_eq!(reinstated["status"], "active");
    assert_eq!(gateway.get(&account).await, reinstated);

    let journal = gateway.get(&format!("{account}/journal")).await;
    let events = journal["events"].as_array().unwrap();
    let kinds: Vec<&String> =
        events.iter().flat_map(|line| line["event"].as_object().unwrap().keys()).collect();
    let expected = ["opened", "limits_changed", "limits_changed", "status_set", "status_set"];
    assert_eq!(kinds, expected);
    let set = &events[3]["event"]["status_set"];
    assert_eq!(
        (&set["reason"], &set["class"], &set["by"]),
        (&json!("unpaid"), &json!("other"), &json!("root"))
    );
    assert_eq!(events[4]["digest"], reinstated["digest"]);
    for (before, after) in events.iter().zip(&events[1..]) {
        assert_eq!(before["digest"], after["previous"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_read_page_by_page() {
    let gateway = Gateway::start().await;
    let mut opened = Vec::new();
    for name in ["a", "b", "c"] {
        opened.push(gateway.account(name).await);
    }
    let mut found = Vec::new();
    let mut path = "/admin/v1/accounts?limit=2".to_owned();
    for size in [2, 1] {
        let page = gateway.get(&path).await;
        let lines = page["accounts"].as_array().unwrap();
        assert_eq!(lines.len(), size);
        assert_eq!(lines[0]["status"], "active");
        assert_eq!(lines[0]["available_usd"], "0");
        found.extend(lines.iter().map(|line| text(&line["id"])));
        path = format!("/admin/v1/accounts?limit=2&after={}", found[found.len() - 1]);
        assert_eq!(page["next"].is_null(), size == 1);
    }
    assert_eq!(found, opened);

    let grants = format!("/admin/v1/accounts/{}/grants", opened[0]);
    for reference in ["1", "2"] {
        let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": reference });
        gateway.post(&grants, &grant, 201).await;
    }
    let journal = format!("/admin/v1/accounts/{}/journal", opened[0]);
    let first = gateway.get(&format!("{journal}?limit=2")).await;
    assert_eq!(first["next"], "2");
    let second = gateway.get(&format!("{journal}?limit=2&after=2")).await;
    assert_eq!((second["events"][0]["number"].as_u64(), &second["next"]), (Some(3), &Value::Null));
    let behind = gateway.get(&format!("{journal}?after=3")).await;
    assert_eq!(behind, json!({ "events": [], "next": null }));

    let page = gateway.get("/admin/v1/actors?limit=2").await;
    let kinds: Vec<String> =
        page["actors"].as_array().unwrap().iter().map(|actor| text(&actor["kind"])).collect();
    assert_eq!(
        kinds,
        ["supervisor", "ledger", "operators", "provider", "provider", "account", "account"]
    );
    assert_eq!(page["next"], *opened[1]);
    let rest = gateway.get(&format!("/admin/v1/actors?limit=2&after={}", opened[1])).await;
    assert_eq!(rest["actors"][0]["id"], *opened[2]);
    assert!(rest["actors"][0]["messages_handled"].as_u64() > Some(0));
    assert_eq!((&rest["actors"][0]["status"], &rest["next"]), (&json!("running"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_was_answered_is_on_disk_and_is_made_once() {
    let gateway = Gateway::start().await;
    let id = gateway.account("one").await;
    let grants = format!("/admin/v1/accounts/{id}/grants");
    let first = json!({ "amount_usd": "12.5", "kind": "paid", "reference": "invoice 1" });
    let granted = gateway.post(&grants, &first, 201).await;
    assert_eq!(granted["id"], "grant_1");
    assert_eq!(
        (&granted["amount_usd"], &granted["amount_nano_usd"]),
        (&json!("12.5"), &json!(12_500_000_000_u64))
    );
    assert_eq!(granted["account"]["available_usd"], "12.5");
    let second = json!({
        "amount_nano_usd": 1, "kind": "trial", "reference": "gift", "expires_at_ms": 9_999_999_999_999_u64,
    });
    assert_eq!(gateway.post(&grants, &second, 201).await["id"], "grant_2");
    let again = gateway.post(&grants, &first, 409).await;
    assert!(text(&again["detail"]).contains("`invoice 1` was made already"), "{again}");

    // Nothing was closed or flushed in between: this is what a loss of power leaves.
    let copy = gateway.copy_of_data();
    let (ledger, _) = Ledger::open(LedgerOptions::new(copy.path()), Clock::real()).unwrap();
    let events = ledger.account_journal(id.parse().unwrap(), 0, 10).unwrap();
    assert_eq!(events.len(), 3);
    let account = gateway.get(&format!("/admin/v1/accounts/{id}")).await;
    assert_eq!(account["balance_usd"], "12.500000001");
    assert_eq!(account["digest"], events[2].digest.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_works_until_it_is_revoked_and_its_secret_is_shown_once() {
    let gateway = Gateway::start().await;
    let (one, other) = (gateway.account("one").await, gateway.account("other").await);
    let of = |account: &str, rest: &str| format!("/admin/v1/accounts/{account}/{rest}");
    let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
    gateway.post(&of(&one, "grants"), &grant, 201).await;

    let new = json!({ "name": "made", "models": ["sm*"], "limits": { "in_flight": 5 } });
    let made = gateway.post(&of(&one, "keys"), &new, 201).await;
    let secret = text(&made["secret"]);
    assert_eq!(made["id"], "key_1");
    assert!(secret.starts_with(auth::KEY_PREFIX) && secret.ends_with(&text(&made["hint"])));
    let known = "ig-known-elsewhere-already";
    let import = json!({ "name": "imported", "secret": known });
    assert_eq!(gateway.post(&of(&one, "keys"), &import, 201).await["id"], "key_2");
    for account in [&one, &other] {
        let again = gateway.post(&of(account, "keys"), &import, 409).await;
        assert!(text(&again["detail"]).contains("exists already"));
    }
    for secret in [&secret, known] {
        assert_eq!(gateway.chat(secret).await, 200);
    }

    let revoked = gateway.ask(Method::DELETE, &of(&one, "keys/key_1?reason=leaked"), None).await;
    assert_eq!(revoked.status, 200);
    assert!(revoked.json()["revoked_at_ms"].is_u64());
    let again = gateway.ask(Method::DELETE, &of(&one, "keys/key_1"), None).await;
    assert_eq!(again.json(), revoked.json(), "revoking twice changes nothing");
    assert_eq!((gateway.chat(&secret).await, gateway.chat(known).await), (401, 200));

    assert_nothing_secret(&gateway, &one, &[&secret, known]).await;
}

/// Reads everything there is to read and looks for what must not be there.
async fn assert_nothing_secret(gateway: &Gateway, account: &str, secrets: &[&str]) {
    let account = format!("/admin/v1/accounts/{account}");
    let secrets = [secrets, &[TOKEN, CREDENTIAL]].concat();
    for path in [
        "/metrics",
        "/admin/v1/actors",
        "/admin/v1/accounts",
        "/admin/v1/providers",
        "/admin/v1/providers/real",
        &account,
        &format!("{account}/journal"),
    ] {
        let reply = gateway.ask(Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "{path}");
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        for secret in &secrets {
            let hash = auth::hash(secret).0;
            let [first, second, third, fourth, ..] = hash;
            // More of it than a credential's fingerprint has, which is shown.
            let hexadecimal = format!("{:016x}", u64::from_be_bytes(*hash.first_chunk().unwrap()));
            let numbers = format!("{first},{second},{third},{fourth}");
            for hidden in [*secret, &hexadecimal, &numbers] {
                assert!(!body.contains(hidden), "{path} shows {hidden}");
            }
        }
        assert!(!body.contains("\"hash\""), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_left_out_may_be_null() {
    let gateway = Gateway::start().await;
    let new = json!({ "name": "one", "limits": null });
    let account = gateway.post("/admin/v1/accounts", &new, 201).await;
    let path = format!("/admin/v1/accounts/{}", text(&account["id"]));
    let new = json!({
        "name": "k", "models": null, "expires_at_ms": null, "limits": null, "budgets": null,
        "tags": null, "scopes": null, "allowed_ips": null, "project": null,
        "allowed_referrers": null, "member": null, "secret": null,
    });
    let key = gateway.post(&format!("{path}/keys"), &new, 201).await;
    assert_eq!((&key["models"], &key["scopes"]), (&json!([]), &json!(["inference"])));
    let new = json!({ "name": "p", "models": null, "limits": null, "budgets": null });
    gateway.post(&format!("{path}/projects"), &new, 201).await;
    let batch = json!({
        "name": "b", "count": 1, "kind": "promotional", "amount_usd": "1", "uses": null,
        "expires_at_ms": null, "lasts_ms": null,
    });
    gateway.post("/admin/v1/codes", &batch, 201).await;
    let change = json!({ "limits": null, "budgets": null, "overrides": null });
    assert_eq!(gateway.ask(Method::PATCH, &path, Some(&change)).await.status, 200);
    gateway.post(&format!("{path}/suspend"), &json!({ "class": null, "reason": "r" }), 200).await;
}
