//! The operators of this gateway, and what each did: an actor like an account, which is nobody's.
//!
//! Its id is [`AccountId::OPERATORS`], which no account ever has. Its events are the tokens that let
//! operators in, and the log of what they did: so tokens and log are chained, flushed, exported and
//! verified as money is. The state keeps the tokens, what is under way, and which idempotency keys were
//! used of late; the log itself is read from the journal.
//!
//! Every action is two events: what was asked, on disk before anything is done, and what became of it,
//! on disk before the answer leaves. What a crash leaves without an end is ended by the next start, see
//! [`Operators::recover`].
//!
//! An action with an idempotency key that changes an account leaves [`OperatorEvent::Did`] in the
//! account's own journal, in one batch with the change. So it can be told after a crash whether the
//! change was made, and it is never made twice.

mod decide;
mod event;
mod fold;
mod handle;
mod keys;
mod shell;

pub use decide::{Begun, NewToken, Operation, OperatorDenial, Outcome};
pub use event::{
    Asked, Deed, Ended, Idempotency, KeptAnswer, OperatorEvent, OperatorRole, RotatedToken, Token,
};
pub use handle::{OperatorRefusal, Operators};

pub(super) use fold::State;
pub(super) use keys::TokenKeys;
pub(super) use shell::Ask;

#[cfg(test)]
mod generator;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use generator::any_operator_event;
