//! Credit by kind, and what open holds count on of it. Pure.
//!
//! A hold counts on some kinds of credit, whichever lots of them will pay. All open holds can be paid
//! at once exactly if, for every set of kinds, what is left in those kinds covers the holds that count
//! on nothing else (Hall's theorem). So that is what is kept true, and nothing narrower: no hold
//! binds a lot, and credit is still spent soonest to expire first.

use smallvec::SmallVec;

use super::state::Account;
use super::{Draw, Grant, GrantKind, Kinds};
use crate::id::HoldId;
use crate::money::NanoUsd;

/// What is left of each kind, and how much of it is spoken for.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    remaining: [NanoUsd; GrantKind::COUNT],
    /// What is held, by the kinds that it counts on.
    held: SmallVec<[(Kinds, NanoUsd); 2]>,
}

impl Buckets {
    /// The account's; without what is held for `own`, if it is given.
    pub(super) fn of(account: &Account, own: Option<HoldId>) -> Self {
        let mut remaining = [NanoUsd::ZERO; GrantKind::COUNT];
        for lot in &account.grants {
            if let Some(sum) = remaining.get_mut(lot.kind.place()) {
                *sum = sum.saturating_add(lot.remaining);
            }
        }
        let mut buckets = Self { remaining, held: SmallVec::new() };
        let mut rest = account.totals.held;
        for (hold, kinds) in &account.credit.hold_kinds {
            let amount = account.holds.get(hold).map_or(NanoUsd::ZERO, |hold| hold.amount);
            rest = rest.saturating_sub(amount);
            if own != Some(*hold) {
                buckets.hold(*kinds, amount);
            }
        }
        let own = own.filter(|own| !account.credit.hold_kinds.contains_key(own));
        let own = own.and_then(|own| account.holds.get(&own));
        buckets
            .hold(Kinds::ALL, rest.saturating_sub(own.map_or(NanoUsd::ZERO, |hold| hold.amount)));
        buckets
    }

    fn hold(&mut self, kinds: Kinds, amount: NanoUsd) {
        match self.held.iter_mut().find(|(known, _)| *known == kinds) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => self.held.push((kinds, amount)),
        }
    }

    /// What is left in these kinds beyond the holds that count on nothing else; below zero where those
    /// are not covered.
    fn slack(&self, kinds: Kinds) -> i128 {
        let wide = |amount: NanoUsd| i128::from(amount.nano());
        let kept = GrantKind::ALL.into_iter().zip(self.remaining);
        let left: i128 =
            kept.filter(|(kind, _)| kinds.contains(*kind)).map(|(_, amount)| wide(amount)).sum();
        let within = self.held.iter().filter(|(of, _)| of.are_within(kinds));
        left - within.map(|(_, amount)| wide(*amount)).sum::<i128>()
    }

    /// How much a hold that counts on these kinds may take.
    pub(super) fn available(&self, kinds: Kinds) -> NanoUsd {
        self.least(|set| kinds.are_within(set))
    }

    /// How much of this kind may go without a hold losing its cover.
    pub(super) fn spare(&self, kind: GrantKind) -> NanoUsd {
        self.least(|set| set.contains(kind))
    }

    fn least(&self, concerns: impl Fn(Kinds) -> bool) -> NanoUsd {
        let sets = Kinds::sets().filter(|set| concerns(*set));
        let least = sets.map(|set| self.slack(set)).min().unwrap_or(0).max(0);
        i64::try_from(least).map_or(NanoUsd::MAX, NanoUsd::from_nano)
    }

    /// Takes up to `wanted` out of a lot: what was there to take.
    pub(super) fn take(&mut self, lot: &Grant, wanted: NanoUsd) -> NanoUsd {
        let amount = lot.remaining.min(wanted).min(self.spare(lot.kind));
        if let Some(left) = self.remaining.get_mut(lot.kind.place()) {
            *left = left.saturating_sub(amount);
        }
        amount
    }

    /// Whether every hold is covered.
    pub(super) fn are_covered(&self) -> bool {
        Kinds::sets().all(|set| self.slack(set) >= 0)
    }
}

impl Account {
    /// What a new hold may take that counts on these kinds of credit.
    pub fn available_of(&self, kinds: Kinds) -> NanoUsd {
        if kinds == Kinds::ALL {
            // Whatever a hold counts on is within all kinds.
            return self.available();
        }
        Buckets::of(self, None).available(kinds)
    }

    /// The kinds of credit that an open hold counts on.
    pub(super) fn kinds_of(&self, hold: HoldId) -> Kinds {
        self.credit.hold_kinds.get(&hold).copied().unwrap_or(Kinds::ALL)
    }

    /// Which lots pay `amount` for `hold`: the soonest to lapse first, then the oldest, of those that
    /// may, and none that another hold could not do without.
    pub(super) fn draws(&self, hold: HoldId, amount: NanoUsd) -> SmallVec<[Draw; 1]> {
        let kinds = self.kinds_of(hold);
        // Where all holds count on all credit, every lot can stand in for every other.
        let is_plain = self.credit.hold_kinds.is_empty();
        let mut others = (!is_plain).then(|| Buckets::of(self, Some(hold)));
        let mut left = amount;
        let mut draws = SmallVec::new();
        for lot in self.grants.iter().filter(|lot| kinds.contains(lot.kind)) {
            if left == NanoUsd::ZERO {
                break;
            }
            let part = match &mut others {
                Some(others) => others.take(lot, left),
                None => lot.remaining.min(left),
            };
            if part.is_positive() {
                left = left.saturating_sub(part);
                draws.push(Draw { grant: lot.id, amount: part });
            }
        }
        draws
    }
}
