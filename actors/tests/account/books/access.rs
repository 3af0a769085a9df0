//! What may begin anything: no revoked key, no archived project's, and nothing of an account that is
//! not in use.

use std::collections::BTreeSet;

use infergate_actors::account::{Event, ProjectEvent, Status};
use infergate_actors::id::{KeyId, ProjectId};
use infergate_actors::ledger::Record;

use super::{Budgets, Owner};

/// What was shut, by the events alone.
#[derive(Default)]
pub(crate) struct Access {
    keys_made: u32,
    revoked: BTreeSet<KeyId>,
    archived: BTreeSet<ProjectId>,
    status: Status,
}

impl Access {
    /// Takes an event in, in front of `budgets`, which know the key's project. All models cost something.
    pub(crate) fn take(&mut self, record: &Record, budgets: &Budgets) {
        match &record.event {
            Event::KeyCreated { key } => {
                assert_eq!(key.id.0, self.keys_made + 1);
                self.keys_made = key.id.0;
            }
            Event::KeyRevoked { key, .. } => {
                assert!(self.revoked.insert(*key), "{key} revoked twice");
            }
            Event::StatusSet(set) => self.status = set.status,
            Event::Project(event) => match &**event {
                ProjectEvent::Archived { project, .. } => {
                    self.archived.insert(*project);
                }
                ProjectEvent::Restored { project } => {
                    self.archived.remove(project);
                }
                ProjectEvent::Created { .. } | ProjectEvent::Changed { .. } => {}
            },
            Event::Held { key, .. } | Event::HeldOf { key, .. } => {
                assert_eq!(self.status, Status::Active, "begun while it may not");
                assert!(!self.revoked.contains(key), "begun with {key}, which is revoked");
                let shut = |owner: &Owner| match owner {
                    Owner::Project(project) => self.archived.contains(project),
                    Owner::Account | Owner::Key(_) => false,
                };
                assert!(!budgets.owners(*key).iter().any(shut), "begun for an archived project");
            }
            Event::Extended { .. } => assert_ne!(self.status, Status::Suspended),
            _ => {}
        }
    }

    /// One of the youngest keys.
    pub(crate) fn key(&self, place: u32) -> KeyId {
        KeyId(self.keys_made - place % self.keys_made)
    }

    pub(crate) fn is_revoked(&self, key: KeyId) -> bool {
        self.revoked.contains(&key)
    }
}
