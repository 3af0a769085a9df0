//! Chunks and answers: whatever comes, the reader agrees with another one, and the meter holds.
#![no_main]

use infergate::dialect::chat::{Answer, Chunk, ChunkIdentity, UpstreamError, read_usage};
use infergate::dialect::meter::Meter;
use infergate::dialect::redact::Redaction;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let redaction = Redaction::new(&["topsecret"], &["upstream.example"]);
    if let Some(message) = UpstreamError::read(input, &redaction).message {
        assert!(!message.contains("topsecret") && !message.contains("upstream.example"));
    }
    let _ = Answer::read(input);
    if let Some(identity) = ChunkIdentity::read(input) {
        let _ = identity.length_ending(&[0, 1], None);
    }
    let Chunk::Facts(facts) = Chunk::read(None, input) else { return };
    let mut meter = Meter::new(10);
    meter.observe(&facts);
    let once = meter.completion_tokens();
    meter.observe(&facts);
    assert!(meter.completion_tokens() >= once);
    if let Some(usage) = facts.usage.and_then(read_usage) {
        assert!(meter.is_reported() && usage.total_tokens() > 0);
    }
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    if has_unique_members(input) {
        assert_eq!(facts.usage.is_some(), value["usage"].is_object());
        assert_eq!(facts.has_choices, value["choices"].is_array());
        let content = value["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        assert!(content.is_empty() || facts.has_content);
    }
});

/// Whether no member that counts can be there twice.
fn has_unique_members(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    !text.contains('\\')
        && ["\"usage\"", "\"choices\"", "\"delta\"", "\"content\""]
            .iter()
            .all(|name| text.matches(name).count() <= 1)
}
