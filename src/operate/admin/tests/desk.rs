//! An account with credit behind the admin port, at a clock that is moved by hand.

use std::time::Duration;

use http::Method;
use infergate_actors::account::Account;
use infergate_actors::clock::Clock;
use infergate_actors::ledger::verify_directory;
use serde_json::{Value, json};

use crate::operate::fixture::{Gateway, Setup, text};

/// 2026-11-24T20:00:00Z, a Tuesday.
pub(super) const NOW_MS: u64 = 1_795_550_400_000;
pub(super) const HOUR: Duration = Duration::from_hours(1);

pub(super) struct Desk {
    pub(super) gateway: Gateway,
    pub(super) clock: Clock,
    /// Where it is, such as `/admin/v1/accounts/acct_1`.
    pub(super) account: String,
}

impl Desk {
    pub(super) async fn start(credit_usd: &str) -> Self {
        let clock = Clock::manual(NOW_MS);
        let gateway = Setup { clock: clock.clone(), ..Setup::default() }.start().await;
        let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
        let grant = json!({ "amount_usd": credit_usd, "kind": "paid", "reference": "r" });
        gateway.post(&format!("{account}/grants"), &grant, 201).await;
        Self { gateway, clock, account }
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.account)
    }

    /// A new key with its secret.
    pub(super) async fn key(&self, new: &Value) -> Value {
        self.gateway.post(&self.path("keys"), new, 201).await
    }

    /// The secret of a new key.
    pub(super) async fn secret(&self, new: &Value) -> String {
        text(&self.key(new).await["secret"])
    }

    pub(super) async fn patch(&self, path: &str, change: &Value) -> Value {
        let reply = self.gateway.ask(Method::PATCH, path, Some(change)).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.json()
    }

    /// What is on disk agrees with itself.
    pub(super) fn check_ledger(&self) {
        let copy = self.gateway.copy_of_data();
        let report = verify_directory::<Account>(copy.path()).unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
    }
}
