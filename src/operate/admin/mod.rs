//! The admin API: accounts, credit, keys, providers, the ledger and the tree of actors, over HTTP.
//!
//! | file | |
//! | --- | --- |
//! | `door` | the socket, and the token that every path but three asks for |
//! | `who`, `rules` | whose token it is, and what each route needs and is about |
//! | `acts` | what is allowed is written down before and after, and done once |
//! | `settings` | what a path or body names, and how it is: for its version, before and after |
//! | `tokens`, `audit` | operators' tokens, and the log of what operators did |
//! | `request` | reading what the path names; the rest of reading and writing is in [`crate::api`] |
//! | `accounts`, `credit`, `keys` | one account: its state, journal, grants, keys |
//! | `projects`, `members` | projects within an account, and its people |
//! | `plans`, `subscriptions` | plans, and what is paid and given for each period |
//! | `payments` | what a payment processor tells; refunds; what came of them |
//! | `watch`, `hooks` | what an account is watched for; its own webhooks |
//! | `webhooks` | all webhooks, and the events they are told of |
//! | `codes`, `invites` | redemption codes, and invites for those who sign up |
//! | `batches` | what is done with both |
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
mod batches;
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
mod request;
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

use std::sync::{Arc, LazyLock};

use axum::Router;
use bytes::Bytes;
use infergate_actors::account::{Operators, carried};
use infergate_actors::id::KeyHash;
use infergate_actors::ledger::LedgerError;
use infergate_actors::supervisor::System;
use tokio::sync::Semaphore;

use crate::exchange::World;
use crate::front::Sentry;
use crate::notify::Notifier;
use crate::openapi::{Common, Document, Routes, Served};
use crate::turns::Turns;
use rules::{Rule, Subject, Verb};

use crate::api::{once, unknown_path, version};

pub(crate) use crate::api::Details;
pub use crate::api::Problem;
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

/// All that the admin port serves. Each but what is open has its rule, too.
fn routes() -> Routes<Arc<Operator>> {
    system::routes()
        .merge(explain::routes())
        .merge(cache::routes())
        .merge(providers::routes())
        .merge(accounts::routes())
        .merge(credit::routes())
        .merge(payments::routes())
        .merge(codes::routes())
        .merge(keys::routes())
        .merge(usage::routes())
        .merge(projects::routes())
        .merge(members::routes())
        .merge(plans::routes())
        .merge(subscriptions::routes())
        .merge(invites::routes())
        .merge(watch::routes())
        .merge(hooks::routes())
        .merge(webhooks::routes())
        .merge(tokens::routes())
        .merge(audit::routes())
}

/// The document of it. It is made when somebody first asks for it.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

pub(crate) fn document() -> serde_json::Value {
    let document = Document {
        title: "InferGate: the admin API",
        description: "For operators. What changes money or access is answered when it is on disk. \
                      Amounts are written twice, as dollars in a text and as a whole number of \
                      nano-dollars. Lists have pages: what is `next` on one is `after` of the next.",
        bearer: "The admin token, or an operator's own.",
        tags: TAGS,
        refusals: &[401, 403, 429],
        faults: &[500, 503],
        common: of_rule,
    };
    document.of(routes().served())
}

/// What follows from a route's rule.
fn of_rule(served: &Served) -> Common {
    let mut common = Common::default();
    let rule = Verb::named(served.method).and_then(|verb| Rule::at(verb, &served.path));
    let Some(rule) = rule else { return common };
    common.answer("x-request-id", "string", "What the request is known by in the audit log.");
    let is_change = rule.method != Verb::Get;
    if rule.subject != Subject::Nothing {
        version::describe(&mut common, is_change);
    }
    if !is_change {
        return common;
    }
    once::declare(&mut common, &[408, 409, 413]);
    common
}

const TAGS: &[(&str, &str)] = &[
    ("Accounts", "Opened, looked at, limited, and their status set."),
    ("Audit", "What operators did."),
    ("Codes", "Redemption codes, made in bulk, redeemed once by an account, listed, revoked."),
    ("Credit", "Grants, once per reference."),
    ("Invites", "For those who sign up: made in bulk, listed, revoked."),
    ("Keys", "Created and rotated with a secret that is shown once, changed, revoked."),
    ("Members", "The people of an account, and their roles."),
    ("Payments", "What payment processors tell, refunds, and what came of both."),
    ("Plans", "Plans, and what is paid and given for each period."),
    ("Projects", "Groups of an account's keys with limits and budgets of their own."),
    ("Providers", "Looked at, opened, closed, drained, their credentials enabled."),
    ("System", "Health, metrics, the tree of actors, the ledger, the cache, routes explained."),
    (
        "Tokens",
        "Operators' own, by role: made and rotated with a secret that is shown once, revoked.",
    ),
    ("Usage", "What was used: records, sums, exports, statements."),
    ("Webhooks", "Who is told of what, and what an account is watched for."),
];
