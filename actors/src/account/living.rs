//! One incarnation of an account's actor, as its handles see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::{ActorId, ActorRef, ActorStatus};

use super::message::Message;
use crate::vitals::Vitals;

/// How long an account that can't be loaded is left alone: each try reads the store and fills the log.
const LOAD_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The way to one incarnation.
#[derive(Clone)]
pub(super) struct Living {
    pub(super) actor: ActorRef<Message>,
    pub(super) life: Arc<Life>,
}

/// What an incarnation shares with its handles.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) vitals: Vitals,
    /// When it turned out that the account can't be loaded.
    unloadable_since: OnceLock<Duration>,
    /// How many messages it had handled when it was last looked at for idleness.
    handled_at_sweep: AtomicU64,
}

/// One actor, as the admin tree shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorLine {
    /// Whose it is.
    pub id: String,
    /// Where it is in its life.
    pub status: &'static str,
    /// Messages handled by this incarnation.
    pub handled: u64,
    /// Messages waiting.
    pub queued: u64,
    /// How often it was rebuilt after a fault.
    pub restarts: u64,
    /// Since when this incarnation lives.
    pub age: Duration,
}

impl Living {
    pub(super) fn id(&self) -> ActorId {
        self.actor.get_id()
    }

    /// Sends what nobody waits for. Whether it is in the mailbox.
    pub(super) fn send(&self, message: Message) -> bool {
        self.life.vitals.on_send();
        self.actor.cast(message).is_ok()
    }

    pub(super) fn status(&self) -> &'static str {
        if self.life.unloadable_since.get().is_some() {
            return "unloadable";
        }
        status_name(self.actor.get_status())
    }
}

impl Life {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            vitals: Vitals::new(now),
            unloadable_since: OnceLock::new(),
            handled_at_sweep: AtomicU64::new(u64::MAX),
        }
    }

    /// The account can't be loaded: this incarnation has ended before it began.
    pub(super) fn set_unloadable(&self, now: Duration) {
        self.unloadable_since.get_or_init(|| now);
    }

    /// Whether it ended so, and too short a time ago to try again.
    pub(super) fn is_unloadable(&self, now: Duration) -> bool {
        let tries_again = |since: &Duration| now.saturating_sub(*since) >= LOAD_AGAIN_AFTER;
        self.unloadable_since.get().is_some_and(|since| !tries_again(since))
    }

    /// Whether it ended so, and another may try.
    pub(super) fn is_past(&self, now: Duration) -> bool {
        self.unloadable_since.get().is_some() && !self.is_unloadable(now)
    }

    /// Whether it had nothing to do since this was last asked.
    pub(super) fn was_idle(&self) -> bool {
        let handled = self.vitals.handled();
        self.handled_at_sweep.swap(handled, Ordering::Relaxed) == handled
    }
}

/// An actor's place in its life, in one word.
pub(crate) fn status_name(status: ActorStatus) -> &'static str {
    match status {
        ActorStatus::Unstarted | ActorStatus::Starting => "starting",
        ActorStatus::Running | ActorStatus::Upgrading => "running",
        ActorStatus::Draining => "draining",
        ActorStatus::Stopping => "stopping",
        ActorStatus::Stopped => "stopped",
    }
}
