//! People as they are asked for, changed and shown.

use axum::Json as Answer;
use axum::response::IntoResponse;
use infergate_actors::account::{
    AccountView, By, Email, Member, MemberChange, MemberOrder, MemberStatus, NewMember, Order, Role,
};
use infergate_actors::id::MemberId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, id, page_limit, text};
use crate::openapi::pattern;

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
const REASON_DEFAULT: &str = "removed";

/// Somebody as the APIs show them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberView")]
pub(crate) struct MemberLine {
    id: String,
    email: String,
    email_verified: bool,
    name: String,
    role: Role,
    status: MemberStatus,
    added_by: String,
    added_at_ms: u64,
    removed_by: Option<String>,
    removed_at_ms: Option<u64>,
}

/// Somebody who is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewMember")]
pub(crate) struct MemberWanted {
    #[schemars(length(min = 3, max = 254), regex(pattern = pattern::EMAIL))]
    email: String,
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    role: Role,
}

/// A change of somebody: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MemberChanges")]
pub(crate) struct MemberUpdate {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: Option<String>,
    role: Option<Role>,
    status: Option<NewStatus>,
}

/// The one status that is set, and not come to.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NewMemberStatus")]
enum NewStatus {
    Active,
}

/// How somebody is removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveMember {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: Option<String>,
    #[serde(default)]
    revoke_keys: bool,
}

/// Which people are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembersPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::MEMBER))]
    after: Option<String>,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<usize>,
}

/// A page of members.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberList")]
pub(crate) struct MemberLines {
    members: Vec<MemberLine>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// A page of those who belong to an account, and of some who did.
pub(crate) fn members_page(
    view: &AccountView,
    page: &MembersPage,
) -> Result<impl IntoResponse + use<>, Problem> {
    let limit = page_limit(page.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let after: Option<MemberId> = page.after.as_deref().map(id).transpose()?;
    let behind = |member: &&Member| after.is_none_or(|after| member.id > after);
    let mut found: Vec<&Member> = view.members.iter().filter(behind).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let members = found.into_iter().map(MemberLine::of).collect();
    Ok(Answer(MemberLines { members, next }))
}

impl MemberLine {
    /// Of somebody.
    pub(crate) fn of(member: &Member) -> Self {
        Self {
            id: member.id.to_string(),
            email: member.email.to_string(),
            email_verified: member.verified_at_ms.is_some(),
            name: member.name.clone(),
            role: member.role,
            status: member.status,
            added_by: member.added_by.clone(),
            added_at_ms: member.added_at_ms,
            removed_by: member.removal.as_ref().map(|removal| removal.by.clone()),
            removed_at_ms: member.removal.as_ref().map(|removal| removal.at_ms),
        }
    }

    /// Of the one with this number.
    pub(crate) fn find(view: &AccountView, id: MemberId) -> Result<Self, Problem> {
        find_member(view, id).map(Self::of)
    }

    /// Of the one who was just added.
    pub(crate) fn newest(view: &AccountView) -> Result<Self, Problem> {
        let newest = view.members.iter().max_by_key(|member| member.id);
        newest.map(Self::of).ok_or_else(|| Problem::unavailable("the new member is not there"))
    }
}

/// The one with this number.
pub(crate) fn find_member(view: &AccountView, id: MemberId) -> Result<&Member, Problem> {
    let found = view.members.iter().find(|member| member.id == id);
    found.ok_or_else(|| Problem::not_found("the account has no such member"))
}

/// An address, or what is wrong with it.
pub(crate) fn email(text: &str) -> Result<Email, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("`email`: {error}")))
}

impl MemberWanted {
    /// The order to add them.
    pub(crate) fn order(self, by: By) -> Result<Order, Problem> {
        text("name", &self.name)?;
        let Self { name, role, .. } = self;
        let new = NewMember { email: email(&self.email)?, name, role, is_active: false };
        Ok(Order::Member(Box::new(MemberOrder::Add(new, by))))
    }
}

impl MemberUpdate {
    /// The order to change them. That somebody has come is the operator's to say, who knows them.
    pub(crate) fn order(self, member: MemberId, by: By) -> Result<Order, Problem> {
        let mut changes = Vec::new();
        if let Some(name) = self.name {
            text("name", &name)?;
            changes.push(MemberChange::Name(name));
        }
        changes.extend(self.role.map(MemberChange::Role));
        if self.status.is_some() {
            if by.role.is_some() {
                let detail = "`status` is set when somebody comes, and by the operator";
                return Err(Problem::forbidden(detail));
            }
            changes.push(MemberChange::Activated);
        }
        Ok(Order::Member(Box::new(MemberOrder::Change(member, changes, by))))
    }
}

impl RemoveMember {
    /// The order to remove them.
    pub(crate) fn order(self, member: MemberId, by: By) -> Result<Order, Problem> {
        let reason = self.reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
        text("reason", &reason)?;
        let revoke_keys = self.revoke_keys;
        Ok(Order::Member(Box::new(MemberOrder::Remove { member, revoke_keys, reason, by })))
    }
}
