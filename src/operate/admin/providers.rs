//! Providers: looked at, opened, closed, drained, their credentials enabled.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::provider::{Mode, ProviderHandle, ProviderView};
use serde_json::{Value, json};

use super::request::{CredentialOf, ProviderOf};
use super::{Operator, Problem};

pub(super) async fn list(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let mut views = Vec::new();
    for provider in operator.system.providers.all() {
        let name = provider.name();
        let view = provider.inspect().await.ok().and_then(|view| serde_json::to_value(view).ok());
        views.push(view.unwrap_or_else(|| json!({ "name": **name, "status": "restarting" })));
    }
    Answer(json!({ "providers": Value::Array(views) }))
}

pub(super) async fn show(
    ProviderOf(provider): ProviderOf,
) -> Result<Answer<ProviderView>, Problem> {
    Ok(Answer(provider.inspect().await?))
}

pub(super) async fn open(
    ProviderOf(provider): ProviderOf,
) -> Result<Answer<ProviderView>, Problem> {
    set_mode(provider, Mode::Open).await
}

pub(super) async fn close(
    ProviderOf(provider): ProviderOf,
) -> Result<Answer<ProviderView>, Problem> {
    set_mode(provider, Mode::Closed).await
}

pub(super) async fn drain(
    ProviderOf(provider): ProviderOf,
) -> Result<Answer<ProviderView>, Problem> {
    set_mode(provider, Mode::Draining).await
}

/// Makes a credential usable again that the provider had rejected.
pub(super) async fn enable(
    CredentialOf(provider, fingerprint): CredentialOf,
) -> Result<Answer<ProviderView>, Problem> {
    provider.enable_credential(fingerprint).await?;
    tracing::info!(provider = %provider.name(), %fingerprint, "credential enabled");
    Ok(Answer(provider.inspect().await?))
}

async fn set_mode(provider: ProviderHandle, mode: Mode) -> Result<Answer<ProviderView>, Problem> {
    provider.set_mode(mode).await?;
    tracing::info!(provider = %provider.name(), ?mode, "provider's mode set");
    Ok(Answer(provider.inspect().await?))
}
