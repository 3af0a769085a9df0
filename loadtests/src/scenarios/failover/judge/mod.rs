//! The judge: from what a caller saw and what reached the two providers, a verdict with its reason.
//! Pure.
//!
//! - *pass*: the caller got the complete answer, and conduct was right;
//! - *partial*: the complete answer, but conduct was not right: late, or with too many requests;
//! - *safe*: no answer, but a clear and timely end: an error, or a connection that breaks off;
//! - *fail*: no end, a provider hammered (more than twice what is right, and two), or an answer passed off as good that is not.

pub mod outage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::door::Transport;
use super::sixteen::{Case, POLICY_CODE, Sixteen, TOKENS};
use super::transcript::Transcript;
use crate::client::WireError;
use crate::simulator::stats::Entry;
use crate::table::time;

/// How a gateway did, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the module says what each is")]
pub enum Verdict {
    Fail,
    Safe,
    Partial,
    Pass,
}

/// A verdict and why, in words; a pass may go without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How it did.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// Everything that was observed of one case.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// What the caller did and saw, in order. All times count from the first call.
    pub calls: Vec<Heard>,
    /// What reached the providers, in order of arrival.
    pub attempts: Vec<Attempt>,
}

/// A call, as its caller saw it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When it was sent.
    pub began: Duration,
    /// Until its end.
    pub total: Duration,
    /// How the transport ended.
    pub transport: Transport,
    /// The status, where there was a head.
    pub status: Option<u16>,
    /// The body, read.
    pub transcript: Transcript,
    /// Whether a header of the answer names the fallback.
    pub names_fallback: bool,
    /// The gateway's id of the exchange.
    pub request_id: Option<String>,
}

/// A request that reached a provider.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When it arrived.
    pub at: Duration,
    /// Whether it was at the first provider.
    pub primary: bool,
    /// The `id` of its answer.
    pub answer_id: String,
    /// What the provider wrote down.
    pub entry: Entry,
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The complete answer.
    Answer,
    /// An error, in a status or an event.
    Error,
    /// The connection broke, for the caller to notice.
    Cut,
    /// Nothing, until the caller's patience was over.
    Nothing,
    /// Something that is not so.
    Lie(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Safe => "safe",
            Self::Partial => "partial",
            Self::Pass => "pass",
        })
    }
}

impl Judgement {
    fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, reason: reason.into() }
    }

    fn pass() -> Self {
        Self::new(Verdict::Pass, "")
    }

    /// The worse of two.
    pub fn or_worse(self, other: Self) -> Self {
        if other.verdict < self.verdict { other } else { self }
    }
}

impl Heard {
    /// What the caller was told.
    pub fn told(&self) -> Told {
        let words = &self.transcript.words;
        match self.transport {
            Transport::TimedOut => return Told::Nothing,
            Transport::NoHead => return Told::Cut,
            Transport::Broken | Transport::Ended => {}
        }
        let ended = self.transport == Transport::Ended;
        if self.status != Some(200) {
            return if ended { Told::Error } else { Told::Cut };
        }
        if words.misplaced() > 0 {
            return Told::Lie("words are missing, repeated or out of order".to_owned());
        }
        if !ended {
            return Told::Cut;
        }
        if self.transcript.garbled > 0 {
            return Told::Lie("garbled data reached the caller".to_owned());
        }
        if self.transcript.error.is_some() {
            return Told::Error;
        }
        let closed = self.transcript.done || self.transcript.finish.is_some();
        if closed && words.are_exactly(u64::from(TOKENS)) {
            return Told::Answer;
        }
        let (got, all) = (words.in_order(), TOKENS);
        let finish = self.transcript.finish.as_deref();
        let why = finish.map_or_else(String::new, |finish| format!(" that ends by {finish:?}"));
        Told::Lie(format!("{got} of {all} tokens, passed off as an answer{why}"))
    }

    fn error(&self) -> WireError {
        self.transcript.error.clone().unwrap_or_default()
    }

    /// An error in few words.
    fn error_words(&self) -> String {
        let error = self.error();
        let status = match self.status {
            Some(200) => "an error event".to_owned(),
            Some(status) => format!("status {status}"),
            None => "no head".to_owned(),
        };
        let said = error.code.or(error.kind).unwrap_or_default();
        let message: String = error.message.unwrap_or_default().chars().take(80).collect();
        let text = format!("{status}, {said}: {message}");
        text.trim_end_matches([' ', ':', ',']).to_owned()
    }

    /// Whether the error holds `text`, anywhere.
    fn error_has(&self, text: &str) -> bool {
        let error = self.error();
        let parts = [error.code, error.kind, error.message];
        parts.iter().flatten().any(|part| part.contains(text))
    }
}

impl Observation {
    /// Requests that reached the first provider, and the fallback.
    pub fn reached(&self) -> (usize, usize) {
        let primary = self.attempts.iter().filter(|attempt| attempt.primary).count();
        (primary, self.attempts.len() - primary)
    }
}

/// The verdict on one case.
pub fn judge(case: Case, seen: &Observation) -> Judgement {
    let Some(call) = seen.calls.first() else {
        return Judgement::new(Verdict::Fail, "nothing was asked");
    };
    // What a router that knows the model's context does not send there is not sent there.
    if case.scenario != Sixteen::S12 && seen.reached().0 == 0 {
        return Judgement::new(Verdict::Fail, "the first provider was never asked");
    }
    if case.scenario == Sixteen::S15 {
        return outage::judge(seen);
    }
    match call.told() {
        Told::Nothing => {
            let waited = time(call.total);
            Judgement::new(Verdict::Fail, format!("no end within {waited}"))
        }
        Told::Lie(what) => Judgement::new(Verdict::Fail, what),
        Told::Answer => conduct(case, seen, call).unwrap_or_else(|| answered(case, seen, call)),
        told @ (Told::Error | Told::Cut) => failed(case, seen, call, told == Told::Cut),
    }
}

/// What is wrong with how a case was handled, if anything is.
fn conduct(case: Case, seen: &Observation, call: &Heard) -> Option<Judgement> {
    let limits = case.limits();
    // What came for later calls is not this one's.
    let until = seen.calls.get(1).map_or(Duration::MAX, |later| later.began);
    let at: Vec<(Duration, bool)> = seen
        .attempts
        .iter()
        .filter(|attempt| attempt.at < until)
        .map(|attempt| (attempt.at, attempt.primary))
        .collect();
    let burst = limits.burst.map(|(within, most)| {
        let count = at.iter().filter(|(at, _)| *at < within).count();
        (count, most, format!("requests within {}", time(within)))
    });
    let primary = at.iter().filter(|(_, primary)| *primary).count();
    let counts = [
        burst,
        Some((primary, limits.primary, "requests to the first provider".to_owned())),
        Some((at.len(), limits.attempts, "requests in all".to_owned())),
    ];
    for (count, most, what) in counts.into_iter().flatten() {
        if count > most {
            let hammered = count > 2 * most + 2;
            let verdict = if hammered { Verdict::Fail } else { Verdict::Partial };
            return Some(Judgement::new(verdict, format!("{count} {what}, at most {most}")));
        }
    }
    if call.total > limits.time {
        let (took, most) = (time(call.total), time(limits.time));
        return Some(Judgement::new(Verdict::Partial, format!("took {took}, at most {most}")));
    }
    None
}

/// The complete answer came, in time and with few requests: what else the scenario asks for.
fn answered(case: Case, seen: &Observation, call: &Heard) -> Judgement {
    let partial = |reason: &str| Judgement::new(Verdict::Partial, reason);
    match case.scenario {
        Sixteen::S09 => match seen.calls.get(1).map(Heard::told) {
            Some(Told::Answer) => Judgement::pass(),
            _ => partial("the next request after it was not answered"),
        },
        Sixteen::S11 if call.transcript.usage.is_none() => partial("without a usage"),
        Sixteen::S13 => partial("answered elsewhere: the provider's reason is lost"),
        Sixteen::S16 => {
            let model = call.transcript.model.as_deref().unwrap_or_default();
            if !call.names_fallback && model != case.fallback_name() {
                return partial("nothing in the answer names who gave it");
            }
            let usage = call.transcript.usage;
            let reported = seen.attempts.iter().any(|attempt| {
                let (prompt, completion) = (attempt.entry.prompt, attempt.entry.completion);
                !attempt.primary
                    && usage.is_some_and(|usage| {
                        (usage.prompt_tokens, usage.completion_tokens) == (prompt, completion)
                    })
            });
            if reported { Judgement::pass() } else { partial("not the fallback's usage") }
        }
        _ => Judgement::pass(),
    }
}

/// No answer came, but the caller knows.
fn failed(case: Case, seen: &Observation, call: &Heard, cut: bool) -> Judgement {
    let transcript = &call.transcript;
    if transcript.finish.is_some() && transcript.words.are_exactly(u64::from(TOKENS)) {
        let how = if cut { "cut" } else { "an error" };
        let reason =
            format!("the whole answer, but no end of it: {how} after {}", time(call.total));
        return Judgement::new(Verdict::Partial, reason);
    }
    let wrong = conduct(case, seen, call);
    if let Some(judgement) = &wrong
        && (judgement.verdict == Verdict::Fail || call.total > case.limits().time)
    {
        return Judgement::new(Verdict::Fail, format!("an error, and it {}", judgement.reason));
    }
    let told = if cut {
        format!("the connection broke off after {} tokens", call.transcript.words.in_order())
    } else {
        call.error_words()
    };
    match case.scenario {
        Sixteen::S13 if !cut && call.error_has(POLICY_CODE) => {
            wrong.unwrap_or_else(Judgement::pass)
        }
        Sixteen::S14 if !cut && call.error_has("prefill") => {
            Judgement::new(Verdict::Fail, format!("the fallback's refusal is shown: {told}"))
        }
        _ => Judgement::new(Verdict::Safe, told),
    }
}
