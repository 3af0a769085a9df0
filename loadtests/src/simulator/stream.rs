//! The bodies of answers: a whole one, or a stream that keeps its pace and fails where its script
//! says.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::behaviour::{Faults, Plan, UsageMode};
use super::stats::{Outcome, Running};
use super::wire::{self, Events, Reported};
use crate::clock;

/// Breaks the connection off: hyper closes it without ending the message.
#[derive(Debug, thiserror::Error)]
#[error("broken off by script")]
pub struct Cut;

/// Resolves when a silent answer may go on.
pub(super) type Released = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Any body that the simulator sends.
#[derive(Debug)]
pub enum AnswerBody {
    /// All of it at once; with [`Cut`] after it when only a part of the announced length is there.
    Whole(Box<Whole>),
    /// Event by event.
    Stream(Box<Stream>),
}

/// An unstreamed body.
pub struct Whole {
    /// Nothing is sent until it resolves.
    silence: Option<Released>,
    bytes: Option<Bytes>,
    /// Between the two parts.
    pause: Option<Released>,
    rest: Option<Bytes>,
    announced: u64,
    cut: bool,
    flushed: bool,
    running: Option<(Running, Outcome)>,
}

/// A streamed body.
pub struct Stream {
    step: Step,
    events: Events,
    usage: Reported,
    mode: UsageMode,
    asked_usage: bool,
    faults: Faults,
    pace: Option<Pace>,
    late_role: bool,
    /// Nothing is sent until it resolves.
    silence: Option<Released>,
    /// Becomes the silence at the token where the script says so.
    stall: Option<Released>,
    /// Becomes the silence after the last event.
    left_open: Option<Released>,
    reset: Arc<AtomicBool>,
    running: Option<Running>,
}

/// All that a stream is made from.
pub(super) struct Script<'a> {
    pub(super) plan: &'a Plan,
    pub(super) events: Events,
    pub(super) usage: Reported,
    pub(super) asked_usage: bool,
    pub(super) silence: Option<Released>,
    pub(super) stall: Option<Released>,
    pub(super) left_open: Option<Released>,
    /// Set when the connection is to be reset rather than closed.
    pub(super) reset: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Role,
    Token(u32),
    /// The garbled event at this token is out; the token itself is next.
    AfterGarbled(u32),
    Usage,
    Done,
    Cut,
    End,
}

struct Pace {
    next: Instant,
    interval: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").field("announced", &self.announced).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("step", &self.step).finish_non_exhaustive()
    }
}

impl Whole {
    /// A body without an answer behind it.
    pub(super) fn plain(bytes: Bytes) -> AnswerBody {
        AnswerBody::Whole(Box::new(Self::of(bytes, None)))
    }

    /// An answer's body, which ends as `outcome`; half of it and then [`Cut`] when it is cut.
    pub(super) fn answer(bytes: Bytes, outcome: Outcome, running: Running) -> AnswerBody {
        let mut whole = Self::of(bytes, Some((running, outcome)));
        if outcome == Outcome::Cut {
            whole.keep_half();
            whole.cut = true;
        }
        AnswerBody::Whole(Box::new(whole))
    }

    /// An answer's body, all of it, after a silence.
    pub(super) fn after(silence: Option<Released>, bytes: Bytes, running: Running) -> AnswerBody {
        let whole = Self::of(bytes, Some((running, Outcome::Completed)));
        AnswerBody::Whole(Box::new(Self { silence, ..whole }))
    }

    /// Half of an answer's body, a silence, and then the rest, or [`Cut`] when it is cut.
    pub(super) fn stalled(
        bytes: Bytes,
        pause: Released,
        cut: bool,
        running: Running,
    ) -> AnswerBody {
        let outcome = if cut { Outcome::Cut } else { Outcome::Completed };
        let mut whole = Self::of(bytes, Some((running, outcome)));
        let rest = whole.keep_half();
        whole.pause = Some(pause);
        whole.rest = rest.filter(|_| !cut);
        whole.cut = cut;
        AnswerBody::Whole(Box::new(whole))
    }

    fn of(bytes: Bytes, running: Option<(Running, Outcome)>) -> Self {
        Self {
            silence: None,
            announced: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            bytes: Some(bytes),
            pause: None,
            rest: None,
            cut: false,
            flushed: false,
            running,
        }
    }

    /// Keeps the first half to be sent; the other one.
    fn keep_half(&mut self) -> Option<Bytes> {
        let bytes = self.bytes.as_mut()?;
        Some(bytes.split_off(bytes.len() / 2))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(silence) = &mut self.silence {
            ready!(silence.as_mut().poll(cx));
            self.silence = None;
        }
        if self.pause.is_some()
            && let Some(bytes) = self.bytes.take()
        {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if let Some((mut running, outcome)) = self.running.take() {
            running.ends_as(outcome);
        }
        match self.bytes.take().or_else(|| self.rest.take()) {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None if self.cut && !std::mem::replace(&mut self.flushed, true) => flush_first(cx),
            None => Poll::Ready(self.cut.then_some(Err(Cut))),
        }
    }
}

impl Stream {
    pub(super) fn answer(script: Script<'_>, running: Running) -> AnswerBody {
        let plan = script.plan;
        let timed = !plan.first_token.is_zero() || !plan.interval.is_zero();
        let pace = timed.then(|| {
            let next = Instant::from_std(clock::now()) + plan.first_token;
            Pace { next, interval: plan.interval, sleep: Box::pin(sleep_until(next)) }
        });
        AnswerBody::Stream(Box::new(Self {
            step: if plan.faults.empty_stream { Step::End } else { Step::Role },
            events: script.events,
            usage: script.usage,
            mode: plan.usage,
            asked_usage: script.asked_usage,
            faults: plan.faults.clone(),
            pace,
            late_role: plan.late_role,
            silence: script.silence,
            stall: script.stall,
            left_open: script.left_open,
            reset: script.reset,
            running: Some(running),
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(released) = &mut self.silence {
            ready!(released.as_mut().poll(cx));
            self.silence = None;
        }
        match self.step {
            Step::Role => {
                if let Some(pace) = self.pace.as_mut().filter(|_| self.late_role) {
                    ready!(pace.sleep.as_mut().poll(cx));
                }
                self.send(Step::Token(0), self.events.role.clone())
            }
            Step::Token(index) => self.poll_token(index, cx),
            Step::AfterGarbled(index) => self.poll_sound_token(index, cx),
            Step::Usage => self.send(Step::Done, self.events.usage(self.usage)),
            Step::Done => {
                self.end(Outcome::Completed);
                if !self.faults.missing_done {
                    return Poll::Ready(Some(Ok(wire::done())));
                }
                self.silence = self.left_open.take();
                flush_first(cx)
            }
            Step::Cut => {
                self.reset.store(self.faults.cut_by_reset, Ordering::Relaxed);
                self.step = Step::End;
                Poll::Ready(Some(Err(Cut)))
            }
            Step::End => {
                self.end(Outcome::Failed);
                Poll::Ready(None)
            }
        }
    }

    /// A token's place in the script: a fault, or the token.
    fn poll_token(&mut self, index: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if self.faults.stall_after == Some(index)
            && let Some(mut released) = self.stall.take()
            && released.as_mut().poll(cx).is_pending()
        {
            self.silence = Some(released);
            return Poll::Pending;
        }
        if self.faults.error_event_at == Some(index) {
            self.end(Outcome::Failed);
            return Poll::Ready(Some(Ok(wire::error_event())));
        }
        let stalled = self.faults.stall_after == Some(index) && self.faults.stall_ms.is_some();
        if self.faults.cut_after == Some(index) || stalled {
            self.end(Outcome::Cut);
            self.step = Step::Cut;
            return flush_first(cx);
        }
        if self.faults.invalid_event_at == Some(index) {
            return self.send(Step::AfterGarbled(index), wire::garbled());
        }
        self.poll_sound_token(index, cx)
    }

    fn poll_sound_token(
        &mut self,
        index: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        if u64::from(index) >= self.usage.completion {
            let own_event = self.mode == UsageMode::AsAsked && self.asked_usage;
            let on_finish = (self.mode == UsageMode::OnFinish).then_some(self.usage);
            let next = if own_event { Step::Usage } else { Step::Done };
            return self.send(next, self.events.finish(on_finish));
        }
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll(cx));
        }
        if let Some(running) = &mut self.running {
            running.tokens += 1;
        }
        let next = Step::Token(index + 1);
        let index = u64::from(index);
        let token = self.events.token(index, self.usage.completion - index);
        self.send(next, token)
    }

    fn send(&mut self, next: Step, bytes: Bytes) -> Poll<Option<Result<Bytes, Cut>>> {
        self.step = next;
        Poll::Ready(Some(Ok(bytes)))
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut running) = self.running.take() {
            running.ends_as(outcome);
        }
        self.step = Step::End;
    }
}

/// Comes back at once, after hyper has written what it has: an error would throw that away.
fn flush_first<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl Pace {
    /// Waits for the next token's time. A stream that has fallen behind sends what is due at once.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.interval.is_zero() && self.sleep.is_elapsed() {
            return Poll::Ready(());
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.next += self.interval;
        self.sleep.as_mut().reset(self.next);
        Poll::Ready(())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Whole(whole) => whole.poll(cx),
            Self::Stream(stream) => stream.poll(cx),
        }
        .map(|next| next.map(|sent| sent.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.announced),
            Self::Stream(_) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.bytes.is_none() && whole.rest.is_none() && !whole.cut,
            Self::Stream(_) => false,
        }
    }
}
