//! Which idempotency keys an account remembers, and what it answers to one. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Answered, Once, OnceEvent};
use crate::account::Account;
use crate::id::KeyId;

/// How long one is remembered.
pub(super) const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many are remembered at one time: some 90 KB.
pub(super) const KEYS_MAX: usize = 1_000;
/// How many of one API key: one that used them all leaves three quarters of what there may be.
pub(super) const KEYS_OF_ASKER_MAX: usize = 250;

/// The keys of the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::account) struct State {
    /// The oldest first.
    pub(super) keys: Vec<Remembered>,
}

/// What was asked under one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    once: Once,
    at_ms: u64,
    /// The numbers of the first event that it left, and of the mark behind the last.
    did: Option<(u64, u64)>,
    /// The number of its answer.
    answer: Option<u64>,
}

/// What became of what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Nothing is known of it: it is to be done.
    New,
    /// It was answered, by the event of this number.
    Answered(u64),
    /// It was done and not answered: from the event of the first number to that of the second.
    Done(u64, u64),
}

/// Why it is neither done nor answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceDenial {
    /// The key was used for something else.
    #[error("this idempotency key was used for another request: use a new one for each")]
    KeyReused,
    /// As many were used as are remembered.
    #[error("this account used {KEYS_MAX} idempotency keys within a day: try again later")]
    TooManyKeys {
        /// Until the oldest of them is forgotten.
        retry_after: Duration,
    },
    /// As many were used with this API key as it may use.
    #[error(
        "this API key used {KEYS_OF_ASKER_MAX} idempotency keys within a day: try again later, or use \
         another API key"
    )]
    TooManyKeysOfAsker {
        /// Until the oldest of them is forgotten.
        retry_after: Duration,
    },
}

impl Remembered {
    /// Whether it is of no use any more: a day has passed, or it is of a time that the clock came back from.
    fn is_over(&self, now_ms: u64) -> bool {
        self.ends_at_ms() <= now_ms || self.at_ms > now_ms.saturating_add(REMEMBERED_MS)
    }

    fn ends_at_ms(&self) -> u64 {
        self.at_ms.saturating_add(REMEMBERED_MS)
    }
}

impl State {
    /// Folds one fact in; `number` is its own.
    pub(in crate::account) fn fold(&mut self, event: &OnceEvent, number: u64, at_ms: u64) {
        match event {
            OnceEvent::Did { once, events } => {
                let first = number.saturating_sub(u64::from(*events));
                self.note(once, at_ms, |known| {
                    let first = known.did.map_or(first, |(first, _)| first);
                    known.did = Some((first, number));
                });
            }
            OnceEvent::Answered(answered) => {
                self.note(&answered.once, at_ms, |known| known.answer = Some(number));
            }
        }
    }

    /// Forgets what is over, as far as it stands before what is not: where the clock went back, the rest
    /// waits for the next key. Returns whether nothing is left.
    pub(in crate::account) fn forget_old(&mut self, now_ms: u64) -> bool {
        let over = self.keys.iter().take_while(|known| known.is_over(now_ms)).count();
        self.keys.drain(..over);
        self.keys.is_empty()
    }

    fn note(&mut self, once: &Once, at_ms: u64, note: impl FnOnce(&mut Remembered)) {
        // One that is over may stand behind another that is not, where the clock went back.
        self.keys.retain(|known| !known.is_over(at_ms));
        if let Some(known) = self.keys.iter_mut().find(|known| known.once.key == once.key) {
            return note(known);
        }
        let mut new = Remembered { once: *once, at_ms, did: None, answer: None };
        note(&mut new);
        self.keys.push(new);
    }

    fn find(&self, once: &Once, now_ms: u64) -> Option<&Remembered> {
        self.keys.iter().find(|known| known.once.key == once.key && !known.is_over(now_ms))
    }

    fn recall(&self, once: &Once, now_ms: u64) -> Result<Recalled, OnceDenial> {
        let Some(known) = self.find(once, now_ms) else {
            return self.has_room(once.asker, now_ms).map(|()| Recalled::New);
        };
        if known.once.fingerprint != once.fingerprint {
            return Err(OnceDenial::KeyReused);
        }
        Ok(match (known.answer, known.did) {
            (Some(answer), _) => Recalled::Answered(answer),
            (None, Some((first, last))) => Recalled::Done(first, last),
            (None, None) => Recalled::New,
        })
    }

    /// Refuses one more key of this API key, until one of those that take its room is over.
    fn has_room(&self, asker: KeyId, now_ms: u64) -> Result<(), OnceDenial> {
        // Writing the new one forgets what is over.
        let held = || self.keys.iter().filter(|known| !known.is_over(now_ms));
        let own = || held().filter(|known| known.once.asker == asker);
        let until = |ends_at_ms: Option<u64>| {
            Duration::from_millis(ends_at_ms.unwrap_or(now_ms).saturating_sub(now_ms))
        };
        if own().count() >= KEYS_OF_ASKER_MAX {
            let retry_after = until(own().map(Remembered::ends_at_ms).min());
            return Err(OnceDenial::TooManyKeysOfAsker { retry_after });
        }
        if held().count() >= KEYS_MAX {
            let retry_after = until(held().map(Remembered::ends_at_ms).min());
            return Err(OnceDenial::TooManyKeys { retry_after });
        }
        Ok(())
    }
}

impl Account {
    /// What became of what is asked under an idempotency key.
    pub fn recall(&self, once: &Once, now_ms: u64) -> Result<Recalled, OnceDenial> {
        self.tenancy.once.as_deref().map_or(Ok(Recalled::New), |it| it.recall(once, now_ms))
    }

    /// Decides to keep an answer. A refusal did nothing, and frees its key, unless it came behind
    /// something that was done; a fault is asked again.
    pub(in crate::account) fn answered(
        &self,
        answered: &Answered,
        now_ms: u64,
    ) -> Option<OnceEvent> {
        let known = self.tenancy.once.as_deref().and_then(|it| it.find(&answered.once, now_ms));
        let is_kept = match answered.status {
            ..400 => true,
            400..500 => known.is_some_and(|known| known.did.is_some()),
            500.. => false,
        };
        let is_new = known.is_none_or(|known| known.answer.is_none());
        (is_kept && is_new).then(|| OnceEvent::Answered(Box::new(answered.clone())))
    }
}
