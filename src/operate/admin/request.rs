//! Reading what an operator asks: what the path names.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use infergate_actors::id::{AccountId, KeyId, MemberId};
use infergate_actors::provider::{Fingerprint, ProviderHandle};

use super::{Operator, Problem};
use crate::api::{named, params};

pub(super) use crate::api::{Asked, Json, id, text};

/// The account that the path names.
pub(super) struct AccountOf(pub(super) AccountId);

/// The key that the path names, and its account.
pub(super) struct KeyOf(pub(super) AccountId, pub(super) KeyId);

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
        named(&params, "account").map(Self)
    }
}

impl FromRequestParts<Arc<Operator>> for KeyOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Operator>) -> Result<Self, Problem> {
        let params = params(parts).await?;
        Ok(Self(named(&params, "account")?, named(&params, "key")?))
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
