//! One attempt, and where the route hedges and the first is slow, a second one beside it: whichever
//! answers first wins, and the other is given up.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use infergate_actors::account::AttemptOutcome;
use infergate_actors::money::Usage;
use infergate_actors::provider::{Outcome, Ticket};
use smallvec::{SmallVec, smallvec};

use super::attempt::{Failure, Reply, Sending, attempt};
use super::bill;
use super::errand::{Spot, Start};
use super::patience::Patience;
use super::reader::Way;
use super::tally::Tally;
use super::tries::{Entry, Queue, Search, Tried};
use crate::catalog::Target;
use crate::config::{Hedge, HedgeAfter};
use crate::route::TargetState;

/// The attempts of a race, failures first.
type Ended = SmallVec<[Tried; 1]>;

/// An attempt's end, and when it had been sent, in monotonic time.
type Sent = (Duration, Result<Reply, Failure>);

/// An attempt that is ready to be sent.
struct Ready<'a> {
    target: &'a Target,
    sending: Sending<'a>,
    patience: Patience,
}

impl Search<'_> {
    /// Makes an attempt, and perhaps another beside it.
    pub(super) async fn race(&self, entry: Entry, queue: &mut Queue, tally: &mut Tally) -> Ended {
        match self.hedge_delay(&entry) {
            None => {
                let ready = self.ready(&entry, tally);
                let sent = self.send(ready, &entry.ticket).await;
                smallvec![tried(entry, sent)]
            }
            // Few routes hedge: the others do not carry the room for it around.
            Some(delay) => Box::pin(self.hedged(entry, delay, queue, tally)).await,
        }
    }

    async fn hedged(
        &self,
        entry: Entry,
        delay: Duration,
        queue: &mut Queue,
        tally: &mut Tally,
    ) -> Ended {
        let begun = self.errand.world.clock.mono();
        let ready = self.ready(&entry, tally);
        let mut beside: Option<(Entry, Duration)> = None;
        let (first, second) = {
            let mut first = pin!(self.send(ready, &entry.ticket));
            match select(&mut first, pin!(tokio::time::sleep(delay))).await {
                Either::Left((sent, _)) => (Some(sent), None),
                Either::Right(_) => {
                    let let_in = self.second(entry.spot, queue, tally).await;
                    beside = let_in.map(|entry| (entry, self.errand.world.clock.mono()));
                    match &beside {
                        None => (Some(first.await), None),
                        Some((other, _)) => {
                            self.errand.world.metrics.hedged();
                            let ready = self.ready(other, tally);
                            both(first, pin!(self.send(ready, &other.ticket))).await
                        }
                    }
                }
            }
        };
        let mut ended = Ended::new();
        for (entry, begun, sent) in
            [Some((entry, begun, first)), beside.map(|(entry, begun)| (entry, begun, second))]
                .into_iter()
                .flatten()
        {
            match sent {
                Some(sent) => ended.push(tried(entry, sent)),
                None => self.outran(entry, begun, tally),
            }
        }
        ended.sort_by_key(|tried| tried.result.is_ok());
        ended
    }

    /// Lets a second candidate in beside the first, if one is there at once and the route has something
    /// left to spend on it.
    async fn second(&self, first: Spot, queue: &mut Queue, tally: &mut Tally) -> Option<Entry> {
        let now = self.errand.world.clock.mono();
        let passes = |spot: &Spot| {
            let target = self.errand.target(*spot);
            *spot != first
                && target.is_some_and(|target| target.facts(now).state == TargetState::Passing)
        };
        let at = queue.iter().position(passes)?;
        let is_allowed = tally.attempts.len() + 1 < self.errand.attempts_max();
        if !is_allowed || !self.errand.model(first)?.budgets.hedge(now) {
            return None;
        }
        let mut alone: Queue = queue.remove(at).into_iter().collect();
        let entry = self.enter(&mut alone, tally).await?;
        // The first may still answer.
        Some(Entry { is_last: false, ..entry })
    }

    /// Another attempt answered first: what the loser will cost us is known as far as it was sent.
    fn outran(&self, loser: Entry, begun: Duration, tally: &mut Tally) {
        let waited = self.errand.world.clock.mono().saturating_sub(begun);
        loser.ticket.report(Outcome::Outrun { waited });
        let Some(target) = self.errand.target(loser.spot) else { return };
        let usage = Usage { input: self.errand.quote.prompt_tokens_estimate, ..Usage::default() };
        tally.attempts.push(bill::attempt(target, AttemptOutcome::Outrun, None, &usage));
    }

    fn ready(&self, entry: &Entry, tally: &Tally) -> Option<Ready<'_>> {
        let target = self.errand.target(entry.spot)?;
        let start = self.start(entry.spot, tally);
        let sending = self.errand.sending(self.envelope, entry.spot, target, start)?;
        let last = entry.is_last.then(|| self.time_left());
        let mut patience = self.errand.patience(target, last);
        if let Start::After(_, Way::Rerun) = start {
            // All that was said comes again before anything new does.
            patience.first_content = patience.first_content.max(self.time_left());
        }
        Some(Ready { target, sending, patience })
    }

    async fn send(&self, ready: Option<Ready<'_>>, ticket: &Ticket) -> Sent {
        let sent = self.errand.world.clock.mono();
        let result = match ready {
            Some(Ready { target, sending, patience }) => {
                attempt(target, ticket, sending, patience).await
            }
            None => Err(Failure::unsent()),
        };
        (sent, result)
    }

    /// How long an attempt is waited for until a second is made beside it; `None` for never.
    fn hedge_delay(&self, entry: &Entry) -> Option<Duration> {
        let hedge = self.errand.model(entry.spot)?.settings.route.hedge.as_ref()?;
        let Hedge { after, after_min, after_max, .. } = *hedge;
        let after = match after {
            HedgeAfter::Time(after) => Some(after),
            HedgeAfter::P95 => {
                let target = self.errand.target(entry.spot)?;
                let health = target.provider.handle.health();
                health.deployment(target.deployment)?.gauge.first_content_p95()
            }
        };
        Some(after.unwrap_or(after_max).clamp(after_min, after_max.max(after_min)))
    }
}

fn tried(entry: Entry, (sent, result): Sent) -> Tried {
    Tried { spot: entry.spot, ticket: entry.ticket, sent, result }
}

/// The ends of two attempts: of the one that answers first alone, or of both where one fails.
async fn both(
    mut first: Pin<&mut impl Future<Output = Sent>>,
    mut second: Pin<&mut impl Future<Output = Sent>>,
) -> (Option<Sent>, Option<Sent>) {
    match select(&mut first, &mut second).await {
        Either::Left((sent, _)) if sent.1.is_ok() => (Some(sent), None),
        Either::Right((sent, _)) if sent.1.is_ok() => (None, Some(sent)),
        Either::Left((failed, _)) => (Some(failed), Some(second.await)),
        Either::Right((failed, _)) => (Some(first.await), Some(failed)),
    }
}
