//! When a message that did not arrive is sent again. Pure.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// A receiver that asks for more time than this does not get it.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// How messages that do not arrive are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long after the first try the second is made; each wait is twice the one before it.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How long a webhook may fail before what it fails at is given up.
    pub give_up_after: Duration,
}

impl Retry {
    /// How long to wait after the `tries`-th try in a row failed: somewhere in the second half of the
    /// step, so that many webhooks at one receiver do not all come back at one moment. `asked` is what
    /// the receiver asked for; `of` what chance is taken from.
    pub fn wait(&self, tries: u32, asked: Option<Duration>, of: &str) -> Duration {
        let doublings = tries.saturating_sub(1).min(30);
        let step = self.first.saturating_mul(1 << doublings).min(self.max);
        let half = step / 2;
        let chance = Sha256::digest(format!("{of} {tries}"));
        let chance = chance.iter().take(2).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let wait = half.saturating_add(half.saturating_mul(chance) / (1 << 16));
        wait.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(4),
        max: Duration::from_hours(1),
        give_up_after: Duration::from_hours(72),
    };

    proptest! {
        #[test]
        fn a_wait_is_within_the_second_half_of_its_step(tries in 1..200_u32, of in ".{0,8}") {
            let step = RETRY.first.saturating_mul(1 << (tries - 1).min(20)).min(RETRY.max);
            let wait = RETRY.wait(tries, None, &of);
            prop_assert!(step / 2 <= wait && wait <= step, "{wait:?} of {step:?}");
        }
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_within_reason() {
        let asked = |seconds| RETRY.wait(1, Some(Duration::from_secs(seconds)), "a");
        assert_eq!(asked(100), Duration::from_secs(100));
        assert!(asked(1) >= Duration::from_secs(2));
        assert_eq!(asked(u64::MAX), RETRY_AFTER_MAX);
    }

    #[test]
    fn webhooks_that_fail_together_do_not_come_back_together() {
        let waits: std::collections::BTreeSet<_> =
            (0..50).map(|of| RETRY.wait(5, None, &of.to_string())).collect();
        assert!(waits.len() > 45);
    }
}
