//! Pages of other origins that may use the clients' port (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use infergate_actors::account::{Origin, origin_of};
use tower::service_fn;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Any, CorsLayer};
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::AnswerBody;
use crate::config::EVERY_ORIGIN;

/// How long a browser may keep what a preflight was told: as long as any of them does.
const KEPT: Duration = Duration::from_hours(2);
/// What the paths take. Which of them takes what is told by 405.
const METHODS: [Method; 5] =
    [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE];

/// What browsers are told.
pub(super) struct Cors {
    layer: Option<CorsLayer>,
    /// Whether one page is told another thing than the next.
    differs: bool,
}

impl Cors {
    /// Pages of these origins may use the port: patterns, or [`EVERY_ORIGIN`]. None: no page of another
    /// origin.
    pub(super) fn new(origins: &[String]) -> Self {
        if origins.is_empty() {
            return Self { layer: None, differs: false };
        }
        let layer = CorsLayer::new()
            .allow_methods(AllowMethods::list(METHODS))
            // A star would leave `authorization` out.
            .allow_headers(AllowHeaders::mirror_request())
            // Keys travel in a header and never in a cookie, so a star stands for every name.
            .expose_headers(Any)
            .max_age(KEPT);
        if origins.iter().any(|origin| origin == EVERY_ORIGIN) {
            return Self { layer: Some(layer.allow_origin(Any)), differs: false };
        }
        let origins = origins.to_vec();
        let is_allowed = move |origin: &HeaderValue, _: &http::request::Parts| {
            let origin = origin.to_str().map(origin_of).unwrap_or_default();
            Origin::Of(origin.into()).fits(&origins)
        };
        let layer = layer.allow_origin(AllowOrigin::predicate(is_allowed));
        Self { layer: Some(layer), differs: true }
    }

    /// What is told to whoever sends this head. Whoever is no browser names no origin, and costs nothing.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<CorsLayer> {
        self.layer.as_ref().filter(|_| headers.contains_key(header::ORIGIN)).cloned()
    }

    /// What an answer to whoever names no origin says all the same, or a cache would give it to a page that
    /// is told more.
    pub(super) fn vary(&self) -> Option<HeaderValue> {
        self.differs.then(|| HeaderValue::from_static("origin"))
    }
}

/// The answer to `request` with what browsers want to be told; to a preflight, only that.
pub(super) async fn over<B, F: Future<Output = Response<AnswerBody>>>(
    layer: CorsLayer,
    request: Request<B>,
    answer: impl FnOnce(Request<B>) -> F,
) -> Response<AnswerBody> {
    let mut answer = Some(answer);
    let inner = service_fn(move |request| {
        let answering = answer.take().map(|answer| answer(request));
        async move {
            Ok::<_, Infallible>(match answering {
                Some(answering) => answering.await,
                // It is called once.
                None => Response::default(),
            })
        }
    });
    let Ok(response) = layer.layer(inner).call(request).await;
    response
}
