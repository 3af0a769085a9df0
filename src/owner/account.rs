//! The account: its money, budgets and usage, the models it may buy, and codes.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use infergate_actors::account::{Budget, Order, Permission};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::Owners;
use super::principal::Principal;
use crate::api::change::BudgetsChange;
use crate::api::{
    Asked, Json, OfMonth, OwnAccount, OwnSubscription, Problem, Redeemed, Redemption, used,
};
use crate::dialect::chat;
use crate::openapi::{Routes, doc, get, post};
use crate::usage::{self, Format};

/// A change: what is not named stays. Limits are the operator's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnAccountChanges")]
pub(super) struct Change {
    budgets: BudgetsChange,
}

const TAG: &str = "Account";

/// What is served of the account.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let says =
        "Lists what the account used, page by page; or sums of it; or all of it as a stream.";
    let listed = usage::described(doc("listUsage", says));
    let listed = listed.answers_as(200, "application/json", usage::answer_for_account);
    let shown = doc("getAccount", "Shows the account's state.").answers::<OwnAccount>(200);
    let changed = doc("updateAccount", "Changes the account's own budgets; `null` removes one.")
        .answers::<OwnAccount>(200)
        .refuses(&[409])
        .example(json!({ "budgets": { "month_usd": "50" } }));
    let told = doc("getStatement", "Gives the account's statement of a month.")
        .answers_as(200, "application/json", usage::statement_schema)
        .sends(200, Format::Csv.media_type());
    let sold = doc("listAccountModels", "Lists what the account may buy, at what it pays.")
        .answers::<chat::ModelList<'_>>(200);
    let redeemed = doc("redeemCode", "Redeems a code for the account.")
        .answers::<Redeemed>(200)
        .refuses(&[404, 409])
        .example(json!({ "code": "igc-0000000000000002-…" }));
    let paid = doc("getSubscription", "Shows the account's subscription and what its plan gives.");
    let paid = paid.answers::<OwnSubscription>(200);
    Routes::new()
        .route(TAG, "/api/v1/account", get(show, shown).patch(change, changed))
        .route(TAG, "/api/v1/usage", get(usage, listed))
        .route(TAG, "/api/v1/statement", get(statement, told))
        .route(TAG, "/api/v1/models", get(models, sold))
        .route(TAG, "/api/v1/redeem", post(redeem, redeemed))
        .route(TAG, "/api/v1/subscription", get(subscription, paid))
}

pub(super) async fn show(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    Ok(Answer(OwnAccount::of(&principal.account)))
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(change): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMoney)?;
    let account = principal.id();
    let before: Vec<Budget> = principal.account.budgets.iter().map(|view| view.budget).collect();
    let budgets = change.budgets.over(&before)?;
    let view = owners.world.accounts.order(account, Order::SetOwnBudgets(budgets)).await?;
    tracing::info!(%account, by = principal.by().name, "account's budgets changed");
    Ok(Answer(OwnAccount::of(&view)))
}

pub(super) async fn subscription(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    Ok(Answer(OwnSubscription::of(&principal.account)))
}

pub(super) async fn usage(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    headers: HeaderMap,
    Asked(asked): Asked<usage::Asked>,
) -> Result<Response, Problem> {
    principal.may(Permission::ReadUsage)?;
    used(&owners.world, principal.whose(), &headers, asked).await
}

pub(super) async fn statement(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    headers: HeaderMap,
    Asked(asked): Asked<OfMonth>,
) -> Result<Response, Problem> {
    principal.may(Permission::ReadUsage)?;
    principal.has_account()?;
    crate::api::statement(&owners.world, principal.id(), &headers, asked).await
}

/// Every model on sale that the account's plan has, at what the account pays, whatever the key that asks
/// may use of them.
pub(super) async fn models(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    let catalog = owners.world.catalog.load();
    let wall_ms = owners.world.clock.now().wall_ms;
    let models = catalog.models().iter().map(|model| &model.settings);
    let plan = &principal.account.plan;
    let models = models
        .filter(|model| plan.allows(&model.name) && !model.lifecycle.is_retired(wall_ms))
        .map(|model| chat::Model::new(model, plan.markup, wall_ms));
    let models: Vec<_> = models.collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], chat::model_list(&models)))
}

pub(super) async fn redeem(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(asked): Json<Redemption>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMoney)?;
    Ok(Answer(asked.by(&owners.world, principal.id()).await?))
}
