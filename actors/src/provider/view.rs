//! A provider as the admin endpoint shows it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::breaker::{Breaker, Cause, State};
use super::credential::{CoolingCause, Credential, CredentialPool, Status};
use super::deployment::Deployment;
use super::machine::ProviderMachine;
use super::outcome::Mode;
use super::quota::{Heard, Quotas, Reading};

/// A provider at one moment. Times in milliseconds, ages and waits rather than dates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProviderView {
    /// Its name.
    pub name: Arc<str>,
    /// The operator's mode.
    pub mode: Mode,
    /// Requests under way, over all deployments, those removed from the configuration too.
    pub in_flight: u32,
    /// Requests at one time.
    pub in_flight_max: Option<u32>,
    /// Age of the oldest request under way.
    pub oldest_in_flight_ms: Option<u64>,
    /// Its credentials, masked.
    pub credentials: Vec<CredentialView>,
    /// Its configured deployments.
    pub deployments: Vec<DeploymentView>,
    /// Counts since the actor started.
    pub counters: CountersView,
}

/// One credential, masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CredentialView {
    /// What to name it by in order to enable it.
    pub fingerprint: String,
    /// What may be shown of it; empty for the absence of a credential.
    pub hint: String,
    /// `usable`, `rate_limited`, `credit_exhausted` or `rejected`.
    pub status: &'static str,
    /// The status the provider rejected it with.
    pub rejected_with: Option<u16>,
    /// When it can be used again.
    pub usable_in_ms: Option<u64>,
    /// 429s in a row.
    pub strikes: u32,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeploymentView {
    /// The provider's name for the model.
    pub name: Arc<str>,
    /// Its breaker.
    pub breaker: BreakerView,
    /// Requests under way.
    pub in_flight: u32,
    /// Requests at one time.
    pub in_flight_max: Option<u32>,
    /// The bucket of requests.
    pub requests: Option<BucketView>,
    /// The bucket of tokens.
    pub tokens: Option<BucketView>,
    /// Decaying average of the time to the first content; zero before the first answer.
    pub first_content_us: u64,
    /// The time to the first content that nineteen of twenty answers of late have kept to.
    pub first_content_p95_us: Option<u64>,
    /// Decaying average of the time to the end of an answer; zero before the first one.
    pub total_us: u64,
    /// Thousandths of a token per second, once an answer has begun; zero when nothing is known.
    pub output_rate_milli: u64,
    /// What is left of the provider's own rate limit, in thousandths; 1000 when nothing is known.
    pub headroom_permille: u16,
    /// What the provider last said of its own rate limits, by credential.
    pub quotas: Vec<QuotaView>,
}

/// What a provider last said of its own rate limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct QuotaView {
    /// Of the credential.
    pub fingerprint: String,
    /// Requests.
    pub requests: Option<AllowanceView>,
    /// Tokens.
    pub tokens: Option<AllowanceView>,
}

/// One of a provider's own rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AllowanceView {
    /// All of it.
    pub limit: Option<u64>,
    /// What was left.
    pub remaining: u64,
    /// When it is full again.
    pub reset_in_ms: Option<u64>,
    /// How long ago this was said.
    pub age_ms: u64,
}

/// One breaker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BreakerView {
    /// `passing`, `shut` or `probing`.
    pub state: &'static str,
    /// While passing: failures since the last success.
    pub failures_in_a_row: u32,
    /// While passing: successes in the window.
    pub window_successes: u32,
    /// While passing: failures in the window.
    pub window_failures: u32,
    /// While passing: successes still to come before a single failure does not shut it.
    pub probation: u32,
    /// Why it is shut.
    pub cause: Option<Cause>,
    /// When it next lets a probe through; zero if it would now.
    pub probe_in_ms: Option<u64>,
    /// The cool-down it is in or went through; while passing, the one of a recent recovery.
    pub cooldown_ms: Option<u64>,
    /// The last failures, oldest first.
    pub reasons: Vec<ReasonView>,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReasonView {
    /// How long ago.
    pub age_ms: u64,
    /// How.
    pub kind: &'static str,
    /// The status, where there was one.
    pub status: Option<u16>,
}

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BucketView {
    /// Per minute.
    pub limit: u64,
    /// What could be taken at once.
    pub remaining: u64,
    /// What was used beyond the limit and is still to be made up for.
    pub debt: u64,
}

/// Counts since the actor started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CountersView {
    /// Requests let through.
    pub acquired: u64,
    /// Whole answers.
    pub answered: u64,
    /// Answers 429.
    pub rate_limited: u64,
    /// Answers 401 and 403.
    pub credential_rejected: u64,
    /// Answers 402.
    pub credit_exhausted: u64,
    /// Requests that were wrong, in the provider's judgement.
    pub client_faults: u64,
    /// Health probes, which count as nothing else.
    pub health_probes: u64,
    /// Requests cancelled because another attempt answered first.
    pub outrun: u64,
    /// Requests that ended without a verdict.
    pub lost: u64,
    /// Reports of requests that had ended before: there should be none.
    pub strays: u64,
    /// Failures of the provider, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Requests not let through, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl ProviderMachine {
    /// The provider at this moment.
    pub fn view(&self, now: Duration) -> ProviderView {
        let configured = self.deployments.iter().filter(|deployment| !deployment.removed);
        ProviderView {
            name: self.name().clone(),
            mode: self.mode,
            in_flight: self.in_flight,
            in_flight_max: self.settings.in_flight_max,
            oldest_in_flight_ms: self.tickets.oldest(now).map(millis),
            credentials: credentials(&self.credentials, now),
            deployments: configured
                .map(|deployment| self::deployment(deployment, &self.credentials, now))
                .collect(),
            counters: CountersView {
                acquired: self.counters.acquired,
                answered: self.counters.answered,
                rate_limited: self.counters.rate_limited,
                credential_rejected: self.counters.credential_rejected,
                credit_exhausted: self.counters.credit_exhausted,
                client_faults: self.counters.client_faults,
                health_probes: self.counters.health_probes,
                outrun: self.counters.outrun,
                lost: self.counters.lost,
                strays: self.counters.strays,
                faults: self.counters.faults().collect(),
                refused: self.counters.refusals().collect(),
            },
        }
    }
}

fn credentials(pool: &CredentialPool, now: Duration) -> Vec<CredentialView> {
    let view = |credential: &Credential| {
        let (status, rejected_with) = match credential.status {
            Status::Cooling { until, cause } if until > now => match cause {
                CoolingCause::RateLimited => ("rate_limited", None),
                CoolingCause::CreditExhausted => ("credit_exhausted", None),
            },
            Status::Usable | Status::Cooling { .. } => ("usable", None),
            Status::Disabled { status } => ("rejected", Some(status)),
        };
        CredentialView {
            fingerprint: credential.fingerprint().to_string(),
            hint: credential.hint(),
            status,
            rejected_with,
            usable_in_ms: credential.usable_at().map(|at| millis(at.saturating_sub(now))),
            strikes: credential.strikes,
        }
    };
    pool.iter().map(view).collect()
}

fn deployment(
    deployment: &Deployment,
    credentials: &CredentialPool,
    now: Duration,
) -> DeploymentView {
    DeploymentView {
        name: deployment.settings.name.clone(),
        breaker: breaker(&deployment.breaker, now),
        in_flight: deployment.in_flight,
        in_flight_max: deployment.settings.in_flight_max,
        requests: deployment.requests.as_ref().map(|rate| BucketView {
            limit: u64::from(rate.limit()),
            remaining: u64::from(rate.remaining(now)),
            debt: 0,
        }),
        tokens: deployment.tokens.as_ref().map(|bucket| BucketView {
            limit: bucket.capacity(),
            remaining: bucket.remaining(now),
            debt: bucket.debt(now),
        }),
        first_content_us: deployment.first_content.micros(),
        first_content_p95_us: deployment.gauge.first_content_p95().map(micros),
        total_us: deployment.total.micros(),
        output_rate_milli: deployment.gauge.output_rate_milli(),
        headroom_permille: deployment.gauge.headroom_permille(now),
        quotas: quotas(&deployment.quotas, credentials, now),
    }
}

fn quotas(quotas: &Quotas, credentials: &CredentialPool, now: Duration) -> Vec<QuotaView> {
    let allowance = |Reading { allowance, at }: Reading| AllowanceView {
        limit: allowance.limit,
        remaining: allowance.remaining,
        reset_in_ms: allowance
            .reset
            .map(|reset| millis(at.saturating_add(reset).saturating_sub(now))),
        age_ms: millis(now.saturating_sub(at)),
    };
    let view = |heard: &Heard| {
        let credential = credentials.iter().find(|known| known.id == heard.credential)?;
        Some(QuotaView {
            fingerprint: credential.fingerprint().to_string(),
            requests: heard.requests.map(allowance),
            tokens: heard.tokens.map(allowance),
        })
    };
    quotas.iter().filter_map(view).collect()
}

fn breaker(breaker: &Breaker, now: Duration) -> BreakerView {
    let reasons = breaker.reasons().map(|reason| ReasonView {
        age_ms: millis(now.saturating_sub(reason.at)),
        kind: reason.kind.label(),
        status: reason.kind.status(),
    });
    let mut view = BreakerView {
        state: "passing",
        failures_in_a_row: 0,
        window_successes: 0,
        window_failures: 0,
        probation: 0,
        cause: None,
        probe_in_ms: None,
        cooldown_ms: None,
        reasons: reasons.collect(),
    };
    match breaker.state() {
        State::Passing { failures, window, probation } => {
            view.probation = *probation;
            view.cooldown_ms = breaker.relapse(now).map(|relapse| millis(relapse.cooldown));
            let counts = window.counts(now);
            view.failures_in_a_row = *failures;
            view.window_successes = counts.successes;
            view.window_failures = counts.failures;
        }
        State::Shut { until, cooldown, cause } => {
            view.state = "shut";
            view.cause = Some(*cause);
            view.probe_in_ms = Some(millis(until.saturating_sub(now)));
            view.cooldown_ms = Some(millis(*cooldown));
        }
        State::Probing { since, cooldown } => {
            view.state = "probing";
            view.probe_in_ms = Some(millis(breaker.given_up_at(*since).saturating_sub(now)));
            view.cooldown_ms = Some(millis(*cooldown));
        }
    }
    view
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
