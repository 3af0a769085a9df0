//! The judge's own price calculation, made from the published rule and not from the gateway's code:
//! nano-dollars, one rounding, upward, at the end. Pure.

use crate::client::Usage;

const PER_MILLION: u128 = 1_000_000;

/// A model's price. Rates are nano-dollars per million tokens, or per request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Per million prompt tokens that were not cached.
    pub input: u64,
    /// Per million cached prompt tokens.
    pub cached_input: u64,
    /// Per million completion tokens.
    pub output: u64,
    /// Per request.
    pub request: u64,
}

impl Price {
    /// What an answer with `usage`, `cached` of whose prompt tokens came from a cache, costs.
    pub fn cost(&self, usage: Usage, cached: u64) -> i64 {
        let cached = cached.min(usage.prompt_tokens);
        let parts = [
            (self.input, usage.prompt_tokens - cached),
            (self.cached_input, cached),
            (self.output, usage.completion_tokens),
        ];
        let tokens: u128 =
            parts.iter().map(|&(rate, count)| u128::from(rate) * u128::from(count)).sum();
        let nano = (tokens + u128::from(self.request) * PER_MILLION).div_ceil(PER_MILLION);
        i64::try_from(nano).unwrap_or(i64::MAX)
    }

    /// The price as a configuration writes it: dollars, as decimal strings.
    pub fn toml(&self) -> String {
        let [input, cached, output, request] =
            [self.input, self.cached_input, self.output, self.request].map(decimal);
        format!(
            r#"{{ input = "{input}", cached_input = "{cached}", output = "{output}", request = "{request}" }}"#
        )
    }
}

fn decimal(nano: u64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_rounded_up_once() {
        let price = Price { input: 150_000_000, cached_input: 1, output: 600_000_000, request: 7 };
        for (prompt, cached, completion, nano) in
            [(3, 0, 1, 1_057), (3, 1, 1, 908), (0, 0, 0, 7), (0, 5, 0, 7), (4, 4, 0, 8)]
        {
            let usage = Usage { prompt_tokens: prompt, completion_tokens: completion };
            assert_eq!(price.cost(usage, cached), nano, "{prompt} {cached} {completion}");
        }
    }

    #[test]
    fn a_price_is_written_in_dollars_with_every_digit() {
        let price = Price { input: 150_000_000, request: 10_000_000, ..Price::default() };
        assert!(price.toml().starts_with(r#"{ input = "0.150000000","#));
        assert!(price.toml().ends_with(r#"request = "0.010000000" }"#));
    }
}
