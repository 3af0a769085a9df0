//! Reading what an operator asks: what the path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use infergate_actors::account::Denial;
use infergate_actors::id::{AccountId, KeyId, MemberId, ProjectId, TokenId, TopUpId, WebhookId};
use infergate_actors::provider::{Fingerprint, ProviderHandle};

use super::{Operator, Problem};
use crate::api::{named, params};
use crate::openapi::{Operation, Takes, pattern};

pub(super) use crate::api::{Asked, Json, id, text};

/// The account that the path names.
pub(super) struct AccountOf(pub(super) AccountId);

/// The key that the path names, and its account.
pub(super) struct KeyOf(pub(super) AccountId, pub(super) KeyId);

/// The project that the path names, and its account.
pub(super) struct ProjectOf(pub(super) AccountId, pub(super) ProjectId);
/// The token that the path names.
pub(super) struct TokenOf(pub(super) TokenId);
/// The top-up that the path names, and its account.
pub(super) struct TopUpOf(pub(super) AccountId, pub(super) TopUpId);

/// The webhook of an account that the path names, and that account.
pub(super) struct HookOf(pub(super) AccountId, pub(super) WebhookId);

/// The name of a webhook in the path, whoever it is of.
pub(super) struct WebhookOf(pub(super) String);
/// The member that the path names, and its account.
pub(super) struct MemberOf(pub(super) AccountId, pub(super) MemberId);

/// The provider that the path names.
pub(super) struct ProviderOf(pub(super) ProviderHandle);

/// The provider that the path names, and the fingerprint of one of its credentials.
pub(super) struct CredentialOf(pub(super) ProviderHandle, pub(super) Fingerprint);

impl FromRequestParts<Arc<Operator>> for AccountOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named_account(&params).map(Self)
    }
}

impl FromRequestParts<Arc<Operator>> for KeyOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named_account(&params)?, named(&params, "key")?))
    }
}

impl FromRequestParts<Arc<Operator>> for TokenOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        named(&params, "token").map(Self)
    }
}

impl FromRequestParts<Arc<Operator>> for ProjectOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named(&params, "account")?, named(&params, "project")?))
    }
}

impl FromRequestParts<Arc<Operator>> for TopUpOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named(&params, "account")?, named(&params, "top_up")?))
    }
}

impl FromRequestParts<Arc<Operator>> for HookOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named(&params, "account")?, named(&params, "webhook")?))
    }
}

impl FromRequestParts<Arc<Operator>> for WebhookOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        named(&params(parts).await?, "webhook").map(Self)
    }
}

impl FromRequestParts<Arc<Operator>> for MemberOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named(&params, "account")?, named(&params, "member")?))
    }
}

impl FromRequestParts<Arc<Operator>> for ProviderOf {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        operator: &Arc<Operator>,
    ) -> Result<Self, Problem> {
        let params = params(parts).await?;
        let name: String = named(&params, "provider")?;
        let provider = operator.system.providers.get(&name);
        let unknown = || Problem::not_found(format!("no provider `{name}` is configured and on"));
        provider.map(Self).ok_or_else(unknown)
    }
}

impl FromRequestParts<Arc<Operator>> for CredentialOf {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        operator: &Arc<Operator>,
    ) -> Result<Self, Problem> {
        let ProviderOf(provider) = ProviderOf::from_request_parts(parts, operator).await?;
        let params = params(parts).await?;
        Ok(Self(provider, named(&params, "fingerprint")?))
    }
}

impl Takes for AccountOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("account", Some(pattern::ACCOUNT), "The account's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for ProviderOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("provider", None, "The provider's name.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for CredentialOf {
    fn describe(operation: &mut Operation<'_>) {
        ProviderOf::describe(operation);
        let says = "The credential's fingerprint, as the provider's view lists it.";
        operation.path("fingerprint", Some("^[0-9a-fA-F]{8}$"), says);
    }
}

impl Takes for TokenOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("token", Some(pattern::TOKEN), "The token's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for WebhookOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("webhook", None, "The webhook's name.");
        operation.refuses(&[400, 404]);
    }
}

/// Those of what an account has: the name in the path, the pattern, and what it is.
macro_rules! takes_part_of_account {
    ($($part:ident, $name:literal, $pattern:ident, $says:literal);+) => {
        $(
            impl Takes for $part {
                fn describe(operation: &mut Operation<'_>) {
                    AccountOf::describe(operation);
                    operation.path($name, Some(pattern::$pattern), $says);
                }
            }
        )+
    };
}

takes_part_of_account!(
    KeyOf, "key", KEY, "The key's id.";
    ProjectOf, "project", PROJECT, "The project's id.";
    MemberOf, "member", MEMBER, "The member's id.";
    TopUpOf, "top_up", TOP_UP, "The top-up's id.";
    HookOf, "webhook", WEBHOOK, "The webhook's id."
);

/// An account that may be there: the operators' journal is none, and has its own list.
fn named_account(params: &RawPathParams) -> Result<AccountId, Problem> {
    match named(params, "account")? {
        AccountId::OPERATORS => Err(Denial::NoSuchAccount.into()),
        account => Ok(account),
    }
}
