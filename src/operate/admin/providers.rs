//! Providers: looked at, opened, closed, drained, their credentials enabled.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use infergate_actors::provider::{Mode, ProviderHandle, ProviderView};
use schemars::JsonSchema;
use serde::Serialize;

use super::request::{CredentialOf, ProviderOf};
use super::{Operator, Problem};
use crate::openapi::{Routes, doc, get, post};

const TAG: &str = "Providers";

/// All providers.
#[derive(Serialize, JsonSchema)]
struct Providers {
    providers: Vec<Provider>,
}

/// A provider in a list.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Provider {
    Known(Box<ProviderView>),
    /// Its actor does not answer now; the status is `restarting`.
    Restarting {
        name: Arc<str>,
        status: &'static str,
    },
}

/// What is served of providers.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let provider = |rest: &str| format!("/admin/v1/providers/{{provider}}{rest}");
    let of = |id, summary| doc(id, summary).answers::<ProviderView>(200);
    let listed = doc("listProviders", "Lists all providers.").answers::<Providers>(200);
    let shown = of("getProvider", "Shows a provider's live state.");
    let opened = of("openProvider", "Lets requests through to a provider.");
    let closed = of("closeProvider", "Lets no requests through to a provider.");
    let drained =
        of("drainProvider", "Lets nothing new through; what is under way ends by itself.");
    let enabled = of("enableCredential", "Makes a credential usable that its provider rejected.");
    Routes::new()
        .route(TAG, "/admin/v1/providers", get(list, listed))
        .route(TAG, &provider(""), get(show, shown))
        .route(TAG, &provider("/open"), post(open, opened))
        .route(TAG, &provider("/close"), post(close, closed))
        .route(TAG, &provider("/drain"), post(drain, drained))
        .route(TAG, &provider("/credentials/{fingerprint}/enable"), post(enable, enabled))
}

pub(super) async fn list(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let mut views = Vec::new();
    for provider in operator.system.providers.all() {
        views.push(match provider.inspect().await {
            Ok(view) => Provider::Known(Box::new(view)),
            Err(_) => Provider::Restarting { name: provider.name().clone(), status: "restarting" },
        });
    }
    Answer(Providers { providers: views })
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
