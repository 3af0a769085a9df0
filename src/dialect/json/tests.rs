//! The reader against `serde_json`, on documents, near-documents and plain bytes.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn skip_all(text: &str) -> Result<Span, Fault> {
    let mut cursor = Cursor::new(text);
    let span = cursor.skip()?;
    cursor.end()?;
    Ok(span)
}

/// A document as another reader sees it, rebuilt through the cursor.
fn rebuild(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    Ok(match cursor.kind()? {
        Kind::Object => {
            let mut members = serde_json::Map::new();
            cursor.object(|cursor, name| {
                let value = rebuild(cursor)?;
                members.insert(name.decoded().into_owned(), value);
                Ok(())
            })?;
            Value::Object(members)
        }
        Kind::Array => {
            let mut elements = Vec::new();
            cursor.array(|cursor| {
                elements.push(rebuild(cursor)?);
                Ok(())
            })?;
            Value::Array(elements)
        }
        Kind::String => Value::String(cursor.string()?.decoded().into_owned()),
        Kind::Number => serde_json::from_str(cursor.number()?).unwrap_or_default(),
        Kind::Bool => Value::Bool(cursor.boolean()?),
        Kind::Null => {
            cursor.skip()?;
            Value::Null
        }
    })
}

/// Random JSON values.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| {
            serde_json::Number::from_f64(number).map(Value::from)
        }),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn what_is_not_json_is_refused_where_it_breaks() {
    for (text, fault) in [
        ("", Fault::EndsEarly),
        ("  ", Fault::EndsEarly),
        ("{", Fault::EndsEarly),
        ("[1,", Fault::EndsEarly),
        ("[1,]", Fault::Syntax(3)),
        ("{\"a\":1,}", Fault::Syntax(7)),
        ("{'a':1}", Fault::Syntax(1)),
        ("01", Fault::Syntax(1)),
        ("-", Fault::EndsEarly),
        ("1.", Fault::EndsEarly),
        (".5", Fault::Syntax(0)),
        ("+1", Fault::Syntax(0)),
        ("1e", Fault::EndsEarly),
        ("tru", Fault::EndsEarly),
        ("NaN", Fault::Syntax(0)),
        ("\"a\nb\"", Fault::Syntax(2)),
        ("\"\\x\"", Fault::Syntax(2)),
        ("\"\\u12g4\"", Fault::Syntax(5)),
        ("\"abc", Fault::EndsEarly),
        ("{} {}", Fault::Syntax(3)),
        ("[1}", Fault::Syntax(2)),
    ] {
        assert_eq!(skip_all(text), Err(fault), "{text}");
    }
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(skip_all(&nested(128)).is_ok());
    assert_eq!(skip_all(&nested(129)), Err(Fault::TooDeep));
    let objects = format!("{}1{}", "{\"a\":[".repeat(64), "]}".repeat(64));
    assert!(skip_all(&objects).is_ok());
}

#[test]
fn escapes_are_decoded_with_their_pairs() {
    for (json, decoded) in [
        (r#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{c}\n\r\tz"),
        (r#""mod\u0065l""#, "model"),
        (r#""\ud83d\ude00!""#, "😀!"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
    ] {
        let text = Cursor::new(json).string().unwrap();
        assert_eq!(text.decoded(), decoded, "{json}");
        assert!(text.is_escaped());
    }
}

#[test]
fn the_first_special_byte_is_found_wherever_it_is() {
    for special_byte in [b'"', b'\\', 0, 0x1f, b'\n'] {
        for length in 0..40 {
            for at in 0..length {
                let mut bytes = vec![b'!'; length];
                bytes[at] = special_byte;
                bytes.extend([0xc3, 0xa9, 0x80, 0xff, b' ', 0x7f]);
                assert_eq!(text::special(&bytes, 0), at);
            }
        }
    }
    let none = "é#[]!  \u{7f}ÿ";
    assert_eq!(text::special(none.as_bytes(), 0), none.len());
}

proptest! {
    #[test]
    fn a_document_reads_as_serde_json_reads_it(value in any_json(), pretty: bool) {
        let json = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        prop_assert_eq!(skip_all(&json), Ok(0..json.len()));
        let mut cursor = Cursor::new(&json);
        prop_assert_eq!(rebuild(&mut cursor), Ok(serde_json::from_str::<Value>(&json).unwrap()));
        prop_assert_eq!(cursor.end(), Ok(()));
    }

    #[test]
    fn a_damaged_document_is_judged_as_serde_json_judges_it(
        value in any_json(), at: prop::sample::Index, byte in 0..128_u8, cut: bool,
    ) {
        let mut json = value.to_string().into_bytes();
        let at = at.index(json.len());
        if cut { json.truncate(at) } else { json[at] = byte }
        if let Ok(text) = std::str::from_utf8(&json) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text);
            prop_assert_eq!(skip_all(text).is_ok(), theirs.is_ok(), "{}", text);
        }
    }

    #[test]
    fn near_json_is_judged_as_serde_json_judges_it(
        text in r#"[\[\]{}:,"\\ \n0-9eE.+\-tfnrulasex]{0,24}"#,
    ) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(skip_all(&text).is_ok(), theirs.is_ok(), "{}", text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(mut cursor) = Cursor::of_bytes(&bytes) {
            let _ = rebuild(&mut cursor);
        }
    }
}
