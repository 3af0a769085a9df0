//! The account's people.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::Permission;
use serde_json::json;

use super::Owners;
use super::principal::{MemberOf, Principal};
use crate::api::{
    Asked, Json, MemberLine, MemberLines, MemberUpdate, MemberWanted, MembersPage, Problem,
    RemoveMember, members_page,
};
use crate::openapi::{Routes, doc, get};

const TAG: &str = "Members";

/// What is served of people.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let listed = doc("listMembers", "Lists the account's people, page by page.");
    let listed = listed.answers::<MemberLines>(200);
    let added = doc("addMember", "Adds somebody to the account.")
        .answers::<MemberLine>(201)
        .refuses(&[409])
        .example(json!({ "email": "ada@example.com", "name": "Ada", "role": "developer" }));
    let shown = doc("getMember", "Shows somebody.").answers::<MemberLine>(200);
    let changed = doc("updateMember", "Changes what is named of somebody.")
        .answers::<MemberLine>(200)
        .refuses(&[409])
        .example(json!({ "role": "billing" }));
    let removed = doc("removeMember", "Removes somebody, and their keys where that is asked.");
    let removed = removed.answers::<MemberLine>(200).refuses(&[409, 422]);
    let one = get(show, shown).patch(change, changed).delete(remove, removed);
    Routes::new().route(TAG, "/api/v1/members", get(list, listed).post(add, added)).route(
        TAG,
        "/api/v1/members/{member}",
        one,
    )
}

pub(super) async fn list(
    principal: Principal,
    Asked(page): Asked<MembersPage>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadMembers)?;
    members_page(&principal.account, &page)
}

pub(super) async fn show(
    principal: Principal,
    MemberOf(member): MemberOf,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadMembers)?;
    Ok(Answer(MemberLine::find(&principal.account, member)?))
}

pub(super) async fn add(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(wanted): Json<MemberWanted>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMembers)?;
    let (account, by) = (principal.id(), principal.by());
    let view = owners.world.accounts.order(account, wanted.order(by.clone())?).await?;
    let added = MemberLine::newest(&view)?;
    tracing::info!(%account, by = by.name, "member added");
    Ok((StatusCode::CREATED, Answer(added)))
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    MemberOf(member): MemberOf,
    Json(update): Json<MemberUpdate>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMembers)?;
    let (account, by) = (principal.id(), principal.by());
    let order = update.order(member, by.clone())?;
    let view = owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, %member, by = by.name, "member changed");
    Ok(Answer(MemberLine::find(&view, member)?))
}

pub(super) async fn remove(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    MemberOf(member): MemberOf,
    Asked(how): Asked<RemoveMember>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageMembers)?;
    let (account, by) = (principal.id(), principal.by());
    let view = owners.world.accounts.order(account, how.order(member, by.clone())?).await?;
    tracing::info!(%account, %member, by = by.name, "member removed");
    Ok(Answer(MemberLine::find(&view, member)?))
}
