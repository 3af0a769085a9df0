//! A cost taken apart into what it is for. Pure.

use super::{Markup, NanoUsd, Rates, Usage};

/// What each class of a usage costs. Together they are the cost of the whole, to the nano-dollar: each
/// is within one nano-dollar of its own exact cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostParts {
    /// Uncached text input.
    pub input: NanoUsd,
    /// Input read from a cache.
    pub cached_input: NanoUsd,
    /// Input written to a cache.
    pub cache_write: NanoUsd,
    /// Visible output.
    pub output: NanoUsd,
    /// Reasoning.
    pub reasoning: NanoUsd,
    /// Audio in and out.
    pub audio: NanoUsd,
    /// Images in and out.
    pub image: NanoUsd,
    /// Calls of tools.
    pub tool_calls: NanoUsd,
    /// The request itself.
    pub request: NanoUsd,
}

impl CostParts {
    /// Of a usage at some rates: see [`Rates::cost`].
    pub fn of(rates: &Rates, usage: &Usage, markup: Markup) -> Self {
        let mut so_far = Usage::default();
        let mut cost = NanoUsd::ZERO;
        // Each part is what the sum rises by when its class is added, so that all are the whole.
        let mut next = |rates: &Rates, more: Usage| {
            so_far = so_far.plus(&more);
            let before = std::mem::replace(&mut cost, rates.cost(&so_far, markup));
            cost.saturating_sub(before)
        };
        let tokens = &Rates { request: 0, ..*rates };
        let none = Usage::default();
        let Usage { cache_write_5m, cache_write_1h, audio_input, audio_output, .. } = *usage;
        let Usage { image_input, image_output, .. } = *usage;
        Self {
            input: next(tokens, Usage { input: usage.input, ..none }),
            cached_input: next(tokens, Usage { cached_input: usage.cached_input, ..none }),
            cache_write: next(tokens, Usage { cache_write_5m, cache_write_1h, ..none }),
            output: next(tokens, Usage { output: usage.output, ..none }),
            reasoning: next(tokens, Usage { reasoning: usage.reasoning, ..none }),
            audio: next(tokens, Usage { audio_input, audio_output, ..none }),
            image: next(tokens, Usage { image_input, image_output, ..none }),
            tool_calls: next(tokens, Usage { tool_calls: usage.tool_calls, ..none }),
            request: next(rates, none),
        }
    }

    /// Each with its name.
    pub fn named(&self) -> [(&'static str, NanoUsd); 9] {
        [
            ("input_cost_nano_usd", self.input),
            ("cached_input_cost_nano_usd", self.cached_input),
            ("cache_write_cost_nano_usd", self.cache_write),
            ("output_cost_nano_usd", self.output),
            ("reasoning_cost_nano_usd", self.reasoning),
            ("audio_cost_nano_usd", self.audio),
            ("image_cost_nano_usd", self.image),
            ("tool_calls_cost_nano_usd", self.tool_calls),
            ("request_cost_nano_usd", self.request),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 1..50_000_000_000_u64]
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(
            rates in prop::collection::vec(rate(), 12),
            counts in prop::collection::vec(0..2_000_000_u64, 11),
            markup in 0..3_000_000_u32,
        ) {
            let rates = Rates {
                input: rates[0],
                cached_input: rates[1],
                cache_write_5m: rates[2],
                cache_write_1h: rates[3],
                audio_input: rates[4],
                image_input: rates[5],
                output: rates[6],
                reasoning: rates[7],
                audio_output: rates[8],
                image_output: rates[9],
                request: rates[10],
                tool_call: rates[11],
            };
            let usage = Usage {
                input: counts[0],
                cached_input: counts[1],
                cache_write_5m: counts[2],
                cache_write_1h: counts[3],
                audio_input: counts[4],
                image_input: counts[5],
                output: counts[6],
                reasoning: counts[7],
                audio_output: counts[8],
                image_output: counts[9],
                tool_calls: counts[10] % 100,
            };
            let parts = CostParts::of(&rates, &usage, Markup(markup));
            let sum: i64 = parts.named().iter().map(|(_, part)| part.nano()).sum();
            prop_assert_eq!(sum, rates.cost(&usage, Markup(markup)).nano());
            let output = Rates { output: rates.output, ..Rates::default() };
            let alone = output.cost(&usage, Markup(markup)).nano();
            prop_assert!((parts.output.nano() - alone).abs() <= 1);
        }
    }
}
