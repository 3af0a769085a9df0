//! Every metric: name, labels, help text. Handles are registered once and kept; labels have few
//! values, and never an account, a key or anything a client made up.

mod names;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infergate_actors::account::{AttemptOutcome, Denial, End, Refusal, Settle};
use infergate_actors::provider::{DeploymentState, HealthView};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::catalog::Target;
use crate::exchange;
use crate::notify::NotifyReadings;
use names::{
    ACCOUNTS, ATTEMPT_FAILURES, CACHE_BYTES, CACHE_ENTRIES, CACHE_HITS, CACHE_JOINS, CACHE_MISSES,
    CREDENTIALS, DEPLOYMENT_IN_FLIGHT, DEPLOYMENT_PASSING, ESTIMATED, EXCHANGES, FIRST_CONTENT,
    HEDGES, IN_FLIGHT, LEDGER_BACKLOG, LEDGER_DISK, LEDGER_EVENTS, LEDGER_HOLDS, REFUSED, RESCUES,
    RESTARTS, SIGN_UPS, TOKENS, TOTAL, WEBHOOK_MESSAGES, WEBHOOKS, WEBHOOKS_FAILING, describe,
};

/// From a millisecond to ten minutes.
const SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0];

const ENDS: [(End, &str); 13] = [
    (End::Completed, "completed"),
    (End::ClientGone, "client_gone"),
    (End::ProviderCut, "provider_cut"),
    (End::ProviderError, "provider_error"),
    (End::TimedOut, "timed_out"),
    (End::OutOfCredit, "out_of_credit"),
    (End::Suspended, "suspended"),
    (End::Closed, "closed"),
    (End::GatewayStopping, "gateway_stopping"),
    (End::Recovered, "recovered"),
    (End::Rejected, "rejected"),
    (End::KeyRevoked, "key_revoked"),
    (End::ClientStalled, "client_stalled"),
];

/// What came of somebody's wish to sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedUp {
    /// An account was opened, or the same request was answered again.
    Opened,
    /// Nobody may.
    Closed,
    /// It was tried too often.
    TooOften,
    /// There is an account for the address already.
    Taken,
    /// The invite is none.
    NoInvite,
    /// What was asked can't be.
    Refused,
    /// It could not be written.
    Failed,
}

const SIGNED_UP: [(SignedUp, &str); 7] = [
    (SignedUp::Opened, "opened"),
    (SignedUp::Closed, "closed"),
    (SignedUp::TooOften, "too_often"),
    (SignedUp::Taken, "taken"),
    (SignedUp::NoInvite, "no_invite"),
    (SignedUp::Refused, "refused"),
    (SignedUp::Failed, "failed"),
];

impl SignedUp {
    /// Why it did not come to an account.
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(_) => Self::Failed,
            Refusal::Denied(Denial::EmailTaken) => Self::Taken,
            Refusal::Denied(
                Denial::UnknownCode
                | Denial::ExpiredCode
                | Denial::UsedUpCode
                | Denial::RevokedCode,
            ) => Self::NoInvite,
            Refusal::Denied(_) => Self::Refused,
        }
    }
}

/// The metrics of one gateway.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    handles: Handles,
    deployments: Mutex<BTreeMap<Labels, DeploymentGauges>>,
    credentials: Mutex<BTreeMap<Arc<str>, [Gauge; 3]>>,
}

/// A provider and its name for a model: as many as there are in the configuration.
type Labels = (Arc<str>, Arc<str>);

struct DeploymentGauges {
    passing: Gauge,
    in_flight: Gauge,
}

struct Handles {
    ends: Vec<(End, Counter)>,
    refused: Vec<(u16, Counter)>,
    sign_ups: Vec<(SignedUp, Counter)>,
    tokens_in: Counter,
    tokens_out: Counter,
    estimated: Counter,
    hedges: Counter,
    rescued: Counter,
    not_rescued: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    cache_joins: Counter,
    first_content: Histogram,
    total: Histogram,
    in_flight: Gauge,
    accounts: Gauge,
    restarts: Gauge,
    ledger_events: Gauge,
    ledger_backlog: Gauge,
    ledger_holds: Gauge,
    ledger_disk_bytes: Gauge,
    cache_entries: Gauge,
    cache_bytes: Gauge,
    messages_delivered: Counter,
    messages_missed: Counter,
    messages_given_up: Counter,
    webhooks: Gauge,
    webhooks_failing: Gauge,
}

/// Figures that are read when somebody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readings {
    /// Exchanges in the works.
    pub in_flight: usize,
    /// Accounts in memory.
    pub accounts: usize,
    /// Actors rebuilt after a fault.
    pub restarts: u64,
    /// The ledger's last sequence.
    pub ledger_events: u64,
    /// Batches the ledger has not written yet.
    pub ledger_backlog: usize,
    /// Holds without an end.
    pub ledger_holds: usize,
    /// The size of the store.
    pub ledger_disk_bytes: u64,
    /// Answers that are kept.
    pub cache_entries: usize,
    /// The bytes they take.
    pub cache_bytes: u64,
    /// What webhooks were sent.
    pub notify: NotifyReadings,
}

/// One deployment, when somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentReading {
    /// Its provider.
    pub provider: Arc<str>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// Whether it takes requests.
    pub passing: bool,
    /// Requests under way.
    pub in_flight: u32,
}

/// A provider's credentials, when somebody looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReading {
    /// Their provider.
    pub provider: Arc<str>,
    /// How many can be used, cool down, and are disabled.
    pub counts: [u32; 3],
}

/// In the order of [`CredentialReading::counts`].
const CREDENTIAL_STATUSES: [&str; 3] = ["usable", "cooling", "disabled"];

/// The recorder can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics can't be set up: {0}")]
pub struct MetricsError(String);

const REFUSAL_STATUSES: [u16; 15] =
    [400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504];

impl Metrics {
    /// Registers every metric with a recorder of its own, so that several gateways can live in one
    /// process.
    pub fn new() -> Result<Self, MetricsError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .map_err(|error| MetricsError(error.to_string()))?
            .build_recorder();
        let handles = metrics::with_local_recorder(&recorder, Handles::register);
        let (deployments, credentials) = (Mutex::default(), Mutex::default());
        Ok(Self { handle: recorder.handle(), recorder, handles, deployments, credentials })
    }

    /// An exchange was settled.
    pub(crate) fn exchange_ended(&self, end: End, settle: &Settle) {
        self.count_end(end);
        self.handles.tokens_in.increment(settle.usage.prompt_tokens());
        self.handles.tokens_out.increment(settle.usage.completion_tokens());
        if settle.estimated {
            self.handles.estimated.increment(1);
        }
        if let Some(first_ms) = settle.record.first_content_ms {
            self.handles.first_content.record(f64::from(first_ms) / 1e3);
        }
        self.handles.total.record(f64::from(settle.record.total_ms) / 1e3);
    }

    /// An exchange was voided.
    pub(crate) fn exchange_failed(&self, end: End) {
        self.count_end(end);
    }

    /// A second attempt was made beside a slow first.
    pub(crate) fn hedged(&self) {
        self.handles.hedges.increment(1);
    }

    /// Another provider was looked for to go on with an answer that broke off.
    pub(crate) fn rescued(&self, found: bool) {
        let counter = if found { &self.handles.rescued } else { &self.handles.not_rescued };
        counter.increment(1);
    }

    /// A kept answer was given again.
    pub(crate) fn cache_hit(&self) {
        self.handles.cache_hits.increment(1);
    }

    /// A provider was asked because no answer was kept that would do.
    pub(crate) fn cache_missed(&self) {
        self.handles.cache_misses.increment(1);
    }

    /// An answer under way was joined.
    pub(crate) fn cache_joined(&self) {
        self.handles.cache_joins.increment(1);
    }

    /// Somebody wished to sign up.
    pub(crate) fn signed_up(&self, result: SignedUp) {
        let counter = self.handles.sign_ups.iter().find(|(known, _)| *known == result);
        if let Some((_, counter)) = counter {
            counter.increment(1);
        }
    }

    /// A request was refused with a status.
    pub(crate) fn refused(&self, status: u16) {
        if let Some((_, counter)) = self.handles.refused.iter().find(|(known, _)| *known == status)
        {
            counter.increment(1);
        }
    }

    /// An attempt at a provider failed. Rare enough to look the counter up.
    pub(crate) fn attempt_failed(&self, target: &Target, outcome: AttemptOutcome) {
        tracing::debug!(
            provider = %target.provider.handle.name(),
            model = %target.upstream_model,
            ?outcome,
            "attempt failed"
        );
        let provider = target.provider.handle.name().to_string();
        metrics::with_local_recorder(&self.recorder, || {
            counter!(ATTEMPT_FAILURES, "provider" => provider, "outcome" => exchange::outcome_name(outcome))
                .increment(1);
        });
    }

    fn count_end(&self, end: End) {
        if let Some((_, counter)) = self.handles.ends.iter().find(|(known, _)| *known == end) {
            counter.increment(1);
        }
    }

    /// All metrics in the Prometheus text format. `deployments` and `credentials` are all that are
    /// configured.
    pub fn render(
        &self,
        readings: Readings,
        deployments: &[DeploymentReading],
        credentials: &[CredentialReading],
    ) -> String {
        #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only such numbers")]
        let float = |number: u64| number as f64;
        self.handles.in_flight.set(float(readings.in_flight as u64));
        self.handles.accounts.set(float(readings.accounts as u64));
        self.handles.restarts.set(float(readings.restarts));
        self.handles.ledger_events.set(float(readings.ledger_events));
        self.handles.ledger_backlog.set(float(readings.ledger_backlog as u64));
        self.handles.ledger_holds.set(float(readings.ledger_holds as u64));
        self.handles.ledger_disk_bytes.set(float(readings.ledger_disk_bytes));
        self.handles.cache_entries.set(float(readings.cache_entries as u64));
        self.handles.cache_bytes.set(float(readings.cache_bytes));
        self.set_webhooks(readings.notify);
        self.set_deployments(deployments);
        self.set_credentials(credentials);
        self.handle.render()
    }

    fn set_webhooks(&self, readings: NotifyReadings) {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        self.handles.messages_delivered.absolute(readings.delivered);
        self.handles.messages_missed.absolute(readings.missed);
        self.handles.messages_given_up.absolute(readings.given_up);
        self.handles.webhooks.set(count(readings.webhooks));
        self.handles.webhooks_failing.set(count(readings.failing));
    }

    fn set_deployments(&self, readings: &[DeploymentReading]) {
        let mut known = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is not configured any more does not pass anything.
        for gauges in known.values() {
            gauges.passing.set(0.0);
            gauges.in_flight.set(0.0);
        }
        for DeploymentReading { provider, model, passing, in_flight } in readings {
            let labels = (Arc::clone(provider), Arc::clone(model));
            let register = || DeploymentGauges::register(&self.recorder, provider, model);
            let gauges = known.entry(labels).or_insert_with(register);
            gauges.passing.set(if *passing { 1.0 } else { 0.0 });
            gauges.in_flight.set(f64::from(*in_flight));
        }
    }

    fn set_credentials(&self, readings: &[CredentialReading]) {
        let mut known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        for gauge in known.values().flatten() {
            gauge.set(0.0);
        }
        for CredentialReading { provider, counts } in readings {
            let register = || {
                let gauge = |status| gauge!(CREDENTIALS, "provider" => provider.to_string(), "status" => status);
                metrics::with_local_recorder(&self.recorder, || CREDENTIAL_STATUSES.map(gauge))
            };
            let gauges = known.entry(Arc::clone(provider)).or_insert_with(register);
            for (gauge, count) in gauges.iter().zip(counts) {
                gauge.set(f64::from(*count));
            }
        }
    }

    /// Folds recorded samples together. To be called every few seconds: without it they pile up
    /// between scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl DeploymentReading {
    /// All configured deployments of a provider, as it published them.
    pub fn all(provider: &Arc<str>, health: &HealthView, now: Duration) -> Vec<Self> {
        let configured = health.configured().map(|(index, deployment)| Self {
            provider: Arc::clone(provider),
            model: Arc::clone(&deployment.name),
            passing: health.state(index, now) == DeploymentState::Passing,
            in_flight: deployment.gauge.in_flight(),
        });
        configured.collect()
    }
}

impl CredentialReading {
    /// The credentials of a provider, as it published them.
    pub fn of(provider: &Arc<str>, health: &HealthView, now: Duration) -> Self {
        let mut counts = [0; 3];
        let [usable, cooling, disabled] = &mut counts;
        for usable_at in &health.credentials {
            match usable_at {
                Some(from) if *from <= now => *usable += 1,
                Some(_) => *cooling += 1,
                None => *disabled += 1,
            }
        }
        Self { provider: Arc::clone(provider), counts }
    }
}

impl DeploymentGauges {
    fn register(recorder: &PrometheusRecorder, provider: &str, model: &str) -> Self {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        metrics::with_local_recorder(recorder, || Self {
            passing: gauge!(
                DEPLOYMENT_PASSING,
                "provider" => provider.clone(), "model" => model.clone()
            ),
            in_flight: gauge!(DEPLOYMENT_IN_FLIGHT, "provider" => provider, "model" => model),
        })
    }
}

impl Handles {
    fn register() -> Self {
        describe();
        let refused = |status: u16| (status, counter!(REFUSED, "status" => status.to_string()));
        Self {
            ends: ENDS.map(|(end, name)| (end, counter!(EXCHANGES, "end" => name))).into(),
            refused: REFUSAL_STATUSES.map(refused).into(),
            sign_ups: SIGNED_UP
                .map(|(result, name)| (result, counter!(SIGN_UPS, "result" => name)))
                .into(),
            tokens_in: counter!(TOKENS, "kind" => "prompt"),
            tokens_out: counter!(TOKENS, "kind" => "completion"),
            estimated: counter!(ESTIMATED),
            hedges: counter!(HEDGES),
            rescued: counter!(RESCUES, "result" => "continued"),
            not_rescued: counter!(RESCUES, "result" => "given_up"),
            cache_hits: counter!(CACHE_HITS),
            cache_misses: counter!(CACHE_MISSES),
            cache_joins: counter!(CACHE_JOINS),
            first_content: histogram!(FIRST_CONTENT),
            total: histogram!(TOTAL),
            in_flight: gauge!(IN_FLIGHT),
            accounts: gauge!(ACCOUNTS),
            restarts: gauge!(RESTARTS),
            ledger_events: gauge!(LEDGER_EVENTS),
            ledger_backlog: gauge!(LEDGER_BACKLOG),
            ledger_holds: gauge!(LEDGER_HOLDS),
            ledger_disk_bytes: gauge!(LEDGER_DISK),
            cache_entries: gauge!(CACHE_ENTRIES),
            cache_bytes: gauge!(CACHE_BYTES),
            messages_delivered: counter!(WEBHOOK_MESSAGES, "result" => "delivered"),
            messages_missed: counter!(WEBHOOK_MESSAGES, "result" => "missed"),
            messages_given_up: counter!(WEBHOOK_MESSAGES, "result" => "given_up"),
            webhooks: gauge!(WEBHOOKS),
            webhooks_failing: gauge!(WEBHOOKS_FAILING),
        }
    }
}
