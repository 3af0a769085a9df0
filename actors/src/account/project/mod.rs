//! Projects: parts of an account, with budgets and limits of their own that their keys inherit. Pure.
//!
//! A request must fit its key, its key's project and its account. What a hold sets aside counts to the
//! project that its key had then, until it ends, whatever becomes of the key meanwhile.

mod orders;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::{Counted, Room, Spending};
use super::settings::allows;
use super::state::Account;
use super::{Budget, BudgetView, Limits, Scope};
use crate::id::{HoldId, KeyId, ProjectId};
use crate::money::NanoUsd;

/// More projects than an account can mean to have.
const PROJECTS_MAX: usize = 1_000;

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectEvent {
    /// A project exists from here on.
    Created {
        /// Its number in the account, one more than that of the last.
        project: ProjectId,
        /// What it begins with.
        new: NewProject,
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// It was changed.
    Changed {
        /// Which.
        project: ProjectId,
        /// How.
        changes: Vec<ProjectChange>,
    },
    /// Its keys do not work any more.
    Archived {
        /// Which.
        project: ProjectId,
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// They work again.
    Restored {
        /// Which.
        project: ProjectId,
    },
}

/// What a project begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewProject {
    /// A name for people; not unique.
    pub name: String,
    /// Public model names its keys may use; `*` matches anything. Empty: all.
    pub models: Vec<String>,
    /// Of all its keys together.
    pub limits: Limits,
    /// Of all its keys together, one of a kind.
    pub budgets: Vec<Budget>,
}

/// One change of a project. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProjectChange {
    /// A name for people.
    Name(String),
    /// Public model names its keys may use; `*` matches anything. Empty: all.
    Models(Vec<String>),
    /// Of all its keys together.
    Limits(Limits),
    /// Of all its keys together, one of a kind.
    Budgets(Vec<Budget>),
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its number in the account.
    pub id: ProjectId,
    /// What it was given, as it is now.
    pub has: NewProject,
    /// When it was created, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Since when its keys do not work, in milliseconds since 1970.
    pub archived_at_ms: Option<u64>,
    /// What its open holds may still spend.
    held: NanoUsd,
    /// What it spent, counted since it has had a budget.
    spending: Option<Box<Spending>>,
}

/// The projects of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Projects {
    /// In the order of their numbers, which count from 1.
    list: Vec<Project>,
    /// The project of each key that has one.
    keys: BTreeMap<KeyId, ProjectId>,
    /// The project of each open hold that counts to one.
    holds: BTreeMap<HoldId, ProjectId>,
}

/// Who spends, as far as budgets and limits ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spender {
    pub(super) key: KeyId,
    pub(super) project: Option<ProjectId>,
}

impl Project {
    /// Its budgets, if it has any, and what is counted for them.
    pub(super) fn counted(&self) -> Option<Counted<'_>> {
        let (budgets, spending) = (&self.has.budgets, self.spending.as_deref()?);
        (!budgets.is_empty()).then_some(Counted { budgets, spending })
    }

    fn new(id: ProjectId, new: &NewProject, at_ms: u64) -> Self {
        let spending = (!new.budgets.is_empty()).then(Box::default);
        Self {
            id,
            has: new.clone(),
            created_at_ms: at_ms,
            archived_at_ms: None,
            held: NanoUsd::ZERO,
            spending,
        }
    }

    /// Whether its keys may use the public model name `model`.
    pub fn allows(&self, model: &str) -> bool {
        allows(&self.has.models, model)
    }

    /// What its budgets leave for new holds.
    pub(super) fn room(&self, now_ms: u64) -> Option<Room> {
        let spending = self.spending.as_deref()?;
        spending.room(Scope::Project, &self.has.budgets, self.held, now_ms)
    }

    /// Its budgets at a moment, in milliseconds since 1970.
    pub fn budget_views(&self, now_ms: u64) -> Vec<BudgetView> {
        let spending = self.spending.as_deref().copied().unwrap_or_default();
        self.has.budgets.iter().map(|budget| spending.view(*budget, self.held, now_ms)).collect()
    }

    fn is_so(&self, change: &ProjectChange) -> bool {
        match change {
            ProjectChange::Name(name) => *name == self.has.name,
            ProjectChange::Models(models) => *models == self.has.models,
            ProjectChange::Limits(limits) => *limits == self.has.limits,
            ProjectChange::Budgets(budgets) => *budgets == self.has.budgets,
        }
    }

    fn change(&mut self, change: &ProjectChange) {
        match change {
            ProjectChange::Name(name) => self.has.name.clone_from(name),
            ProjectChange::Models(models) => self.has.models.clone_from(models),
            ProjectChange::Limits(limits) => self.has.limits = *limits,
            ProjectChange::Budgets(budgets) => {
                self.has.budgets.clone_from(budgets);
                self.spending.get_or_insert_default();
            }
        }
    }
}

impl Projects {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &ProjectEvent) -> Result<(), &'static str> {
        match event {
            ProjectEvent::Created { project, new, at_ms } => {
                if usize::try_from(project.0) != Ok(self.list.len() + 1) {
                    return Err("its number is not that of the next project");
                }
                self.list.push(Project::new(*project, new, *at_ms));
            }
            ProjectEvent::Changed { project, changes } => {
                let project = self.known(*project)?;
                for change in changes {
                    project.change(change);
                }
            }
            ProjectEvent::Archived { project, at_ms } => {
                self.known(*project)?.archived_at_ms = Some(*at_ms);
            }
            ProjectEvent::Restored { project } => self.known(*project)?.archived_at_ms = None,
        }
        Ok(())
    }

    pub(super) fn get(&self, project: ProjectId) -> Option<&Project> {
        self.list.get(place(project)?)
    }

    fn known(&mut self, project: ProjectId) -> Result<&mut Project, &'static str> {
        let known = place(project).and_then(|place| self.list.get_mut(place));
        known.ok_or("it names a project that does not exist")
    }

    /// A key belongs to this project from here on.
    pub(super) fn give(
        &mut self,
        key: KeyId,
        project: Option<ProjectId>,
    ) -> Result<(), &'static str> {
        match project {
            None => self.keys.remove(&key),
            Some(project) => {
                self.known(project)?;
                self.keys.insert(key, project)
            }
        };
        Ok(())
    }

    /// A hold set aside so much.
    pub(super) fn held(&mut self, hold: HoldId, key: KeyId, amount: NanoUsd) {
        let Some(project) = self.keys.get(&key).copied() else { return };
        self.holds.insert(hold, project);
        self.extended(hold, amount);
    }

    /// It set aside so much more.
    pub(super) fn extended(&mut self, hold: HoldId, amount: NanoUsd) {
        let Some(project) = self.holds.get(&hold).copied() else { return };
        if let Ok(project) = self.known(project) {
            project.held = project.held.saturating_add(amount);
        }
    }

    /// A hold of so much ended.
    pub(super) fn ended(&mut self, hold: HoldId, amount: NanoUsd) {
        let Some(project) = self.holds.remove(&hold) else { return };
        if let Ok(project) = self.known(project) {
            project.held = project.held.saturating_sub(amount);
        }
    }

    /// So much was charged to this project.
    pub(super) fn settled(&mut self, project: ProjectId, charged: NanoUsd, at_ms: u64) {
        if let Ok(project) = self.known(project)
            && let Some(spending) = &mut project.spending
        {
            spending.add(charged, at_ms);
        }
    }
}

impl Account {
    /// Its projects, in the order of their numbers.
    pub fn projects(&self) -> &[Project] {
        self.tenancy.projects.as_deref().map_or(&[], |projects| &projects.list)
    }

    /// One of them.
    pub fn project(&self, project: ProjectId) -> Option<&Project> {
        self.tenancy.projects.as_deref()?.get(project)
    }

    /// The project that a key belongs to.
    pub fn project_of(&self, key: KeyId) -> Option<ProjectId> {
        self.tenancy.projects.as_deref()?.keys.get(&key).copied()
    }

    /// The project that an open hold counts to.
    pub fn project_of_hold(&self, hold: HoldId) -> Option<ProjectId> {
        self.tenancy.projects.as_deref()?.holds.get(&hold).copied()
    }

    /// How many open holds count to a project.
    pub(super) fn holds_of(&self, project: ProjectId) -> usize {
        let projects = self.tenancy.projects.as_deref();
        projects.map_or(0, |known| known.holds.values().filter(|of| **of == project).count())
    }

    /// Who a new hold of `key` is spent by.
    pub(super) fn spender(&self, key: KeyId) -> Spender {
        Spender { key, project: self.project_of(key) }
    }

    /// Who an open hold of `key` is spent by.
    pub(super) fn spender_of(&self, hold: HoldId, key: KeyId) -> Spender {
        Spender { key, project: self.project_of_hold(hold) }
    }
}

fn place(project: ProjectId) -> Option<usize> {
    usize::try_from(project.0).ok()?.checked_sub(1)
}
