//! Which targets a request may go to, whatever their state. Pure.

use std::sync::Arc;

use super::Asked;
use crate::config::{Abilities, DataCollection, Route, Target, When};
use crate::dialect::wish::position;

/// Why a request may not go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// [`When::models`].
    #[error("it is not for the model asked for")]
    Model,
    /// [`When::tags`].
    #[error("the request has none of its tags")]
    Tags,
    /// [`When::accounts`].
    #[error("it is not for this account")]
    Account,
    /// [`When::keys`].
    #[error("it is not for this key")]
    Key,
    /// [`When::input_tokens_over`].
    #[error("it is for longer prompts")]
    InputTooShort,
    /// [`When::input_tokens_max`].
    #[error("it is for shorter prompts")]
    InputTooLong,
    /// [`When::needs`].
    #[error("it is for requests that need {0}")]
    NotNeeded(Abilities),
    /// The prompt alone is longer than it takes.
    #[error("the prompt is longer than its context of {0} tokens")]
    Context(u64),
    /// The answer may be longer than it gives.
    #[error("it gives at most {0} output tokens")]
    Output(u64),
    /// The request needs what it can't do.
    #[error("it can't do {0}")]
    Unable(Abilities),
    /// The request needs something, and nobody has said whether it can do that.
    #[error("nobody has said whether it can do {0}")]
    AbilitiesUnknown(Abilities),
    /// The client names others.
    #[error("it is not among `only`")]
    NotAmongOnly,
    /// The client does not want it.
    #[error("it is among `ignore`")]
    Ignored,
    /// The client names others, and wants no fallback.
    #[error("it is not among `order`, and fallbacks are not allowed")]
    NotAmongOrder,
    /// The model costs more than the client wants to pay.
    #[error("the model costs more than `max_price`")]
    TooDear,
    /// It may keep what it is sent.
    #[error("its provider may keep what it is sent")]
    KeepsData,
}

impl Unfit {
    /// Its name in what is shown to programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tags => "tags",
            Self::Account => "account",
            Self::Key => "key",
            Self::InputTooShort => "input_tokens_over",
            Self::InputTooLong => "input_tokens_max",
            Self::NotNeeded(_) => "needs",
            Self::Context(_) => "context_tokens",
            Self::Output(_) => "output_tokens_max",
            Self::Unable(_) => "abilities",
            Self::AbilitiesUnknown(_) => "require_parameters",
            Self::NotAmongOnly => "only",
            Self::Ignored => "ignore",
            Self::NotAmongOrder => "order",
            Self::TooDear => "max_price",
            Self::KeepsData => "data_collection",
        }
    }
}

/// Why the request may not go to `target`; `None` if it may.
pub fn unfit(target: &Target, asked: &Asked<'_>) -> Option<Unfit> {
    if let Some(unmet) = target.when.as_deref().and_then(|when| unmet(when, asked)) {
        return Some(unmet);
    }
    if let Some(context) = target.context_tokens.filter(|context| asked.input_tokens > *context) {
        return Some(Unfit::Context(context));
    }
    let ceiling = asked.output_ceiling.unwrap_or_default();
    if let Some(most) = target.output_tokens_max.filter(|most| ceiling > *most) {
        return Some(Unfit::Output(most));
    }
    let lacking = asked.needs.without(target.abilities());
    if !lacking.is_empty() {
        return Some(Unfit::Unable(lacking));
    }
    unwished(target, asked)
}

/// Why the request may not go to any target of `route`, for each; `None` if it may go to one.
pub fn none_fits<'r>(route: &'r Route, asked: &Asked<'_>) -> Option<Vec<(&'r str, Unfit)>> {
    let named =
        |(_, target): (_, &'r Target)| Some((&*target.provider_name, unfit(target, asked)?));
    route.targets().map(named).collect()
}

/// The first condition that the request does not meet.
fn unmet(when: &When, asked: &Asked<'_>) -> Option<Unfit> {
    let among_models = |pattern: &Arc<str>| match pattern.strip_suffix('*') {
        Some(beginning) => asked.model.starts_with(beginning),
        None => **pattern == *asked.model,
    };
    let among_tags = |tag: &Arc<str>| asked.wish.tags.iter().any(|given| **given == **tag);
    if !when.models.is_empty() && !when.models.iter().any(among_models) {
        Some(Unfit::Model)
    } else if !when.tags.is_empty() && !when.tags.iter().any(among_tags) {
        Some(Unfit::Tags)
    } else if !when.accounts.is_empty() && !when.accounts.contains(&asked.account) {
        Some(Unfit::Account)
    } else if !when.keys.is_empty() && !when.keys.contains(&asked.key) {
        Some(Unfit::Key)
    } else if when.input_tokens_over.is_some_and(|over| asked.input_tokens <= over) {
        Some(Unfit::InputTooShort)
    } else if when.input_tokens_max.is_some_and(|most| asked.input_tokens > most) {
        Some(Unfit::InputTooLong)
    } else if !asked.needs.has(when.needs) {
        Some(Unfit::NotNeeded(when.needs))
    } else {
        None
    }
}

/// The first wish of the client that the target does not fulfil.
fn unwished(target: &Target, asked: &Asked<'_>) -> Option<Unfit> {
    let wish = asked.wish;
    let provider = &target.provider_name;
    if !wish.only.is_empty() && position(&wish.only, provider).is_none() {
        Some(Unfit::NotAmongOnly)
    } else if position(&wish.ignore, provider).is_some() {
        Some(Unfit::Ignored)
    } else if !wish.allows_fallbacks()
        && !wish.order.is_empty()
        && position(&wish.order, provider).is_none()
    {
        Some(Unfit::NotAmongOrder)
    } else if !wish.max_price.covers(&asked.rates) {
        Some(Unfit::TooDear)
    } else if wish.denies_data_collection() && target.data_collection != DataCollection::Deny {
        Some(Unfit::KeepsData)
    } else if wish.requires_parameters() && !asked.needs.is_empty() && target.abilities.is_none() {
        Some(Unfit::AbilitiesUnknown(asked.needs))
    } else {
        None
    }
}
