//! The admin API: accounts, credit, keys, providers, the ledger and the tree of actors, over HTTP.
//!
//! | file | |
//! | --- | --- |
//! | `door` | the socket, and the token that every path but three asks for |
//! | `who`, `rules` | whose token it is, and what each route needs and is about |
//! | `acts` | what is allowed is written down before and after, and done once |
//! | `settings` | versions of what can be changed |
//! | `redact` | what is written down of a request and its answer |
//! | `tokens`, `audit` | operators' tokens, and the log of what operators did |
//! | `request` | reading what the path names; the rest of reading and writing is in [`crate::api`] |
//! | `accounts`, `credit`, `keys` | one account: its state, journal, grants, keys |
//! | `projects`, `members` | projects within an account, and its people |
//! | `plans`, `subscriptions` | plans, and what is paid and given for each period |
//! | `payments` | what a payment processor tells; refunds |
//! | `watch`, `hooks` | what an account is watched for; its own webhooks |
//! | `webhooks` | all webhooks, and the events they are told of |
//! | `codes`, `invites` | redemption codes, and invites for those who sign up |
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
mod acts;
mod audit;
mod cache;
mod codes;
mod credit;
mod door;
mod explain;
mod hooks;
mod invites;
mod keys;
mod members;
mod payments;
mod plans;
mod projects;
mod providers;
mod redact;
mod request;
mod routes;
mod rules;
mod settings;
mod subscriptions;
mod system;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
pub(crate) mod view;
mod watch;
mod webhooks;
mod who;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, patch, post};
use infergate_actors::account::{Operators, carried};
use infergate_actors::id::KeyHash;
use infergate_actors::ledger::LedgerError;
use infergate_actors::supervisor::System;
use tokio::sync::Semaphore;

use crate::exchange::World;
use crate::front::Sentry;
use crate::notify::Notifier;
use crate::turns::Turns;
use routes::Routes;

pub use crate::api::Problem;
use crate::api::unknown_path;
pub use door::serve;

/// What the admin API works on.
pub struct Operator {
    world: Arc<World>,
    system: System,
    operators: Operators,
    notifier: Notifier,
    token: KeyHash,
    sentry: Sentry,
    /// Whose turn it is among secrets that are brought: one is one account's, whoever comes last.
    secrets: Turns,
    /// One verification at a time: each reads the whole ledger.
    verifying: Arc<Semaphore>,
}

impl Operator {
    /// Works on `world` and `system` for whoever has the token of this hash.
    pub fn new(world: Arc<World>, system: System, notifier: Notifier, token: KeyHash) -> Self {
        Self {
            world,
            operators: system.accounts.operators(),
            secrets: Turns::default(),
            system,
            notifier,
            token,
            sentry: Sentry::new(),
            verifying: Arc::new(Semaphore::new(1)),
        }
    }

    /// Ends what a crash left under way. To be called once, before anything is served.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn recover(&self) -> Result<(), LedgerError> {
        let ended = self.operators.recover().await?;
        if ended > 0 {
            tracing::warn!(
                actions = ended,
                "ended what operators had under way: see the audit log"
            );
        }
        Ok(())
    }

    /// To be called every minute or so.
    pub fn tidy(&self) {
        self.sentry.tidy();
    }

    /// Does `work` that looks at an account and changes it in accordance, to its end even if nobody waits
    /// for it any more. Nothing comes between: whatever changes something has the account's turn already
    /// when it comes here, see [`acts`].
    fn whole<T: Send + 'static>(
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Problem>> + Send {
        // On the heap, or each caller would be as large as its work.
        let work = Box::pin(carried(work));
        async move { Problem::unless_broken(tokio::spawn(work).await) }
    }
}

/// The admin port's answers.
pub fn router(operator: Arc<Operator>) -> Router {
    routes()
        .into_router()
        .fallback(unknown_path)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&operator), door::let_in))
        .with_state(operator)
}

/// All routes of the admin port. Each but the first three has its rule, too.
fn routes() -> Routes {
    let account = |rest: &str| format!("/admin/v1/accounts/{{account}}{rest}");
    let project = |rest: &str| account(&format!("/projects/{{project}}{rest}"));
    let provider = |rest: &str| format!("/admin/v1/providers/{{provider}}{rest}");
    Routes::new()
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
        .route(&account("/watch"), get(watch::show).patch(watch::change))
        .route(&account("/top-ups/{top_up}/fail"), post(watch::fail))
        .route(&account("/webhooks"), get(hooks::list).post(hooks::create))
        .route(&account("/webhooks/{webhook}"), patch(hooks::change).delete(hooks::remove))
        .route(&account("/webhooks/{webhook}/rotate-secret"), post(hooks::rotate))
        .route("/admin/v1/webhooks", get(webhooks::list))
        .route("/admin/v1/webhooks/{webhook}", get(webhooks::show))
        .route("/admin/v1/webhooks/{webhook}/replay", post(webhooks::replay))
        .route("/admin/v1/webhooks/{webhook}/test", post(webhooks::test))
        .route("/admin/v1/events", get(webhooks::events))
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
        .route(&account("/keys"), get(keys::list).post(keys::create))
        .route(&account("/keys/{key}"), get(keys::show).patch(keys::change).delete(keys::revoke))
        .route(&account("/keys/{key}/rotate"), post(keys::rotate))
        .route(&account("/keys/{key}/compromised"), post(keys::compromised))
        .route(&account("/keys/{key}/release"), post(keys::release))
        .route(&account("/projects"), get(projects::list).post(projects::create))
        .route(&project(""), get(projects::show).patch(projects::change))
        .route(&project("/archive"), post(projects::archive))
        .route(&project("/restore"), post(projects::restore))
        .route("/admin/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/admin/v1/tokens/self", get(tokens::own))
        .route("/admin/v1/tokens/{token}", get(tokens::show).delete(tokens::revoke))
        .route("/admin/v1/tokens/{token}/rotate", post(tokens::rotate))
        .route("/admin/v1/audit", get(audit::list))
}
