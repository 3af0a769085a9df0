//! The cost of an answer, told in its usage as OpenRouter does. Pure.
//!
//! Only the cost is put in, in the place of one that the provider may have told for itself; all other
//! bytes pass as they came.

use bytes::Bytes;
use infergate_actors::money::{NanoUsd, Usage};

use super::usage::usage_json;
use crate::dialect::json::{Cursor, Fault, Kind, Span};

/// Where the usage of a chunk or a completion stands.
#[derive(Default)]
struct Place {
    /// The value of `usage`, whatever it is.
    value: Option<Span>,
    /// Where `usage` is an object: its closing brace, and whether nothing is in it.
    close: Option<(usize, bool)>,
    /// The value of a `cost` in it.
    cost: Option<Span>,
    /// The closing brace of the whole, and whether nothing is in it.
    end: (usize, bool),
}

/// The JSON of a chunk or a completion with `cost` in its usage. Where it has no usage, that is `usage`.
/// `None` where `json` is no object.
pub fn with_cost(json: &[u8], usage: &Usage, cost: NanoUsd) -> Option<Bytes> {
    let text = std::str::from_utf8(json).ok()?;
    let Place { value, close, cost: told, end } = Place::find(text).ok()?;
    // A decimal number of dollars is a number of JSON.
    let (span, bytes) = match (told, close, value) {
        (Some(told), ..) => (told, cost.to_string()),
        (None, Some((close, is_empty)), _) => {
            (close..close, format!("{}\"cost\":{cost}", comma(is_empty)))
        }
        (None, None, Some(value)) => (value, rendered(usage, cost)?),
        (None, None, None) => {
            let (end, is_empty) = end;
            (end..end, format!("{}\"usage\":{}", comma(is_empty), rendered(usage, cost)?))
        }
    };
    let (before, behind) = (text.get(..span.start)?, text.get(span.end..)?);
    Some([before, &bytes, behind].concat().into())
}

/// The usage object of the API with the cost in it.
fn rendered(usage: &Usage, cost: NanoUsd) -> Option<String> {
    let usage = serde_json::to_string(&usage_json(usage)).ok()?;
    Some(format!("{},\"cost\":{cost}}}", usage.strip_suffix('}')?))
}

fn comma(is_first: bool) -> &'static str {
    if is_first { "" } else { "," }
}

impl Place {
    fn find(text: &str) -> Result<Self, Fault> {
        let mut place = Self::default();
        let mut is_empty = true;
        let mut cursor = Cursor::new(text);
        let end = cursor.object(|cursor, name| {
            is_empty = false;
            if &*name.decoded() != "usage" {
                return cursor.skip().map(drop);
            }
            place.close = None;
            place.cost = None;
            if cursor.kind()? != Kind::Object {
                place.value = Some(cursor.skip()?);
                return Ok(());
            }
            let start = cursor.offset();
            let mut is_bare = true;
            let close = cursor.object(|cursor, name| {
                is_bare = false;
                let is_cost = &*name.decoded() == "cost";
                let value = cursor.skip()?;
                if is_cost {
                    place.cost = Some(value);
                }
                Ok(())
            })?;
            place.close = Some((close, is_bare));
            place.value = Some(start..cursor.position());
            Ok(())
        })?;
        place.end = (end, is_empty);
        cursor.end()?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_put_into_the_usage_and_nothing_else_is_touched() {
        let usage = Usage { input: 5, output: 3, ..Usage::default() };
        let told = |json: &str| {
            let told = with_cost(json.as_bytes(), &usage, NanoUsd::from_nano(16_000))?;
            Some(String::from_utf8(told.to_vec()).unwrap())
        };
        for (json, expected) in [
            (
                "{ \"x\":1e-05,\"usage\" : {\"prompt_tokens\":5 }, \"y\":[\"usage\"] }",
                "{ \"x\":1e-05,\"usage\" : {\"prompt_tokens\":5 ,\"cost\":0.000016}, \"y\":[\"usage\"] }",
            ),
            ("{\"usage\":{ }}", "{\"usage\":{ \"cost\":0.000016}}"),
            (
                "{\"usage\":{\"cost\":9.5,\"b\":{\"cost\":1}},\"z\":0}",
                "{\"usage\":{\"cost\":0.000016,\"b\":{\"cost\":1}},\"z\":0}",
            ),
        ] {
            assert_eq!(told(json).as_deref(), Some(expected));
        }
        for (json, begin) in [
            ("{\"usage\":null,\"a\":1}", "{\"usage\":{\"prompt_tokens\":5,"),
            ("{\"a\":1}", "{\"a\":1,\"usage\":{\"prompt_tokens\":5,"),
            ("{}", "{\"usage\":{\"prompt_tokens\":5,"),
        ] {
            let told = told(json).unwrap();
            assert!(told.starts_with(begin) && told.contains(",\"cost\":0.000016}"), "{told}");
            assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok(), "{told}");
        }
        assert_eq!(told("[]"), None);
        assert_eq!(told("{\"usage\":"), None);
    }
}
