//! Scripted observations and the verdict on each.

use super::outage::{INTERVAL, RECOVERY, REQUESTS};
use super::*;
use crate::client::Usage;
use crate::simulator::stats::Outcome;
use crate::words;

const USAGE: Usage = Usage { prompt_tokens: 37, completion_tokens: 60 };

fn case(scenario: Sixteen) -> Case {
    Case { scenario, streamed: true, left_open: false }
}

/// A call, in a word for what it saw.
fn heard(word: &str, began_ms: u64, total_ms: u64) -> Heard {
    let mut text = Vec::new();
    let count = if word == "truncated" || word == "cut" || word == "error event" { 40 } else { 60 };
    for index in 0..count {
        words::put(&mut text, index);
    }
    let mut transcript =
        Transcript { model: Some("m".to_owned()), usage: Some(USAGE), ..Transcript::default() };
    transcript.words.read(&text);
    let (mut transport, mut status) = (Transport::Ended, Some(200));
    let error = |code: &str| {
        let message = "This model does not support assistant message prefill.".to_owned();
        let message = Some(message).filter(|_| code == "prefill");
        Some(WireError { kind: None, code: Some(code.to_owned()), message })
    };
    match word {
        "answer" => transcript.finish = Some("stop".to_owned()),
        "without usage" => {
            transcript.finish = Some("stop".to_owned());
            transcript.usage = None;
        }
        "repeated" => {
            transcript.done = true;
            transcript.words.read(b" w0 w1");
        }
        "garbled" => {
            transcript.done = true;
            transcript.garbled = 1;
        }
        "truncated" => transcript.done = true,
        "silently truncated" => {}
        "cut" => transport = Transport::Broken,
        "cut at the end" => {
            transcript.finish = Some("stop".to_owned());
            transport = Transport::Broken;
        }
        "refused connection" => (transport, status) = (Transport::NoHead, None),
        "nothing" => transport = Transport::TimedOut,
        "error event" => transcript.error = error("server_error"),
        code => {
            (transcript, status) = (Transcript::default(), Some(503));
            transcript.error = error(code);
        }
    }
    Heard {
        began: Duration::from_millis(began_ms),
        total: Duration::from_millis(total_ms),
        transport,
        status,
        transcript,
        names_fallback: false,
        request_id: None,
    }
}

/// Attempts as `p20` or `f1500`: at which provider, and after how many milliseconds.
fn attempts(script: &str) -> Vec<Attempt> {
    let attempt = |word: &str| {
        let (provider, at) = word.split_at(1);
        let entry = Entry {
            sequence: 0,
            model: "m".into(),
            request_id: None,
            streamed: true,
            arrived_ms: 0,
            ended_ms: 0,
            status: Some(200),
            prompt: 37,
            cached: 0,
            prefilled: 0,
            completion: 60,
            outcome: Outcome::Completed,
        };
        let at = Duration::from_millis(at.parse().unwrap());
        Attempt { at, primary: provider == "p", answer_id: String::new(), entry }
    };
    script.split_whitespace().map(attempt).collect()
}

#[track_caller]
fn check(scenario: Sixteen, call: (&str, u64), reached: &str, verdict: Verdict, words: &str) {
    let seen = Observation { calls: vec![heard(call.0, 0, call.1)], attempts: attempts(reached) };
    let judgement = judge(case(scenario), &seen);
    assert_eq!(judgement.verdict, verdict, "{scenario:?} {call:?} {reached}: {judgement:?}");
    assert!(judgement.reason.contains(words), "{scenario:?} {call:?}: {judgement:?}");
}

#[test]
fn a_complete_answer_passes_when_conduct_is_right() {
    use Sixteen::{S01, S02, S03, S04, S06, S07};
    use Verdict::{Fail, Partial, Pass};
    check(S01, ("answer", 2_400), "p1 p2002", Pass, "");
    check(S01, ("answer", 300), "p1 f10", Pass, "");
    check(S01, ("answer", 300), "p1 p10 f20", Partial, "3 requests within 1.50 s, at most 2");
    check(S01, ("answer", 12_000), "p1 p2002", Partial, "took 12.00 s, at most 10.00 s");
    check(S02, ("answer", 300), "p1 p2 p3 p4 f5", Partial, "5 requests within 3.00 s");
    check(S02, ("answer", 300), "p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 f11", Fail, "11 requests");
    check(S03, ("answer", 300), "p1 p2", Pass, "");
    check(S04, ("answer", 300), "p1 p2 p3 p4 p5 f6", Pass, "");
    check(S04, ("answer", 300), "p1 p2 p3 p4 p5 p6 f7", Partial, "7 requests in all");
    check(S06, ("answer", 31_000), "p1 f30000", Pass, "");
    check(S06, ("answer", 31_000), "p1 p10 f30000", Partial, "2 requests to the first");
    check(S06, ("nothing", 65_000), "p1", Fail, "no end within");
    check(S07, ("answer", 20_400), "p1", Partial, "took 20.40 s, at most 15.00 s");
}

#[test]
fn whoever_waits_for_an_unstreamed_answer_is_right_too() {
    let seen = Observation { calls: vec![heard("answer", 0, 20_400)], attempts: attempts("p1") };
    let whole = Case { streamed: false, ..case(Sixteen::S07) };
    assert_eq!(judge(whole, &seen).verdict, Verdict::Pass);
}

#[test]
fn what_is_not_so_fails_and_what_ends_clearly_is_safe() {
    use Sixteen::{S04, S08, S10, S11, S14};
    use Verdict::{Fail, Partial, Safe};
    check(S08, ("truncated", 300), "p1", Fail, "40 of 60 tokens");
    check(S08, ("silently truncated", 300), "p1", Fail, "passed off");
    check(S08, ("repeated", 300), "p1 f200", Fail, "repeated");
    check(S08, ("cut", 300), "p1", Safe, "broke off after 40 tokens");
    check(S08, ("error event", 300), "p1", Safe, "an error event, server_error");
    check(S08, ("error event", 31_000), "p1", Fail, "took 31.00 s");
    check(S10, ("garbled", 300), "p1", Fail, "garbled");
    check(S04, ("overloaded", 300), "p1", Safe, "status 503, overloaded");
    check(S04, ("refused connection", 300), "p1", Safe, "broke off after 60");
    check(S04, ("overloaded", 300), &"p1 ".repeat(15), Fail, "15 requests");
    check(S14, ("error event", 300), "p1 f2", Safe, "");
    check(S11, ("cut at the end", 10_000), "p1", Partial, "no end of it");
    check(S14, ("prefill", 300), "p1 f2", Fail, "refusal is shown");
}

#[test]
fn a_fault_that_was_not_met_proves_nothing() {
    use Verdict::{Fail, Pass};
    check(Sixteen::S04, ("answer", 300), "f1", Fail, "never asked");
    check(Sixteen::S12, ("answer", 300), "f1", Pass, "");
}

#[test]
fn a_request_that_is_wrong_is_not_repeated() {
    use Sixteen::{S12, S13};
    use Verdict::{Fail, Partial, Pass, Safe};
    check(S12, ("answer", 300), "p1 f2", Pass, "");
    check(S12, ("answer", 300), "p1 p2 f3", Partial, "2 requests to the first");
    check(S12, ("context_length_exceeded", 30), "p1", Safe, "context_length_exceeded");
    check(S13, ("content_policy_violation", 30), "p1", Pass, "");
    check(S13, ("content_policy_violation", 30), "p1 p2", Partial, "2 requests to the first");
    check(S13, ("content_policy_violation", 30), "p1 p2 p3 p4 p5", Fail, "5 requests to the first");
    check(S13, ("bad_gateway", 30), "p1", Safe, "bad_gateway");
    check(S13, ("answer", 300), "p1 f2", Partial, "reason is lost");
}

#[test]
fn an_answer_says_what_was_used_and_who_gave_it() {
    check(Sixteen::S11, ("answer", 300), "p1", Verdict::Pass, "");
    check(Sixteen::S11, ("without usage", 300), "p1", Verdict::Partial, "without a usage");
    check(Sixteen::S16, ("answer", 300), "p1 f2", Verdict::Partial, "names who gave it");
    let mut named = heard("answer", 0, 300);
    named.transcript.model = Some("s16-stream-fallback".to_owned());
    let mut seen = Observation { calls: vec![named], attempts: attempts("p1 f2") };
    assert_eq!(judge(case(Sixteen::S16), &seen), Judgement::pass());
    seen.calls[0].names_fallback = true;
    seen.calls[0].transcript.model = None;
    assert_eq!(judge(case(Sixteen::S16), &seen), Judgement::pass());
    seen.calls[0].transcript.usage = Some(Usage { prompt_tokens: 31, completion_tokens: 60 });
    assert_eq!(judge(case(Sixteen::S16), &seen).reason, "not the fallback's usage");
}

#[test]
fn after_a_silence_the_gateway_serves_on() {
    let mut seen = Observation {
        calls: vec![heard("answer", 0, 31_000), heard("answer", 31_000, 300)],
        attempts: attempts("p1 f30002 p31001"),
    };
    assert_eq!(judge(case(Sixteen::S09), &seen), Judgement::pass());
    seen.calls[1] = heard("overloaded", 31_000, 300);
    assert_eq!(judge(case(Sixteen::S09), &seen).verdict, Verdict::Partial);
}

/// Twenty requests: to the first provider until `shut`, to it again from the `back`-th on.
fn outage(shut: u32, back: u32, word: &str) -> Judgement {
    let mut seen = Observation::default();
    for turn in 0..REQUESTS {
        let at = INTERVAL * turn;
        let millis = u64::try_from(at.as_millis()).unwrap();
        seen.calls.push(heard(if turn == 3 { word } else { "answer" }, millis, 300));
        let both = if turn < shut {
            format!("p{millis} f{}", millis + 5)
        } else if turn >= back {
            format!("p{millis}")
        } else {
            format!("f{millis}")
        };
        seen.attempts.extend(attempts(&both));
    }
    judge(case(Sixteen::S15), &seen)
}

#[test]
fn an_outage_is_noticed_and_its_end_as_well() {
    assert!(INTERVAL * 15 == RECOVERY);
    assert_eq!(outage(6, 16, "answer"), Judgement::pass());
    for (shut, back, word, verdict, reason) in [
        (15, 16, "answer", Verdict::Partial, "15 requests to it while it failed"),
        (6, 20, "answer", Verdict::Partial, "not in use again 30.00 s"),
        (6, 16, "overloaded", Verdict::Safe, "1 of 20 got an error"),
        (6, 16, "truncated", Verdict::Fail, "40 of 60"),
        (6, 16, "nothing", Verdict::Fail, "no end"),
    ] {
        let judgement = outage(shut, back, word);
        assert_eq!(judgement.verdict, verdict, "{judgement:?}");
        assert!(judgement.reason.contains(reason), "{judgement:?}");
    }
}
