//! What one exchange used, in classes that do not overlap. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Billable quantities of one exchange.
///
/// The classes are disjoint: a cached token is in `cached_input` and not in `input`, a reasoning
/// token is in `reasoning` and not in `output`. Providers report them overlapping in different ways;
/// the dialects take them apart before they get here, so that no price can count one twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// Text input tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cached_input: u64,
    /// Input tokens written to a cache that lives five minutes (or the provider's default).
    pub cache_write_5m: u64,
    /// Input tokens written to a cache that lives one hour.
    pub cache_write_1h: u64,
    /// Audio input tokens.
    pub audio_input: u64,
    /// Image input tokens, where the provider counts them apart.
    pub image_input: u64,
    /// Visible output tokens.
    pub output: u64,
    /// Reasoning tokens.
    pub reasoning: u64,
    /// Audio output tokens.
    pub audio_output: u64,
    /// Image output tokens.
    pub image_output: u64,
    /// Calls of tools the provider ran and bills for, such as web searches.
    pub tool_calls: u64,
}

impl Usage {
    /// All tokens of the prompt: what context-length tiers are chosen by.
    pub fn prompt_tokens(&self) -> u64 {
        [
            self.input,
            self.cached_input,
            self.cache_write_5m,
            self.cache_write_1h,
            self.audio_input,
            self.image_input,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// All tokens that were generated.
    pub fn completion_tokens(&self) -> u64 {
        [self.output, self.reasoning, self.audio_output, self.image_output]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            audio_input: self.audio_input.saturating_add(other.audio_input),
            image_input: self.image_input.saturating_add(other.image_input),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            audio_output: self.audio_output.saturating_add(other.audio_output),
            image_output: self.image_output.saturating_add(other.image_output),
            tool_calls: self.tool_calls.saturating_add(other.tool_calls),
        }
    }

    /// Prompt and completion together: what token rate limits count.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.completion_tokens())
    }
}
