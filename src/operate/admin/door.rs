//! The admin port's socket, and the token that it asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use infergate_actors::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_service::Service as _;

use super::{Operator, acts};
use crate::accept::{self, ActiveRequest, ConnectionTimeouts};
use crate::api::onto_socket;
use crate::front::AnswerBody;

const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const STREAMS_MAX: u32 = 64;
/// How long requests in the works may go on after a stop: a verification is not waited for.
const GRACE: Duration = Duration::from_secs(5);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What monitors may see without a token, and the document, which says nothing of this gateway.
pub(super) const OPEN_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

/// Serves the admin port until `stop` turns true.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Clock,
    stop: watch::Receiver<bool>,
) {
    let options = accept::Options {
        head_bytes_max: HEAD_BYTES_MAX,
        timeouts: ConnectionTimeouts { head: HEAD_TIMEOUT, idle: IDLE_TIMEOUT },
        streams_max: STREAMS_MAX,
        tls: None,
        clock,
    };
    accept::serve(listener, options, Door(router), stop, GRACE, || {}).await;
}

/// Lets every request for anything but what is open in only with a token, and has it answered.
pub(super) async fn let_in(
    State(operator): State<Arc<Operator>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if OPEN_PATHS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let client = request.extensions().get::<Client>().map(|client| client.0.ip());
    let id = operator.world.ids.next();
    let mut response = match operator.who(request.headers(), client).await {
        Ok(who) => acts::answer(operator, who, client, id, request, next).await,
        Err(problem) => problem.into_response(),
    };
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Who asks.
#[derive(Clone, Copy)]
struct Client(SocketAddr);

/// The router as the sockets want it.
#[derive(Clone)]
struct Door(Router);

impl accept::Service for Door {
    type Body = AnswerBody;

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: SocketAddr,
        active: ActiveRequest,
    ) -> http::Response<AnswerBody> {
        request.extensions_mut().insert(Client(client));
        // A router never fails and is always ready.
        let Ok(response) = self.0.clone().call(request).await;
        onto_socket(response).await.map(|body| body.keep(active))
    }
}
