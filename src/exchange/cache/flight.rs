//! An answer while it comes: recorded as it is handed on, for others who ask the same at the same time
//! and for the store behind it.
//!
//! The exchange that asks the provider holds the [`Tap`]; those who join it hold a [`Follower`] each.
//! Between them is the [`Recording`]: bytes that are only ever added to, and at last how it ended.
//! Whether an answer can be joined is decided under one lock, with whether anyone still follows it: so
//! nobody joins what is about to be given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use infergate_actors::account::End;
use infergate_actors::id::AccountId;
use tokio::sync::watch;

use super::super::World;
use super::super::admit::Admitted;
use super::super::bill::Measured;
use super::super::tally::Lost;
use super::key::Key;
use super::store::Entry;
use crate::error::ApiError;

/// What requests share an answer: always those of one account, whoever may get it later.
type Shared = (AccountId, Key);

/// The answers that can be joined.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Shared, Arc<watch::Sender<Recording>>>>);

/// What has come of an answer.
#[derive(Default)]
pub(super) struct Recording {
    /// All that was handed on: whole events.
    bytes: Vec<u8>,
    /// About how many completion tokens that is.
    tokens: u64,
    /// How it ended, once it has.
    closing: Option<Closing>,
}

/// How an answer ended, for those who follow it.
#[derive(Clone, Debug)]
pub(super) enum Closing {
    /// As a stream whose last words begin at `last`.
    Ended { end: End, measured: Measured, last: usize },
    /// It was not streamed, and is all there.
    Whole(Bytes, Measured),
    /// There is none: each may try for itself.
    Failed,
    /// There is none, and nobody else will get one.
    Refused(Box<ApiError>, End),
    /// Another model gives it: each must be asked whether it may have that.
    Apart,
    /// It has become too long to be shared.
    TooLong,
    /// It broke off without last words.
    Broken,
}

/// The end of the one who asks the provider: hears what is handed on and keeps it.
pub(in crate::exchange) struct Tap {
    world: Arc<World>,
    account: AccountId,
    key: Key,
    recording: Arc<watch::Sender<Recording>>,
    bytes_max: usize,
    /// Whether the answer may be kept, and is one that was begun since the last purge.
    keeps: Option<u64>,
    is_closed: bool,
}

/// The end of one who asked for the same.
pub(super) struct Follower(watch::Receiver<Recording>);

/// What is new to a follower.
pub(super) struct News {
    pub(super) bytes: Bytes,
    /// About how many completion tokens all bytes up to here are.
    pub(super) tokens: u64,
    pub(super) closing: Option<Closing>,
}

/// The part of an exchange in an answer.
pub(super) enum Part {
    /// It asks the provider.
    Asks(Box<Tap>),
    /// Another has asked already.
    Follows(Follower),
}

impl Flights {
    /// Joins the answer that is coming to the same request, or begins one that others can join.
    pub(super) fn enter(&self, world: &Arc<World>, account: AccountId, key: Key) -> Part {
        let mut flights = locked(&self.0);
        if let Some(recording) = flights.get(&(account, key)) {
            return Part::Follows(Follower(recording.subscribe()));
        }
        let tap = Tap::new(world, account, key);
        flights.insert((account, key), Arc::clone(&tap.recording));
        Part::Asks(Box::new(tap))
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        locked(&self.0).len()
    }

    /// Nobody joins this answer from now on.
    fn leave(&self, shared: &Shared, recording: &Arc<watch::Sender<Recording>>) {
        let mut flights = locked(&self.0);
        if flights.get(shared).is_some_and(|known| Arc::ptr_eq(known, recording)) {
            flights.remove(shared);
        }
    }

    /// Nobody joins this answer from now on, unless someone follows it.
    fn leave_unfollowed(&self, shared: &Shared, recording: &Arc<watch::Sender<Recording>>) -> bool {
        let mut flights = locked(&self.0);
        if recording.receiver_count() > 0 {
            return false;
        }
        if flights.get(shared).is_some_and(|known| Arc::ptr_eq(known, recording)) {
            flights.remove(shared);
        }
        true
    }
}

impl Tap {
    /// For an answer that nobody joins.
    pub(super) fn new(world: &Arc<World>, account: AccountId, key: Key) -> Self {
        let store = &world.cache.store;
        Self {
            world: Arc::clone(world),
            account,
            key,
            recording: Arc::new(watch::Sender::new(Recording::default())),
            bytes_max: store.entry_bytes_max(),
            keeps: Some(store.purges()),
            is_closed: false,
        }
    }

    /// For an exchange on these terms: what is cut to what its account can pay is not given again.
    pub(super) fn for_what(&mut self, admitted: &Admitted) {
        let Admitted { permit, quote, .. } = admitted;
        if permit.completion_tokens_max < quote.completion_tokens_max {
            self.keeps = None;
        }
    }

    /// Somebody answers: from here on nothing but an answer of the model asked for is heard.
    pub(in crate::exchange) fn of(mut self: Box<Self>, model_asked_for: bool) -> Option<Box<Self>> {
        if !model_asked_for {
            self.close(Closing::Apart);
        }
        (!self.is_closed).then_some(self)
    }

    /// Nobody gives an answer.
    pub(in crate::exchange) fn lost(mut self, lost: &Lost) {
        self.close(match lost.end {
            End::Rejected => Closing::Refused(lost.error.clone(), lost.end),
            _ => Closing::Failed,
        });
    }

    /// The answer is not streamed, and charged.
    pub(in crate::exchange) fn whole(mut self, body: &Bytes, measured: Measured) {
        if body.len() <= self.bytes_max {
            // A part of a larger piece of memory would keep all of that.
            self.keep(Bytes::copy_from_slice(body), false, measured);
        }
        self.close(Closing::Whole(body.clone(), measured));
    }

    /// A stream's next bytes are handed on, `tokens` with them in all; `ended` when they are the last.
    /// Whether there is anything left to hear.
    pub(in crate::exchange) fn hear(
        &mut self,
        bytes: &[u8],
        tokens: u64,
        ended: Option<(End, Measured)>,
    ) -> bool {
        let last = self.recording.borrow().bytes.len();
        if last.saturating_add(bytes.len()) > self.bytes_max {
            self.close(Closing::TooLong);
            return false;
        }
        let Some((end, measured)) = ended else {
            self.recording.send_modify(|recording| recording.add(bytes, tokens));
            return true;
        };
        if end == End::Completed && self.keeps.is_some() {
            let body = [&*self.recording.borrow().bytes, bytes].concat();
            self.keep(body.into(), true, measured);
        }
        self.leave();
        // In one step: the last words of an answer leave only when it is known that they are.
        self.recording.send_modify(|recording| {
            recording.add(bytes, tokens);
            recording.closing = Some(Closing::Ended { end, measured, last });
        });
        false
    }

    /// The client of the one who asks is gone. The others, if there are any; if there are none, none
    /// will come.
    pub(super) fn others(&self) -> Option<Others> {
        let shared = (self.account, self.key);
        let alone = self.world.cache.flights.leave_unfollowed(&shared, &self.recording);
        (!alone).then(|| Others(Arc::clone(&self.recording)))
    }

    /// Before it is closed: whoever asks from then on is to find the one or the other.
    fn keep(&self, body: Bytes, streamed: bool, measured: Measured) {
        let Some(purges) = self.keeps else { return };
        let Measured { usage, estimated, finish, .. } = measured;
        let given = self.world.clock.mono();
        let entry = Entry { body, streamed, usage, estimated, finish, given };
        self.world.cache.store.keep(self.key, entry, purges);
    }

    fn close(&mut self, closing: Closing) {
        self.leave();
        self.recording.send_modify(|recording| recording.closing = Some(closing));
    }

    /// Nobody joins from now on.
    fn leave(&mut self) {
        self.is_closed = true;
        self.world.cache.flights.leave(&(self.account, self.key), &self.recording);
    }
}

impl Recording {
    fn add(&mut self, bytes: &[u8], tokens: u64) {
        self.bytes.extend_from_slice(bytes);
        self.tokens = tokens;
    }
}

/// However the one who asks went: nobody waits for it.
impl Drop for Tap {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        let has_begun = !self.recording.borrow().bytes.is_empty();
        self.close(if has_begun { Closing::Broken } else { Closing::Failed });
    }
}

/// Those who follow an answer.
pub(super) struct Others(Arc<watch::Sender<Recording>>);

impl Others {
    /// Returns when they have all left.
    pub(super) async fn have_left(&self) {
        self.0.closed().await;
    }
}

impl Follower {
    /// What has come beyond the first `at` bytes, as soon as there is something.
    pub(super) async fn news(&mut self, at: usize) -> News {
        let is_new =
            |recording: &Recording| recording.bytes.len() > at || recording.closing.is_some();
        let Ok(recording) = self.0.wait_for(is_new).await else {
            return News { bytes: Bytes::new(), tokens: 0, closing: Some(Closing::Broken) };
        };
        let bytes = recording.bytes.get(at..).unwrap_or_default();
        News {
            bytes: Bytes::copy_from_slice(bytes),
            tokens: recording.tokens,
            closing: recording.closing.clone(),
        }
    }

    /// The first `at` bytes.
    pub(super) fn up_to(&self, at: usize) -> Bytes {
        Bytes::copy_from_slice(self.0.borrow().bytes.get(..at).unwrap_or_default())
    }
}

fn locked<T>(flights: &Mutex<T>) -> MutexGuard<'_, T> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}
