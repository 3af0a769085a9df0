//! A request that is accepted is JSON to others too, reads the same to them, and stays so after edits.
#![no_main]

use bytes::Bytes;
use infergate::dialect::envelope::{Envelope, Limits};
use infergate::dialect::splice::{self, CeilingField, Edits};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let body = Bytes::copy_from_slice(input);
    let Ok(envelope) = Envelope::parse(&body, &Limits::default()) else { return };
    assert!(envelope.input_tokens_estimate(1000) <= envelope.input_tokens_max(1000));
    let edits = Edits {
        model: Some("other \"model\""),
        output_ceiling: Some(50),
        ceiling_field: CeilingField::MaxTokens,
        include_usage: true,
    };
    let spliced = splice::apply(&envelope, &edits);
    let again = Envelope::parse(&spliced, &Limits::default()).expect("still a request");
    assert_eq!(again.model, "other \"model\"");
    assert_eq!((again.stream, again.choices), (envelope.stream, envelope.choices));
    assert!(again.output_ceiling().is_some_and(|ceiling| ceiling <= 50));
    assert!(!again.stream || again.include_usage);
    assert_eq!(splice::apply(&again, &edits), spliced);
    // Lone surrogates and numbers out of range pass here, and no tree can hold them.
    let (Ok(before), Ok(after)) =
        (serde_json::from_slice::<Value>(&body), serde_json::from_slice::<Value>(&spliced))
    else {
        return;
    };
    assert_eq!(before["model"], *envelope.model);
    assert_eq!(before["messages"], after["messages"]);
    assert_eq!(before["stream"] == true, envelope.stream);
    let edited = ["model", "max_tokens", "max_completion_tokens", "n_predict", "stream_options"];
    for (name, value) in before.as_object().expect("an object") {
        assert!(edited.contains(&name.as_str()) || after[name] == *value, "{name}");
    }
});
