//! Which providers are tried, how often, and when it is enough.
//!
//! A failure before any content moves on to the next candidate. Where every candidate has failed and
//! attempts and time are left, another round follows after a pause: a provider that failed once may
//! be fine, and one that asked for a pause has had it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use infergate_actors::account::{Attempt, AttemptOutcome, End, Permit, UsageRecord};
use infergate_actors::clock::Now;
use infergate_actors::id::ExchangeId;
use infergate_actors::money::Usage;
use infergate_actors::provider::{Refusal, Ticket};
use smallvec::SmallVec;

use super::World;
use super::admit::Quote;
use super::attempt::{Answer, Failure, Sending, attempt};
use super::belief::Belief;
use super::bill::{self, Bill};
use super::settle::OpenHold;
use crate::catalog::{Model, Target};
use crate::config::Place;
use crate::dialect::envelope::Envelope;
use crate::dialect::splice::{self, Edits};
use crate::error::ApiError;
use crate::route::{self, Asked};

/// The first pause between two rounds; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause: a provider that asks for more is not waited for.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// An exchange in search of an answer.
pub(super) struct Exchange<'a> {
    world: &'a Arc<World>,
    model: &'a Arc<Model>,
    envelope: &'a Envelope<'a>,
    asked: Asked<'a>,
    request_id: HeaderValue,
    started: Now,
    quote: Quote,
    /// What one choice may have at most, where the provider is to be told.
    ceiling: Option<u64>,
}

/// An exchange that a provider answers.
pub(super) struct Won {
    place: Place,
    ticket: Ticket,
    sent: Duration,
    first_content: Duration,
    status: StatusCode,
    answer: Answer,
    attempts: SmallVec<[Attempt; 1]>,
}

/// An exchange that nobody answers.
pub(super) struct Lost {
    pub(super) error: Box<ApiError>,
    pub(super) end: End,
}

/// What has been tried so far.
#[derive(Default)]
struct Tally {
    attempts: SmallVec<[Attempt; 1]>,
    timed_out: SmallVec<[Place; 2]>,
    /// The soonest that anyone may be worth another try, as far as this round knows.
    retry_after: Option<Duration>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        world: &'a Arc<World>,
        model: &'a Arc<Model>,
        envelope: &'a Envelope<'a>,
        asked: Asked<'a>,
        (id, started): (ExchangeId, Now),
        quote: Quote,
        permit: &Permit,
    ) -> Self {
        let lowered = permit.completion_tokens_max < quote.completion_tokens_max;
        // What is held for is what the provider is told, or else it could send, and bill, more than
        // was asked of the account. A stream without a ceiling needs none: its hold grows with it.
        let is_told = quote.explicit || lowered || !envelope.stream;
        Self {
            world,
            model,
            envelope,
            asked,
            request_id: HeaderValue::try_from(id.to_string())
                .unwrap_or(HeaderValue::from_static("")),
            started,
            quote: Quote { explicit: is_told, ..quote },
            ceiling: is_told.then(|| permit.completion_tokens_max / quote.choices.max(1)),
        }
    }

    pub(super) fn quote(&self) -> Quote {
        self.quote
    }

    /// Tries candidates until one answers.
    pub(super) async fn run(&self) -> Result<Won, Lost> {
        let route = &self.model.settings.route;
        let mut tally = Tally::default();
        for round in 0..route.attempts_max {
            tally.retry_after = None;
            let candidates = self.candidates(&tally);
            if candidates.is_empty() {
                if let Some(unfit) = route::none_fits(route, &self.asked) {
                    let error = Box::new(ApiError::no_provider_fits(&unfit));
                    return Err(Lost { error, end: End::Rejected });
                }
                // All that is left was silent or is out of use: waiting changes nothing.
                break;
            }
            for place in candidates {
                if let Some(won) = self.try_target(place, &mut tally).await? {
                    return Ok(Won { attempts: tally.attempts, ..won });
                }
                if self.is_enough(&tally, Duration::ZERO) {
                    return Err(tally.lost());
                }
            }
            let pause = tally.pause(round, self.world.dice());
            if self.is_enough(&tally, pause) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(tally.lost())
    }

    /// Tries one target, with one credential after another where that may help.
    async fn try_target(&self, place: Place, tally: &mut Tally) -> Result<Option<Won>, Lost> {
        let Some(target) = self.model.target(place) else { return Ok(None) };
        loop {
            let Quote { prompt_tokens_estimate, completion_tokens_first, .. } = self.quote;
            let tokens = prompt_tokens_estimate.saturating_add(completion_tokens_first);
            let acquired = target.provider.handle.acquire(target.deployment, tokens).await;
            let ticket = match acquired {
                Ok(ticket) => ticket,
                Err(refusal) => {
                    tally.refused(refusal, self.world.clock.mono());
                    return Ok(None);
                }
            };
            let sent = self.world.clock.mono();
            match attempt(target, &ticket, self.sending(target)).await {
                Ok((status, answer)) => {
                    let first_content = self.world.clock.mono();
                    let attempts = SmallVec::new();
                    let won = Won { place, ticket, sent, first_content, status, answer, attempts };
                    return Ok(Some(won));
                }
                Err(failure) => {
                    self.world.metrics.attempt_failed(target, failure.outcome);
                    let again = failure.is_credentials();
                    tally.failed(place, target, ticket, failure)?;
                    if !again || self.is_enough(tally, Duration::ZERO) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn sending(&self, target: &Target) -> Sending<'_> {
        let envelope = self.envelope;
        let body: Bytes = splice::apply(
            envelope,
            &Edits {
                model: Some(&target.upstream_model),
                output_ceiling: self.ceiling,
                ceiling_field: target.provider.ceiling_field,
                include_usage: envelope.stream,
            },
        );
        Sending {
            body,
            stream: envelope.stream,
            usage_is_wanted: envelope.include_usage,
            choices: envelope.choices,
            prompt_tokens_estimate: self.quote.prompt_tokens_estimate,
            belief: Belief::new(&self.model.settings, envelope.choices),
            request_id: &self.request_id,
        }
    }

    /// Who is to be tried in this round, in order.
    fn candidates(&self, tally: &Tally) -> SmallVec<[Place; 8]> {
        let now = self.world.clock.mono();
        let facts = |place| self.model.facts(place, now);
        let order = route::order(&self.model.settings.route, &self.asked, facts, self.world.dice());
        order.into_iter().filter(|place| !tally.timed_out.contains(place)).collect()
    }

    /// Whether attempts or time are used up, `pause` from now.
    fn is_enough(&self, tally: &Tally, pause: Duration) -> bool {
        let route = &self.model.settings.route;
        let made = u32::try_from(tally.attempts.len()).unwrap_or(u32::MAX);
        let spent = self.world.clock.mono().saturating_sub(self.started.mono);
        made >= route.attempts_max || spent.saturating_add(pause) >= route.deadline
    }
}

impl Won {
    /// The bill to be, and the answer it is for.
    pub(super) fn into_bill(
        self,
        hold: OpenHold,
        model: &Arc<Model>,
        world: &Arc<World>,
        started: Now,
    ) -> (Answer, Box<Bill>) {
        let mut ticket = self.ticket;
        ticket.content_started();
        let bill = Bill {
            hold,
            ticket,
            model: Arc::clone(model),
            place: self.place,
            record: UsageRecord {
                model: model.settings.name.to_string(),
                streamed: matches!(self.answer, Answer::Stream(_)),
                started_at_ms: started.wall_ms,
                attempts: self.attempts,
                ..UsageRecord::default()
            },
            clock: world.clock.clone(),
            started,
            sent: self.sent,
            first_content: self.first_content,
            status: self.status.as_u16(),
        };
        (self.answer, Box::new(bill))
    }
}

impl Tally {
    fn refused(&mut self, refusal: Refusal, now: Duration) {
        if let Some(after) = refusal.retry_after(now) {
            self.worth_trying_after(after);
        }
    }

    /// Takes note of a failure. An error when no other provider may do better.
    fn failed(
        &mut self,
        place: Place,
        target: &Target,
        ticket: Ticket,
        failure: Failure,
    ) -> Result<(), Lost> {
        ticket.report(failure.report);
        let usage = Usage::default();
        self.attempts.push(bill::attempt(target, failure.outcome, failure.status, &usage));
        if failure.is_timeout() {
            self.timed_out.push(place);
        }
        if let Some(after) = failure.retry_after() {
            self.worth_trying_after(after);
        }
        match failure.verdict {
            Some(error) => Err(Lost { error, end: End::Rejected }),
            None => Ok(()),
        }
    }

    fn worth_trying_after(&mut self, after: Duration) {
        self.retry_after = Some(self.retry_after.map_or(after, |soonest| soonest.min(after)));
    }

    /// How long to wait before the next round: what was asked for, or a doubling time of which
    /// between half and all is waited, so that many clients do not come back at the same moment.
    fn pause(&self, round: u32, dice: u64) -> Duration {
        let doubled = PAUSE_FIRST.saturating_mul(1 << round.min(6)).min(PAUSE_MAX);
        let half = doubled / 2;
        let part = u32::try_from(dice % 1_000).unwrap_or(0);
        let jittered = half + half * part / 1_000;
        match self.retry_after {
            Some(after) if after > PAUSE_MAX => Duration::MAX,
            Some(after) => after.max(jittered),
            None => jittered,
        }
    }

    /// What the client is told, from what the attempts came to.
    fn lost(self) -> Lost {
        let all = |what: fn(&AttemptOutcome) -> bool| {
            !self.attempts.is_empty() && self.attempts.iter().all(|try_| what(&try_.outcome))
        };
        let is_timeout = |outcome: &AttemptOutcome| {
            matches!(
                outcome,
                AttemptOutcome::HeadTimeout
                    | AttemptOutcome::ContentTimeout
                    | AttemptOutcome::IdleTimeout
                    | AttemptOutcome::DeadlinePassed
            )
        };
        let (error, end) = if self.attempts.is_empty() {
            (ApiError::no_provider(self.retry_after), End::ProviderError)
        } else if all(|outcome| *outcome == AttemptOutcome::RateLimited) {
            (ApiError::provider_rate_limited(self.retry_after), End::ProviderError)
        } else if all(is_timeout) {
            (ApiError::provider_timeout(), End::TimedOut)
        } else {
            (ApiError::provider_failed(), End::ProviderError)
        };
        Lost { error: Box::new(error), end }
    }
}
