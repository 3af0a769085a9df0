//! What an operator sets of a provider. Pure values, already parsed.

use std::sync::Arc;
use std::time::Duration;

use super::secret::Secret;

/// A provider: what it is called, what may be asked of it, when it is given up on.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its name in configuration, metrics and logs.
    pub name: Arc<str>,
    /// Requests at one time, over all deployments. `None` is no limit.
    pub in_flight_max: Option<u32>,
    /// Our credentials there. None is legal: a local server may ask for none.
    pub credentials: Vec<Secret>,
    /// The models served there.
    pub deployments: Vec<DeploymentSettings>,
    /// When a deployment is given up on, and for how long.
    pub breaker: BreakerSettings,
    /// For how long a credential is left alone.
    pub cooling: CoolingSettings,
    /// Over which time latencies are averaged.
    pub latency_window: Duration,
    /// Whether somebody asks what has cooled down whether it is well again, so that no request of a
    /// client need be the probe.
    pub health_probe: bool,
}

/// One upstream model of a provider and what was contracted for it. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentSettings {
    /// The provider's name for the model. A second deployment of the same name is ignored.
    pub name: Arc<str>,
    /// Requests in any minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens, prompt and completion, in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at one time.
    pub in_flight_max: Option<u32>,
}

/// When a breaker shuts, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row shut it; zero counts as one.
    pub failures_max: u32,
    /// So many failures in a hundred shut it.
    pub failure_percent: u8,
    /// Under so many requests in the window the share of failures says nothing.
    pub samples_min: u32,
    /// The share of failures is that of this stretch of time.
    pub window: Duration,
    /// How long it stays shut the first time.
    pub cooldown: Duration,
    /// How long at most, whatever doubling or the provider's `retry-after` say.
    pub cooldown_max: Duration,
    /// Shut again so soon after a recovery, it doubles the cool-down that went before.
    pub relapse_window: Duration,
    /// A probe of which nothing is heard for so long is given up.
    pub probe_timeout: Duration,
}

/// For how long a credential is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoolingSettings {
    /// After a first 429 that names no time; doubles with each next one.
    pub rate_limited: Duration,
    /// After a 429, at most.
    pub rate_limited_max: Duration,
    /// After a 402.
    pub credit_exhausted: Duration,
}

impl ProviderSettings {
    /// A provider without limits, credentials or deployments, and the defaults for the rest.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            in_flight_max: None,
            credentials: Vec::new(),
            deployments: Vec::new(),
            breaker: BreakerSettings::default(),
            cooling: CoolingSettings::default(),
            latency_window: Duration::from_secs(10),
            health_probe: false,
        }
    }
}

impl DeploymentSettings {
    /// A deployment without limits.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            requests_per_minute: None,
            tokens_per_minute: None,
            in_flight_max: None,
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            failure_percent: 50,
            samples_min: 20,
            window: Duration::from_secs(10),
            cooldown: Duration::from_secs(2),
            cooldown_max: Duration::from_secs(15),
            relapse_window: Duration::from_mins(1),
            probe_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for CoolingSettings {
    fn default() -> Self {
        Self {
            rate_limited: Duration::from_secs(2),
            rate_limited_max: Duration::from_mins(2),
            credit_exhausted: Duration::from_mins(10),
        }
    }
}
