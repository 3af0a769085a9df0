//! Which lots may be paid back, by what they were given for: that is so still when they are used up. Pure.
//!
//! | lot | kind | may be paid back |
//! | --- | --- | --- |
//! | of a payment, or its surplus | `paid` | as the rules say |
//! | of a subscription's payment, its allowance | `subscription` | as the rules say |
//! | an allowance that nobody paid for | `subscription` | never: nothing was paid |
//! | any other | its own | as the rules say; used up, nothing is left of it |

use crate::account::payment::{Movement, MovementKind};
use crate::account::state::Account;
use crate::account::{CreditRules, GrantKind};
use crate::id::GrantId;

impl Account {
    /// Whether a lot may be paid back, however much is left of it.
    pub(super) fn is_refundable(&self, grant: GrantId, rules: &CreditRules) -> bool {
        let kind = match self.paid_by(|paid| paid.gave(grant)) {
            Some(paid) => Some(paid.kind_of(grant)),
            None => match self.lot(grant).map(|lot| lot.kind) {
                Some(GrantKind::Subscription) => return false,
                kind => kind,
            },
        };
        kind.is_none_or(|kind| rules.rule(kind).refundable)
    }
}

impl Movement {
    /// The kind of a lot that was given for the payment that it is.
    fn kind_of(&self, grant: GrantId) -> GrantKind {
        if self.kind == MovementKind::SubscriptionPaid && !self.has_surplus(grant) {
            GrantKind::Subscription
        } else {
            GrantKind::Paid
        }
    }
}
