//! What governs an account beside its limits: its budgets, and what its keys have been given since they
//! were created. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::budget::{Counted, Room, Spending};
use super::project::Spender;
use super::state::Account;
use super::{Budget, BudgetView, FormerSecret, KeyChange, KeySettings, Scope};
use crate::id::{KeyHash, KeyId};
use crate::money::NanoUsd;

/// A part of the account's state, and the fold of the same events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    /// Of keys that were changed.
    keys: BTreeMap<KeyId, KeySettings>,
    /// The account's own budgets, one of a kind.
    budgets: Vec<Budget>,
    /// What the account spent, counted since it has had a budget.
    spending: Option<Box<Spending>>,
}

impl Rules {
    /// What a key has been given.
    pub(super) fn key(&self, key: KeyId) -> Option<&KeySettings> {
        self.keys.get(&key)
    }

    /// The account's own budgets.
    pub(super) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// A hold set aside so much, or so much more.
    pub(super) fn held(&mut self, key: KeyId, amount: NanoUsd) {
        if let Some(settings) = self.keys.get_mut(&key) {
            settings.held(amount);
        }
    }

    /// A hold of so much ended.
    pub(super) fn ended(&mut self, key: KeyId, amount: NanoUsd) {
        if let Some(settings) = self.keys.get_mut(&key) {
            settings.ended(amount);
        }
    }

    /// So much was charged.
    pub(super) fn settled(&mut self, key: KeyId, charged: NanoUsd, at_ms: u64) {
        if let Some(settings) = self.keys.get_mut(&key) {
            settings.settled(charged, at_ms);
        }
        if let Some(spending) = &mut self.spending {
            spending.add(charged, at_ms);
        }
    }

    /// The account's own budgets are others.
    pub(super) fn set_budgets(&mut self, budgets: &[Budget]) {
        self.budgets = budgets.to_vec();
        self.spending.get_or_insert_default();
    }
}

impl Account {
    /// Its own budgets.
    pub fn budgets(&self) -> &[Budget] {
        self.rules.budgets()
    }

    /// What a key has beside what it was created with.
    pub fn key_settings(&self, key: KeyId) -> KeySettings {
        self.rules.key(key).cloned().unwrap_or_default()
    }

    /// Every secret that any of its keys has, and of those they had before all that work still.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &KeyHash> {
        let former = self.rules.keys.values().flat_map(|settings| &settings.former);
        self.keys.iter().map(|key| &key.hash).chain(former.map(|former| &former.hash))
    }

    /// What the tightest budget over a spender leaves for new holds; `None` where there is no budget.
    pub(super) fn room(&self, spender: Spender, now_ms: u64) -> Option<Room> {
        let Spender { key, project } = spender;
        let of_key = self.rules.key(key).and_then(|settings| settings.room(now_ms));
        let project = project.and_then(|project| self.project(project));
        let of_project = project.and_then(|project| project.room(now_ms));
        let of_account = self.rules.spending.as_deref().and_then(|spending| {
            spending.room(Scope::Account, &self.rules.budgets, self.totals.held, now_ms)
        });
        [of_key, of_project, of_account].into_iter().flatten().reduce(Room::tighter)
    }

    /// The account's own budgets, if it has any, and what is counted for them.
    pub(super) fn counted(&self) -> Option<Counted<'_>> {
        let (budgets, spending) = (&self.rules.budgets, self.rules.spending.as_deref()?);
        (!budgets.is_empty()).then_some(Counted { budgets, spending })
    }

    /// The same of a key.
    pub(super) fn key_counted(&self, key: KeyId) -> Option<Counted<'_>> {
        let settings = self.rules.key(key)?;
        let (budgets, spent) = (&settings.budgets, settings.spending.as_deref()?);
        (!budgets.is_empty()).then_some(Counted { budgets, spending: &spent.spending })
    }

    /// The account's own budgets as they are now.
    pub(super) fn budget_views(&self, now_ms: u64) -> Vec<BudgetView> {
        let spending = self.rules.spending.as_deref().copied().unwrap_or_default();
        let view = |budget: &Budget| spending.view(*budget, self.totals.held, now_ms);
        self.rules.budgets.iter().map(view).collect()
    }

    /// A key's budgets as they are now.
    pub(super) fn key_budget_views(&self, key: KeyId, now_ms: u64) -> Vec<BudgetView> {
        let Some(settings) = self.rules.key(key) else { return Vec::new() };
        let Some(spent) = settings.spending.as_deref() else { return Vec::new() };
        let view = |budget: &Budget| spent.spending.view(*budget, spent.held, now_ms);
        settings.budgets.iter().map(view).collect()
    }

    /// Folds changes of a key in.
    pub(super) fn change_key(
        &mut self,
        id: KeyId,
        changes: &[KeyChange],
    ) -> Result<(), &'static str> {
        let held = || self.holds.values().filter(|hold| hold.key == id).map(|hold| hold.amount);
        let held = held().sum();
        let key = self.keys.iter_mut().find(|candidate| candidate.id == id);
        let key = key.ok_or("it changes a key that does not exist")?;
        let settings = self.rules.keys.entry(id).or_default();
        for change in changes {
            change.make(key, settings, held);
        }
        changes.iter().try_for_each(|change| self.change_membership(id, change))
    }

    /// Folds another secret of a key in.
    pub(super) fn rotate_key(
        &mut self,
        id: KeyId,
        (hash, hint): (KeyHash, &str),
        until_ms: u64,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        let key = self.keys.iter_mut().find(|candidate| candidate.id == id);
        let key = key.ok_or("it rotates a key that does not exist")?;
        let former = FormerSecret {
            hash: std::mem::replace(&mut key.hash, hash),
            hint: std::mem::replace(&mut key.hint, hint.to_owned()),
            until_ms,
        };
        let settings = self.rules.keys.entry(id).or_default();
        settings.rotated(former, at_ms);
        // Whichever secret it was that somebody else has, it is none that works.
        let keyring = self.tenancy.keyring.as_deref_mut();
        if keyring.is_some_and(|keyring| keyring.rotated(id)) {
            settings.end_former(at_ms);
        }
        Ok(())
    }
}
