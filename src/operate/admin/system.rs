//! The whole: the tree of actors, snapshots, verification, health, metrics.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use infergate_actors::account;
use infergate_actors::id::AccountId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::request::{Asked, id};
use super::view::Actor;
use super::{Operator, Problem};
use crate::api::page_limit;
use crate::openapi::{Routes, doc, get, pattern, post};
use crate::operate::metrics::{CredentialReading, DeploymentReading, Readings};
use crate::operate::report::{self, Verified};

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const ACTORS_MAX: usize = 10_000;
const ACTORS_DEFAULT: usize = 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActorsPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    after: Option<String>,
    #[schemars(range(min = 1, max = ACTORS_MAX))]
    limit: Option<usize>,
}

/// That all is well.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

/// A page of actors.
#[derive(Serialize, JsonSchema)]
struct Actors {
    actors: Vec<Actor>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// How many snapshots were taken.
#[derive(Serialize, JsonSchema)]
struct Snapshots {
    accounts: usize,
    providers: usize,
}

const TAG: &str = "System";

/// What is served of the whole.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let alive = doc("getHealth", "Tells that the process runs.").answers::<Health>(200).open();
    let is_ready = doc("getReadiness", "Tells whether requests are taken.").open();
    let is_ready = is_ready.answers::<Health>(200);
    let measured = doc("getMetrics", "Gives all metrics as Prometheus reads them.").open();
    let measured = measured.sends(200, METRICS_TYPE);
    let described = doc("getOpenapi", "Gives this document.").open();
    let described = described.answers_as(200, "application/json", any_object);
    let listed = doc("listActors", "Lists the tree of actors, page by page.");
    let listed = listed.answers::<Actors>(200);
    let taken = doc("takeSnapshots", "Takes a snapshot of every living actor.");
    let taken = taken.answers::<Snapshots>(200);
    let verified = doc("verifyLedger", "Derives every charge again from the ledger.");
    let verified = verified.answers::<Verified<'_>>(200).refuses(&[409]);
    Routes::new()
        .route(TAG, "/healthz", get(healthy, alive))
        .route(TAG, "/readyz", get(ready, is_ready))
        .route(TAG, "/metrics", get(metrics, measured))
        .route(TAG, "/openapi.json", get(document, described))
        .route(TAG, "/admin/v1/actors", get(actors, listed))
        .route(TAG, "/admin/v1/snapshot", post(snapshot, taken))
        .route(TAG, "/admin/v1/ledger/verify", post(verify, verified))
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

pub(super) async fn healthy() -> impl IntoResponse {
    Answer(Health { status: "ok" })
}

pub(super) async fn ready(
    State(operator): State<Arc<Operator>>,
) -> Result<impl IntoResponse, Problem> {
    let world = &operator.world;
    if world.is_stopping() {
        return Err(Problem::unavailable("the gateway is stopping"));
    }
    if world.ledger.is_poisoned() {
        return Err(Problem::unavailable("the ledger takes no more writes: restart the gateway"));
    }
    Ok(Answer(Health { status: "ok" }))
}

pub(super) async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, METRICS_TYPE)];
    let disk = operator.world.accounts.read(|ledger| Ok(ledger.disk_bytes().1)).await;
    let readings = operator.readings(disk.unwrap_or(0));
    (kind, operator.metrics(readings))
}

/// The document of all that the admin port serves.
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], super::DOCUMENT.clone())
}

/// The root, the ledger and the providers, then the living accounts, page by page.
pub(super) async fn actors(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<ActorsPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, ACTORS_DEFAULT, ACTORS_MAX)?;
    let mut lines = Vec::new();
    let mut accounts = operator.system.accounts.lines();
    let operators = AccountId::OPERATORS.to_string();
    let operators = accounts.iter().position(|line| line.id == operators);
    let operators = operators.map(|place| accounts.swap_remove(place));
    if let Some(after) = &page.after {
        id::<AccountId>(after)?;
    } else {
        lines.push(operator.root());
        lines.push(operator.ledger());
        lines.extend(operators.map(Actor::operators));
        lines.extend(operator.system.providers.lines().into_iter().map(Actor::provider));
    }
    accounts.retain(|line| page.after.as_ref().is_none_or(|after| line.id > *after));
    // Ids have one length, so that they sort as the numbers in them do.
    accounts.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    let next = accounts.last().filter(|_| more).map(|last| last.id.clone());
    lines.extend(accounts.into_iter().map(Actor::account));
    Ok(Answer(Actors { actors: lines, next }))
}

pub(super) async fn snapshot(
    State(operator): State<Arc<Operator>>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.snapshot_all().await?;
    let providers = operator.system.providers.save_all().await;
    tracing::info!(accounts, providers, "snapshots taken");
    Ok(Answer(Snapshots { accounts, providers }))
}

/// Derives every charge again. Takes as long as reading the whole ledger does.
pub(super) async fn verify(
    State(operator): State<Arc<Operator>>,
) -> Result<impl IntoResponse, Problem> {
    let Ok(place) = Arc::clone(&operator.verifying).try_acquire_owned() else {
        return Err(Problem::conflict("a verification is under way: wait for it to end"));
    };
    let ledger = operator.world.ledger.clone();
    // The place goes with the work, which goes on if nobody waits for it any more.
    let verifying = tokio::task::spawn_blocking(move || {
        let report = ledger.verify::<account::Account>();
        drop(place);
        report
    });
    let broken = |_| {
        let detail = "the verification broke down; the log says where";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    };
    let found = verifying.await.map_err(broken)??;
    if found.is_clean() {
        tracing::info!(events = found.events, "ledger verified");
    } else {
        tracing::error!(differences = found.differences_count, "ledger does not agree with itself");
    }
    Ok(Answer(report::verified(&found)).into_response())
}

impl Operator {
    fn root(&self) -> Actor {
        Actor {
            kind: "supervisor",
            id: "root".to_owned(),
            status: self.system.root_status(),
            messages_handled: None,
            queue_length: None,
            restarts: 0,
            age_ms: millis(self.world.clock.mono()),
        }
    }

    fn ledger(&self) -> Actor {
        let stats = self.world.ledger.stats();
        let poisoned = self.world.ledger.is_poisoned();
        Actor {
            kind: "ledger",
            id: "ledger".to_owned(),
            status: if poisoned { "poisoned" } else { "running" }.to_owned(),
            messages_handled: Some(stats.commits),
            queue_length: u64::try_from(stats.backlog).ok(),
            restarts: 0,
            age_ms: millis(self.world.clock.mono()),
        }
    }

    fn readings(&self, ledger_disk_bytes: u64) -> Readings {
        let stats = self.world.ledger.stats();
        let cache = self.world.cache.stats();
        let (accounts, providers) = (&self.system.accounts, &self.system.providers);
        Readings {
            in_flight: self.world.gate.inside(),
            accounts: accounts.living(),
            restarts: accounts.restarts().saturating_add(providers.restarts()),
            ledger_events: stats.sequence,
            ledger_backlog: stats.backlog,
            ledger_holds: stats.holds_open,
            ledger_disk_bytes,
            cache_entries: cache.entries,
            cache_bytes: cache.bytes,
            notify: self.notifier.readings(),
        }
    }

    fn metrics(&self, readings: Readings) -> String {
        let now = self.world.clock.mono();
        let (mut deployments, mut credentials) = (Vec::new(), Vec::new());
        for provider in self.system.providers.all() {
            let (name, health) = (provider.name(), provider.health());
            deployments.extend(DeploymentReading::all(name, &health, now));
            credentials.push(CredentialReading::of(name, &health, now));
        }
        self.world.metrics.render(readings, &deployments, &credentials)
    }
}

pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
