//! OpenAI's usage object taken apart into classes that do not overlap, and written again. Pure.
//!
//! `prompt_tokens` holds cached, cache-write, audio and image tokens, `completion_tokens` holds
//! reasoning and audio: <https://platform.openai.com/docs/api-reference/chat/object>. Here the
//! classes of the prompt add up to its total and so do those of the completion, whatever the details
//! claim: each takes at most what the ones before it left, so that no count is negative and none is
//! charged twice.
//!
//! Some providers leave classes out of the two totals: xAI and Google's compatible endpoint the
//! reasoning, others the cached tokens. `total_tokens` gives them away. See [`excess`].

use infergate_actors::money::Usage;
use serde::Serialize;

use crate::dialect::json::{Cursor, Fault, Kind};

/// The counts of a usage object, as they stand.
#[derive(Default)]
struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: u64,
    cache_hit: u64,
    cache_write: u64,
    audio_input: u64,
    image_input: u64,
    reasoning: u64,
    audio_output: u64,
    image_output: u64,
    tool_calls: u64,
}

/// Reads the JSON of a usage object. `None` when it counts nothing: some servers send zeros where
/// they know nothing, and a prompt is never empty.
pub fn read_usage(json: &str) -> Option<Usage> {
    let counts = Counts::read(json).ok()?;
    let usage = counts.apart();
    (usage.total_tokens() > 0).then_some(usage)
}

/// The usage object of the API for a usage.
pub fn usage_json(usage: &Usage) -> impl Serialize + use<> {
    let prompt_tokens = usage.prompt_tokens();
    let completion_tokens = usage.completion_tokens();
    Rendered {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        prompt_tokens_details: PromptDetails {
            cached_tokens: usage.cached_input,
            cache_write_tokens: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
            audio_tokens: usage.audio_input,
        },
        completion_tokens_details: CompletionDetails {
            reasoning_tokens: usage.reasoning,
            audio_tokens: usage.audio_output,
        },
    }
}

#[derive(Serialize)]
struct Rendered {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
}

impl Counts {
    fn read(json: &str) -> Result<Self, Fault> {
        let mut counts = Self::default();
        let mut cursor = Cursor::new(json);
        cursor.object(|cursor, name| {
            let name = name.decoded();
            if cursor.kind()? == Kind::Object {
                cursor.object(|cursor, detail| {
                    let detail = detail.decoded();
                    let count = count(cursor)?;
                    counts.detail(&name, &detail, count);
                    Ok(())
                })?;
            } else {
                let count = count(cursor)?;
                counts.field(&name, count);
            }
            Ok(())
        })?;
        Ok(counts)
    }

    fn field(&mut self, name: &str, count: Option<u64>) {
        match name {
            "prompt_tokens" => self.prompt = count,
            "completion_tokens" => self.completion = count,
            "total_tokens" => self.total = count,
            // DeepSeek's own name.
            "prompt_cache_hit_tokens" => self.cache_hit = count.unwrap_or(0),
            _ => {}
        }
    }

    fn detail(&mut self, group: &str, name: &str, count: Option<u64>) {
        let place = match (group, name) {
            ("prompt_tokens_details", "cached_tokens") => &mut self.cached,
            ("prompt_tokens_details", "cache_write_tokens") => &mut self.cache_write,
            ("prompt_tokens_details", "audio_tokens") => &mut self.audio_input,
            ("prompt_tokens_details", "image_tokens") => &mut self.image_input,
            ("completion_tokens_details", "reasoning_tokens") => &mut self.reasoning,
            ("completion_tokens_details", "audio_tokens") => &mut self.audio_output,
            ("completion_tokens_details", "image_tokens") => &mut self.image_output,
            ("server_tool_use", "web_search_requests") => &mut self.tool_calls,
            _ => return,
        };
        *place = count.unwrap_or(0);
    }

    fn apart(mut self) -> Usage {
        self.cached = self.cached.max(self.cache_hit);
        let (more_prompt, more_reasoning) = excess(&self);
        let prompt = self.prompt.unwrap_or(0).saturating_add(more_prompt);
        let completion = self.completion.unwrap_or(0).saturating_add(more_reasoning);
        let (mut input, mut output) = (prompt, completion);
        Usage {
            cached_input: take(&mut input, self.cached),
            cache_write_5m: take(&mut input, self.cache_write),
            cache_write_1h: 0,
            audio_input: take(&mut input, self.audio_input),
            image_input: take(&mut input, self.image_input),
            input,
            reasoning: take(&mut output, self.reasoning.max(more_reasoning)),
            audio_output: take(&mut output, self.audio_output),
            image_output: take(&mut output, self.image_output),
            output,
            tool_calls: self.tool_calls,
        }
    }
}

/// What `total_tokens` holds beyond the prompt and the completion, as (prompt, reasoning) tokens.
///
/// The provider's own sum, so it is trusted where it has one explanation: it is the reasoning, or the
/// cached and cache-write tokens, or both, to the token; or no such class is given at all, and then
/// it is reasoning that is not shown. Else it is left out: charging less is the operator's loss,
/// charging what was not used would be the client's.
fn excess(counts: &Counts) -> (u64, u64) {
    let (Some(total), Some(prompt), Some(completion)) =
        (counts.total, counts.prompt, counts.completion)
    else {
        return (0, 0);
    };
    let excess = total.saturating_sub(prompt.saturating_add(completion));
    let cache = counts.cached.saturating_add(counts.cache_write);
    let reasoning = counts.reasoning;
    match excess {
        0 => (0, 0),
        _ if excess == reasoning => (0, excess),
        _ if excess == cache => (excess, 0),
        _ if excess == cache.saturating_add(reasoning) => (cache, reasoning),
        _ if cache == 0 && reasoning == 0 => (0, excess),
        _ => (0, 0),
    }
}

/// Takes up to `count` out of what is left.
fn take(left: &mut u64, count: u64) -> u64 {
    let taken = count.min(*left);
    *left -= taken;
    taken
}

/// A count, written as a whole number or with a fraction of which the whole part counts; below
/// zero it is 0, and anything else is none.
fn count(cursor: &mut Cursor<'_>) -> Result<Option<u64>, Fault> {
    if cursor.kind()? != Kind::Number {
        cursor.skip()?;
        return Ok(None);
    }
    let number = cursor.number()?;
    if number.starts_with('-') {
        return Ok(Some(0));
    }
    let whole = number.split('.').next().unwrap_or_default();
    if number.contains(['e', 'E']) || whole.is_empty() {
        return Ok(None);
    }
    Ok(Some(whole.parse().unwrap_or(u64::MAX)))
}
