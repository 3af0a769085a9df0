//! `infergate projects`: projects within an account of a running gateway, over its admin API.

mod args;

use std::collections::BTreeMap;
use std::io;

use http::Method;
use infergate_actors::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use args::Projects;
use args::{ProjectPlace, ProjectUpdate, ProjectWanted};

use super::bounds::{Budget, budgets, spent};
use super::call::{Error, ask, date, told};

use super::{Console, Exit, Gateway};

/// As many as an account may have.
const PAGE: usize = 1_000;

/// A project as the gateway shows it.
#[derive(Deserialize, Serialize)]
struct Project {
    id: String,
    name: String,
    models: Vec<String>,
    created_at_ms: u64,
    archived_at_ms: Option<u64>,
    limits: Value,
    budgets: BTreeMap<String, Budget>,
}

#[derive(Deserialize)]
struct Page {
    projects: Vec<Project>,
}

pub(super) async fn run(command: Projects, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Projects::Create(wanted) => create(&wanted, console).await,
        Projects::List { gateway, account } => list(&gateway, account, console).await,
        Projects::Update(wanted) => update(&wanted, console).await,
        Projects::Archive { at } => set(&at, "/archive", "is archived", console).await,
        Projects::Restore { at } => set(&at, "/restore", "is restored", console).await,
    };
    told(done, console)
}

/// The id alone is the result, so that a script can take it as it is.
async fn create(wanted: &ProjectWanted, console: &mut Console<'_>) -> Result<(), Error> {
    let body = json!({
        "name": wanted.name,
        "models": wanted.models,
        "limits": wanted.limits.json(),
        "budgets": budgets(&wanted.budgets),
    });
    let path = format!("/admin/v1/accounts/{}/projects", wanted.account);
    let created = ask(&wanted.gateway, Method::POST, &path, Some(&body), console).await?;
    let project: Project = serde_json::from_slice(&created)?;
    if wanted.gateway.json {
        console.out.json(&project)?;
    } else {
        writeln!(console.out, "{}", project.id)?;
    }
    Ok(())
}

async fn list(
    gateway: &Gateway,
    account: AccountId,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{account}/projects?limit={PAGE}");
    let shown = ask(gateway, Method::GET, &path, None, console).await?;
    let Page { projects } = serde_json::from_slice(&shown)?;
    if gateway.json {
        console.out.json(&projects)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(out, "{:<9} {:<34} {:<20} {:<24} MODELS", "PROJECT", "STATE", "NAME", "SPENT OF")?;
    for project in projects {
        let state = project.archived_at_ms.map(|at_ms| format!("archived {}", date(at_ms)));
        let state = state.unwrap_or_else(|| "in use".to_owned());
        let Project { id, name, models, .. } = &project;
        let models = if models.is_empty() { "all".to_owned() } else { models.join(", ") };
        let spent = spent(&project.budgets);
        writeln!(out, "{id:<9} {state:<34} {name:<20} {spent:<24} {models}")?;
    }
    Ok(())
}

async fn update(wanted: &ProjectUpdate, console: &mut Console<'_>) -> Result<(), Error> {
    let body = changes(wanted);
    tell(&wanted.at, (Method::PATCH, ""), Some(&body), "is changed", console).await
}

/// The fields that were named.
fn changes(wanted: &ProjectUpdate) -> Value {
    let some = |is_some: bool, value: Value| is_some.then_some(value);
    let fields = [
        ("name", wanted.name.as_ref().map(|name| json!(name))),
        ("models", some(!wanted.models.is_empty(), json!(wanted.models))),
        ("limits", wanted.limits.json()),
        ("budgets", some(!wanted.budgets.is_empty(), budgets(&wanted.budgets))),
    ];
    let named = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    Value::Object(fields.into_iter().filter_map(named).collect())
}

async fn set(
    at: &ProjectPlace,
    rest: &str,
    then: &str,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    tell(at, (Method::POST, rest), None, then, console).await
}

/// Does something to a project and says what is so then.
async fn tell(
    at: &ProjectPlace,
    (method, rest): (Method, &str),
    body: Option<&Value>,
    then: &str,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let ProjectPlace { gateway, account, project } = at;
    let path = format!("/admin/v1/accounts/{account}/projects/{project}{rest}");
    let changed = ask(gateway, method, &path, body, console).await?;
    let project: Project = serde_json::from_slice(&changed)?;
    if gateway.json {
        console.out.json(&project)?;
    } else {
        writeln!(console.out, "{} of {account} (`{}`) {then}", project.id, project.name)?;
    }
    Ok(())
}
