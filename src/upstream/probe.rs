//! Asks a provider by itself whether it is well again, so that no client's request has to find out.
//!
//! What is asked for costs nothing, such as the list of models. One answer speaks for all deployments
//! of the provider that are shut and have cooled down, and it says that they pass again, not that each
//! of them works: the first failure shuts such a one again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use infergate_actors::clock::Clock;
use infergate_actors::provider::{
    DeploymentIndex, DeploymentState, FaultKind, Outcome, ProviderHandle, Ticket,
};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{SendError, USER_AGENT, Upstream, bearer, retry_after};

/// What is asked of one provider, and how often.
pub struct HealthProbe {
    /// The provider.
    pub provider: ProviderHandle,
    /// Its connections.
    pub upstream: Upstream,
    /// What is asked for.
    pub uri: Uri,
    /// Sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How often it is looked whether there is something to ask.
    pub interval: Duration,
    /// How long an answer's head may take.
    pub timeout: Duration,
    /// The clock.
    pub clock: Clock,
}

/// A provider being probed. Dropped, that stops.
pub struct Probing(JoinHandle<()>);

impl HealthProbe {
    /// Probes from now on.
    pub fn start(self) -> Probing {
        Probing(tokio::spawn(self.run()))
    }

    async fn run(self) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round().await;
        }
    }

    async fn round(&self) {
        let mut tickets = Vec::new();
        for index in self.due() {
            tickets.extend(self.provider.acquire_health_probe(index).await);
        }
        let Some(ticket) = tickets.first() else { return };
        let outcome = self.ask(ticket).await;
        tracing::debug!(
            provider = %self.provider.name(),
            deployments = tickets.len(),
            ?outcome,
            "health probe"
        );
        for ticket in tickets {
            ticket.report(outcome);
        }
    }

    fn due(&self) -> Vec<DeploymentIndex> {
        let now = self.clock.mono();
        let health = self.provider.health();
        let indexes = health.configured().map(|(index, _)| index);
        indexes
            .filter(|index| health.state(*index, now) == DeploymentState::AwaitingProbe)
            .collect()
    }

    /// A refused credential is a failure like any other here: one that serves requests well need not
    /// be allowed to ask for this.
    async fn ask(&self, ticket: &Ticket) -> Outcome {
        let fault = |kind| Outcome::Fault { kind, retry_after: None };
        let answer = self.upstream.send(self.request(ticket));
        match tokio::time::timeout(self.timeout, answer).await {
            Err(_late) => fault(FaultKind::HeadTimeout),
            Ok(Err(SendError::Connect | SendError::Refused)) => fault(FaultKind::ConnectFailed),
            Ok(Err(SendError::Broken)) => fault(FaultKind::Cut),
            Ok(Ok(response)) if response.status().is_success() => Outcome::Alive,
            Ok(Ok(response)) => Outcome::Fault {
                kind: FaultKind::ServerError(response.status().as_u16()),
                retry_after: retry_after(response.headers()),
            },
        }
    }

    fn request(&self, ticket: &Ticket) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(bearer) = ticket.credential().and_then(bearer) {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        request
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.abort();
    }
}
