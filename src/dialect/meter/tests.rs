//! Meters fed with whole streams and with streams cut short.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::chat::{Answer, Chunk};
use crate::dialect::sse::Scanner;

const INPUT_ESTIMATE: u64 = 40;

/// A meter that has seen the first `events` payloads of a stream.
fn meter(stream: &[u8], events: usize) -> Meter {
    let (mut scanner, mut meter) = (Scanner::default(), Meter::new(INPUT_ESTIMATE));
    scanner.push(Bytes::copy_from_slice(stream));
    let mut left = events;
    while let Some(event) = scanner.next_event().unwrap() {
        let Some(data) = event.data() else { continue };
        if left == 0 {
            break;
        }
        left -= 1;
        if let Chunk::Facts(facts) = Chunk::read(event.name(), data) {
            meter.observe(&facts);
        }
    }
    meter
}

fn tokens(text: &str) -> u64 {
    let mut estimator = Estimator::default();
    estimator.feed(text.as_bytes());
    estimator.tokens()
}

fn reported(usage: Usage) -> Metered {
    Metered { usage, estimated: false }
}

fn estimated(input: u64, output: u64, reasoning: u64) -> Metered {
    Metered { usage: Usage { input, output, reasoning, ..Usage::default() }, estimated: true }
}

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!("../fixtures/", $name))[..]
    };
}

#[test]
fn the_providers_last_word_is_charged() {
    let plain =
        |input, output, reasoning| reported(Usage { input, output, reasoning, ..Usage::default() });
    let openai = Usage {
        input: 29,
        cached_input: 1024,
        cache_write_5m: 64,
        output: 14,
        reasoning: 32,
        ..Usage::default()
    };
    for (stream, usage) in [
        (fixture!("openai.sse"), reported(openai)),
        (fixture!("azure.sse"), plain(12, 3, 0)),
        (fixture!("deepseek.sse"), plain(20, 2, 48)),
        (fixture!("vllm_running_usage.sse"), plain(9, 3, 0)),
        (fixture!("llama_server.sse"), plain(11, 2, 0)),
        (fixture!("openrouter.sse"), plain(14, 5, 2)),
    ] {
        let meter = meter(stream, usize::MAX);
        assert_eq!(meter.usage(), usage);
        assert!(meter.is_reported() && meter.is_finished(1) && meter.has_content());
    }
}

#[test]
fn without_a_word_what_was_delivered_is_counted() {
    let python = meter(fixture!("llama_cpp_python.sse"), usize::MAX);
    assert_eq!(python.usage(), estimated(INPUT_ESTIMATE, tokens("Hi there"), 0));
    assert_eq!(python.finish(), Some(Finish::Length));

    let tools = meter(fixture!("openai_tools.sse"), usize::MAX);
    let output = tokens("get_weather{\"city\":\"Lisbon\"}") + tokens("It depends");
    assert_eq!(tools.usage(), estimated(INPUT_ESTIMATE, output, 0));
    assert_eq!(tools.completion_tokens(), output);
    assert_eq!(tools.open_choices(3), [2]);
    assert!(tools.is_finished(2) && !tools.is_finished(3));

    let broken = meter(fixture!("openrouter_error.sse"), usize::MAX);
    assert_eq!(broken.usage(), estimated(INPUT_ESTIMATE, tokens("The answer"), 0));
    assert_eq!(broken.open_choices(1), [0]);
    assert!(!broken.is_finished(1));

    let thinking = meter(fixture!("deepseek.sse"), 3);
    assert_eq!(thinking.usage(), estimated(INPUT_ESTIMATE, tokens("4"), tokens("Let me think")));
}

#[test]
fn a_usage_chunk_is_told_from_the_chunks_that_must_pass() {
    for (stream, dropped) in [
        (fixture!("openai.sse"), vec![4]),
        (fixture!("azure.sse"), vec![4]),
        (fixture!("deepseek.sse"), vec![]),
        (fixture!("vllm_running_usage.sse"), vec![4]),
        (fixture!("llama_server.sse"), vec![3]),
        (fixture!("openrouter.sse"), vec![4]),
    ] {
        let (mut scanner, mut meter) = (Scanner::default(), Meter::new(0));
        scanner.push(Bytes::copy_from_slice(stream));
        let mut found = Vec::new();
        let mut number = 0;
        while let Some(event) = scanner.next_event().unwrap() {
            let Some(data) = event.data() else { continue };
            if let Chunk::Facts(facts) = Chunk::read(event.name(), data) {
                if facts.is_usage_only(meter.is_finished(1)) {
                    found.push(number);
                }
                meter.observe(&facts);
            }
            number += 1;
        }
        assert_eq!(found, dropped);
    }
}

#[test]
fn a_stream_that_brought_nothing_has_no_output() {
    let meter = meter(fixture!("openai.sse"), 1);
    assert_eq!(meter.usage(), estimated(INPUT_ESTIMATE, 0, 0));
    assert!(!meter.has_content() && meter.finish().is_none());
}

#[test]
fn a_running_count_covers_its_own_chunk_and_the_rest_is_added() {
    let running = fixture!("vllm_running_usage.sse");
    assert_eq!(
        meter(running, 3).usage(),
        reported(Usage { input: 9, output: 2, ..Usage::default() })
    );

    let mut cut = Meter::new(INPUT_ESTIMATE);
    for chunk in [
        r#"{"choices":[{"delta":{"content":"one two"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#,
        r#"{"choices":[{"delta":{"content":" three four"}}]}"#,
    ] {
        let Chunk::Facts(facts) = Chunk::read(None, chunk.as_bytes()) else { panic!() };
        cut.observe(&facts);
    }
    let more = tokens("one two three four") - tokens("one two");
    assert_eq!(cut.usage(), estimated(9, 2 + more, 0));
}

#[test]
fn a_side_that_cannot_be_nothing_is_counted_here() {
    for (usage, expected) in [
        (json!({"prompt_tokens": 9, "completion_tokens": 0}), estimated(9, 1, 0)),
        (json!({"prompt_tokens": 0, "completion_tokens": 7}), estimated(INPUT_ESTIMATE, 7, 0)),
        (json!({"prompt_tokens": 0, "completion_tokens": 0}), estimated(INPUT_ESTIMATE, 1, 0)),
        (json!({}), estimated(INPUT_ESTIMATE, 1, 0)),
    ] {
        let body = json!({"choices": [{"message": {"content": "Hi"}}], "usage": usage}).to_string();
        let Answer::Completion(facts) = Answer::read(body.as_bytes()) else { panic!() };
        let mut meter = Meter::new(INPUT_ESTIMATE);
        meter.observe(&facts);
        assert_eq!(meter.usage(), expected, "{usage}");
    }
}

#[test]
fn a_report_of_nothing_does_not_displace_one_of_something() {
    let mut meter = Meter::new(INPUT_ESTIMATE);
    for usage in [
        r#"{"usage":{"prompt_tokens":9,"completion_tokens":2}}"#,
        r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#,
        r#"{"usage":null}"#,
    ] {
        let Chunk::Facts(facts) = Chunk::read(None, usage.as_bytes()) else { panic!() };
        meter.observe(&facts);
    }
    assert_eq!(meter.usage(), reported(Usage { input: 9, output: 2, ..Usage::default() }));
}

#[test]
fn escaped_text_counts_as_what_it_says() {
    let text = "a\"b\\c\n中文 😀";
    let plain = json!({"choices": [{"delta": {"content": text}}]}).to_string();
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        write!(escaped, "\\u{unit:04x}").unwrap();
    }
    let escaped = format!(r#"{{"choices":[{{"delta":{{"content":"{escaped}"}}}}]}}"#);
    for data in [plain, escaped] {
        let Chunk::Facts(facts) = Chunk::read(None, data.as_bytes()) else { panic!() };
        let mut meter = Meter::new(0);
        meter.observe(&facts);
        assert_eq!(meter.completion_tokens(), tokens(text));
    }
}

#[test]
fn choices_beyond_the_bound_share_the_last_tally() {
    let mut meter = Meter::new(0);
    for index in 0..1000 {
        let chunk = json!({"choices": [{"index": index, "delta": {"content": "a"}}]}).to_string();
        let Chunk::Facts(facts) = Chunk::read(None, chunk.as_bytes()) else { panic!() };
        meter.observe(&facts);
    }
    assert_eq!(meter.choices.len(), CHOICES_MAX);
}

proptest! {
    #[test]
    fn a_count_does_not_depend_on_how_text_was_cut_and_never_falls(
        pieces in prop::collection::vec(".{0,6}", 0..8),
    ) {
        let mut meter = Meter::new(0);
        let mut before = 0;
        for piece in &pieces {
            let chunk = json!({"choices": [{"delta": {"content": piece}}]}).to_string();
            let Chunk::Facts(facts) = Chunk::read(None, chunk.as_bytes()) else { panic!() };
            meter.observe(&facts);
            prop_assert!(meter.completion_tokens() >= before);
            before = meter.completion_tokens();
        }
        prop_assert_eq!(before, tokens(&pieces.concat()));
    }
}
