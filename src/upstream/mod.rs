//! Bytes to a provider and back: connections, TLS, the time to connect. Knows nothing of dialects.

mod allowance;
mod classify;
mod probe;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use infergate_actors::provider::Secret;

pub use allowance::{limited_for, quota, retry_after};
pub use classify::{Verdict, verdict};
pub use probe::{HealthProbe, Probing};

/// What we call ourselves.
pub const USER_AGENT: &str = concat!("infergate/", env!("CARGO_PKG_VERSION"));

/// How connections to one provider are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest a connection may take to be there.
    pub connect_timeout: Duration,
    /// Whether to speak HTTP/2: by ALPN over TLS, by prior knowledge otherwise. All requests then
    /// share one connection, and wait where the provider's limit on its streams is reached.
    pub http2: bool,
    /// Whether the provider is reached over TLS.
    pub tls: bool,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections are kept.
    pub idle_max: usize,
}

/// What a provider may send ahead on one HTTP/2 connection. The h2 library lets small frames take up
/// half of it before it takes them for an attack and drops the connection: many streams of small
/// events need room.
const HTTP2_CONNECTION_WINDOW: u32 = 64 << 20;
/// What it may send ahead on one stream: the bound on what a slow client makes us keep.
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;

/// A client for one provider. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Upstream(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer's head.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection came about: the request was certainly not seen.
    #[error("no connection")]
    Connect,
    /// The provider refused the request unread (HTTP/2 `REFUSED_STREAM`, or `GOAWAY` before it).
    #[error("refused unread")]
    Refused,
    /// The connection broke before the head: the request may have been seen.
    #[error("the connection broke before the answer's head")]
    Broken,
}

/// TLS for providers can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("no TLS for providers")]
pub struct TlsSetupError(#[from] rustls::Error);

impl Upstream {
    /// A client with no connections yet.
    pub fn new(options: &Options) -> Result<Self, TlsSetupError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.connect_timeout));
        tcp.set_keepalive(Some(Duration::from_mins(1)));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls_config()?).https_or_http();
        let https = if options.http2 {
            https.enable_all_versions().wrap_connector(tcp)
        } else {
            https.enable_http1().wrap_connector(tcp)
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.idle_max)
            .http2_only(options.http2 && !options.tls)
            .http2_keep_alive_interval(Some(Duration::from_secs(20)))
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .build(https);
        Ok(Self(client))
    }

    /// Sends a request and waits for the answer's head. The caller sets the limit on that wait.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, SendError> {
        self.0.request(request).await.map_err(|error| send_error(&error))
    }
}

/// How a credential is shown to a provider; `None` where it can't be written.
pub fn bearer(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// How others are spoken to over TLS.
pub(crate) fn tls_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    // The machine's own roots, so that a company's internal authority is trusted where the machine
    // trusts it; a machine without any (a minimal container) gets Mozilla's.
    Ok(match builder.with_native_roots() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(_) => rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth(),
    })
}

fn send_error(error: &hyper_util::client::legacy::Error) -> SendError {
    if error.is_connect() {
        return SendError::Connect;
    }
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(h2) = current.downcast_ref::<h2::Error>() {
            let unread = h2.reason() == Some(h2::Reason::REFUSED_STREAM) || h2.is_go_away();
            return if unread { SendError::Refused } else { SendError::Broken };
        }
        cause = current.source();
    }
    SendError::Broken
}
