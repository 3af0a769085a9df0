//! Reading what an operator asks: ids from the path, pages from the query, strict JSON bodies.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::provider::{Fingerprint, ProviderHandle};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Operator, Problem, strict};
use crate::openapi::{Operation, Takes, pattern};

/// The longest body an operator may send.
const BODY_BYTES_MAX: usize = 1 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest name, reason or reference, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// A JSON body of exactly the fields of `T`.
pub(super) struct Json<T>(pub(super) T);

/// The query string, of exactly the fields of `T`.
pub(super) struct Asked<T>(pub(super) T);

/// The account that the path names.
pub(super) struct AccountOf(pub(super) AccountId);

/// The key that the path names, and its account.
pub(super) struct KeyOf(pub(super) AccountId, pub(super) KeyId);

/// The provider that the path names.
pub(super) struct ProviderOf(pub(super) ProviderHandle);

/// The provider that the path names, and the fingerprint of one of its credentials.
pub(super) struct CredentialOf(pub(super) ProviderHandle, pub(super) Fingerprint);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let detail = "send JSON, and say so: `content-type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let reading = tokio::time::timeout(BODY_TIMEOUT, read(body));
        let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
        let bytes = reading.await.map_err(late)??;
        strict::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::invalid(error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => {
                Problem::bad_request(format!("the body is not JSON: {error}"))
            }
        })
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

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

impl<T: JsonSchema> Takes for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.body::<T>();
    }
}

impl<T: JsonSchema> Takes for Asked<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<T>();
    }
}

impl Takes for AccountOf {
    fn describe(operation: &mut Operation<'_>) {
        operation.path("account", Some(pattern::ACCOUNT), "The account's id.");
        operation.refuses(&[400, 404]);
    }
}

impl Takes for KeyOf {
    fn describe(operation: &mut Operation<'_>) {
        AccountOf::describe(operation);
        operation.path("key", Some(pattern::KEY), "The key's id.");
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

/// An id in a text, or what is wrong with it.
pub(super) fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{error}")))
}

/// A name, reason or reference: something, and not too much, that a terminal can show.
pub(super) fn text(field: &str, value: &str) -> Result<(), Problem> {
    if value.trim().is_empty() {
        return Err(Problem::invalid(format!("`{field}` is empty")));
    }
    if value.len() > TEXT_BYTES_MAX {
        return Err(Problem::invalid(format!("`{field}` is longer than {TEXT_BYTES_MAX} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("`{field}` holds a control character")));
    }
    Ok(())
}

async fn params(parts: &mut Parts) -> Result<RawPathParams, Problem> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    params.map_err(|error| Problem::bad_request(error.body_text()))
}

fn named<T: FromStr<Err: std::fmt::Display>>(
    params: &RawPathParams,
    name: &str,
) -> Result<T, Problem> {
    let value = params.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    id(value.unwrap_or_default())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {BODY_BYTES_MAX} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => Err(Problem::bad_request("the body broke off")),
    }
}
