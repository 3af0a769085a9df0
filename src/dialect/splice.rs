//! The body sent upstream: the client's bytes with the few that must change replaced. Pure.
//!
//! Unknown fields, the order of members, white space, escapes and the way numbers are written pass
//! as they came: nothing is read into values and written again.

use bytes::Bytes;
use smallvec::SmallVec;

use super::envelope::Envelope;
use super::json::Span;

/// The field by which a provider wants to be told an answer's greatest length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CeilingField {
    /// What OpenAI asks for since its reasoning models.
    #[default]
    MaxCompletionTokens,
    /// What most other servers know.
    MaxTokens,
}

/// What must be different upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// The upstream's name for the model.
    pub model: Option<&'a str>,
    /// The most tokens one choice may have. A lower ceiling of the client's stays.
    pub output_ceiling: Option<u64>,
    /// The field for a ceiling where the client gave none.
    pub ceiling_field: CeilingField,
    /// Whether to ask for usage in the stream.
    pub include_usage: bool,
    /// The beginning of the answer, which the upstream is to go on from: written as a last message of
    /// the assistant's.
    pub prefill: Option<&'a str>,
}

/// Bytes to be put in the place of others.
struct Patch {
    span: Span,
    bytes: String,
}

type Patches = SmallVec<[Patch; 4]>;

impl CeilingField {
    /// Its name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// The request's body with `edits` made, and without the members that are for us alone. Where
/// nothing changes, the same bytes without a copy.
pub fn apply(envelope: &Envelope<'_>, edits: &Edits<'_>) -> Bytes {
    let body = envelope.body();
    let mut patches = Patches::new();
    strip_ours(&mut patches, envelope);
    replace_model(&mut patches, envelope, edits);
    lower_ceiling(&mut patches, envelope, edits);
    ask_for_usage(&mut patches, envelope, edits);
    prefill(&mut patches, envelope, edits);
    if patches.is_empty() {
        return body.clone();
    }
    // Insertions stand at the same place in the order they were made: the sort is stable.
    patches.sort_by_key(|patch| patch.span.start);
    let added: usize = patches.iter().map(|patch| patch.bytes.len()).sum();
    let mut spliced = Vec::with_capacity(body.len() + added);
    let mut at = 0;
    for patch in &patches {
        spliced.extend_from_slice(body.get(at..patch.span.start).unwrap_or_default());
        spliced.extend_from_slice(patch.bytes.as_bytes());
        at = patch.span.end;
    }
    spliced.extend_from_slice(body.get(at..).unwrap_or_default());
    spliced.into()
}

/// Takes out the members that are for us alone, each with the comma that parts it from the rest.
fn strip_ours(patches: &mut Patches, envelope: &Envelope<'_>) {
    let open = envelope.spans.open;
    // Where those end that stand before all others.
    let mut leading = open;
    for span in &envelope.spans.ours {
        if span.start == leading {
            leading = span.end;
        } else {
            patches.push(Patch { span: span.clone(), bytes: String::new() });
        }
    }
    if leading > open {
        // They have no comma before them, so the one behind them goes.
        let span = open..behind_comma(envelope.body(), leading);
        patches.push(Patch { span, bytes: String::new() });
    }
}

/// The place behind the comma that comes next.
fn behind_comma(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if rest.get(space) == Some(&b',') { at + space + 1 } else { at }
}

fn replace_model(patches: &mut Patches, envelope: &Envelope<'_>, edits: &Edits<'_>) {
    if let Some(model) = edits.model
        && model != envelope.model
    {
        // A string can always be written as JSON.
        let bytes = serde_json::to_string(model).unwrap_or_default();
        patches.push(Patch { span: envelope.spans.model.clone(), bytes });
    }
}

/// Lowers every ceiling above the one wanted, since the upstream may obey any of them; where none
/// is given, writes one in the place of a `null`, or a new one.
fn lower_ceiling(patches: &mut Patches, envelope: &Envelope<'_>, edits: &Edits<'_>) {
    let Some(most) = edits.output_ceiling else { return };
    let ceilings = &envelope.spans.ceilings;
    for ceiling in ceilings {
        if ceiling.tokens.is_some_and(|tokens| tokens > most) {
            patches.push(Patch { span: ceiling.span.clone(), bytes: most.to_string() });
        }
    }
    if envelope.output_ceiling().is_some() {
        return;
    }
    let null = ceilings.iter().find(|ceiling| ceiling.field != "n_predict");
    patches.push(null.map_or_else(
        || insertion(envelope.spans.close, format!(",\"{}\":{most}", edits.ceiling_field.name())),
        |null| Patch { span: null.span.clone(), bytes: most.to_string() },
    ));
}

fn ask_for_usage(patches: &mut Patches, envelope: &Envelope<'_>, edits: &Edits<'_>) {
    const OPTIONS: &str = r#"{"include_usage":true}"#;
    if !edits.include_usage || !envelope.stream || envelope.include_usage {
        return;
    }
    let Some(options) = &envelope.spans.stream_options else {
        let bytes = format!(",\"stream_options\":{OPTIONS}");
        return patches.push(insertion(envelope.spans.close, bytes));
    };
    patches.push(match (&options.include_usage, options.close) {
        (Some(value), _) => Patch { span: value.clone(), bytes: "true".to_owned() },
        (None, None) => Patch { span: options.span.clone(), bytes: OPTIONS.to_owned() },
        (None, Some(close)) => {
            let comma = if options.is_empty { "" } else { "," };
            insertion(close, format!("{comma}\"include_usage\":true"))
        }
    });
}

fn prefill(patches: &mut Patches, envelope: &Envelope<'_>, edits: &Edits<'_>) {
    let Some(text) = edits.prefill else { return };
    // A string can always be written as JSON. There is a message before it: none at all is refused.
    let text = serde_json::to_string(text).unwrap_or_default();
    let message = format!(r#",{{"role":"assistant","content":{text}}}"#);
    // The array's span ends with its bracket.
    let close = envelope.spans.messages.end.saturating_sub(1);
    patches.push(insertion(close, message));
}

fn insertion(at: usize, bytes: String) -> Patch {
    Patch { span: at..at, bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::envelope::Limits;
    use super::super::json::tests::any_json;
    use super::*;

    fn spliced(body: &Bytes, edits: &Edits<'_>) -> Bytes {
        apply(&Envelope::parse(body, &Limits::default()).unwrap(), edits)
    }

    const ALL: Edits<'_> = Edits {
        model: Some("up\"stream"),
        output_ceiling: Some(50),
        ceiling_field: CeilingField::MaxCompletionTokens,
        include_usage: true,
        prefill: None,
    };

    #[test]
    fn an_answer_begun_elsewhere_is_the_last_message() {
        let body = Bytes::from_static(
            b"{\"messages\":[{\"role\":\"user\",\"content\":\"]\"} ],\"model\":\"m\",\"max_tokens\":9}",
        );
        let edits = Edits {
            output_ceiling: Some(7),
            prefill: Some("He said \"hi\"\n"),
            ..Edits::default()
        };
        assert_eq!(
            spliced(&body, &edits),
            "{\"messages\":[{\"role\":\"user\",\"content\":\"]\"} ,{\"role\":\"assistant\",\"content\":\
             \"He said \\\"hi\\\"\\n\"}],\"model\":\"m\",\"max_tokens\":7}"
        );
    }

    #[test]
    fn only_what_must_change_changes() {
        for (body, expected) in [
            (
                r#"{"model":"m","messages":[1]}"#,
                r#"{"model":"up\"stream","messages":[1],"max_completion_tokens":50}"#,
            ),
            (
                "{ \"x\" : 1.50e+3 ,\"messages\":[1], \"mod\\u0065l\" : \"m\\u0065\" ,\n\"max_tokens\": 051 }"
                    .replace("051", "51")
                    .leak(),
                "{ \"x\" : 1.50e+3 ,\"messages\":[1], \"mod\\u0065l\" : \"up\\\"stream\" ,\n\"max_tokens\": 50 }",
            ),
            (
                r#"{"max_tokens":50,"max_completion_tokens":60,"model":"up\"stream","messages":[1]}"#,
                r#"{"max_tokens":50,"max_completion_tokens":50,"model":"up\"stream","messages":[1]}"#,
            ),
            (
                r#"{"max_tokens":null,"model":"up\"stream","messages":[1],"n_predict":99}"#,
                r#"{"max_tokens":50,"model":"up\"stream","messages":[1],"n_predict":50}"#,
            ),
            (
                r#"{"model":"up\"stream","messages":[1],"n_predict":9}"#,
                r#"{"model":"up\"stream","messages":[1],"n_predict":9,"max_completion_tokens":50}"#,
            ),
        ] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert_eq!(spliced(&body, &ALL), expected, "{body:?}");
        }
    }

    #[test]
    fn usage_is_asked_for_whatever_the_client_wrote() {
        for (options, expected) in [
            ("", r#","stream_options":{"include_usage":true}"#),
            (r#","stream_options":null"#, r#","stream_options":{"include_usage":true}"#),
            (r#","stream_options":{ }"#, r#","stream_options":{ "include_usage":true}"#),
            (
                r#","stream_options":{"include_obfuscation":false }"#,
                r#","stream_options":{"include_obfuscation":false ,"include_usage":true}"#,
            ),
            (
                r#","stream_options":{"include_usage" : false,"a":1}"#,
                r#","stream_options":{"include_usage" : true,"a":1}"#,
            ),
            (
                r#","stream_options":{"include_usage":null}"#,
                r#","stream_options":{"include_usage":true}"#,
            ),
        ] {
            let body = format!(r#"{{"model":"m","messages":[1],"stream":true{options}}}"#);
            let edits = Edits { include_usage: true, ..Edits::default() };
            let expected = format!(r#"{{"model":"m","messages":[1],"stream":true{expected}}}"#);
            assert_eq!(spliced(&Bytes::from(body), &edits), expected);
        }
    }

    #[test]
    fn what_is_for_us_alone_is_taken_out_and_nothing_else() {
        let (fallbacks, provider) = (r#""models" : ["x"]"#, r#""provider":{"only":["a,}"]}"#);
        for (body, expected) in [
            (
                format!("{{ {fallbacks} , \"model\":\"m\",\"messages\":[1]}}"),
                "{ \"model\":\"m\",\"messages\":[1]}",
            ),
            (
                format!("{{\"model\":\"m\" , {fallbacks}\n, \"messages\":[1]}}"),
                "{\"model\":\"m\"\n, \"messages\":[1]}",
            ),
            (
                format!("{{\"model\":\"m\",\"messages\":[1], {provider} }}"),
                "{\"model\":\"m\",\"messages\":[1] }",
            ),
            (
                format!("{{\n{provider},\n{fallbacks},\n\"model\":\"m\",\n\"messages\":[1]\n}}"),
                "{\n\"model\":\"m\",\n\"messages\":[1]\n}",
            ),
            (
                format!("{{\"model\":\"m\",{provider},{fallbacks},\"messages\":[1]}}"),
                "{\"model\":\"m\",\"messages\":[1]}",
            ),
            (
                format!("{{{provider},\"model\":\"m\",\"messages\":[1],{fallbacks}}}"),
                "{\"model\":\"m\",\"messages\":[1]}",
            ),
            (
                r#"{"model":"m","mod\u0065ls":null,"messages":[1],"provider":null}"#.to_owned(),
                r#"{"model":"m","messages":[1]}"#,
            ),
        ] {
            let spliced = spliced(&Bytes::from(body.clone()), &Edits::default());
            assert_eq!(spliced, expected, "{body}");
        }
        let body =
            Bytes::from(format!("{{{provider},\"model\":\"m\",\"messages\":[1],{fallbacks}}}"));
        let expected = r#"{"model":"up\"stream","messages":[1],"max_completion_tokens":50}"#;
        assert_eq!(spliced(&body, &ALL), expected);
    }

    #[test]
    fn a_body_that_needs_no_edit_is_not_copied() {
        let body = Bytes::from_static(
            br#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true},
                "max_tokens":50}"#,
        );
        let edits = Edits { model: Some("m"), ..ALL };
        assert_eq!(spliced(&body, &edits).as_ptr(), body.as_ptr());
        let not_streamed = Bytes::from_static(br#"{"model":"m","messages":[1]}"#);
        let edits = Edits { include_usage: true, ..Edits::default() };
        assert_eq!(spliced(&not_streamed, &edits).as_ptr(), not_streamed.as_ptr());
    }

    /// A request with random further members before, between and behind the ones that count.
    fn any_request() -> impl Strategy<Value = (Vec<(String, Value)>, bool)> {
        let known = prop::sample::subsequence(
            vec![
                ("stream", json!(true)),
                ("stream_options", json!({"a": [1, "}"]})),
                ("stream_options", json!({})),
                ("max_tokens", json!(99)),
                ("max_completion_tokens", json!(7)),
                ("n_predict", json!(70)),
                ("models", json!(["x", "}"])),
                ("provider", json!({"only": [",", "a"]})),
                ("usage", json!({"include": true})),
            ],
            0..=9,
        );
        let others = prop::collection::vec(("[x-z]{1,4}", any_json()), 0..6);
        (known, others, any::<bool>()).prop_perturb(|(known, others, pretty), mut random| {
            let mut members: Vec<(String, Value)> =
                vec![("model".into(), json!("m")), ("messages".into(), json!([{"a": "}"}]))];
            for (name, value) in
                known.into_iter().map(|(name, value)| (name.into(), value)).chain(others)
            {
                if members.iter().all(|(seen, _)| *seen != name) {
                    members.insert(random.random_range(0..=members.len()), (name, value));
                }
            }
            (members, pretty)
        })
    }

    proptest! {
        #[test]
        fn edits_change_what_they_name_and_nothing_else((members, pretty) in any_request()) {
            let space = if pretty { "\n " } else { "" };
            let written: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{space}{}{space}:{value}{space}", json!(name)))
                .collect();
            let body = Bytes::from(format!("{{{}}}", written.join(",")));
            let edited = spliced(&body, &ALL);
            let before: Value = serde_json::from_slice(&body).unwrap();
            let after: Value = serde_json::from_slice(&edited).unwrap();
            prop_assert_eq!(&after["model"], "up\"stream");
            let streams = before["stream"] == true;
            prop_assert_eq!(streams, after["stream_options"]["include_usage"] == true);
            for field in ["max_tokens", "max_completion_tokens", "n_predict"] {
                prop_assert!(after[field].as_u64().unwrap_or(0) <= 50);
            }
            prop_assert!(after["max_tokens"].is_u64() || after["max_completion_tokens"].is_u64());
            // Members that no edit names stand in the new body with the same bytes.
            let text = std::str::from_utf8(&edited).unwrap();
            for ((name, _), written) in members.iter().zip(&written) {
                let edits = ["model", "max_tokens", "stream_options", "n_predict"];
                if ["models", "provider", "usage"].contains(&&**name) {
                    prop_assert!(after.get(name).is_none());
                } else if !edits.contains(&&**name) {
                    prop_assert!(text.contains(written.trim()), "{} in {}", written, text);
                }
            }
            for (name, value) in before.as_object().unwrap() {
                let is_ours = ["models", "provider", "usage"].contains(&&**name);
                if !name.starts_with("stream_opt") && !name.starts_with("max_") && !is_ours {
                    let kept = name == "model" || name == "n_predict" || after[name] == *value;
                    prop_assert!(kept, "{}", name);
                }
            }
        }

        #[test]
        fn an_edited_body_needs_no_further_edit((members, _) in any_request()) {
            let written: Vec<String> =
                members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            let body = Bytes::from(format!("{{{}}}", written.join(",")));
            let once = spliced(&body, &ALL);
            prop_assert_eq!(spliced(&once, &ALL).as_ptr(), once.as_ptr());
        }
    }
}
