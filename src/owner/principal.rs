//! Who asks, for which account, and what they may.
//!
//! | what bounds them | |
//! | --- | --- |
//! | scopes, and the member's role | each permission |
//! | a former secret | reads and revokes: what it made would outlive it |
//! | a key of a project | that project's usage and keys, and nothing that is the whole account's |
//! | a key with budgets of its own | gives no other key anything: it would spend beside them |
//! | what the key is itself | `bounds` |

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use http::request::Parts;
use infergate_actors::account::{
    AccountView, By, Denial, KeyScope, KeyView, Permission, Permissions, Role,
};
use infergate_actors::id::{AccountId, KeyId, MemberId, ProjectId, WebhookId};

use super::bounds::Reach;
use super::{Owners, client};
use crate::api::{Problem, find, find_member, named, params};
use crate::front::{Purpose, caller, working_key};
use crate::openapi::{Operation, Takes, pattern};
use crate::usage::Whose;

/// Who asks. Today that is who has a key; whatever else tells people apart gives one of these too.
#[derive(Clone)]
pub(super) struct Principal {
    /// The account as it was when they asked.
    pub(super) account: AccountView,
    /// What they may.
    permissions: Permissions,
    /// The key that they ask with. It bounds the keys that they may make.
    pub(super) key: KeyView,
    /// The member that they are, where that is known.
    pub(super) member: Option<MemberId>,
    role: Role,
    /// Whether it is a secret that the key had before.
    is_former: bool,
}

/// The key that the path names.
pub(super) struct KeyOf(pub(super) KeyId);

/// The member that the path names.
pub(super) struct MemberOf(pub(super) MemberId);

/// The project that the path names.
pub(super) struct ProjectOf(pub(super) ProjectId);

/// The webhook that the path names.
pub(super) struct WebhookOf(pub(super) WebhookId);

/// The one place that says who asks.
async fn who(owners: &Owners, parts: &Parts) -> Result<Principal, Problem> {
    let caller = caller(&owners.world, &owners.sentry, &parts.headers, client(parts)?).await?;
    let account = owners.world.accounts.inspect(caller.account).await;
    let account = account.map_err(crate::front::unreachable)?;
    let now_ms = owners.world.clock.now().wall_ms;
    let denied = |denial: Denial| Problem::from(crate::error::ApiError::from(denial));
    let key = working_key(&account, &caller, purpose(parts), now_ms).map_err(denied)?.clone();
    // Whatever it is good for: where it may be used from, and with which secret.
    let scope = key.settings.scopes.first().copied().unwrap_or(KeyScope::Inference);
    if let Some(denial) = key.settings.denial(&key.key, scope, &caller.presented, now_ms) {
        return Err(denied(denial));
    }
    let is_former = caller.presented.secret.is_some_and(|secret| secret != key.key.hash);
    Ok(Principal::of_key(account, key, is_former))
}

/// What the key is used for.
fn purpose(parts: &Parts) -> Purpose {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    match (parts.method.as_str(), path.unwrap_or_default()) {
        ("GET" | "HEAD", _) => Purpose::Read,
        ("DELETE", "/api/v1/key") | ("POST", "/api/v1/key/compromised") => Purpose::End,
        ("DELETE", "/api/v1/keys/{key}") | ("POST", "/api/v1/keys/{key}/compromised") => {
            Purpose::Revoke
        }
        _ => Purpose::Work,
    }
}

/// What whoever has a key with these scopes may, and in which role: what the scopes say and, where a
/// member made it, what the member may. A key that no member made is the operator's gift, and bound by
/// nobody's role.
fn power(
    account: &AccountView,
    member: Option<MemberId>,
    scopes: &[KeyScope],
) -> (Permissions, Role) {
    let of_scopes = Permissions::of_scopes(scopes);
    let Some(id) = member else { return (of_scopes, Role::Owner) };
    match account.members.iter().find(|member| member.id == id) {
        Some(member) => (of_scopes & member.permissions(), member.role),
        // So long gone that nobody remembers.
        None => (Permissions::NONE, Role::ReadOnly),
    }
}

impl Principal {
    /// Whoever has `key`, or has a secret that it had before.
    fn of_key(account: AccountView, key: KeyView, is_former: bool) -> Self {
        let (permissions, role) = power(&account, key.member, &key.settings.scopes);
        Self { member: key.member, account, permissions, key, role, is_former }
    }

    /// Refuses to make a key that reaches so far, to change one so that it does, or to have one that
    /// does, where that is further than whoever asks. `member` made it, or is to.
    pub(super) fn bounds(&self, member: Option<MemberId>, reach: &Reach) -> Result<(), Problem> {
        reach.within(&self.key)?;
        // The same scopes are more in the hands of somebody who may more.
        let (permissions, role) = power(&self.account, member, reach.scopes());
        let is_managed = self.role.may_manage(role);
        let manages = permissions.contains(Permission::ManageMembers);
        if permissions.are_within(self.permissions) && (!manages || is_managed) {
            return Ok(());
        }
        Err(Problem::forbidden("whoever made that key may more with it than this one may"))
    }

    /// Refuses to have the secret of `key`, or to set how far it goes, where such a key would not be theirs to
    /// make as it is now. Their own is theirs.
    pub(super) fn may_have(&self, key: &KeyView) -> Result<(), Problem> {
        if key.key.id == self.key.key.id {
            return Ok(());
        }
        self.may_give_keys()?;
        self.bounds(key.member, &Reach::of(key))?;
        match key.member {
            Some(member) => self.may_give(member),
            // When they are removed, what they made stops with them; this one goes on.
            None if self.member.is_some() => {
                let no_members = |_| {
                    let id = key.key.id;
                    Problem::forbidden(format!(
                        "{id} is no member's: that is for whoever manages members"
                    ))
                };
                self.may(Permission::ManageMembers).map_err(no_members)
            }
            None => Ok(()),
        }
    }

    /// Refuses to make keys, or to have others: what they spend would not count for a budget of this one.
    pub(super) fn may_give_keys(&self) -> Result<(), Problem> {
        if self.key.settings.budgets.is_empty() {
            return Ok(());
        }
        let id = self.key.key.id;
        Err(Problem::forbidden(format!(
            "{id} has a budget of its own, beside which other keys would spend: use a key without one, \
             and give its project the budget"
        )))
    }

    /// Refuses to make a key that is `member`'s, unless that is themselves or somebody they look after.
    pub(super) fn may_give(&self, member: MemberId) -> Result<(), Problem> {
        if self.member == Some(member) {
            return Ok(());
        }
        self.may(Permission::ManageMembers)?;
        // Whoever is so long gone that nobody remembers looked after nobody.
        let role = find_member(&self.account, member).map_or(Role::ReadOnly, |found| found.role);
        if self.role.may_manage(role) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("{member} is looked after by owners alone")))
    }

    /// The account's id.
    pub(super) fn id(&self) -> AccountId {
        self.account.id
    }

    /// The project that they have to do with alone, if they do.
    pub(super) fn project(&self) -> Option<ProjectId> {
        self.key.project
    }

    /// Whose usage they see.
    pub(super) fn whose(&self) -> Whose {
        match self.project() {
            None => Whose::Account(self.id()),
            Some(project) => Whose::Project(self.id(), project),
        }
    }

    /// Whether they see a key: of those of a project, others are not found.
    pub(super) fn sees(&self, key: &KeyView) -> bool {
        self.project().is_none() || self.project() == key.project
    }

    /// A key that they see.
    pub(super) fn find_key(&self, key: KeyId) -> Result<&KeyView, Problem> {
        // As `find` has it of one that is not there.
        match find(&self.account, key) {
            Ok(found) if !self.sees(found) => Err(Problem::not_found("the key is unknown")),
            found => found,
        }
    }

    /// Refuses what they may not.
    pub(super) fn may(&self, permission: Permission) -> Result<(), Problem> {
        self.holds(permission)?;
        if self.is_former && !permission.is_reading() {
            let (id, what) = (self.key.key.id, permission.name());
            return Err(Problem::forbidden(format!(
                "this secret of {id} was replaced, and what it makes or changes would outlive it: to \
                 {what}, use the present one"
            )));
        }
        if permission.is_of_account() { self.has_account() } else { Ok(()) }
    }

    /// Refuses to revoke keys. It takes what managing them takes, but a former secret may: nobody gains by
    /// that.
    pub(super) fn may_revoke(&self) -> Result<(), Problem> {
        self.holds(Permission::ManageKeys)
    }

    /// Refuses what is the whole account's to whoever has a key of a project.
    pub(super) fn has_account(&self) -> Result<(), Problem> {
        self.project().map_or(Ok(()), |project| {
            Err(Problem::forbidden(format!(
                "a key of {project} has to do with that project alone, and this is the account's"
            )))
        })
    }

    /// Refuses what their scopes do not say, or not in their role.
    fn holds(&self, permission: Permission) -> Result<(), Problem> {
        if self.permissions.contains(permission) {
            return Ok(());
        }
        let scope = permission.scope();
        let has_scope = self.key.settings.scopes.contains(&scope);
        Err(Problem::forbidden(if has_scope {
            format!("whoever made this key may not {} any more", permission.name())
        } else {
            format!("to {} a key needs the scope `{}`", permission.name(), scope.name())
        }))
    }

    /// As what they do is written down.
    pub(super) fn by(&self) -> By {
        By { name: self.key.key.id.to_string(), role: Some(self.role) }
    }
}

impl FromRequestParts<Arc<Owners>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, owners: &Arc<Owners>) -> Result<Self, Problem> {
        // Whoever was found just before, where something was looked at for them.
        match parts.extensions.remove::<Self>() {
            Some(found) => Ok(found),
            None => who(owners, parts).await,
        }
    }
}

impl Takes for Principal {
    fn describe(_: &mut Operation<'_>) {}
}

impl Takes for KeyOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("key", Some(pattern::KEY), "The key's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for MemberOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("member", Some(pattern::MEMBER), "The member's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for ProjectOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("project", Some(pattern::PROJECT), "The project's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for WebhookOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("webhook", Some(pattern::WEBHOOK), "The webhook's id.");
        operation.refuses(&[400, 404]);
    }
}

impl FromRequestParts<Arc<Owners>> for KeyOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Owners>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named(&params, "key").map(Self)
    }
}

impl FromRequestParts<Arc<Owners>> for MemberOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Owners>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named(&params, "member").map(Self)
    }
}

impl FromRequestParts<Arc<Owners>> for ProjectOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Owners>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named(&params, "project").map(Self)
    }
}

impl FromRequestParts<Arc<Owners>> for WebhookOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Owners>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named(&params, "webhook").map(Self)
    }
}
