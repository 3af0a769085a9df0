//! The admin API: accounts, credit, keys, providers, the ledger and the tree of actors, over HTTP.
//!
//! | file | |
//! | --- | --- |
//! | `door` | the socket, and the token that every path but three asks for |
//! | `request`, `strict`, `problem` | reading what is asked, and saying what is wrong with it |
//! | `accounts`, `credit`, `keys` | one account: its state, journal, grants, keys |
//! | `change` | changes of limits and budgets |
//! | `payments` | what a payment processor tells; refunds |
//! | `codes` | redemption codes |
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
mod change;
mod codes;
mod credit;
mod door;
mod explain;
mod keys;
mod payments;
mod problem;
mod providers;
mod request;
mod strict;
mod system;
#[cfg(test)]
mod tests;
mod usage;
pub(crate) mod view;

use std::sync::{Arc, LazyLock};

use axum::Router;
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use infergate_actors::id::KeyHash;
use infergate_actors::supervisor::System;
use tokio::sync::{Mutex, Semaphore};

use crate::exchange::World;
use crate::front::Sentry;
use crate::openapi::{Document, Routes};

pub use door::serve;
pub(crate) use problem::Details;
pub use problem::Problem;

/// What the admin API works on.
pub struct Operator {
    world: Arc<World>,
    system: System,
    token: KeyHash,
    sentry: Sentry,
    /// Held while something is looked at and then changed in accordance, so that nothing comes between.
    turn: Arc<Mutex<()>>,
    /// One verification at a time: each reads the whole ledger.
    verifying: Arc<Semaphore>,
}

impl Operator {
    /// Works on `world` and `system` for whoever has the token of this hash.
    pub fn new(world: Arc<World>, system: System, token: KeyHash) -> Self {
        Self {
            world,
            system,
            token,
            sentry: Sentry::new(),
            turn: Arc::new(Mutex::new(())),
            verifying: Arc::new(Semaphore::new(1)),
        }
    }

    /// To be called every minute or so.
    pub fn tidy(&self) {
        self.sentry.tidy();
    }

    /// Does `work` while nobody else has the turn, to its end even if nobody waits for it any more.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let working = tokio::spawn(async move {
            let _turn = turn;
            work.await
        });
        let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway broke down");
        working.await.map_err(broken)?
    }
}

/// What the admin port serves.
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
}

/// What serves it.
pub fn router(operator: Arc<Operator>) -> Router {
    routes()
        .into_router()
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&operator), door::check_token))
        .with_state(operator)
}

/// The document of it. It is made when somebody first asks for it.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

pub(crate) fn document() -> serde_json::Value {
    let document = Document {
        title: "InferGate: the admin API",
        description: "For operators. What changes money or access is answered when it is on disk. \
                      Amounts are written twice, as dollars in a text and as a whole number of \
                      nano-dollars. Lists have pages: what is `next` on one is `after` of the next.",
        bearer: "The admin token.",
        tags: TAGS,
        refusals: &[401, 429],
        faults: &[500, 503],
    };
    document.of(routes().served())
}

const TAGS: &[(&str, &str)] = &[
    ("Accounts", "Opened, looked at, limited, and their status set."),
    ("Codes", "Redemption codes, made in bulk and redeemed once by an account."),
    ("Credit", "Grants, once per reference."),
    ("Keys", "Created and rotated with a secret that is shown once, changed, revoked."),
    ("Payments", "What payment processors tell, and refunds."),
    ("Providers", "Looked at, opened, closed, drained, their credentials enabled."),
    ("System", "Health, metrics, the tree of actors, the ledger, the cache, routes explained."),
    ("Usage", "What was used: records, sums, exports, statements."),
];

async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}; see the header `allow`", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
