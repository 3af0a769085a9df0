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
//! next one asks for.

mod control;
mod drive;
mod flight;
mod hit;
mod join;
mod key;
mod share;
mod store;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use infergate_actors::clock::Now;
use infergate_actors::id::ExchangeId;

use super::World;
use super::admit::{Admitted, Caller, admit};
use super::gate::Admission;
use crate::catalog::Model;
use crate::config::{self, RouteCache};
use crate::dialect::envelope::Envelope;
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::front::AnswerBody;

use flight::{Flights, Part};
use join::Joined;
use key::{Key, Request};
use store::{Entry, Store};

pub(crate) use control::Control;
pub(crate) use drive::let_go;
pub(super) use flight::Tap;
pub(crate) use join::Following;
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

/// A request at a route with a cache.
pub(super) struct Asking<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) id: ExchangeId,
    pub(super) started: Now,
    pub(super) caller: Caller,
    pub(super) control: Control,
    pub(super) wish: &'a Wish,
    pub(super) envelope: &'a Envelope<'a>,
    pub(super) model: &'a Arc<Model>,
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

/// Finds an answer that is there or coming, or says that a provider is to be asked.
pub(super) async fn enter(asking: Asking<'_>, admission: Admission) -> Result<Entered, ApiError> {
    let control = asking.control;
    match asking.model.settings.route.cache {
        // Most routes have none: they do not carry the room for it around.
        Some(settings) if !control.no_store => Box::pin(find(asking, settings, admission)).await,
        Some(_) | None if control.only_if_cached => Err(ApiError::not_cached()),
        Some(_) | None => Ok(Entered::Asks(None, asking.admit(admission, 100).await?)),
    }
}

async fn find(
    asking: Asking<'_>,
    settings: RouteCache,
    admission: Admission,
) -> Result<Entered, ApiError> {
    let (world, control) = (asking.world, asking.control);
    let key = asking.key(settings);
    let mut place = Place::Outside(admission);
    let mut joins = 0;
    loop {
        if let Some(entry) = asking.kept(&key, settings) {
            return hit::answer(&asking, settings, &entry, place).await.map(Entered::Answered);
        }
        if control.only_if_cached {
            return Err(ApiError::not_cached());
        }
        // Who wants a new answer can't be given one that was begun before, and has none to share.
        let may_join = settings.coalesce && !control.no_cache && joins < JOINS_MAX;
        let part = if may_join {
            world.cache.flights.enter(world, asking.caller.account, key)
        } else {
            Part::Asks(Box::new(Tap::new(world, asking.caller.account, key)))
        };
        match part {
            Part::Asks(mut tap) => {
                // It may have been kept since it was looked for.
                if asking.kept(&key, settings).is_some() {
                    drop(tap);
                    continue;
                }
                world.metrics.cache_missed();
                let admitted = match place {
                    Place::Outside(admission) => asking.admit(admission, 100).await?,
                    Place::Inside(admitted) => join::raise(&asking, *admitted).await?,
                };
                tap.for_what(&admitted);
                return Ok(Entered::Asks(Some(tap), admitted));
            }
            Part::Follows(follower) => {
                let admitted = match place {
                    Place::Outside(admission) => {
                        Box::new(asking.admit(admission, settings.price_percent).await?)
                    }
                    Place::Inside(admitted) => admitted,
                };
                match join::follow(&asking, settings, follower, admitted).await? {
                    Joined::Answered(response) => return Ok(Entered::Answered(response)),
                    Joined::Failed(admitted) => place = Place::Inside(admitted),
                    Joined::Apart(admitted) => {
                        place = Place::Inside(admitted);
                        joins = JOINS_MAX;
                    }
                }
                joins += 1;
            }
        }
    }
}

/// Says in the answer's head where it came from.
pub(super) fn tell(headers: &mut HeaderMap, what: &'static str) {
    headers.insert(CACHE, HeaderValue::from_static(what));
}

impl Asking<'_> {
    fn key(&self, settings: RouteCache) -> Key {
        Key::of(&Request {
            scope: settings.scope,
            account: self.caller.account,
            key: self.caller.key,
            model: &self.model.settings.name,
            wish: self.wish,
            body: self.envelope.body(),
        })
    }

    /// The answer that is kept, if it will do.
    fn kept(&self, key: &Key, settings: RouteCache) -> Option<Arc<Entry>> {
        let store = &self.world.cache.store;
        let entry = (!self.control.no_cache).then(|| store.get(key)).flatten()?;
        let age = self.age(&entry);
        if age >= settings.ttl {
            store.forget(key, &entry);
        }
        self.control.takes(age, settings.ttl).then_some(entry)
    }

    fn age(&self, entry: &Entry) -> std::time::Duration {
        self.world.clock.mono().saturating_sub(entry.given)
    }

    /// A hold for so many hundredths of what it can cost.
    async fn admit(&self, admission: Admission, percent: u8) -> Result<Admitted, ApiError> {
        let Self { world, caller, id, envelope, model, .. } = self;
        admit(&world.accounts, *caller, *id, admission, envelope, model, percent).await
    }
}
