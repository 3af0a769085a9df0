//! The facts of what was asked under an idempotency key. Pure.

use serde::{Deserialize, Serialize};

use crate::account::KeptAnswer;
use crate::id::KeyId;
use crate::ledger::Digest;

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnceEvent {
    /// The events before this one were asked for so.
    Did {
        /// Under which key, and what.
        once: Once,
        /// How many events.
        events: u32,
    },
    /// It was answered.
    Answered(Box<Answered>),
}

/// What is to be done once, however often it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Once {
    /// The API key it came with.
    pub asker: KeyId,
    /// Of the key that names it, and of the API key.
    pub key: Digest,
    /// Of all that is asked: another under the same key is a mistake.
    pub fingerprint: Digest,
}

/// How it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was asked.
    pub once: Once,
    /// The status.
    pub status: u16,
    /// The rest, without secrets.
    pub answer: KeptAnswer,
}

impl Once {
    /// What whoever has the API key `asker` names `name`.
    pub fn new(asker: KeyId, name: &str, fingerprint: Digest) -> Self {
        let key = Digest::of(&[&asker.0.to_be_bytes(), name.as_bytes()].concat());
        Self { asker, key, fingerprint }
    }
}
