//! Projects within an account: created, listed, limited, archived and restored.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{
    AccountView, Limits, NewProject, Order, ProjectChange, ProjectView,
};
use infergate_actors::id::{AccountId, ProjectId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{AccountOf, Asked, Json, ProjectOf, id, text};
use super::{Operator, Problem};
use crate::api::change::{BudgetsChange, LimitsChange};
use crate::api::{MODELS_MAX, Project, check_models, page_limit};
use crate::openapi::{Routes, doc, get, pattern, post};

const PROJECTS_DEFAULT: usize = 100;
const PROJECTS_MAX: usize = 1_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewProjectRequested")]
pub(super) struct ProjectWanted {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    /// Names of models, `*` for anything; empty for all.
    #[serde(default)]
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Vec<String>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    budgets: BudgetsChange,
}

/// A change: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ProjectChanges")]
pub(super) struct Change {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: Option<String>,
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Option<Vec<String>>,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    budgets: BudgetsChange,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectsPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::PROJECT))]
    after: Option<String>,
    #[schemars(range(min = 1, max = PROJECTS_MAX))]
    limit: Option<usize>,
}

/// A page of projects.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProjectList")]
struct Projects {
    projects: Vec<Project>,
    /// What to go on behind; none at the end.
    next: Option<ProjectId>,
}

const TAG: &str = "Projects";

/// What is served of projects.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let projects = |rest: &str| format!("/admin/v1/accounts/{{account}}/projects{rest}");
    let of = |id, summary| doc(id, summary).answers::<Project>(200).refuses(&[409]);
    let listed = doc("listProjects", "Lists an account's projects, page by page.");
    let listed = listed.answers::<Projects>(200);
    let created = doc("createProject", "Creates a project within an account.")
        .answers::<Project>(201)
        .refuses(&[409])
        .example(json!({ "name": "search", "budgets": { "month_usd": "50" } }));
    let shown = doc("getProject", "Shows a project.").answers::<Project>(200);
    let changed =
        of("updateProject", "Changes what is named of a project; `null` removes a limit.")
            .example(json!({ "limits": { "in_flight": 5 } }));
    let archived = of("archiveProject", "Archives a project: its keys stop working.");
    let restored = of("restoreProject", "Restores an archived project.");
    Routes::new()
        .route(TAG, &projects(""), get(list, listed).post(create, created))
        .route(TAG, &projects("/{project}"), get(show, shown).patch(change, changed))
        .route(TAG, &projects("/{project}/archive"), post(archive, archived))
        .route(TAG, &projects("/{project}/restore"), post(restore, restored))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<ProjectsPage>,
) -> Result<impl IntoResponse, Problem> {
    let after: Option<ProjectId> = page.after.as_deref().map(id).transpose()?;
    let limit = page_limit(page.limit, PROJECTS_DEFAULT, PROJECTS_MAX)?;
    let view = operator.system.accounts.inspect(account).await?;
    let is_behind = |view: &&ProjectView| after.is_none_or(|after| view.project.id > after);
    let behind: Vec<&ProjectView> = view.projects.iter().filter(is_behind).collect();
    let shown = behind.get(..limit.min(behind.len())).unwrap_or_default();
    let last = shown.last().filter(|_| shown.len() < behind.len());
    let next = last.map(|view| view.project.id);
    let projects: Vec<Project> = shown.iter().map(|view| Project::of(view)).collect();
    Ok(Answer(Projects { projects, next }))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<ProjectWanted>,
) -> Result<impl IntoResponse, Problem> {
    let ProjectWanted { name, models, limits, budgets } = wanted;
    text("name", &name)?;
    check_models(&models)?;
    let budgets = budgets.over(&[])?;
    let order = Order::CreateProject(NewProject { name, models, limits, budgets });
    // Numbers count on, and the view is of the moment of the order.
    let view = operator.system.accounts.order(account, order).await?;
    let made = view.projects.last();
    let made = made.ok_or_else(|| Problem::unavailable("the new project is not there"))?;
    tracing::info!(%account, project = %made.project.id, "project created");
    Ok((StatusCode::CREATED, Answer(Project::of(made))))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Project::of(find(&view, project)?)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
    Json(change): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?;
        let changes = change.over(find(&before, project)?)?;
        Ok(accounts.order(account, Order::ChangeProject { project, changes }).await?)
    };
    let view = operator.in_turn(account, changing).await?;
    tracing::info!(%account, %project, "project changed");
    Ok(Answer(Project::of(find(&view, project)?)))
}

pub(super) async fn archive(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let shown = ordered(&operator, account, project, Order::ArchiveProject(project)).await?;
    tracing::info!(%account, %project, "project archived");
    Ok(Answer(shown))
}

pub(super) async fn restore(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let shown = ordered(&operator, account, project, Order::RestoreProject(project)).await?;
    tracing::info!(%account, %project, "project restored");
    Ok(Answer(shown))
}

async fn ordered(
    operator: &Operator,
    account: AccountId,
    project: ProjectId,
    order: Order,
) -> Result<Project, Problem> {
    let view = operator.system.accounts.order(account, order).await?;
    Ok(Project::of(find(&view, project)?))
}

fn find(view: &AccountView, project: ProjectId) -> Result<&ProjectView, Problem> {
    let found = view.projects.iter().find(|known| known.project.id == project);
    found.ok_or_else(|| Problem::not_found("the account has no such project"))
}

impl Change {
    /// What there is to change of a project that is so.
    fn over(self, before: &ProjectView) -> Result<Vec<ProjectChange>, Problem> {
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
            changes.push(ProjectChange::Models(models));
        }
        Ok(changes)
    }
}
