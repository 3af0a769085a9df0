//! How much credit goes with some of the dollars that were paid for it. Pure.
//!
//! Of `paid` dollars that gave `credit`, the first `back` take `ceil(credit · back / paid)` with them. That
//! is a sum over all that went back, so that several parts together take exactly all of it.

use crate::id::GrantId;
use crate::money::NanoUsd;

/// One part of a payment: dollars, and the credit that they gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) grant: GrantId,
    pub(super) paid: NanoUsd,
    pub(super) credit: NanoUsd,
    /// How many dollars went back.
    pub(super) back: NanoUsd,
}

impl Part {
    /// The dollars that did not go back.
    pub(super) fn left(&self) -> NanoUsd {
        self.paid.saturating_sub(self.back).max(NanoUsd::ZERO)
    }

    /// The credit that goes with the first `back` dollars: `ceil(credit · back / paid)`.
    fn credit_behind(&self, back: NanoUsd) -> i128 {
        if !self.paid.is_positive() {
            return 0;
        }
        let product = wide(self.credit) * wide(back.min(self.paid));
        (product + wide(self.paid) - 1) / wide(self.paid)
    }

    /// The credit that goes with so many dollars more.
    pub(super) fn credit_with(&self, dollars: NanoUsd) -> NanoUsd {
        let all = self.credit_behind(self.back.saturating_add(dollars));
        narrow(all - self.credit_behind(self.back))
    }

    /// The most dollars that no more than this credit goes with.
    pub(super) fn dollars_with(&self, credit: NanoUsd) -> NanoUsd {
        if !self.credit.is_positive() {
            return self.left();
        }
        let credit = self.credit_behind(self.back) + wide(credit);
        let dollars = credit * wide(self.paid) / wide(self.credit) - wide(self.back);
        narrow(dollars.max(0)).min(self.left())
    }
}

fn wide(amount: NanoUsd) -> i128 {
    amount.nano().into()
}

fn narrow(nano: i128) -> NanoUsd {
    i64::try_from(nano).map_or(NanoUsd::MAX, NanoUsd::from_nano)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nano(nano: i64) -> NanoUsd {
        NanoUsd::from_nano(nano)
    }

    proptest! {
        #[test]
        fn parts_that_go_back_take_all_of_the_credit_together_and_none_of_it_twice(
            paid in 1..i64::MAX,
            credit in 0..i64::MAX,
            parts in prop::collection::vec(0..i64::MAX, 0..20),
        ) {
            let (paid, credit) = (nano(paid), nano(credit));
            let mut part = Part { grant: GrantId(1), paid, credit, back: NanoUsd::ZERO };
            let mut taken = 0;
            for dollars in parts.into_iter().map(nano).chain([nano(i64::MAX)]) {
                let dollars = dollars.min(part.left());
                let with = part.credit_with(dollars);
                prop_assert!(!with.is_negative());
                prop_assert!(part.dollars_with(with) >= dollars);
                taken += wide(with);
                part.back = part.back.saturating_add(dollars);
                // Its share to the nano-dollar, rounded up.
                let exact = wide(credit) * wide(part.back);
                prop_assert!(taken * wide(paid) >= exact && (taken - 1) * wide(paid) < exact);
            }
            prop_assert_eq!((part.left(), taken), (NanoUsd::ZERO, wide(credit)));
        }

        #[test]
        fn no_more_dollars_go_back_with_some_credit_than_it_is_worth(
            paid in 1..i64::MAX,
            credit in 1..i64::MAX,
            back in 0..i64::MAX,
            unused in 0..i64::MAX,
        ) {
            let (paid, credit, back) = (nano(paid), nano(credit), nano(back.min(paid)));
            let part = Part { grant: GrantId(1), paid, credit, back };
            let dollars = part.dollars_with(nano(unused));
            prop_assert!(part.credit_with(dollars) <= nano(unused));
            if dollars < part.left() {
                prop_assert!(part.credit_with(dollars.saturating_add(nano(1))) > nano(unused));
            }
        }
    }
}
