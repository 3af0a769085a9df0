//! What a provider knows and decides. Pure.
//!
//! A request is let through with a ticket, and each ticket ends once, with a report: what that does is
//! in `verdict`.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::{Cause, Gate, Turn};
use super::counters::Counters;
use super::credential::{Credential, CredentialPool, Fingerprint};
use super::deployment::Deployment;
use super::health::HealthView;
use super::outcome::{DeploymentIndex, Mode, Outcome, Refusal};
use super::quota::Quota;
use super::secret::Secret;
use super::settings::ProviderSettings;
use super::tickets::{Active, TicketId, Tickets};

/// One provider.
#[derive(Debug)]
pub struct ProviderMachine {
    pub(super) settings: ProviderSettings,
    pub(super) mode: Mode,
    pub(super) deployments: Vec<Deployment>,
    pub(super) credentials: CredentialPool,
    pub(super) tickets: Tickets,
    pub(super) in_flight: u32,
    pub(super) counters: Counters,
    pub(super) health_changed: bool,
    pub(super) changed: bool,
}

/// A request was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its ticket, to be ended by one report.
    pub ticket: TicketId,
    /// What to authenticate with, if anything.
    pub secret: Option<Secret>,
    /// Whether it decides if the deployment is used again.
    pub probe: bool,
}

/// Something an operator wants to read in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A breaker shut.
    Shut {
        /// Whose.
        deployment: Arc<str>,
        /// Why.
        cause: Cause,
        /// For how long.
        wait: Duration,
    },
    /// A breaker passes again.
    Recovered {
        /// Whose.
        deployment: Arc<str>,
    },
    /// A credential is left alone for a while.
    Cooling {
        /// Which, masked.
        credential: String,
        /// For how long.
        wait: Duration,
    },
    /// A credential was rejected and is not used any more: someone has to look at it.
    Disabled {
        /// Which, masked.
        credential: String,
        /// The status the provider answered with.
        status: u16,
    },
}

impl ProviderMachine {
    /// A provider that nothing is known of. `names` are those of a former life, in its order: they keep
    /// their places.
    pub fn new(settings: ProviderSettings, names: &[Arc<str>], now: Duration) -> Self {
        let reserved = |name: &Arc<str>| Deployment::reserved(name.clone(), settings.breaker, now);
        let mut machine = Self {
            mode: Mode::Open,
            deployments: names.iter().map(reserved).collect(),
            credentials: CredentialPool::new(settings.cooling, &settings.credentials),
            tickets: Tickets::default(),
            in_flight: 0,
            counters: Counters::default(),
            health_changed: true,
            changed: true,
            settings: ProviderSettings::new(settings.name.clone()),
        };
        machine.configure(settings, now);
        machine
    }

    /// Lets a request through that may use so many tokens, or says why not.
    pub fn acquire(
        &mut self,
        now: Duration,
        index: DeploymentIndex,
        tokens: u64,
    ) -> Result<Grant, Refusal> {
        self.changed = true;
        let answer = self.admit(now, index, tokens);
        match &answer {
            Ok(_) => self.counters.acquired += 1,
            Err(refusal) => self.counters.refused(*refusal),
        }
        answer
    }

    /// Lets a health probe through where one is due. It takes no tokens and no place of a request's.
    pub fn acquire_health_probe(&mut self, now: Duration, index: DeploymentIndex) -> Option<Grant> {
        let deployment = self.deployments.get(usize::from(index.0))?;
        let is_due = deployment.breaker.gate(now) == Gate::ProbeDue;
        if self.mode != Mode::Open || deployment.removed || !is_due {
            return None;
        }
        let grant = self.enter(now, index, 0, true).ok()?;
        self.changed = true;
        self.counters.health_probes += 1;
        Some(grant)
    }

    /// Ends a ticket. One that has ended before changes nothing.
    pub fn report(&mut self, now: Duration, ticket: TicketId, outcome: Outcome) -> Option<Notice> {
        let Some(active) = self.tickets.end(ticket) else {
            self.counters.strays += 1;
            return None;
        };
        self.changed = true;
        assert!(self.in_flight > 0, "more requests ended than began");
        self.in_flight -= 1;
        if let Some(deployment) = self.deployments.get_mut(usize::from(active.deployment.0)) {
            deployment.leave();
        }
        let mut notice = None;
        if !active.health_probe {
            self.counters.ended(&outcome);
            notice = self.blame(now, active, outcome);
            self.measure(now, active, outcome);
        }
        let turn = self.learn(now, active, outcome);
        let turned = self.note(now, active, turn);
        notice.or(turned)
    }

    /// The first content of a request's answer is there. For a probe this is proof enough: others need
    /// not wait for the end of a long answer.
    pub fn content_started(&mut self, now: Duration, ticket: TicketId) -> Option<Notice> {
        let active = self.tickets.get_mut(ticket).filter(|active| active.permit.probe)?;
        let deployment = self.deployments.get_mut(usize::from(active.deployment.0))?;
        let turn = deployment.breaker.on_success(now, active.permit);
        if turn == Turn::Recovered {
            active.permit = deployment.breaker.renew();
        }
        let active = *active;
        self.changed = true;
        self.note(now, active, turn)
    }

    /// What the answer to an open ticket said of the provider's own limits.
    pub fn quota(&mut self, now: Duration, ticket: TicketId, quota: Quota) {
        let Some(active) = self.tickets.get_mut(ticket).copied() else { return };
        if let Some(deployment) = self.deployments.get_mut(usize::from(active.deployment.0)) {
            deployment.heard_quota(now, active.credential, quota);
            deployment.show_headroom(now, self.credentials.promising(now));
        }
    }

    /// Sets the operator's mode.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.touch();
    }

    /// Makes a credential usable that was rejected or cools. Whether there is such a one.
    pub fn enable_credential(&mut self, fingerprint: Fingerprint) -> bool {
        self.touch();
        self.credentials.enable(fingerprint)
    }

    /// Changes the settings. What stays, by name or secret, keeps its state; what goes ends its requests
    /// in peace.
    pub fn configure(&mut self, settings: ProviderSettings, now: Duration) {
        for deployment in &mut self.deployments {
            deployment.removed = true;
        }
        for wanted in &settings.deployments {
            let mut all = self.deployments.iter();
            let place = all.position(|known| known.settings.name == wanted.name);
            match place.and_then(|place| self.deployments.get_mut(place)) {
                Some(known) if known.removed => {
                    known.configure(wanted.clone(), settings.breaker, now);
                }
                Some(_repeated) => {}
                None => {
                    let deployment = Deployment::new(wanted.clone(), settings.breaker, now);
                    self.deployments.push(deployment);
                }
            }
        }
        self.credentials.configure(settings.cooling, &settings.credentials);
        for deployment in &mut self.deployments {
            let known = |id| self.credentials.iter().any(|credential| credential.id == id);
            deployment.quotas.retain(known);
        }
        self.settings = settings;
        self.show_headroom(now);
        self.touch();
    }

    /// What routing sees, to be published when [`ProviderMachine::take_health_changed`] says so.
    pub fn health(&self) -> HealthView {
        HealthView {
            mode: self.mode,
            credential_at: self.credentials.usable_at(),
            credentials: self.credentials.named().map(Credential::usable_at).collect(),
            in_flight_max: self.settings.in_flight_max,
            health_probe: self.settings.health_probe,
            deployments: self.deployments.iter().map(Deployment::health).collect(),
        }
    }

    /// Whether [`ProviderMachine::health`] has changed since the last call.
    pub fn take_health_changed(&mut self) -> bool {
        std::mem::take(&mut self.health_changed)
    }

    /// Whether anything has changed since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub(super) fn touch(&mut self) {
        self.health_changed = true;
        self.changed = true;
    }

    fn admit(
        &mut self,
        now: Duration,
        index: DeploymentIndex,
        tokens: u64,
    ) -> Result<Grant, Refusal> {
        match self.mode {
            Mode::Open => {}
            Mode::Closed => return Err(Refusal::Closed),
            Mode::Draining => return Err(Refusal::Draining),
        }
        let deployment = self.deployments.get(usize::from(index.0));
        let deployment = deployment.filter(|known| !known.removed).ok_or(Refusal::Unknown)?;
        deployment.gate(now)?;
        if self.settings.in_flight_max.is_some_and(|max| self.in_flight >= max) {
            return Err(Refusal::InFlight);
        }
        self.enter(now, index, tokens, false)
    }

    /// Takes what a request needs, or nothing.
    fn enter(
        &mut self,
        now: Duration,
        index: DeploymentIndex,
        tokens: u64,
        health_probe: bool,
    ) -> Result<Grant, Refusal> {
        let deployment = self.deployments.get_mut(usize::from(index.0)).ok_or(Refusal::Unknown)?;
        let credential = self.credentials.pick(now);
        let credential = credential.map_err(|retry_after| Refusal::NoCredential { retry_after })?;
        let (id, secret) = (credential.id, credential.secret.clone());
        if !health_probe {
            deployment.take(now, tokens)?;
        }
        let permit = deployment.enter(now)?;
        let since = now;
        let active =
            Active { deployment: index, credential: id, permit, tokens, since, health_probe };
        let Some(ticket) = self.tickets.open(active) else {
            deployment.leave();
            return Err(Refusal::InFlight);
        };
        self.credentials.used(id);
        self.in_flight += 1;
        self.health_changed |= permit.probe;
        Ok(Grant { ticket, secret, probe: permit.probe })
    }
}
