//! Projects within an account: created, listed, limited, archived and restored.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::Order;
use infergate_actors::id::{AccountId, ProjectId};
use serde_json::json;

use super::request::{AccountOf, Asked, Json, ProjectOf};
use super::{Operator, Problem};
use crate::api::{Project, ProjectUpdate, ProjectWanted, Projects, ProjectsPage, find_project};
use crate::openapi::{Routes, doc, get, post};

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
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Projects::page(&view, None, &page)?))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<ProjectWanted>,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.order(account, wanted.order()?).await?;
    let made = Project::newest(&view)?;
    tracing::info!(%account, project = %made.id(), "project created");
    Ok((StatusCode::CREATED, Answer(made)))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Project::find(&view, project)?))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    ProjectOf(account, project): ProjectOf,
    Json(change): Json<ProjectUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?;
        let changes = change.over(find_project(&before, project)?)?;
        Ok(accounts.order(account, Order::ChangeProject { project, changes }).await?)
    };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, %project, "project changed");
    Ok(Answer(Project::find(&view, project)?))
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
    Project::find(&view, project)
}
