//! Least expected cost of this request at the providers' prices; among equals the lot decides. Pure.
//!
//! What a conversation repeats is counted as read from the provider's prompt cache, at whichever
//! provider: the cheapest one gets the conversation each time, so that its cache is the one that
//! holds it. A provider whose price is unknown comes last.

use infergate_actors::money::{Markup, NanoUsd, Usage};

use super::{Asked, Candidate, Candidates, score};
use crate::config::Target;
use crate::lots::Lots;

/// Appends a tier, the cheapest first.
pub(super) fn arrange(
    tier: &[Candidate<'_>],
    asked: &Asked<'_>,
    lots: &mut Lots,
    candidates: &mut Candidates,
) {
    score::arrange(tier, lots, candidates, |one, _| cost(one.target, asked));
}

/// The expected cost in millionths of a nano-dollar, which is what rates are given in. Divided and
/// rounded it would be what [`expected`] says, at many times the time.
pub(super) fn cost(target: &Target, asked: &Asked<'_>) -> u64 {
    let Some(price) = &target.cost else { return u64::MAX };
    let rates = price.rates(asked.input_tokens);
    let input = asked.input_tokens.saturating_sub(asked.input_tokens_cached);
    let parts = [
        (rates.input, input),
        (rates.cached_input, asked.input_tokens_cached),
        (rates.output, asked.output_tokens),
        (rates.request, 1_000_000),
    ];
    let sum = parts
        .iter()
        .fold(0_u64, |sum, (rate, count)| sum.saturating_add(rate.saturating_mul(*count)));
    sum.min(u64::MAX - 1)
}

/// The expected cost, if the price is known.
pub(super) fn expected(target: &Target, asked: &Asked<'_>) -> Option<NanoUsd> {
    let usage = Usage {
        input: asked.input_tokens.saturating_sub(asked.input_tokens_cached),
        cached_input: asked.input_tokens_cached,
        output: asked.output_tokens,
        ..Usage::default()
    };
    let price = target.cost.as_ref()?;
    Some(price.rates(asked.input_tokens).cost(&usage, Markup::default()))
}
