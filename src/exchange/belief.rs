//! Which of a provider's counts are believed. Pure.
//!
//! A count that no model can reach is a fault of the provider's, and charged as it stands it would take
//! all of the account's credit. It is left out, and what was delivered is counted here instead.

use crate::config::Model;
use crate::dialect::chat::{Facts, read_usage};

/// A provider that calls tools in the course of one answer reads its context several times over.
const CONTEXTS_MAX: u64 = 8;
/// Where a model's context is configured smaller than it is, this much is believed all the same.
const TOKENS_MIN: u64 = 1_000_000;
const TOOL_CALLS_MAX: u64 = 1_000;

/// The most that is believed of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Belief {
    prompt_tokens_max: u64,
    completion_tokens_max: u64,
}

impl Belief {
    /// For an answer of `model` with so many choices.
    pub(super) fn new(model: &Model, choices: u32) -> Self {
        let tokens = model.context_tokens.saturating_mul(CONTEXTS_MAX).max(TOKENS_MIN);
        Self {
            prompt_tokens_max: tokens,
            completion_tokens_max: tokens.saturating_mul(u64::from(choices.max(1))),
        }
    }

    /// Whatever is said.
    #[cfg(test)]
    pub(super) fn any() -> Self {
        Self { prompt_tokens_max: u64::MAX, completion_tokens_max: u64::MAX }
    }

    /// Takes a usage out of `facts` that can't be; answers whether there was one.
    pub(super) fn strip(&self, facts: &mut Facts<'_>) -> bool {
        let absurd = facts.usage.and_then(read_usage).is_some_and(|usage| {
            usage.prompt_tokens() > self.prompt_tokens_max
                || usage.completion_tokens() > self.completion_tokens_max
                || usage.tool_calls > TOOL_CALLS_MAX
        });
        if absurd {
            facts.usage = None;
        }
        absurd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_model_can_reach_is_not_believed() {
        let belief = Belief { prompt_tokens_max: 100, completion_tokens_max: 50 };
        for (json, believed) in [
            (r#"{"prompt_tokens":100,"completion_tokens":50}"#, true),
            (r#"{"prompt_tokens":101,"completion_tokens":1}"#, false),
            (r#"{"prompt_tokens":1,"completion_tokens":51}"#, false),
            (r#"{"prompt_tokens":18446744073709551615,"completion_tokens":1}"#, false),
            (r#"{"prompt_tokens":1,"server_tool_use":{"web_search_requests":1001}}"#, false),
        ] {
            let mut facts = Facts { usage: Some(json), ..Facts::default() };
            assert_eq!(belief.strip(&mut facts), !believed, "{json}");
            assert_eq!(facts.usage.is_some(), believed, "{json}");
        }
    }
}
