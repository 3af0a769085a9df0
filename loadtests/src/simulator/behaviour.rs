//! What a simulated model does, as scripts write it, and what that means for one request. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Tokens of an answer where neither the behaviour nor the request says how many.
pub const TOKENS_DEFAULT: u32 = 16;
/// The most tokens of one answer, whatever was asked.
pub const TOKENS_MAX: u32 = 1_000_000;

/// How one model behaves. The default is a healthy provider that answers at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Time to the response head, in milliseconds: a number, or `[from, to]`.
    pub head_ms: Span,
    /// From there to the first content, in milliseconds: a number, or `[from, to]`.
    pub first_token_ms: Span,
    /// Send the event with the role together with the first content, and not right after the head.
    pub late_role: bool,
    /// Content events a second after the first; 0: as fast as they are taken.
    pub tokens_per_second: u32,
    /// Every time above, in percent of itself: 1,000 is ten times slower.
    pub slow_percent: u32,
    /// Tokens of an answer, those of a prefill among them, and at most what the request allows.
    /// Absent: all that it allows, or 16.
    pub tokens: Option<u32>,
    /// Exactly as many tokens as the request allows, whatever `tokens` says.
    pub tokens_max_exact: bool,
    /// Prompt tokens to report, besides those of a prefill. Absent: a quarter of the body's bytes,
    /// rounded up.
    pub prompt_tokens: Option<u64>,
    /// How many of them to report as cached.
    pub cached_tokens: u64,
    /// The longest prompt that it takes; a longer one is answered 400. Absent: any.
    pub context_tokens: Option<u64>,
    /// Answer 400 to a request whose last message is the assistant's own. Without it the answer goes
    /// on from there.
    pub rejects_prefill: bool,
    /// Headers of every answer, whatever its status.
    pub headers: BTreeMap<String, String>,
    /// When a usage is reported.
    pub usage: UsageMode,
    /// What goes wrong.
    pub faults: Faults,
    /// Only the first so many requests after this behaviour was set meet `faults`. Absent: all.
    pub faults_first: Option<u32>,
}

/// What goes wrong. Everything absent or false: nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a script, each for itself")]
pub struct Faults {
    /// Answer with an error status.
    pub error: Option<ErrorRule>,
    /// Answer 429 to this credential only (what follows `Bearer `).
    pub limited_credential: Option<String>,
    /// The `retry-after` of that 429, in seconds.
    pub limited_retry_after: Option<u32>,
    /// Go silent until the behaviour is changed.
    pub hang: Option<Hang>,
    /// Break the connection without any response.
    pub cut_before_head: bool,
    /// Break the connection after so many tokens.
    pub cut_after: Option<u32>,
    /// Break connections by a TCP reset and not by an orderly close.
    pub cut_by_reset: bool,
    /// Go silent after so many tokens (in the middle of an unstreamed body), until the behaviour is
    /// changed.
    pub stall_after: Option<u32>,
    /// With `stall_after`: break the connection after so many milliseconds of silence.
    pub stall_ms: Option<u64>,
    /// Send half of an unstreamed body, then break the connection.
    pub truncate_body: bool,
    /// Send an unstreamed body that is not JSON.
    pub garbled_body: bool,
    /// End a stream without `[DONE]`.
    pub missing_done: bool,
    /// With `missing_done`: leave the stream open, until the behaviour is changed.
    pub left_open: bool,
    /// Before this token (from 0), send an event that is not JSON.
    pub invalid_event_at: Option<u32>,
    /// Before this token (from 0), send an error event and end the stream.
    pub error_event_at: Option<u32>,
    /// End a stream right after its head.
    pub empty_stream: bool,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The HTTP status.
    pub status: u16,
    /// How likely, in millionths. Absent: certain.
    #[serde(default = "certain")]
    pub per_million: u32,
    /// The body. Absent: an error object in the usual shape.
    #[serde(default)]
    pub body: Option<String>,
    /// The `retry-after` header, as it is to be written.
    #[serde(default)]
    pub retry_after: Option<String>,
}

/// Where silence begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hang {
    /// The request is taken, nothing comes back.
    BeforeHead,
    /// The head comes back, nothing after it.
    AfterHead,
}

/// When a usage is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageMode {
    /// Unstreamed always; streamed in an event of its own when the request asks for it.
    #[default]
    AsAsked,
    /// Never.
    Off,
    /// Streamed: on the event that carries `finish_reason`, asked for or not.
    OnFinish,
}

/// A time in milliseconds: fixed, or anywhere in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// Always this.
    Fixed(u64),
    /// Uniformly from the first to the second.
    Range([u64; 2]),
}

/// A behaviour, decided for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Time to the head.
    pub head: Duration,
    /// From there to the first content.
    pub first_token: Duration,
    /// Whether the event with the role waits for it too.
    pub late_role: bool,
    /// Between two tokens.
    pub interval: Duration,
    /// Tokens of the answer.
    pub tokens: u32,
    /// Whether it would have been longer, had the request allowed it.
    pub cut_short: bool,
    /// Tokens that the request has already and the answer goes on from.
    pub prefilled: u64,
    /// Prompt tokens reported.
    pub prompt_tokens: u64,
    /// Cached ones among them.
    pub cached_tokens: u64,
    /// Headers of the answer.
    pub headers: BTreeMap<String, String>,
    /// Why it will not answer although nothing is wrong with it.
    pub refusal: Option<Refusal>,
    /// When a usage is reported.
    pub usage: UsageMode,
    /// What goes wrong this time; an `error` is here only if it happens.
    pub faults: Faults,
}

/// What a request wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The length of its body.
    pub body_bytes: usize,
    /// The tokens it allows.
    pub tokens_max: Option<u32>,
    /// The tokens of its prefill, where it has one.
    pub prefilled: Option<u64>,
}

/// Why a sound model refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not take a prefill.
    Prefill,
    /// The prompt is longer than it can take.
    TooLong {
        /// How long it may be.
        context_tokens: u64,
    },
}

fn certain() -> u32 {
    1_000_000
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            head_ms: Span::default(),
            first_token_ms: Span::default(),
            late_role: false,
            tokens_per_second: 0,
            slow_percent: 100,
            tokens: None,
            tokens_max_exact: false,
            prompt_tokens: None,
            cached_tokens: 0,
            context_tokens: None,
            rejects_prefill: false,
            headers: BTreeMap::new(),
            usage: UsageMode::default(),
            faults: Faults::default(),
            faults_first: None,
        }
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Span {
    fn draw(self, random: &mut Random, slow_percent: u32) -> Duration {
        let milliseconds = match self {
            Self::Fixed(fixed) => fixed,
            Self::Range([low, high]) => random.between(low, high),
        };
        Duration::from_micros(
            milliseconds.saturating_mul(10).saturating_mul(u64::from(slow_percent)),
        )
    }
}

impl Faults {
    /// An error status for every request.
    pub fn status(status: u16) -> Self {
        let error = ErrorRule { status, per_million: certain(), body: None, retry_after: None };
        Self { error: Some(error), ..Self::default() }
    }

    /// Silence for every request.
    pub fn hang(hang: Hang) -> Self {
        Self { hang: Some(hang), ..Self::default() }
    }

    /// This error for every request.
    pub fn error(status: u16, body: &str) -> Self {
        let rule = ErrorRule {
            status,
            per_million: certain(),
            body: Some(body.to_owned()),
            retry_after: None,
        };
        Self { error: Some(rule), ..Self::default() }
    }

    /// Whether a request that went silent under an earlier behaviour stays silent under this one.
    pub fn keeps_silent(&self) -> bool {
        self.hang.is_some() || self.stall_after.is_some() || self.left_open
    }
}

impl Behaviour {
    /// What the `index`-th request (from 0) since the behaviour was set meets.
    pub fn plan(&self, index: u64, wanted: Wanted, random: &mut Random) -> Plan {
        let is_met = self.faults_first.is_none_or(|first| index < u64::from(first));
        let mut faults = if is_met { self.faults.clone() } else { Faults::default() };
        faults.error = faults.error.filter(|rule| random.happens(rule.per_million));
        let bytes = u64::try_from(wanted.body_bytes).unwrap_or(u64::MAX);
        let prefilled = wanted.prefilled.unwrap_or(0);
        let prompt = self.prompt_tokens.map(|tokens| tokens.saturating_add(prefilled));
        let prompt_tokens = prompt.unwrap_or_else(|| bytes.div_ceil(4));
        let rest = self.rest(prefilled);
        let tokens = tokens(rest, wanted.tokens_max);
        Plan {
            head: self.head_ms.draw(random, self.slow_percent),
            first_token: self.first_token_ms.draw(random, self.slow_percent),
            late_role: self.late_role,
            interval: self.interval(),
            tokens,
            cut_short: rest.is_some_and(|rest| rest > tokens),
            prefilled,
            prompt_tokens,
            cached_tokens: self.cached_tokens,
            headers: self.headers.clone(),
            refusal: self.refusal(wanted.prefilled.is_some(), prompt_tokens),
            usage: self.usage,
            faults,
        }
    }

    /// What an answer that has so many tokens already lacks, where the behaviour says how long it is.
    fn rest(&self, prefilled: u64) -> Option<u32> {
        let wished = if self.tokens_max_exact { None } else { self.tokens };
        let prefilled = u32::try_from(prefilled).unwrap_or(u32::MAX);
        wished.map(|tokens| tokens.saturating_sub(prefilled))
    }

    fn refusal(&self, is_prefill: bool, prompt_tokens: u64) -> Option<Refusal> {
        if is_prefill && self.rejects_prefill {
            return Some(Refusal::Prefill);
        }
        let context_tokens = self.context_tokens.filter(|&context| prompt_tokens > context)?;
        Some(Refusal::TooLong { context_tokens })
    }

    fn interval(&self) -> Duration {
        let nanos = u64::from(self.slow_percent).saturating_mul(10_000_000);
        nanos
            .checked_div(u64::from(self.tokens_per_second))
            .map_or(Duration::ZERO, Duration::from_nanos)
    }
}

fn tokens(rest: Option<u32>, tokens_max: Option<u32>) -> u32 {
    let allowed = tokens_max.unwrap_or(TOKENS_MAX);
    rest.or(tokens_max).unwrap_or(TOKENS_DEFAULT).min(allowed).min(TOKENS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Behaviour {
        serde_json::from_str(json).unwrap()
    }

    fn plan(json: &str, index: u64, tokens_max: Option<u32>) -> Plan {
        wanting(json, index, Wanted { body_bytes: 101, tokens_max, prefilled: None })
    }

    fn wanting(json: &str, index: u64, wanted: Wanted) -> Plan {
        read(json).plan(index, wanted, &mut Random::new(3))
    }

    #[test]
    fn an_answer_has_as_many_tokens_as_behaviour_and_request_allow() {
        for (json, asked, tokens) in [
            ("{}", None, 16),
            ("{}", Some(5), 5),
            (r#"{"tokens":40}"#, None, 40),
            (r#"{"tokens":40}"#, Some(30), 30),
            (r#"{"tokens":40}"#, Some(50), 40),
            (r#"{"tokens":40,"tokens_max_exact":true}"#, Some(50), 50),
        ] {
            let plan = plan(json, 0, asked);
            assert_eq!(plan.tokens, tokens, "{json} {asked:?}");
            let wished = read(json).tokens.filter(|_| !json.contains("exact"));
            assert_eq!(plan.cut_short, wished.is_some_and(|wished| wished > tokens), "{json}");
        }
    }

    #[test]
    fn a_prefill_is_part_of_the_prompt_and_the_answer_is_the_rest() {
        let prefill = |json: &str, tokens_max| {
            let plan = wanting(json, 0, Wanted { body_bytes: 0, tokens_max, prefilled: Some(40) });
            (plan.tokens, plan.prompt_tokens, plan.refusal)
        };
        let json = r#"{"tokens":60,"prompt_tokens":31}"#;
        for tokens_max in [None, Some(60), Some(20)] {
            assert_eq!(prefill(json, tokens_max), (20, 71, None));
        }
        assert_eq!(prefill("{}", Some(20)).0, 20);
        let json = r#"{"rejects_prefill":true}"#;
        assert_eq!(prefill(json, None).2, Some(Refusal::Prefill));
        assert_eq!(plan(json, 0, None).refusal, None);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_refused() {
        let refusal = |json| plan(json, 0, None).refusal;
        assert_eq!(refusal(r#"{"context_tokens":26}"#), None);
        let too_long = Some(Refusal::TooLong { context_tokens: 25 });
        assert_eq!(refusal(r#"{"context_tokens":25}"#), too_long);
    }

    #[test]
    fn times_are_stretched_by_the_slow_down() {
        let json =
            r#"{"head_ms":20,"first_token_ms":[5,5],"tokens_per_second":100,"slow_percent":300}"#;
        let plan = plan(json, 0, None);
        assert_eq!(plan.head, Duration::from_millis(60));
        assert_eq!(plan.first_token, Duration::from_millis(15));
        assert_eq!(plan.interval, Duration::from_millis(30));
        assert_eq!(plan.prompt_tokens, 26);
    }

    #[test]
    fn only_the_first_requests_meet_the_faults_when_it_says_so() {
        let json = r#"{"faults":{"error":{"status":503}},"faults_first":2}"#;
        let failing: Vec<bool> =
            (0..4).map(|index| plan(json, index, None).faults.error.is_some()).collect();
        assert_eq!(failing, [true, true, false, false]);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(serde_json::from_str::<Behaviour>(r#"{"head":5}"#).is_err());
        assert!(serde_json::from_str::<Behaviour>(r#"{"faults":{"hang":"never"}}"#).is_err());
    }
}
