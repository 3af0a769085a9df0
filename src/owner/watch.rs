//! What the account is watched for, and what has happened to it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{Order, Permission, WatchOrder};
use serde::Deserialize;

use super::Owners;
use super::principal::Principal;
use crate::api::{Asked, EventsSought, Json, Problem, WatchUpdate, Watched};
use crate::notify::Reader;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsPage {
    /// A sequence.
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    r#type: Option<String>,
}

pub(super) async fn show(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    Ok(Answer(Watched::of(&principal.account.watch)))
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(update): Json<WatchUpdate>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMoney)?;
    let account = principal.id();
    let before = principal.account.watch.settings.clone();
    let order = Order::Watch(WatchOrder::Set(update.over(before)?));
    let view = owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, by = principal.by().name, "account is watched for something else");
    Ok(Answer(Watched::of(&view.watch)))
}

pub(super) async fn events(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Asked(page): Asked<EventsPage>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageWebhooks)?;
    let sought = EventsSought::new(page.after, page.limit, page.r#type, Reader::Owner)?;
    Ok(Answer(sought.of(Some(principal.id())).read(&owners.world).await?))
}
