//! Answers that are given again, and answers that several requests share while they come.
//!
//! Only routes with a `cache` pay for any of this. A request that is the same as one before, byte by
//! byte, gets the answer that is kept of it (`hit`); one that is the same as one under way joins it
//! (`join`); any other asks a provider, and what is handed on is recorded (`flight`) and kept
//! (`store`). Whoever gets an answer that was not asked for it is asked for nothing less than others:
//! its account admits it, holds for it and is charged, only at a share of the price in force.
//!
//! Kept are whole answers of the model asked for that ended by the provider's own finish. An answer
//! by another model, or one whose length was lowered to what the account could pay, is not what the
//! next one asks for. Nor is one that tells its cost.

mod control;
mod drive;
mod flight;
mod hit;
mod join;
mod key;
mod share;
mod store;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use infergate_actors::account::Source;
use infergate_actors::clock::Now;
use infergate_actors::id::ExchangeId;

use super::World;
use super::admit::{Admitted, Caller, Offers, admit};
use super::gate::Admission;
use super::settle::OpenHold;
use crate::catalog::Model;
use crate::config::{self, RouteCache};
use crate::dialect::envelope::Envelope;
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::front::AnswerBody;

use flight::{Flights, Part};
use join::Joined;
use key::{Key, Request};
use share::Share;
use store::{Entry, Store};

pub(crate) use control::Control;
pub(super) use drive::drive_on;
pub(super) use flight::Tap;
pub(super) use join::Following;
pub use store::CacheStats;

/// Whether an answer was asked of a provider for this request.
const CACHE: HeaderName = HeaderName::from_static("x-infergate-cache");

/// How often a request joins others whose answers then fail, before it asks for itself alone.
const JOINS_MAX: usize = 2;

/// What is kept, and what can be joined.
pub struct Cache {
    store: Store,
    flights: Flights,
}

/// A request.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) id: ExchangeId,
    pub(super) started: Now,
    pub(super) caller: &'a Caller,
    pub(super) control: Control,
    pub(super) wish: &'a Wish,
    pub(super) envelope: &'a Envelope<'a>,
}

/// A request at a route with a cache.
struct Seeking<'a> {
    asking: Asking<'a>,
    /// The model asked for.
    model: Arc<Model>,
    offers: Offers,
    settings: RouteCache,
}

/// What comes of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what nearly every request comes to"
)]
pub(super) enum Entered {
    /// It is answered without a provider.
    Answered(http::Response<AnswerBody>),
    /// Its account lets a provider be asked. The tap hears the answer, where it is to be kept or shared.
    Asks(Option<Box<Tap>>, Admitted),
}

/// How far a request has come in.
enum Place {
    /// Its account has not been asked.
    Outside(Admission),
    /// Its account holds a share of the price for it.
    Inside(Box<Admitted>),
}

impl Cache {
    /// An empty cache.
    pub fn new(bounds: config::Cache) -> Self {
        Self { store: Store::new(bounds), flights: Flights::default() }
    }

    /// Changes how much is kept.
    pub fn resize(&self, bounds: config::Cache) {
        self.store.resize(bounds);
    }

    /// Forgets everything that is kept. What is under way is not kept either.
    pub fn purge(&self) {
        self.store.purge();
    }

    #[cfg(test)]
    pub(crate) fn joinable(&self) -> usize {
        self.flights.count()
    }

    /// How much is kept.
    pub fn stats(&self) -> CacheStats {
        self.store.stats()
    }
}

/// Finds an answer that is there or coming, or has the account asked whether a provider may be.
pub(super) async fn enter(
    asking: Asking<'_>,
    offers: Offers,
    admission: Admission,
) -> Result<Entered, ApiError> {
    let control = asking.control;
    let cached = offers.first().and_then(|model| Some((model, model.settings.route.cache?)));
    match cached {
        // An answer that tells what this exchange is charged is nobody else's.
        Some((model, settings)) if !control.no_store && !asking.envelope.include_cost => {
            let model = Arc::clone(model);
            let seeking = Seeking { asking, model, offers, settings };
            // Most routes have none: they do not carry the room for it around.
            Box::pin(seeking.run(admission)).await
        }
        Some(_) | None if control.only_if_cached => Err(ApiError::not_cached()),
        Some(_) | None => Ok(Entered::Asks(None, asking.admit(admission, offers, 100).await?)),
    }
}

/// Says in the answer's head where it came from.
pub(super) fn tell(headers: &mut HeaderMap, what: &'static str) {
    headers.insert(CACHE, HeaderValue::from_static(what));
}

impl Asking<'_> {
    /// A hold for so many hundredths of what it can cost.
    async fn admit(
        &self,
        admission: Admission,
        offers: Offers,
        percent: u8,
    ) -> Result<Admitted, ApiError> {
        let Self { world, caller, id, started, envelope, .. } = *self;
        let begun = (id, started.wall_ms);
        admit(&world.accounts, caller, begun, admission, envelope, offers, percent).await
    }
}

impl Seeking<'_> {
    async fn run(self, admission: Admission) -> Result<Entered, ApiError> {
        let Self { asking, settings, .. } = self;
        let Asking { world, control, caller, .. } = asking;
        let key = self.key();
        let mut place = Place::Outside(admission);
        let mut joins = 0;
        loop {
            if let Some(entry) = self.kept(&key) {
                return self.hit(&entry, place).await.map(Entered::Answered);
            }
            if control.only_if_cached {
                return Err(ApiError::not_cached());
            }
            // Who wants a new answer can't be given one that was begun before, and has none to share.
            let may_join = settings.coalesce && !control.no_cache && joins < JOINS_MAX;
            let part = if may_join {
                world.cache.flights.enter(world, caller.account, key)
            } else {
                Part::Asks(Box::new(Tap::new(world, caller.account, key)))
            };
            match part {
                // It may have been kept since it was looked for.
                Part::Asks(_) if self.kept(&key).is_some() => {}
                Part::Asks(mut tap) => {
                    world.metrics.cache_missed();
                    let admitted = match place {
                        Place::Outside(admission) => {
                            asking.admit(admission, self.offers, 100).await?
                        }
                        Place::Inside(admitted) => self.raise(*admitted).await?,
                    };
                    tap.for_what(&admitted);
                    return Ok(Entered::Asks(Some(tap), admitted));
                }
                Part::Follows(follower) => {
                    let admitted = self.inside(place).await?;
                    match self.follow(follower, admitted).await? {
                        Joined::Answered(response) => return Ok(Entered::Answered(response)),
                        Joined::Failed(admitted) => {
                            place = Place::Inside(admitted);
                            joins += 1;
                        }
                        Joined::Apart(admitted) => {
                            place = Place::Inside(admitted);
                            joins = JOINS_MAX;
                        }
                    }
                }
            }
        }
    }

    fn key(&self) -> Key {
        let Asking { caller, wish, envelope, .. } = self.asking;
        Key::of(&Request {
            scope: self.settings.scope,
            account: caller.account,
            key: caller.key,
            model: &self.model.settings.name,
            wish,
            body: envelope.body(),
        })
    }

    /// The answer that is kept, if it will do.
    fn kept(&self, key: &Key) -> Option<Arc<Entry>> {
        let Asking { world, control, .. } = self.asking;
        let store = &world.cache.store;
        let entry = (!control.no_cache).then(|| store.get(key)).flatten()?;
        let age = self.age(&entry);
        if age >= self.settings.ttl {
            store.forget(key, &entry);
        }
        control.takes(age, self.settings.ttl).then_some(entry)
    }

    fn age(&self, entry: &Entry) -> Duration {
        self.asking.world.clock.mono().saturating_sub(entry.given)
    }

    /// Holds for the share of the price, unless that has been done.
    async fn inside(&self, place: Place) -> Result<Box<Admitted>, ApiError> {
        let admission = match place {
            Place::Inside(admitted) => return Ok(admitted),
            Place::Outside(admission) => admission,
        };
        let percent = self.settings.price_percent;
        let admitted = self.asking.admit(admission, self.offers.clone(), percent).await;
        admitted.map(Box::new)
    }

    /// The bill of an answer that begins now.
    fn share(&self, hold: OpenHold, source: Source) -> Share {
        let Asking { world, started, envelope, caller, .. } = self.asking;
        let price = (&self.model, self.settings.price_percent);
        let from = (source, caller.presented.address);
        Share::new(hold, price, (&world.clock, started), from, envelope)
    }
}
