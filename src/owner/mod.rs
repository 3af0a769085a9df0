//! The API of account owners, `/api/v1` on the clients' port: an account's own money, usage, keys and
//! people, and signing up for one.
//!
//! | file | |
//! | --- | --- |
//! | `principal` | who asks, for which account, and what they may |
//! | `bounds` | that a key gives no other more than it has itself |
//! | `account` | the account, its budgets, usage, models, codes |
//! | `keys`, `members` | its keys and its people |
//! | `projects` | its projects |
//! | `watch`, `webhooks` | what it is watched for and what happened to it, and where that is told |
//! | `intake` | bodies that are being read |
//! | `turn` | one change at a time, by whoever may make it then |
//! | `need` | what a change takes of whoever asks for it |
//! | `pace` | how much each account changes in a minute |
//! | `version` | versions of all that, and changes that are meant for one |
//! | `once` | what is asked under an idempotency key is done once |
//! | `sign_up`, `tries` | an account of one's own, and how often that may be tried |
//!
//! Every answer is about the account of whoever asks: a path names what is that account's and
//! no other's, so what is another's is not found.

mod account;
mod bounds;
mod intake;
mod keys;
mod members;
mod need;
mod once;
mod pace;
mod principal;
mod projects;
mod sign_up;
#[cfg(test)]
mod tests;
mod tries;
mod turn;
mod version;
mod watch;
mod webhooks;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::from_fn_with_state;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower_service::Service as _;

use crate::api::{Problem, onto_socket, unknown_path, wrong_method};
use crate::config::{OWNER_CHANGES_PER_MINUTE, SignUp};
use crate::exchange::World;
use crate::front::{AnswerBody, Sentry};
use crate::notify::Notifier;
use crate::openapi::{Common, Routes, Served};
use intake::Intake;
use pace::Pace;
use sign_up::Desk;

/// Who asks from where.
#[derive(Clone, Copy)]
struct Client(IpAddr);

/// The address of whoever asks.
fn client(parts: &Parts) -> Result<IpAddr, Problem> {
    let client = parts.extensions.get::<Client>();
    let unknown = || Problem::unavailable("the client's address is not known");
    client.map(|Client(address)| *address).ok_or_else(unknown)
}

/// What the API works on.
struct Owners {
    world: Arc<World>,
    sentry: Arc<Sentry>,
    notifier: Notifier,
    desk: ArcSwap<Desk>,
    pace: Pace,
    intake: Intake,
    in_flight: Semaphore,
}

/// Requests in the works at one time, those whose body is still to come left out. Nobody waits for a
/// provider here, so more would only wait for the disk, each with its body in memory.
const IN_FLIGHT_MAX: usize = 256;

impl Owners {
    /// Leave to work on a request, until it is dropped. Not to be kept while a client is waited for.
    fn at_work(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_flight.try_acquire().map_err(|_| {
            let problem = Problem::unavailable("too many requests are in the works");
            Problem { retry_after: Some(Duration::from_secs(1)), ..problem }
        })
    }
}

/// The API as the clients' port has it.
pub(crate) struct Office {
    router: Router,
    owners: Arc<Owners>,
}

impl Office {
    /// Works on `world`. Nobody may sign up until that is said.
    pub(crate) fn new(world: Arc<World>, sentry: Arc<Sentry>, notifier: Notifier) -> Self {
        let owners = Arc::new(Owners {
            world,
            sentry,
            notifier,
            desk: ArcSwap::from_pointee(Desk::new(SignUp::default())),
            pace: Pace::new(OWNER_CHANGES_PER_MINUTE),
            intake: Intake::default(),
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
        });
        Self { router: router(Arc::clone(&owners)), owners }
    }

    /// From here on, this holds of those who sign up. What was tried counts on, unless how often it may
    /// be is another.
    pub(crate) fn set_sign_up(&self, policy: SignUp) {
        let desk = self.owners.desk.load().with(policy);
        self.owners.desk.store(Arc::new(desk));
    }

    /// From here on, each account may change so much in a minute; zero: as much as it likes.
    pub(crate) fn set_changes(&self, per_minute: u32) {
        self.owners.pace.set(per_minute);
    }

    /// To be called every few seconds.
    pub(crate) fn tidy(&self) {
        self.owners.desk.load().tidy();
        self.owners.pace.tidy(self.owners.world.clock.mono());
    }

    /// Answers a request under `/api/v1/`.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: SocketAddr,
    ) -> Response<AnswerBody> {
        request.extensions_mut().insert(Client(client.ip()));
        // A router never fails and is always ready.
        let Ok(response) = self.router.clone().call(request).await;
        if response.status().is_client_error() || response.status().is_server_error() {
            self.owners.world.metrics.refused(response.status().as_u16());
        }
        onto_socket(response).await
    }
}

/// What is served under `/api/v1/`.
fn routes() -> Routes<Arc<Owners>> {
    account::routes()
        .merge(keys::routes())
        .merge(members::routes())
        .merge(projects::routes())
        .merge(watch::routes())
        .merge(webhooks::routes())
        .merge(sign_up::routes())
}

/// The same for a document.
pub(crate) fn served() -> Vec<Served> {
    routes().into_served()
}

/// What its operations have in common.
pub(crate) fn in_common(served: &Served) -> Common {
    let mut common = Common::default();
    common.answer("x-request-id", "string", "What the request is known by.");
    common.refuses(&[500]);
    once::declare(served, &mut common);
    version::describe(served, &mut common);
    common
}

fn router(owners: Arc<Owners>) -> Router {
    routes()
        .into_router()
        .route_layer(from_fn_with_state(Arc::clone(&owners), turn::in_turn))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(owners)
}
