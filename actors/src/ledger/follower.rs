//! The follower: a thread that keeps what is derived from the journal up to date, behind everyone's
//! back. It adds settled exchanges to the rows of their day ([`super::rollup`]), and takes out what is
//! older than it is to be kept.
//!
//! ```text
//! journal ──▶ a bounded stretch of it, added up ──▶ rows and cursor, in one batch ──▶ committer
//! ```
//!
//! It reads the store and writes nothing itself: what it makes goes to the committer as one more batch,
//! with the cursor in it, so that rows and cursor can't disagree, and a stretch that a crash lost is read
//! again. What is too old is told by a clock that has stood for a while ([`super::steady`]): no clock that
//! is set wrong for some hours takes anything out, also not over restarts. It takes turns with itself
//! only: each turn is bounded, and after one that found more to do it rests as long as that one took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::Poisoned;
use super::batch::{Batch, Durability, Upkeep};
use super::error::LedgerError;
use super::glance::{Effect, Glance};
use super::layout::{account_of, day_key, read_u64, split_entry, usage_from};
use super::queue::Shared;
use super::record::Record;
use super::rollup::{
    DAY_MS, Kept, Rows, cursor_key, cursor_value, day_of, read_cursor, row_sums, row_value,
};
use super::steady::{Belief, Steady};
use super::store::{Area, Bytes, Store, StoreError, View};
use crate::account::Event;
use crate::clock::Clock;
use crate::id::AccountId;

/// Events that one turn reads: what it may take in memory and time.
const EVENTS_MAX: usize = 8_192;
/// Rows that one turn makes, all written at once: nobody's commit waits long behind them.
const ROWS_MAX: usize = 512;
/// Entries that one turn takes out, or accounts without any that it passes.
const REMOVED_MAX: usize = 512;

/// How long what is derived is kept; `None` is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Records, that is entries of the index of usage.
    pub records: Option<Duration>,
    /// Rows of sums.
    pub rollups: Option<Duration>,
}

/// The thread's own side, and that of who asks for it by hand.
pub(super) struct Follower {
    store: Arc<Store>,
    shared: Arc<Shared>,
    clock: Clock,
    keep: Keep,
    /// Whoever holds it takes a turn.
    turns: Mutex<Turns>,
    wake: Condvar,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Turns {
    /// What is being taken out; none before the first look.
    sweep: Option<Sweep>,
    /// By which time; none before the first look.
    steady: Option<Steady>,
}

/// On its way through what is too old.
struct Sweep {
    kept: Kept,
    /// Where it goes on, in each index; none at the end.
    usage: Option<Vec<u8>>,
    rollups: Option<Vec<u8>>,
}

impl Follower {
    pub(super) fn new(store: Arc<Store>, shared: Arc<Shared>, clock: Clock, keep: Keep) -> Self {
        let (turns, wake, stopping) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        Self { store, shared, clock, keep, turns, wake, stopping }
    }

    /// The thread's body: a turn each `interval`, and sooner while there is more to do.
    pub(super) fn run(&self, interval: Duration) {
        let mut rest = interval;
        loop {
            let turns = self.lock();
            let (turns, _) = self
                .wake
                .wait_timeout_while(turns, rest, |_| !self.is_stopping())
                .unwrap_or_else(PoisonError::into_inner);
            if self.is_stopping() {
                return;
            }
            let started = self.clock.mono();
            match self.turn(turns) {
                Ok(true) => rest = self.clock.mono().saturating_sub(started).min(interval),
                Ok(false) => rest = interval,
                Err(error) => {
                    // Answers stay right: they read what the rows lack from the journal.
                    tracing::error!(%error, "sums of usage are not kept up to date any more");
                    return;
                }
            }
        }
    }

    /// Takes turns until there is nothing more to do. Blocks.
    pub(super) fn catch_up(&self) -> Result<(), LedgerError> {
        while self.turn(self.lock())? && !self.is_stopping() {}
        Ok(())
    }

    /// Ends the thread, after the turn that is under way. Who may be what that turn waits for passes
    /// `waits: false`, and has it end a little later.
    pub(super) fn stop(&self, waits: bool) {
        self.stopping.store(true, Ordering::Release);
        // Between a look at the flag and the sleep behind it nobody is woken.
        drop(waits.then(|| self.lock()));
        self.wake.notify_all();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a bounded piece of what there is to do; says whether there is more.
    fn turn(&self, mut turns: MutexGuard<'_, Turns>) -> Result<bool, LedgerError> {
        if self.roll_up()? {
            return Ok(true);
        }
        self.prune(&mut turns)
    }

    /// Adds the journal's next stretch to the rows; says whether there may be more.
    fn roll_up(&self) -> Result<bool, LedgerError> {
        let view = self.store.view();
        let kept = kept(&view)?;
        let first = cursor(&view)?.saturating_add(1);
        let (mut rows, mut last, mut more) = (Rows::default(), None, false);
        for (nth, pair) in view.from(Area::Journal, &first.to_be_bytes()).enumerate() {
            if nth == EVENTS_MAX || rows.0.len() == ROWS_MAX {
                more = true;
                break;
            }
            let (key, value) = pair?;
            last = Some(read_u64(&key).ok_or_else(|| unreadable("the journal"))?);
            let Some(record) = settled(&value)? else { continue };
            let Event::Settled(bill) = &record.event else { continue };
            if day_of(record.at_ms) >= kept.rollups_from_day {
                rows.add(record.account, record.at_ms, bill);
            }
        }
        let Some(last) = last else { return Ok(false) };
        let mut upkeep = Upkeep::default();
        for (key, (of, mut sums)) in rows.0 {
            if let Some(before) = view.get(Area::Rollups, &key)? {
                sums.add(&row_sums(&before).ok_or_else(|| unreadable("a row of sums"))?);
            }
            upkeep.put.push((Area::Rollups, Bytes::from(key.as_slice()), row_value(of, &sums)));
        }
        let cursor = Bytes::from(cursor_key().as_slice());
        upkeep.put.push((Area::Rollups, cursor, cursor_value(last)));
        self.write(upkeep)?;
        Ok(more)
    }

    /// Takes out some of what is too old; says whether there is more.
    fn prune(&self, turns: &mut Turns) -> Result<bool, LedgerError> {
        let view = self.store.view();
        let (before, now) = (kept(&view)?, self.clock.now());
        let steady = match &mut turns.steady {
            Some(steady) => steady,
            none => none.insert(Steady::new(belief(&view)?, now)),
        };
        let wanted = before.max(self.keep.from(steady.at_ms(now)));
        let mut upkeep = Upkeep::default();
        if let Some(belief) = steady.unwritten(now) {
            upkeep.put.push((Area::Meta, Bytes::from(Belief::key()), belief.to_value()));
        }
        if wanted != before {
            // Said before it is done: nobody looks for what may be gone.
            upkeep.put.push((Area::Meta, Bytes::from(Kept::key()), wanted.to_value()));
        }
        if !upkeep.put.is_empty() {
            self.write(upkeep)?;
            self.shared.kept.set(wanted);
        }
        let sweep = match &mut turns.sweep {
            Some(sweep) if sweep.kept == wanted => sweep,
            sweep => sweep.insert(Sweep::new(wanted)),
        };
        let mut upkeep = Upkeep::default();
        sweep.step(&view, &mut upkeep)?;
        if !upkeep.removed.is_empty() {
            self.write(upkeep)?;
        }
        Ok(sweep.usage.is_some() || sweep.rollups.is_some())
    }

    /// Has the committer write it, and waits until it can be read.
    fn write(&self, upkeep: Upkeep) -> Result<(), LedgerError> {
        let ticket =
            self.shared.append(Batch { upkeep: Some(Box::new(upkeep)), ..Batch::default() }, None);
        let (answer, answered) = mpsc::sync_channel(1);
        let then = Box::new(move |result| {
            let _ = answer.send(result);
        });
        self.shared.when(ticket, Durability::Process, then);
        let gone = |_| Poisoned("its thread is gone".into());
        Ok(answered.recv().map_err(gone)??)
    }
}

impl Keep {
    /// From when on what is kept so long is there. It moves by whole days.
    fn from(self, now_ms: u64) -> Kept {
        let begin = |keep: Option<Duration>| {
            let keep_ms = keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
            keep_ms.map_or(0, |keep_ms| now_ms.saturating_sub(keep_ms) / DAY_MS * DAY_MS)
        };
        let records_from_ms = begin(self.records);
        Kept { records_from_ms, rollups_from_day: day_of(begin(self.rollups)) }
    }
}

impl Sweep {
    fn new(kept: Kept) -> Self {
        // The cursor, which has no account, is not for taking.
        let first = |is_wanted: bool| is_wanted.then(|| AccountId(1).0.to_be_bytes().to_vec());
        let (usage, rollups) = (first(kept.records_from_ms > 0), first(kept.rollups_from_day > 0));
        Self { kept, usage, rollups }
    }

    fn step(&mut self, view: &View<'_>, upkeep: &mut Upkeep) -> Result<(), StoreError> {
        let Kept { records_from_ms, rollups_from_day } = self.kept;
        let mut left = REMOVED_MAX;
        let usage_end = |account| usage_from(account, records_from_ms).to_vec();
        let rollups_end = |account| day_key(account, rollups_from_day).to_vec();
        old(view, Area::Usage, &mut self.usage, usage_end, &mut left, upkeep)?;
        old(view, Area::Rollups, &mut self.rollups, rollups_end, &mut left, upkeep)
    }
}

/// Finds keys of an area that lie before the end that `end` gives for their account, from a place on
/// which is moved.
fn old(
    view: &View<'_>,
    area: Area,
    place: &mut Option<Vec<u8>>,
    end: impl Fn(AccountId) -> Vec<u8>,
    left: &mut usize,
    upkeep: &mut Upkeep,
) -> Result<(), StoreError> {
    while let Some(from) = place.as_ref().filter(|_| *left > 0) {
        let Some(pair) = view.from(area, from).next() else {
            *place = None;
            return Ok(());
        };
        let (found, _) = pair?;
        *left -= 1;
        let account = account_of(&found).unwrap_or(AccountId(u64::MAX));
        let end = end(account);
        let mut last = found.to_vec();
        if *found < *end {
            // No key is as short as this end, so the end itself is none.
            for pair in view.between(area, &found, &end).take(*left + 1) {
                let (key, _) = pair?;
                last = key.to_vec();
                *left = left.saturating_sub(1);
                upkeep.removed.push((area, key));
            }
        }
        let next_account = account.0.checked_add(1).map(|next| next.to_be_bytes().to_vec());
        *place = if *left > 0 {
            next_account
        } else {
            last.push(0);
            Some(last)
        };
    }
    Ok(())
}

/// The settlement in a journal entry.
pub(super) fn settled(entry: &[u8]) -> Result<Option<Record>, StoreError> {
    let (_, bytes) = split_entry(entry).ok_or_else(|| unreadable("the journal"))?;
    let damaged = |error: super::RecordError| StoreError(error.to_string());
    let Effect::Settled(_) = Glance::read(bytes).map_err(damaged)?.effect else { return Ok(None) };
    Ok(Some(Record::decode(bytes).map_err(damaged)?))
}

/// What time was believed last. What can't be read is as what was never written: all it costs is a day.
fn belief(view: &View<'_>) -> Result<Option<Belief>, StoreError> {
    let value = view.get(Area::Meta, Belief::key())?;
    Ok(value.and_then(|value| Belief::from_value(&value)))
}

/// The last event that is in the rows.
pub(super) fn cursor(view: &View<'_>) -> Result<u64, StoreError> {
    match view.get(Area::Rollups, &cursor_key())? {
        None => Ok(0),
        Some(value) => read_cursor(&value).ok_or_else(|| unreadable("the cursor of sums")),
    }
}

/// From when on what is derived is kept.
pub(super) fn kept(view: &View<'_>) -> Result<Kept, StoreError> {
    match view.get(Area::Meta, Kept::key())? {
        None => Ok(Kept::default()),
        Some(value) => Kept::from_value(&value).ok_or_else(|| unreadable("what is kept")),
    }
}

fn unreadable(what: &str) -> StoreError {
    StoreError(format!("{what} can't be read"))
}
