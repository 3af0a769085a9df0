//! What an event moves. Pure.

use infergate_actors::account::{Event, GrantKind, Return, Settlement, SubscriptionEvent};
use infergate_actors::id::GrantId;
use infergate_actors::money::NanoUsd;

use crate::operate::amount::wide;

/// What an event moves.
pub(super) enum Moved<'e> {
    /// Credit that came in.
    In {
        grant: GrantId,
        kind: GrantKind,
        amount: NanoUsd,
        reference: &'e str,
    },
    /// Credit that lapsed.
    Lapsed {
        grant: GrantId,
        amount: NanoUsd,
    },
    /// Money that went back, and the credit that went with it.
    Back {
        why: Why,
        back: &'e Return,
    },
    /// Of such credit, what was held at that time, and was taken later.
    Later {
        grant: GrantId,
        amount: NanoUsd,
    },
    /// Credit that was used.
    Used(&'e Settlement),
    /// Money that is no credit.
    Outside(&'e SubscriptionEvent),
    Nothing,
}

/// Why credit was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Expiry,
    Refund,
    Dispute,
}

impl<'e> Moved<'e> {
    pub(super) fn by(event: &'e Event) -> Self {
        match event {
            Event::Granted { grant, kind, amount, reference, .. } => {
                Self::In { grant: *grant, kind: *kind, amount: *amount, reference }
            }
            Event::Paid(payment) => Self::In {
                grant: payment.grant,
                kind: GrantKind::Paid,
                amount: payment.amount,
                reference: &payment.payment,
            },
            Event::Expired { grant, amount } => Self::Lapsed { grant: *grant, amount: *amount },
            Event::Reclaimed { grant, amount } => Self::Later { grant: *grant, amount: *amount },
            Event::Refunded(back) => Self::Back { why: Why::Refund, back },
            Event::ChargedBack(back) => Self::Back { why: Why::Dispute, back },
            Event::Settled(bill) => Self::Used(bill),
            Event::Subscription(event) => Self::Outside(event),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyCreated { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::KeyRotated { .. }
            | Event::BudgetsChanged { .. }
            | Event::StatusSet(_)
            | Event::CodesMade(_)
            | Event::CodeUsed { .. }
            | Event::Held { .. }
            | Event::HeldOf { .. }
            | Event::Extended { .. }
            | Event::Voided { .. }
            | Event::Project(_)
            | Event::Member(_)
            | Event::Plan(_)
            | Event::Watch(_)
            | Event::Operator(_)
            | Event::Once(_)
            | Event::KeyGuarded { .. }
            | Event::KeyRestricted { .. }
            | Event::KeyReleased { .. } => Self::Nothing,
        }
    }

    /// What it does to the balance.
    pub(super) fn change(&self) -> i128 {
        match self {
            Self::In { amount, .. } => wide(*amount),
            Self::Lapsed { amount, .. } | Self::Later { amount, .. } => -wide(*amount),
            Self::Back { back, .. } => -wide(back.taken_in_all()),
            Self::Used(bill) => -wide(bill.charged),
            Self::Outside(_) | Self::Nothing => 0,
        }
    }
}
