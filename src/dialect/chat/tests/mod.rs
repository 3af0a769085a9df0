//! Chunks and answers in the shapes that servers send them.

mod errors;
mod usage;

use std::fmt::Write as _;

use infergate_actors::money::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::json::Fault;
use crate::dialect::redact::Redaction;
use crate::dialect::sse::Scanner;

/// One line for each event of a stream: what it is, and what is in it.
fn story(stream: &[u8], frame_bytes: usize) -> String {
    let (mut scanner, mut story) = (Scanner::default(), String::new());
    for frame in stream.chunks(frame_bytes) {
        scanner.push(bytes::Bytes::copy_from_slice(frame));
        while let Some(event) = scanner.next_event().unwrap() {
            if let Some(data) = event.data() {
                writeln!(story, "{}", line(&Chunk::read(event.name(), data))).unwrap();
            }
        }
    }
    assert!(scanner.finish().is_none());
    story
}

fn line(chunk: &Chunk<'_>) -> String {
    let Chunk::Facts(facts) = chunk else {
        return match chunk {
            Chunk::Error => "error".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
    };
    let mut words = vec![if facts.has_content { "content" } else { "nothing" }.to_owned()];
    for piece in &facts.pieces {
        let kind = if piece.kind == PieceKind::Reasoning { "thought" } else { "text" };
        words.push(format!("{kind}{}={:?}", piece.choice, piece.text.decoded()));
    }
    for choice in &facts.choices {
        words.extend(choice.finish.map(|finish| format!("end{}={finish:?}", choice.index)));
    }
    words.extend(facts.usage.map(|_| "usage".to_owned()));
    words.extend(facts.is_usage_only(false).then(|| "only".to_owned()));
    words.join(" ")
}

fn check(stream: &[u8], expected: &str) {
    let lines: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    let expected = lines.join("\n") + "\n";
    for frame_bytes in [stream.len(), 1, 7, 100] {
        assert_eq!(story(stream, frame_bytes), expected, "in frames of {frame_bytes}");
    }
}

#[test]
fn openai_streams_are_read() {
    check(
        include_bytes!("../../fixtures/openai.sse"),
        r#"
        nothing
        content text0="Hello"
        content text0=", \"usage\":{\"prompt_tokens\":9} é"
        nothing end0=Stop
        nothing usage only
        done"#,
    );
    check(
        include_bytes!("../../fixtures/openai_tools.sse"),
        r#"
        content text0="get_weather"
        nothing
        content text0="{\"city\":"
        content text1="It depends"
        content text0="\"Lisbon\"}"
        nothing end0=ToolCalls
        nothing end1=Length
        done"#,
    );
    check(include_bytes!("../../fixtures/openai_error.sse"), "nothing\nerror");
}

#[test]
fn compatible_servers_are_read_with_their_ways() {
    check(
        include_bytes!("../../fixtures/azure.sse"),
        r#"
        nothing
        nothing
        content text0="Bonjour"
        nothing end0=ContentFilter
        nothing usage only
        done"#,
    );
    check(
        include_bytes!("../../fixtures/deepseek.sse"),
        r#"
        nothing
        content thought0="Let me think"
        content text0="4"
        nothing end0=Stop usage
        done"#,
    );
    check(
        include_bytes!("../../fixtures/vllm_running_usage.sse"),
        r#"
        nothing usage
        content thought0="Hm" usage
        content text0=" yes" usage
        nothing end0=Stop usage
        nothing usage only
        done"#,
    );
    check(
        include_bytes!("../../fixtures/llama_cpp_python.sse"),
        "nothing\ncontent text0=\"Hi there\"\nnothing end0=Length\ndone",
    );
    check(
        include_bytes!("../../fixtures/llama_server.sse"),
        "nothing\ncontent text0=\"Hello\"\nnothing end0=Stop\nnothing usage only\ndone",
    );
    check(
        include_bytes!("../../fixtures/openrouter.sse"),
        r#"
        nothing
        content thought0="So"
        content text0="Sure"
        nothing end0=Stop
        nothing usage
        done"#,
    );
    check(
        include_bytes!("../../fixtures/openrouter_error.sse"),
        "content text0=\"The answer\"\nerror",
    );
}

#[test]
fn the_odd_shapes_of_a_chunk_are_told_apart() {
    for (data, expected) in [
        (" [DONE] ", "done"),
        ("", "empty"),
        ("[DONE", "invalid(syntax(1))"),
        ("<html>", "invalid(syntax(0))"),
        ("{\"choices\":[", "invalid(endsearly)"),
        ("[]", "nothing"),
        ("{}", "nothing"),
        (r#"{"error":null,"choices":[]}"#, "nothing"),
        (r#"{"error":"","choices":[]}"#, "nothing"),
        (r#"{"error":false}"#, "nothing"),
        (r#"{"error":"boom"}"#, "error"),
        (r#"{"error" : {"message":"x"}}"#, "error"),
        (r#"{"err\u006fr":{}}"#, "error"),
        (r#"{"object":"error","message":"x"}"#, "error"),
        (r#"{"type":"error","message":"x"}"#, "error"),
        (
            r#"{"choices":[{"delta":{"content":"\"error\":{}"},"index":3}]}"#,
            "content text3=\"\\\"error\\\":{}\"",
        ),
        (
            r#"{"choices":[{"delta":{"tool_calls":null,"content":null,"role":"assistant"}}]}"#,
            "nothing",
        ),
        (r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#, "nothing"),
        (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, "content"),
        (r#"{"choices":[{"delta":{"function_call":{"arguments":"{}"}}}]}"#, "content text0=\"{}\""),
        (
            r#"{"choices":[{"delta":{"audio":{"transcript":"hi","data":"AA"}}}]}"#,
            "content text0=\"hi\"",
        ),
        (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, "content text0=\"no\""),
        (r#"{"choices":[{"delta":{"images":[{}]}}]}"#, "content"),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]},{"text":"b"}]}}]}"#,
            "content text0=\"a\" text0=\"b\"",
        ),
        (r#"{"choices":[{"finish_reason":"","delta":{}}]}"#, "nothing"),
        (r#"{"choices":[{"finish_reason":"eos"}]}"#, "nothing end0=Other"),
        (r#"{"choices":[null,7,{"delta":7}]}"#, "nothing"),
        (r#"{"choices":null,"usage":null}"#, "nothing"),
        ("{ \"usage\"\t:\n{} , \"choices\" : [ ] }", "nothing usage only"),
    ] {
        assert_eq!(line(&Chunk::read(None, data.as_bytes())), expected, "{data}");
    }
    assert!(matches!(Chunk::read(Some(b"error"), b"{}"), Chunk::Error));
    assert!(matches!(Chunk::read(None, b"{\"a\":\"\xff\"}"), Chunk::Invalid(Fault::NotUtf8(6))));
}

#[test]
fn whole_answers_are_read() {
    let answer = Answer::read(include_bytes!("../../fixtures/completion.json"));
    let Answer::Completion(facts) = answer else { panic!("{answer:?}") };
    assert_eq!(facts.pieces[0].text.decoded(), "Hello \"you\"!\n");
    assert_eq!(facts.choices[0].finish, Some(Finish::Stop));
    assert!(facts.has_content && facts.usage.is_some());
    for bad in ["", "<html>", "{\"choices\":[{}", "{}", "[]", "null", r#"{"usage":{}}"#] {
        assert!(matches!(Answer::read(bad.as_bytes()), Answer::Bad(_)), "{bad}");
    }
    let error = br#"{"error":{"message":"no"},"choices":[]}"#;
    assert!(matches!(Answer::read(error), Answer::Error));
}

#[test]
fn a_stream_out_of_credit_ends_with_its_own_identity() {
    let first = include_str!("../../fixtures/openai.sse").lines().next().unwrap();
    let identity = ChunkIdentity::read(&first.as_bytes()[6..]).unwrap();
    let usage = Usage { input: 5, cached_input: 2, output: 3, reasoning: 1, ..Usage::default() };
    check(&identity.length_ending(&[0, 2], None), "nothing end0=Length\nnothing end2=Length\ndone");
    let ending = identity.length_ending(&[0], Some(&usage));
    check(&ending, "nothing end0=Length\nnothing usage only\ndone");
    let chunks: Vec<Value> = std::str::from_utf8(&ending)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let original: Value = serde_json::from_str(&first[6..]).unwrap();
    for chunk in &chunks {
        for member in ["id", "created", "model", "object"] {
            assert_eq!(chunk[member], original[member]);
        }
    }
    assert_eq!(chunks[0]["usage"], Value::Null);
    assert_eq!(read_usage(&chunks[1]["usage"].to_string()), Some(usage));
    assert!(ChunkIdentity::read(b"[DONE]").is_none());
    let bare = ChunkIdentity::read(b"{}").unwrap().length_ending(&[], None);
    assert_eq!(bare, DONE);
}

proptest! {
    #[test]
    fn content_is_found_whatever_it_says(text: String, spaced: bool) {
        let chunk = json!({"choices": [{"delta": {"content": text}}], "usage": null});
        let data = if spaced { serde_json::to_string_pretty(&chunk).unwrap() } else { chunk.to_string() };
        let Chunk::Facts(facts) = Chunk::read(None, data.as_bytes()) else { panic!("{data}") };
        prop_assert_eq!(facts.has_content, !text.is_empty());
        prop_assert!(facts.usage.is_none());
        let read: String = facts.pieces.iter().map(|piece| piece.text.decoded()).collect();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Chunk::read(None, &bytes);
        let _ = UpstreamError::read(&bytes, &Redaction::default());
        let _ = read_usage(&String::from_utf8_lossy(&bytes));
        let _ = ChunkIdentity::read(&bytes);
    }
}
