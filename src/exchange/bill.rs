//! From what was metered to what is charged and recorded.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Attempt, AttemptOutcome, Dialect, End, Finish, Settle, UsageRecord,
};
use infergate_actors::clock::{Clock, Now};
use infergate_actors::money::{Markup, NanoUsd, Usage};
use infergate_actors::provider::{FaultKind, Outcome, Ticket};
use smallvec::SmallVec;

use super::errand::{Errand, Spot};
use super::settle::OpenHold;
use super::tries::Won;
use crate::catalog::{Model, Target};
use crate::dialect::chat;
use crate::dialect::meter::{Meter, Metered};

/// An exchange that is being answered: all that its end will need.
pub(super) struct Bill {
    pub(super) hold: OpenHold,
    pub(super) model: Arc<Model>,
    pub(super) record: UsageRecord,
    pub(super) clock: Clock,
    pub(super) started: Now,
    /// The provider's part that is under way; none while another provider is looked for.
    leg: Option<Leg>,
    /// When the answer was first asked of one who gave it, in monotonic time.
    sent: Duration,
}

/// One provider's part of an answer.
struct Leg {
    ticket: Ticket,
    spot: Spot,
    /// When the request was sent, and when its first content came, in monotonic time.
    sent: Duration,
    first_content: Duration,
    status: u16,
}

/// What was used, and whether the gateway had to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) usage: Usage,
    pub(super) estimated: bool,
    /// What the last provider's part came to, for what it costs us.
    part: Usage,
    /// What the provider reported could not be.
    disbelieved: bool,
    /// Why the model stopped, where it said so.
    pub(super) finish: Option<Finish>,
}

impl Measured {
    /// What one provider gave all of.
    pub(super) fn new(meter: &Meter, disbelieved: bool) -> Self {
        let metered = meter.usage();
        Self::with_part(metered, metered.usage, disbelieved).finished(meter)
    }

    /// What several gave, the last of them `part`.
    pub(super) fn with_part(metered: Metered, part: Usage, disbelieved: bool) -> Self {
        let Metered { usage, estimated } = metered;
        Self { usage, estimated, part, disbelieved, finish: None }
    }

    /// The same, of an answer that the last of them ended so.
    pub(super) fn finished(self, meter: &Meter) -> Self {
        let finish = meter.finish().map(|finish| match finish {
            chat::Finish::Stop => Finish::Stop,
            chat::Finish::Length => Finish::Length,
            chat::Finish::ToolCalls => Finish::ToolCalls,
            chat::Finish::ContentFilter => Finish::ContentFilter,
            chat::Finish::Error | chat::Finish::Other => Finish::Other,
        });
        Self { finish, ..self }
    }

    /// Why the answer stopped, as its client was told, if it ended so.
    pub(super) fn told(self, end: End) -> Option<Finish> {
        // Who can pay for no more is told that it met a ceiling.
        self.finish.or((end == End::OutOfCredit).then_some(Finish::Length))
    }
}

impl Bill {
    /// For an exchange of `errand` that `won` answers, after the attempts that failed.
    pub(super) fn new(
        hold: OpenHold,
        errand: &Errand,
        won: Won,
        attempts: SmallVec<[Attempt; 1]>,
        streamed: bool,
    ) -> Option<Self> {
        let model = Arc::clone(errand.model(won.spot)?);
        let asked = errand.offers.first()?.settings.name.to_string();
        let answered = model.settings.name.to_string();
        let (clock, started) = (errand.world.clock.clone(), errand.started);
        let record = UsageRecord {
            served_model: (answered != asked).then_some(answered),
            model: asked,
            streamed,
            started_at_ms: started.wall_ms,
            first_content_ms: Some(millis(won.first_content.saturating_sub(started.mono))),
            attempts,
            dialect: Dialect::Openai,
            client: errand.caller.presented.address,
            ..UsageRecord::default()
        };
        let sent = won.sent;
        Some(Self { hold, model, record, clock, started, leg: Some(Leg::new(won)), sent })
    }

    /// When the answer that is under way was asked for, in monotonic time.
    pub(super) fn sent(&self) -> Duration {
        self.sent
    }

    /// Whose part is under way.
    pub(super) fn spot(&self) -> Option<Spot> {
        self.leg.as_ref().map(|leg| leg.spot)
    }

    /// The part that was under way is over, with `end`.
    pub(super) fn end_leg(&mut self, measured: Measured, end: End) {
        let Some(Leg { ticket, spot, sent, first_content, status }) = self.leg.take() else {
            return;
        };
        let now = self.clock.mono();
        let Measured { part, disbelieved, .. } = measured;
        // The time to a whole answer is none to its beginning, and who went on from another may have
        // had to say all of that again before.
        let is_telling = self.record.streamed && self.record.attempts.iter().all(is_unfinished);
        ticket.report(match end {
            End::Completed | End::OutOfCredit | End::Suspended | End::Closed | End::KeyRevoked => {
                Outcome::Answered {
                    first_content: is_telling.then(|| first_content.saturating_sub(sent)),
                    total: now.saturating_sub(sent),
                    tokens: part.total_tokens(),
                    output_tokens: part.completion_tokens(),
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
        let Some(target) = self.model.target(spot.place) else { return };
        if disbelieved {
            let provider = target.provider.handle.name();
            tracing::warn!(%provider, "a count of tokens beyond belief is not charged");
        }
        self.record.attempts.push(attempt(target, outcome(end), Some(status), &part));
    }

    /// Another provider goes on, after attempts that failed.
    pub(super) fn begin_leg(&mut self, won: Won) {
        self.leg = Some(Leg::new(won));
    }

    /// The bill for an exchange that ended so. Reports to the provider, too.
    pub(super) fn close(mut self, measured: Measured, end: End) -> (OpenHold, Option<Settle>) {
        self.end_leg(measured, end);
        let now = self.clock.mono();
        let Self { hold, model, mut record, started, .. } = self;
        let Measured { usage, estimated, .. } = measured;
        record.total_ms = millis(now.saturating_sub(started.mono));
        record.finish = measured.told(end);
        let rates = *model.settings.price.at(started.wall_ms).rates(usage.prompt_tokens());
        let settle = hold.hold().map(|hold| Settle { hold, usage, estimated, rates, end, record });
        (hold, settle)
    }
}

impl Leg {
    fn new(won: Won) -> Self {
        let Won { spot, mut ticket, sent, first_content, status } = won;
        ticket.content_started();
        Self { ticket, spot, sent, first_content, status: status.as_u16() }
    }
}

/// Whether an attempt gave no part of the answer.
fn is_unfinished(attempt: &Attempt) -> bool {
    !matches!(
        attempt.outcome,
        AttemptOutcome::Answered | AttemptOutcome::Cut | AttemptOutcome::IdleTimeout
    )
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
        End::Completed | End::OutOfCredit | End::Suspended | End::Closed | End::KeyRevoked => {
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
