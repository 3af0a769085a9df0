//! What a route means once it is checked: where a model's requests go, and when they go elsewhere.
//! Pure.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::money::Price;

use super::{Abilities, RouteCache, Timeouts};
use crate::lots;

/// Where a model's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The order within a tier.
    pub strategy: Strategy,
    /// Groups of targets; a tier is used when those before it failed. No tier is empty, and there
    /// are at most 64 targets in all.
    pub tiers: Vec<Vec<Target>>,
    /// Attempts one request may make.
    pub attempts_max: u32,
    /// No attempt begins later than this after the request came.
    pub deadline: Duration,
    /// What is kept together by [`Strategy::Sticky`].
    pub sticky: Sticky,
    /// The bound on further attempts over all of the route's requests.
    pub retry: Retry,
    /// When a second attempt is made beside the first; `None` for never.
    pub hedge: Option<Hedge>,
    /// What follows when a stream breaks after its first content.
    pub after_content: AfterContent,
    /// How its answers are kept and shared; `None` for not at all.
    pub cache: Option<RouteCache>,
}

/// The order within a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// As listed.
    Priority,
    /// Drawn by lot: a target comes first as often as its weight says.
    Weighted,
    /// The better of two drawn by lot: the one expected to be done sooner under its load.
    Fastest,
    /// Fewest requests in flight, relative to weight.
    LeastBusy,
    /// Least expected cost of this request at the providers' prices.
    Cheapest,
    /// Drawn by lot: as often as its weight and what is left of its provider's rate limit say.
    Headroom,
    /// The same target for the same session or beginning of a prompt, so that its cache hits.
    Sticky,
}

/// What is kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// By what requests are known to belong together.
    pub by: StickyBy,
    /// How much of the beginning of a prompt counts, in bytes.
    pub prefix_bytes: usize,
}

/// By what requests are known to belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickyBy {
    /// The session that the request names, or the beginning of its prompt where it names none.
    Session,
    /// The beginning of the prompt.
    Prefix,
}

/// The bound on further attempts over all of a route's requests, so that an outage is not multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Further attempts as a share of the requests within `window`, in percent.
    pub percent: u32,
    /// So many a second are always allowed, over all of `window`.
    pub floor_per_second: u32,
    /// What the share is taken over.
    pub window: Duration,
}

/// When a second attempt is made beside the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the first one has until then.
    pub after: HedgeAfter,
    /// The most requests that may have one, in percent.
    pub percent: u8,
    /// `after` is never taken to be less.
    pub after_min: Duration,
    /// `after` is never taken to be more, and is this while nothing is known.
    pub after_max: Duration,
}

/// How long a first attempt has until a second is made beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// As long as 95 of 100 of the deployment's answers take to their first content.
    P95,
    /// So long.
    Time(Duration),
}

/// What follows when a stream breaks after its first content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterContent {
    /// Another target goes on from there, if it can; else the client is told.
    Continue,
    /// The client is told.
    Error,
}

/// One deployment that a route may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its provider: an index into [`super::Config::providers`].
    pub provider: usize,
    /// Its deployment: an index into [`super::Provider::deployments`].
    pub deployment: usize,
    /// The provider's name.
    pub provider_name: Arc<str>,
    /// The provider's name for the model.
    pub upstream_model: Arc<str>,
    /// Its share within the tier, at least 1.
    pub weight: u32,
    /// Time allowed to an attempt: the target's own over the route's over the provider's over the
    /// defaults.
    pub timeouts: Timeouts,
    /// Which requests it is for; `None` for all.
    pub when: Option<Box<When>>,
    /// Input and output tokens together, where it has a bound of its own.
    pub context_tokens: Option<u64>,
    /// The most output tokens of one answer, where it has a bound of its own.
    pub output_tokens_max: Option<u64>,
    /// The same for the same provider and model there, whatever else changes: what sessions are
    /// spread by.
    pub identity: u64,
    /// What it can do; `None` where nobody has said.
    pub abilities: Option<Abilities>,
    /// What its provider charges us, if it is known.
    pub cost: Option<Arc<Price>>,
    /// Whether its provider may keep what it is sent.
    pub data_collection: DataCollection,
}

/// Which requests a target is for: all that every one of these lets through. A list lets everything
/// through when it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Names that the client may have asked for; a trailing `*` stands for any ending.
    pub models: Vec<Arc<str>>,
    /// Tags, of which the request must have one.
    pub tags: Vec<Arc<str>>,
    /// Accounts.
    pub accounts: Vec<AccountId>,
    /// Keys, by their numbers within their accounts.
    pub keys: Vec<KeyId>,
    /// Only prompts of more tokens.
    pub input_tokens_over: Option<u64>,
    /// Only prompts of at most so many tokens.
    pub input_tokens_max: Option<u64>,
    /// Only requests that need all of these.
    pub needs: Abilities,
}

/// Whether a provider may keep, or learn from, what it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataCollection {
    /// It may.
    #[default]
    Allow,
    /// It may not.
    Deny,
}

/// A target's place in its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The tier's index.
    pub tier: u16,
    /// The target's index in the tier.
    pub target: u16,
}

impl Strategy {
    /// Every strategy with its name in the configuration.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("priority", Self::Priority),
        ("weighted", Self::Weighted),
        ("fastest", Self::Fastest),
        ("least_busy", Self::LeastBusy),
        ("cheapest", Self::Cheapest),
        ("headroom", Self::Headroom),
        ("sticky", Self::Sticky),
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }
}

impl Target {
    /// [`Target::identity`] of a model at a provider.
    pub fn identity_of(provider_name: &str, upstream_model: &str) -> u64 {
        lots::mix(lots::of_bytes(provider_name.as_bytes()))
            ^ lots::of_bytes(upstream_model.as_bytes())
    }

    /// What it can do, as far as anybody knows.
    pub fn abilities(&self) -> Abilities {
        self.abilities.unwrap_or(Abilities::ASSUMED)
    }
}

impl Route {
    /// The places of all targets, tier by tier.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.targets().map(|(place, _)| place)
    }

    /// All targets with their places, tier by tier.
    pub fn targets(&self) -> impl Iterator<Item = (Place, &Target)> {
        (0..=u16::MAX).zip(&self.tiers).flat_map(|(tier, targets)| {
            let place = move |target| Place { tier, target };
            (0..=u16::MAX).zip(targets).map(move |(index, target)| (place(index), target))
        })
    }

    /// The target at `place`.
    pub fn target(&self, place: Place) -> Option<&Target> {
        self.tiers.get(usize::from(place.tier))?.get(usize::from(place.target))
    }
}
