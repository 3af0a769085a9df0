//! Envelopes: what is read, what is refused, and the bounds on tokens.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::json::Fault;

fn parse(body: &str) -> Result<(), EnvelopeError> {
    Envelope::parse(&Bytes::from(body.to_owned()), &Limits::default()).map(drop)
}

fn bound(body: &serde_json::Value) -> (u64, u64) {
    let body = Bytes::from(body.to_string());
    let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
    let (max, estimate) = (envelope.input_tokens_max(1000), envelope.input_tokens_estimate(1000));
    assert!(estimate <= max);
    (max, body.len() as u64)
}

fn with_part(part: &serde_json::Value) -> serde_json::Value {
    json!({"model": "m", "messages": [{"role": "user", "content": [part]}]})
}

#[test]
fn the_fields_of_a_request_are_read() {
    let body = Bytes::from_static(
        br#" { "messages" : [ {"role":"user","content":"hi"} ], "mod\u0065l":"gpt-\u00e9", "n": 3,
            "stream": true, "stream_options": {"x":[1], "include_usage": true},
            "max_tokens": 7, "max_completion_tokens": 9, "user": "u\n", "temperature": 1e-5 } "#,
    );
    let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
    assert_eq!(envelope.model, "gpt-é");
    assert!(envelope.stream && envelope.include_usage);
    assert_eq!(envelope.choices, 3);
    assert_eq!(envelope.user.as_deref(), Some("u\n"));
    assert_eq!(envelope.output_ceiling(), Some(9));
    assert_eq!(envelope.output_tokens_max(100), 27);
    assert_eq!(envelope.media.messages, 1);
    assert_eq!(&body[envelope.spans.model.clone()], br#""gpt-\u00e9""#);
    assert_eq!(body[envelope.spans.close], b'}');
}

#[test]
fn nulls_count_as_absent() {
    let body = Bytes::from_static(
        br#"{"model":"m","messages":[1],"stream":null,"n":null,"max_tokens":null,"user":null,
            "stream_options":null}"#,
    );
    let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
    assert!(!envelope.stream && envelope.user.is_none() && envelope.output_ceiling().is_none());
    assert_eq!(envelope.output_tokens_max(100), 100);
}

#[test]
fn what_is_wrong_is_said_with_param_and_code() {
    for (body, param, code, message) in [
        ("", None, None, "the request body could not be parsed: the JSON ends too early"),
        ("[]", None, None, "the request body must be a JSON object, not an array"),
        ("{} x", None, None, "the request body could not be parsed: not valid JSON at byte 3"),
        (
            "{}",
            Some("model"),
            Some("missing_required_parameter"),
            "missing required parameter: 'model'",
        ),
        (
            r#"{"model":"m"}"#,
            Some("messages"),
            Some("missing_required_parameter"),
            "missing required parameter: 'messages'",
        ),
        (
            r#"{"model":"m","messages":"hi"}"#,
            Some("messages"),
            Some("invalid_type"),
            "invalid type for 'messages': expected an array, but got a string instead",
        ),
        (
            r#"{"model":"m","messages":[]}"#,
            Some("messages"),
            Some("invalid_value"),
            "invalid value for 'messages': it must not be empty",
        ),
    ] {
        let error = parse(body).unwrap_err();
        assert_eq!((error.param(), error.code()), (param, code), "{body}");
        assert_eq!(error.to_string(), message, "{body}");
    }
}

#[test]
fn a_field_that_decides_about_the_bill_has_one_reading() {
    let rest = r#""messages":[{}]"#;
    for (member, param, code) in [
        (r#""model":7"#, "model", "invalid_type"),
        (r#""model":"""#, "model", "invalid_value"),
        (r#""model":"m","model":"m""#, "model", "duplicate_parameter"),
        (r#""model":"m","mode\u006c":"x""#, "model", "duplicate_parameter"),
        (r#""model":"m","MODEL":"x""#, "model", "unknown_parameter"),
        (r#""model":"m","Max_Tokens":9"#, "max_tokens", "unknown_parameter"),
        (r#""model":"m","max_to\u212aen\u017f":9"#, "max_tokens", "unknown_parameter"),
        (r#""model":"m","stream":1"#, "stream", "invalid_type"),
        (r#""model":"m","stream":true,"stream":false"#, "stream", "duplicate_parameter"),
        (r#""model":"m","n":0"#, "n", "integer_below_min_value"),
        (r#""model":"m","n":129"#, "n", "integer_above_max_value"),
        (r#""model":"m","n":1.0"#, "n", "invalid_type"),
        (r#""model":"m","n":"2""#, "n", "invalid_type"),
        (r#""model":"m","n":1,"n":1"#, "n", "duplicate_parameter"),
        (r#""model":"m","max_tokens":0"#, "max_tokens", "integer_below_min_value"),
        (r#""model":"m","max_tokens":-1"#, "max_tokens", "integer_below_min_value"),
        (r#""model":"m","max_tokens":1e3"#, "max_tokens", "invalid_type"),
        (r#""model":"m","max_tokens":1,"max_tokens":2"#, "max_tokens", "duplicate_parameter"),
        (r#""model":"m","n_predict":-1"#, "n_predict", "integer_below_min_value"),
        (r#""model":"m","user":{}"#, "user", "invalid_type"),
        (r#""model":"m","stream_options":[]"#, "stream_options", "invalid_type"),
        (
            r#""model":"m","stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            "invalid_type",
        ),
        (
            r#""model":"m","stream_options":{"include_usage":true,"include_usage":false}"#,
            "stream_options.include_usage",
            "duplicate_parameter",
        ),
        (
            r#""model":"m","stream_options":{"Include_Usage":false}"#,
            "stream_options.include_usage",
            "unknown_parameter",
        ),
    ] {
        let error = parse(&format!("{{{member},{rest}}}")).unwrap_err();
        assert_eq!((error.param(), error.code()), (Some(param), Some(code)), "{member}");
    }
}

#[test]
fn a_body_that_is_not_json_is_told_so_before_anything_else() {
    let error = parse(r#"{"model":7,"messages":[],"#).unwrap_err();
    assert_eq!(error, EnvelopeError::Json(Fault::EndsEarly));
    let bytes = Bytes::from_static(b"{\"model\":\"\xff\"}");
    let error = Envelope::parse(&bytes, &Limits::default()).unwrap_err();
    assert_eq!(error, EnvelopeError::Json(Fault::NotUtf8(10)));
    let deep = format!(r#"{{"model":"m","messages":[{}1{}]}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(parse(&deep), Err(EnvelopeError::Json(Fault::TooDeep)));
}

#[test]
fn a_field_unknown_to_us_may_be_given_twice() {
    assert_eq!(parse(r#"{"model":"m","messages":[{}],"seed":1,"seed":2,"Seed":3}"#), Ok(()));
}

#[test]
fn a_ceiling_too_large_for_us_is_the_largest() {
    let body = Bytes::from_static(
        br#"{"model":"m","messages":[{}],"n":2,"max_tokens":99999999999999999999999}"#,
    );
    let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
    assert_eq!(envelope.output_tokens_max(5), u64::MAX);
}

#[test]
fn a_servers_own_ceiling_can_raise_ours_but_not_replace_it() {
    for (members, ceiling) in [
        (r#""n_predict":50"#, None),
        (r#""n_predict":50,"max_tokens":10"#, Some(50)),
        (r#""n_predict":50,"max_tokens":100"#, Some(100)),
        (r#""n_predict":50,"max_tokens":null"#, None),
    ] {
        let body = Bytes::from(format!(r#"{{"model":"m","messages":[{{}}],{members}}}"#));
        let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
        assert_eq!(envelope.output_ceiling(), ceiling, "{members}");
    }
}

#[test]
fn an_inline_picture_is_no_text() {
    let payload = "A".repeat(50_000);
    let url = format!("data:image/png;base64,{payload}");
    for part in [
        json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}}),
        json!({"type": "image_url", "image_url": url}),
    ] {
        let (max, bytes) = bound(&with_part(&part));
        assert_eq!(max, bytes - 50_000 + 1000);
    }
}

#[test]
fn a_picture_by_reference_counts_as_a_picture() {
    for part in [
        json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
        json!({"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}),
        json!({"type": "file", "file": {"file_id": "file-1"}}),
        json!({"image_url": "https://example.com/a.png"}),
    ] {
        let (max, bytes) = bound(&with_part(&part));
        assert_eq!(max, bytes + 1000, "{part}");
    }
    let escaped = Bytes::from_static(
        br#"{"model":"m","messages":[{"content":[{"type":"im\u0061ge_url",
            "im\u0061ge_url":{"url":"https://example.com/a.png"}}]}]}"#,
    );
    let envelope = Envelope::parse(&escaped, &Limits::default()).unwrap();
    assert_eq!(envelope.input_tokens_max(1000), escaped.len() as u64 + 1000);
}

#[test]
fn text_that_looks_like_a_picture_is_counted() {
    let url = format!("data:image/png;base64,{}", "A".repeat(5_000));
    let inner = json!({"type": "image_url", "image_url": {"url": url}});
    for part in [
        json!({"type": "text", "text": url}),
        json!({"type": "text", "text": inner.to_string()}),
        json!({"type": "text", "text": "x", "more": inner}),
        json!([inner]),
        json!({"type": "input_audio", "input_audio": {"data": "A".repeat(5_000), "format": "wav"}}),
    ] {
        let (max, bytes) = bound(&with_part(&part));
        assert_eq!(max, bytes, "{part}");
    }
    let as_text = json!({"model": "m", "messages": [{"role": "user", "content": url}]});
    assert_eq!(bound(&as_text).0, bound(&as_text).1);
    let elsewhere = json!({"model": "m", "messages": [{}], "content": [inner]});
    assert_eq!(bound(&elsewhere).0, bound(&elsewhere).1);
}

#[test]
fn a_part_that_can_be_read_two_ways_is_counted_as_text() {
    let url = format!("data:image/png;base64,{}", "A".repeat(5_000));
    let image = format!(r#""image_url":{{"url":"{url}"}}"#);
    for part in [
        format!(r#"{{"type":"image_url","type":"text",{image}}}"#),
        format!(r#"{{"type":"text","type":"image_url",{image}}}"#),
        format!(r#"{{"type":"image_url","Type":"text",{image}}}"#),
        format!(r#"{{"type":"image_url",{image},{image}}}"#),
        format!(r#"{{"type":"image_url","image_url":{{"url":"x","url":"{url}"}}}}"#),
        format!(r#"{{"type":"image_url","image_url":{{"url":"{url}","URL":"x"}}}}"#),
        format!(r#"{{"type":"image_url","image_url":{{"url":"data:,{url}"}}}}"#)
            .replace("base64", ""),
        format!("{{{image}}}"),
    ] {
        let body = Bytes::from(format!(r#"{{"model":"m","messages":[{{"content":[{part}]}}]}}"#));
        let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
        assert_eq!(envelope.input_tokens_max(1000), body.len() as u64 + 1000, "{}", &part[..60]);
    }
}

#[test]
fn what_a_request_needs_is_read_off_it() {
    let vision = r#""messages":[{"content":[{"type":"image_url","image_url":{"url":"u"}}]}]"#;
    let audio = r#""messages":[{"content":[{"type":"input_audio","input_audio":{}}]}]"#;
    let schema = r#""response_format":{"type":"json_schema","json_schema":{"type":"text"}}"#;
    for (members, needs) in [
        (r#""messages":[1]"#, ""),
        (vision, "vision"),
        (audio, "audio"),
        (r#""messages":[1],"modalities":["text","audio"]"#, "audio"),
        (r#""messages":[1],"tools":[{"type":"function"}]"#, "tools"),
        (r#""messages":[1],"functions":[{}],"tools":null"#, "tools"),
        (r#""messages":[1],"tools":[]"#, ""),
        (&format!(r#""messages":[1],{schema}"#), "json_schema"),
        (r#""messages":[1],"response_format":{"type":"json_object"}"#, ""),
        (r#""messages":[1],"reasoning_effort":"low""#, "reasoning"),
        (r#""messages":[1],"reasoning_effort":"none""#, ""),
        (&format!(r#"{vision},{schema},"tools":[1]"#), "vision, tools, json_schema"),
    ] {
        let body = Bytes::from(format!(r#"{{"model":"m",{members}}}"#));
        let envelope = Envelope::parse(&body, &Limits::default()).unwrap();
        assert_eq!(envelope.needs.to_string(), needs, "{members}");
    }
}

#[test]
fn requests_of_one_conversation_begin_alike() {
    let system = r#"{"role":"system","content":"be brief"}"#;
    let asked = r#"{"content":"hi","role":"us\u0065r"}"#;
    let answered = r#"{"role":"assistant","content":"hello"}"#;
    let more = r#"{"role":"user","content":"and?"}"#;
    let conversation = |messages: &[&str]| {
        let messages = messages.join(" , ");
        Bytes::from(format!(r#"{{"messages":[{messages}],"model":"m","prompt_cache_key":"k"}}"#))
    };
    let (first, second) =
        (conversation(&[system, asked]), conversation(&[system, asked, answered, more]));
    let first = Envelope::parse(&first, &Limits::default()).unwrap();
    let second = Envelope::parse(&second, &Limits::default()).unwrap();
    assert_eq!(first.opening(10_000), second.opening(10_000));
    assert_eq!(first.opening(10_000).len(), 1 + system.len() + 3 + asked.len());
    assert_eq!(first.opening(5), br#"[{"ro"#);
    assert_eq!((first.input_tokens_repeated(), first.prompt_cache_key.as_deref()), (0, Some("k")));
    let repeated = 1 + system.len() + asked.len() + answered.len() + 6;
    assert_eq!(second.input_tokens_repeated(), repeated.div_ceil(4) as u64);
    let odd = Bytes::from_static(br#"{"messages":[1],"model":"m","prompt_cache_key":7}"#);
    let odd = Envelope::parse(&odd, &Limits::default()).unwrap();
    assert_eq!((odd.opening(10), odd.prompt_cache_key), (&b"[1]"[..], None));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Envelope::parse(&Bytes::from(bytes), &Limits::default());
    }

    #[test]
    fn near_requests_never_panic(
        text in r#"\{("(model|messages|stream|n|max_tokens)":(1|"m"|\[\{\}\]|null|true|\{),?){0,6}\}?"#,
    ) {
        let _ = Envelope::parse(&Bytes::from(text), &Limits::default());
    }

    #[test]
    fn the_bound_holds_whatever_the_text_is(text: String) {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        prop_assert!(bound(&body).0 >= text.len() as u64);
    }
}
