//! Usage objects, right, odd and contradictory.

use infergate_actors::money::Usage;
use proptest::prelude::*;
use serde_json::json;

use super::super::*;

#[test]
fn usage_is_taken_apart_without_overlap() {
    // prompt, completion, total, cached, write, audio in, reasoning, audio out
    type Row = ([u64; 8], [u64; 7]);
    let rows: [Row; 12] = [
        // input, cached, write, audio in, output, reasoning, audio out
        ([100, 50, 150, 0, 0, 0, 0, 0], [100, 0, 0, 0, 50, 0, 0]),
        ([100, 50, 150, 60, 20, 10, 30, 5], [10, 60, 20, 10, 15, 30, 5]),
        // Details that claim too much take what there is, in order.
        ([100, 50, 150, 120, 20, 10, 70, 5], [0, 100, 0, 0, 0, 50, 0]),
        ([100, 50, 150, 60, 60, 60, 40, 40], [0, 60, 40, 0, 0, 40, 10]),
        // A total that is too small says nothing.
        ([100, 50, 0, 10, 0, 0, 5, 0], [90, 10, 0, 0, 45, 5, 0]),
        // Reasoning beside the completion (xAI), to the token.
        ([32, 9, 135, 0, 0, 0, 94, 0], [32, 0, 0, 0, 9, 94, 0]),
        // Reasoning in the total alone (Google).
        ([32, 9, 135, 0, 0, 0, 0, 0], [32, 0, 0, 0, 9, 94, 0]),
        // Cached tokens beside the prompt.
        ([10, 5, 1015, 900, 100, 0, 0, 0], [10, 900, 100, 0, 5, 0, 0]),
        // Both beside their totals.
        ([10, 5, 1022, 1000, 0, 0, 7, 0], [10, 1000, 0, 0, 5, 7, 0]),
        // A difference without an explanation is not charged.
        ([10, 5, 100, 3, 0, 0, 0, 0], [7, 3, 0, 0, 5, 0, 0]),
        ([0, 5, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 5, 0, 0]),
        ([u64::MAX, u64::MAX, 0, 1, 1, 1, 1, 1], [u64::MAX - 3, 1, 1, 1, u64::MAX - 2, 1, 1]),
    ];
    for (counts, expected) in rows {
        let [prompt, completion, total, cached, write, audio_in, reasoning, audio_out] = counts;
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "prompt_tokens_details":
                {"cached_tokens": cached, "cache_write_tokens": write, "audio_tokens": audio_in},
            "completion_tokens_details":
                {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
        });
        let [input, cached_input, cache_write_5m, audio_input, output, reasoning, audio_output] =
            expected;
        let expected = Usage {
            input,
            cached_input,
            cache_write_5m,
            audio_input,
            output,
            reasoning,
            audio_output,
            ..Usage::default()
        };
        assert_eq!(read_usage(&usage.to_string()), Some(expected), "{counts:?}");
    }
}

#[test]
fn usage_is_read_whatever_the_details_are() {
    let plain = Some(Usage { input: 9, output: 3, ..Usage::default() });
    for (json, expected) in [
        (r#"{"prompt_tokens":9,"completion_tokens":3}"#, plain),
        (r#"{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":null}"#, plain),
        (r#"{"prompt_tokens":9.0,"completion_tokens":3,"prompt_tokens_details":[]}"#, plain),
        (
            r#"{"prompt_tokens":9,"completion_tokens":3,"total_tokens":null,"prompt_tokens_details":
                {"cached_tokens":null,"audio_tokens":-5,"cache_write_tokens":"7"}}"#,
            plain,
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":3,"prompt_cache_hit_tokens":4,
                "server_tool_use":{"web_search_requests":2}}"#,
            Some(Usage { input: 5, cached_input: 4, output: 3, tool_calls: 2, ..Usage::default() }),
        ),
        (r#"{"prompt_tokens":0,"completion_tokens":0}"#, None),
        (r#"{"prompt_tokens":"9","completion_tokens":1e3}"#, None),
        ("{}", None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(read_usage(json), expected, "{json}");
    }
}

proptest! {
    #[test]
    fn no_usage_is_charged_twice(counts in prop::array::uniform8(0..300_u64)) {
        let [prompt, completion, total, cached, write, audio, reasoning, audio_out] = counts;
        let json = json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "prompt_tokens_details":
                {"cached_tokens": cached, "cache_write_tokens": write, "audio_tokens": audio},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_out},
        });
        if let Some(usage) = read_usage(&json.to_string()) {
            let (most, all) = (total.max(prompt + completion), usage.total_tokens());
            prop_assert!(usage.prompt_tokens() >= prompt && usage.completion_tokens() >= completion);
            prop_assert!(all <= most);
        }
    }
}
