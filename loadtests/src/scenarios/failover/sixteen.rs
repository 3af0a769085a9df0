//! The sixteen public failover scenarios: what goes wrong at the first provider, and what a gateway
//! may take for it. Pure.

use std::time::Duration;

use crate::simulator::behaviour::{Behaviour, ErrorRule, Faults, Hang, Span};

/// Tokens of a whole answer.
pub const TOKENS: u32 = 60;
/// What a request allows: not one token more than the answer has, so that a gateway that counts what it
/// has delivered as more than it was cuts the rest short.
const TOKENS_MAX: u32 = TOKENS;
/// Tokens a second, so that an answer takes a second and a half.
const PACE: u32 = 40;
/// The longest prompt of the first provider's model in S12; the prompt there is about twice as long.
pub const SHORT_CONTEXT: u64 = 1_000;
/// The longest prompt of every other model.
pub const LONG_CONTEXT: u64 = 128_000;
/// What the provider says in S13, and what of it must reach the caller.
pub const POLICY_CODE: &str = "content_policy_violation";
const POLICY_BODY: &str = concat!(
    r#"{"error":{"message":"Your request was rejected as a result of our safety system.","#,
    r#""type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#
);

/// One of the sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[expect(missing_docs, reason = "`fault` says what each is")]
pub enum Sixteen {
    S01,
    S02,
    S03,
    S04,
    S05,
    S06,
    S07,
    S08,
    S09,
    S10,
    S11,
    S12,
    S13,
    S14,
    S15,
    S16,
}

/// One scenario, streamed or not: a model of its own, with a first provider and a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Which.
    pub scenario: Sixteen,
    /// Whether the request asks for a stream.
    pub streamed: bool,
    /// S11 is played twice: a stream without its end is closed, or left open.
    pub left_open: bool,
}

/// What is right, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until the end of the answer.
    pub time: Duration,
    /// Requests to both providers, at most so many of them within the time.
    pub burst: Option<(Duration, usize)>,
    /// Requests to both providers.
    pub attempts: usize,
    /// Requests to the first.
    pub primary: usize,
}

impl Sixteen {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::S01,
        Self::S02,
        Self::S03,
        Self::S04,
        Self::S05,
        Self::S06,
        Self::S07,
        Self::S08,
        Self::S09,
        Self::S10,
        Self::S11,
        Self::S12,
        Self::S13,
        Self::S14,
        Self::S15,
        Self::S16,
    ];
    /// Those that are over within seconds.
    pub const FAST: [Self; 12] = [
        Self::S01,
        Self::S02,
        Self::S03,
        Self::S04,
        Self::S05,
        Self::S08,
        Self::S10,
        Self::S11,
        Self::S12,
        Self::S13,
        Self::S14,
        Self::S16,
    ];

    /// `S01` to `S16`.
    pub fn code(self) -> String {
        format!("{self:?}")
    }

    /// What goes wrong at the first provider.
    pub fn fault(self) -> &'static str {
        match self {
            Self::S01 => "429 with Retry-After: 2, once",
            Self::S02 => "429 for ever, without a header",
            Self::S03 => "500, once",
            Self::S04 => "503 for ever",
            Self::S05 => "connection reset before any byte, once",
            Self::S06 => "takes the request, never answers",
            Self::S07 => "first token after 20 s",
            Self::S08 => "dies after 40 of 60 tokens",
            Self::S09 => "silent for 30 s after 20 tokens, then closed",
            Self::S10 => "the tenth event is no JSON",
            Self::S11 => "no [DONE] at the end",
            Self::S12 => "400 context_length_exceeded",
            Self::S13 => "400 content_policy_violation",
            Self::S14 => "dies after 40 tokens, the fallback takes no prefill",
            Self::S15 => "503 for 60 s, then healthy; 20 requests",
            Self::S16 => "503 for ever: who answered, who is paid",
        }
    }
}

impl Case {
    /// The cases of some scenarios: each streamed and not.
    pub fn of(scenarios: &[Sixteen]) -> Vec<Self> {
        let mut cases = Vec::new();
        for &scenario in scenarios {
            let case = Self { scenario, streamed: true, left_open: false };
            cases.push(case);
            if scenario == Sixteen::S11 {
                cases.push(Self { left_open: true, ..case });
            }
            cases.push(Self { streamed: false, ..case });
        }
        cases
    }

    /// The name of its model, at the client and at the first provider.
    pub fn name(self) -> String {
        let kind = if self.streamed { "stream" } else { "whole" };
        let open = if self.left_open { "-open" } else { "" };
        format!("{}-{kind}{open}", self.scenario.code().to_lowercase())
    }

    /// The name of its model at the fallback.
    pub fn fallback_name(self) -> String {
        format!("{}-fallback", self.name())
    }

    /// The request, asking for `model`.
    pub fn body(self, model: &str) -> String {
        let prompt = if self.scenario == Sixteen::S12 {
            "All work and no play makes a dull prompt. ".repeat(200)
        } else {
            "Count the words, please.".to_owned()
        };
        let mut body = serde_json::json!({
            "model": model,
            "max_tokens": TOKENS_MAX,
            "messages": [
                { "role": "system", "content": "You are a terse assistant." },
                { "role": "user", "content": prompt },
            ],
        });
        if let Some(fields) = body.as_object_mut().filter(|_| self.streamed) {
            fields.insert("stream".to_owned(), true.into());
            let options = serde_json::json!({ "include_usage": true });
            fields.insert("stream_options".to_owned(), options);
        }
        body.to_string()
    }

    /// How the first provider behaves, before it recovers where it does.
    pub fn primary(self) -> Behaviour {
        let healthy = Self::healthy(31);
        let faults = self.faults();
        let faults_first = matches!(self.scenario, Sixteen::S01 | Sixteen::S03 | Sixteen::S05);
        let mut behaviour =
            Behaviour { faults, faults_first: faults_first.then_some(1), ..healthy };
        match self.scenario {
            Sixteen::S07 => {
                behaviour.first_token_ms = Span::Fixed(20_000);
                behaviour.late_role = true;
            }
            Sixteen::S12 => {
                behaviour.context_tokens = Some(SHORT_CONTEXT);
                behaviour.prompt_tokens = None;
            }
            _ => {}
        }
        behaviour
    }

    /// How the fallback behaves: it reports another prompt than the first, to tell them apart.
    pub fn fallback(self) -> Behaviour {
        let rejects_prefill = self.scenario == Sixteen::S14;
        Behaviour { rejects_prefill, ..Self::healthy(37) }
    }

    /// How a recovered first provider behaves.
    pub fn recovered() -> Behaviour {
        Self::healthy(31)
    }

    fn healthy(prompt_tokens: u64) -> Behaviour {
        Behaviour {
            tokens: Some(TOKENS),
            tokens_per_second: PACE,
            prompt_tokens: Some(prompt_tokens),
            ..Behaviour::default()
        }
    }

    fn faults(self) -> Faults {
        match self.scenario {
            Sixteen::S01 => {
                let rule = ErrorRule {
                    status: 429,
                    per_million: 1_000_000,
                    body: None,
                    retry_after: Some("2".to_owned()),
                };
                Faults { error: Some(rule), ..Faults::default() }
            }
            Sixteen::S02 => Faults::status(429),
            Sixteen::S03 => Faults::status(500),
            Sixteen::S04 | Sixteen::S15 | Sixteen::S16 => Faults::status(503),
            Sixteen::S05 => {
                Faults { cut_before_head: true, cut_by_reset: true, ..Faults::default() }
            }
            Sixteen::S06 => Faults::hang(Hang::BeforeHead),
            Sixteen::S08 | Sixteen::S14 => Faults { cut_after: Some(40), ..Faults::default() },
            Sixteen::S09 => {
                Faults { stall_after: Some(20), stall_ms: Some(30_000), ..Faults::default() }
            }
            Sixteen::S10 => {
                Faults { invalid_event_at: Some(9), garbled_body: true, ..Faults::default() }
            }
            Sixteen::S11 => {
                Faults { missing_done: true, left_open: self.left_open, ..Faults::default() }
            }
            Sixteen::S13 => Faults::error(400, POLICY_BODY),
            Sixteen::S07 | Sixteen::S12 => Faults::default(),
        }
    }

    /// What is right.
    pub fn limits(self) -> Limits {
        let seconds = Duration::from_secs;
        let usual = Limits { time: seconds(30), burst: None, attempts: 6, primary: 6 };
        match self.scenario {
            Sixteen::S01 => Limits {
                time: seconds(10),
                burst: Some((Duration::from_millis(1_500), 2)),
                ..usual
            },
            Sixteen::S02 => Limits { burst: Some((seconds(3), 4)), ..usual },
            Sixteen::S03 | Sixteen::S05 => Limits { time: seconds(10), attempts: 3, ..usual },
            Sixteen::S06 => Limits { time: seconds(60), primary: 1, ..usual },
            // An answer that is not streamed can't show that it is on its way: waiting for it is as
            // right as asking elsewhere.
            Sixteen::S07 if self.streamed => Limits { time: seconds(15), primary: 2, ..usual },
            Sixteen::S07 => Limits { primary: 2, ..usual },
            Sixteen::S09 => Limits { time: seconds(45), ..usual },
            Sixteen::S11 => Limits { time: seconds(8), ..usual },
            Sixteen::S12 | Sixteen::S13 => Limits { time: seconds(10), primary: 1, ..usual },
            // The limits of S15 are those of its one requests; the judge has its own for the row.
            Sixteen::S04
            | Sixteen::S08
            | Sixteen::S10
            | Sixteen::S14
            | Sixteen::S15
            | Sixteen::S16 => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_model_of_its_own() {
        let cases = Case::of(&Sixteen::ALL);
        let names: BTreeSet<String> = cases.iter().map(|case| case.name()).collect();
        assert_eq!((cases.len(), names.len()), (33, 33));
        assert!(names.contains("s07-stream") && names.contains("s11-stream-open"));
    }

    #[test]
    fn the_prompt_of_s12_is_too_long_for_the_first_model() {
        for scenario in Sixteen::ALL {
            let case = Case { scenario, streamed: true, left_open: false };
            let tokens = u64::try_from(case.body("m").len()).unwrap() / 4;
            assert_eq!(tokens > SHORT_CONTEXT, scenario == Sixteen::S12, "{scenario:?}");
            assert!(tokens < LONG_CONTEXT);
        }
    }
}
