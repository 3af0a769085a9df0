//! The admin API: accounts, credit, keys, providers, the ledger and the tree of actors, over HTTP.
//!
//! | file | |
//! | --- | --- |
//! | `door` | the socket, and the token that every path but three asks for |
//! | `request` | reading what the path names; the rest of reading and writing is in [`crate::api`] |
//! | `accounts`, `credit`, `keys` | one account: its state, journal, grants, keys |
//! | `payments` | what a payment processor tells; refunds |
//! | `codes`, `invites` | redemption codes, and invites for those who sign up |
//! | `members` | the people of an account |
//! | `plans`, `subscriptions` | plans, and what is paid and given for each period |
//! | `cache` | answers that are kept |
//! | `usage` | what was used, and an account's statement of a month |
//! | `providers`, `system` | providers; actors, snapshots, verification, health, metrics |
//! | `explain` | where a request would go, and why |
//! | `view` | all of it as JSON |
//!
//! What changes money or access is answered when it is on disk. Amounts are written twice, as dollars
//! in a text and as a whole number of nano-dollars; secrets and their hashes are never written,
//! but for a new secret of a key in the answer to its creation or rotation.

mod accounts;
mod cache;
mod codes;
mod credit;
mod door;
mod explain;
mod invites;
mod keys;
mod members;
mod payments;
mod plans;
mod providers;
mod request;
mod subscriptions;
mod system;
#[cfg(test)]
mod tests;
mod usage;
pub(crate) mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, patch, post};
use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::supervisor::System;
use tokio::sync::Semaphore;

use crate::exchange::World;
use crate::front::Sentry;

pub use crate::api::Problem;
use crate::api::{unknown_path, wrong_method};
pub use door::serve;

/// What the admin API works on.
pub struct Operator {
    world: Arc<World>,
    system: System,
    token: KeyHash,
    sentry: Sentry,
    /// One verification at a time: each reads the whole ledger.
    verifying: Arc<Semaphore>,
}

impl Operator {
    /// Works on `world` and `system` for whoever has the token of this hash.
    pub fn new(world: Arc<World>, system: System, token: KeyHash) -> Self {
        Self { world, system, token, sentry: Sentry::new(), verifying: Arc::new(Semaphore::new(1)) }
    }

    /// To be called every minute or so.
    pub fn tidy(&self) {
        self.sentry.tidy();
    }

    /// Does `work` while nobody else has the account's turn, to its end even if nobody waits for it any
    /// more.
    async fn in_turn<T: Send + 'static>(
        &self,
        account: AccountId,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        Problem::unless_broken(self.world.turns.take(account, work).await)
    }
}

/// All routes of the admin port.
pub fn router(operator: Arc<Operator>) -> Router {
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    let provider = |rest: &str| format!("/admin/v1/providers/{{provider}}{rest}");
    Router::new()
        .route("/healthz", get(system::healthy))
        .route("/readyz", get(system::ready))
        .route("/metrics", get(system::metrics))
        .route("/admin/v1/actors", get(system::actors))
        .route("/admin/v1/snapshot", post(system::snapshot))
        .route("/admin/v1/explain", post(explain::explained))
        .route("/admin/v1/ledger/verify", post(system::verify))
        .route("/admin/v1/cache", get(cache::show).delete(cache::purge))
        .route("/admin/v1/providers", get(providers::list))
        .route(&provider(""), get(providers::show))
        .route(&provider("/open"), post(providers::open))
        .route(&provider("/close"), post(providers::close))
        .route(&provider("/drain"), post(providers::drain))
        .route(&provider("/credentials/{fingerprint}/enable"), post(providers::enable))
        .route("/admin/v1/accounts", get(accounts::list).post(accounts::create))
        .route(&account(""), get(accounts::show).patch(accounts::change))
        .route("/admin/v1/usage", get(usage::list))
        .route(&account("/journal"), get(accounts::journal))
        .route(&account("/statement"), get(usage::statement))
        .route(&account("/suspend"), post(accounts::suspend))
        .route(&account("/reinstate"), post(accounts::reinstate))
        .route(&account("/restrict"), post(accounts::restrict))
        .route(&account("/close"), post(accounts::close))
        .route(&account("/grants"), post(credit::grant))
        .route(&account("/refunds"), post(payments::refund))
        .route(&account("/redeem"), post(codes::redeem))
        .route("/admin/v1/plans", get(plans::list))
        .route(
            &account("/subscription"),
            get(subscriptions::show).post(subscriptions::start).patch(subscriptions::change),
        )
        .route(&account("/subscription/preview"), get(subscriptions::preview))
        .route("/admin/v1/codes", post(codes::make))
        .route("/admin/v1/invites", get(invites::list).post(invites::make))
        .route("/admin/v1/invites/{batch}", get(invites::show).delete(invites::revoke))
        .route(&account("/members"), get(members::list).post(members::add))
        .route(&account("/members/{member}"), patch(members::change).delete(members::remove))
        .route("/admin/v1/payments/events", post(payments::event))
        .route(&account("/keys"), post(keys::create))
        .route(&account("/keys/{key}"), patch(keys::change).delete(keys::revoke))
        .route(&account("/keys/{key}/rotate"), post(keys::rotate))
        .route(&account("/keys/{key}/compromised"), post(keys::compromised))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&operator), door::check_token))
        .with_state(operator)
}
