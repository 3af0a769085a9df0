//! Money that comes in from outside and goes back there: payments, refunds, disputes. Pure.
//!
//! Each is told with an id of its own, the processor's or the operator's. What was done under an id is
//! kept: told again, it is answered again and changes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use super::buckets::Buckets;
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

/// Credit that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// What it was told by.
    pub id: String,
    /// The payment that it is of, where it is one's.
    pub payment: Option<String>,
    /// The lot.
    pub grant: GrantId,
    /// How much was to be taken.
    pub asked: NanoUsd,
    /// How much could be: what was unused, and no open hold counts on.
    pub taken: NanoUsd,
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
    /// How much was to be moved.
    pub asked: NanoUsd,
    /// How much was.
    pub moved: NanoUsd,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
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
    fn is_payment(&self) -> bool {
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

    /// Whether a payment was ever received, or paid credit is left.
    pub fn has_paid(&self) -> bool {
        let is_payment =
            |movement: &Movement| movement.is_payment() && movement.asked.is_positive();
        self.credit.movements.values().any(is_payment)
            || self.grants.iter().any(|lot| lot.kind == GrantKind::Paid)
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
            return if done.is_of(what) { Ok(SmallVec::new()) } else { Err(Denial::ReusedId) };
        }
        Ok(match what {
            TransferKind::Payment { payment, amount, expires_at_ms, top_up } => {
                // One of the subscription may have given nothing yet, and so is not among the references.
                if self.payment_of(payment).is_some() {
                    return Err(Denial::DuplicateReference);
                }
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
                let back = self.back(id, payment, *amount)?;
                let unpaid = self.unpaid_ahead(payment, back.asked);
                std::iter::once(Event::Refunded(Box::new(back))).chain(unpaid).collect()
            }
            TransferKind::Dispute { payment, amount } => {
                let back = self.back(id, payment, *amount)?;
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

    /// What can be taken back of a payment.
    fn back(&self, id: &str, payment: &str, amount: Option<NanoUsd>) -> Result<Return, Denial> {
        let paid = self.payment_of(payment).ok_or(Denial::UnknownPayment)?;
        // Of a subscription, all of it is its allowance, where it has one.
        let all = if paid.moved.is_positive() { paid.moved } else { paid.asked };
        let asked = amount.unwrap_or(all);
        if !asked.is_positive() {
            return Err(Denial::BadAmount);
        }
        let (payment, grant) = (Some(payment.to_owned()), paid.grant);
        Ok(Return { id: id.to_owned(), payment, grant, asked, taken: self.unused(grant, asked) })
    }

    /// What was done when a payment came in.
    fn payment_of(&self, payment: &str) -> Option<&Movement> {
        let is_it = |movement: &&Movement| {
            movement.is_payment() && movement.payment.as_deref() == Some(payment)
        };
        self.credit.movements.values().find(is_it)
    }

    /// What is left of a payment behind all that went back of it, refunded or disputed.
    pub(super) fn left_of(&self, payment: &str) -> NanoUsd {
        let paid = self.payment_of(payment).map_or(NanoUsd::ZERO, |paid| paid.asked);
        let is_back = |movement: &&Movement| {
            matches!(movement.kind, MovementKind::Refunded | MovementKind::ChargedBack)
                && movement.payment.as_deref() == Some(payment)
        };
        let back = self.credit.movements.values().filter(is_back);
        back.fold(paid, |left, back| left.saturating_sub(back.asked))
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

    /// What can be taken back of a lot that an operator names.
    fn grant_back(
        &self,
        id: &str,
        grant: GrantId,
        amount: Option<NanoUsd>,
        rules: &CreditRules,
    ) -> Result<Return, Denial> {
        if !(1..=self.grants_made).contains(&grant.0) {
            return Err(Denial::UnknownGrant);
        }
        let lot = self.lot(grant);
        if lot.is_some_and(|lot| !rules.rule(lot.kind).refundable) {
            return Err(Denial::NotRefundable);
        }
        // Of a lot that is used up, nothing is known but that nothing is left.
        let asked = amount.or(lot.map(|lot| lot.amount)).unwrap_or(NanoUsd::ZERO);
        if asked.is_negative() || (amount.is_some() && !asked.is_positive()) {
            return Err(Denial::BadAmount);
        }
        let taken = self.unused(grant, asked);
        Ok(Return { id: id.to_owned(), payment: None, grant, asked, taken })
    }

    /// How much of `asked` a lot has unused: what open holds count on stays.
    fn unused(&self, grant: GrantId, asked: NanoUsd) -> NanoUsd {
        let take = |lot: &Grant| Buckets::of(self, None).take(lot, asked);
        self.lot(grant).map_or(NanoUsd::ZERO, take)
    }

    fn lot(&self, grant: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|lot| lot.id == grant)
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
        self.moved(id, Movement { kind, payment, grant, asked: amount, moved: amount, at_ms })
    }

    /// Folds credit in that was taken back.
    pub(super) fn fold_return(
        &mut self,
        kind: MovementKind,
        back: &Return,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        let Return { id, payment, grant, asked, taken } = back;
        let (grant, asked, moved) = (*grant, *asked, *taken);
        if moved > asked {
            return Err("it takes back more than was asked for");
        }
        // A lot that is used up is not there any more.
        if moved != NanoUsd::ZERO {
            self.draw(grant, moved)?;
        }
        let short = asked.saturating_sub(moved);
        if kind == MovementKind::ChargedBack && short.is_positive() && self.lot(grant).is_some() {
            let claim = self.credit.claims.entry(grant).or_default();
            *claim = claim.saturating_add(short);
        }
        let sum = match kind {
            MovementKind::ChargedBack => &mut self.credit.charged_back,
            MovementKind::Refunded
            | MovementKind::Paid
            | MovementKind::SubscriptionPaid
            | MovementKind::SubscriptionUnpaid => &mut self.credit.refunded,
        };
        *sum = sum.checked_add(moved).ok_or("a sum does not fit")?;
        self.moved(id, Movement { kind, payment: payment.clone(), grant, asked, moved, at_ms })
    }

    /// Folds credit in that a dispute has taken later.
    pub(super) fn fold_reclaimed(
        &mut self,
        grant: GrantId,
        amount: NanoUsd,
    ) -> Result<(), &'static str> {
        let claim = self.credit.claims.get_mut(&grant);
        let claim = claim.ok_or("it takes back what no dispute claims")?;
        let left = claim.checked_sub(amount).filter(|left| !left.is_negative());
        *claim = left.ok_or("it takes back more than a dispute claims")?;
        self.draw(grant, amount)?;
        let sum = self.credit.charged_back.checked_add(amount);
        self.credit.charged_back = sum.ok_or("a sum does not fit")?;
        self.credit.claims.retain(|_, claim| claim.is_positive());
        Ok(())
    }

    pub(super) fn moved(&mut self, id: &str, movement: Movement) -> Result<(), &'static str> {
        match self.credit.movements.insert(id.to_owned(), movement) {
            None => Ok(()),
            Some(_) => Err("its id was used before"),
        }
    }
}
