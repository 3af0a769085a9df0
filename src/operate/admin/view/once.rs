//! What owners asked under idempotency keys, as a journal shows it. Pure.

use infergate_actors::account::OnceEvent;
use schemars::JsonSchema;
use serde::Serialize;

/// An event of an idempotency key. Of the key there is a digest, and the answer is its owner's.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnceFact {
    Did { key: String, events: u32 },
    Answered { key: String, status: u16 },
}

impl OnceFact {
    /// What may be shown of an event.
    pub(super) fn of(event: &OnceEvent) -> Self {
        match event {
            OnceEvent::Did { once, events } => {
                Self::Did { key: once.key.to_string(), events: *events }
            }
            OnceEvent::Answered(answered) => {
                Self::Answered { key: answered.once.key.to_string(), status: answered.status }
            }
        }
    }
}
