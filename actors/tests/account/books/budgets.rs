//! Whose budgets applied to each hold when it was taken, and what was spent and held of each.

use std::collections::HashMap;

use infergate_actors::account::{
    Budget, Event, KeyChange, Order, Period, ProjectChange, ProjectEvent,
};
use infergate_actors::id::{HoldId, KeyId, ProjectId};
use infergate_actors::ledger::Record;

use super::nano;

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Owner {
    Account,
    Key(KeyId),
    Project(ProjectId),
}

/// What events say of budgets, and nothing of how any was decided.
#[derive(Default)]
pub(crate) struct Budgets {
    project_of: HashMap<KeyId, ProjectId>,
    holds: HashMap<HoldId, (Vec<Owner>, i64)>,
    /// Whose budgets applied, when, and how much.
    charges: Vec<(Vec<Owner>, u64, i64)>,
    /// Of everybody who was ever given one: spending counts from there.
    limits_of: HashMap<Owner, Vec<Budget>>,
    /// What may be spent and held in all: the budget, or what was before it was lowered.
    caps: HashMap<(Owner, Period), i64>,
}

impl Budgets {
    pub(crate) fn take(&mut self, record: &Record) {
        let at_ms = record.at_ms;
        match &record.event {
            Event::Held { hold, key, amount } | Event::HeldOf { hold, key, amount, .. } => {
                let owners = self.owners(*key);
                assert!(self.holds.insert(*hold, (owners, amount.nano())).is_none(), "held twice");
            }
            Event::Extended { hold, amount } => {
                self.holds.get_mut(hold).expect("a hold").1 += amount.nano();
            }
            Event::Settled(bill) => {
                let (owners, _) = self.holds.remove(&bill.hold).expect("a hold, settled once");
                let project = bill.record.project.map(Owner::Project);
                assert_eq!(project, owners.get(2).copied(), "usage says what the hold did");
                let counted = owners.into_iter().filter(|owner| self.limits_of.contains_key(owner));
                self.charges.push((counted.collect(), at_ms, bill.charged.nano()));
            }
            Event::Voided { hold, .. } => {
                self.holds.remove(hold).expect("a hold, voided once");
            }
            Event::BudgetsChanged { budgets } => self.set(Owner::Account, budgets, at_ms),
            Event::KeyChanged { key, changes } => self.key_changed(*key, changes, at_ms),
            Event::Project(event) => self.project(event, at_ms),
            _ => {}
        }
    }

    /// Whose budgets apply to a hold: the account's, the key's, the project's that the key had.
    pub(crate) fn owners_of(&self, hold: HoldId) -> Option<Vec<Owner>> {
        self.holds.get(&hold).map(|(owners, _)| owners.clone())
    }

    /// What an open hold may still spend.
    pub(crate) fn held_by(&self, hold: HoldId) -> Option<i64> {
        self.holds.get(&hold).map(|(_, nano)| *nano)
    }

    /// What all open holds may still spend.
    pub(crate) fn held(&self) -> i64 {
        self.holds.values().map(|(_, nano)| nano).sum()
    }

    pub(crate) fn of(&self, owner: Owner) -> &[Budget] {
        self.limits_of.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// All budgets that there are.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (Owner, Period, i64)> {
        let of = |(owner, budgets): (&Owner, &Vec<Budget>)| {
            let owner = *owner;
            let limit = move |it: &Budget| (owner, it.period, it.limit.nano());
            budgets.iter().map(limit).collect::<Vec<_>>()
        };
        self.limits_of.iter().flat_map(of)
    }

    /// What was spent in the period that a moment lies in.
    pub(crate) fn spent(&self, owner: Owner, period: Period, now_ms: u64) -> i64 {
        let began = period.began_at_ms(now_ms);
        let is_in = |(owners, at_ms, _): &&(Vec<Owner>, u64, i64)| {
            owners.contains(&owner) && *at_ms >= began
        };
        self.charges.iter().filter(is_in).map(|(.., nano)| nano).sum()
    }

    /// Whose budgets apply to what a key begins now.
    pub(crate) fn owners(&self, key: KeyId) -> Vec<Owner> {
        let project = self.project_of.get(&key).map(|project| Owner::Project(*project));
        [Owner::Account, Owner::Key(key)].into_iter().chain(project).collect()
    }

    fn key_changed(&mut self, key: KeyId, changes: &[KeyChange], at_ms: u64) {
        for change in changes {
            match change {
                KeyChange::Budgets(budgets) => self.set(Owner::Key(key), budgets, at_ms),
                KeyChange::Project(Some(project)) => {
                    self.project_of.insert(key, *project);
                }
                KeyChange::Project(None) => {
                    self.project_of.remove(&key);
                }
                _ => {}
            }
        }
    }

    fn project(&mut self, event: &ProjectEvent, at_ms: u64) {
        match event {
            ProjectEvent::Created { project, new, .. } if !new.budgets.is_empty() => {
                self.set(Owner::Project(*project), &new.budgets, at_ms);
            }
            ProjectEvent::Changed { project, changes } => {
                for change in changes {
                    if let ProjectChange::Budgets(budgets) = change {
                        self.set(Owner::Project(*project), budgets, at_ms);
                    }
                }
            }
            ProjectEvent::Created { .. }
            | ProjectEvent::Archived { .. }
            | ProjectEvent::Restored { .. } => {}
        }
    }

    fn set(&mut self, owner: Owner, budgets: &[Budget], at_ms: u64) {
        for Budget { period, limit } in budgets {
            let cap = limit.nano().max(self.taken(owner, *period, at_ms));
            self.caps.insert((owner, *period), cap);
        }
        self.limits_of.insert(owner, budgets.to_vec());
    }

    /// What is spent and held.
    pub(crate) fn taken(&self, owner: Owner, period: Period, now_ms: u64) -> i64 {
        let held = self.holds.values().filter(|(owners, _)| owners.contains(&owner));
        self.spent(owner, period, now_ms) + held.map(|(_, nano)| nano).sum::<i64>()
    }

    /// Nothing that a budget applies to goes beyond it.
    pub(crate) fn check(&mut self, now_ms: u64) {
        for (owner, budgets) in &self.limits_of {
            for Budget { period, limit } in budgets {
                let taken = self.taken(*owner, *period, now_ms);
                let cap = self.caps[&(*owner, *period)];
                assert!(taken <= cap, "{owner:?} {period:?}: {taken} of {cap}");
                self.caps.insert((*owner, *period), cap.min(limit.nano().max(taken)));
            }
        }
    }
}

/// The order that gives this owner this budget alone, or none.
pub(crate) fn budget_order(owner: Owner, period: Period, amount: Option<i64>) -> Order {
    let budgets: Vec<_> =
        amount.map(|amount| Budget { period, limit: nano(amount) }).into_iter().collect();
    match owner {
        Owner::Account => Order::SetBudgets(budgets),
        Owner::Key(key) => Order::ChangeKey { key, changes: vec![KeyChange::Budgets(budgets)] },
        Owner::Project(project) => {
            Order::ChangeProject { project, changes: vec![ProjectChange::Budgets(budgets)] }
        }
    }
}
