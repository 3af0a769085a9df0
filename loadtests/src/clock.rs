//! The only file of this package that reads the clock.

use std::time::{Duration, Instant};

/// The time now, on the clock that never goes back.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Instant {
    Instant::now()
}

/// How long ago `start` was; zero for a time to come.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}
