//! The people of an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::By;

use super::request::{AccountOf, Asked, Json, MemberOf};
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{MemberLine, MemberUpdate, MemberWanted, MembersPage, RemoveMember, members_page};

/// An operator is bound by no role of the account.
fn by(who: Who) -> By {
    By { name: who.name, role: None }
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<MembersPage>,
) -> Result<impl IntoResponse, Problem> {
    members_page(&operator.system.accounts.inspect(account).await?, &page)
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
    let view = operator.in_turn(account, changing).await?;
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
    let view = operator.in_turn(account, changing).await?;
    tracing::info!(%account, %member, "member removed");
    Ok(Answer(MemberLine::find(&view, member)?))
}
