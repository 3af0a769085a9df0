//! Money that comes in from outside and goes back there: payments, refunds, disputes. Pure.
//!
//! How much goes back of what is in [`super::refund`].
//!
//! Each is told with an id of its own, the processor's or the operator's. What was done under an id is
//! kept: told again, it is answered again and changes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use super::refund::Surplus;
use super::state::{Account, Grant};
use super::{CreditRules, Denial, Event, GrantKind, ReasonClass, Status, StatusSet};
use crate::id::{GrantId, TopUpId};
use crate::money::NanoUsd;

/// What has happened to money outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What it is told by, once in the account for all kinds of transfers.
    pub id: String,
    /// What happened.
    pub what: TransferKind,
}

/// What has happened to money outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// It was paid.
    Payment {
        /// What the payment is known by.
        payment: String,
        /// How much.
        amount: NanoUsd,
        /// When what is left of it lapses, in milliseconds since 1970.
        expires_at_ms: Option<u64>,
        /// The automatic top-up that it is, where it is one.
        top_up: Option<TopUpId>,
    },
    /// Of a payment, something was paid back.
    Refund {
        /// Which.
        payment: String,
        /// How much; `None`: all of it.
        amount: Option<NanoUsd>,
    },
    /// A payment is disputed.
    Dispute {
        /// Which.
        payment: String,
        /// How much of it; `None`: all of it.
        amount: Option<NanoUsd>,
    },
    /// An operator pays back what is left of a credit lot.
    GrantRefund {
        /// Which.
        grant: GrantId,
        /// How much; `None`: all of it.
        amount: Option<NanoUsd>,
    },
    /// A period of the subscription was paid for.
    SubscriptionPaid {
        /// What the payment is known by.
        payment: String,
        /// How much; `None`: what the period costs.
        amount: Option<NanoUsd>,
    },
    /// A payment for a period of the subscription failed.
    SubscriptionFailed {
        /// What the payment is known by.
        payment: String,
    },
}

/// Credit that was paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What it was told by.
    pub id: String,
    /// What the payment is known by.
    pub payment: String,
    /// The lot.
    pub grant: GrantId,
    /// How much.
    pub amount: NanoUsd,
    /// When what is left of it lapses, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

/// What was done under an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// What kind of thing.
    pub kind: MovementKind,
    /// The payment that it is of, where it is one's.
    pub payment: Option<String>,
    /// The lot.
    pub grant: GrantId,
    /// How much money it was about.
    pub asked: NanoUsd,
    /// How much credit was moved with it.
    pub moved: NanoUsd,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Where it went back: how much credit goes with it, in whatever way. Behind the other fields in a
    /// snapshot, as is the next one.
    #[serde(skip)]
    pub credit: Option<NanoUsd>,
    /// Of a payment for a subscription, what it was above what was due.
    #[serde(skip)]
    pub surplus: Option<Box<Surplus>>,
}

/// What kind of thing was done with money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Credit was given for a payment.
    Paid,
    /// Credit was taken back because its price was.
    Refunded,
    /// Credit was taken back because its payment is disputed.
    ChargedBack,
    /// A subscription was paid for; the lot is its allowance, and none until that is given.
    SubscriptionPaid,
    /// A payment for a subscription failed.
    SubscriptionUnpaid,
}

impl Movement {
    /// Whether money came in with it.
    pub(super) fn is_payment(&self) -> bool {
        matches!(self.kind, MovementKind::Paid | MovementKind::SubscriptionPaid)
    }

    /// What a transfer that asks for this would do again.
    pub(super) fn is_of(&self, transfer: &TransferKind) -> bool {
        let same = |kind, payment: &String, amount: Option<NanoUsd>| {
            self.kind == kind
                && self.payment.as_ref() == Some(payment)
                && amount.is_none_or(|amount| amount == self.asked)
        };
        match transfer {
            TransferKind::Payment { payment, amount, .. } => {
                same(MovementKind::Paid, payment, Some(*amount))
            }
            TransferKind::Refund { payment, amount } => {
                same(MovementKind::Refunded, payment, *amount)
            }
            TransferKind::Dispute { payment, amount } => {
                same(MovementKind::ChargedBack, payment, *amount)
            }
            TransferKind::GrantRefund { grant, amount } => {
                self.kind == MovementKind::Refunded
                    && (self.payment.is_none() && self.grant == *grant)
                    && amount.is_none_or(|amount| amount == self.asked)
            }
            TransferKind::SubscriptionPaid { payment, amount } => {
                same(MovementKind::SubscriptionPaid, payment, *amount)
            }
            TransferKind::SubscriptionFailed { payment } => {
                same(MovementKind::SubscriptionUnpaid, payment, None)
            }
        }
    }
}

impl Account {
    /// What was done under an id.
    pub fn movement(&self, id: &str) -> Option<&Movement> {
        self.credit.movements.get(id)
    }

    /// Up to `limit` of what was done, the oldest first, behind that under the id `after`; each with its
    /// id.
    pub fn movements(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Movement)>, Denial> {
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        let place = |id: &str| self.movement(id).map(|movement| movement.at_ms);
        let after = match after {
            Some(id) => Some((place(id).ok_or(Denial::UnknownPayment)?, id)),
            None => None,
        };
        let all = self.credit.movements.iter().map(|(id, it)| ((it.at_ms, id.as_str()), it));
        let mut rest: Vec<_> = all.filter(|(place, _)| Some(*place) > after).collect();
        rest.sort_unstable_by_key(|(place, _)| *place);
        Ok(rest.into_iter().take(limit).map(|((_, id), it)| (id.to_owned(), it.clone())).collect())
    }

    /// Decides what a transfer changes: nothing, if it was told before.
    pub fn transfer(
        &self,
        transfer: &Transfer,
        rules: &CreditRules,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        let Transfer { id, what } = transfer;
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        if let Some(done) = self.movement(id) {
            let is_it = done.is_of(what) || self.is_cut_short(done, what);
            return if is_it { Ok(SmallVec::new()) } else { Err(Denial::ReusedId) };
        }
        Ok(match what {
            TransferKind::Payment { payment, amount, expires_at_ms, top_up } => {
                self.may_grant(*amount, payment)?;
                let paid = Event::Paid(Box::new(Payment {
                    id: id.clone(),
                    payment: payment.clone(),
                    grant: GrantId(self.grants_made.saturating_add(1)),
                    amount: *amount,
                    expires_at_ms: *expires_at_ms,
                }));
                let ended = self.paid_top_up(*top_up, payment)?;
                let ended = ended.map(|event| Event::Watch(Box::new(event)));
                std::iter::once(paid).chain(ended).collect()
            }
            TransferKind::Refund { payment, amount } => {
                let back = self.refund(id, payment, *amount)?;
                let unpaid = self.unpaid_ahead(payment, back.asked);
                std::iter::once(Event::Refunded(Box::new(back))).chain(unpaid).collect()
            }
            TransferKind::Dispute { payment, amount } => {
                let back = self.dispute(id, payment, *amount)?;
                let reason = format!("payment {payment} is disputed");
                let status = self.after_dispute(rules).map(|status| {
                    let (by, class) = ("system".to_owned(), ReasonClass::Payment);
                    Event::StatusSet(StatusSet { status, by, class, reason })
                });
                let unpaid = self.unpaid_ahead(payment, back.asked);
                let back = Event::ChargedBack(Box::new(back));
                std::iter::once(back).chain(status).chain(unpaid).collect()
            }
            TransferKind::GrantRefund { grant, amount } => {
                let back = self.grant_back(id, *grant, *amount, rules)?;
                smallvec![Event::Refunded(Box::new(back))]
            }
            TransferKind::SubscriptionPaid { .. } | TransferKind::SubscriptionFailed { .. } => {
                return self.subscription_told(transfer, now_ms);
            }
        })
    }

    /// The status that a dispute leads to, where it is a stricter one.
    fn after_dispute(&self, rules: &CreditRules) -> Option<Status> {
        let status = rules.on_dispute.status();
        let stricter = match self.status {
            Status::Active => true,
            // Otherwise a payment for its subscription would lift what the dispute asks for.
            Status::Restricted => status == Status::Suspended || self.is_restricted_as_overdue(),
            Status::Suspended | Status::Closed => false,
        };
        stricter.then_some(status)
    }

    /// Folds in what was given for a payment of the subscription.
    pub(super) fn gave_for(
        &mut self,
        payment: &str,
        (grant, amount): (GrantId, NanoUsd),
    ) -> Result<(), &'static str> {
        let is_it = |movement: &&mut Movement| {
            movement.kind == MovementKind::SubscriptionPaid
                && movement.payment.as_deref() == Some(payment)
        };
        let paid = self.credit.movements.values_mut().find(is_it);
        let paid = paid.ok_or("it gives credit for a payment that did not come in")?;
        (paid.grant, paid.moved) = (grant, amount);
        Ok(())
    }

    /// Folds a payment in.
    pub(super) fn fold_payment(&mut self, paid: &Payment, at_ms: u64) -> Result<(), &'static str> {
        let Payment { id, payment, grant, amount, expires_at_ms } = paid;
        let (grant, amount) = (*grant, *amount);
        let kind = GrantKind::Paid;
        let lot =
            Grant { id: grant, kind, amount, remaining: amount, expires_at_ms: *expires_at_ms };
        self.grant(lot, payment)?;
        let (kind, payment) = (MovementKind::Paid, Some(payment.clone()));
        let (asked, moved, credit, surplus) = (amount, amount, None, None);
        self.moved(id, Movement { kind, payment, grant, asked, moved, at_ms, credit, surplus })
    }

    pub(super) fn moved(&mut self, id: &str, movement: Movement) -> Result<(), &'static str> {
        match self.credit.movements.insert(id.to_owned(), movement) {
            None => Ok(()),
            Some(_) => Err("its id was used before"),
        }
    }
}
