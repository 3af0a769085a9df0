//! The front door: paths, keys, bodies, and answers to what is wrong with them.

mod body;
mod chat_schema;
mod cors;
mod endpoint;
mod explain;
mod lookup;
mod models;
mod sentry;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use infergate_actors::account::{KeyScope, Origin, Presented, Refusal, origin_of};
use infergate_actors::id::ExchangeId;

use crate::accept::{ActiveRequest, Service};
use crate::auth;
use crate::config::SignUp;
use crate::dialect::wish::Wish;
use crate::error::{ApiError, Hints};
use crate::exchange::{self, Caller, Control, Head, World};
use crate::notify::Notifier;
use crate::owner::Office;
use cors::Cors;
#[cfg(test)]
pub(crate) use endpoint::document;
use endpoint::{Endpoint, OWNERS};
use models::Permitted;
pub(crate) use models::{Purpose, working_key};
pub(crate) use sentry::Sentry;

pub use body::{AnswerBody, BodyLimits};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Tells the SDKs of OpenAI whether to try again, whatever the status says.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

const HEALTHY: &str = "{\"status\":\"ok\"}";

/// The document of all this. It is made when somebody first asks for it.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| endpoint::document().to_string().into());

/// Answers clients. Cheap to clone.
#[derive(Clone)]
pub struct Front(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    limits: ArcSwap<BodyLimits>,
    cors: ArcSwap<Cors>,
    sentry: Arc<Sentry>,
    /// The API of account owners.
    office: Office,
}

impl Front {
    /// A front door to `world`; `notifier` has the webhooks that owners set.
    pub fn new(world: Arc<World>, limits: BodyLimits, notifier: Notifier) -> Self {
        let limits = ArcSwap::from_pointee(limits);
        let sentry = Arc::new(Sentry::new());
        let office = Office::new(Arc::clone(&world), Arc::clone(&sentry), notifier);
        let cors = ArcSwap::from_pointee(Cors::new(&[]));
        Self(Arc::new(Shared { world, limits, cors, sentry, office }))
    }

    /// Changes who may sign up, for requests from now on.
    pub fn set_sign_up(&self, policy: SignUp) {
        self.0.office.set_sign_up(policy);
    }

    /// Changes how much each account may change under `/api/v1` in a minute, for requests from now on;
    /// zero: as much as it likes.
    pub fn set_owner_changes(&self, per_minute: u32) {
        self.0.office.set_changes(per_minute);
    }

    /// Changes the limits on bodies, for requests from now on.
    pub fn set_limits(&self, limits: BodyLimits) {
        self.0.limits.store(Arc::new(limits));
    }

    /// Changes which pages of other origins may use the port, for requests from now on: patterns as keys
    /// have them, or a star for all; none: no page. None may before this is said.
    pub fn set_origins(&self, origins: &[String]) {
        self.0.cors.store(Arc::new(Cors::new(origins)));
    }

    /// To be called every few seconds.
    pub fn tidy(&self) {
        self.0.sentry.tidy();
        self.0.office.tidy();
        let (world, stall) = (&self.0.world, self.0.limits.load().stall);
        let dropped = world.handouts.drop_stalled(world.clock.mono(), stall);
        if dropped > 0 {
            tracing::info!(streams = dropped, "dropped: their clients took nothing");
        }
    }
}

impl Service for Front {
    type Body = AnswerBody;

    async fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        active: ActiveRequest,
    ) -> Response<AnswerBody> {
        let shared = &self.0;
        let id = shared.world.ids.next();
        let (cors, vary) = {
            let cors = shared.cors.load();
            (cors.of(request.headers()), cors.vary())
        };
        let answer = async |request| {
            let answered = shared.route(request, client, id, &active).await;
            answered.unwrap_or_else(|error| {
                shared.world.metrics.refused(error.status.as_u16());
                refusal(&error)
            })
        };
        let mut response = match cors {
            None => {
                let mut response = answer(request).await;
                if let Some(vary) = vary {
                    response.headers_mut().append(header::VARY, vary);
                }
                response
            }
            // On the heap, or every request would be as large as one of a browser.
            Some(layer) => Box::pin(cors::over(layer, request, answer)).await,
        };
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response.map(|body| body.keep(active))
    }

    fn unreadable(&self, status: StatusCode) -> Option<Response<Bytes>> {
        let world = &self.0.world;
        world.metrics.refused(status.as_u16());
        let error = ApiError::unreadable(status);
        let mut response = refusal(&error).map(|_| error.body());
        let id = HeaderValue::try_from(world.ids.next().to_string()).ok()?;
        response.headers_mut().insert(REQUEST_ID, id);
        Some(response)
    }
}

impl Shared {
    async fn route(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        id: ExchangeId,
        active: &ActiveRequest,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let path = request.uri().path();
        let method = request.method();
        if path.starts_with(OWNERS) {
            return Ok(self.office.answer(request, client).await);
        }
        let endpoint = Endpoint::at(path);
        let endpoint = endpoint.ok_or_else(|| ApiError::unknown_path(method.as_str(), path))?;
        let allowed = endpoint.method();
        if *method != allowed {
            let allowed = if allowed == Method::POST { "POST" } else { "GET" };
            return Err(ApiError::method_not_allowed(method.as_str(), allowed));
        }
        match endpoint {
            Endpoint::Chat => self.chat(request, client, id, active).await,
            Endpoint::Explain => self.explain(request, client, active).await,
            Endpoint::Models => {
                let key = self.key(&request, client).await?;
                let wall_ms = self.world.clock.now().wall_ms;
                Ok(models::list(&self.world.catalog.load(), &key, wall_ms))
            }
            Endpoint::Model => {
                let key = self.key(&request, client).await?;
                let wall_ms = self.world.clock.now().wall_ms;
                models::one(&self.world.catalog.load(), &key, request.uri().path(), wall_ms)
            }
            Endpoint::Generation => self.generation(&request, client).await,
            Endpoint::Credits => self.credits(&request, client).await,
            Endpoint::Key => self.about_key(&request, client).await,
            Endpoint::Alive => Ok(json(HEALTHY)),
            Endpoint::Ready => self.ready(),
            Endpoint::Document => Ok(json(DOCUMENT.clone())),
        }
    }

    async fn chat(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        id: ExchangeId,
        active: &ActiveRequest,
    ) -> Result<Response<AnswerBody>, ApiError> {
        let world = &self.world;
        let started = world.clock.now();
        if world.is_stopping() || world.ledger.is_poisoned() {
            return Err(ApiError::unavailable());
        }
        let admission = world.gate.enter().ok_or_else(ApiError::overloaded)?;
        let caller = self.caller(&request, client).await?;
        let (parts, body) = request.into_parts();
        let wish = Wish::of_headers(&parts.headers);
        let wish = wish.map_err(|error| ApiError::envelope(&error))?;
        let limits = **self.limits.load();
        let body = body::read(&parts.headers, body, limits).await?;
        active.body_was_read();
        let control = Control::of_headers(&parts.headers);
        let head = Head { id, started, caller, admission, wish, control };
        exchange::chat(world, head, body).await
    }

    /// Whose key came with the request. Whether it may be used is the account's to say.
    async fn caller(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Caller, ApiError> {
        caller(&self.world, &self.sentry, request.headers(), client.ip()).await
    }

    fn ready(&self) -> Result<Response<AnswerBody>, ApiError> {
        let is_ready = !self.world.is_stopping() && !self.world.ledger.is_poisoned();
        if is_ready { Ok(json(HEALTHY)) } else { Err(ApiError::unavailable()) }
    }

    /// The key that came with the request, if it may be used.
    async fn key(
        &self,
        request: &Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Permitted, ApiError> {
        let caller = self.caller(request, client).await?;
        self.permitted(&caller, Purpose::Work, &[KeyScope::Inference]).await
    }

    /// The key, if it may be used and has one of `scopes`.
    async fn permitted(
        &self,
        caller: &Caller,
        purpose: Purpose,
        scopes: &[KeyScope],
    ) -> Result<Permitted, ApiError> {
        let account = self.world.accounts.inspect(caller.account).await;
        let account = account.map_err(unreachable)?;
        let now_ms = self.world.clock.now().wall_ms;
        Ok(models::permitted_key(&account, caller, purpose, scopes, now_ms)?)
    }
}

/// Whose key came with a request from `client`. Whether it may be used is the account's to say.
pub(crate) async fn caller(
    world: &World,
    sentry: &Sentry,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Caller, ApiError> {
    let token = auth::bearer(headers).ok_or_else(ApiError::missing_key)?;
    let wrong = |message| match sentry.wrong_key(client) {
        Ok(()) => ApiError::invalid_key(message),
        Err(wait) => ApiError::too_many_wrong_keys(wait),
    };
    if auth::is_mistyped(token) {
        return Err(wrong(
            "This API key is mistyped or cut: its last letters do not fit the rest of it.",
        ));
    }
    let hash = auth::hash(token);
    let found = world.accounts.find_key(hash).await.map_err(|error| {
        tracing::error!(%error, "key can't be looked up");
        ApiError::unavailable()
    })?;
    let (account, key) = found.ok_or_else(|| {
        // Only now: a key from elsewhere may look like that.
        wrong(if auth::is_of_other_length(token) {
            "This API key is mistyped or cut: it has more or fewer letters than a key has."
        } else {
            "Incorrect API key provided."
        })
    })?;
    let presented =
        Presented { secret: Some(hash), address: Some(client), origin: origin(headers) };
    Ok(Caller { account, key, presented })
}

/// Why an account can't be looked at.
pub(crate) fn unreachable(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Denied(denial) => denial.into(),
        Refusal::Unavailable(_) => ApiError::unavailable(),
    }
}

/// What the request says of the page that it was made by. Only browsers say it, so that it costs others
/// nothing.
fn origin(headers: &HeaderMap) -> Origin {
    let said = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER));
    let origin = said.and_then(|said| said.to_str().ok()).map(origin_of);
    origin.map_or(Origin::Unsaid, |origin| Origin::Of(origin.into()))
}

fn json(body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn refusal(error: &ApiError) -> Response<AnswerBody> {
    let mut response = json(error.body());
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    if let Some(Hints { retry_after, rate, allowed, trail }) = error.hints() {
        let trail = trail.as_deref().and_then(|trail| HeaderValue::from_str(trail).ok());
        if let Some(trail) = trail {
            headers.insert(exchange::TRAIL, trail);
        }
        if let Some(after) = retry_after {
            let seconds = after.as_millis().div_ceil(1_000).max(1);
            let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(1));
            headers.insert(header::RETRY_AFTER, seconds);
        }
        exchange::rate_headers(headers, rate);
        if let Some(allowed) = allowed {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
    }
    if error.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if error.final_answer {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}
