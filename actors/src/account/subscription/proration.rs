//! What a change of plan in the middle of a period costs and gives. Pure.
//!
//! A change to a plan that costs more, and gives as much or more, takes effect at once, where its periods are
//! as long and nothing went back of what the present period was paid with: due is the difference of the prices
//! for the time left, and given the difference of the allowances for it. Both are rounded up to the
//! nano-dollar. So does one to a plan that costs and gives the same. Any other change takes effect with the next
//! period: also one that gives more for the same price, since nothing could be paid back of what it gives.
//!
//! So within a period the allowance of the plan never falls, all that is given for it, share by share, is
//! never more than that of the last plan, and each share was paid for: no way back to less and up again gives
//! the difference twice.

use super::{Contract, Offer, SubscriptionState};
use crate::money::NanoUsd;

/// What a change of plan costs and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proration {
    /// It takes effect at once, and not with the next period.
    pub is_at_once: bool,
    /// When it takes effect, in milliseconds since 1970.
    pub from_ms: u64,
    /// What has to be paid for the present period.
    pub due: NanoUsd,
    /// The credit given for the present period.
    pub allowance: NanoUsd,
    /// What is left of the present period, in milliseconds.
    pub left_ms: u64,
    /// How long all of it is.
    pub period_ms: u64,
}

impl Contract {
    /// What a change to `offer` costs and gives now; `is_whole`: nothing went back of what the present period
    /// was paid with.
    pub fn proration(&self, offer: &Offer, is_whole: bool, now_ms: u64) -> Proration {
        let period_ms = self.to_ms.saturating_sub(self.from_ms);
        let left_ms = self.to_ms.saturating_sub(now_ms).min(period_ms);
        let is_more = offer.price > self.offer.price && offer.allowance >= self.offer.allowance;
        let is_equal = offer.price == self.offer.price && offer.allowance == self.offer.allowance;
        let is_at_once = self.state == SubscriptionState::Active
            && offer.period == self.offer.period
            && (is_equal || (is_more && is_whole));
        let of_rest = |new: NanoUsd, old: NanoUsd| {
            let more = new.saturating_sub(old).max(NanoUsd::ZERO);
            if is_at_once { share(more, left_ms, period_ms) } else { NanoUsd::ZERO }
        };
        Proration {
            is_at_once,
            from_ms: if is_at_once { now_ms } else { self.to_ms.max(now_ms) },
            due: of_rest(offer.price, self.offer.price),
            allowance: of_rest(offer.allowance, self.offer.allowance),
            left_ms,
            period_ms,
        }
    }
}

/// `amount · part / whole`, rounded up.
fn share(amount: NanoUsd, part: u64, whole: u64) -> NanoUsd {
    let product = u128::from(amount.nano().unsigned_abs()) * u128::from(part);
    let share = product.div_ceil(u128::from(whole.max(1)));
    i64::try_from(share).map_or(NanoUsd::MAX, NanoUsd::from_nano)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_share_is_rounded_up_and_never_more_than_the_whole(
            nano in 0..i64::MAX,
            whole in 1..100_000_000_000_u64,
            part in 0..100_000_000_000_u64,
        ) {
            let part = part.min(whole);
            let of = |part| i128::from(share(NanoUsd::from_nano(nano), part, whole).nano());
            let exact = i128::from(nano) * i128::from(part);
            prop_assert!(of(part) * i128::from(whole) >= exact);
            prop_assert!((of(part) - 1) * i128::from(whole) < exact);
            prop_assert_eq!(of(whole), i128::from(nano));
            prop_assert_eq!(of(0), 0);
        }
    }
}
