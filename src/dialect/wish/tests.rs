//! Wishes: what is read, what is refused, and that headers say the same as a body.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;

use super::*;
use crate::dialect::envelope::{Envelope, EnvelopeError, Limits};

fn of_body(members: &str) -> Result<Wish, EnvelopeError> {
    let body = Bytes::from(format!(r#"{{"model":"m","messages":[{{}}],{members}}}"#));
    Envelope::parse(&body, &Limits::default()).map(|envelope| envelope.wish)
}

fn of_headers(headers: &[(&'static str, &str)]) -> Result<Wish, EnvelopeError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    Wish::of_headers(&map)
}

fn whole() -> Wish {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Wish {
        models: names(&["b", "c"]),
        order: names(&["x", "y"]),
        only: names(&["x", "y", "z"]),
        ignore: names(&["w"]),
        allow_fallbacks: Some(false),
        sort: Some(Sort::Throughput),
        max_price: MaxPrice {
            prompt: Some(500_000_000),
            completion: Some(2_000_000_000),
            request: Some(10_000_000),
        },
        require_parameters: Some(true),
        data_collection: Some(DataCollection::Deny),
        tags: Vec::new(),
        session: None,
        user: None,
    }
}

#[test]
fn a_body_and_headers_can_wish_for_the_same() {
    let body = r#""models":["b","c"],"provider":{"order":["x","\u0079"],"only":["x","y","z"],
        "ignore":["w"],"allow_fallbacks":false,"sort":"throughput","require_parameters":true,
        "max_price":{"prompt":0.5,"completion":"2","request":0.01},"data_collection":"deny"}"#;
    assert_eq!(of_body(body), Ok(whole()));
    let headers = [
        ("x-infergate-models", "b, c"),
        ("x-infergate-provider-order", "x,y"),
        ("x-infergate-provider-only", "x, y"),
        ("x-infergate-provider-only", " ,z"),
        ("x-infergate-provider-ignore", "w"),
        ("x-infergate-allow-fallbacks", "false"),
        ("x-infergate-sort", "throughput"),
        ("x-infergate-max-price", "prompt=0.5, completion = 2,request=0.01"),
        ("x-infergate-require-parameters", "true"),
        ("x-infergate-data-collection", "deny"),
        ("x-infergate-tags", "a,b"),
        ("x-session-id", "s"),
        ("x-infergate-user", " bob "),
    ];
    let tags = vec!["a".to_owned(), "b".to_owned()];
    let (session, user) = (Some("s".to_owned()), Some("bob".to_owned()));
    let expected = Wish { tags, session, user, ..whole() };
    assert_eq!(of_headers(&headers), Ok(expected));
    let sessions = [("x-session-id", "other"), ("x-infergate-session", "ours")];
    assert_eq!(of_headers(&sessions).unwrap().session.as_deref(), Some("ours"));
}

#[test]
fn what_says_nothing_wishes_for_nothing() {
    let nulls = r#""models":null,"provider":{"order":null,"only":[],"ignore":null,"sort":null,
        "allow_fallbacks":null,"require_parameters":null,"max_price":null,"data_collection":null}"#;
    for members in [nulls, r#""provider":null"#, r#""provider":{"max_price":{"prompt":null}}"#] {
        assert_eq!(of_body(members), Ok(Wish::default()), "{members}");
    }
    let headers = [("x-infergate-models", " , "), ("x-infergate-sort", ""), ("x-other", "1")];
    assert_eq!(of_headers(&headers), Ok(Wish::default()));
    assert!(Wish::default().allows_fallbacks() && !Wish::default().requires_parameters());
}

#[test]
fn what_the_body_says_stands_over_the_headers() {
    let body = of_body(r#""models":["b"],"provider":{"sort":"price","max_price":{"prompt":1}}"#);
    let headers = of_headers(&[
        ("x-infergate-models", "z"),
        ("x-infergate-sort", "latency"),
        ("x-infergate-max-price", "prompt=9,request=9"),
        ("x-infergate-provider-only", "p"),
    ]);
    let both = body.unwrap().over(headers.unwrap());
    assert_eq!((both.models, both.only), (vec!["b".to_owned()], vec!["p".to_owned()]));
    assert_eq!(both.sort, Some(Sort::Price));
    assert_eq!(both.max_price.prompt, Some(1_000_000_000));
    assert_eq!(both.max_price.request, Some(9_000_000_000));
}

#[test]
fn a_bad_wish_is_refused_with_its_field() {
    let long = "x".repeat(257);
    let many = ["\"x\""; 9].join(",");
    for (members, param, message) in [
        (r#""models":"b""#, "models", "expected an array, but got a string"),
        (r#""models":["b",1]"#, "models", "expected an array of strings, but got a number"),
        (r#""models":[""]"#, "models", "must not be empty"),
        (&format!(r#""models":["{long}"]"#), "models", "at most 256 bytes"),
        (&format!(r#""models":[{many}]"#), "models", "at most 8 are allowed"),
        (r#""models":[],"models":[]"#, "models", "more than once"),
        (r#""Models":[]"#, "models", "lower case"),
        (r#""provider":["a"]"#, "provider", "expected an object, but got an array"),
        (r#""provider":{"zdr":true}"#, "provider", "unknown parameter: 'provider.zdr'"),
        (r#""provider":{"only":"a"}"#, "provider.only", "expected an array"),
        (r#""provider":{"sort":"fast"}"#, "provider.sort", "one of 'price', 'throughput'"),
        (r#""provider":{"sort":{}}"#, "provider.sort", "expected a string"),
        (r#""provider":{"allow_fallbacks":"no"}"#, "provider.allow_fallbacks", "a boolean"),
        (
            r#""provider":{"data_collection":"never"}"#,
            "provider.data_collection",
            "one of 'allow', 'deny'",
        ),
        (r#""provider":{"max_price":1}"#, "provider.max_price", "expected an object"),
        (r#""provider":{"max_price":{"prompt":-1}}"#, "provider.max_price.prompt", "such as 0.5"),
        (r#""provider":{"max_price":{"prompt":1e3}}"#, "provider.max_price.prompt", "US dollars"),
        (
            r#""provider":{"max_price":{"image":1}}"#,
            "provider.max_price",
            "unknown parameter: 'provider.max_price.image'",
        ),
    ] {
        let error = of_body(members).unwrap_err();
        assert_eq!(error.param(), Some(param), "{members}");
        assert!(error.code().is_some() && error.to_string().contains(message), "{error}");
    }
    for (name, value, message) in [
        ("x-infergate-sort", "fast", "one of 'price'"),
        ("x-infergate-allow-fallbacks", "no", "one of 'true', 'false'"),
        ("x-infergate-max-price", "prompt", "US dollars"),
        ("x-infergate-max-price", "input=1", "unknown parameter: 'x-infergate-max-price.input'"),
        ("x-infergate-max-price", "prompt=1,prompt=2", "more than once"),
        ("x-infergate-models", &many, "at most 8"),
        ("x-infergate-tags", &long, "at most 256 bytes"),
        ("x-session-id", &long, "at most 256 bytes"),
        ("x-infergate-user", &long, "at most 256 bytes"),
        ("x-infergate-tags", "é", "ASCII"),
    ] {
        let error = of_headers(&[(name, value)]).unwrap_err();
        assert_eq!(error.param(), Some(name), "{value}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let twice = [("x-infergate-sort", "price"), ("x-infergate-sort", "price")];
    assert_eq!(of_headers(&twice), Err(EnvelopeError::Duplicate("x-infergate-sort")));
}

proptest! {
    #[test]
    fn near_wishes_never_panic(
        text in r#"("(order|only|sort|max_price|prompt|x)":(1|"a"|\["a"\]|null|true|\{|\}),?){0,6}"#,
        value in "[ -~]{0,40}",
    ) {
        let _ = of_body(&format!(r#""provider":{{{text}}}"#));
        let _ = of_headers(&[("x-infergate-max-price", &value), ("x-infergate-models", &value)]);
    }
}
