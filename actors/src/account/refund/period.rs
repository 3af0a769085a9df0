//! Whether something went back of what the present period of a subscription was paid with. Pure.

use crate::account::payment::{Movement, MovementKind};
use crate::account::state::Account;
use crate::account::subscription::Contract;
use crate::id::GrantId;
use crate::money::NanoUsd;

impl Account {
    /// Whether nothing went back of what the present period was paid with: as long as that is so, the
    /// difference to a dearer plan is all that is missing of its price.
    ///
    /// The period's payments are those that came in within it and, unless one came as it began, the newest
    /// before: the period may have been paid ahead. Where it was paid late that one is of a period before;
    /// what went back of it counts too, so that in doubt a change waits for the next period.
    pub(in crate::account) fn is_period_whole(&self, contract: &Contract) -> bool {
        let Contract { from_ms, offer, .. } = *contract;
        // One that has given nothing is for the next period, unless nothing is what the plan gives.
        let has_given = |paid: &&Movement| {
            paid.kind == MovementKind::SubscriptionPaid
                && (paid.grant != GrantId(0) || !offer.allowance.is_positive())
        };
        let is_whole = |paid: &Movement| self.parts(paid).0.back == NanoUsd::ZERO;
        let payments = || self.credit.movements.values().filter(has_given);
        let mut within = payments().filter(|paid| paid.at_ms >= from_ms);
        let before = payments().filter(|paid| paid.at_ms < from_ms);
        let before = before.max_by_key(|paid| (paid.grant, paid.at_ms));
        let is_begun = payments().any(|paid| paid.at_ms == from_ms);
        let is_free = !offer.price.is_positive();
        is_free || (within.all(is_whole) && (is_begun || before.is_none_or(is_whole)))
    }
}
