//! What the simulator has done: counters, and a bounded log of every answer with the usage it
//! reported, which is what an auditor holds charges against.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::clock;

/// How an answer ended, in the simulator's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it was handed to the socket.
    Completed,
    /// The other side closed first.
    Cancelled,
    /// An error status.
    Refused,
    /// Broken off by script.
    Cut,
    /// Ended by an error event or without any content, by script.
    Failed,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts answers from 0; the end of the answer's `id`.
    pub sequence: u64,
    /// The model asked for.
    pub model: Arc<str>,
    /// The request's `x-request-id` or `x-client-request-id`, where it had one.
    pub request_id: Option<Box<str>>,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// When the request had arrived, in milliseconds since the simulator's start.
    pub arrived_ms: u64,
    /// When its answer had ended, on the same clock.
    pub ended_ms: u64,
    /// The status of the answer, where it had a head.
    pub status: Option<u16>,
    /// Prompt tokens the answer reports.
    pub prompt: u64,
    /// Cached ones among them.
    pub cached: u64,
    /// Those among them that are the beginning of the answer, which the request had already.
    pub prefilled: u64,
    /// Completion tokens: reported when completed, produced so far when not.
    pub completion: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// The counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests whose head arrived.
    pub received: u64,
    /// Not yet ended.
    pub in_flight: u64,
    /// Ended, by outcome.
    pub completed: u64,
    /// The other side closed first.
    pub cancelled: u64,
    /// Error statuses, cuts and failures by script.
    pub failed: u64,
    /// Content tokens handed to sockets.
    pub tokens: u64,
    /// Prompt tokens reported by completed answers.
    pub prompt: u64,
    /// Completion tokens reported by completed answers.
    pub completion: u64,
    /// Heads sent, by status.
    pub by_status: BTreeMap<u16, u64>,
}

/// Collects both.
#[derive(Debug)]
pub(super) struct Stats {
    sequence: AtomicU64,
    received: AtomicU64,
    ended: AtomicU64,
    ok_heads: AtomicU64,
    books: Mutex<Books>,
    log_capacity: usize,
    started: Instant,
}

#[derive(Debug, Default)]
struct Books {
    counts: Counts,
    log: VecDeque<Entry>,
    dropped: u64,
}

/// One answer in the making; whatever happens to it, it ends in the log.
#[derive(Debug)]
pub(super) struct Running {
    stats: Arc<Stats>,
    pub(super) sequence: u64,
    pub(super) model: Arc<str>,
    pub(super) request_id: Option<Box<str>>,
    pub(super) streamed: bool,
    arrived_ms: u64,
    pub(super) status: Option<u16>,
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) prefilled: u64,
    pub(super) tokens: u64,
    outcome: Outcome,
}

/// A page of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Entries, in the order in which they ended.
    pub entries: Vec<Entry>,
    /// Where the next page begins; absent at the end.
    pub next: Option<u64>,
    /// Entries that were dropped because the log is bounded.
    pub dropped: u64,
    /// The time now, in milliseconds since the simulator's start.
    pub clock_ms: u64,
}

impl Stats {
    pub(super) fn new(log_capacity: usize) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            received: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            ok_heads: AtomicU64::new(0),
            books: Mutex::default(),
            log_capacity,
            started: clock::now(),
        }
    }

    /// A request for `model` has arrived.
    pub(super) fn begin(self: &Arc<Self>, model: &Arc<str>) -> Running {
        self.received.fetch_add(1, Ordering::Relaxed);
        Running {
            stats: Arc::clone(self),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            model: Arc::clone(model),
            request_id: None,
            streamed: false,
            arrived_ms: self.clock_ms(),
            status: None,
            prompt: 0,
            cached: 0,
            prefilled: 0,
            tokens: 0,
            outcome: Outcome::Cancelled,
        }
    }

    fn clock_ms(&self) -> u64 {
        u64::try_from(clock::since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn count_status(&self, status: u16) {
        if status == 200 {
            self.ok_heads.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        *books.counts.by_status.entry(status).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = {
            let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
            books.counts.clone()
        };
        // Ended is read first, so that a request between the two reads counts as in flight.
        let ended = self.ended.load(Ordering::SeqCst);
        counts.received = self.received.load(Ordering::SeqCst);
        counts.in_flight = counts.received.saturating_sub(ended);
        let ok_heads = self.ok_heads.load(Ordering::Relaxed);
        if ok_heads > 0 {
            counts.by_status.insert(200, ok_heads);
        }
        counts
    }

    /// At most `limit` entries from the `after`-th ended answer on.
    pub(super) fn log(&self, after: u64, limit: usize) -> LogPage {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(after.saturating_sub(books.dropped)).unwrap_or(usize::MAX);
        let entries: Vec<Entry> = books.log.iter().skip(skip).take(limit).cloned().collect();
        let taken = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let end = after.max(books.dropped).saturating_add(taken);
        let more = skip.saturating_add(entries.len()) < books.log.len();
        LogPage {
            entries,
            next: more.then_some(end),
            dropped: books.dropped,
            clock_ms: self.clock_ms(),
        }
    }

    fn end(&self, running: &mut Running) {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut books.counts;
        counts.tokens += running.tokens;
        match running.outcome {
            Outcome::Completed => {
                counts.completed += 1;
                counts.prompt += running.prompt;
                counts.completion += running.tokens;
            }
            Outcome::Cancelled => counts.cancelled += 1,
            Outcome::Refused | Outcome::Cut | Outcome::Failed => counts.failed += 1,
        }
        if self.log_capacity > 0 {
            if books.log.len() >= self.log_capacity {
                books.log.pop_front();
                books.dropped += 1;
            }
            books.log.push_back(Entry {
                sequence: running.sequence,
                model: Arc::clone(&running.model),
                request_id: running.request_id.take(),
                streamed: running.streamed,
                arrived_ms: running.arrived_ms,
                ended_ms: self.clock_ms(),
                status: running.status,
                prompt: running.prompt,
                cached: running.cached,
                prefilled: running.prefilled,
                completion: running.tokens,
                outcome: running.outcome,
            });
        }
        drop(books);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Running {
    /// How it will have ended; without this call it counts as cancelled.
    pub(super) fn ends_as(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let stats = Arc::clone(&self.stats);
        stats.end(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_answer_is_cancelled_and_an_ended_one_is_what_it_said() {
        let stats = Arc::new(Stats::new(2));
        let model: Arc<str> = Arc::from("m");
        let mut done = stats.begin(&model);
        let left = stats.begin(&model);
        assert_eq!(stats.counts().in_flight, 2);
        (done.prompt, done.tokens) = (10, 4);
        done.ends_as(Outcome::Completed);
        drop(done);
        drop(left);
        let counts = stats.counts();
        assert_eq!((counts.completed, counts.cancelled, counts.in_flight), (1, 1, 0));
        assert_eq!((counts.prompt, counts.completion), (10, 4));
    }

    #[test]
    fn the_log_is_bounded_and_read_in_pages() {
        let stats = Arc::new(Stats::new(3));
        let model: Arc<str> = Arc::from("m");
        for _ in 0..5 {
            drop(stats.begin(&model));
        }
        let sequences =
            |page: &LogPage| page.entries.iter().map(|e| e.sequence).collect::<Vec<_>>();
        let first = stats.log(0, 2);
        assert_eq!((sequences(&first), first.next, first.dropped), (vec![2, 3], Some(4), 2));
        let second = stats.log(4, 2);
        assert_eq!((sequences(&second), second.next), (vec![4], None));
    }
}
