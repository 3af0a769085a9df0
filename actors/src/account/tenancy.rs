//! What an account has besides money and keys. Pure.

use serde::{Deserialize, Serialize};

use super::keyring::Keyring;
use super::member::Members;
use super::plan::Plan;
use super::project::Projects;
use super::subscription::Subscription;
use super::watch::Watch;
use super::{Event, Settlement, once, operators};
use crate::id::KeyId;

/// A part of the account's state, and the fold of the same events. Behind everything else in a snapshot.
///
/// Most accounts have little of it: what is not there costs a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tenancy {
    pub(super) projects: Option<Box<Projects>>,
    pub(super) members: Option<Box<Members>>,
    pub(super) plan: Option<Box<Plan>>,
    pub(super) subscription: Option<Box<Subscription>>,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) operators: Option<Box<operators::State>>,
    /// What keys have beside their settings; of the events of keys.
    pub(super) keyring: Option<Box<Keyring>>,
    /// What its owners asked under idempotency keys within a day.
    pub(super) once: Option<Box<once::State>>,
}

impl Tenancy {
    /// Folds one event in; those of money and keys leave it as it is.
    pub(super) fn fold(&mut self, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::Project(event) => self.projects.get_or_insert_default().fold(event),
            Event::Watch(event) => self.watch.get_or_insert_default().fold(event),
            _ => Ok(()),
        }
    }

    /// Forgets what is too old to be of any use, as far as it is found without looking through it.
    pub(super) fn forget_old(&mut self, now_ms: u64) {
        if self.once.as_mut().is_some_and(|once| once.forget_old(now_ms)) {
            self.once = None;
        }
    }

    /// Forgets what is of no use once a key is revoked, which it stays.
    pub(super) fn revoked(&mut self, key: KeyId) {
        if let Some(watch) = &mut self.watch {
            watch.revoked(key);
        }
        if let Some(keyring) = &mut self.keyring {
            keyring.revoked(key);
        }
    }

    /// Counts what a settlement charged.
    pub(super) fn settled(&mut self, settlement: &Settlement, at_ms: u64) {
        let Settlement { key, charged, record, .. } = settlement;
        if let (Some(projects), Some(project)) = (&mut self.projects, record.project) {
            projects.settled(project, *charged, at_ms);
        }
        if let Some(keyring) = &mut self.keyring {
            keyring.settled(*key, *charged, record.client, at_ms);
        }
    }
}
