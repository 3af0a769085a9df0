//! Projects as they are asked for, changed and shown, and why a key is restricted, as JSON. Pure.

use infergate_actors::account::{
    AccountView, Limits, NewProject, Order, ProjectChange, ProjectView, Restriction, Suspicion,
};
use infergate_actors::id::ProjectId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::account::Buckets;
use super::budget::Budgets;
use super::change::{BudgetsChange, LimitsChange};
use super::{MODELS_MAX, Problem, check_lists, check_models, id, or_default, page_limit, text};
use crate::openapi::{self, pattern};
use crate::operate::amount::{Amounts, wide};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

/// A project that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewProjectRequested")]
pub(crate) struct ProjectWanted {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    /// Names of models, `*` for anything; empty for all.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>", length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Limits>")]
    limits: Limits,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BudgetsChange>")]
    budgets: BudgetsChange,
}

/// A change of a project: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProjectChanges")]
pub(crate) struct ProjectUpdate {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: Option<String>,
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Option<Vec<String>>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<LimitsChange>")]
    limits: LimitsChange,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BudgetsChange>")]
    budgets: BudgetsChange,
}

/// Which projects are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectsPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::PROJECT))]
    after: Option<String>,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<usize>,
}

/// Projects in the order they were created.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProjectList")]
pub(crate) struct Projects {
    projects: Vec<Project>,
    /// The last of them, where there are more.
    next: Option<ProjectId>,
}

/// A project as it is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Project {
    id: ProjectId,
    name: String,
    models: Vec<String>,
    created_at_ms: u64,
    archived_at_ms: Option<u64>,
    limits: Limits,
    buckets: Buckets,
    budgets: Budgets,
}

/// What the guard found unusual of a key, and when.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restricted {
    at_ms: u64,
    suspicion: &'static str,
    networks_new: Option<u32>,
    #[serde(flatten)]
    #[schemars(schema_with = "spend_amounts")]
    amounts: Option<Amounts<2>>,
}

/// None of them where it is not about money.
fn spend_amounts(_: &mut SchemaGenerator) -> Schema {
    let mut schema = openapi::amounts(&["spent", "usual"]);
    schema.remove("required");
    schema
}

impl ProjectWanted {
    /// The order to create it.
    pub(crate) fn order(self) -> Result<Order, Problem> {
        let Self { name, models, limits, budgets } = self;
        text("name", &name)?;
        check_models(&models)?;
        check_lists(&[&models])?;
        let budgets = budgets.over(&[])?;
        Ok(Order::CreateProject(NewProject { name, models, limits, budgets }))
    }
}

impl ProjectUpdate {
    /// What there is to change of a project that is so.
    pub(crate) fn over(self, before: &ProjectView) -> Result<Vec<ProjectChange>, Problem> {
        let has = &before.project.has;
        let mut changes = vec![
            ProjectChange::Limits(self.limits.over(has.limits)),
            ProjectChange::Budgets(self.budgets.over(&has.budgets)?),
        ];
        if let Some(name) = self.name {
            text("name", &name)?;
            changes.push(ProjectChange::Name(name));
        }
        if let Some(models) = self.models {
            check_models(&models)?;
            check_lists(&[&models])?;
            changes.push(ProjectChange::Models(models));
        }
        Ok(changes)
    }
}

impl Projects {
    /// A page of those in `view`; where `only` is said, as if there were no other.
    pub(crate) fn page(
        view: &AccountView,
        only: Option<ProjectId>,
        page: &ProjectsPage,
    ) -> Result<Self, Problem> {
        let limit = page_limit(page.limit, PAGE_DEFAULT, PAGE_MAX)?;
        let after: Option<ProjectId> = page.after.as_deref().map(id).transpose()?;
        let is_asked = |view: &&ProjectView| {
            let id = view.project.id;
            after.is_none_or(|after| id > after) && only.is_none_or(|only| id == only)
        };
        let found = view.projects.iter().filter(is_asked);
        let mut found: Vec<&ProjectView> = found.take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.project.id);
        Ok(Self { projects: found.into_iter().map(Project::of).collect(), next })
    }
}

/// The project of this number.
pub(crate) fn find_project(
    view: &AccountView,
    project: ProjectId,
) -> Result<&ProjectView, Problem> {
    let found = view.projects.iter().find(|known| known.project.id == project);
    found.ok_or_else(|| Problem::not_found("the account has no such project"))
}

impl Project {
    /// Of the one with this number.
    pub(crate) fn find(view: &AccountView, project: ProjectId) -> Result<Self, Problem> {
        find_project(view, project).map(Self::of)
    }

    /// Of the one that was just created: numbers count on, and the view is of the moment of the order.
    pub(crate) fn newest(view: &AccountView) -> Result<Self, Problem> {
        let newest = view.projects.last().map(Self::of);
        newest.ok_or_else(|| Problem::unavailable("the new project is not there"))
    }

    /// Its number.
    pub(crate) fn id(&self) -> ProjectId {
        self.id
    }

    /// Of the view its account's actor gave.
    pub(crate) fn of(view: &ProjectView) -> Self {
        let ProjectView { project, budgets, usage } = view;
        Self {
            id: project.id,
            name: project.has.name.clone(),
            models: project.has.models.clone(),
            created_at_ms: project.created_at_ms,
            archived_at_ms: project.archived_at_ms,
            limits: project.has.limits,
            buckets: Buckets::of(usage),
            budgets: Budgets::of(budgets),
        }
    }
}

impl Restricted {
    pub(super) fn of(restriction: Restriction) -> Self {
        let Restriction { at_ms, suspicion } = restriction;
        let (suspicion, networks_new, amounts) = match suspicion {
            Suspicion::Networks { new } => ("networks", Some(new), None),
            Suspicion::Spend { spent, usual } => {
                let amounts = Amounts([("spent", wide(spent)), ("usual", wide(usual))]);
                ("spend", None, Some(amounts))
            }
        };
        Self { at_ms, suspicion, networks_new, amounts }
    }
}
