//! How a client narrows where its request may go: fallback models and a `provider` object in
//! OpenRouter's convention, or headers for clients that can't add fields to a body. Pure.
//!
//! A wish that can't be read is refused, and so is a member that is not known here: a request that
//! says who may not see it must not go there because we did not understand.

mod body;
mod headers;
#[cfg(test)]
mod tests;

use infergate_actors::money::Rates;

use crate::config::DataCollection;

pub(super) use body::{models, provider, usage};

/// The most fallback models of one request.
pub const MODELS_MAX: usize = 8;
/// The most entries of any other list.
pub const NAMES_MAX: usize = 64;
/// The longest name in a list, tag, session or name of a user, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// What a client wishes; what it does not say is as the route is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Models to ask, in order, where the one asked for does not answer.
    pub models: Vec<String>,
    /// Providers to try first, in order.
    pub order: Vec<String>,
    /// The only providers to try; empty for all.
    pub only: Vec<String>,
    /// Providers not to try.
    pub ignore: Vec<String>,
    /// Whether others may be tried than those of `order`, or than the first where there is no order.
    pub allow_fallbacks: Option<bool>,
    /// What the order goes by, in place of tiers and strategy.
    pub sort: Option<Sort>,
    /// The most it may cost.
    pub max_price: MaxPrice,
    /// Whether only models will do that are known to be able to do what the request needs.
    pub require_parameters: Option<bool>,
    /// Whether providers will do that keep what they are sent.
    pub data_collection: Option<DataCollection>,
    /// What the request is for, as routes may tell apart.
    pub tags: Vec<String>,
    /// The session it belongs to, by a header.
    pub session: Option<String>,
    /// The client's own name for its user, by a header.
    pub user: Option<String>,
}

/// What an order goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// The expected cost, lowest first.
    Price,
    /// The rate of output, highest first.
    Throughput,
    /// The expected time to the first content, lowest first.
    Latency,
}

/// The most that a request may cost its client, in nano-USD; `None` for no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxPrice {
    /// Per million input tokens.
    pub prompt: Option<u64>,
    /// Per million output tokens.
    pub completion: Option<u64>,
    /// Per request.
    pub request: Option<u64>,
}

impl Sort {
    /// Every order with its name.
    pub const NAMES: [(&'static str, Self); 3] =
        [("price", Self::Price), ("throughput", Self::Throughput), ("latency", Self::Latency)];
}

impl MaxPrice {
    /// Whether no rate is above the bounds.
    pub fn covers(&self, rates: &Rates) -> bool {
        let fits = |bound: Option<u64>, rate| bound.is_none_or(|bound| rate <= bound);
        fits(self.prompt, rates.input)
            && fits(self.completion, rates.output)
            && fits(self.request, rates.request)
    }

    fn or(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.or(other.prompt),
            completion: self.completion.or(other.completion),
            request: self.request.or(other.request),
        }
    }
}

impl Wish {
    /// What is wished for here, and where nothing is said here, there.
    pub fn over(self, other: Self) -> Self {
        let longer = |one: Vec<String>, other| if one.is_empty() { other } else { one };
        Self {
            models: longer(self.models, other.models),
            order: longer(self.order, other.order),
            only: longer(self.only, other.only),
            ignore: longer(self.ignore, other.ignore),
            allow_fallbacks: self.allow_fallbacks.or(other.allow_fallbacks),
            sort: self.sort.or(other.sort),
            max_price: self.max_price.or(other.max_price),
            require_parameters: self.require_parameters.or(other.require_parameters),
            data_collection: self.data_collection.or(other.data_collection),
            tags: longer(self.tags, other.tags),
            session: self.session.or(other.session),
            user: self.user.or(other.user),
        }
    }

    /// Whether another target may be tried where the first one fails.
    pub fn allows_fallbacks(&self) -> bool {
        self.allow_fallbacks.unwrap_or(true)
    }

    /// Whether only models will do that are known to be able to do what the request needs.
    pub fn requires_parameters(&self) -> bool {
        self.require_parameters.unwrap_or(false)
    }

    /// Whether providers that may keep what they are sent will not do.
    pub fn denies_data_collection(&self) -> bool {
        self.data_collection == Some(DataCollection::Deny)
    }
}

/// The place of a provider in a list of names; letters' case does not matter.
pub fn position(names: &[String], provider: &str) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(provider))
}
