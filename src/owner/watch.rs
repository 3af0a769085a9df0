//! What the account is watched for, and what has happened to it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::account::{Order, Permission, WatchOrder};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::Owners;
use super::principal::Principal;
use crate::api::{Asked, EVENTS_MAX, Events, EventsSought, Json, Problem, WatchUpdate, Watched};
use crate::notify::Reader;
use crate::openapi::{Routes, doc, get};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoticesPage")]
pub(super) struct EventsPage {
    /// A sequence: the `next` of the page before.
    #[serde(default)]
    after: u64,
    #[schemars(range(min = 1, max = EVENTS_MAX))]
    limit: Option<usize>,
    /// One kind, or all that begin alike, such as `key.*`.
    r#type: Option<String>,
}

const TAG: &str = "Webhooks";

/// What is served of what the account is watched for and told of.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let shown = doc("getWatch", "Shows what the account is watched for.");
    let shown = shown.answers::<Watched>(200);
    let changed = doc("updateWatch", "Changes what the account is watched for.")
        .answers::<Watched>(200)
        .refuses(&[409])
        .example(json!({ "low_balance_usd": ["5"], "budget_percent": [80, 100] }));
    let happened = doc("listEvents", "Lists what has happened to the account, the oldest first.");
    let happened = happened.answers::<Events>(200);
    Routes::new().route(TAG, "/api/v1/watch", get(show, shown).patch(change, changed)).route(
        TAG,
        "/api/v1/events",
        get(events, happened),
    )
}

pub(super) async fn show(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    principal.has_account()?;
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
