//! What an operator orders about a subscription. Pure.

use super::decide::{Beside, Decided};
use super::{Contract, NextTerms, Offer, SubscriptionState, SubscriptionStep};
use crate::account::payment::{Movement, MovementKind};
use crate::account::state::Account;
use crate::account::{Denial, Plans};
use crate::money::NanoUsd;

/// A payment, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidBy {
    /// What it is told by, once in the account for all that is told of money.
    pub id: String,
    /// What the payment is known by.
    pub payment: String,
    /// How much was paid; `None`: what was due.
    pub amount: Option<NanoUsd>,
}

/// An operator's order about an account's subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionOrder {
    /// Begin one.
    Start {
        /// The plan.
        plan: String,
        /// What the first period was paid with; `None` where it costs nothing.
        paid: Option<PaidBy>,
    },
    /// Change the plan.
    Change {
        /// To this one.
        plan: String,
        /// What the rest of the period was paid with, where something is due for it.
        paid: Option<PaidBy>,
    },
    /// Let it end with its period, or not.
    CancelAtPeriodEnd(bool),
    /// End it now, before its period ends. Nothing is paid back by that.
    CancelNow,
}

impl Account {
    /// Decides an operator's order about the subscription.
    pub(in crate::account) fn subscription_order(
        &self,
        order: &SubscriptionOrder,
        plans: &Plans,
        now_ms: u64,
    ) -> Result<Decided, Denial> {
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        match order {
            SubscriptionOrder::Start { plan, paid: Some(paid) }
            | SubscriptionOrder::Change { plan, paid: Some(paid) }
                if self.movement(&paid.id).is_some() =>
            {
                self.is_told_again(plan, paid).map(|()| Decided::new())
            }
            SubscriptionOrder::Start { plan, paid } => {
                self.start(plan, offer(plans, plan)?, paid.as_ref(), now_ms)
            }
            SubscriptionOrder::Change { plan, paid } => {
                self.change_plan(plan, offer(plans, plan)?, paid.as_ref(), now_ms)
            }
            SubscriptionOrder::CancelAtPeriodEnd(true) => self.cancel(),
            SubscriptionOrder::CancelAtPeriodEnd(false) => self.undo_cancel(),
            SubscriptionOrder::CancelNow => self.cancel_now(),
        }
    }

    /// Whether what was done under the payment's id is what it tells, and still so.
    fn is_told_again(&self, plan: &str, paid: &PaidBy) -> Result<(), Denial> {
        if self.subscription().is_none_or(|contract| contract.plan != plan) {
            return Err(Denial::ReusedId);
        }
        let is_it = |done: &&Movement| {
            done.kind == MovementKind::SubscriptionPaid
                && done.payment.as_deref() == Some(&paid.payment)
                && paid.amount.is_none_or(|amount| amount == done.asked)
        };
        self.movement(&paid.id).filter(is_it).map(drop).ok_or(Denial::ReusedId)
    }

    fn start(
        &self,
        plan: &str,
        offer: Offer,
        paid: Option<&PaidBy>,
        now_ms: u64,
    ) -> Result<Decided, Denial> {
        match self.running() {
            Ok(_) => return Err(Denial::AlreadySubscribed),
            Err(Denial::NoSubscription) => {}
            Err(denial) => return Err(denial),
        }
        let received = self.received(paid, offer.price)?;
        let is_given = offer.price.is_positive() || self.is_last_period_over(now_ms);
        let allowance = if is_given { offer.allowance } else { NanoUsd::ZERO };
        let beside = Beside { allowance, ..received };
        let contract = Contract::begun(plan, offer, now_ms);
        let mut events = self.changed(SubscriptionStep::Started, contract, beside);
        events.extend(self.assigned(Some(plan)));
        Ok(events)
    }

    /// Whether the last period of the former subscription would have ended too. Until then one that costs
    /// nothing gives nothing: ending and beginning it again would give its allowance as often as one likes.
    fn is_last_period_over(&self, now_ms: u64) -> bool {
        self.subscription().is_none_or(|former| former.to_ms <= now_ms)
    }

    fn change_plan(
        &self,
        plan: &str,
        offer: Offer,
        paid: Option<&PaidBy>,
        now_ms: u64,
    ) -> Result<Decided, Denial> {
        let contract = self.running()?;
        match contract.state {
            SubscriptionState::Cancelled => return Err(Denial::SubscriptionEnds),
            SubscriptionState::Ended => return Err(Denial::NoSubscription),
            SubscriptionState::Active | SubscriptionState::PastDue | SubscriptionState::Overdue => {
            }
        }
        let is_same = contract.plan == plan && contract.offer == offer;
        let proration = contract.proration(&offer, self.is_period_whole(contract), now_ms);
        if is_same || !proration.is_at_once {
            if paid.is_some() {
                return Err(Denial::NothingDue);
            }
            // What the next period was paid at stays.
            if contract.ahead.is_some() {
                return Err(Denial::PaidAhead);
            }
            let next = (!is_same).then(|| NextTerms { plan: plan.to_owned(), offer });
            let is_known = next == contract.next;
            let contract = Contract { next, ..contract.clone() };
            let is_over = contract.state != SubscriptionState::Active;
            if is_over && !offer.price.is_positive() {
                // Its next period has come, and nobody will pay for it.
                return Ok(self.renewed(&contract, now_ms, Beside::default()));
            }
            if is_known {
                return Ok(Decided::new());
            }
            return Ok(self.changed(SubscriptionStep::ChangePlanned, contract, Beside::default()));
        }
        if contract.ahead.is_some() {
            return Err(Denial::PaidAhead);
        }
        let received = self.received(paid, proration.due)?;
        let beside = Beside { allowance: proration.allowance, ..received };
        let follows = self.plan() == Some(contract.plan.as_str());
        let plan = plan.to_owned();
        let assigned = follows.then(|| self.assigned(Some(&plan))).flatten();
        let contract = Contract { plan, offer, next: None, ..contract.clone() };
        let mut events = self.changed(SubscriptionStep::PlanChanged, contract, beside);
        events.extend(assigned);
        Ok(events)
    }

    fn cancel(&self) -> Result<Decided, Denial> {
        let contract = self.running()?;
        match contract.state {
            SubscriptionState::Active if contract.ahead.is_some() => Err(Denial::PaidAhead),
            SubscriptionState::Active => {
                let contract = Contract {
                    state: SubscriptionState::Cancelled,
                    next: None,
                    ..contract.clone()
                };
                Ok(self.changed(SubscriptionStep::Cancelled, contract, Beside::default()))
            }
            SubscriptionState::Cancelled | SubscriptionState::Ended => Ok(Decided::new()),
            // Its period has ended already.
            SubscriptionState::PastDue | SubscriptionState::Overdue => Ok(self.ended(contract)),
        }
    }

    /// Ends it; one that has ended stays so, told again or not.
    fn cancel_now(&self) -> Result<Decided, Denial> {
        let contract = match self.running() {
            Err(Denial::NoSubscription) if self.subscription().is_some() => {
                return Ok(Decided::new());
            }
            running => running?,
        };
        // What was paid for the next period would be lost.
        if contract.ahead.is_some() {
            return Err(Denial::PaidAhead);
        }
        Ok(self.ended(contract))
    }

    fn undo_cancel(&self) -> Result<Decided, Denial> {
        let contract = self.running()?;
        if contract.state != SubscriptionState::Cancelled {
            return Ok(Decided::new());
        }
        let contract = Contract { state: SubscriptionState::Active, ..contract.clone() };
        Ok(self.changed(SubscriptionStep::CancelUndone, contract, Beside::default()))
    }

    /// A payment of at least `due`, for what is given with it; none where nothing is due and nothing is told.
    fn received(&self, paid: Option<&PaidBy>, due: NanoUsd) -> Result<Beside, Denial> {
        match paid {
            None if due.is_positive() => Err(Denial::Underpaid { due }),
            None => Ok(Beside::default()),
            Some(PaidBy { id, payment, amount }) => {
                let received = self.paid(id, payment, *amount, due)?;
                Ok(Beside { paid_with: Some(payment.clone()), ..received })
            }
        }
    }
}

/// What a subscription to a plan costs and gives.
fn offer(plans: &Plans, plan: &str) -> Result<Offer, Denial> {
    plans.get(plan).ok_or(Denial::UnknownPlan)?.offer.ok_or(Denial::NoOffer)
}
