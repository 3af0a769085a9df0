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

/// The date and time in UTC, to the second.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn date() -> String {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = elapsed.ok().and_then(|elapsed| i64::try_from(elapsed.as_secs()).ok());
    let timestamp = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or_default().to_string()
}
