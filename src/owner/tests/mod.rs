//! The API of account owners, over real sockets and a real store.

mod keys;
mod members;
mod money;
mod once;
mod pace;
mod powers;
mod projects;
mod scopes;
mod sign_up;
mod turn;
mod versions;
mod watch;

use http::Method;
use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Reply, Setup, text};

/// Every scope there is.
const SCOPES: [&str; 4] = ["inference", "usage_read", "key_management", "account_management"];

/// A gateway whose accounts may have webhooks.
pub(super) fn with_webhooks() -> Setup {
    let mut setup = Setup::default();
    setup
        .config
        .push_str("[notices]\naccount_secret = \"of the tests, and long enough for that\"\n");
    setup
}

/// A gateway with an account that has credit.
pub(super) struct House {
    pub(super) gateway: Gateway,
    /// The account's id.
    pub(super) id: String,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(super) async fn with(setup: Setup) -> Self {
        let gateway = setup.start().await;
        let id = gateway.account("one").await;
        let grant = json!({ "amount_usd": "1", "kind": "paid", "reference": "r" });
        gateway.post(&format!("/admin/v1/accounts/{id}/grants"), &grant, 201).await;
        Self { gateway, id }
    }

    /// A key that the operator makes; its id and secret.
    pub(super) async fn key(&self, scopes: &[&str], rest: Value) -> (String, String) {
        self.key_of(&self.id, scopes, rest).await
    }

    pub(super) async fn key_of(
        &self,
        account: &str,
        scopes: &[&str],
        rest: Value,
    ) -> (String, String) {
        let mut new = json!({ "name": "k", "scopes": scopes });
        new.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let path = format!("/admin/v1/accounts/{account}/keys");
        let key = self.gateway.post(&path, &new, 201).await;
        (text(&key["id"]), text(&key["secret"]))
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<Value>,
    ) -> Reply {
        self.gateway.ask_data(method, path, key, body.as_ref()).await
    }

    pub(super) async fn get(&self, path: &str, key: &str) -> Reply {
        self.ask(Method::GET, path, key, None).await
    }

    pub(super) async fn post(&self, path: &str, key: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, key, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, key: &str, body: Value) -> Reply {
        self.ask(Method::PATCH, path, key, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str, key: &str) -> Reply {
        self.ask(Method::DELETE, path, key, None).await
    }

    /// The account as the operator sees it.
    pub(super) async fn account(&self) -> Value {
        self.gateway.get(&format!("/admin/v1/accounts/{}", self.id)).await
    }
}

/// What went wrong, as it is told.
#[track_caller]
pub(super) fn problem(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_ne!(reply.header("x-request-id"), "");
    let told = reply.json();
    assert_eq!((&told["type"], &told["status"]), (&json!("about:blank"), &json!(status)));
    text(&told["detail"])
}
