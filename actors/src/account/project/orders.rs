//! What an account answers to orders about its projects. Pure.

use smallvec::SmallVec;

use super::{NewProject, PROJECTS_MAX, Project, ProjectChange, ProjectEvent};
use crate::account::state::Account;
use crate::account::{Denial, Event, Order, budget};
use crate::id::ProjectId;

impl Account {
    /// Decides an order about projects; there is nothing to any other.
    pub(in crate::account) fn project_order(
        &self,
        order: &Order,
        now_ms: u64,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        let event = match order {
            Order::CreateProject(new) => Some(self.create_project(new, now_ms)?),
            Order::ChangeProject { project, changes } => self.change_project(*project, changes)?,
            Order::ArchiveProject(project) => self.archive_project(*project, now_ms)?,
            Order::RestoreProject(project) => self.restore_project(*project)?,
            _ => None,
        };
        Ok(event.into_iter().collect())
    }

    fn create_project(&self, new: &NewProject, now_ms: u64) -> Result<Event, Denial> {
        budget::check(&new.budgets)?;
        let before = self.projects().len();
        if before >= PROJECTS_MAX {
            return Err(Denial::TooManyProjects);
        }
        let number = u32::try_from(before + 1).map_err(|_| Denial::TooManyProjects)?;
        let (project, new) = (ProjectId(number), new.clone());
        Ok(event(ProjectEvent::Created { project, new, at_ms: now_ms }))
    }

    /// What is so already is not written again.
    fn change_project(
        &self,
        project: ProjectId,
        changes: &[ProjectChange],
    ) -> Result<Option<Event>, Denial> {
        let known = self.known_project(project)?;
        for change in changes {
            if let ProjectChange::Budgets(budgets) = change {
                budget::check(budgets)?;
            }
        }
        let is_new = |change: &&ProjectChange| !known.is_so(change);
        let changes: Vec<_> = changes.iter().filter(is_new).cloned().collect();
        let is_other = !changes.is_empty();
        Ok(is_other.then_some(event(ProjectEvent::Changed { project, changes })))
    }

    /// Archiving what is archived, and restoring what is in use, changes nothing.
    fn archive_project(&self, project: ProjectId, now_ms: u64) -> Result<Option<Event>, Denial> {
        let is_archived = self.known_project(project)?.archived_at_ms.is_some();
        let archived = ProjectEvent::Archived { project, at_ms: now_ms };
        Ok((!is_archived).then_some(event(archived)))
    }

    fn restore_project(&self, project: ProjectId) -> Result<Option<Event>, Denial> {
        let is_archived = self.known_project(project)?.archived_at_ms.is_some();
        Ok(is_archived.then_some(event(ProjectEvent::Restored { project })))
    }

    /// Whether a key may be given to this project.
    pub(in crate::account) fn may_join(&self, project: ProjectId) -> Result<(), Denial> {
        match self.known_project(project)?.archived_at_ms {
            None => Ok(()),
            Some(_) => Err(Denial::ProjectArchived),
        }
    }

    fn known_project(&self, project: ProjectId) -> Result<&Project, Denial> {
        self.project(project).ok_or(Denial::UnknownProject)
    }
}

fn event(event: ProjectEvent) -> Event {
    Event::Project(Box::new(event))
}
