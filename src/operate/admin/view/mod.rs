//! Accounts, projects, keys, events and actors as JSON. What is not named here is not shown: no hash in
//! any of these, and no secret but in [`CreatedKey`] and [`CreatedToken`]. Pure.

mod event;
mod member;
mod once;
mod operator;
mod plan;
mod subscription;

use infergate_actors::account::ActorLine;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use crate::api::{Account, AccountLine, Granted, Key, Moved, Subscription};
pub(crate) use event::JournalEvent;
pub(super) use event::{Journal, JournalLine};
pub(super) use operator::{Act, CreatedToken, Token};
pub(super) use plan::Plan;
pub(super) use subscription::Preview;

/// One actor.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Actor {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) status: String,
    pub(super) messages_handled: Option<u64>,
    pub(super) queue_length: Option<u64>,
    pub(super) restarts: u64,
    pub(super) age_ms: u64,
}

impl Actor {
    pub(super) fn account(line: ActorLine) -> Self {
        Self::of("account", line)
    }

    pub(super) fn operators(line: ActorLine) -> Self {
        Self { id: "operators".to_owned(), ..Self::of("operators", line) }
    }

    pub(super) fn provider(line: ActorLine) -> Self {
        Self::of("provider", line)
    }

    fn of(kind: &'static str, line: ActorLine) -> Self {
        Self {
            kind,
            id: line.id,
            status: line.status.to_owned(),
            messages_handled: Some(line.handled),
            queue_length: Some(line.queued),
            restarts: line.restarts,
            age_ms: super::system::millis(line.age),
        }
    }
}
