//! A provider's stream on its way to the client: each event leaves in the turn it came, is metered in
//! passing, and the last one waits until the bill is written.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use infergate_actors::account::{Denial, End, Refusal, Unavailable};
use infergate_actors::money::NanoUsd;
use tokio::time::Sleep;

use super::World;
use super::bill::{Bill, Measured};
use super::cache::Tap;
use super::credit::Credit;
use super::drain::read_to_end;
use super::gather::Gather;
use super::reader::{Piece, Reader};
use super::recall::Recall;
use super::rescue::{Found, Rescue};
use super::tally::Lost;
use crate::config::Timeouts;
use crate::dialect::chat;
use crate::error::ApiError;

/// After the last finish reason, a stream that neither ends nor sends its usage is waited for no
/// longer than this: some servers forget the terminator and keep the connection open.
const FINISH_LINGER: Duration = Duration::from_secs(2);

/// Events are gathered up to this size; a client that reads slowly holds the provider back.
const GATHER_BYTES_MAX: usize = 16 << 10;

/// A stream being relayed.
pub(crate) struct Relay {
    world: Arc<World>,
    /// Gone when it is read to its end elsewhere.
    body: Option<Incoming>,
    reader: Reader,
    /// What is to be handed on next.
    ready: VecDeque<Bytes>,
    ready_bytes: usize,
    gather: Gather,
    phase: Phase,
    /// What is needed to go on elsewhere, where the route wants that.
    rescue: Option<Box<Rescue>>,
    /// Gone when the exchange is settled.
    bill: Option<Box<Bill>>,
    credit: Credit,
    extension: Option<BoxFuture<'static, Result<u64, Refusal>>>,
    recall: Recall,
    timeouts: Timeouts,
    /// When the last bytes came, in monotonic time.
    last_bytes: Duration,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to.
    timer_at: Duration,
    /// Hears what is handed on, where the answer is to be kept or shared.
    tap: Option<Box<Tap>>,
    /// What it came to, as soon as that is being written.
    ended: Option<(End, Measured)>,
}

enum Phase {
    Relaying,
    /// The provider's part broke off with this end; someone is looked for who goes on with it.
    Rescuing(BoxFuture<'static, Found>, End),
    /// The bill is being written; then the last bytes leave, and where it can't be written, an error
    /// in their place.
    Settling(BoxFuture<'static, Result<Option<NanoUsd>, Unavailable>>, Bytes),
    Ended,
}

/// What a relay begins with: a stream whose first content has come.
pub(super) struct Opened {
    pub(super) body: Incoming,
    pub(super) reader: Reader,
    /// What came up to the first content.
    pub(super) startup: VecDeque<Bytes>,
    pub(super) timeouts: Timeouts,
}

impl Relay {
    pub(super) fn new(
        world: Arc<World>,
        opened: Opened,
        bill: Box<Bill>,
        credit: Credit,
        recall: Recall,
        rescue: Option<Box<Rescue>>,
    ) -> Self {
        let Opened { body, reader, startup, timeouts } = opened;
        let now = world.clock.mono();
        Self {
            last_bytes: now,
            world,
            body: Some(body),
            reader,
            ready_bytes: startup.iter().map(Bytes::len).sum(),
            ready: startup,
            gather: Gather::default(),
            phase: Phase::Relaying,
            rescue,
            bill: Some(bill),
            credit,
            extension: None,
            recall,
            timeouts,
            timer: Box::pin(tokio::time::sleep(timeouts.idle)),
            timer_at: now.saturating_add(timeouts.idle),
            tap: None,
            ended: None,
        }
    }

    /// The same, heard by `tap`.
    pub(super) fn tapped(mut self: Box<Self>, tap: Option<Box<Tap>>) -> Box<Self> {
        self.tap = tap;
        self
    }

    /// The next bytes for the client: all events that have come, in one piece.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = self.poll_stream(cx);
        if let (Some(tap), Poll::Ready(Some(bytes))) = (&mut self.tap, &polled) {
            let ended = self.ended.filter(|_| matches!(self.phase, Phase::Ended));
            if !tap.hear(bytes, self.reader.completion_tokens(), ended) {
                self.tap = None;
            }
        }
        polled
    }

    /// Who hears what is handed on, while there is more to hear.
    pub(super) fn tap(&self) -> Option<&Tap> {
        self.tap.as_deref()
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.phase {
                Phase::Ended => return Poll::Ready(self.gathered()),
                Phase::Settling(writing, last) => {
                    let Poll::Ready(written) = writing.poll_unpin(cx) else {
                        return self.gathered().map_or(Poll::Pending, |all| Poll::Ready(Some(all)));
                    };
                    let last = std::mem::take(last);
                    self.phase = Phase::Ended;
                    self.ended = self.ended.filter(|_| written.is_ok());
                    self.hand_later(match written {
                        Ok(Some(charged)) => self.reader.priced(last, charged),
                        Ok(None) => last,
                        Err(Unavailable) => ApiError::unavailable().event(),
                    });
                }
                Phase::Rescuing(search, end) => {
                    let end = *end;
                    if let Poll::Ready(found) = search.poll_unpin(cx) {
                        self.go_on(found, end);
                    } else if let Poll::Ready(denial) = self.recall.poll_denial(cx) {
                        self.end_for(denial);
                    } else {
                        return self.gathered().map_or(Poll::Pending, |all| Poll::Ready(Some(all)));
                    }
                }
                Phase::Relaying if self.ready_bytes >= GATHER_BYTES_MAX => {
                    return Poll::Ready(self.gathered());
                }
                Phase::Relaying => {
                    if self.poll_relay(cx).is_pending() {
                        return self.hand_on(cx);
                    }
                }
            }
        }
    }

    /// Nothing more has come. Hands on what has, but lets the connection's own task go first where
    /// that has paid lately: it passes on one event at a time, and several that came together are to
    /// leave together, in one write.
    fn hand_on(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ready.is_empty() {
            return Poll::Pending;
        }
        if self.gather.asks_for_more() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.gathered())
    }

    fn gathered(&mut self) -> Option<Bytes> {
        let bytes = match self.ready.len() {
            0 | 1 => self.ready.pop_front(),
            _ => {
                let mut all = BytesMut::with_capacity(self.ready_bytes);
                self.ready.drain(..).for_each(|bytes| all.extend_from_slice(&bytes));
                Some(all.freeze())
            }
        };
        self.ready_bytes = 0;
        bytes
    }

    fn hand_later(&mut self, bytes: Bytes) {
        self.ready_bytes += bytes.len();
        self.ready.push_back(bytes);
    }

    /// One step: an event, a frame, or the end. Pending when there is nothing to do but wait.
    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(denial) = self.recall.denial() {
            self.end_for(denial);
            return Poll::Ready(());
        }
        if self.poll_credit(cx).is_pending() {
            // Nothing more is handed on before it is paid for; only the clock goes on.
            return self.poll_wait(cx);
        }
        if matches!(self.phase, Phase::Relaying) && self.world.is_cutting() {
            self.finish(End::GatewayStopping);
        }
        if !matches!(self.phase, Phase::Relaying) {
            return Poll::Ready(());
        }
        match self.reader.next_piece() {
            Ok(Some(piece)) => self.take(piece),
            Ok(None) => match self.poll_body(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.last_bytes = self.world.clock.mono();
                    self.gather.frame_came();
                    if let Ok(data) = frame.into_data() {
                        self.reader.push(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => self.finish(End::ProviderCut),
                Poll::Ready(None) => self.end_of_stream(),
                Poll::Pending => return self.poll_wait(cx),
            },
            Err(_) => self.finish(End::ProviderCut),
        }
        Poll::Ready(())
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Pass { bytes, .. } => self.hand_later(bytes),
            Piece::Withheld => {}
            Piece::Done(bytes) => {
                self.add_missing_usage();
                self.settle(End::Completed, bytes);
                if let Some(body) = self.body.take() {
                    tokio::spawn(read_to_end(body));
                }
            }
            // The provider's own words may name what the client is not to know.
            Piece::Error => self.finish(End::ProviderCut),
        }
    }

    /// The provider closed the stream: complete if every choice was finished, a cut otherwise.
    fn end_of_stream(&mut self) {
        if let Some(piece) = self.reader.finish() {
            self.take(piece);
        }
        if matches!(self.phase, Phase::Relaying) {
            let complete = self.reader.is_finished();
            self.finish(if complete { End::Completed } else { End::ProviderCut });
        }
    }

    /// Ends a stream that did not end itself properly, or has another provider go on with it.
    fn finish(&mut self, end: End) {
        if !self.look_for_another(end) {
            self.end_with(end);
        }
    }

    /// Whether someone is looked for who goes on.
    fn look_for_another(&mut self, end: End) -> bool {
        let is_over = self.world.is_cutting() || self.is_past_total() || self.reader.is_finished();
        let may_follow = self.rescue.as_ref().is_some_and(|rescue| rescue.may_follow(end));
        if is_over || !may_follow {
            return false;
        }
        let Some(broken) = self.reader.broken() else { return false };
        let Some((bill, spot)) = self.bill.as_mut().and_then(|bill| {
            let spot = bill.spot()?;
            Some((bill, spot))
        }) else {
            return false;
        };
        let Some(rescue) = self.rescue.take() else { return false };
        bill.end_leg(self.reader.measured(), end);
        self.body = None;
        self.phase = Phase::Rescuing(rescue.search(broken, spot, end), end);
        true
    }

    /// The search is over: the answer goes on with whom it found, or ends as it broke off.
    fn go_on(&mut self, found: Found, end: End) {
        let Found { way_on, attempts, rescue } = found;
        self.phase = Phase::Relaying;
        let Some(bill) = &mut self.bill else { return };
        bill.record.attempts.extend(attempts);
        let Some((won, opened)) = way_on else {
            self.world.metrics.rescued(false);
            return self.end_with(end);
        };
        self.world.metrics.rescued(true);
        bill.begin_leg(won);
        let Opened { body, reader, startup, timeouts } = *opened;
        (self.body, self.reader, self.timeouts) = (Some(body), reader, timeouts);
        self.rescue = Some(rescue);
        for bytes in startup {
            self.hand_later(bytes);
        }
        self.last_bytes = self.world.clock.mono();
        self.set_timer(self.limit());
    }

    fn end_with(&mut self, end: End) {
        let last = match end {
            End::Completed => {
                self.add_missing_usage();
                Bytes::from_static(chat::DONE)
            }
            other => self.reader.broken_off(other),
        };
        self.settle(end, last);
    }

    /// Ends a stream whose account or key was taken from it.
    fn end_for(&mut self, denial: Denial) {
        let Lost { error, end } = denial.into();
        self.settle(end, error.event());
    }

    fn add_missing_usage(&mut self) {
        if let Some(chunk) = self.reader.missing_usage() {
            self.hand_later(chunk);
        }
    }

    fn settle(&mut self, end: End, last: Bytes) {
        let Some(bill) = self.bill.take() else {
            self.phase = Phase::Ended;
            return;
        };
        let measured = self.reader.measured();
        self.ended = Some((end, measured));
        let (hold, settle) = bill.close(measured, end);
        self.phase = match settle {
            Some(settle) => {
                self.world.metrics.exchange_ended(end, &settle);
                Phase::Settling(hold.settle(settle).boxed(), last)
            }
            None => Phase::Ended,
        };
    }

    /// Sees to it that what is handed on is covered. Pending while the account is being asked and
    /// nothing more may leave before it has answered.
    fn poll_credit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let delivered = self.reader.completion_tokens();
        if self.extension.is_none()
            && let Some(extend) = self.credit.wants(delivered)
            && let Some(bill) = &self.bill
            && let (Some((accounts, account)), Some(hold)) = (bill.hold.account(), bill.hold.hold())
        {
            let (accounts, extend) = (accounts.clone(), extend.of(hold));
            self.extension = Some(async move { accounts.extend(account, extend).await }.boxed());
        }
        if let Some(extension) = &mut self.extension
            && let Poll::Ready(answer) = extension.poll_unpin(cx)
        {
            self.extension = None;
            match answer {
                Ok(covered) => self.credit.covered(covered),
                Err(Refusal::Denied(denial @ (Denial::Suspended(_) | Denial::Closed))) => {
                    self.end_for(denial);
                }
                Err(_) => self.credit.refused(),
            }
        }
        if !self.credit.is_used_up(delivered) {
            return Poll::Ready(());
        }
        if self.extension.is_some() {
            return Poll::Pending;
        }
        if matches!(self.phase, Phase::Relaying) {
            self.finish(End::OutOfCredit);
        }
        Poll::Ready(())
    }

    /// Pending while there is nothing to do but wait.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.recall.poll_denial(cx) {
            Poll::Ready(denial) => {
                self.end_for(denial);
                Poll::Ready(())
            }
            Poll::Pending => self.poll_timer(cx),
        }
    }

    /// Pending unless a time limit has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.limit();
        // Bytes only put the limit off, and the timer is not set anew for each of them; the end of the
        // answer brings it nearer.
        if until < self.timer_at {
            self.set_timer(until);
        }
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if until <= self.world.clock.mono() {
                let complete = self.reader.is_finished();
                self.finish(if complete { End::Completed } else { End::TimedOut });
                return Poll::Ready(());
            }
            self.set_timer(until);
        }
    }

    /// When it is enough, if nothing more comes.
    fn limit(&self) -> Duration {
        let idle = if self.reader.is_finished() {
            FINISH_LINGER.min(self.timeouts.idle)
        } else {
            self.timeouts.idle
        };
        self.last_bytes.saturating_add(idle).min(self.total_limit())
    }

    /// When it is enough, whatever comes.
    fn total_limit(&self) -> Duration {
        let sent = self.bill.as_ref().map_or(self.last_bytes, |bill| bill.sent());
        sent.saturating_add(self.timeouts.total)
    }

    fn is_past_total(&self) -> bool {
        self.total_limit() <= self.world.clock.mono()
    }

    fn set_timer(&mut self, at: Duration) {
        let left = at.saturating_sub(self.world.clock.mono());
        self.timer.as_mut().reset(tokio::time::Instant::now() + left);
        self.timer_at = at;
    }
}

impl Relay {
    /// Ends it from outside: what was handed on is charged, and the provider is cut off by dropping
    /// its stream.
    pub(super) fn give_up(mut self: Box<Self>, end: End) {
        self.settle_detached(end);
    }

    fn settle_detached(&mut self, end: End) {
        let Some(bill) = self.bill.take() else { return };
        let (hold, settle) = bill.close(self.reader.measured(), end);
        if let Some(settle) = settle {
            self.world.metrics.exchange_ended(end, &settle);
            hold.settle_detached(settle);
        }
    }
}

/// The client is gone, or the gateway is stopping.
impl Drop for Relay {
    fn drop(&mut self) {
        let end = if self.world.is_cutting() { End::GatewayStopping } else { End::ClientGone };
        self.settle_detached(end);
    }
}
