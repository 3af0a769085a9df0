//! What a choice of route depends on, of the request. Pure.

use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::money::{Markup, Rates};

use crate::config::{Abilities, Model, Sticky, StickyBy};
use crate::dialect::envelope::Envelope;
use crate::dialect::wish::Wish;
use crate::lots;

/// About as many tokens as an answer has: what times and costs are compared by, since a ceiling says
/// little about what will be used.
const OUTPUT_TOKENS_EXPECTED: u64 = 400;
/// Prompts that begin with fewer tokens in common are not cached by any provider that says.
const CACHED_TOKENS_MIN: u64 = 1_024;

/// A request, as far as routes may tell requests apart.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name of the model that the client asked for, whichever's route it is.
    pub model: &'a str,
    /// Whose request it is.
    pub account: AccountId,
    /// By which key.
    pub key: KeyId,
    /// About how many tokens the prompt has.
    pub input_tokens: u64,
    /// How many of them are likely to be in a provider's prompt cache.
    pub input_tokens_cached: u64,
    /// About how many tokens all choices will have.
    pub output_tokens: u64,
    /// How many tokens the client lets one choice have, where it says so.
    pub output_ceiling: Option<u64>,
    /// What a model must be able to do.
    pub needs: Abilities,
    /// The same for requests that belong together.
    pub affinity: u64,
    /// What the client pays.
    pub rates: Rates,
    /// How the client narrows it.
    pub wish: &'a Wish,
}

impl<'a> Asked<'a> {
    /// The request of `envelope`, with all that is wished for, put to `model` at `wall_ms`, in
    /// milliseconds since 1970.
    pub fn new(
        envelope: &'a Envelope<'_>,
        wish: &'a Wish,
        model: &Model,
        account: AccountId,
        key: KeyId,
        wall_ms: u64,
    ) -> Self {
        let input_tokens = envelope.input_tokens_estimate(model.image_tokens_max);
        let repeated = envelope.input_tokens_repeated();
        let is_cached = repeated >= CACHED_TOKENS_MIN;
        let output_ceiling = envelope.output_ceiling();
        let one = output_ceiling.unwrap_or(model.output_tokens_max).min(OUTPUT_TOKENS_EXPECTED);
        Self {
            model: &envelope.model,
            account,
            key,
            input_tokens,
            input_tokens_cached: if is_cached { repeated.min(input_tokens) } else { 0 },
            output_tokens: one.saturating_mul(u64::from(envelope.choices)),
            output_ceiling,
            needs: envelope.needs,
            affinity: affinity(model.route.sticky, envelope, wish),
            rates: *model.price.at(wall_ms).rates(input_tokens),
            wish,
        }
    }
}

impl Asked<'_> {
    /// The same for who pays this markup.
    #[must_use]
    pub fn marked(mut self, markup: Markup) -> Self {
        self.rates = self.rates.marked(markup);
        self
    }
}

/// What sessions are known by: the name the client gives, or how the prompt begins.
fn affinity(sticky: Sticky, envelope: &Envelope<'_>, wish: &Wish) -> u64 {
    let named = envelope.prompt_cache_key.as_deref().or(wish.session.as_deref());
    match named.filter(|_| sticky.by == StickyBy::Session) {
        Some(session) => lots::mix(lots::of_bytes(session.as_bytes())),
        None => lots::of_bytes(envelope.opening(sticky.prefix_bytes)),
    }
}
