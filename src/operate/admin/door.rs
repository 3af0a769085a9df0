//! The admin port's socket, and the token that it asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use infergate_actors::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_service::Service as _;

use super::usage::Passing;
use super::{Operator, Problem};
use crate::accept::{self, ActiveRequest, ConnectionTimeouts};
use crate::auth;
use crate::front::AnswerBody;

const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const STREAMS_MAX: u32 = 64;
/// How long requests in the works may go on after a stop: a verification is not waited for.
const GRACE: Duration = Duration::from_secs(5);

/// What monitors may see without a token, and the document, which says nothing of this gateway.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

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

/// Lets every request for anything but what is open in only with the token.
pub(super) async fn check_token(
    State(operator): State<Arc<Operator>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let open = OPEN_PATHS.contains(&request.uri().path());
    let token = auth::bearer(request.headers());
    if open || token.is_some_and(|token| auth::same(&auth::hash(token), &operator.token)) {
        return next.run(request).await;
    }
    let client = request.extensions().get::<Client>().map(|client| client.0.ip());
    if let Some(Err(wait)) = client.map(|client| operator.sentry.wrong_key(client)) {
        let detail = "too many requests without the admin token came from this address";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
        return Problem { retry_after: Some(wait), ..problem }.into_response();
    }
    let detail = "send the admin token as `authorization: Bearer …`";
    Problem::new(StatusCode::UNAUTHORIZED, detail).into_response()
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
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(body) = parts.extensions.remove().and_then(Passing::body) {
            // The router counted the empty body that stood in its place.
            parts.headers.remove(header::CONTENT_LENGTH);
            return http::Response::from_parts(parts, body.keep(active));
        }
        // All other answers are whole: nothing is waited for here.
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        http::Response::from_parts(parts, AnswerBody::whole(bytes).keep(active))
    }
}
