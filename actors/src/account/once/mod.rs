//! What is asked of an account under an idempotency key: done once, and answered again as it was.
//!
//! Whoever owns an account may name what they ask by a key of their choice. The account remembers it for
//! a day, by the digest of the key and of the API key that asked, so that no two of those share one
//! and none takes all there may be.
//!
//! ```text
//! Recall ── not known ──▶ orders, each with `Did` in one batch ──▶ the answer ──▶ `Answered`
//!   │                                     │
//!   ├── answered ──▶ the answer           └── a crash, a breakdown: asked again, it is `Did`
//!   └── done, not answered ──▶ the events that it left
//! ```
//!
//! What changes one account is carried out in its turn, so nothing is ever found under way. The state
//! has the numbers of events and nothing of what they say: answers are read from the journal. Of accounts
//! that were never asked so, and of those where a day has passed, there is none.

mod event;
mod fold;
#[cfg(test)]
mod generator;
mod handle;
mod shell;
#[cfg(test)]
mod tests;

pub use event::{Answered, Once, OnceEvent};
pub use fold::{OnceDenial, Recalled};
pub use handle::OnceRefusal;

pub(super) use fold::State;
pub(super) use shell::Ask;

#[cfg(test)]
pub(crate) use generator::any_once_event;
