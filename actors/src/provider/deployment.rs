//! One deployment: its breaker, buckets, requests in flight and latency. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::limit::{RequestRate, TokenBucket, Wait};

use super::breaker::{Breaker, Gate, Permit};
use super::credential::CredentialId;
use super::gauge::Gauge;
use super::health::{BreakerHealth, DeploymentHealth};
use super::latency::Average;
use super::outcome::Refusal;
use super::percentile::Percentile;
use super::quota::{Quota, Quotas};
use super::settings::{BreakerSettings, DeploymentSettings};

/// A stretch in which samples of the percentile lose half their weight, in windows of the averages: it
/// needs more of them.
const PERCENTILE_WINDOWS: u32 = 3;
/// Answers shorter than this say nothing about how fast they come.
const RATE_TOKENS_MIN: u64 = 8;

/// One upstream model of a provider.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) settings: DeploymentSettings,
    /// Not configured any more; what is under way still ends here.
    pub(super) removed: bool,
    pub(super) breaker: Breaker,
    pub(super) requests: Option<RequestRate>,
    pub(super) tokens: Option<TokenBucket>,
    pub(super) in_flight: u32,
    pub(super) first_content: Average,
    pub(super) first_content_p95: Percentile,
    pub(super) total: Average,
    /// Of the time that a thousand tokens take: like the others it rises faster than it falls.
    thousand_tokens: Average,
    pub(super) quotas: Quotas,
    pub(super) gauge: Arc<Gauge>,
}

impl Deployment {
    pub(super) fn new(
        settings: DeploymentSettings,
        breaker: BreakerSettings,
        now: Duration,
    ) -> Self {
        Self {
            removed: false,
            breaker: Breaker::new(breaker),
            requests: settings.requests_per_minute.map(|limit| RequestRate::new(limit, now)),
            tokens: settings.tokens_per_minute.map(|limit| TokenBucket::new(limit, now)),
            in_flight: 0,
            first_content: Average::default(),
            first_content_p95: Percentile::default(),
            total: Average::default(),
            thousand_tokens: Average::default(),
            quotas: Quotas::default(),
            gauge: Arc::new(Gauge::default()),
            settings,
        }
    }

    /// The place of a name that is not configured.
    pub(super) fn reserved(name: Arc<str>, breaker: BreakerSettings, now: Duration) -> Self {
        let reserved = Self::new(DeploymentSettings::new(name), breaker, now);
        Self { removed: true, ..reserved }
    }

    /// Changes the settings; what was spent of a limit that stays in force stays spent.
    pub(super) fn configure(
        &mut self,
        settings: DeploymentSettings,
        breaker: BreakerSettings,
        now: Duration,
    ) {
        self.breaker.configure(breaker);
        match (&mut self.requests, settings.requests_per_minute) {
            (Some(requests), Some(limit)) => requests.resize(limit, now),
            (requests, limit) => *requests = limit.map(|limit| RequestRate::new(limit, now)),
        }
        match (&mut self.tokens, settings.tokens_per_minute) {
            (Some(tokens), Some(limit)) => tokens.resize(limit, now),
            (tokens, limit) => *tokens = limit.map(|limit| TokenBucket::new(limit, now)),
        }
        self.removed = false;
        self.settings = settings;
    }

    /// Whether breaker and ceiling let one more request through. Changes nothing.
    pub(super) fn gate(&self, now: Duration) -> Result<(), Refusal> {
        match self.breaker.gate(now) {
            Gate::Passing | Gate::ProbeDue => {}
            Gate::Probing => return Err(Refusal::ProbeRunning),
            Gate::Shut { until } => return Err(Refusal::Shut { until }),
        }
        match self.settings.in_flight_max {
            Some(max) if self.in_flight >= max => Err(Refusal::InFlight),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a request and its tokens out of the buckets, or nothing. The requests come last because
    /// they cannot be given back.
    pub(super) fn take(&mut self, now: Duration, tokens: u64) -> Result<(), Refusal> {
        if let Some(bucket) = &self.tokens {
            bucket.peek(now, tokens).map_err(|wait| match wait {
                Wait::After(retry_after) => Refusal::TokenRate { retry_after },
                Wait::Never => Refusal::TooLarge { limit: bucket.capacity() },
            })?;
        }
        if let Some(requests) = &mut self.requests {
            requests.check(now).map_err(|wait| match wait {
                Wait::After(retry_after) => Refusal::RequestRate { retry_after: Some(retry_after) },
                Wait::Never => Refusal::RequestRate { retry_after: None },
            })?;
        }
        if let Some(bucket) = &mut self.tokens {
            bucket.debit(now, tokens);
        }
        Ok(())
    }

    /// Lets a request in that [`Deployment::gate`] has let through.
    pub(super) fn enter(&mut self, now: Duration) -> Result<Permit, Refusal> {
        let permit = self.breaker.enter(now).map_err(|gate| match gate {
            Gate::Shut { until } => Refusal::Shut { until },
            Gate::Passing | Gate::ProbeDue | Gate::Probing => Refusal::ProbeRunning,
        })?;
        self.in_flight += 1;
        self.gauge.set_in_flight(self.in_flight);
        Ok(permit)
    }

    /// A request has ended.
    pub(super) fn leave(&mut self) {
        assert!(self.in_flight > 0, "more requests ended than began");
        self.in_flight -= 1;
        self.gauge.set_in_flight(self.in_flight);
    }

    /// Replaces the tokens taken for a request by those it used.
    pub(super) fn correct(&mut self, now: Duration, held: u64, used: u64) {
        if let Some(bucket) = &mut self.tokens {
            bucket.correct(now, held, used);
        }
    }

    /// The first content came so long after the request.
    pub(super) fn saw_first_content(&mut self, now: Duration, took: Duration, window: Duration) {
        self.first_content.add(now, took, window);
        self.gauge.set_first_content(self.first_content.micros(), now, window);
        let half_life = window.saturating_mul(PERCENTILE_WINDOWS);
        self.first_content_p95.add(now, took, half_life);
        self.gauge.set_first_content_p95(self.first_content_p95.p95());
    }

    /// Nothing came in so long. It tells something where that is longer than usual; left out, those
    /// that are cancelled for being slow would make the others' usual time look shorter and shorter.
    pub(super) fn saw_silence(&mut self, now: Duration, waited: Duration, window: Duration) {
        if waited.as_micros() > u128::from(self.first_content.micros()) {
            self.saw_first_content(now, waited, window);
        }
    }

    /// The answer ended so long after the request.
    pub(super) fn saw_end(&mut self, now: Duration, took: Duration, window: Duration) {
        self.total.add(now, took, window);
        self.gauge.set_total_us(self.total.micros());
    }

    /// So many tokens came from the first content to the end.
    pub(super) fn saw_output(
        &mut self,
        now: Duration,
        [first_content, total]: [Duration; 2],
        tokens: u64,
        window: Duration,
    ) {
        if tokens < RATE_TOKENS_MIN {
            return;
        }
        let span = total.saturating_sub(first_content);
        // An answer that came in one piece says only how long all of it took.
        let span = if span < total / 10 { total } else { span };
        let micros = span.as_micros() * 1_000 / u128::from(tokens);
        let thousand = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.thousand_tokens.add(now, thousand, window);
        let milli = 1_000_000_000_000_u64.checked_div(self.thousand_tokens.micros());
        self.gauge.set_output_rate_milli(milli.unwrap_or(0));
    }

    /// An answer to this credential said so of the provider's limits.
    pub(super) fn heard_quota(&mut self, now: Duration, credential: CredentialId, quota: Quota) {
        self.quotas.hear(now, credential, quota);
    }

    /// Publishes the headroom of the best of these credentials.
    pub(super) fn show_headroom(
        &self,
        now: Duration,
        credentials: impl Iterator<Item = CredentialId>,
    ) {
        if !self.quotas.is_empty() {
            self.gauge.set_headroom(self.quotas.best(now, credentials));
        }
    }

    /// Takes over averages from before a restart.
    pub(super) fn restore_latency(
        &mut self,
        now: Duration,
        [first_content_us, total_us]: [u64; 2],
        window: Duration,
    ) {
        self.first_content = Average::standing_at(first_content_us, now);
        self.total = Average::standing_at(total_us, now);
        self.gauge.set_first_content(self.first_content.micros(), now, window);
        self.gauge.set_total_us(self.total.micros());
    }

    pub(super) fn health(&self) -> DeploymentHealth {
        DeploymentHealth {
            name: self.settings.name.clone(),
            removed: self.removed,
            breaker: BreakerHealth::of(&self.breaker),
            in_flight_max: self.settings.in_flight_max,
            gauge: self.gauge.clone(),
        }
    }
}
