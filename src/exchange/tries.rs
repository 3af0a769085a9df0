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
use infergate_actors::provider::{Outcome, Ticket};
use smallvec::SmallVec;

use super::admit::Quote;
use super::attempt::{Answer, Failure, Rejected, Reply};
use super::bill;
use super::errand::{Errand, Spot, Start};
use super::reader::{Broken, Way};
use super::tally::{Lost, Tally};
use crate::catalog::Target;
use crate::dialect::envelope::Envelope;
use crate::error::ApiError;
use crate::route::TargetState;

/// How long an exchange waits in all for someone whom it may send anything to.
const UNSENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// One way through the candidates of an exchange.
pub(super) struct Search<'a> {
    pub(super) errand: &'a Errand,
    pub(super) envelope: &'a Envelope<'a>,
    /// The answer that is to be gone on with, where it is one that broke off.
    pub(super) broken: Option<&'a Broken>,
    /// Where that one began.
    pub(super) begun: Option<Spot>,
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

/// What a try costs the route's budget for retries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Price {
    Free,
    Retry,
}

/// Who is still to be asked in this round, in order.
pub(super) type Queue = VecDeque<Spot>;

impl Search<'_> {
    /// Tries candidates until one answers.
    pub(super) async fn run(&self, tally: &mut Tally) -> Result<(Won, Answer), Lost> {
        let mut waited = Duration::ZERO;
        for round in 0.. {
            tally.retry_after = None;
            let attempts_before = tally.attempts.len();
            let mut queue = self.candidates(tally);
            if queue.is_empty()
                && tally.attempts.is_empty()
                && let Some(unfit) = self.unfit()
            {
                return Err(tally.lost_with(ApiError::no_provider_fits(&unfit), End::Rejected));
            }
            while let Some(entry) = self.enter(&mut queue, tally).await {
                let ended = self.race(entry, &mut queue, tally).await;
                if let Some(won) = self.take_all(ended, &mut queue, tally)? {
                    return Ok(won);
                }
            }
            let Some(pause) = self.pause(round, tally) else { break };
            if tally.attempts.len() == attempts_before {
                // Nothing was sent: that is waited for only so long, lest what nobody can answer piles up.
                waited = waited.saturating_add(pause);
                if waited > UNSENT_WAIT_MAX {
                    break;
                }
            }
            if self.is_enough(tally, pause) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(tally.lost())
    }

    /// How long to wait before the next round; `None` where waiting changes nothing.
    fn pause(&self, round: u32, tally: &Tally) -> Option<Duration> {
        let pause = tally.pause(round, self.errand.world.dice());
        if self.candidates(tally).is_empty() {
            let due = self.soonest_due(|spot| self.may_come(*spot, tally));
            // All that is left was silent, is too small, or is out of use, if nobody comes back.
            return due.map(|due| due.max(pause));
        }
        if tally.attempts.len() + 1 == self.errand.attempts_max() {
            // The last attempt is not spent on those that have failed while another is due soon.
            let fresh =
                self.soonest_due(|spot| !tally.tried.contains(spot) && self.may_come(*spot, tally));
            return Some(pause.max(fresh.unwrap_or_default()));
        }
        Some(pause)
    }

    /// What several attempts that have ended lead to: an answer wherever there is one.
    fn take_all(
        &self,
        ended: SmallVec<[Tried; 1]>,
        queue: &mut Queue,
        tally: &mut Tally,
    ) -> Result<Option<(Won, Answer)>, Lost> {
        let is_answered = ended.iter().any(|tried| tried.result.is_ok());
        for tried in ended {
            match self.take(tried, queue, tally) {
                Ok(None) => {}
                Ok(Some(won)) => return Ok(Some(won)),
                // One says that the request is wrong, and the other has answered it.
                Err(_) if is_answered => {}
                Err(lost) => return Err(lost),
            }
        }
        Ok(None)
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
            let price = self.price(spot, target, tally);
            let budgets = self.errand.model(spot).map(|model| &model.budgets);
            let now = self.errand.world.clock.mono();
            if price == Price::Retry && !budgets.is_some_and(|budgets| budgets.may_retry(now)) {
                continue;
            }
            match target.provider.handle.acquire(target.deployment, tokens).await {
                Ok(ticket) => {
                    if let (Price::Retry, Some(budgets)) = (price, budgets) {
                        budgets.retried(now);
                    }
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

    /// What this try is, as far as the route's budget goes.
    fn price(&self, spot: Spot, target: &Target, tally: &Tally) -> Price {
        let is_first = tally.attempts.is_empty() && self.broken.is_none();
        let now = self.errand.world.clock.mono();
        // The first try of one that passes, or that waits to be probed, puts no load on what fails.
        let state = target.facts(now).state;
        let may_answer = matches!(state, TargetState::Passing | TargetState::ProbeDue);
        let is_fresh = !tally.tried.contains(&spot) && may_answer;
        if is_first || is_fresh || tally.free == Some(spot) { Price::Free } else { Price::Retry }
    }

    /// How an answer is asked for at a target.
    pub(super) fn start(&self, spot: Spot, tally: &Tally) -> Start<'_> {
        match (self.broken, self.way(spot, tally)) {
            (Some(broken), Some(way)) => Start::After(broken, way),
            _ => Start::Fresh,
        }
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
        let way = self.way(spot, tally);
        self.errand.world.metrics.attempt_failed(target, failure.outcome);
        // One that repeats what was said may be slow in coming to what is new, and is no worse for it.
        let is_late_repeat = way == Some(Way::Rerun) && failure.is_timeout();
        ticket.report(if is_late_repeat { Outcome::Lost } else { failure.report });
        let attempt = bill::attempt(target, failure.outcome, failure.status, &failure.usage);
        tally.attempts.push(attempt);
        if failure.is_diverged {
            tally.has_diverged = true;
            queue.retain(|spot| self.way(*spot, tally) != Some(Way::Rerun));
        }
        if failure.is_timeout() {
            tally.silent.push(spot);
        } else if failure.is_credentials() {
            self.ask_again(spot, queue, tally);
            tally.worth_trying_after(failure.retry_after().unwrap_or_default());
        } else {
            // One that names no time may be well at once.
            tally.worth_trying_after(failure.retry_after().unwrap_or_default());
        }
        let Some(rejected) = failure.rejected else { return Ok(None) };
        self.rejected(*rejected, way, spot, queue, tally)
    }

    /// Another credential of the same provider may do better at once; but it may not take the attempts
    /// that others have not had.
    fn ask_again(&self, spot: Spot, queue: &mut Queue, tally: &mut Tally) {
        let left = self.errand.attempts_max().saturating_sub(tally.attempts.len());
        let others = queue.iter().filter(|other| !tally.tried.contains(other)).count();
        if left > others {
            queue.push_front(spot);
        } else {
            queue.push_back(spot);
        }
        tally.free = Some(spot);
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

    /// Whether attempts or time are used up, `pause` from now.
    fn is_enough(&self, tally: &Tally, pause: Duration) -> bool {
        tally.attempts.len() >= self.errand.attempts_max() || self.time_left() <= pause
    }

    /// What is left of the time in which attempts may begin.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_sub(self.errand.world.clock.mono())
    }
}
