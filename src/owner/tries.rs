//! How often signing up may be tried: from one address, and in all.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};

/// Counts tries. A limit that is not there counts nothing.
pub(super) struct Tries {
    by_address: Option<DefaultKeyedRateLimiter<IpAddr>>,
    all: Option<DefaultDirectRateLimiter>,
}

impl Tries {
    /// So many in an hour from one address, and in all; all at once if they like.
    pub(super) fn new(by_address: Option<u32>, all: Option<u32>) -> Self {
        let quota = |rate: u32| NonZeroU32::new(rate).map(Quota::per_hour);
        Self {
            by_address: by_address.and_then(quota).map(DefaultKeyedRateLimiter::keyed),
            all: all.and_then(quota).map(DefaultDirectRateLimiter::direct),
        }
    }

    /// Counts one. `Err` says how long to wait. What one address has too many of is not counted against
    /// all others.
    pub(super) fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let now = || DefaultClock::default().now();
        if let Some(limiter) = &self.by_address {
            let checked = limiter.check_key(&network(address));
            checked.map_err(|refused| refused.wait_time_from(now()))?;
        }
        if let Some(limiter) = &self.all {
            limiter.check().map_err(|refused| refused.wait_time_from(now()))?;
        }
        Ok(())
    }

    /// Forgets addresses that have nothing left to wait for.
    pub(super) fn tidy(&self) {
        if let Some(limiter) = &self.by_address {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// Whom an address stands for: of IPv6, whoever is given one is given all that share its first 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.wrapping_shl(64)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_tries_and_all_have_theirs() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let tries = Tries::new(Some(2), Some(5));
        for text in ["2001:db8::1", "2001:db8::ffff:1"] {
            assert!(tries.count(address(text)).is_ok());
        }
        assert!(tries.count(address("2001:db8::2")).is_err(), "the same 64 bits");
        assert!(tries.count(address("2001:db8:0:1::1")).is_ok());
        assert!(tries.count(address("192.0.2.1")).is_ok());
        assert!(tries.count(address("::ffff:192.0.2.1")).is_ok(), "the fifth of all");
        assert!(tries.count(address("192.0.2.1")).is_err());
        assert!(tries.count(address("192.0.2.2")).is_err(), "no more for anybody");
        tries.tidy();
        let unbound = Tries::new(None, None);
        assert!((0..1_000).all(|_| unbound.count(address("::1")).is_ok()));
    }
}
