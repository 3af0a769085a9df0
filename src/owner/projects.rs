//! The account's projects.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Order, Permission};
use infergate_actors::id::ProjectId;
use serde_json::json;

use super::Owners;
use super::principal::{Principal, ProjectOf};
use crate::api::{
    Asked, Json, Problem, Project, ProjectUpdate, ProjectWanted, Projects, ProjectsPage,
    find_project,
};
use crate::openapi::{Routes, doc, get, post};

const TAG: &str = "Projects";

/// What is served of projects.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let of = |id, summary| doc(id, summary).answers::<Project>(200).refuses(&[409]);
    let listed = doc("listProjects", "Lists the account's projects, page by page.");
    let listed = listed.answers::<Projects>(200);
    let created = doc("createProject", "Creates a project.")
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
        .route(TAG, "/api/v1/projects", get(list, listed).post(create, created))
        .route(TAG, "/api/v1/projects/{project}", get(show, shown).patch(change, changed))
        .route(TAG, "/api/v1/projects/{project}/archive", post(archive, archived))
        .route(TAG, "/api/v1/projects/{project}/restore", post(restore, restored))
}

pub(super) async fn list(
    principal: Principal,
    Asked(page): Asked<ProjectsPage>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadUsage)?;
    Ok(Answer(Projects::page(&principal.account, principal.project(), &page)?))
}

/// A key of a project knows of no other.
pub(super) async fn show(
    principal: Principal,
    ProjectOf(project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadUsage)?;
    let found = find_project(&principal.account, project)?;
    if principal.project().is_some_and(|own| own != project) {
        return Err(Problem::not_found("the account has no such project"));
    }
    Ok(Answer(Project::of(found)))
}

pub(super) async fn create(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(wanted): Json<ProjectWanted>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageProjects)?;
    let account = principal.id();
    let view = owners.world.accounts.order(account, wanted.order()?).await?;
    let made = Project::newest(&view)?;
    tracing::info!(%account, project = %made.id(), by = principal.by().name, "project created");
    Ok((StatusCode::CREATED, Answer(made)))
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    ProjectOf(project): ProjectOf,
    Json(update): Json<ProjectUpdate>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageProjects)?;
    let account = principal.id();
    let changes = update.over(find_project(&principal.account, project)?)?;
    let order = Order::ChangeProject { project, changes };
    let view = owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, %project, by = principal.by().name, "project changed");
    Ok(Answer(Project::find(&view, project)?))
}

pub(super) async fn archive(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    ProjectOf(project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let shown = ordered(&owners, &principal, project, Order::ArchiveProject(project)).await?;
    tracing::info!(account = %principal.id(), %project, by = principal.by().name, "project archived");
    Ok(Answer(shown))
}

pub(super) async fn restore(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    ProjectOf(project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let shown = ordered(&owners, &principal, project, Order::RestoreProject(project)).await?;
    tracing::info!(account = %principal.id(), %project, by = principal.by().name, "project restored");
    Ok(Answer(shown))
}

async fn ordered(
    owners: &Owners,
    principal: &Principal,
    project: ProjectId,
    order: Order,
) -> Result<Project, Problem> {
    principal.may(Permission::ManageProjects)?;
    let view = owners.world.accounts.order(principal.id(), order).await?;
    Project::find(&view, project)
}
