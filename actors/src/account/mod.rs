//! Accounts: one actor an account, the only writer of its balance and limits.

mod event;

pub use event::{
    Attempt, AttemptOutcome, Draw, End, Event, GrantKind, Key, Limits, Settlement, Status,
    UsageRecord,
};
