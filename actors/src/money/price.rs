//! Prices, and the cost of a usage: the only place where money is rounded. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NanoUsd, Usage};

const TOKENS_PER_RATE: u128 = 1_000_000;
const MARKUP_ONE: u128 = 1_000_000;

/// What each class of usage costs: nano-USD per million tokens, or per request or tool call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rates {
    /// Per million uncached input tokens.
    pub input: u64,
    /// Per million tokens read from a prompt cache.
    pub cached_input: u64,
    /// Per million tokens written to a five-minute cache.
    pub cache_write_5m: u64,
    /// Per million tokens written to a one-hour cache.
    pub cache_write_1h: u64,
    /// Per million audio input tokens.
    pub audio_input: u64,
    /// Per million image input tokens.
    pub image_input: u64,
    /// Per million visible output tokens.
    pub output: u64,
    /// Per million reasoning tokens.
    pub reasoning: u64,
    /// Per million audio output tokens.
    pub audio_output: u64,
    /// Per million image output tokens.
    pub image_output: u64,
    /// Per request.
    pub request: u64,
    /// Per tool call that the provider ran.
    pub tool_call: u64,
}

/// What an account pays relative to the list price, in millionths: 1,000,000 is the list price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Markup(pub u32);

/// Rates that hold for prompts longer than a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tier {
    /// The tier holds for prompts of more tokens than this.
    pub context_over: u64,
    /// Its rates, for the whole request.
    pub rates: Rates,
}

/// A model's price: base rates and, where long contexts cost more, tiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Price {
    /// Rates below every tier.
    pub base: Rates,
    /// Tiers, by rising `context_over`.
    pub tiers: Vec<Tier>,
}

impl Default for Markup {
    fn default() -> Self {
        Self::LIST
    }
}

impl Price {
    /// The rates for a prompt of `prompt_tokens`: those of the last tier it exceeds.
    pub fn rates(&self, prompt_tokens: u64) -> &Rates {
        self.tiers
            .iter()
            .rev()
            .find(|tier| prompt_tokens > tier.context_over)
            .map_or(&self.base, |tier| &tier.rates)
    }

    /// For each class, the highest rate that a prompt of up to `prompt_tokens` can meet: a hold must
    /// cover whichever tier the provider's count ends up in.
    pub fn rates_ceiling(&self, prompt_tokens: u64) -> Rates {
        self.tiers
            .iter()
            .filter(|tier| prompt_tokens > tier.context_over)
            .fold(self.base, |most, tier| most.max(tier.rates))
    }

    /// Whether nothing is ever charged.
    pub fn is_free(&self) -> bool {
        self.base == Rates::default()
            && self.tiers.iter().all(|tier| tier.rates == Rates::default())
    }
}

impl Rates {
    /// The cost of `usage`, rounded up once, at the end: a fraction of a nano-dollar is never given
    /// away. Saturates at [`NanoUsd::MAX`].
    pub fn cost(&self, usage: &Usage, markup: Markup) -> NanoUsd {
        let per_token = [
            (self.input, usage.input),
            (self.cached_input, usage.cached_input),
            (self.cache_write_5m, usage.cache_write_5m),
            (self.cache_write_1h, usage.cache_write_1h),
            (self.audio_input, usage.audio_input),
            (self.image_input, usage.image_input),
            (self.output, usage.output),
            (self.reasoning, usage.reasoning),
            (self.audio_output, usage.audio_output),
            (self.image_output, usage.image_output),
        ];
        let whole = [(self.request, 1), (self.tool_call, usage.tool_calls)];
        let sum = |pairs: &[(u64, u64)]| {
            pairs
                .iter()
                .map(|&(rate, count)| u128::from(rate) * u128::from(count))
                .fold(0_u128, u128::saturating_add)
        };
        let list = sum(&per_token).saturating_add(sum(&whole).saturating_mul(TOKENS_PER_RATE));
        let nano = list
            .saturating_mul(u128::from(markup.0))
            .div_ceil(TOKENS_PER_RATE.saturating_mul(MARKUP_ONE));
        i64::try_from(nano).map_or(NanoUsd::MAX, NanoUsd::from_nano)
    }

    /// For each class, the dearer of the two: what covers a usage at either.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached_input: self.cached_input.max(other.cached_input),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            audio_input: self.audio_input.max(other.audio_input),
            image_input: self.image_input.max(other.image_input),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
            audio_output: self.audio_output.max(other.audio_output),
            image_output: self.image_output.max(other.image_output),
            request: self.request.max(other.request),
            tool_call: self.tool_call.max(other.tool_call),
        }
    }

    /// Each rate with the markup on it, rounded up. For comparing prices: what is charged is rounded
    /// once for a whole request, by [`Rates::cost`].
    #[must_use]
    pub fn marked(self, markup: Markup) -> Self {
        if markup == Markup::LIST {
            return self;
        }
        self.each(|rate| {
            let marked = u128::from(rate) * u128::from(markup.0);
            u64::try_from(marked.div_ceil(MARKUP_ONE)).unwrap_or(u64::MAX)
        })
    }

    /// So many hundredths of each rate, rounded up: a share above nothing of a rate above nothing is
    /// above nothing.
    #[must_use]
    pub fn percent(self, percent: u8) -> Self {
        if percent == 100 {
            return self;
        }
        self.each(|rate| {
            let part = (u128::from(rate) * u128::from(percent)).div_ceil(100);
            u64::try_from(part).unwrap_or(u64::MAX)
        })
    }

    fn each(self, part: impl Fn(u64) -> u64) -> Self {
        Self {
            input: part(self.input),
            cached_input: part(self.cached_input),
            cache_write_5m: part(self.cache_write_5m),
            cache_write_1h: part(self.cache_write_1h),
            audio_input: part(self.audio_input),
            image_input: part(self.image_input),
            output: part(self.output),
            reasoning: part(self.reasoning),
            audio_output: part(self.audio_output),
            image_output: part(self.image_output),
            request: part(self.request),
            tool_call: part(self.tool_call),
        }
    }

    /// The most that `prompt_tokens` of any input class and `completion_tokens` of any output class
    /// can cost.
    pub fn cost_ceiling(
        &self,
        prompt_tokens: u64,
        completion_tokens: u64,
        markup: Markup,
    ) -> NanoUsd {
        let bound = Rates {
            input: self.dearest_input(),
            output: self.dearest_output(),
            request: self.request,
            ..Rates::default()
        };
        let usage = Usage { input: prompt_tokens, output: completion_tokens, ..Usage::default() };
        bound.cost(&usage, markup)
    }

    /// How many tokens of the dearest output class `amount` buys beside a prompt of `prompt_tokens`;
    /// `None` when it does not cover the prompt, `u64::MAX` when output is free.
    pub fn affordable_completion(
        &self,
        amount: NanoUsd,
        prompt_tokens: u64,
        markup: Markup,
    ) -> Option<u64> {
        if self.cost_ceiling(prompt_tokens, 0, markup) > amount {
            return None;
        }
        let rate = u128::from(self.dearest_output()) * u128::from(markup.0);
        if rate == 0 {
            return Some(u64::MAX);
        }
        // The fixed part is taken unrounded, so that one rounding is made and not two.
        let fixed = (u128::from(self.dearest_input()) * u128::from(prompt_tokens))
            .saturating_add(u128::from(self.request) * TOKENS_PER_RATE)
            .saturating_mul(u128::from(markup.0));
        let budget = u128::from(amount.nano().unsigned_abs()) * TOKENS_PER_RATE * MARKUP_ONE;
        let tokens = budget.saturating_sub(fixed) / rate;
        Some(u64::try_from(tokens).unwrap_or(u64::MAX))
    }

    fn dearest_input(&self) -> u64 {
        self.input
            .max(self.cached_input)
            .max(self.cache_write_5m)
            .max(self.cache_write_1h)
            .max(self.audio_input)
            .max(self.image_input)
    }

    fn dearest_output(&self) -> u64 {
        self.output.max(self.reasoning).max(self.audio_output).max(self.image_output)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(input: u64, output: u64) -> Rates {
        Rates { input, output, ..Rates::default() }
    }

    #[test]
    fn a_cost_is_rounded_up_once() {
        // 3 tokens at 150 nano-USD and 1 at 600: exact. One nano-USD per million tokens: rounded up.
        let exact = rates(150_000_000, 600_000_000);
        let usage = Usage { input: 3, output: 1, ..Usage::default() };
        assert_eq!(exact.cost(&usage, Markup::default()).nano(), 1_050);
        assert_eq!(rates(1, 1).cost(&usage, Markup::default()).nano(), 1);
        assert_eq!(rates(0, 0).cost(&usage, Markup::default()).nano(), 0);
        assert_eq!(exact.cost(&usage, Markup(1_100_000)).nano(), 1_155);
    }

    #[test]
    fn a_tier_holds_for_prompts_longer_than_its_bound() {
        let tier = Tier { context_over: 200_000, rates: rates(2, 2) };
        let price = Price { base: rates(1, 3), tiers: vec![tier] };
        assert_eq!(price.rates(200_000).input, 1);
        assert_eq!(price.rates(200_001).input, 2);
        assert_eq!(price.rates_ceiling(200_001), rates(2, 3));
    }

    fn any_rates() -> impl Strategy<Value = Rates> {
        prop::array::uniform12(0..1_000_000_000_u64).prop_map(|values| Rates {
            input: values[0],
            cached_input: values[1],
            cache_write_5m: values[2],
            cache_write_1h: values[3],
            audio_input: values[4],
            image_input: values[5],
            output: values[6],
            reasoning: values[7],
            audio_output: values[8],
            image_output: values[9],
            request: values[10],
            tool_call: values[11],
        })
    }

    fn any_usage() -> impl Strategy<Value = Usage> {
        prop::array::uniform11(0..100_000_u64).prop_map(|parts| Usage {
            input: parts[0],
            cached_input: parts[1],
            cache_write_5m: parts[2],
            cache_write_1h: parts[3],
            audio_input: parts[4],
            image_input: parts[5],
            output: parts[6],
            reasoning: parts[7],
            audio_output: parts[8],
            image_output: parts[9],
            tool_calls: parts[10],
        })
    }

    proptest! {
        #[test]
        fn the_dearest_of_two_rates_costs_at_least_either(
            one in any_rates(),
            other in any_rates(),
            usage in any_usage(),
            markup in 0..3_000_000_u32,
        ) {
            let (dearest, markup) = (one.max(other), Markup(markup));
            for rates in [one, other] {
                prop_assert!(dearest.cost(&usage, markup) >= rates.cost(&usage, markup));
                prop_assert_eq!(dearest.max(rates), dearest);
            }
        }

        #[test]
        fn a_share_of_rates_costs_that_share_and_never_less(
            rates in any_rates(),
            usage in any_usage(),
            percent in 0..=100_u8,
        ) {
            let (whole, part) = (rates, rates.percent(percent));
            prop_assert_eq!(rates.percent(100), rates);
            prop_assert_eq!(rates.percent(0), Rates::default());
            let cost = |rates: Rates| i128::from(rates.cost(&usage, Markup::default()).nano());
            // The cost of the whole is itself rounded up, by less than one.
            prop_assert!(cost(part) * 100 > (cost(whole) - 1) * i128::from(percent) - 100);
            prop_assert!(cost(part) <= cost(whole));
            prop_assert_eq!(part.input, (rates.input * u64::from(percent)).div_ceil(100));
        }

        #[test]
        fn a_cost_is_never_negative_and_never_falls_with_more_usage(
            rate in 0..10_000_000_000_u64,
            tokens in 0..10_000_000_u64,
            more in 0..1_000_u64,
        ) {
            let rates = rates(rate, rate / 2);
            let less = Usage { input: tokens, output: tokens, ..Usage::default() };
            let usage = Usage { input: tokens, output: tokens + more, ..Usage::default() };
            let cost = rates.cost(&less, Markup::default());
            prop_assert!(!cost.is_negative());
            prop_assert!(rates.cost(&usage, Markup::default()) >= cost);
        }

        #[test]
        fn what_is_affordable_is_covered_and_one_token_more_is_not(
            nano in 0..1_000_000_000_000_i64,
            input in 0..100_000_000_000_u64,
            output in 1..100_000_000_000_u64,
            prompt in 0..1_000_000_u64,
            markup in 1..3_000_000_u32,
        ) {
            let (rates, amount) = (rates(input, output), NanoUsd::from_nano(nano));
            let markup = Markup(markup);
            match rates.affordable_completion(amount, prompt, markup) {
                None => prop_assert!(rates.cost_ceiling(prompt, 0, markup) > amount),
                Some(tokens) => {
                    prop_assert!(rates.cost_ceiling(prompt, tokens, markup) <= amount);
                    prop_assert!(rates.cost_ceiling(prompt, tokens + 1, markup) > amount);
                }
            }
        }

        #[test]
        fn a_ceiling_covers_every_usage_within_it(rates in any_rates(), usage in any_usage()) {
            let usage = Usage { tool_calls: 0, ..usage };
            let ceiling = rates.cost_ceiling(
                usage.prompt_tokens(), usage.completion_tokens(), Markup::default());
            prop_assert!(rates.cost(&usage, Markup::default()) <= ceiling);
        }
    }
}
