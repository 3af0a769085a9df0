//! Decides whether a deployment is asked at all. Pure.
//!
//! ```text
//!              too many failures, in a row or in the window, or one on probation
//!   +---------+ -----------------------------------> +------+
//!   | Passing |                                      | Shut | <--------.
//!   +---------+ <---.                                +------+          |
//!                   |                                    |             | probe failed:
//!                   | probe succeeded                    | cooled, and |   the cool-down doubles
//!                   |                                    | a request   | probe lost:
//!                   |                                    v comes       |   the same again
//!                   '--------------------------- +---------+           |
//!                                                | Probing | ----------'
//!                                                +---------+
//!                                                  |     ^  silence: after `probe_timeout`
//!                                                  '-----'  another request is the probe
//! ```
//!
//! One that has recovered is on probation: until as many requests in a row have succeeded as would have
//! shut it by failing, a single failure shuts it again. Whatever shuts it soon after a recovery doubles
//! the cool-down that went before, so that a flapping provider is asked more and more rarely.
//!
//! Every change of state starts a new epoch, and a request carries the epoch it was let through in. A
//! report from an earlier one changes nothing: a hundred requests that hung before the breaker shut say
//! nothing new when they time out after it has recovered, and of two probes only the later counts.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::FaultKind;
use super::settings::BreakerSettings;
use super::window::{Counts, Window};

/// How many of the last failures are kept for inspection.
const REASONS_MAX: usize = 8;

/// The circuit breaker of one deployment.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    epoch: u32,
    reasons: VecDeque<Reason>,
    /// What the last recovery has left behind.
    relapse: Option<Relapse>,
}

/// What it costs to fail again soon after a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relapse {
    /// Until when this is soon, in monotonic time.
    pub until: Duration,
    /// The cool-down that went before, to be doubled.
    pub cooldown: Duration,
}

/// Where a breaker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Requests are let through.
    Passing {
        /// Failures since the last success.
        failures: u32,
        /// Outcomes of the last seconds.
        window: Window,
        /// Successes still to come before a single failure does not shut it.
        probation: u32,
    },
    /// None are.
    Shut {
        /// From then on one may be the probe.
        until: Duration,
        /// The cool-down, before a provider's `retry-after` lengthened it.
        cooldown: Duration,
        /// Why.
        cause: Cause,
    },
    /// One is.
    Probing {
        /// Since then.
        since: Duration,
        /// The cool-down that went before.
        cooldown: Duration,
    },
}

/// Why a breaker is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// So many failures in a row.
    FailuresInARow,
    /// Such a share of failures in the window.
    FailureShare,
    /// The probe failed.
    ProbeFailed,
    /// Nothing was learnt from the probe.
    ProbeLost,
    /// A failure on probation.
    Relapsed,
}

/// What a breaker says to one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may go.
    Passing,
    /// It may go, as the probe.
    ProbeDue,
    /// It may not: a probe is under way.
    Probing,
    /// It may not.
    Shut {
        /// Until then.
        until: Duration,
    },
}

/// What a request that was let through carries, to be handed in with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    epoch: u32,
    /// Whether the request is the probe.
    pub probe: bool,
}

/// What an outcome did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing that shows.
    Stayed,
    /// It passes again.
    Recovered,
    /// It is shut, for the first time or again.
    Tripped {
        /// Why.
        cause: Cause,
        /// Until then.
        until: Duration,
    },
}

/// A failure, for inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// When, in monotonic time.
    pub at: Duration,
    /// How.
    pub kind: FaultKind,
}

impl Breaker {
    /// A breaker that passes.
    pub fn new(settings: BreakerSettings) -> Self {
        let state = passing(&settings, 0);
        Self { settings, state, epoch: 0, reasons: VecDeque::new(), relapse: None }
    }

    /// What one more request would be told. Changes nothing.
    pub fn gate(&self, now: Duration) -> Gate {
        match self.state {
            State::Passing { .. } => Gate::Passing,
            State::Shut { until, .. } if now < until => Gate::Shut { until },
            State::Probing { since, .. } if now < self.given_up_at(since) => Gate::Probing,
            State::Shut { .. } | State::Probing { .. } => Gate::ProbeDue,
        }
    }

    /// Lets a request through, as the probe where one is due.
    pub fn enter(&mut self, now: Duration) -> Result<Permit, Gate> {
        match self.gate(now) {
            Gate::Passing => Ok(self.permit(false)),
            Gate::ProbeDue => {
                let (State::Shut { cooldown, .. } | State::Probing { cooldown, .. }) = self.state
                else {
                    return Ok(self.permit(false));
                };
                self.turn_to(State::Probing { since: now, cooldown });
                Ok(self.permit(true))
            }
            refusal @ (Gate::Probing | Gate::Shut { .. }) => Err(refusal),
        }
    }

    /// The request was answered, or refused for its own fault: the deployment lives.
    pub fn on_success(&mut self, now: Duration, permit: Permit) -> Turn {
        if permit.epoch != self.epoch {
            return Turn::Stayed;
        }
        match &mut self.state {
            State::Passing { failures, window, probation } => {
                *failures = 0;
                *probation = probation.saturating_sub(1);
                window.success(now);
                Turn::Stayed
            }
            State::Shut { .. } => Turn::Stayed,
            &mut State::Probing { cooldown, .. } => {
                let until = now.saturating_add(self.settings.relapse_window);
                self.relapse = Some(Relapse { until, cooldown });
                self.turn_to(passing(&self.settings, self.settings.failures_max.max(1)));
                Turn::Recovered
            }
        }
    }

    /// The request failed; `retry_after` is what the provider said to that.
    pub fn on_failure(
        &mut self,
        now: Duration,
        permit: Permit,
        kind: FaultKind,
        retry_after: Option<Duration>,
    ) -> Turn {
        if permit.epoch != self.epoch {
            return Turn::Stayed;
        }
        if self.reasons.len() >= REASONS_MAX {
            self.reasons.pop_front();
        }
        self.reasons.push_back(Reason { at: now, kind });
        match &mut self.state {
            State::Passing { failures, window, probation } => {
                *failures = failures.saturating_add(1);
                window.failure(now);
                let relapsed = (*probation > 0).then_some(Cause::Relapsed);
                let too_many = || too_many(&self.settings, *failures, window.counts(now));
                match relapsed.or_else(too_many) {
                    Some(cause) => self.shut(now, self.cooldown(now), retry_after, cause),
                    None => Turn::Stayed,
                }
            }
            State::Shut { .. } => Turn::Stayed,
            &mut State::Probing { cooldown, .. } => {
                let doubled = cooldown.saturating_mul(2);
                self.shut(now, doubled, retry_after, Cause::ProbeFailed)
            }
        }
    }

    /// The request ended without a verdict.
    pub fn on_lost(&mut self, now: Duration, permit: Permit) -> Turn {
        match self.state {
            State::Probing { cooldown, .. } if permit.epoch == self.epoch => {
                self.shut(now, cooldown, None, Cause::ProbeLost)
            }
            State::Probing { .. } | State::Passing { .. } | State::Shut { .. } => Turn::Stayed,
        }
    }

    /// The permit of a request whose probe has succeeded and which still runs.
    pub fn renew(&self) -> Permit {
        self.permit(false)
    }

    /// Changes the settings. The state stays, its window too where its length stays.
    pub fn configure(&mut self, settings: BreakerSettings) {
        if let State::Passing { window, .. } = &mut self.state
            && self.settings.window != settings.window
        {
            *window = Window::new(settings.window);
        }
        self.settings = settings;
    }

    /// Shuts it as it was before a restart, with what was left of the cool-down.
    pub fn restore_shut(
        &mut self,
        now: Duration,
        left: Duration,
        cooldown: Duration,
        cause: Cause,
    ) {
        let until = now.saturating_add(left.min(self.settings.cooldown_max));
        self.turn_to(State::Shut { until, cooldown, cause });
    }

    /// Lets it pass as it did before a restart.
    pub fn restore_passing(&mut self, probation: u32, relapse: Option<Relapse>) {
        self.relapse = relapse;
        self.turn_to(passing(&self.settings, probation));
    }

    /// What the last recovery has left behind, while it matters.
    pub fn relapse(&self, now: Duration) -> Option<Relapse> {
        self.relapse.filter(|relapse| now < relapse.until)
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When a probe that started at `since` is given up.
    pub fn given_up_at(&self, since: Duration) -> Duration {
        since.saturating_add(self.settings.probe_timeout)
    }

    /// The last failures, oldest first.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + '_ {
        self.reasons.iter().copied()
    }

    /// For how long it is to be shut after it has passed; no less than is set by now.
    fn cooldown(&self, now: Duration) -> Duration {
        let doubled = self.relapse(now).map(|relapse| relapse.cooldown.saturating_mul(2));
        doubled.unwrap_or_default().max(self.settings.cooldown)
    }

    fn shut(
        &mut self,
        now: Duration,
        cooldown: Duration,
        retry_after: Option<Duration>,
        cause: Cause,
    ) -> Turn {
        let max = self.settings.cooldown_max;
        let cooldown = cooldown.min(max);
        let wait = retry_after.map_or(cooldown, |asked| asked.clamp(cooldown, max));
        let until = now.saturating_add(wait);
        self.turn_to(State::Shut { until, cooldown, cause });
        Turn::Tripped { cause, until }
    }

    fn turn_to(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn permit(&self, probe: bool) -> Permit {
        Permit { epoch: self.epoch, probe }
    }
}

fn passing(settings: &BreakerSettings, probation: u32) -> State {
    State::Passing { failures: 0, window: Window::new(settings.window), probation }
}

fn too_many(settings: &BreakerSettings, failures: u32, counts: Counts) -> Option<Cause> {
    if failures >= settings.failures_max {
        return Some(Cause::FailuresInARow);
    }
    let total = u64::from(counts.total());
    let enough = total >= u64::from(settings.samples_min);
    let share = u64::from(counts.failures) * 100 >= total * u64::from(settings.failure_percent);
    (enough && share).then_some(Cause::FailureShare)
}
