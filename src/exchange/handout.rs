//! Streams in the hands of their clients, and an eye on clients that take nothing.
//!
//! A server asks for more of a body only when its client has room for it, so a client that has none
//! asks for nothing, and a relay that is not asked can't see the time. It is seen from outside: each
//! open stream is looked at every few seconds, and one whose client has not come back for more since
//! the stall limit is ended. Nothing runs for a stream in the meantime.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use infergate_actors::account::End;
use infergate_actors::clock::Clock;

use super::cache::{Following, drive_on};
use super::relay::Relay;
use crate::error::ApiError;

/// All streams that are being handed out.
#[derive(Default)]
pub struct Handouts(Mutex<Vec<Weak<Handout>>>);

/// One stream on its way to its client.
pub struct Handout {
    state: Mutex<State>,
    /// Since when it is the client's turn, in monotonic milliseconds, plus one; 0 while it is not.
    clients_turn: AtomicU64,
    clock: Clock,
}

/// Where a stream comes from.
pub(super) enum Stream {
    /// From a provider.
    Own(Box<Relay>),
    /// From a provider that another exchange has asked.
    Anothers(Following),
}

enum State {
    Open(Stream),
    /// The client took too long; this is what it is told should it come back.
    Ended(Option<Bytes>),
}

impl Handouts {
    /// Begins to hand out a stream.
    pub(super) fn begin(&self, stream: Stream, clock: Clock) -> Arc<Handout> {
        let handout = Arc::new(Handout {
            clients_turn: AtomicU64::new(turn(clock.mono())),
            state: Mutex::new(State::Open(stream)),
            clock,
        });
        locked(&self.0).push(Arc::downgrade(&handout));
        handout
    }

    /// Ends the streams whose clients have taken nothing for `stall`; how many. What was handed on is
    /// charged, and their providers are cut off.
    pub fn drop_stalled(&self, now: Duration, stall: Duration) -> usize {
        let mut open = locked(&self.0);
        open.retain(|handout| handout.strong_count() > 0);
        let stalled: Vec<Arc<Handout>> = open
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|handout| handout.is_stalled(now, stall))
            .collect();
        drop(open);
        stalled.iter().filter(|handout| handout.end(End::ClientStalled)).count()
    }
}

impl Handout {
    /// The next bytes for the client.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = match &mut *locked(&self.state) {
            State::Open(stream) => stream.poll_next(cx),
            State::Ended(last) => Poll::Ready(last.take()),
        };
        let turn = if polled.is_ready() { turn(self.clock.mono()) } else { 0 };
        self.clients_turn.store(turn, Ordering::Relaxed);
        polled
    }

    fn is_stalled(&self, now: Duration, stall: Duration) -> bool {
        let turn_since = self.clients_turn.load(Ordering::Relaxed);
        turn_since > 0 && turn(now).saturating_sub(turn_since) >= millis(stall)
    }

    /// Whether there was something to end.
    fn end(&self, end: End) -> bool {
        let mut state = locked(&self.state);
        let told = ApiError::cut_short(end).event();
        match std::mem::replace(&mut *state, State::Ended(Some(told))) {
            State::Open(stream) => {
                drop(state);
                stream.give_up(end);
                true
            }
            ended @ State::Ended(_) => {
                *state = ended;
                false
            }
        }
    }
}

impl Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self {
            Self::Own(relay) => relay.poll_next(cx),
            Self::Anothers(following) => following.poll_next(cx),
        }
    }

    fn give_up(self, end: End) {
        match self {
            Self::Own(relay) => {
                if let Some(relay) = drive_on(relay) {
                    relay.give_up(end);
                }
            }
            Self::Anothers(following) => following.give_up(end),
        }
    }
}

/// The client has all of it, or is gone.
impl Drop for Handout {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(Stream::Own(relay)) = std::mem::replace(state, State::Ended(None)) {
            drop(drive_on(relay));
        }
    }
}

fn turn(now: Duration) -> u64 {
    millis(now).saturating_add(1)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A relay that panicked is polled no more: its connection is gone with it.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
