//! An answer that was asked for another exchange of the same account, as it comes.
//!
//! Whoever follows an answer has a hold and a bill of its own. What it got is known by how far into the
//! recording it came, so nothing is metered for it as long as the answer ends as it should.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use infergate_actors::account::{Denial, End, Extend, Permit, Refusal, Source, Standing};

use super::super::World;
use super::super::admit::{Admitted, Quote, USEFUL_TOKENS};
use super::super::belief::Belief;
use super::super::bill::Measured;
use super::super::credit::Credit;
use super::super::handout::Stream;
use super::super::reader::Reader;
use super::super::tally::Lost;
use super::super::{answer_with, told};
use super::flight::{Closing, Follower, News};
use super::share::Share;
use super::{Asking, Seeking, tell};
use crate::error::ApiError;
use crate::front::AnswerBody;

/// What came of joining.
pub(super) enum Joined {
    /// An answer, or the beginning of one.
    Answered(Response<AnswerBody>),
    /// Nothing: it may be asked for once more.
    Failed(Box<Admitted>),
    /// An answer that is not for others.
    Apart(Box<Admitted>),
}

impl Seeking<'_> {
    /// Waits for the beginning of an answer that is not streamed until its end: for as long as it may take
    /// the one who asks. The provider is at work on it, as it would be if it had been asked once more.
    pub(super) async fn follow(
        &self,
        mut follower: Follower,
        mut admitted: Box<Admitted>,
    ) -> Result<Joined, ApiError> {
        let Asking { world, envelope, .. } = self.asking;
        let news = tokio::select! {
            biased;
            denial = admitted.permit.standing.ended() => {
                let Lost { error, end } = denial.into();
                void(world, *admitted, end);
                return Err(*error);
            }
            news = follower.news(0) => news,
        };
        // Nothing has been handed on here yet: what is broken already is asked for once more.
        match news.closing {
            None | Some(Closing::Whole(..) | Closing::Ended { end: End::Completed, .. }) => {}
            Some(Closing::Failed | Closing::Broken | Closing::Ended { .. }) => {
                return Ok(Joined::Failed(admitted));
            }
            Some(Closing::Apart | Closing::TooLong) => return Ok(Joined::Apart(admitted)),
            Some(Closing::Refused(error, end)) => {
                void(world, *admitted, end);
                return Err(*error);
            }
        }
        // As for any other: the hold is written before anything is told.
        if world.ledger.wait(admitted.ticket, world.durability).await.is_err() {
            return Err(ApiError::unavailable());
        }
        world.metrics.cache_joined();
        let Admitted { hold, permit, quote, .. } = *admitted;
        let rate = permit.rate;
        let streamed = envelope.stream;
        let share = self.share(hold, Source::Joined);
        let whole = match news.closing {
            Some(Closing::Whole(body, measured)) => Some((body, measured)),
            _ => None,
        };
        let mut headers = HeaderMap::new();
        let body = if let Some((body, measured)) = whole {
            let Measured { usage, estimated, finish, .. } = measured;
            let share = share.finished(finish);
            let settled = share.settle(world, usage, estimated, End::Completed).await;
            if let Some(charged) = settled.map_err(|_| ApiError::unavailable())? {
                told::charged(&mut headers, charged);
            }
            AnswerBody::whole(body)
        } else {
            let stream = Stream::Anothers(self.following(follower, share, permit, quote));
            AnswerBody::stream(world.handouts.begin(stream, world.clock.clone()))
        };
        told::kept(&mut headers, &self.model.settings.name);
        told::lifecycle(&mut headers, &self.model.settings.lifecycle);
        tell(&mut headers, "joined");
        Ok(Joined::Answered(answer_with(body, streamed, rate, headers)))
    }

    fn following(
        &self,
        follower: Follower,
        share: Share,
        permit: Permit,
        quote: Quote,
    ) -> Following {
        let lowered = permit.completion_tokens_max < quote.completion_tokens_max;
        let quote = Quote {
            rates: quote.rates.percent(self.settings.price_percent),
            // The provider was told the client's own ceiling, but not what this hold covers.
            explicit: quote.explicit && !lowered,
            ..quote
        };
        let Asking { world, envelope, .. } = self.asking;
        Following::new(Joining {
            world: Arc::clone(world),
            share: Some(share),
            follower,
            at: 0,
            credit: Credit::new(quote, permit.completion_tokens_held),
            standing: permit.standing,
            prompt_tokens_estimate: quote.prompt_tokens_estimate,
            belief: Belief::new(&self.model.settings, envelope.choices),
            choices: envelope.choices,
            given_up: Arc::default(),
        })
    }

    /// Makes a hold for a share one for the whole price: a request that had joined another is to ask for
    /// itself.
    pub(super) async fn raise(&self, mut admitted: Admitted) -> Result<Admitted, ApiError> {
        let Asking { world, caller, .. } = self.asking;
        let Quote {
            rates, prompt_tokens_max, completion_tokens_max, completion_tokens_first, ..
        } = admitted.quote;
        let Some(hold) = admitted.hold.hold() else { return Err(ApiError::unavailable()) };
        let extend = Extend {
            hold,
            rates,
            prompt_tokens_max,
            completion_tokens_held: 0,
            completion_tokens: completion_tokens_first,
        };
        let extended = world.accounts.extend(caller.account, extend).await;
        let useful =
            USEFUL_TOKENS.saturating_mul(admitted.quote.choices).min(completion_tokens_max);
        let lost = match extended {
            Ok(covered) if covered >= useful => {
                let is_lowered = covered < completion_tokens_first;
                let permit = &mut admitted.permit;
                permit.completion_tokens_held = covered;
                permit.completion_tokens_max =
                    if is_lowered { covered } else { completion_tokens_max };
                return Ok(admitted);
            }
            Ok(_) => out_of_credit(ApiError::cut_short(End::OutOfCredit)),
            Err(Refusal::Denied(denial @ (Denial::Suspended(_) | Denial::Closed))) => denial.into(),
            Err(Refusal::Denied(denial)) => out_of_credit(denial.into()),
            Err(Refusal::Unavailable(_)) => return Err(ApiError::unavailable()),
        };
        void(world, admitted, lost.end);
        Err(*lost.error)
    }
}

fn void(world: &World, admitted: Admitted, end: End) {
    world.metrics.exchange_failed(end);
    admitted.hold.void(end);
}

fn out_of_credit(error: ApiError) -> Lost {
    Lost { error: Box::new(error), end: End::OutOfCredit }
}

/// A stream that follows another's.
pub(in crate::exchange) struct Following {
    /// The next piece, and what it comes from; none at the end.
    step: Option<BoxFuture<'static, (Option<Bytes>, Box<Joining>)>>,
    given_up: Arc<OnceLock<End>>,
}

/// An exchange that has joined another's stream.
struct Joining {
    world: Arc<World>,
    /// Gone when it is settled.
    share: Option<Share>,
    follower: Follower,
    /// How many bytes of the answer have been handed on.
    at: usize,
    credit: Credit,
    standing: Standing,
    prompt_tokens_estimate: u64,
    belief: Belief,
    choices: u32,
    /// How it ends when it is dropped, if somebody says.
    given_up: Arc<OnceLock<End>>,
}

impl Following {
    fn new(joining: Joining) -> Self {
        let given_up = Arc::clone(&joining.given_up);
        Self { step: Some(Box::new(joining).step().boxed()), given_up }
    }

    /// Ends it from outside: what was handed on is charged.
    pub(in crate::exchange) fn give_up(self, end: End) {
        // It is read when the rest is dropped, which is now.
        let _ = self.given_up.set(end);
    }

    /// The next bytes for the client.
    pub(in crate::exchange) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(step) = &mut self.step else { return Poll::Ready(None) };
        let (bytes, joining) = ready!(step.poll_unpin(cx));
        self.step = bytes.is_some().then(|| joining.step().boxed());
        Poll::Ready(bytes)
    }
}

impl Joining {
    async fn step(mut self: Box<Self>) -> (Option<Bytes>, Box<Self>) {
        let bytes = self.next().await;
        (bytes, self)
    }

    async fn next(&mut self) -> Option<Bytes> {
        self.share.as_ref()?;
        let news = tokio::select! {
            biased;
            denial = self.standing.ended() => return Some(self.end_early(denial.into()).await),
            news = self.follower.news(self.at) => news,
        };
        let News { bytes, tokens, closing } = news;
        if let Err(lost) = self.cover(tokens).await {
            return Some(self.end_early(lost).await);
        }
        let Some(closing) = closing else {
            self.at += bytes.len();
            return Some(bytes);
        };
        Some(self.close(bytes, closing).await)
    }

    /// The answer is over, and these are its last bytes: they leave when the bill is written.
    async fn close(&mut self, bytes: Bytes, closing: Closing) -> Bytes {
        match closing {
            // The other's account or key was taken from it, which is not to be told here.
            Closing::Ended {
                end: End::Suspended | End::Closed | End::KeyRevoked, last, ..
            } => {
                let rest = bytes.slice(..last.saturating_sub(self.at).min(bytes.len()));
                let told = ApiError::cut_short(End::ProviderCut);
                self.end_with(rest, End::ProviderCut, &told).await
            }
            Closing::Ended { end, measured, .. } => {
                self.at += bytes.len();
                self.settle(measured, end).await.unwrap_or(bytes)
            }
            Closing::TooLong => {
                self.end_with(bytes, End::ProviderCut, &ApiError::too_long_to_share()).await
            }
            _ => {
                let told = ApiError::cut_short(End::ProviderCut);
                self.end_with(bytes, End::ProviderCut, &told).await
            }
        }
    }

    async fn end_early(&mut self, lost: Lost) -> Bytes {
        self.end_with(Bytes::new(), lost.end, &lost.error).await
    }

    /// The last events there are for this exchange, and behind them why there are no more.
    async fn end_with(&mut self, rest: Bytes, end: End, told: &ApiError) -> Bytes {
        self.at += rest.len();
        let measured = self.measured();
        let refusal = self.settle(measured, end).await;
        [rest, refusal.unwrap_or_else(|| told.event())].concat().into()
    }

    /// What is told instead where the bill can't be written.
    async fn settle(&mut self, measured: Measured, end: End) -> Option<Bytes> {
        let Measured { usage, estimated, .. } = measured;
        let share = self.share.take()?.finished(measured.told(end));
        let settled = share.settle(&self.world, usage, estimated, end).await;
        settled.is_err().then(|| ApiError::unavailable().event())
    }

    /// Sees to it that what is handed on is covered.
    async fn cover(&mut self, tokens: u64) -> Result<(), Lost> {
        while let Some(more) = self.credit.wants(tokens) {
            let Some(hold) = self.share.as_ref().map(Share::hold) else { return Ok(()) };
            let (Some((accounts, account)), Some(id)) = (hold.account(), hold.hold()) else {
                return Ok(());
            };
            match accounts.extend(account, more.of(id)).await {
                Ok(covered) => self.credit.covered(covered),
                Err(Refusal::Denied(denial @ (Denial::Suspended(_) | Denial::Closed))) => {
                    return Err(denial.into());
                }
                Err(_) => self.credit.refused(),
            }
        }
        if self.credit.is_used_up(tokens) {
            return Err(out_of_credit(ApiError::cut_short(End::OutOfCredit)));
        }
        Ok(())
    }

    /// What has been handed on comes to, counted from its bytes.
    fn measured(&self) -> Measured {
        let mut reader = Reader::new(self.prompt_tokens_estimate, self.belief, self.choices, true);
        reader.push(self.follower.up_to(self.at));
        while let Ok(Some(_)) = reader.next_piece() {}
        reader.measured()
    }
}

/// The client is gone: what was handed on is charged.
impl Drop for Joining {
    fn drop(&mut self) {
        let Some(share) = self.share.take() else { return };
        let unasked = if self.world.is_cutting() { End::GatewayStopping } else { End::ClientGone };
        let end = self.given_up.get().copied().unwrap_or(unasked);
        if self.at == 0 {
            return share.void(&self.world, end);
        }
        let measured = self.measured();
        let Measured { usage, estimated, .. } = measured;
        share.finished(measured.told(end)).settle_detached(&self.world, usage, estimated, end);
    }
}
