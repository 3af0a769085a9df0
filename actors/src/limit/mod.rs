//! How much per minute: token buckets and request rates, with time as an argument. Pure.
//!
//! Two kinds, because they are asked different things:
//!
//! - [`TokenBucket`] counts something whose amount is guessed first and known later: it can be looked
//!   at, given back to, and driven into debt. It is exact: a level is kept in units of 1/60 000 000 000
//!   of a token, so that a refill of so many tokens per minute is a whole number of units per
//!   nanosecond and nothing is ever rounded away.
//! - [`RequestRate`] counts requests, which are what they are. It is governor's GCRA, driven by a clock
//!   of ours that stands where it is put. It cannot give back, so it is asked last.
//!
//! Both start full. Over any stretch of time they grant at most their capacity and what is refilled in
//! that time. A demand larger than the capacity is answered with [`Wait::Never`], also when the bucket
//! is full: to let it through would break the limit, to name a time would have it wait for ever.

use std::time::Duration;

mod bucket;
mod rate;

pub use bucket::TokenBucket;
pub use rate::RequestRate;

/// Nanoseconds in a minute.
const MINUTE_NS: u64 = 60_000_000_000;

/// Why a limit did not let something through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// It would be let through after this time, if nothing else came first. Never zero.
    #[error("over the rate limit, try again in {} ms", .0.as_millis())]
    After(Duration),
    /// It is more than the limit can ever let through.
    #[error("larger than the limit, make it smaller")]
    Never,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
