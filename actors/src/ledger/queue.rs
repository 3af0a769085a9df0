//! The queue between the actors and the committer.
//!
//! A plain vector under a mutex, taken whole by the committer: an append is a push, and wakes the
//! committer at most once a group. Its length is bounded by the work that is let in upstream.

use std::mem;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Poisoned;
use super::batch::{Batch, Durability, Then};
use super::rollup::Kept;
use crate::clock::Clock;

/// A place in the ledger's queue: batches are written in the order of their tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What is called when a write fails.
pub(super) type OnPoison = Box<dyn FnOnce(&Poisoned) + Send>;

/// What the actors and the committer share.
#[derive(Default)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    poisoned: OnceLock<Poisoned>,
    pub(super) counters: Counters,
    pub(super) kept: KeptNow,
    /// The sequence of the newest notice on disk.
    pub(super) notices: watch::Sender<u64>,
}

/// From when on what is derived is kept, for those who must not wait.
#[derive(Default)]
pub(super) struct KeptNow {
    records_from_ms: AtomicU64,
    rollups_from_day: AtomicU32,
}

/// Read by anyone, written by the committer; tickets and events reached so far.
#[derive(Default)]
pub(super) struct Counters {
    /// Every ticket up to this one is committed.
    pub(super) committed: AtomicU64,
    /// Every ticket up to this one is on disk.
    pub(super) synced: AtomicU64,
    pub(super) backlog: AtomicUsize,
    pub(super) sequence: AtomicU64,
    pub(super) sequence_synced: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) commit_nanos: AtomicU64,
    pub(super) sync_nanos: AtomicU64,
    pub(super) holds_open: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    batches: Vec<Queued>,
    waiters: Vec<Waiter>,
    on_poison: Vec<OnPoison>,
    ticket_last: u64,
    urgent: bool,
    stopping: bool,
    /// Why nothing is taken any more.
    refused: Option<Poisoned>,
    rest: Rest,
}

/// How deep the committer sleeps: what has to wake it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rest {
    /// Not at all, it looks at the queue by itself.
    #[default]
    Busy,
    /// Until its next flush: for urgent work only.
    UntilFlush,
    /// With nothing to do: for anything.
    Idle,
}

pub(super) struct Queued {
    pub(super) batch: Batch,
    pub(super) then: Option<Then>,
}

pub(super) struct Waiter {
    pub(super) ticket: Ticket,
    pub(super) durability: Durability,
    pub(super) then: Then,
}

/// What the committer does in one turn.
pub(super) struct Work {
    pub(super) batches: Vec<Queued>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) ticket_last: u64,
    pub(super) stopping: bool,
}

impl KeptNow {
    pub(super) fn get(&self) -> Kept {
        Kept {
            records_from_ms: self.records_from_ms.load(Ordering::Relaxed),
            rollups_from_day: self.rollups_from_day.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set(&self, kept: Kept) {
        self.records_from_ms.store(kept.records_from_ms, Ordering::Relaxed);
        self.rollups_from_day.store(kept.rollups_from_day, Ordering::Relaxed);
    }
}

impl Shared {
    /// Queues a batch. Never blocks for longer than another caller's append.
    pub(super) fn append(&self, batch: Batch, then: Option<Then>) -> Ticket {
        let urgent = !batch.lazy;
        let mut queue = self.lock();
        if let Some(poisoned) = queue.refused.clone() {
            drop(queue);
            if let Some(then) = then {
                then(Err(poisoned));
            }
            return Ticket(u64::MAX);
        }
        queue.ticket_last += 1;
        let ticket = Ticket(queue.ticket_last);
        queue.batches.push(Queued { batch, then });
        self.counters.backlog.fetch_add(1, Ordering::Relaxed);
        self.rouse(queue, urgent);
        ticket
    }

    /// Has `then` called once a ticket has reached a durability, and makes that urgent.
    pub(super) fn when(&self, ticket: Ticket, durability: Durability, then: Then) {
        let mut queue = self.lock();
        if let Some(poisoned) = queue.refused.clone() {
            drop(queue);
            let reached = self.reached(ticket, durability);
            return then(if reached { Ok(()) } else { Err(poisoned) });
        }
        queue.waiters.push(Waiter { ticket, durability, then });
        self.rouse(queue, true);
    }

    pub(super) fn reached(&self, ticket: Ticket, durability: Durability) -> bool {
        let mark = match durability {
            Durability::Process => &self.counters.committed,
            Durability::Disk => &self.counters.synced,
        };
        mark.load(Ordering::Acquire) >= ticket.0
    }

    /// The newest ticket given out.
    pub(super) fn ticket_last(&self) -> Ticket {
        Ticket(self.lock().ticket_last)
    }

    pub(super) fn poisoned(&self) -> Option<&Poisoned> {
        self.poisoned.get()
    }

    /// Has `call` called when a write fails; at once if one has.
    pub(super) fn on_poison(&self, call: OnPoison) {
        let mut queue = self.lock();
        match self.poisoned.get() {
            None => queue.on_poison.push(call),
            Some(poisoned) => {
                drop(queue);
                call(poisoned);
            }
        }
    }

    /// Tells the committer to write what there is, flush, and end.
    pub(super) fn stop(&self) {
        let mut queue = self.lock();
        queue.stopping = true;
        self.rouse(queue, true);
    }

    /// Sleeps until something is urgent or a flush is due, and takes everything. `dirty_since` is
    /// when the oldest work that is not on disk was seen; `spare` becomes the new, empty queue.
    pub(super) fn take(
        &self,
        dirty_since: &mut Option<Duration>,
        fsync_interval: Duration,
        clock: &Clock,
        spare: Vec<Queued>,
    ) -> Work {
        let mut queue = self.lock();
        while !queue.urgent && !queue.stopping {
            if !queue.batches.is_empty() && dirty_since.is_none() {
                *dirty_since = Some(clock.mono());
            }
            let Some(since) = *dirty_since else {
                queue.rest = Rest::Idle;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = since.saturating_add(fsync_interval).saturating_sub(clock.mono());
            if left.is_zero() {
                break;
            }
            queue.rest = Rest::UntilFlush;
            let woken = self.wake.wait_timeout(queue, left);
            let (woken, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if timeout.timed_out() {
                break;
            }
        }
        queue.rest = Rest::Busy;
        queue.urgent = false;
        Work {
            batches: mem::replace(&mut queue.batches, spare),
            waiters: mem::take(&mut queue.waiters),
            ticket_last: queue.ticket_last,
            stopping: queue.stopping,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse(&self, mut queue: MutexGuard<'_, Queue>, urgent: bool) {
        queue.urgent |= urgent;
        let wakes = match queue.rest {
            Rest::Busy => false,
            Rest::UntilFlush => urgent,
            Rest::Idle => true,
        };
        if wakes {
            queue.rest = Rest::Busy;
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Nothing is taken from here on; whoever waits is told so.
    pub(super) fn refuse(&self, poisoned: &Poisoned) -> Vec<Then> {
        let mut queue = self.lock();
        queue.refused = Some(poisoned.clone());
        let batches = mem::take(&mut queue.batches);
        let waiters = mem::take(&mut queue.waiters);
        drop(queue);
        let thens = batches.into_iter().filter_map(|queued| queued.then);
        thens.chain(waiters.into_iter().map(|waiter| waiter.then)).collect()
    }

    /// Notes that a write has failed. Gives who is to be told: those who wait, and those who asked.
    pub(super) fn poison(&self, poisoned: &Poisoned) -> (Vec<Then>, Vec<OnPoison>) {
        // Set before the lock is taken: who asks from now on is told at once.
        let _ = self.poisoned.set(poisoned.clone());
        let waiting = self.refuse(poisoned);
        (waiting, mem::take(&mut self.lock().on_poison))
    }
}
