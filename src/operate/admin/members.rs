//! The people of an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::By;
use serde_json::json;

use super::request::{AccountOf, Asked, Json, MemberOf};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{
    MemberLine, MemberLines, MemberUpdate, MemberWanted, MembersPage, RemoveMember, members_page,
};
use crate::openapi::{Routes, doc, get};

/// An operator is bound by no role of the account.
fn by(who: Who) -> By {
    By { name: who.name, role: None }
}

const TAG: &str = "Members";

/// What is served of people.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let members = |rest: &str| format!("/admin/v1/accounts/{{account}}/members{rest}");
    let listed = doc("listMembers", "Lists an account's people, page by page.");
    let listed = listed.answers::<MemberLines>(200);
    let added = doc("addMember", "Adds somebody to an account.")
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
    Routes::new().route(TAG, &members(""), get(list, listed).post(add, added)).route(
        TAG,
        &members("/{member}"),
        get(show, shown).patch(change, changed).delete(remove, removed),
    )
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<MembersPage>,
) -> Result<impl IntoResponse, Problem> {
    members_page(&operator.system.accounts.inspect(account).await?, &page)
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    MemberOf(account, member): MemberOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(MemberLine::find(&view, member)?))
}

pub(super) async fn add(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(wanted): Json<MemberWanted>,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.order(account, wanted.order(by(who))?).await?;
    let added = MemberLine::newest(&view)?;
    tracing::info!(%account, "member added");
    Ok((StatusCode::CREATED, Answer(added)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    who: Who,
    MemberOf(account, member): MemberOf,
    Json(update): Json<MemberUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let order = update.order(member, by(who))?;
    let accounts = operator.system.accounts.clone();
    let changing = async move { Ok(accounts.order(account, order).await?) };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, %member, "member changed");
    Ok(Answer(MemberLine::find(&view, member)?))
}

pub(super) async fn remove(
    State(operator): State<Arc<Operator>>,
    who: Who,
    MemberOf(account, member): MemberOf,
    Asked(how): Asked<RemoveMember>,
) -> Result<impl IntoResponse, Problem> {
    let order = how.order(member, by(who))?;
    let accounts = operator.system.accounts.clone();
    let changing = async move { Ok(accounts.order(account, order).await?) };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, %member, "member removed");
    Ok(Answer(MemberLine::find(&view, member)?))
}
