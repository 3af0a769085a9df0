//! Errors read from upstreams and written for clients.

use super::super::*;
use crate::dialect::redact::Redaction;

type Shape = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// A body, and the message, type, code and param that are read from it.
const SHAPES: [Shape; 17] = [
    (
        r#"{"error":{"message":"bad","type":"invalid_request_error","param":"n","code":"c"}}"#,
        Some("bad"),
        Some("invalid_request_error"),
        Some("c"),
        Some("n"),
    ),
    (
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        Some("Loading model"),
        Some("unavailable_error"),
        Some("503"),
        None,
    ),
    (r#"{"error":{"code":402,"message":"x","metadata":{}}}"#, Some("x"), None, Some("402"), None),
    (
        r#"[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]"#,
        Some("no"),
        Some("INVALID_ARGUMENT"),
        Some("400"),
        None,
    ),
    (
        r#"{"object":"error","message":"long","type":"BadRequestError","param":null,"code":400}"#,
        Some("long"),
        Some("BadRequestError"),
        Some("400"),
        None,
    ),
    (
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        Some("Overloaded"),
        Some("overloaded_error"),
        None,
        None,
    ),
    (r#"{"error":"model not loaded"}"#, Some("model not loaded"), None, None, None),
    (r#"{"message":"denied"}"#, Some("denied"), None, None, None),
    (r#"{"detail":"Not Found"}"#, Some("Not Found"), None, None, None),
    (
        r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
        Some("field required"),
        None,
        None,
        None,
    ),
    ("upstream connect error", Some("upstream connect error"), None, None, None),
    (
        "key hunter22 at https://up.example.com/v1",
        Some("key [redacted] at [upstream]"),
        None,
        None,
        None,
    ),
    (r#"{"error":{"message":"hunter\u00322"}}"#, Some("[redacted]"), None, None, None),
    ("<html><body>502</body></html>", None, None, None, None),
    (r#"{"error":{"mess"#, None, None, None, None),
    (r#"{"error":{}}"#, None, None, None, None),
    ("", None, None, None, None),
];

#[test]
fn errors_are_read_from_every_shape() {
    let redaction = Redaction::new(&["hunter22"], &["up.example.com"]);
    for (body, message, kind, code, param) in SHAPES {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expected = UpstreamError {
            message: owned(message),
            kind: owned(kind),
            code: owned(code),
            param: owned(param),
        };
        assert_eq!(UpstreamError::read(body.as_bytes(), &redaction), expected, "{body}");
    }
    let long = UpstreamError::read("x".repeat(5000).as_bytes(), &redaction);
    assert_eq!(long.message.unwrap().len(), 1000);
    assert_eq!(UpstreamError::read(&vec![b'x'; 300_000], &redaction), UpstreamError::default());
    let api = UpstreamError { message: Some("m".into()), ..UpstreamError::default() };
    assert_eq!(api.to_api("default", "server_error").kind, "server_error");
}

#[test]
fn errors_are_written_as_the_api_does() {
    let error = ApiError {
        message: "no \"x\"",
        kind: "invalid_request_error",
        param: None,
        code: Some("c"),
    };
    let body = r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"c"}}"#;
    assert_eq!(error.body(), body);
    assert_eq!(error.event(), format!("data: {body}\n\n"));
}
