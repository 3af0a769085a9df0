//! Load: closed loop (as fast as answers come) and open loop (at a fixed rate, whatever comes).
//!
//! In an open loop a request that starts late because all connections were busy counts its latency
//! from when it was to start, so that a slow server cannot hide by slowing the client down. A
//! connection that was free and merely woken late by the timer counts from its waking: that delay is
//! the client's own, and is reported apart.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::client::{Ask, Connection, Ending, Seen, Target};
use crate::clock;

/// Longest time that a histogram keeps apart.
const NANOS_MAX: u64 = 600_000_000_000;
/// Pause of a connection that nobody answers, so that a stopped server is not hammered.
const PAUSE: Duration = Duration::from_millis(5);

/// Called with everything seen, as it happens.
pub type Observer = Arc<dyn Fn(&Seen) + Send + Sync>;

/// What to send, and until when.
#[derive(Clone)]
pub struct Load {
    /// Where to.
    pub target: Target,
    /// How many at a time at most.
    pub connections: usize,
    /// Requests to send, in turn.
    pub asks: Arc<[Ask]>,
    /// How many in all.
    pub requests_max: u64,
    /// No request starts after this.
    pub until: Option<Instant>,
    /// No request starts once this is true.
    pub stop: Option<watch::Receiver<bool>>,
    /// How many of the exchanges to keep one by one.
    pub keep_max: usize,
    /// Told of every exchange.
    pub observer: Option<Observer>,
}

/// What came of a load.
#[derive(Debug)]
pub struct Tally {
    /// Whole answers.
    pub complete: u64,
    /// Everything else, by ending and status.
    pub failures: BTreeMap<(String, u16), u64>,
    /// Events with content in whole and partial answers.
    pub contents: u64,
    /// Time to the end of whole answers, in nanoseconds.
    pub total: Histogram<u64>,
    /// Time to the first content of whole answers, in nanoseconds.
    pub first_content: Histogram<u64>,
    /// How late the client's own timers were, in nanoseconds.
    pub timer_lag: Histogram<u64>,
    /// From the first start to the last end.
    pub elapsed: Duration,
    /// The exchanges that were kept.
    pub seen: Vec<Seen>,
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            complete: 0,
            failures: BTreeMap::new(),
            contents: 0,
            total: histogram(),
            first_content: histogram(),
            timer_lag: histogram(),
            elapsed: Duration::ZERO,
            seen: Vec::new(),
        }
    }
}

/// An empty histogram of nanoseconds, up to ten minutes.
#[expect(clippy::expect_used, reason = "the bounds are constants that the histogram accepts")]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(NANOS_MAX, 3).expect("valid bounds")
}

/// Counts a time in a histogram of nanoseconds.
pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// The `quantile` of a histogram of nanoseconds.
pub fn quantile(histogram: &Histogram<u64>, quantile: f64) -> Duration {
    Duration::from_nanos(histogram.value_at_quantile(quantile))
}

impl Tally {
    /// Counts one exchange.
    pub fn add(&mut self, seen: Seen, keep_max: usize) {
        self.contents += u64::from(seen.reading.contents);
        if seen.ending == Ending::Complete {
            self.complete += 1;
            record(&mut self.total, seen.total);
            record(&mut self.first_content, seen.first_content.unwrap_or(seen.total));
        } else {
            let kind = (format!("{:?}", seen.ending), seen.status.unwrap_or(0));
            *self.failures.entry(kind).or_default() += 1;
        }
        if self.seen.len() < keep_max {
            self.seen.push(seen);
        }
    }

    /// Everything that was not a whole answer.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Whole answers a second.
    pub fn rate(&self) -> f64 {
        crate::table::ratio(self.complete, 1) / self.elapsed.as_secs_f64().max(1e-9)
    }

    fn merge(&mut self, other: Self) {
        self.complete += other.complete;
        self.contents += other.contents;
        for (kind, count) in other.failures {
            *self.failures.entry(kind).or_default() += count;
        }
        // Equal bounds: adding cannot fail.
        let _ = self.total.add(other.total);
        let _ = self.first_content.add(other.first_content);
        let _ = self.timer_lag.add(other.timer_lag);
        self.seen.extend(other.seen);
    }
}

impl Load {
    /// A load of whole answers to the end of `requests_max`, on `connections`.
    pub fn new(target: Target, connections: usize, asks: Vec<Ask>, requests_max: u64) -> Self {
        Self {
            target,
            connections,
            asks: asks.into(),
            requests_max,
            until: None,
            stop: None,
            keep_max: 0,
            observer: None,
        }
    }

    /// The same, for no longer than `time` from now.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.until = Some(clock::now() + time);
        self
    }

    /// The same, keeping up to `keep_max` exchanges.
    pub fn keeping(mut self, keep_max: usize) -> Self {
        self.keep_max = keep_max;
        self
    }

    /// Sends as fast as answers come.
    pub async fn closed(self) -> Tally {
        self.run(None).await
    }

    /// Sends `per_second` requests a second.
    pub async fn open(self, per_second: u32) -> Tally {
        let interval = Duration::from_secs(1) / per_second.max(1);
        self.run(Some(interval)).await
    }

    async fn run(self, interval: Option<Duration>) -> Tally {
        let next = Arc::new(AtomicU64::new(0));
        let start = clock::now();
        let load = Arc::new(self);
        let mut workers = JoinSet::new();
        for _ in 0..load.connections {
            let worker =
                Worker { load: Arc::clone(&load), next: Arc::clone(&next), start, interval };
            workers.spawn(worker.run());
        }
        let mut sum = Tally::default();
        while let Some(tally) = workers.join_next().await {
            sum.merge(tally.unwrap_or_default());
        }
        sum.elapsed = clock::since(start);
        sum
    }
}

struct Worker {
    load: Arc<Load>,
    next: Arc<AtomicU64>,
    start: Instant,
    interval: Option<Duration>,
}

impl Worker {
    async fn run(self) -> Tally {
        let mut tally = Tally::default();
        let mut connection = Connection::new(self.load.target.clone());
        let keep_max = self.load.keep_max.div_ceil(self.load.connections.max(1));
        while let Some(index) = self.claim() {
            let begin = self.begin(index, &mut tally).await;
            // The wait may have been long.
            if self.over() {
                break;
            }
            let Some(ask) = self.ask(index) else { break };
            let seen = connection.ask(ask, begin).await;
            let unanswered = seen.ending == Ending::NoHead;
            if let Some(observer) = &self.load.observer {
                observer(&seen);
            }
            tally.add(seen, keep_max);
            if unanswered {
                sleep(PAUSE).await;
            }
        }
        tally
    }

    fn claim(&self) -> Option<u64> {
        if self.over() {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.load.requests_max).then_some(index)
    }

    fn ask(&self, index: u64) -> Option<&Ask> {
        let count = u64::try_from(self.load.asks.len()).ok()?;
        self.load.asks.get(usize::try_from(index.checked_rem(count)?).ok()?)
    }

    fn over(&self) -> bool {
        let stopped = self.load.stop.as_ref().is_some_and(|stop| *stop.borrow());
        stopped || self.load.until.is_some_and(|until| clock::now() >= until)
    }

    /// Waits for the turn of the `index`-th request and says when its latency begins.
    async fn begin(&self, index: u64, tally: &mut Tally) -> Instant {
        let Some(interval) = self.interval else { return clock::now() };
        let intended =
            self.start + interval.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
        if clock::now() >= intended {
            return intended;
        }
        sleep_until(intended.into()).await;
        let woken = clock::now();
        record(&mut tally.timer_lag, woken.saturating_duration_since(intended));
        woken
    }
}
