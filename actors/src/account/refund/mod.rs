//! Money that goes back: what is left of a payment, and how much of its credit goes with it. Pure.
//!
//! A payment has up to two parts, and each a lot of its own:
//!
//! | part | dollars | credit |
//! | --- | --- | --- |
//! | what was bought | all of it; of a subscription's payment, what was due | the same; of a subscription's payment the allowance, which may be more or less |
//! | the surplus | what a subscription's payment was above what was due | the same |
//!
//! What goes back is told in dollars, the surplus first: so a period stays paid for as long as it can.
//!
//! What open holds count on of that credit is taken when they have ended.

mod origin;
mod paid;
mod part;
mod period;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::part::Part;
use super::buckets::Buckets;
use super::payment::{Movement, MovementKind, TransferKind};
use super::state::{Account, Grant};
use super::{CreditRules, Denial};
use crate::id::GrantId;
use crate::money::NanoUsd;

/// Credit that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// What it was told by.
    pub id: String,
    /// The payment that it is of, where it is one's.
    pub payment: Option<String>,
    /// The lot; of a payment, that of what was bought.
    pub grant: GrantId,
    /// How much money goes back.
    pub asked: NanoUsd,
    /// How much of the lot was taken: what was unused, and no open hold counts on.
    pub taken: NanoUsd,
    /// How much of the lot goes with what was asked for. Since journal version 5; before that it was
    /// `asked` itself, and only a dispute took later what was held.
    pub credit: Option<NanoUsd>,
    /// What of it is of the payment's surplus. Since journal version 5.
    pub surplus: Option<SurplusReturn>,
}

/// What was taken back of a payment's surplus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurplusReturn {
    /// Its lot.
    pub grant: GrantId,
    /// How much of what was asked for is of it.
    pub asked: NanoUsd,
    /// How much could be taken.
    pub taken: NanoUsd,
}

/// What a subscription's payment was above what was due: paid credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surplus {
    /// Its lot.
    pub grant: GrantId,
    /// How much it was.
    pub amount: NanoUsd,
    /// How much of it went back.
    pub back: NanoUsd,
}

/// What movements have beside what snapshots before version 4 say of them, by their ids.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Parts {
    credit: BTreeMap<String, NanoUsd>,
    surplus: BTreeMap<String, Surplus>,
}

impl Return {
    /// How much credit was taken, of both parts.
    pub fn taken_in_all(&self) -> NanoUsd {
        self.taken.saturating_add(self.surplus.map_or(NanoUsd::ZERO, |surplus| surplus.taken))
    }

    /// How much credit goes with what was asked for, of both parts; `None` where it was written before
    /// that was told apart.
    pub fn credit_in_all(&self) -> Option<NanoUsd> {
        let surplus = self.surplus.map_or(NanoUsd::ZERO, |surplus| surplus.asked);
        self.credit.map(|credit| credit.saturating_add(surplus))
    }
}

impl Account {
    /// What can be taken back of a payment that so much is paid back of; `None`: all that is left.
    pub(super) fn refund(
        &self,
        id: &str,
        payment: &str,
        amount: Option<NanoUsd>,
    ) -> Result<Return, Denial> {
        let left = self.left_of(self.payment_of(payment).ok_or(Denial::UnknownPayment)?);
        let asked = amount.unwrap_or(left);
        if amount.is_some_and(|amount| !amount.is_positive()) {
            return Err(Denial::BadAmount);
        }
        if !asked.is_positive() || asked > left {
            return Err(Denial::AboveLeft { left });
        }
        self.back(id, payment, asked)
    }

    /// The same of one that is disputed. Whatever went back before, that has happened: it takes what is left.
    pub(super) fn dispute(
        &self,
        id: &str,
        payment: &str,
        amount: Option<NanoUsd>,
    ) -> Result<Return, Denial> {
        if amount.is_some_and(|amount| !amount.is_positive()) {
            return Err(Denial::BadAmount);
        }
        let left = self.left_of(self.payment_of(payment).ok_or(Denial::UnknownPayment)?);
        self.back(id, payment, amount.map_or(left, |amount| amount.min(left)))
    }

    /// Whether it is a dispute of more than was left of its payment, and took that.
    pub(super) fn is_cut_short(&self, done: &Movement, told: &TransferKind) -> bool {
        let TransferKind::Dispute { payment, amount: Some(amount) } = told else { return false };
        let is_it = done.kind == MovementKind::ChargedBack
            && done.payment.as_ref() == Some(payment)
            && *amount > done.asked;
        let paid = self.payment_of(payment).filter(|_| is_it);
        paid.is_some_and(|paid| !self.left_of(paid).is_positive())
    }

    /// So many dollars of a payment, no more than are left.
    fn back(&self, id: &str, payment: &str, asked: NanoUsd) -> Result<Return, Denial> {
        let paid = self.payment_of(payment).ok_or(Denial::UnknownPayment)?;
        let (bought, surplus) = self.parts(paid);
        let mut buckets = Buckets::of(self, None);
        let mut take =
            |grant, wanted| self.lot(grant).map_or(NanoUsd::ZERO, |lot| buckets.take(lot, wanted));
        let surplus = surplus.map(|part| (part.grant, part.left().min(asked)));
        let surplus = surplus
            .filter(|(_, asked)| asked.is_positive())
            .map(|(grant, asked)| SurplusReturn { grant, asked, taken: take(grant, asked) });
        let rest = asked.saturating_sub(surplus.map_or(NanoUsd::ZERO, |surplus| surplus.asked));
        let credit = bought.credit_with(rest);
        let taken = take(bought.grant, credit);
        let (id, payment) = (id.to_owned(), Some(payment.to_owned()));
        let (grant, credit) = (bought.grant, Some(credit));
        Ok(Return { id, payment, grant, asked, taken, credit, surplus })
    }

    /// What can be taken back of a lot that an operator names; `None`: all that is unused of it.
    pub(super) fn grant_back(
        &self,
        id: &str,
        grant: GrantId,
        amount: Option<NanoUsd>,
        rules: &CreditRules,
    ) -> Result<Return, Denial> {
        if !(1..=self.grants_made).contains(&grant.0) {
            return Err(Denial::UnknownGrant);
        }
        if !self.is_refundable(grant, rules) {
            return Err(Denial::NotRefundable);
        }
        let lot = self.lot(grant);
        if amount.is_some_and(|amount| !amount.is_positive()) {
            return Err(Denial::BadAmount);
        }
        let part = self.part(grant);
        let unused = lot.map_or(NanoUsd::ZERO, |lot| Buckets::of(self, None).take(lot, lot.amount));
        let left = if amount.is_some() { part.left() } else { part.dollars_with(unused) };
        let asked = amount.unwrap_or(left);
        if !asked.is_positive() || asked > left {
            return Err(Denial::AboveLeft { left });
        }
        let credit = part.credit_with(asked);
        let (id, taken) = (id.to_owned(), credit.min(unused));
        let (payment, credit, surplus) = (None, Some(credit), None);
        Ok(Return { id, payment, grant, asked, taken, credit, surplus })
    }

    /// What was done when a payment came in.
    pub(super) fn payment_of(&self, payment: &str) -> Option<&Movement> {
        self.paid_by(|paid| paid.payment.as_deref() == Some(payment))
    }

    fn paid_by(&self, is_it: impl Fn(&Movement) -> bool) -> Option<&Movement> {
        let movements = self.credit.movements.values();
        movements.filter(|movement| movement.is_payment()).find(|movement| is_it(movement))
    }

    /// What is left of a payment behind all that went back of it, refunded or disputed.
    pub(super) fn left_of(&self, paid: &Movement) -> NanoUsd {
        let (bought, surplus) = self.parts(paid);
        bought.left().saturating_add(surplus.map_or(NanoUsd::ZERO, |surplus| surplus.left()))
    }

    fn parts(&self, paid: &Movement) -> (Part, Option<Part>) {
        let is_of = |movement: &&Movement| {
            movement.is_return()
                && match &movement.payment {
                    Some(_) => movement.payment == paid.payment,
                    None => paid.gave(movement.grant),
                }
        };
        let back: NanoUsd = self
            .credit
            .movements
            .values()
            .filter(is_of)
            .fold(NanoUsd::ZERO, |sum, movement| sum.saturating_add(movement.asked));
        paid.parts(back)
    }

    /// The part of a payment that this lot is; of a lot that is none's, what is known of the lot.
    fn part(&self, grant: GrantId) -> Part {
        if let Some(paid) = self.paid_by(|paid| paid.gave(grant)) {
            let (bought, surplus) = self.parts(paid);
            return surplus.filter(|part| part.grant == grant).unwrap_or(bought);
        }
        let paid = self.lot(grant).map_or(NanoUsd::ZERO, |lot| lot.amount);
        let is_of = |movement: &&Movement| movement.is_return() && movement.grant == grant;
        let back = self.credit.movements.values().filter(is_of);
        let back = back.fold(NanoUsd::ZERO, |sum, back| sum.saturating_add(back.asked));
        Part { grant, paid, credit: paid, back: back.min(paid) }
    }

    /// The surplus of the subscription's newest payment, and what that is known by.
    pub(super) fn newest_surplus(&self) -> Option<(&str, Surplus)> {
        let paid = self.credit.movements.values();
        let paid = paid.filter(|movement| movement.kind == MovementKind::SubscriptionPaid);
        let newest = paid.max_by_key(|movement| movement.at_ms)?;
        Some((newest.payment.as_deref()?, **newest.surplus.as_ref()?))
    }

    fn lot(&self, grant: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|lot| lot.id == grant)
    }

    /// Folds credit in that was taken back.
    pub(super) fn fold_return(
        &mut self,
        kind: MovementKind,
        back: &Return,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        let Return { id, payment, grant, asked, taken, credit, surplus } = back;
        let claims = credit.is_some() || kind == MovementKind::ChargedBack;
        self.take_back(*grant, (credit.unwrap_or(*asked), *taken), claims)?;
        if let Some(SurplusReturn { grant, asked, taken }) = *surplus {
            self.take_back(grant, (asked, taken), claims)?;
            self.fold_surplus_back(grant, asked)?;
        } else if payment.is_none() && self.paid_by(|paid| paid.has_surplus(*grant)).is_some() {
            self.fold_surplus_back(*grant, *asked)?;
        }
        let moved = back.taken_in_all();
        let sum = match kind {
            MovementKind::ChargedBack => &mut self.credit.charged_back,
            MovementKind::Refunded
            | MovementKind::Paid
            | MovementKind::SubscriptionPaid
            | MovementKind::SubscriptionUnpaid => &mut self.credit.refunded,
        };
        *sum = sum.checked_add(moved).ok_or("a sum does not fit")?;
        let (payment, credit) = (payment.clone(), back.credit_in_all());
        let (grant, asked, surplus) = (*grant, *asked, None);
        self.moved(id, Movement { kind, payment, grant, asked, moved, at_ms, credit, surplus })
    }

    /// Takes of a lot what could be taken; `claims`: the rest goes when it is not held any more.
    fn take_back(
        &mut self,
        grant: GrantId,
        (wanted, taken): (NanoUsd, NanoUsd),
        claims: bool,
    ) -> Result<(), &'static str> {
        if taken > wanted {
            return Err("it takes back more than was asked for");
        }
        // A lot that is used up is not there any more.
        if taken != NanoUsd::ZERO {
            self.draw(grant, taken)?;
        }
        let short = wanted.saturating_sub(taken);
        if claims && short.is_positive() && self.lot(grant).is_some() {
            let claim = self.credit.claims.entry(grant).or_default();
            *claim = claim.saturating_add(short);
        }
        Ok(())
    }

    fn fold_surplus_back(&mut self, grant: GrantId, asked: NanoUsd) -> Result<(), &'static str> {
        let movements = self.credit.movements.values_mut();
        let mut surpluses = movements.filter_map(|movement| movement.surplus.as_deref_mut());
        let surplus = surpluses.find(|surplus| surplus.grant == grant);
        let surplus = surplus.ok_or("it takes back the surplus of a payment that had none")?;
        surplus.back = surplus.back.checked_add(asked).ok_or("a sum does not fit")?;
        if surplus.back > surplus.amount {
            return Err("it takes back more than the surplus of its payment");
        }
        Ok(())
    }

    /// Folds credit in that was taken later, when no hold counted on it any more.
    pub(super) fn fold_reclaimed(
        &mut self,
        grant: GrantId,
        amount: NanoUsd,
    ) -> Result<(), &'static str> {
        let claim = self.credit.claims.get_mut(&grant);
        let claim = claim.ok_or("it takes back what nothing claims")?;
        let left = claim.checked_sub(amount).filter(|left| !left.is_negative());
        *claim = left.ok_or("it takes back more than is claimed")?;
        self.draw(grant, amount)?;
        let is_disputed = self.is_disputed(grant);
        let Self { credit, .. } = self;
        let sum = if is_disputed { &mut credit.charged_back } else { &mut credit.refunded };
        *sum = sum.checked_add(amount).ok_or("a sum does not fit")?;
        credit.claims.retain(|_, claim| claim.is_positive());
        Ok(())
    }

    /// Whether a dispute has asked for the lot: then what is taken of it later counts as disputed.
    fn is_disputed(&self, grant: GrantId) -> bool {
        let has_surplus =
            |payment: &str| self.payment_of(payment).is_some_and(|paid| paid.has_surplus(grant));
        self.credit.movements.values().any(|movement| {
            movement.kind == MovementKind::ChargedBack
                && (movement.grant == grant || movement.payment.as_deref().is_some_and(has_surplus))
        })
    }

    /// What a snapshot has behind all else of the movements.
    pub(super) fn movement_parts(&self) -> Parts {
        let mut parts = Parts::default();
        for (id, movement) in &self.credit.movements {
            parts.credit.extend(movement.credit.map(|credit| (id.clone(), credit)));
            parts.surplus.extend(movement.surplus.as_deref().map(|it| (id.clone(), *it)));
        }
        parts
    }

    /// Takes in what [`Account::movement_parts`] gave.
    pub(super) fn set_movement_parts(&mut self, parts: Parts) {
        for (id, credit) in parts.credit {
            if let Some(movement) = self.credit.movements.get_mut(&id) {
                movement.credit = Some(credit);
            }
        }
        for (id, surplus) in parts.surplus {
            if let Some(movement) = self.credit.movements.get_mut(&id) {
                movement.surplus = Some(Box::new(surplus));
            }
        }
    }
}

impl Movement {
    /// What a payment bought, and what of it was above what was due, where so much went back.
    fn parts(&self, back: NanoUsd) -> (Part, Option<Part>) {
        let surplus = self.surplus.as_deref().map(|surplus| {
            let Surplus { grant, amount, back } = *surplus;
            Part { grant, paid: amount, credit: amount, back }
        });
        let of_surplus =
            |amount: fn(&Part) -> NanoUsd| surplus.as_ref().map_or(NanoUsd::ZERO, amount);
        let bought = Part {
            grant: self.grant,
            paid: self.asked.saturating_sub(of_surplus(|part| part.paid)),
            credit: self.moved,
            back: back.saturating_sub(of_surplus(|part| part.back)),
        };
        // What went back before it was told in dollars may be more than was paid.
        (Part { back: bought.back.min(bought.paid), ..bought }, surplus)
    }

    /// Whether money went back with it.
    fn is_return(&self) -> bool {
        matches!(self.kind, MovementKind::Refunded | MovementKind::ChargedBack)
    }

    /// Whether this lot was given for the payment that it is.
    fn gave(&self, grant: GrantId) -> bool {
        grant != GrantId(0) && (self.grant == grant || self.has_surplus(grant))
    }

    fn has_surplus(&self, grant: GrantId) -> bool {
        self.surplus.as_deref().is_some_and(|surplus| surplus.grant == grant)
    }
}
