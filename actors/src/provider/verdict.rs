//! What the end of a request means for its credential, its tokens, the figures and the breaker. Pure.
//!
//! | outcome             | breaker | credential | tokens taken |
//! | ------------------- | ------- | ---------- | ------------ |
//! | answered            | success | fine again | replaced by those used |
//! | fault               | failure | –          | given back where there was no connection, else kept |
//! | rate limited        | lost    | cools      | kept |
//! | credential rejected | lost    | disabled   | given back |
//! | credit exhausted    | lost    | cools      | given back |
//! | client's fault      | success | –          | given back |
//! | alive               | success | –          | –    |
//! | outrun              | lost    | –          | kept |
//! | lost                | lost    | –          | kept |
//!
//! A health probe means nothing to credential and tokens, whatever it came to.
//!
//! "Lost" matters to a probe only: nothing was learnt, so the cool-down starts again. Tokens are kept
//! where the provider may have counted them: a limit of ours that is stricter than theirs costs a little
//! throughput, one that is laxer costs refused requests.

use std::time::Duration;

use super::breaker::Turn;
use super::machine::{Notice, ProviderMachine};
use super::outcome::{FaultKind, Outcome};
use super::tickets::Active;

impl ProviderMachine {
    /// What an outcome means for the credential.
    pub(super) fn blame(
        &mut self,
        now: Duration,
        active: Active,
        outcome: Outcome,
    ) -> Option<Notice> {
        let id = active.credential;
        let (until, disabled) = match outcome {
            Outcome::Answered { .. } => {
                self.credentials.on_success(now, id);
                return None;
            }
            Outcome::RateLimited { retry_after } => {
                (self.credentials.on_rate_limited(now, id, retry_after), None)
            }
            Outcome::CreditExhausted => (self.credentials.on_credit_exhausted(now, id), None),
            Outcome::CredentialRejected { status } => {
                (None, self.credentials.on_rejected(id, status).then_some(status))
            }
            Outcome::Fault { .. }
            | Outcome::ClientFault { .. }
            | Outcome::Alive
            | Outcome::Outrun { .. }
            | Outcome::Lost => return None,
        };
        self.health_changed = true;
        self.show_headroom(now);
        let credential = self.credentials.iter().find(|known| known.id == id)?.hint();
        match (until, disabled) {
            (Some(until), _) => {
                Some(Notice::Cooling { credential, wait: until.saturating_sub(now) })
            }
            (None, Some(status)) => Some(Notice::Disabled { credential, status }),
            (None, None) => None,
        }
    }

    /// What an outcome says of speed and of tokens used.
    pub(super) fn measure(&mut self, now: Duration, active: Active, outcome: Outcome) {
        let window = self.settings.latency_window;
        let Some(deployment) = self.deployments.get_mut(usize::from(active.deployment.0)) else {
            return;
        };
        let held = active.tokens;
        match outcome {
            Outcome::Answered { first_content, total, tokens, output_tokens } => {
                deployment.correct(now, held, tokens);
                deployment.saw_end(now, total, window);
                if let Some(first_content) = first_content {
                    deployment.saw_first_content(now, first_content, window);
                    deployment.saw_output(now, [first_content, total], output_tokens, window);
                }
            }
            Outcome::Fault { kind, .. } => match kind {
                FaultKind::ConnectFailed => deployment.correct(now, held, 0),
                FaultKind::HeadTimeout | FaultKind::ContentTimeout => {
                    deployment.saw_silence(now, now.saturating_sub(active.since), window);
                }
                FaultKind::IdleTimeout
                | FaultKind::ServerError(_)
                | FaultKind::BadAnswer
                | FaultKind::Cut => {}
            },
            Outcome::ClientFault { .. }
            | Outcome::CredentialRejected { .. }
            | Outcome::CreditExhausted => deployment.correct(now, held, 0),
            Outcome::Outrun { waited } => deployment.saw_silence(now, waited, window),
            Outcome::RateLimited { .. } | Outcome::Alive | Outcome::Lost => {}
        }
    }

    /// What an outcome means for the deployment's breaker.
    pub(super) fn learn(&mut self, now: Duration, active: Active, outcome: Outcome) -> Turn {
        let Some(deployment) = self.deployments.get_mut(usize::from(active.deployment.0)) else {
            return Turn::Stayed;
        };
        let (breaker, permit) = (&mut deployment.breaker, active.permit);
        match outcome {
            Outcome::Answered { .. } | Outcome::ClientFault { .. } | Outcome::Alive => {
                breaker.on_success(now, permit)
            }
            Outcome::Fault { kind, retry_after } => {
                breaker.on_failure(now, permit, kind, retry_after)
            }
            Outcome::RateLimited { .. }
            | Outcome::CredentialRejected { .. }
            | Outcome::CreditExhausted
            | Outcome::Outrun { .. }
            | Outcome::Lost => breaker.on_lost(now, permit),
        }
    }

    /// Which credentials can be used has changed.
    pub(super) fn show_headroom(&self, now: Duration) {
        for deployment in &self.deployments {
            deployment.show_headroom(now, self.credentials.promising(now));
        }
    }

    /// What of it is worth a line in the log.
    pub(super) fn note(&mut self, now: Duration, active: Active, turn: Turn) -> Option<Notice> {
        let deployment = self.deployments.get(usize::from(active.deployment.0))?;
        let deployment = deployment.settings.name.clone();
        let notice = match turn {
            Turn::Stayed => return None,
            Turn::Recovered => Notice::Recovered { deployment },
            Turn::Tripped { cause, until } => {
                Notice::Shut { deployment, cause, wait: until.saturating_sub(now) }
            }
        };
        self.health_changed = true;
        Some(notice)
    }
}
