//! Sends one message and reads what became of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::address::{Reach, Resolver};
use super::message::Message;
use super::sign::{SigningSecret, signatures};
use crate::upstream::{TlsSetupError, tls_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("infergate/", env!("CARGO_PKG_VERSION"));

/// Where a message goes, and what signs it.
pub(super) struct Target {
    pub(super) url: Uri,
    pub(super) reach: Reach,
    pub(super) secrets: Vec<SigningSecret>,
    pub(super) timeout: Duration,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The HTTP status, where there was an answer.
    pub(crate) status: Option<u16>,
    /// Why it has not arrived; `None` where it has.
    pub(crate) fault: Option<&'static str>,
    /// How long the receiver wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// The connections to receivers; those of accounts are made to public addresses only.
pub(super) struct Senders {
    everywhere: Sender,
    public: Sender,
}

type Sender = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

impl Senders {
    pub(super) fn new() -> Result<Self, TlsSetupError> {
        Ok(Self { everywhere: sender(Reach::Everywhere)?, public: sender(Reach::Public)? })
    }

    /// Sends a message, signed for this moment. Follows no redirection: nobody but who was named is told.
    pub(super) async fn send(&self, target: &Target, message: &Message, now_ms: u64) -> Outcome {
        let body = message.body.to_string();
        let timestamp = now_ms / 1_000;
        let signed = signatures(&target.secrets, &message.id, timestamp, body.as_bytes());
        let request = Request::builder()
            .method(Method::POST)
            .uri(target.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, AGENT)
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signed)
            .body(Full::from(body));
        let Ok(request) = request else { return Outcome::failed("the request can't be made") };
        if !target.url.host().is_some_and(|host| target.reach.allows_host(host)) {
            return Outcome::failed("it is no public address");
        }
        let sender = match target.reach {
            Reach::Everywhere => &self.everywhere,
            Reach::Public => &self.public,
        };
        match tokio::time::timeout(target.timeout, sender.request(request)).await {
            Err(_) => Outcome::failed("no answer in time"),
            Ok(Err(error)) if error.is_connect() => Outcome::failed("no connection"),
            Ok(Err(_)) => Outcome::failed("the connection broke before an answer"),
            Ok(Ok(answer)) => Outcome::of(answer.status(), answer.headers()),
        }
    }
}

impl Outcome {
    pub(super) fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::GONE.as_u16())
    }

    fn failed(fault: &'static str) -> Self {
        Self { status: None, fault: Some(fault), retry_after: None }
    }

    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let fault = if status.is_success() {
            None
        } else if status == StatusCode::GONE {
            Some("it says that it is gone")
        } else if status.is_redirection() {
            Some("it points elsewhere, where nothing is sent")
        } else {
            Some("it answers that it failed")
        };
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after =
            seconds.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Self { status: Some(status.as_u16()), fault, retry_after }
    }
}

fn sender(reach: Reach) -> Result<Sender, TlsSetupError> {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(reach));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls_config()?).https_or_http();
    let https = https.enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .build(https))
}
