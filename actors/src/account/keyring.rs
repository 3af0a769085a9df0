//! What keys have been given beside their settings, and whether the guard has stopped them. Pure.
//!
//! Behind the projects in a snapshot, and not among a key's settings, whose bytes can't grow.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::guard::{GuardRules, Habits, Suspicion};
use super::state::Account;
use super::{Denial, Event, KeyChange, Presented};
use crate::id::KeyId;
use crate::money::NanoUsd;

/// That a key does not work until it is released or has another secret, since when, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Since when, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why.
    pub suspicion: Suspicion,
}

/// A part of the account's state, and the fold of the same events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keyring {
    /// Origins that a key may be used from, where those are not all.
    referrers: BTreeMap<KeyId, Vec<String>>,
    restricted: BTreeMap<KeyId, Restriction>,
    /// Of keys that the guard looks at.
    habits: BTreeMap<KeyId, Box<Habits>>,
}

impl Keyring {
    fn set_referrers(&mut self, key: KeyId, referrers: &[String]) {
        if referrers.is_empty() {
            self.referrers.remove(&key);
        } else {
            self.referrers.insert(key, referrers.to_vec());
        }
    }

    fn guard(&mut self, key: KeyId, on: bool, at_ms: u64) {
        if on {
            self.habits.insert(key, Box::new(Habits::new(at_ms)));
        } else {
            self.habits.remove(&key);
        }
    }

    /// A key's use until now is its own. Gives whether it was restricted.
    fn release(&mut self, key: KeyId) -> bool {
        if let Some(habits) = self.habits.get_mut(&key) {
            habits.excuse();
        }
        self.restricted.remove(&key).is_some()
    }

    /// A key has another secret. Gives whether it was restricted.
    pub(super) fn rotated(&mut self, key: KeyId) -> bool {
        let was_restricted = self.restricted.remove(&key).is_some();
        if was_restricted && let Some(habits) = self.habits.get_mut(&key) {
            habits.disown();
        }
        was_restricted
    }

    /// A key is looked at no more.
    pub(super) fn revoked(&mut self, key: KeyId) {
        self.habits.remove(&key);
        self.restricted.remove(&key);
    }

    /// So much was charged for a request from there.
    pub(super) fn settled(
        &mut self,
        key: KeyId,
        charged: NanoUsd,
        client: Option<IpAddr>,
        at_ms: u64,
    ) {
        if let Some(habits) = self.habits.get_mut(&key) {
            habits.settled(charged, client, at_ms);
        }
    }
}

impl Account {
    /// The origins that a key may be used from; none in the list: all.
    pub fn referrers(&self, key: KeyId) -> &[String] {
        let keyring = self.tenancy.keyring.as_deref();
        keyring.and_then(|keyring| keyring.referrers.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// Why the guard has stopped a key, if it has.
    pub fn restriction(&self, key: KeyId) -> Option<Restriction> {
        self.tenancy.keyring.as_deref()?.restricted.get(&key).copied()
    }

    /// Why a key may not be used as it was presented, beside what its settings say.
    pub(super) fn keyring_denial(&self, key: KeyId, presented: &Presented) -> Option<Denial> {
        let keyring = self.tenancy.keyring.as_deref()?;
        if keyring.restricted.contains_key(&key) {
            return Some(Denial::KeyRestricted);
        }
        let fits = keyring.referrers.get(&key).is_none_or(|known| presented.origin.fits(known));
        (!fits).then_some(Denial::ReferrerNotAllowed)
    }

    /// What the guard has to write down behind a settlement of this key, if there is one.
    pub(super) fn guarded(
        &self,
        key: KeyId,
        rules: Option<&GuardRules>,
        now_ms: u64,
    ) -> Option<Event> {
        let keyring = self.tenancy.keyring.as_deref();
        let habits = keyring.and_then(|keyring| keyring.habits.get(&key));
        match (rules, habits) {
            (None, None) => None,
            (None, Some(_)) => Some(Event::KeyGuarded { key, on: false }),
            // One that was revoked is settled once more, perhaps, and not looked at.
            (Some(_), None) if self.working_key(key).is_err() => None,
            (Some(_), None) => Some(Event::KeyGuarded { key, on: true }),
            (Some(rules), Some(habits)) => {
                let is_restricted = keyring?.restricted.contains_key(&key);
                let suspicion = habits.suspicion(rules, now_ms).filter(|_| !is_restricted)?;
                Some(Event::KeyRestricted { key, suspicion })
            }
        }
    }

    /// Folds a change in that is kept with projects, or here.
    pub(super) fn change_membership(
        &mut self,
        key: KeyId,
        change: &KeyChange,
    ) -> Result<(), &'static str> {
        match change {
            KeyChange::Project(project) => {
                self.tenancy.projects.get_or_insert_default().give(key, *project)?;
            }
            KeyChange::Referrers(referrers) => {
                self.tenancy.keyring.get_or_insert_default().set_referrers(key, referrers);
            }
            KeyChange::Name(_)
            | KeyChange::Tags(_)
            | KeyChange::Models(_)
            | KeyChange::ExpiresAtMs(_)
            | KeyChange::Limits(_)
            | KeyChange::Budgets(_)
            | KeyChange::Scopes(_)
            | KeyChange::AllowedIps(_)
            | KeyChange::FormerSecretsUntilMs(_) => {}
        }
        Ok(())
    }

    /// Folds what became of a key under the guard.
    pub(super) fn fold_guard(&mut self, event: &Event, at_ms: u64) -> Result<(), &'static str> {
        let keyring = self.tenancy.keyring.get_or_insert_default();
        match event {
            Event::KeyGuarded { key, on } => keyring.guard(*key, *on, at_ms),
            Event::KeyRestricted { key, suspicion } => {
                let restriction = Restriction { at_ms, suspicion: *suspicion };
                if keyring.restricted.insert(*key, restriction).is_some() {
                    return Err("it restricts a key that is restricted");
                }
            }
            Event::KeyReleased { key, .. } if !keyring.release(*key) => {
                return Err("it releases a key that is not restricted");
            }
            _ => {}
        }
        Ok(())
    }
}
