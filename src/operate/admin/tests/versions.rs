//! Versions of what can be changed: two operators do not undo each other's work unseen.

use http::Method;
use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Reply, TOKEN, text};

async fn change(gateway: &Gateway, to: (Method, &str), etag: &str, body: &Value) -> Reply {
    gateway.ask_as(TOKEN, to, &[("if-match", etag)], Some(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_an_older_version_is_refused_with_the_present_one() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let at = format!("/admin/v1/accounts/{account}");
    let etag = async || gateway.ask(Method::GET, &at, None).await.header("etag").to_owned();
    let first = etag().await;
    assert!(first.starts_with('"') && first.len() == 34, "{first}");
    let limits = |in_flight: u32| json!({ "limits": { "in_flight": in_flight } });
    let patch = || (Method::PATCH, at.as_str());
    let changed = change(&gateway, patch(), &first, &limits(1)).await;
    assert_eq!(changed.status, 200);
    let second = changed.header("etag").to_owned();
    assert_ne!(second, first);
    assert_eq!(etag().await, second);

    let late = change(&gateway, patch(), &first, &limits(2)).await;
    assert_eq!((late.status, late.header("etag")), (412, second.as_str()));
    assert!(text(&late.json()["detail"]).contains(&second));
    let why = json!({ "reason": "late" });
    let suspend = format!("{at}/suspend");
    assert_eq!(change(&gateway, (Method::POST, &suspend), &first, &why).await.status, 412);
    for weak in [format!("W/{second}"), "x".to_owned(), String::new()] {
        assert_eq!(change(&gateway, patch(), &weak, &limits(2)).await.status, 412, "{weak}");
    }
    assert_eq!(gateway.get(&at).await["limits"]["in_flight"], 1);
    let one_of = format!("{first}, {second}");
    assert_eq!(change(&gateway, patch(), &one_of, &limits(3)).await.status, 200);
    assert_eq!(change(&gateway, patch(), "*", &limits(4)).await.status, 200);
    // Without, it works as ever.
    assert_eq!(gateway.ask(Method::PATCH, &at, Some(&limits(5))).await.status, 200);
    let nowhere = "/admin/v1/accounts/acct_00000000000000ff";
    assert_eq!(change(&gateway, (Method::PATCH, nowhere), "*", &limits(1)).await.status, 412);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_credit_leave_a_version_as_it_is_and_keys_have_their_own() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let at = format!("/admin/v1/accounts/{account}");
    let limits = json!({ "limits": { "tokens_per_minute": 9_000 }, "budgets": { "day_usd": "5" } });
    gateway.ask(Method::PATCH, &at, Some(&limits)).await;
    let etag = async |path: &str| {
        let reply = gateway.ask(Method::GET, path, None).await;
        assert_eq!(reply.status, 200);
        reply.header("etag").to_owned()
    };
    let keys = format!("{at}/keys");
    let new = json!({ "name": "k", "budgets": { "day_usd": "4" }, "limits": { "in_flight": 9 } });
    let secret = text(&gateway.post(&keys, &new, 201).await["secret"]);
    let key = format!("{keys}/key_1");
    let before = (etag(&at).await, etag(&key).await);
    let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
    gateway.post(&format!("{at}/grants"), &grant, 201).await;
    assert_eq!(gateway.chat(&secret).await, 200);
    assert_eq!((etag(&at).await, etag(&key).await), before);

    let name = json!({ "name": "l" });
    let changed = change(&gateway, (Method::PATCH, &key), &before.1, &name).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.header("etag"), etag(&key).await);
    assert_eq!(etag(&at).await, before.0);
    assert_eq!(change(&gateway, (Method::DELETE, &key), &before.1, &json!({})).await.status, 412);
    let present = changed.header("etag");
    assert_eq!(change(&gateway, (Method::DELETE, &key), present, &json!({})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_change_one_version_at_the_same_moment_one_does() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let at = format!("/admin/v1/accounts/{account}");
    let etag = gateway.ask(Method::GET, &at, None).await.header("etag").to_owned();
    let changes = (1..=20_u32).map(|in_flight| {
        let (gateway, at, etag) = (&gateway, &at, &etag);
        async move {
            let body = json!({ "limits": { "in_flight": in_flight } });
            change(gateway, (Method::PATCH, at), etag, &body).await.status
        }
    });
    let statuses = futures_util::future::join_all(changes).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 19, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_listed_page_by_page() {
    let gateway = Gateway::start().await;
    let account = gateway.account("one").await;
    let keys = format!("/admin/v1/accounts/{account}/keys");
    for name in ["a", "b", "c"] {
        gateway.post(&keys, &json!({ "name": name }), 201).await;
    }
    let page = gateway.get(&format!("{keys}?limit=2")).await;
    assert_eq!((&page["keys"][1]["name"], &page["next"]), (&json!("b"), &json!("key_2")));
    let rest = gateway.get(&format!("{keys}?limit=2&after=key_2")).await;
    assert_eq!((&rest["keys"][0]["name"], &rest["next"]), (&json!("c"), &Value::Null));
    assert_eq!(gateway.get(&format!("{keys}/key_3")).await["name"], "c");
    assert_eq!(gateway.ask(Method::GET, &format!("{keys}/key_9"), None).await.status, 404);
}
