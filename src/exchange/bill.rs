//! From what was metered to what is charged and recorded.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{Attempt, AttemptOutcome, End, Settle, UsageRecord};
use infergate_actors::clock::{Clock, Now};
use infergate_actors::money::{Markup, NanoUsd, Usage};
use infergate_actors::provider::{FaultKind, Outcome, Ticket};

use super::settle::OpenHold;
use crate::catalog::{Model, Target};
use crate::dialect::meter::Metered;

/// An exchange that a provider is answering: all that its end will need.
pub(super) struct Bill {
    pub(super) hold: OpenHold,
    pub(super) ticket: Ticket,
    pub(super) model: Arc<Model>,
    pub(super) place: crate::config::Place,
    pub(super) record: UsageRecord,
    pub(super) clock: Clock,
    pub(super) started: Now,
    /// When the request was sent to the provider that answers.
    pub(super) sent: Duration,
    /// When its first content came.
    pub(super) first_content: Duration,
    pub(super) status: u16,
}

/// What was used, and whether the gateway had to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) usage: Usage,
    pub(super) estimated: bool,
    /// What the provider reported could not be.
    disbelieved: bool,
}

impl Measured {
    pub(super) fn new(metered: Metered, disbelieved: bool) -> Self {
        let Metered { usage, estimated } = metered;
        Self { usage, estimated, disbelieved }
    }
}

impl Bill {
    /// The bill for an exchange that ended so. Reports to the provider, too.
    pub(super) fn close(self, measured: Measured, end: End) -> (OpenHold, Option<Settle>) {
        let now = self.clock.mono();
        let Self { hold, ticket, model, place, mut record, started, sent, first_content, .. } =
            self;
        let Measured { usage, estimated, disbelieved } = measured;
        ticket.report(match end {
            End::Completed | End::OutOfCredit | End::Suspended | End::KeyRevoked => {
                Outcome::Answered {
                    first_content: first_content.saturating_sub(sent),
                    total: now.saturating_sub(sent),
                    tokens: usage.total_tokens(),
                }
            }
            End::ProviderCut => Outcome::Fault { kind: FaultKind::Cut, retry_after: None },
            End::TimedOut => Outcome::Fault { kind: FaultKind::IdleTimeout, retry_after: None },
            End::ClientGone
            | End::ClientStalled
            | End::ProviderError
            | End::GatewayStopping
            | End::Recovered
            | End::Rejected => Outcome::Lost,
        });
        record.first_content_ms = Some(millis(first_content.saturating_sub(started.mono)));
        record.total_ms = millis(now.saturating_sub(started.mono));
        if let Some(target) = model.target(place) {
            if disbelieved {
                let provider = target.provider.handle.name();
                tracing::warn!(%provider, "a count of tokens beyond belief is not charged");
            }
            record.attempts.push(attempt(target, outcome(end), Some(self.status), &usage));
        }
        let rates = *model.settings.price.rates(usage.prompt_tokens());
        let settle = hold.hold().map(|hold| Settle { hold, usage, estimated, rates, end, record });
        (hold, settle)
    }
}

/// What an attempt came to, for the record.
pub(super) fn attempt(
    target: &Target,
    outcome: AttemptOutcome,
    status: Option<u16>,
    usage: &Usage,
) -> Attempt {
    let cost = target.cost.as_ref();
    let provider_cost = cost.map_or(NanoUsd::ZERO, |price| {
        price.rates(usage.prompt_tokens()).cost(usage, Markup::default())
    });
    Attempt {
        provider: target.provider.handle.name().to_string(),
        upstream_model: target.upstream_model.to_string(),
        outcome,
        status,
        provider_cost,
    }
}

fn outcome(end: End) -> AttemptOutcome {
    match end {
        End::Completed | End::OutOfCredit | End::Suspended | End::KeyRevoked => {
            AttemptOutcome::Answered
        }
        End::ClientGone | End::ClientStalled | End::GatewayStopping => AttemptOutcome::ClientGone,
        End::TimedOut => AttemptOutcome::IdleTimeout,
        End::ProviderCut | End::ProviderError | End::Recovered | End::Rejected => {
            AttemptOutcome::Cut
        }
    }
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
