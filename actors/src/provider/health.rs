//! What routing sees of a provider without asking it.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::State;
use super::gauge::Gauge;
use super::outcome::{DeploymentIndex, Mode};

/// A provider's health, as published after the last change that routing cares about: mode, breakers,
/// credentials, configuration. What time alone changes is told by [`HealthView::state`]; what changes
/// with every request is in the [`Gauge`]s.
#[derive(Clone, Debug, Default)]
pub struct HealthView {
    /// The operator's mode.
    pub mode: Mode,
    /// From when on a credential can be used; zero if one already can, `None` if all are disabled.
    pub credential_at: Option<Duration>,
    /// From when on each of the configured credentials can be used; `None` for a disabled one.
    pub credentials: Vec<Option<Duration>>,
    /// Requests at one time, over all deployments.
    pub in_flight_max: Option<u32>,
    /// Whether probes come by themselves.
    pub health_probe: bool,
    /// All deployments there ever were, by index.
    pub deployments: Vec<DeploymentHealth>,
}

/// One deployment's health.
#[derive(Clone, Debug)]
pub struct DeploymentHealth {
    /// The provider's name for the model.
    pub name: Arc<str>,
    /// Not configured any more: its index stays taken.
    pub removed: bool,
    /// Where its breaker stands.
    pub breaker: BreakerHealth,
    /// Requests at one time.
    pub in_flight_max: Option<u32>,
    /// Its live figures.
    pub gauge: Arc<Gauge>,
}

/// Where a breaker stands, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerHealth {
    /// Passing.
    Passing,
    /// Shut.
    Shut {
        /// From then on a probe is due.
        until: Duration,
    },
    /// Probing.
    Probing {
        /// From then on another probe is due.
        until: Duration,
    },
}

/// What a deployment would say to one more request, apart from limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// It takes requests.
    Passing,
    /// It takes one, as the probe.
    ProbeDue,
    /// It has cooled down and will be probed by itself; it takes one request, as the probe, where there
    /// is nothing else.
    AwaitingProbe,
    /// It is being probed.
    Probing,
    /// It takes none.
    Shut {
        /// Until then.
        until: Duration,
    },
    /// The provider has no credential that can be used.
    NoCredential {
        /// Until then; `None` while all are disabled.
        until: Option<Duration>,
    },
    /// An operator closed the provider.
    Closed,
    /// An operator drains the provider.
    Draining,
    /// There is no such deployment, or not any more.
    Unknown,
}

impl HealthView {
    /// What a deployment would say to one more request now, apart from limits.
    pub fn state(&self, index: DeploymentIndex, now: Duration) -> DeploymentState {
        let Some(deployment) = self.deployment(index) else {
            return DeploymentState::Unknown;
        };
        match self.mode {
            Mode::Open => {}
            Mode::Closed => return DeploymentState::Closed,
            Mode::Draining => return DeploymentState::Draining,
        }
        let state = match deployment.breaker {
            BreakerHealth::Passing => DeploymentState::Passing,
            BreakerHealth::Shut { until } if now < until => {
                return DeploymentState::Shut { until };
            }
            BreakerHealth::Probing { until } if now < until => return DeploymentState::Probing,
            BreakerHealth::Shut { .. } | BreakerHealth::Probing { .. } if self.health_probe => {
                DeploymentState::AwaitingProbe
            }
            BreakerHealth::Shut { .. } | BreakerHealth::Probing { .. } => DeploymentState::ProbeDue,
        };
        match self.credential_at {
            Some(from) if from <= now => state,
            until => DeploymentState::NoCredential { until },
        }
    }

    /// All deployments that are configured.
    pub fn configured(&self) -> impl Iterator<Item = (DeploymentIndex, &DeploymentHealth)> {
        let all = (0..=u16::MAX).map(DeploymentIndex).zip(&self.deployments);
        all.filter(|(_, deployment)| !deployment.removed)
    }

    /// A deployment that is configured.
    pub fn deployment(&self, index: DeploymentIndex) -> Option<&DeploymentHealth> {
        self.deployments.get(usize::from(index.0)).filter(|deployment| !deployment.removed)
    }

    /// The index of the deployment of this name.
    pub fn index(&self, name: &str) -> Option<DeploymentIndex> {
        let mut all = self.deployments.iter();
        let place = all.position(|deployment| !deployment.removed && &*deployment.name == name)?;
        u16::try_from(place).ok().map(DeploymentIndex)
    }
}

impl BreakerHealth {
    pub(super) fn of(breaker: &super::breaker::Breaker) -> Self {
        match breaker.state() {
            State::Passing { .. } => Self::Passing,
            State::Shut { until, .. } => Self::Shut { until: *until },
            State::Probing { since, .. } => Self::Probing { until: breaker.given_up_at(*since) },
        }
    }
}
