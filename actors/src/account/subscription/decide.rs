//! What time and payments do to a subscription. Pure.

use smallvec::{SmallVec, smallvec};

use super::{
    Allowance, Contract, Offer, SubscriptionChange, SubscriptionEvent, SubscriptionPayment,
    SubscriptionState, SubscriptionStep,
};
use crate::account::payment::{Transfer, TransferKind};
use crate::account::state::Account;
use crate::account::{Denial, Event, GrantKind, ReasonClass, Status, StatusSet};
use crate::id::GrantId;
use crate::money::NanoUsd;

/// Who sets a status that nobody ordered.
const SYSTEM: &str = "system";
/// Why an account is restricted whose subscription is overdue: with [`SYSTEM`], how its own restriction
/// is told from any other.
const OVERDUE: &str = "its subscription is overdue";
const PAID: &str = "its subscription is paid";
const OVER: &str = "its subscription has ended";

/// What is written of one decision.
pub(super) type Decided = SmallVec<[Event; 2]>;

/// What a change comes to beside the subscription itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    pub(super) payment: Option<SubscriptionPayment>,
    /// What of it is above what was due: given as paid credit.
    pub(super) surplus: NanoUsd,
    /// The credit given for the period.
    pub(super) allowance: NanoUsd,
    /// The payment that it was paid with.
    pub(super) paid_with: Option<String>,
}

impl Account {
    /// What time has brought: the next step that is due, or nothing.
    pub(in crate::account) fn subscription_due(&self, now_ms: u64) -> Decided {
        let Some(contract) = self.subscription() else { return Decided::new() };
        if contract.due_at_ms().is_none_or(|due_ms| now_ms < due_ms) {
            return Decided::new();
        }
        match contract.state {
            SubscriptionState::Active if self.status == Status::Closed => self.ended(contract),
            SubscriptionState::Active => {
                let (_, offer) = contract.next_terms();
                if contract.ahead.is_none() && offer.price.is_positive() {
                    let contract =
                        Contract { state: SubscriptionState::PastDue, ..contract.clone() };
                    return self.changed(SubscriptionStep::PastDue, contract, Beside::default());
                }
                let paid_with = contract.ahead.clone();
                self.renewed(contract, now_ms, Beside { paid_with, ..Beside::default() })
            }
            SubscriptionState::Cancelled => self.ended(contract),
            SubscriptionState::PastDue => {
                let contract = Contract { state: SubscriptionState::Overdue, ..contract.clone() };
                let step = SubscriptionStep::Overdue;
                let mut events = self.changed(step, contract, Beside::default());
                if self.status == Status::Active {
                    events.push(set_status(Status::Restricted, OVERDUE));
                }
                events
            }
            SubscriptionState::Overdue | SubscriptionState::Ended => Decided::new(),
        }
    }

    /// Whether it is restricted, and by its subscription.
    pub(in crate::account) fn is_restricted_as_overdue(&self) -> bool {
        let is_it = |set: &StatusSet| {
            set.by == SYSTEM && set.class == ReasonClass::Payment && set.reason == OVERDUE
        };
        self.status == Status::Restricted
            && self.status_set.as_deref().is_some_and(|(set, _)| is_it(set))
    }

    /// What restricts an account that is reinstated from something else, while its subscription is overdue: the
    /// grace ended then, and could not restrict what was restricted or worse. Reinstated from this too, it
    /// stays so.
    pub(in crate::account) fn overdue_behind(&self, set: &StatusSet) -> Option<Event> {
        let is_overdue = |contract: &Contract| contract.state == SubscriptionState::Overdue;
        let reinstated = set.status == Status::Active && self.status != Status::Active;
        let is_due = reinstated
            && !self.is_restricted_as_overdue()
            && self.subscription().is_some_and(is_overdue);
        is_due.then(|| set_status(Status::Restricted, OVERDUE))
    }

    /// Decides what a processor tells of a subscription's payment; nothing, if it was told before.
    pub(in crate::account) fn subscription_told(
        &self,
        transfer: &Transfer,
        now_ms: u64,
    ) -> Result<Decided, Denial> {
        let Transfer { id, what } = transfer;
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        if let Some(done) = self.movement(id) {
            return if done.is_of(what) { Ok(Decided::new()) } else { Err(Denial::ReusedId) };
        }
        let contract = self.running()?;
        match what {
            TransferKind::SubscriptionFailed { payment } => {
                let (id, payment, amount) = (id.clone(), payment.clone(), NanoUsd::ZERO);
                let payment = Some(SubscriptionPayment { id, payment, amount });
                let beside = Beside { payment, ..Beside::default() };
                Ok(self.changed(SubscriptionStep::PaymentFailed, contract.clone(), beside))
            }
            TransferKind::SubscriptionPaid { payment, amount } => {
                let (_, offer) = contract.next_terms();
                let paid = self.paid(id, payment, *amount, offer.price)?;
                self.paid_for_next(contract, payment, paid, now_ms)
            }
            TransferKind::Payment { .. }
            | TransferKind::Refund { .. }
            | TransferKind::Dispute { .. }
            | TransferKind::GrantRefund { .. } => Err(Denial::UnknownPayment),
        }
    }

    fn paid_for_next(
        &self,
        contract: &Contract,
        payment: &str,
        paid: Beside,
        now_ms: u64,
    ) -> Result<Decided, Denial> {
        let paid_with = Some(payment.to_owned());
        match contract.state {
            SubscriptionState::Active if contract.ahead.is_some() => Err(Denial::PaidAhead),
            SubscriptionState::Active => {
                let contract = Contract { ahead: paid_with, ..contract.clone() };
                Ok(self.changed(SubscriptionStep::PaidAhead, contract, paid))
            }
            SubscriptionState::PastDue | SubscriptionState::Overdue => {
                Ok(self.renewed(contract, now_ms, Beside { paid_with, ..paid }))
            }
            SubscriptionState::Cancelled => Err(Denial::SubscriptionEnds),
            SubscriptionState::Ended => Err(Denial::NoSubscription),
        }
    }

    /// What follows for the next period from so much of its payment going back: where what is left, behind
    /// all that went back before, is less than it costs, it is not paid for.
    pub(in crate::account) fn unpaid_ahead(&self, payment: &str, back: NanoUsd) -> Option<Event> {
        let paid_with = |contract: &&Contract| contract.ahead.as_deref() == Some(payment);
        let contract = self.subscription().filter(paid_with)?;
        let left = self.payment_of(payment).map_or(NanoUsd::ZERO, |paid| self.left_of(paid));
        let left = left.saturating_sub(back);
        if left.is_positive() && left >= contract.next_terms().1.price {
            return None;
        }
        let contract = Contract { ahead: None, ..contract.clone() };
        let step = SubscriptionStep::PaymentReturned;
        self.changed(step, contract, Beside::default()).into_iter().next()
    }

    /// The subscription, if it has not ended, of an account that is not closed.
    pub(super) fn running(&self) -> Result<&Contract, Denial> {
        if self.status == Status::Closed {
            return Err(Denial::Closed);
        }
        let contract = self.subscription();
        let running = contract.filter(|contract| contract.state != SubscriptionState::Ended);
        running.ok_or(Denial::NoSubscription)
    }

    /// A payment of at least `due` that is not known yet, and what of it is above that.
    pub(super) fn paid(
        &self,
        id: &str,
        payment: &str,
        amount: Option<NanoUsd>,
        due: NanoUsd,
    ) -> Result<Beside, Denial> {
        let amount = amount.unwrap_or(due);
        if amount < due {
            return Err(Denial::Underpaid { due });
        }
        if self.references.contains(payment) || self.payment_of(payment).is_some() {
            return Err(Denial::DuplicateReference);
        }
        let surplus = amount.saturating_sub(due);
        if self.totals.granted.checked_add(surplus).is_none() {
            return Err(Denial::BadAmount);
        }
        let (id, payment) = (id.to_owned(), payment.to_owned());
        let payment = Some(SubscriptionPayment { id, payment, amount });
        Ok(Beside { payment, surplus, ..Beside::default() })
    }

    /// The next period, or the one that is now where that has ended too, and what comes with it.
    pub(super) fn renewed(&self, contract: &Contract, now_ms: u64, beside: Beside) -> Decided {
        let next = contract.following(now_ms);
        let allowance = next.offer.allowance;
        let plan = self.plan() == Some(contract.plan.as_str());
        let plan = plan.then(|| self.assigned(Some(&next.plan))).flatten();
        let mut events =
            self.changed(SubscriptionStep::Renewed, next, Beside { allowance, ..beside });
        events.extend(plan);
        events.extend(self.lifted(PAID));
        events
    }

    /// What lifts the restriction that its subscription has put on it.
    fn lifted(&self, why: &str) -> Option<Event> {
        self.is_restricted_as_overdue().then(|| set_status(Status::Active, why))
    }

    /// The end of a subscription; with it the account leaves the plan, where it is on that still, and is
    /// not restricted by it any more: nothing is owed, and no payment could lift that later.
    pub(super) fn ended(&self, contract: &Contract) -> Decided {
        let left = self.plan() == Some(contract.plan.as_str());
        let left = left.then(|| self.assigned(None)).flatten();
        let next = None;
        let contract = Contract { state: SubscriptionState::Ended, next, ..contract.clone() };
        let mut events = self.changed(SubscriptionStep::Ended, contract, Beside::default());
        events.extend(left);
        events.extend(self.lifted(OVER));
        events
    }

    /// The event of a change, and the credit that comes with it: the allowance, and behind it the surplus.
    pub(super) fn changed(
        &self,
        step: SubscriptionStep,
        contract: Contract,
        beside: Beside,
    ) -> Decided {
        let Beside { payment, surplus, allowance: amount, paid_with } = beside;
        // What is paid for a plan that costs nothing is all surplus: the allowance does not go back with it.
        let paid_with = paid_with.filter(|_| contract.offer.price.is_positive());
        // One that fits in no sum is not given: the books stay whole.
        let granted = self.totals.granted.saturating_add(surplus);
        let gives = amount.is_positive() && granted.checked_add(amount).is_some();
        let grant = GrantId(self.grants_made.saturating_add(1));
        let allowance = gives.then(|| Event::Granted {
            grant,
            kind: GrantKind::Subscription,
            amount,
            expires_at_ms: Some(contract.to_ms),
            reference: self.free_reference(paid_with.as_deref()),
        });
        let next = GrantId(self.grants_made.saturating_add(if gives { 2 } else { 1 }));
        let surplus = payment.as_ref().filter(|_| surplus.is_positive()).map(|paid| Allowance {
            grant: next,
            amount: surplus,
            payment: Some(paid.payment.clone()),
        });
        let beyond = surplus.as_ref().map(|surplus| self.beyond(surplus));
        let change = SubscriptionChange {
            due_at_ms: contract.due_at_ms(),
            step,
            contract,
            payment,
            allowance: gives.then_some(Allowance { grant, amount, payment: paid_with }),
            surplus,
        };
        let event = SubscriptionEvent::Changed(change);
        let mut events: Decided = smallvec![Event::Subscription(Box::new(event))];
        events.extend(allowance);
        events.extend(beyond);
        events
    }

    /// The credit for what was paid above what was due. It does not lapse.
    fn beyond(&self, surplus: &Allowance) -> Event {
        let Allowance { grant, amount, payment } = surplus;
        let payment = payment.as_deref().unwrap_or_default();
        Event::Granted {
            grant: *grant,
            kind: GrantKind::Paid,
            amount: *amount,
            expires_at_ms: None,
            reference: self.free_reference(Some(&format!("{payment} surplus"))),
        }
    }

    /// What an allowance is known by: its payment, or a number. Whatever was given under such a name
    /// before, time's own steps must not fail.
    fn free_reference(&self, payment: Option<&str>) -> String {
        let numbered = || format!("subscription {}", self.number.saturating_add(1));
        let mut reference = payment.map_or_else(numbered, str::to_owned);
        while self.references.contains(&reference) {
            reference.push('+');
        }
        reference
    }
}

impl Contract {
    /// A subscription that begins now.
    pub(super) fn begun(plan: &str, offer: Offer, now_ms: u64) -> Self {
        Self {
            plan: plan.to_owned(),
            offer,
            state: SubscriptionState::Active,
            anchor_ms: now_ms,
            period: 1,
            from_ms: now_ms,
            to_ms: offer.period.end_ms(now_ms, 1),
            next: None,
            ahead: None,
        }
    }

    /// The period behind the present one. Where that has ended too, the one that is now: what lies
    /// between was not paid for and gives nothing.
    fn following(&self, now_ms: u64) -> Self {
        let (plan, offer) = self.next_terms();
        let is_as_long = offer.period == self.offer.period;
        // Periods of another length are counted from where they begin.
        let (anchor_ms, mut period) =
            if is_as_long { (self.anchor_ms, self.period) } else { (self.to_ms, 0) };
        let (mut from_ms, mut to_ms) = (self.to_ms, self.to_ms);
        while to_ms <= now_ms || to_ms == self.to_ms {
            let Some(next) = period.checked_add(1) else { break };
            period = next;
            (from_ms, to_ms) = (to_ms, offer.period.end_ms(anchor_ms, period));
        }
        Self {
            plan: plan.to_owned(),
            offer: *offer,
            state: SubscriptionState::Active,
            anchor_ms,
            period,
            from_ms,
            to_ms,
            next: None,
            ahead: None,
        }
    }
}

fn set_status(status: Status, reason: &str) -> Event {
    let (by, class, reason) = (SYSTEM.to_owned(), ReasonClass::Payment, reason.to_owned());
    Event::StatusSet(StatusSet { status, by, class, reason })
}
