//! What an account's actor may be sent, and why it may refuse.

use ractor::RpcReplyPort;

use super::handle::{Handed, Turn, Unavailable};
use super::operators::Ask;
use super::{
    AccountView, Admit, BatchView, CodeKind, CodeTerms, CodeUse, Denial, End, Extend, Mark,
    Movement, Order, Permit, Settle, Transfer, once,
};
use crate::id::{AccountId, HoldId, KeyHash};
use crate::ledger::Ticket;
use crate::money::NanoUsd;

/// What an account's actor may be sent.
pub(super) enum Message {
    Admit(Admit, Turn, RpcReplyPort<Result<(Permit, Ticket), Denial>>),
    Extend(Extend, RpcReplyPort<Result<u64, Denial>>),
    /// Answered when it is as safe as the ledger's setting asks.
    Settle(Settle, RpcReplyPort<Result<NanoUsd, Ended>>),
    Void(HoldId, End, RpcReplyPort<Result<(), Ended>>),
    /// Answered when it is on disk.
    Order(Box<Ordered>, RpcReplyPort<Result<AccountView, Refusal>>),
    /// For the operators' actor.
    Operators(Box<Ask>),
    /// About what was asked under an idempotency key.
    Once(Box<once::Ask>),
    /// About money outside.
    Till(TillMessage),
    /// Answered when it is on disk.
    UseCode(CodeUse, RpcReplyPort<Result<CodeTerms, Refusal>>),
    /// About what is nobody's account.
    Hall(HallMessage),
    Inspect(RpcReplyPort<Result<AccountView, Denial>>),
    /// Let time pass.
    Lapse,
    /// Take a snapshot; answered when it is written.
    Snapshot(RpcReplyPort<()>),
    /// Stop, if nothing is under way.
    Retire,
    /// Stop, whatever is under way; answered when a snapshot is written.
    Stop(RpcReplyPort<()>),
    /// Break down, as a fault in the code would.
    BreakDown(Breakdown, RpcReplyPort<()>),
}

/// An order, and how it is given.
pub(super) struct Ordered {
    pub(super) order: Order,
    /// What it is part of.
    pub(super) mark: Option<Mark>,
    pub(super) handed: Handed,
}

/// What an account may be sent of payments, refunds and disputes.
pub(super) enum TillMessage {
    /// Answered when it is on disk.
    Transfer(Transfer, RpcReplyPort<Result<Movement, Refusal>>),
    /// What was done behind that under this id, so many at most; each with its id.
    Movements(Option<String>, usize, RpcReplyPort<Result<Vec<(String, Movement)>, Denial>>),
}

/// What a register or a batch of codes may be sent.
pub(super) enum HallMessage {
    /// Answered when it is on disk.
    Claim(KeyHash, RpcReplyPort<Result<AccountId, Refusal>>),
    /// Whether a code may be used.
    LookAtCode(CodeUse, RpcReplyPort<Result<(), Denial>>),
    Inspect(CodeKind, RpcReplyPort<Result<BatchView, Denial>>),
}

/// When an actor is to break down, in tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// At once.
    Now,
    /// When it has written the next hold and not yet answered.
    BeforeNextPermit,
    /// When it has written the next order and not yet answered.
    BeforeNextReply,
}

/// Why the end of an exchange was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has ended before: nothing to do.
    Already,
    /// The ledger can't write any more.
    NotWritten,
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account refuses.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Nobody answers.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
