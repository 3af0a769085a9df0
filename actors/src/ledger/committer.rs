//! The committer: one thread that writes what all actors ask for, in groups.
//!
//! ```text
//! append ──▶ queue ──▶ one store batch ──▶ operating system ──▶ answers at `Process`
//!                                             │ when someone asked for `Disk`, or at the latest
//!                                             ▼ one flush interval after the first unflushed commit
//!                                          flush ──▶ high-water mark ──▶ answers at `Disk`
//! ```
//!
//! While a group is being written the next one gathers. The thread is woken once a group, and not
//! at all while it is busy. It must not be a worker of the async runtime: the store blocks through a
//! flush, and slows writers down when it falls behind. A failed write is final: see [`Poisoned`].

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Poisoned;
use super::batch::{Durability, Then};
use super::high_water::{HighWater, Mark};
use super::queue::{Queued, Shared, Work};
use super::store::{StoreError, guarded};
use super::writer::Writer;
use crate::clock::Clock;

/// Batches in one store write at most: what a write may take in memory and time.
const GROUP_BATCHES_MAX: usize = 4096;

/// The thread's own side.
pub(super) struct Committer {
    writer: Writer,
    high_water: HighWater,
    clock: Clock,
    durability: Durability,
    fsync_interval: Duration,
    /// When the oldest work that is not on disk came to the thread's notice.
    dirty_since: Option<Duration>,
    /// Answers that wait for the next flush.
    awaiting_sync: Vec<Then>,
    /// The queue's other buffer.
    spare: Vec<Queued>,
}

impl Committer {
    pub(super) fn new(
        writer: Writer,
        high_water: HighWater,
        clock: Clock,
        durability: Durability,
        fsync_interval: Duration,
    ) -> Self {
        let (dirty_since, awaiting_sync, spare) = (None, Vec::new(), Vec::new());
        Self {
            writer,
            high_water,
            clock,
            durability,
            fsync_interval,
            dirty_since,
            awaiting_sync,
            spare,
        }
    }

    /// The thread's body: ends when it was told to stop and nothing is left, or when a write fails.
    pub(super) fn run(mut self, shared: &Shared) {
        loop {
            let spare = mem::take(&mut self.spare);
            let work = shared.take(&mut self.dirty_since, self.fsync_interval, &self.clock, spare);
            let stopping = work.stopping;
            let turn = self.turn(shared, work);
            let turn = if stopping { turn.and_then(|()| guarded(|| self.close())) } else { turn };
            if let Err(StoreError(reason)) = turn {
                tracing::error!(reason, "a write of the ledger failed");
                let poisoned = Poisoned(reason.into());
                let mut unanswered = mem::take(&mut self.awaiting_sync);
                let (waiting, calls) = shared.poison(&poisoned);
                unanswered.extend(waiting);
                answer_all(unanswered, &Err(poisoned.clone()));
                for call in calls {
                    call(&poisoned);
                }
                return;
            }
            if stopping {
                let closed = Poisoned("it was closed".into());
                answer_all(shared.refuse(&closed), &Err(closed));
                return;
            }
        }
    }

    /// Commits, answers, flushes if it is time or asked for, answers again. Where that fails, the
    /// answers that are due are left in `awaiting_sync`.
    fn turn(&mut self, shared: &Shared, mut work: Work) -> Result<(), StoreError> {
        let was_idle = self.dirty_since.is_none();
        let started = self.clock.mono();
        if let Err(error) = guarded(|| self.commit(shared, &work.batches)) {
            self.awaiting_sync.extend(work.batches.into_iter().filter_map(|queued| queued.then));
            self.awaiting_sync.extend(work.waiters.into_iter().map(|waiter| waiter.then));
            return Err(error);
        }
        let counters = &shared.counters;
        let committed = self.clock.mono();
        if !work.batches.is_empty() {
            let nanos = nanos_between(started, committed);
            counters.commit_nanos.fetch_add(nanos, Ordering::Relaxed);
            if was_idle {
                self.dirty_since = Some(started);
            }
        }
        counters.committed.store(work.ticket_last, Ordering::Release);
        counters.backlog.fetch_sub(work.batches.len(), Ordering::Relaxed);
        self.answer_committed(shared, &mut work);
        let is_due = self
            .dirty_since
            .is_some_and(|since| since.saturating_add(self.fsync_interval) <= committed);
        // A sleep that timed out means the same, also where the clock is moved by hand.
        let timed_out = work.batches.is_empty() && work.waiters.is_empty() && !was_idle;
        if is_due || timed_out || work.stopping || !self.awaiting_sync.is_empty() {
            guarded(|| self.sync(shared, work.ticket_last))?;
            answer_all(mem::take(&mut self.awaiting_sync), &Ok(()));
        }
        work.batches.clear();
        self.spare = work.batches;
        Ok(())
    }

    fn commit(&mut self, shared: &Shared, batches: &[Queued]) -> Result<(), StoreError> {
        for group in batches.chunks(GROUP_BATCHES_MAX) {
            self.writer.write(group.iter().map(|queued| &queued.batch))?;
            shared.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        let counters = &shared.counters;
        counters.sequence.store(self.writer.head().sequence, Ordering::Release);
        counters.holds_open.store(self.writer.holds_open(), Ordering::Relaxed);
        Ok(())
    }

    /// Answers who waits for the operating system, and keeps who waits for the disk.
    fn answer_committed(&mut self, shared: &Shared, work: &mut Work) {
        let mut answers = Vec::with_capacity(work.batches.len() + work.waiters.len());
        for queued in &mut work.batches {
            let Some(then) = queued.then.take() else { continue };
            if queued.batch.on_disk || self.durability == Durability::Disk {
                self.awaiting_sync.push(then);
            } else {
                answers.push(then);
            }
        }
        for waiter in work.waiters.drain(..) {
            if waiter.durability == Durability::Process
                || shared.reached(waiter.ticket, Durability::Disk)
            {
                answers.push(waiter.then);
            } else {
                self.awaiting_sync.push(waiter.then);
            }
        }
        answer_all(answers, &Ok(()));
    }

    fn sync(&mut self, shared: &Shared, ticket_last: u64) -> Result<(), StoreError> {
        let started = self.clock.mono();
        self.writer.store().sync()?;
        let head = self.writer.head();
        let mark = Mark { head, closed: false };
        self.high_water.write(mark).map_err(|error| StoreError(error.to_string()))?;
        self.dirty_since = None;
        let counters = &shared.counters;
        counters.sync_nanos.fetch_add(nanos_between(started, self.clock.mono()), Ordering::Relaxed);
        counters.syncs.fetch_add(1, Ordering::Relaxed);
        counters.synced.store(ticket_last, Ordering::Release);
        counters.sequence_synced.store(head.sequence, Ordering::Release);
        let notice = self.writer.notice_last();
        shared.notices.send_if_modified(|seen| std::mem::replace(seen, notice) != notice);
        Ok(())
    }

    /// Leaves the ledger so that the next start can prove that nothing is missing.
    fn close(&mut self) -> Result<(), StoreError> {
        self.writer.write_checkpoint()?;
        self.writer.store().sync()?;
        let mark = Mark { head: self.writer.head(), closed: true };
        let written = self.high_water.write(mark).and_then(|()| self.high_water.sync());
        written.map_err(|error| StoreError(error.to_string()))
    }
}

/// Calls every answer; one that panics does not keep the others from theirs.
fn answer_all(answers: Vec<Then>, result: &Result<(), Poisoned>) {
    for then in answers {
        let result = result.clone();
        if catch_unwind(AssertUnwindSafe(move || then(result))).is_err() {
            tracing::error!("an answer of the ledger panicked");
        }
    }
}

fn nanos_between(start: Duration, end: Duration) -> u64 {
    u64::try_from(end.saturating_sub(start).as_nanos()).unwrap_or(u64::MAX)
}
