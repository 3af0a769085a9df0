//! One client request from its head to the settled bill.
//!
//! `chat` is the whole story; each stage is a file: `admit` (the most it can cost, and a hold for
//! that), `cache` (where the answer is there, or coming, already), [`crate::route`] (who may answer, in
//! which order), `attempt` (one try at one provider),
//! `relay` (the stream to the client, metered in passing), `bill` and `settle` (the charge, written
//! exactly once whatever happens to the task).

mod admit;
mod attempt;
mod belief;
mod bill;
mod cache;
mod candidates;
mod credit;
mod drain;
mod errand;
mod explain;
mod gate;
mod gather;
mod handout;
mod patience;
mod race;
mod reader;
mod recall;
mod relay;
mod rescue;
mod settle;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod tries;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use infergate_actors::account::{Accounts, End, RateStatus, Remaining};
use infergate_actors::clock::{Clock, Now};
use infergate_actors::id::{ExchangeId, ExchangeIds};
use infergate_actors::ledger::{Durability, Ledger};
use infergate_actors::money::NanoUsd;
use tokio::sync::Semaphore;

use crate::catalog::Catalog;
use crate::config;
use crate::dialect::chat::with_cost;
use crate::dialect::envelope::{Envelope, Limits};
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::front::AnswerBody;
use crate::lots;
use crate::operate::metrics::Metrics;
use crate::turns::Turns;

use admit::{Admitted, Offers};
use attempt::Answer;
use bill::{Bill, Measured};
use cache::{Asking, Entered, Tap};
use credit::Credit;
use errand::{Errand, can_go_on};
use handout::Stream;
use recall::{Recall, unless_recalled};
use rescue::Rescue;
use settle::OpenHold;
use tally::{Lost, Tally};
use tries::Search;

pub(crate) use admit::Caller;
pub(crate) use cache::Control;
pub use cache::{Cache, CacheStats};
pub(crate) use explain::{Explained, Question, explain};
pub use gate::{Admission, Gate};
pub use handout::{Handout, Handouts};
use relay::Relay;
pub(crate) use told::{TRAIL, outcome_name};

/// What every exchange needs.
pub struct World {
    /// The accounts.
    pub accounts: Accounts,
    /// The ledger.
    pub ledger: Ledger,
    /// Models and providers in force.
    pub catalog: ArcSwap<Catalog>,
    /// The bound on exchanges in the works.
    pub gate: Gate,
    /// Hands out exchange ids.
    pub ids: ExchangeIds,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
    /// How safe a hold is before anything reaches the client.
    pub durability: Durability,
    /// Streams on their way to clients.
    pub handouts: Handouts,
    /// Answers that are kept, and those that can be joined.
    pub cache: Cache,
    /// Turns at reading much of the ledger for those who look up what was used.
    pub(crate) reads: Semaphore,
    /// Turns at changing an account.
    pub(crate) turns: Turns,
    stopping: AtomicBool,
    cutting: AtomicBool,
    dice: AtomicU64,
}

/// What came with the request's head.
pub(crate) struct Head {
    pub(crate) id: ExchangeId,
    pub(crate) started: Now,
    pub(crate) caller: Caller,
    pub(crate) admission: Admission,
    /// How the headers narrow where the request may go.
    pub(crate) wish: Wish,
    /// What they say of answers that were given before.
    pub(crate) control: Control,
}

/// What a [`World`] is made of.
pub struct WorldParts {
    /// See [`World::accounts`].
    pub accounts: Accounts,
    /// See [`World::ledger`].
    pub ledger: Ledger,
    /// See [`World::catalog`].
    pub catalog: Catalog,
    /// How many exchanges may be in the works.
    pub in_flight_max: usize,
    /// This node's number in ids.
    pub node: u16,
    /// See [`World::clock`].
    pub clock: Clock,
    /// See [`World::metrics`].
    pub metrics: Metrics,
    /// See [`World::durability`].
    pub durability: Durability,
    /// How much is kept of answers.
    pub cache: config::Cache,
}

impl World {
    /// Puts the parts together.
    pub fn new(parts: WorldParts) -> Self {
        Self {
            ids: ExchangeIds::new(parts.node, parts.ledger.epoch()),
            accounts: parts.accounts,
            ledger: parts.ledger,
            catalog: ArcSwap::from_pointee(parts.catalog),
            gate: Gate::new(parts.in_flight_max),
            dice: AtomicU64::new(parts.clock.now().wall_ms),
            clock: parts.clock,
            metrics: parts.metrics,
            durability: parts.durability,
            handouts: Handouts::default(),
            cache: Cache::new(parts.cache),
            reads: Semaphore::new(READS_MAX),
            turns: Turns::default(),
            stopping: AtomicBool::new(false),
            cutting: AtomicBool::new(false),
        }
    }

    /// No exchange is begun from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Streams that are cut from now on are cut by us.
    pub fn cut(&self) {
        self.cutting.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cutting(&self) -> bool {
        self.cutting.load(Ordering::Relaxed)
    }

    /// Whether [`World::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A number that looks random: `SplitMix64` (Steele, Lea and Flood, 2014) over a counter. For
    /// drawing lots, not for secrets.
    pub(crate) fn dice(&self) -> u64 {
        let count = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        lots::mix(count)
    }
}

/// Readers of much of the ledger at one time.
const READS_MAX: usize = 4;

/// A limit that never lets anything through has no time at which it does.
const RESET_MAX: Duration = Duration::from_hours(24);

/// Answers a chat completion request.
pub(crate) async fn chat(
    world: &Arc<World>,
    head: Head,
    body: Bytes,
) -> Result<Response<AnswerBody>, ApiError> {
    let Head { id, started, caller, admission, wish, control } = head;
    let envelope = Envelope::parse(&body, &Limits::default());
    let mut envelope = envelope.map_err(|error| ApiError::envelope(&error))?;
    let mut wish = envelope.wish.clone().over(wish);
    // Who the user is changes neither the answer nor the way to it.
    envelope.name_user(wish.user.take());
    let offers = offers(world, &envelope, &wish, started.wall_ms)?;

    let for_whom = &caller;
    let asking =
        Asking { world, id, started, caller: for_whom, control, wish: &wish, envelope: &envelope };
    let (tap, admitted) = match cache::enter(asking, offers, admission).await? {
        Entered::Answered(response) => return Ok(response),
        Entered::Asks(tap, admitted) => (tap, admitted),
    };
    let Admitted { hold, permit, ticket, quote, offers } = admitted;
    let wishes = (caller, wish);
    let errand = Errand::new(world, offers, &envelope, (id, started), wishes, quote, &permit);
    let mut tally = Tally::default();
    let deadline = started.mono.saturating_add(errand.deadline());
    let (broken, begun) = (None, None);
    let search = Search { errand: &errand, envelope: &envelope, broken, begun, deadline };
    let running = unless_recalled(permit.standing.clone(), search.run(&mut tally));
    let (won, answer) = match running.await {
        Ok(found) => found,
        Err(lost) => return Err(lose(world, hold, tap, lost).await),
    };
    // Money spent upstream must not be forgotten: the hold is written before anything is told.
    if world.ledger.wait(ticket, world.durability).await.is_err() {
        return Err(ApiError::unavailable());
    }
    let attempts = std::mem::take(&mut tally.attempts);
    let bill = Bill::new(hold, &errand, won, attempts, envelope.stream);
    let mut bill = Box::new(bill.ok_or_else(ApiError::unavailable)?);
    bill.record.user = envelope.end_user();
    let mut headers = HeaderMap::new();
    if let Some(target) = bill.spot().and_then(|spot| errand.target(spot)) {
        let provider = target.provider.handle.name();
        told::answered(&mut headers, &bill.model.settings.name, provider, &bill.record.attempts);
    }
    if let Some(asked_for) = errand.offers.first() {
        told::lifecycle(&mut headers, &asked_for.settings.lifecycle);
    }
    if tap.is_some() {
        cache::tell(&mut headers, "miss");
    }
    let tap = tap.and_then(|tap| tap.of(bill.record.served_model.is_none()));
    let body = match answer {
        Answer::Stream(opened) => {
            let credit = Credit::new(errand.quote, permit.completion_tokens_held);
            let goes_on = can_go_on(&envelope, &bill.model);
            let rescue = goes_on.then(|| Box::new(Rescue::new(Arc::new(errand), tally)));
            let recall = Recall::new(permit.standing);
            let relay = Relay::new(world.clone(), *opened, bill, credit, recall, rescue);
            let relay = Box::new(relay).tapped(tap);
            AnswerBody::stream(world.handouts.begin(Stream::Own(relay), world.clock.clone()))
        }
        Answer::Whole { body, measured } => {
            let (mut body, charged) = charge_whole(world, *bill, body, *measured, tap).await?;
            if let Some(charged) = charged {
                told::charged(&mut headers, charged);
                if envelope.include_cost {
                    body = with_cost(&body, &measured.usage, charged).unwrap_or(body);
                }
            }
            AnswerBody::whole(body)
        }
    };
    Ok(answer_with(body, envelope.stream, permit.rate, headers))
}

/// Ends an exchange that nobody answers; what its client is told.
async fn lose(world: &World, hold: OpenHold, tap: Option<Box<Tap>>, lost: Lost) -> ApiError {
    world.metrics.exchange_failed(lost.end);
    if let Some(tap) = tap {
        // Others who asked for the same may now need the credit for themselves.
        hold.voided(lost.end).await;
        tap.lost(&lost);
    } else {
        hold.void(lost.end);
    }
    *lost.error
}

/// The models that may answer: the one asked for, and behind it those the client takes in its stead.
/// None is ever put in the place of another unasked: where the one asked for is retired, that is said,
/// and one that would only stand in for it is left out.
fn offers(
    world: &World,
    envelope: &Envelope<'_>,
    wish: &Wish,
    wall_ms: u64,
) -> Result<Offers, ApiError> {
    let catalog = world.catalog.load();
    let mut offers = Offers::new();
    for name in std::iter::once(&*envelope.model).chain(wish.models.iter().map(String::as_str)) {
        let model = catalog.model(name).ok_or_else(|| {
            let field = if name == envelope.model { "model" } else { "models" };
            ApiError::unknown_model(name).param(field)
        })?;
        if model.settings.lifecycle.is_retired(wall_ms) {
            if offers.is_empty() {
                return Err(ApiError::retired_model(name, &model.settings.lifecycle));
            }
        } else if !offers.iter().any(|known| Arc::ptr_eq(known, model)) {
            offers.push(Arc::clone(model));
        }
    }
    let now = world.clock.mono();
    offers.iter().take(1).for_each(|model| model.budgets.asked(now));
    Ok(offers)
}

/// Charges an answer that is all there, and lets it go, with what was charged, when that is written.
async fn charge_whole(
    world: &World,
    bill: Bill,
    body: Bytes,
    measured: Measured,
    tap: Option<Box<Tap>>,
) -> Result<(Bytes, Option<NanoUsd>), ApiError> {
    let (hold, settle) = bill.close(measured, End::Completed);
    let mut charged = None;
    if let Some(settle) = settle {
        world.metrics.exchange_ended(End::Completed, &settle);
        charged = hold.settle(settle).await.map_err(|_| ApiError::unavailable())?;
    }
    if let Some(tap) = tap {
        tap.whole(&body, measured);
    }
    Ok((body, charged))
}

fn answer_with(
    body: AnswerBody,
    stream: bool,
    rate: RateStatus,
    told: HeaderMap,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = told;
    let headers = response.headers_mut();
    if stream {
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Proxies that would collect a stream are asked not to.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    rate_headers(headers, &rate);
    response
}

/// The `x-ratelimit-*` headers of the OpenAI API
/// (<https://platform.openai.com/docs/guides/rate-limits>), for limits that there are.
pub(crate) fn rate_headers(headers: &mut HeaderMap, rate: &RateStatus) {
    let requests = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    let tokens = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    for (names, left) in [(requests, rate.requests), (tokens, rate.tokens)] {
        let Some(Remaining { limit, remaining, reset }) = left else { continue };
        let [limit_name, remaining_name, reset_name] = names;
        headers.insert(limit_name, limit.into());
        headers.insert(remaining_name, remaining.into());
        if let Ok(reset) = HeaderValue::try_from(format!("{}ms", reset.min(RESET_MAX).as_millis()))
        {
            headers.insert(reset_name, reset);
        }
    }
}
