//! Slows down whoever tries keys that are nobody's: each wrong key costs its address a token.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Wrong keys that one address may try in a minute, all at once if it likes.
const WRONG_KEYS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).expect("a number above zero");

/// Counts wrong keys by address.
pub(crate) struct Sentry {
    wrong_keys: DefaultKeyedRateLimiter<IpAddr>,
}

impl Sentry {
    pub(crate) fn new() -> Self {
        Self {
            wrong_keys: DefaultKeyedRateLimiter::keyed(Quota::per_minute(WRONG_KEYS_PER_MINUTE)),
        }
    }

    /// Counts a wrong key. `Err` says how long its address has to wait.
    pub(crate) fn wrong_key(&self, address: IpAddr) -> Result<(), Duration> {
        self.wrong_keys
            .check_key(&address)
            .map_err(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets addresses that have nothing left to wait for: the limiter keeps them otherwise.
    pub(crate) fn tidy(&self) {
        self.wrong_keys.retain_recent();
        self.wrong_keys.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_with_too_many_wrong_keys_waits_and_others_do_not() {
        let sentry = Sentry::new();
        let (one, other) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([127, 0, 0, 2]));
        let tries = WRONG_KEYS_PER_MINUTE.get();
        assert!((0..tries).all(|_| sentry.wrong_key(one).is_ok()));
        assert!(sentry.wrong_key(one).is_err());
        assert!(sentry.wrong_key(other).is_ok());
        sentry.tidy();
    }
}
