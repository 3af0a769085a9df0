//! The only file that reads the clock. Everything else is handed a [`Now`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
///
/// `wall_ms` is what is written into events and compared with expiry dates; it may jump when the
/// machine's time is set. `mono` is what limits, breakers and timeouts use; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub wall_ms: u64,
    /// Time since the clock was started.
    pub mono: Duration,
}

/// A source of [`Now`]: the machine's clocks, or one that a test moves by hand.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    Real(Instant),
    Manual(Arc<Manual>),
}

struct Manual {
    wall_ms_start: u64,
    elapsed_ms: AtomicU64,
}

impl Clock {
    /// The machine's clocks; monotonic time counts from this call.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn real() -> Self {
        Self(Source::Real(Instant::now()))
    }

    /// A clock that stands still at `wall_ms` until [`Clock::advance`] is called.
    pub fn manual(wall_ms: u64) -> Self {
        Self(Source::Manual(Arc::new(Manual {
            wall_ms_start: wall_ms,
            elapsed_ms: AtomicU64::new(0),
        })))
    }

    /// Reads the clock.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::Real(start) => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Now { wall_ms: millis(since_epoch), mono: start.elapsed() }
            }
            Source::Manual(manual) => {
                let elapsed_ms = manual.elapsed_ms.load(Ordering::SeqCst);
                Now {
                    wall_ms: manual.wall_ms_start.saturating_add(elapsed_ms),
                    mono: Duration::from_millis(elapsed_ms),
                }
            }
        }
    }

    /// Monotonic time alone: half the price of [`Clock::now`].
    pub fn mono(&self) -> Duration {
        match &self.0 {
            Source::Real(start) => start.elapsed(),
            Source::Manual(manual) => {
                Duration::from_millis(manual.elapsed_ms.load(Ordering::SeqCst))
            }
        }
    }

    /// Moves a manual clock forward; a real clock is not moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.elapsed_ms.fetch_add(millis(by), Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Source::Real(_) => "real",
            Source::Manual(_) => "manual",
        };
        f.debug_tuple("Clock").field(&kind).finish()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
