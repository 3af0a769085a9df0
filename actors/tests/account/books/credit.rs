//! Every credit lot, who may spend it until when, what a subscription was given for which payment, and how
//! much of each payment went back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use infergate_actors::account::{
    Event, GrantKind, PlanEvent, Return, Status, SubscriptionEvent, SubscriptionState,
    SubscriptionStep,
};
use infergate_actors::id::{GrantId, HoldId};
use infergate_actors::ledger::Record;
use infergate_actors::money::Markup;

/// What follows from the events alone.
#[derive(Default)]
pub(crate) struct Credit {
    /// What is left of each lot, and when an allowance lapses.
    lots: BTreeMap<GrantId, (i64, Option<u64>)>,
    /// When the periods began for which there was an allowance.
    periods: BTreeSet<u64>,
    last_end_ms: u64,
    /// What was given in the present period, and the most that a plan gives that was paid for in it.
    given: i64,
    given_max: i64,
    state: Option<SubscriptionState>,
    /// The allowance that the event before has named.
    named: Option<(GrantId, i64, u64)>,
    markup: Markup,
    pub(crate) holds: HashMap<HoldId, Markup>,
    told: BTreeSet<String>,
    references: BTreeSet<String>,
    /// The lot of each payment that came in, once it has one.
    payments: BTreeMap<String, Option<GrantId>>,
    /// How much each was, the lot of what of that was above what was due, and how much went back.
    paid: BTreeMap<String, i64>,
    surpluses: BTreeMap<String, (GrantId, i64)>,
    back: BTreeMap<String, i64>,
    /// Lots of paid credit that no payment is known of.
    given_paid: BTreeSet<GrantId>,
    pub(crate) status: Status,
    /// Nobody has ordered the status that it has.
    by_system: bool,
}

impl Credit {
    pub(crate) fn take(&mut self, record: &Record) {
        let named = self.named.take();
        match &record.event {
            Event::Granted { grant, kind, amount, expires_at_ms, reference } => {
                if *kind == GrantKind::Subscription {
                    let said = named.expect("an allowance that was named");
                    assert_eq!((*grant, amount.nano(), expires_at_ms.unwrap()), said);
                    assert!(record.at_ms < said.2, "an allowance behind its period's end");
                }
                let is_surplus = self.surpluses.values().any(|(surplus, _)| surplus == grant);
                if *kind == GrantKind::Paid && !is_surplus {
                    self.given_paid.insert(*grant);
                }
                assert!(self.references.insert(reference.clone()), "granted twice: {reference}");
                self.lots.insert(*grant, (amount.nano(), *expires_at_ms));
            }
            Event::Paid(paid) => {
                assert!(self.told.insert(paid.id.clone()), "told twice");
                let known = self.payments.insert(paid.payment.clone(), Some(paid.grant));
                assert_eq!(known, None, "a payment that counts twice");
                self.paid.insert(paid.payment.clone(), paid.amount.nano());
                self.lots.insert(paid.grant, (paid.amount.nano(), paid.expires_at_ms));
            }
            Event::Expired { grant, amount } => {
                let lapses_ms = self.lots[grant].1.unwrap();
                assert!(record.at_ms >= lapses_ms, "lapsed before its time");
                self.draw(*grant, amount.nano());
            }
            Event::Reclaimed { grant, amount } => self.draw(*grant, amount.nano()),
            Event::Refunded(back) | Event::ChargedBack(back) => {
                if back.taken.is_positive() {
                    self.draw(back.grant, back.taken.nano());
                }
                if let Some(surplus) = back.surplus {
                    assert_eq!(self.surpluses[back.payment.as_ref().unwrap()].0, surplus.grant);
                    self.draw(surplus.grant, surplus.taken.nano());
                }
                assert!(self.told.insert(back.id.clone()), "told twice");
                if let Some(payment) = self.payment_of(back) {
                    let sum = self.back.entry(payment.clone()).or_default();
                    *sum += back.asked.nano();
                    let paid = self.paid[&payment];
                    assert!(*sum <= paid, "more of {payment} went back than was paid");
                }
            }
            Event::Held { hold, .. } | Event::HeldOf { hold, .. } => {
                self.holds.insert(*hold, self.markup);
            }
            Event::Settled(bill) => {
                assert_eq!(self.holds.remove(&bill.hold), Some(bill.markup), "another markup");
                assert_eq!(bill.cost, bill.rates.cost(&bill.usage, bill.markup));
                for draw in &bill.draws {
                    self.draw(draw.grant, draw.amount.nano());
                }
            }
            Event::Voided { hold, .. } => {
                self.holds.remove(hold).unwrap();
            }
            Event::StatusSet(set) => {
                (self.status, self.by_system) = (set.status, set.by == "system");
            }
            Event::Plan(event) => {
                if let PlanEvent::Priced { markup } = **event {
                    assert_ne!(markup, self.markup, "a price that is none");
                    self.markup = markup;
                }
            }
            Event::Subscription(event) => self.subscription(event, record.at_ms),
            _ => {}
        }
        assert!(self.named.is_none() || matches!(record.event, Event::Subscription(_)));
    }

    fn subscription(&mut self, event: &SubscriptionEvent, at_ms: u64) {
        let SubscriptionEvent::Changed(change) = event;
        let contract = &change.contract;
        assert_eq!(change.due_at_ms, contract.due_at_ms());
        if let Some(paid) = &change.payment {
            assert!(self.told.insert(paid.id.clone()), "told twice");
            if change.step != SubscriptionStep::PaymentFailed {
                self.paid.insert(paid.payment.clone(), paid.amount.nano());
                let surplus = change.surplus.as_ref();
                let surplus = surplus.map(|surplus| (surplus.grant, surplus.amount.nano()));
                self.surpluses.extend(surplus.map(|surplus| (paid.payment.clone(), surplus)));
                let known = self.payments.insert(paid.payment.clone(), None);
                assert_eq!(known, None, "a payment that counts twice");
            }
        }
        if let Some(payment) = change.allowance.as_ref().and_then(|it| it.payment.as_ref()) {
            let lot = self.payments.get_mut(payment).expect("a payment that came in");
            let lot = lot.replace(change.allowance.as_ref().unwrap().grant);
            assert_eq!(lot, None, "a payment that gives twice");
        }
        if matches!(change.step, SubscriptionStep::Started | SubscriptionStep::Renewed) {
            assert!(
                contract.from_ms >= self.last_end_ms || change.step == SubscriptionStep::Started
            );
            assert!(contract.from_ms <= at_ms && at_ms < contract.to_ms, "not the present period");
            let is_paid = !contract.offer.price.is_positive() || change.payment.is_some();
            let was_paid = change.allowance.as_ref().is_none_or(|it| it.payment.is_some());
            assert!(is_paid || was_paid, "a period that nobody paid for");
            let is_free = change.allowance.as_ref().is_some_and(|it| it.payment.is_none());
            let is_next = contract.from_ms >= self.last_end_ms;
            assert!(!is_free || is_next, "given for nothing before the last period's end");
            let is_new = self.periods.insert(contract.from_ms);
            assert!(is_new || change.step == SubscriptionStep::Started, "a period given for twice");
            self.last_end_ms = contract.to_ms;
            (self.given, self.given_max) = (0, 0);
        } else if change.allowance.is_some() {
            assert_eq!(change.step, SubscriptionStep::PlanChanged);
            let payment = change.allowance.as_ref().and_then(|it| it.payment.as_ref());
            assert!(payment.is_some(), "given for a change that nobody paid for");
        }
        self.state = Some(contract.state);
        let allowance = change.allowance.as_ref();
        self.given += allowance.map_or(0, |it| it.amount.nano());
        self.given_max = self.given_max.max(contract.offer.allowance.nano());
        assert!(self.given <= self.given_max, "more given in a period than any plan gives for one");
        self.named = allowance.map(|it| (it.grant, it.amount.nano(), contract.to_ms));
    }

    /// The system restricts for nothing but what is overdue now (a dispute suspends).
    pub(crate) fn check_restriction(&self) {
        let is_overdue = self.state == Some(SubscriptionState::Overdue);
        let is_restricted = self.by_system && self.status == Status::Restricted;
        assert!(is_overdue || !is_restricted, "restricted for good");
    }

    /// The payment that some money went back of; by its lot, where an operator has named that.
    fn payment_of(&self, back: &Return) -> Option<String> {
        let is_of = |payment: &&String| {
            self.payments[*payment] == Some(back.grant)
                || self.surpluses.get(*payment).is_some_and(|(grant, _)| *grant == back.grant)
        };
        back.payment.clone().or_else(|| self.payments.keys().find(is_of).cloned())
    }

    /// Of what went back in full, nothing is left but what was spent: once nothing is held.
    pub(crate) fn check_at_rest(&self) {
        for (payment, paid) in &self.paid {
            if *paid > 0 && self.back.get(payment) == Some(paid) {
                let surplus = self.surpluses.get(payment);
                let bought = self.payments[payment].as_ref();
                let lots = bought.into_iter().chain(surplus.map(|(grant, _)| grant));
                let left: i64 = lots.map(|grant| self.lots[grant].0).sum();
                assert_eq!(left, 0, "{payment} went back, and its credit is there");
            }
        }
    }

    /// Whether something was paid that did not go back, or paid credit of an operator's is left.
    pub(crate) fn has_paid(&self) -> bool {
        let back = |payment: &String| self.back.get(payment).copied().unwrap_or_default();
        self.paid.iter().any(|(payment, paid)| *paid > back(payment))
            || self.given_paid.iter().any(|grant| self.lots[grant].0 > 0)
    }

    /// Whether credit was given under this reference.
    pub(crate) fn is_granted(&self, reference: &str) -> bool {
        self.references.contains(reference)
    }

    fn draw(&mut self, grant: GrantId, nano: i64) {
        let (left, _) = self.lots.get_mut(&grant).expect("a lot that was given");
        *left -= nano;
        assert!(nano >= 0 && *left >= 0, "{grant} below zero");
    }

    pub(crate) fn balance(&self) -> i64 {
        self.lots.values().map(|(left, _)| left).sum()
    }
}
