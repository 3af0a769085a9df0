//! Which providers are tried, how often, and when it is enough.
//!
//! A failure before any content moves on to the next candidate. Where every candidate has failed and
//! attempts and time are left, another round follows after a pause: a provider that failed once may
//! be fine, and one that asked for a pause has had it. A first try of a provider that passes is always
//! allowed, since it puts no load on what fails; any other further try is taken from what the route
//! may spend on retries.

use std::collections::VecDeque;
use std::time::Duration;

use http::StatusCode;
use infergate_actors::account::End;
use infergate_actors::money::Usage;
use infergate_actors::provider::Ticket;

use super::admit::Quote;
use super::attempt::{Answer, Failure, Rejected, Reply};
use super::bill;
use super::errand::{Errand, Spot, Start};
use super::reader::{Broken, Way};
use super::tally::{Lost, Tally};
use crate::catalog::Target;
use crate::dialect::envelope::Envelope;
use crate::error::ApiError;
use crate::route::{self, TargetState, Unfit};

/// One way through the candidates of an exchange.
pub(super) struct Search<'a> {
    pub(super) errand: &'a Errand,
    pub(super) envelope: &'a Envelope<'a>,
    /// The answer that is to be gone on with, where it is one that broke off.
    pub(super) broken: Option<&'a Broken>,
    /// No attempt begins later, in monotonic time.
    pub(super) deadline: Duration,
}

/// A provider that let a request in.
pub(super) struct Entry {
    pub(super) spot: Spot,
    pub(super) ticket: Ticket,
    /// Nobody else is left to be asked.
    pub(super) is_last: bool,
}

/// An attempt that has ended.
pub(super) struct Tried {
    pub(super) spot: Spot,
    pub(super) ticket: Ticket,
    /// In monotonic time.
    pub(super) sent: Duration,
    pub(super) result: Result<Reply, Failure>,
}

/// An exchange that a provider answers.
pub(super) struct Won {
    pub(super) spot: Spot,
    pub(super) ticket: Ticket,
    pub(super) sent: Duration,
    pub(super) first_content: Duration,
    pub(super) status: StatusCode,
}

/// Who is still to be asked in this round, in order.
pub(super) type Queue = VecDeque<Spot>;

impl Search<'_> {
    /// Tries candidates until one answers.
    pub(super) async fn run(&self, tally: &mut Tally) -> Result<(Won, Answer), Lost> {
        let attempts_max = self.errand.attempts_max();
        for round in 0..u32::try_from(attempts_max).unwrap_or(u32::MAX) {
            tally.retry_after = None;
            let mut queue = self.candidates(tally);
            if queue.is_empty() {
                if let Some(unfit) = self.unfit().filter(|_| tally.attempts.is_empty()) {
                    return Err(tally.lost_with(ApiError::no_provider_fits(&unfit), End::Rejected));
                }
                // All that is left was silent, is too small, or is out of use: waiting changes nothing.
                break;
            }
            while let Some(entry) = self.enter(&mut queue, tally).await {
                for tried in self.race(entry, &mut queue, tally).await {
                    if let Some(won) = self.take(tried, &mut queue, tally)? {
                        return Ok(won);
                    }
                }
            }
            let mut pause = tally.pause(round, self.errand.world.dice());
            if tally.attempts.len() + 1 == attempts_max {
                // The last attempt is not spent on those that have failed while another is due soon.
                pause = pause.max(self.soonest_due(tally).unwrap_or_default());
            }
            if self.is_enough(tally, pause) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(tally.lost())
    }

    /// The next candidate that lets the request in; `None` when this round is over.
    pub(super) async fn enter(&self, queue: &mut Queue, tally: &mut Tally) -> Option<Entry> {
        let Quote { prompt_tokens_estimate, completion_tokens_first, .. } = self.errand.quote;
        let tokens = prompt_tokens_estimate.saturating_add(completion_tokens_first);
        while let Some(spot) = queue.pop_front() {
            if self.is_enough(tally, Duration::ZERO) {
                return None;
            }
            let Some(target) = self.errand.target(spot) else { continue };
            if !self.may_try(spot, target, tally) {
                continue;
            }
            match target.provider.handle.acquire(target.deployment, tokens).await {
                Ok(ticket) => {
                    if !tally.tried.contains(&spot) {
                        tally.tried.push(spot);
                    }
                    let is_last = !self.is_anyone_left(queue, tally);
                    return Some(Entry { spot, ticket, is_last });
                }
                Err(refusal) => tally.refused(refusal, self.errand.world.clock.mono()),
            }
        }
        None
    }

    /// Whether the route has something left to spend on this try, or it costs nothing.
    fn may_try(&self, spot: Spot, target: &Target, tally: &Tally) -> bool {
        let is_first = tally.attempts.is_empty() && self.broken.is_none();
        if is_first || tally.free == Some(spot) {
            return true;
        }
        let Some(model) = self.errand.model(spot) else { return false };
        let now = self.errand.world.clock.mono();
        let is_fresh =
            !tally.tried.contains(&spot) && target.facts(now).state == TargetState::Passing;
        model.budgets.retry(now, is_fresh)
    }

    /// Whether anyone of the queue is worth waiting for less for.
    fn is_anyone_left(&self, queue: &Queue, tally: &Tally) -> bool {
        let now = self.errand.world.clock.mono();
        queue.iter().any(|spot| {
            let target = self.errand.target(*spot);
            let state = target.map(|target| target.facts(now).state);
            let may_answer = matches!(state, Some(TargetState::Passing | TargetState::ProbeDue));
            may_answer && !tally.tried.contains(spot)
        })
    }

    /// How an answer is asked for at a target.
    pub(super) fn start(&self, spot: Spot, tally: &Tally) -> Start<'_> {
        let Some(broken) = self.broken else { return Start::Fresh };
        Start::After(broken, self.way(broken, spot, tally))
    }

    fn way(&self, broken: &Broken, spot: Spot, tally: &Tally) -> Way {
        let is_able = self.errand.takes_prefill(spot) && !tally.no_prefill.contains(&spot);
        // Where the client gave a beginning itself, there would be two.
        let has_one = self.envelope.media.ends_with_assistant;
        if is_able && !has_one && !broken.text().is_empty() { Way::Prefill } else { Way::Rerun }
    }

    /// What an attempt that has ended leads to: an answer, or another try.
    fn take(
        &self,
        tried: Tried,
        queue: &mut Queue,
        tally: &mut Tally,
    ) -> Result<Option<(Won, Answer)>, Lost> {
        let Tried { spot, ticket, sent, result } = tried;
        let failure = match result {
            Ok((status, answer)) => {
                let first_content = self.errand.world.clock.mono();
                let won = Won { spot, ticket, sent, first_content, status };
                return Ok(Some((won, answer)));
            }
            Err(failure) => failure,
        };
        let Some(target) = self.errand.target(spot) else { return Ok(None) };
        let way = match self.start(spot, tally) {
            Start::Fresh => None,
            Start::After(_, way) => Some(way),
        };
        self.errand.world.metrics.attempt_failed(target, failure.outcome);
        ticket.report(failure.report);
        let nothing = Usage::default();
        tally.attempts.push(bill::attempt(target, failure.outcome, failure.status, &nothing));
        if failure.is_timeout() {
            tally.silent.push(spot);
        }
        if let Some(after) = failure.retry_after() {
            tally.worth_trying_after(after);
        }
        if failure.is_credentials() {
            // Another credential of the same provider may do better at once.
            queue.push_front(spot);
            tally.free = Some(spot);
        }
        let Some(rejected) = failure.rejected else { return Ok(None) };
        self.rejected(*rejected, way, spot, queue, tally)
    }

    /// A provider says that the request is wrong: whether another may think otherwise.
    fn rejected(
        &self,
        rejected: Rejected,
        way: Option<Way>,
        spot: Spot,
        queue: &mut Queue,
        tally: &mut Tally,
    ) -> Result<Option<(Won, Answer)>, Lost> {
        if way == Some(Way::Prefill) {
            // Not the client's request is at fault, but what we made of it.
            tally.no_prefill.push(spot);
            queue.push_front(spot);
            tally.free = Some(spot);
            return Ok(None);
        }
        let context_tokens = self.errand.context_tokens(spot);
        if rejected.is_too_long && way.is_none() {
            tally.too_long_for = tally.too_long_for.max(Some(context_tokens));
            tally.verdict = Some(Box::new(rejected.error));
            queue.retain(|spot| self.may_fit(*spot, tally));
            return Ok(None);
        }
        Err(tally.lost_with(rejected.error, End::Rejected))
    }

    fn may_fit(&self, spot: Spot, tally: &Tally) -> bool {
        tally.too_long_for.is_none_or(|tokens| self.errand.context_tokens(spot) > tokens)
    }

    /// Who is to be tried in this round, in order.
    fn candidates(&self, tally: &Tally) -> Queue {
        let errand = self.errand;
        let now = errand.world.clock.mono();
        // An answer that broke off goes on with the model it began with.
        let offers = if self.broken.is_some() { 1 } else { errand.offers.len() };
        let mut queue = Queue::new();
        for (offer, model) in (0..=u8::MAX).zip(errand.offers.iter().take(offers)) {
            let asked = errand.asked(self.envelope, model);
            let facts = |place| model.facts(place, now);
            let dice = errand.world.dice();
            let order = route::order(&model.settings.route, &asked, facts, dice);
            queue.extend(order.into_iter().map(|place| Spot { offer, place }));
        }
        let wish = &errand.wish;
        if !wish.allows_fallbacks() && wish.order.is_empty() && !tally.tried.is_empty() {
            // Other lots in another round would be a fallback too.
            queue.retain(|spot| tally.tried.contains(spot));
        }
        queue.retain(|spot| !tally.silent.contains(spot) && self.may_fit(*spot, tally));
        if !tally.tried.is_empty() {
            queue.make_contiguous().sort_by_key(|spot| tally.tried.contains(spot));
        }
        if let Some(broken) = self.broken {
            let rank = |spot: &Spot| {
                let able = self.way(broken, *spot, tally) == Way::Prefill;
                (tally.broke.contains(spot), !able)
            };
            queue.make_contiguous().sort_by_key(rank);
        }
        queue
    }

    /// In how long the first of those that are shut and have not been asked may be, if that is in time.
    fn soonest_due(&self, tally: &Tally) -> Option<Duration> {
        let errand = self.errand;
        let now = errand.world.clock.mono();
        let left = self.time_left();
        let spots = (0..=u8::MAX).zip(&errand.offers).flat_map(|(offer, model)| {
            let asked = errand.asked(self.envelope, model);
            let route = &model.settings.route;
            let fit =
                route.targets().filter(move |(_, target)| route::unfit(target, &asked).is_none());
            fit.map(move |(place, _)| Spot { offer, place })
        });
        let due = spots
            .filter(|spot| !tally.tried.contains(spot))
            .filter_map(|spot| errand.target(spot)?.due_in(now));
        due.min().filter(|due| *due < left)
    }

    /// Why no target of any model may be asked, where that is the request's own doing.
    fn unfit(&self) -> Option<Vec<(&str, Unfit)>> {
        let mut all = Vec::new();
        for model in &self.errand.offers {
            let asked = self.errand.asked(self.envelope, model);
            all.extend(route::none_fits(&model.settings.route, &asked)?);
        }
        Some(all)
    }

    /// Whether attempts or time are used up, `pause` from now.
    fn is_enough(&self, tally: &Tally, pause: Duration) -> bool {
        tally.attempts.len() >= self.errand.attempts_max() || self.time_left() <= pause
    }

    /// What is left of the time in which attempts may begin.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_sub(self.errand.world.clock.mono())
    }
}
