//! The models a key may use, as the API lists them.

use std::borrow::Cow;

use http::Response;
use infergate_actors::account::{
    AccountView, Denial, Key, KeyScope, KeyView, PlanView, Project, Status,
};
use infergate_actors::id::ProjectId;

use super::endpoint::MODEL;
use super::{AnswerBody, json};
use crate::catalog::Catalog;
use crate::config::Model;
use crate::dialect::chat;
use crate::error::ApiError;
use crate::exchange::Caller;

/// A key that may be used, its project, and what holds of its account.
pub(super) struct Permitted {
    pub(super) key: Key,
    project: Option<Project>,
    pub(super) plan: Box<PlanView>,
    /// Why its account may not use what costs something, where it may not.
    paid_denial: Option<Denial>,
}

impl Permitted {
    /// Of which project it is.
    pub(super) fn project(&self) -> Option<ProjectId> {
        self.project.as_ref().map(|project| project.id)
    }

    /// Whether it may be used for the model of this public name, as far as that goes by the name.
    pub(super) fn allows(&self, model: &str) -> bool {
        self.name_denial(model).is_none()
    }

    fn name_denial(&self, model: &str) -> Option<Denial> {
        let is_of_project = |project: &Project| project.allows(model);
        if !self.key.allows(model) || !self.project.as_ref().is_none_or(is_of_project) {
            return Some(Denial::ModelNotAllowed);
        }
        (!self.plan.allows(model)).then_some(Denial::ModelNotInPlan)
    }

    /// Why a model may not be used: what a request for it is told as well.
    fn denial(&self, model: &Model) -> Option<Denial> {
        let paid_denial = self.paid_denial.filter(|_| !model.free);
        self.name_denial(&model.name).or(paid_denial)
    }
}

/// What a key is used for, as far as some of what stops a key does not keep it from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Anything but the following.
    Work,
    /// Looking at what is the account's, whatever its status.
    Read,
    /// Revoking the account's keys, also while it is suspended.
    Revoke,
    /// Revoking the key itself, also while its account is suspended, its project is archived or the guard
    /// has stopped it.
    End,
}

/// The caller's key, if it may be used for any model.
pub(super) fn permitted_key(
    account: &AccountView,
    caller: &Caller,
    purpose: Purpose,
    scopes: &[KeyScope],
    now_ms: u64,
) -> Result<Permitted, Denial> {
    let view = working_key(account, caller, purpose, now_ms)?;
    let KeyView { key, settings, .. } = view;
    // Any of them will do; where none does, what the last one lacks is told.
    let denial = |scope: &KeyScope| settings.denial(key, *scope, &caller.presented, now_ms);
    let denials: Option<Vec<Denial>> = scopes.iter().map(denial).collect();
    if let Some(denial) = denials.and_then(|denials| denials.last().copied()) {
        return Err(denial);
    }
    let mut projects = account.projects.iter().map(|view| &view.project);
    let project = projects.find(|known| Some(known.id) == view.project).cloned();
    let (plan, paid_denial) = (account.plan.clone(), account.paid_denial);
    Ok(Permitted { key: key.clone(), project, plan, paid_denial })
}

/// The caller's key, if it works for such a purpose.
pub(crate) fn working_key<'a>(
    account: &'a AccountView,
    caller: &Caller,
    purpose: Purpose,
    now_ms: u64,
) -> Result<&'a KeyView, Denial> {
    match (account.status, purpose) {
        (Status::Suspended, Purpose::Work) => {
            let class = account.status_set.as_ref().map(|(set, _)| set.class).unwrap_or_default();
            return Err(Denial::Suspended(class));
        }
        (Status::Closed, Purpose::Work | Purpose::Revoke | Purpose::End) => {
            return Err(Denial::Closed);
        }
        (Status::Active | Status::Restricted | Status::Suspended | Status::Closed, _) => {}
    }
    let view = account.keys.iter().find(|known| known.key.id == caller.key);
    let view = view.ok_or(Denial::UnknownKey)?;
    let key = &view.key;
    if key.revoked_at_ms.is_some() {
        return Err(Denial::RevokedKey);
    }
    if key.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Denial::ExpiredKey);
    }
    let denial = match purpose {
        // What the guard has stopped may be stopped for good.
        Purpose::End => KeyView { restriction: None, ..view.clone() }.denial(&caller.presented),
        Purpose::Work | Purpose::Read | Purpose::Revoke => view.denial(&caller.presented),
    };
    if let Some(denial) = denial {
        return Err(denial);
    }
    let project = account.projects.iter().find(|known| Some(known.project.id) == view.project);
    let is_archived = project.is_some_and(|known| known.project.archived_at_ms.is_some());
    if is_archived && purpose != Purpose::End {
        return Err(Denial::ProjectArchived);
    }
    Ok(view)
}

/// All that a key may use at `wall_ms`, in milliseconds since 1970, at what its account pays.
pub(super) fn list(catalog: &Catalog, key: &Permitted, wall_ms: u64) -> Response<AnswerBody> {
    let models = catalog.models().iter().map(|model| &model.settings);
    let models = models
        .filter(|model| key.denial(model).is_none() && !model.lifecycle.is_retired(wall_ms))
        .map(|model| chat::Model::new(model, key.plan.markup, wall_ms));
    json(chat::model_list(&models.collect::<Vec<_>>()))
}

/// One of them, by the request's path, in which a slash of its name may be written `%2F`. One that may not
/// be used is refused as a request for it would be.
pub(super) fn one(
    catalog: &Catalog,
    key: &Permitted,
    path: &str,
    wall_ms: u64,
) -> Result<Response<AnswerBody>, ApiError> {
    let name = percent_decoded(path.strip_prefix(MODEL).unwrap_or_default());
    let model = &catalog.model(&name).ok_or_else(|| ApiError::unknown_model(&name))?.settings;
    if model.lifecycle.is_retired(wall_ms) {
        return Err(ApiError::retired_model(&name, &model.lifecycle));
    }
    if let Some(denial) = key.denial(model) {
        return Err(denial.into());
    }
    Ok(json(chat::model(&chat::Model::new(model, key.plan.markup, wall_ms))))
}

/// RFC 3986 §2.1. What is not valid stays as it is: no model is called so.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match behind.split_first_chunk::<2>() {
            Some((digits, after)) if *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit) => {
                decoded.push(digits.iter().fold(0, |byte, digit| byte << 4 | hex(*digit)));
                rest = after;
            }
            _ => decoded.push(*first),
        }
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// What a hexadecimal digit counts.
fn hex(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20).wrapping_sub(b'a' - 10) }
}
