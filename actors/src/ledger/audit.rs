//! A second, simpler ledger of one account, that must agree with the first. Pure.
//!
//! It shares no code with the account's own state but the price formula: it only asks, of each event
//! in turn, whether the money for it was there and whether the numbers in it add up.

use std::collections::{HashMap, HashSet};

use crate::account::{
    Allowance, Event, GrantKind, Kinds, Payment, PlanEvent, Return, Settlement, SubscriptionEvent,
    SubscriptionStep, SurplusReturn,
};
use crate::id::{GrantId, HoldId};
use crate::money::{Markup, NanoUsd};

/// Sums over all accounts, in nano-USD: wider than [`NanoUsd`], since they are sums of those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Credit given.
    pub granted: i128,
    /// What accounts have paid.
    pub settled: i128,
    /// What exchanges cost beyond what accounts could pay.
    pub absorbed: i128,
    /// Credit that lapsed.
    pub expired: i128,
    /// Credit taken back because it was paid back.
    pub refunded: i128,
    /// Credit taken back in disputes.
    pub charged_back: i128,
    /// `granted - settled - expired - refunded - charged_back`.
    pub balance: i128,
    /// Set aside for exchanges that have not ended.
    pub held: i128,
}

/// One account's books.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) totals: Totals,
    /// What is left of each credit lot, and its kind.
    grants: HashMap<GrantId, (i128, GrantKind)>,
    /// What is held, and the kinds of credit that it counts on.
    holds: HashMap<HoldId, (i128, Kinds)>,
    /// What the account pays, and what open holds were taken at.
    markup: Markup,
    markups: HashMap<HoldId, Markup>,
    /// Whether any hold ever counted on less than all credit.
    has_kinds: bool,
    /// The lot of each payment.
    payments: HashMap<String, GrantId>,
    /// The lot of what a payment was above what was due.
    surpluses: HashMap<String, GrantId>,
    /// What refunds and disputes asked for and did not get, by lot.
    claims: HashMap<GrantId, i128>,
    /// The lots that disputes have asked for.
    disputed: HashSet<GrantId>,
    /// What payments, refunds and disputes were told by.
    told: HashSet<String>,
    ended: HashSet<HoldId>,
}

impl Totals {
    /// Adds another account's sums.
    pub(super) fn add(&mut self, other: &Self) {
        self.granted += other.granted;
        self.settled += other.settled;
        self.absorbed += other.absorbed;
        self.expired += other.expired;
        self.refunded += other.refunded;
        self.charged_back += other.charged_back;
        self.balance += other.balance;
        self.held += other.held;
    }
}

impl Audit {
    /// Takes the account's next event, and gives what is wrong with it.
    pub(super) fn event(&mut self, event: &Event) -> Vec<String> {
        let mut faults = Vec::new();
        match event {
            Event::Granted { grant, kind, amount, .. } => {
                self.granted(*grant, *kind, *amount, &mut faults);
            }
            Event::Expired { grant, amount } => {
                self.draw(*grant, *amount, "lapsed", Kinds::ALL, &mut faults);
                self.totals.expired += wide(*amount);
                self.totals.balance -= wide(*amount);
            }
            Event::Held { hold, amount, .. } => {
                self.held(*hold, *amount, Kinds::ALL, &mut faults);
            }
            Event::HeldOf { hold, amount, kinds, .. } => {
                self.has_kinds = true;
                self.held(*hold, *amount, *kinds, &mut faults);
            }
            Event::Paid(paid) => self.paid(paid, &mut faults),
            Event::CodeUsed { code, account } => {
                self.told(&format!("code {code} for {account}"), &mut faults);
            }
            Event::Refunded(back) => self.refunded(back, &mut faults),
            Event::Reclaimed { grant, amount } => self.reclaimed(*grant, *amount, &mut faults),
            Event::ChargedBack(back) => self.charged_back(back, &mut faults),
            Event::Extended { hold, amount } => self.extended(*hold, *amount, &mut faults),
            Event::Settled(settlement) => self.settled(settlement, &mut faults),
            Event::Subscription(event) => self.subscription(event, &mut faults),
            Event::Plan(event) => {
                if let PlanEvent::Priced { markup } = **event {
                    self.markup = markup;
                }
            }
            Event::Voided { hold, .. } => self.ended(*hold, &mut faults),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::StatusSet(_)
            | Event::CodesMade(_)
            | Event::LimitsChanged { .. }
            | Event::KeyCreated { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::KeyRotated { .. }
            | Event::BudgetsChanged { .. }
            | Event::Project(_)
            | Event::Member(_)
            | Event::Watch(_)
            | Event::Operator(_)
            | Event::Once(_)
            | Event::KeyGuarded { .. }
            | Event::KeyRestricted { .. }
            | Event::KeyReleased { .. } => return faults,
        }
        let available = self.totals.balance - self.totals.held;
        if available < 0 {
            faults.push(format!("{} nano-USD more is held or spent than there is", -available));
        }
        if self.has_kinds {
            faults.extend(self.uncovered());
        }
        faults
    }

    /// What holds count on, of some kinds of credit, beyond what there is of those.
    fn uncovered(&self) -> Option<String> {
        let short = |kinds: &Kinds| {
            let holds = self.holds.values().filter(|(_, of)| of.are_within(*kinds));
            let held: i128 = holds.map(|(amount, _)| amount).sum();
            let lots = self.grants.values().filter(|(_, kind)| kinds.contains(*kind));
            held - lots.map(|(left, _)| left).sum::<i128>()
        };
        let most = Kinds::sets().map(|kinds| short(&kinds)).max().filter(|most| *most > 0)?;
        Some(format!(
            "{most} nano-USD more is held than there is of the credit that may pay for it"
        ))
    }

    fn paid(&mut self, paid: &Payment, faults: &mut Vec<String>) {
        self.told(&paid.id, faults);
        if self.payments.insert(paid.payment.clone(), paid.grant).is_some() {
            faults.push(format!("payment {} is received twice", paid.payment));
        }
        self.granted(paid.grant, GrantKind::Paid, paid.amount, faults);
    }

    fn subscription(&mut self, event: &SubscriptionEvent, faults: &mut Vec<String>) {
        let SubscriptionEvent::Changed(change) = event;
        if let Some(paid) = &change.payment {
            self.told(&paid.id, faults);
            let failed = change.step == SubscriptionStep::PaymentFailed;
            // What it gives is named by the event that gives it.
            if !failed && self.payments.insert(paid.payment.clone(), GrantId(0)).is_some() {
                faults.push(format!("payment {} is received twice", paid.payment));
            }
        }
        if let Some(Allowance { grant, payment: Some(payment), .. }) = &change.surplus {
            self.surpluses.insert(payment.clone(), *grant);
        }
        if let Some(Allowance { grant, payment: Some(payment), .. }) = &change.allowance
            && self.payments.insert(payment.clone(), *grant) != Some(GrantId(0))
        {
            faults.push(format!("payment {payment} gives credit twice, or did not come in"));
        }
    }

    fn refunded(&mut self, back: &Return, faults: &mut Vec<String>) {
        self.totals.refunded += wide(back.taken_in_all());
        // Before that was told apart, only a dispute took later what was held.
        if back.credit.is_some() {
            self.claim(back);
        }
        self.taken_back(back, faults);
    }

    fn charged_back(&mut self, back: &Return, faults: &mut Vec<String>) {
        self.totals.charged_back += wide(back.taken_in_all());
        let surplus = back.payment.as_ref().and_then(|it| self.surpluses.get(it));
        self.disputed.extend(surplus.copied().into_iter().chain([back.grant]));
        self.claim(back);
        self.taken_back(back, faults);
    }

    fn taken_back(&mut self, back: &Return, faults: &mut Vec<String>) {
        let Return { id, payment, grant, asked, taken, credit, surplus } = back;
        self.told(id, faults);
        let wanted = credit.unwrap_or(*asked);
        if *taken > wanted {
            faults
                .push(format!("{taken} USD is taken back of {grant}, and {wanted} was asked for"));
        }
        if let Some(payment) = payment.as_ref().filter(|it| self.payments.get(*it) != Some(grant)) {
            faults
                .push(format!("{grant} is taken back for payment {payment}, which is not its own"));
        }
        if let Some(SurplusReturn { grant, asked, taken }) = surplus {
            let own = payment.as_ref().and_then(|payment| self.surpluses.get(payment));
            if own != Some(grant) || taken > asked {
                faults
                    .push(format!("{taken} USD is taken back of {grant}, as no payment's surplus"));
            }
            self.draw(*grant, *taken, "taken back", Kinds::ALL, faults);
            self.totals.balance -= wide(*taken);
        }
        // Of a lot, no more is ever taken than was left, and so no more than was paid. A payment that has
        // given none has nothing to be taken.
        if *grant == GrantId(0) && *taken == NanoUsd::ZERO {
            return;
        }
        self.draw(*grant, *taken, "taken back", Kinds::ALL, faults);
        self.totals.balance -= wide(*taken);
    }

    /// Notes what was to be taken back and could not be yet.
    fn claim(&mut self, back: &Return) {
        let claimed = wide(back.credit.unwrap_or(back.asked)) - wide(back.taken);
        *self.claims.entry(back.grant).or_default() += claimed;
        if let Some(SurplusReturn { grant, asked, taken }) = back.surplus {
            *self.claims.entry(grant).or_default() += wide(asked) - wide(taken);
        }
    }

    fn reclaimed(&mut self, grant: GrantId, amount: NanoUsd, faults: &mut Vec<String>) {
        let claim = self.claims.entry(grant).or_default();
        *claim -= wide(amount);
        if *claim < 0 {
            faults.push(format!("{amount} USD is taken back of {grant}, which nothing claims"));
        }
        self.draw(grant, amount, "taken back", Kinds::ALL, faults);
        let is_disputed = self.disputed.contains(&grant);
        let Totals { charged_back, refunded, .. } = &mut self.totals;
        *(if is_disputed { charged_back } else { refunded }) += wide(amount);
        self.totals.balance -= wide(amount);
    }

    fn told(&mut self, id: &str, faults: &mut Vec<String>) {
        if !self.told.insert(id.to_owned()) {
            faults.push(format!("`{id}` is told twice"));
        }
    }

    fn granted(
        &mut self,
        grant: GrantId,
        kind: GrantKind,
        amount: NanoUsd,
        faults: &mut Vec<String>,
    ) {
        if amount.is_negative() {
            faults.push(format!("{grant} is negative"));
        }
        if self.grants.insert(grant, (wide(amount), kind)).is_some() {
            faults.push(format!("{grant} is given twice"));
        }
        self.totals.granted += wide(amount);
        self.totals.balance += wide(amount);
    }

    fn draw(
        &mut self,
        grant: GrantId,
        amount: NanoUsd,
        verb: &str,
        kinds: Kinds,
        faults: &mut Vec<String>,
    ) {
        let Some((left, kind)) = self.grants.get_mut(&grant) else {
            faults.push(format!("{amount} USD {verb} of {grant}, which was never given"));
            return;
        };
        if amount.is_negative() || wide(amount) > *left {
            faults.push(format!("{amount} USD {verb} of {grant}, which has {left} nano-USD left"));
        }
        if !kinds.contains(*kind) {
            faults.push(format!("{amount} USD {verb} of {grant}, which may not pay for it"));
        }
        *left -= wide(amount);
    }

    fn held(&mut self, hold: HoldId, amount: NanoUsd, kinds: Kinds, faults: &mut Vec<String>) {
        if amount.is_negative() {
            faults.push(format!("{hold} holds a negative amount"));
        }
        let is_new = !self.ended.contains(&hold);
        self.markups.insert(hold, self.markup);
        let before = self.holds.insert(hold, (wide(amount), kinds));
        if before.is_some() || !is_new {
            faults.push(format!("{hold} is held twice"));
        }
        self.totals.held += wide(amount) - before.map_or(0, |(amount, _)| amount);
    }

    fn extended(&mut self, hold: HoldId, more: NanoUsd, faults: &mut Vec<String>) {
        match self.holds.get_mut(&hold) {
            Some((amount, _)) if !more.is_negative() => {
                *amount += wide(more);
                self.totals.held += wide(more);
            }
            Some(_) => faults.push(format!("{hold} is extended by a negative amount")),
            None => faults.push(format!("{hold} is extended and not held")),
        }
    }

    fn ended(&mut self, hold: HoldId, faults: &mut Vec<String>) {
        let amount = self.holds.remove(&hold);
        self.markups.remove(&hold);
        self.totals.held -= amount.map_or(0, |(amount, _)| amount);
        if !self.ended.insert(hold) {
            faults.push(format!("{hold} ends twice"));
        } else if amount.is_none() {
            faults.push(format!("{hold} ends and was not held"));
        }
    }

    fn settled(&mut self, settlement: &Settlement, faults: &mut Vec<String>) {
        let Settlement { hold, rates, usage, markup, cost, charged, absorbed, .. } = settlement;
        if self.markups.remove(hold).is_some_and(|held_at| held_at != *markup) {
            faults.push(format!("{hold} is charged at another markup than it was held at"));
        }
        let derived = rates.cost(usage, *markup);
        if derived != *cost {
            faults.push(format!("{hold} costs {derived} USD and says {cost}"));
        }
        if [cost, charged, absorbed].iter().any(|amount| amount.is_negative()) {
            faults.push(format!("{hold} has a negative amount"));
        }
        if wide(*charged) + wide(*absorbed) != wide(*cost) {
            faults.push(format!("{hold}: {charged} charged and {absorbed} absorbed is not {cost}"));
        }
        let drawn: i128 = settlement.draws.iter().map(|draw| wide(draw.amount)).sum();
        if drawn != wide(*charged) {
            faults.push(format!("{hold} is charged {charged} USD and draws {drawn} nano-USD"));
        }
        let kinds = self.holds.get(hold).map_or(Kinds::ALL, |(_, kinds)| *kinds);
        for draw in &settlement.draws {
            self.draw(draw.grant, draw.amount, "drawn", kinds, faults);
        }
        self.ended(*hold, faults);
        self.totals.settled += wide(*charged);
        self.totals.absorbed += wide(*absorbed);
        self.totals.balance -= wide(*charged);
    }
}

fn wide(amount: NanoUsd) -> i128 {
    i128::from(amount.nano())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Draw, End, GrantKind};
    use crate::id::{ExchangeId, KeyId};
    use crate::money::{Markup, Rates, Usage};

    fn usd(nano: i64) -> NanoUsd {
        NanoUsd::from_nano(nano)
    }

    fn granted(grant: u32, amount: i64) -> Event {
        let (grant, amount) = (GrantId(grant), usd(amount));
        let (kind, reference) = (GrantKind::Paid, String::new());
        Event::Granted { grant, kind, amount, expires_at_ms: None, reference }
    }

    fn held(hold: u128, amount: i64) -> Event {
        Event::Held { hold: ExchangeId(hold), key: KeyId(1), amount: usd(amount) }
    }

    /// One token that costs `cost`, charged `charged`, drawn from grant 1.
    fn settled(hold: u128, cost: i64, charged: i64, drawn: i64) -> Event {
        let rate = u64::try_from(cost).unwrap() * 1_000_000;
        Event::Settled(Box::new(Settlement {
            hold: ExchangeId(hold),
            key: KeyId(1),
            usage: Usage { input: 1, ..Usage::default() },
            estimated: false,
            rates: Rates { input: rate, ..Rates::default() },
            markup: Markup::default(),
            cost: usd(cost),
            charged: usd(charged),
            absorbed: usd(cost - charged),
            draws: [Draw { grant: GrantId(1), amount: usd(drawn) }].into_iter().collect(),
            end: End::Completed,
            record: crate::account::UsageRecord::default(),
        }))
    }

    fn voided(hold: u128) -> Event {
        Event::Voided { hold: ExchangeId(hold), end: End::TimedOut }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let wrong_cost = {
            let Event::Settled(mut settlement) = settled(1, 10, 10, 10) else { panic!() };
            settlement.usage.input = 2;
            Event::Settled(settlement)
        };
        let extended = Event::Extended { hold: ExchangeId(9), amount: usd(1) };
        let held_of = |hold, amount| {
            let (hold, kinds) = (ExchangeId(hold), Kinds::only(GrantKind::Trial));
            Event::HeldOf { hold, key: KeyId(1), amount: usd(amount), kinds }
        };
        let paid = |id: &str, grant, amount| {
            let (id, payment, grant) = (id.to_owned(), format!("payment {grant}"), GrantId(grant));
            Event::Paid(Box::new(Payment {
                id,
                payment,
                grant,
                amount: usd(amount),
                expires_at_ms: None,
            }))
        };
        let back = |id: &str, grant, asked, taken| {
            let (id, payment) = (id.to_owned(), Some(format!("payment {grant}")));
            let (asked, taken) = (usd(asked), usd(taken));
            let (grant, credit, surplus) = (GrantId(grant), None, None);
            Event::Refunded(Box::new(Return { id, payment, grant, asked, taken, credit, surplus }))
        };
        let reclaimed = Event::Reclaimed { grant: GrantId(1), amount: usd(1) };
        let expired = |amount| Event::Expired { grant: GrantId(1), amount: usd(amount) };
        for (events, faults) in [
            (vec![granted(1, 100), held(1, 60), settled(1, 50, 50, 50)], vec![]),
            (vec![granted(1, 100), held(1, 60), voided(1), expired(100)], vec![]),
            (vec![granted(1, 100), held(1, 60), settled(1, 120, 100, 100)], vec![]),
            (vec![granted(1, 100), held(1, 60), held(2, 50)], vec!["10 nano-USD more is held"]),
            (vec![granted(1, 100), granted(1, 1)], vec!["given twice"]),
            (vec![granted(1, 100), held(1, 1), voided(1), voided(1)], vec!["ends twice"]),
            (vec![granted(1, 100), held(1, 1), voided(1), held(1, 1)], vec!["held twice"]),
            (vec![voided(1)], vec!["was not held"]),
            (vec![extended], vec!["extended and not held"]),
            (vec![granted(1, 100), held(1, 10), wrong_cost], vec!["and says"]),
            (vec![granted(1, 9), held(1, 9), settled(1, 9, 9, 8)], vec!["draws 8 nano-USD"]),
            (vec![granted(1, 9), expired(10)], vec!["9 nano-USD left", "1 nano-USD more"]),
            (vec![expired(1)], vec!["never given", "1 nano-USD more"]),
            (vec![granted(1, 9), held_of(1, 1)], vec!["of the credit that may pay for it"]),
            (vec![paid("a", 1, 9), back("b", 1, 20, 9)], vec![]),
            (vec![paid("a", 1, 9), back("a", 1, 9, 9)], vec!["`a` is told twice"]),
            (vec![paid("a", 1, 9), back("b", 1, 4, 5)], vec!["4 was asked for"]),
            (
                vec![paid("a", 1, 9), back("b", 1, 9, 9), back("c", 1, 9, 1)],
                vec!["0 nano-USD left", "1 nano-USD more"],
            ),
            (vec![granted(1, 9), back("b", 1, 9, 9)], vec!["not its own"]),
            (vec![granted(1, 9), reclaimed], vec!["nothing claims"]),
        ] {
            let mut audit = Audit::default();
            let found: Vec<_> = events.iter().flat_map(|event| audit.event(event)).collect();
            assert_eq!(found.len(), faults.len(), "{found:?}");
            for (found, fault) in found.iter().zip(faults) {
                assert!(found.contains(fault), "`{found}` and not `{fault}`");
            }
            let Totals { granted, settled, expired, refunded, charged_back, balance, .. } =
                audit.totals;
            assert_eq!(balance, granted - settled - expired - refunded - charged_back);
        }
    }
}
