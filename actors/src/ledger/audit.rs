//! A second, simpler ledger of one account, that must agree with the first. Pure.
//!
//! It shares no code with the account's own state but the price formula: it only asks, of each event
//! in turn, whether the money for it was there and whether the numbers in it add up.

use std::collections::{HashMap, HashSet};

use crate::account::{Event, Settlement};
use crate::id::{GrantId, HoldId};
use crate::money::NanoUsd;

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
    /// `granted - settled - expired`.
    pub balance: i128,
    /// Set aside for exchanges that have not ended.
    pub held: i128,
}

/// One account's books.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) totals: Totals,
    /// What is left of each credit lot.
    grants: HashMap<GrantId, i128>,
    holds: HashMap<HoldId, i128>,
    ended: HashSet<HoldId>,
}

impl Totals {
    /// Adds another account's sums.
    pub(super) fn add(&mut self, other: &Self) {
        self.granted += other.granted;
        self.settled += other.settled;
        self.absorbed += other.absorbed;
        self.expired += other.expired;
        self.balance += other.balance;
        self.held += other.held;
    }
}

impl Audit {
    /// Takes the account's next event, and gives what is wrong with it.
    pub(super) fn event(&mut self, event: &Event) -> Vec<String> {
        let mut faults = Vec::new();
        match event {
            Event::Granted { grant, amount, .. } => self.granted(*grant, *amount, &mut faults),
            Event::Expired { grant, amount } => {
                self.draw(*grant, *amount, "lapsed", &mut faults);
                self.totals.expired += wide(*amount);
                self.totals.balance -= wide(*amount);
            }
            Event::Held { hold, amount, .. } => self.held(*hold, *amount, &mut faults),
            Event::Extended { hold, amount } => self.extended(*hold, *amount, &mut faults),
            Event::Settled(settlement) => self.settled(settlement, &mut faults),
            Event::Voided { hold, .. } => self.ended(*hold, &mut faults),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyCreated { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::KeyRotated { .. }
            | Event::BudgetsChanged { .. } => return faults,
        }
        let available = self.totals.balance - self.totals.held;
        if available < 0 {
            faults.push(format!("{} nano-USD more is held or spent than there is", -available));
        }
        faults
    }

    fn granted(&mut self, grant: GrantId, amount: NanoUsd, faults: &mut Vec<String>) {
        if amount.is_negative() {
            faults.push(format!("{grant} is negative"));
        }
        if self.grants.insert(grant, wide(amount)).is_some() {
            faults.push(format!("{grant} is given twice"));
        }
        self.totals.granted += wide(amount);
        self.totals.balance += wide(amount);
    }

    fn draw(&mut self, grant: GrantId, amount: NanoUsd, verb: &str, faults: &mut Vec<String>) {
        let Some(left) = self.grants.get_mut(&grant) else {
            faults.push(format!("{amount} USD {verb} of {grant}, which was never given"));
            return;
        };
        if amount.is_negative() || wide(amount) > *left {
            faults.push(format!("{amount} USD {verb} of {grant}, which has {left} nano-USD left"));
        }
        *left -= wide(amount);
    }

    fn held(&mut self, hold: HoldId, amount: NanoUsd, faults: &mut Vec<String>) {
        if amount.is_negative() {
            faults.push(format!("{hold} holds a negative amount"));
        }
        let is_new = !self.ended.contains(&hold);
        let before = self.holds.insert(hold, wide(amount));
        if before.is_some() || !is_new {
            faults.push(format!("{hold} is held twice"));
        }
        self.totals.held += wide(amount) - before.unwrap_or_default();
    }

    fn extended(&mut self, hold: HoldId, more: NanoUsd, faults: &mut Vec<String>) {
        match self.holds.get_mut(&hold) {
            Some(amount) if !more.is_negative() => {
                *amount += wide(more);
                self.totals.held += wide(more);
            }
            Some(_) => faults.push(format!("{hold} is extended by a negative amount")),
            None => faults.push(format!("{hold} is extended and not held")),
        }
    }

    fn ended(&mut self, hold: HoldId, faults: &mut Vec<String>) {
        let amount = self.holds.remove(&hold);
        self.totals.held -= amount.unwrap_or_default();
        if !self.ended.insert(hold) {
            faults.push(format!("{hold} ends twice"));
        } else if amount.is_none() {
            faults.push(format!("{hold} ends and was not held"));
        }
    }

    fn settled(&mut self, settlement: &Settlement, faults: &mut Vec<String>) {
        let Settlement { hold, rates, usage, markup, cost, charged, absorbed, .. } = settlement;
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
        for draw in &settlement.draws {
            self.draw(draw.grant, draw.amount, "drawn", faults);
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
        ] {
            let mut audit = Audit::default();
            let found: Vec<_> = events.iter().flat_map(|event| audit.event(event)).collect();
            assert_eq!(found.len(), faults.len(), "{found:?}");
            for (found, fault) in found.iter().zip(faults) {
                assert!(found.contains(fault), "`{found}` and not `{fault}`");
            }
            let Totals { granted, settled, expired, balance, .. } = audit.totals;
            assert_eq!(balance, granted - settled - expired);
        }
    }
}
