//! A chunk of one stream told as a chunk of another: what an answer that goes on at a second provider
//! takes to look like one answer. Pure.
//!
//! Only what must change is replaced; all other bytes of the chunk pass as they came.

use bytes::Bytes;
use infergate_actors::money::Usage;

use super::ending::ChunkIdentity;
use super::usage::usage_json;
use crate::dialect::json::{Cursor, Fault, Kind, Span, Text};

/// What is different in the chunk that the client gets.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// Whose chunk it is to be.
    pub identity: &'a ChunkIdentity,
    /// The text that its choice is to have, where it has one.
    pub content: Option<&'a str>,
    /// The usage to tell, where it tells one.
    pub usage: Option<&'a Usage>,
}

/// Where the members stand that may change.
#[derive(Default)]
struct Places {
    id: Option<Span>,
    created: Option<Span>,
    model: Option<Span>,
    usage: Option<Span>,
    content: Option<Span>,
}

impl Rewrite<'_> {
    /// The event with the chunk `data` so changed; `None` where it can't be: it is no chunk, or its
    /// text is not where a text to replace it could stand.
    pub fn event(&self, data: &[u8]) -> Option<Bytes> {
        let text = std::str::from_utf8(data).ok()?;
        let places = Places::find(text).ok()?;
        let mut patches: Vec<(Span, String)> = Vec::new();
        let (id, created, model) = self.identity.members();
        for (place, value) in [(places.id, id), (places.created, created), (places.model, model)] {
            patches.extend(place.map(|place| (place, value.to_owned())));
        }
        if let (Some(place), Some(usage)) = (places.usage, self.usage) {
            patches.push((place, serde_json::to_string(&usage_json(usage)).ok()?));
        }
        if let Some(content) = self.content {
            patches.push((places.content?, serde_json::to_string(content).ok()?));
        }
        patches.sort_by_key(|(place, _)| place.start);
        let mut event = String::with_capacity(data.len() + 64);
        event.push_str("data: ");
        let mut at = 0;
        for (place, value) in &patches {
            event.push_str(text.get(at..place.start)?);
            event.push_str(value);
            at = place.end;
        }
        event.push_str(text.get(at..)?);
        event.push_str("\n\n");
        // An event's payload of several lines would need `data:` before each; JSON needs no lines.
        let lines = event.trim_end_matches('\n');
        Some(if lines.contains(['\n', '\r']) {
            format!("{}\n\n", lines.replace(['\n', '\r'], " ")).into()
        } else {
            event.into()
        })
    }
}

impl Places {
    fn find(text: &str) -> Result<Self, Fault> {
        let mut places = Self::default();
        let mut cursor = Cursor::new(text);
        cursor.object(|cursor, name| {
            let kind = cursor.kind()?;
            let place = match &*name.decoded() {
                "id" => &mut places.id,
                "created" => &mut places.created,
                "model" => &mut places.model,
                "usage" if kind == Kind::Object => &mut places.usage,
                "choices" if kind == Kind::Array => {
                    return cursor.array(|cursor| places.choice(cursor));
                }
                _ => return cursor.skip().map(drop),
            };
            *place = Some(cursor.skip()?);
            Ok(())
        })?;
        cursor.end()?;
        Ok(places)
    }

    fn choice(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        let mut member = |cursor: &mut Cursor<'_>, name: Text<'_>| {
            if &*name.decoded() != "delta" || cursor.kind()? != Kind::Object {
                return cursor.skip().map(drop);
            }
            let delta = cursor.object(|cursor, name| {
                let is_content = &*name.decoded() == "content" && cursor.kind()? == Kind::String;
                let place = cursor.skip()?;
                if is_content {
                    self.content = Some(place);
                }
                Ok(())
            });
            delta.map(drop)
        };
        cursor.object(&mut member).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> ChunkIdentity {
        ChunkIdentity::read(br#"{"id":"first","created":7,"model":"one"}"#).unwrap()
    }

    fn rewritten(data: &str, content: Option<&str>, usage: Option<&Usage>) -> Option<String> {
        let identity = identity();
        let event = Rewrite { identity: &identity, content, usage }.event(data.as_bytes())?;
        Some(String::from_utf8(event.to_vec()).unwrap())
    }

    #[test]
    fn a_chunk_takes_the_identity_of_the_stream_it_joins_and_keeps_the_rest() {
        let chunk = r#"{ "x":1e-05,"id":"second","model":"two","created":9,"choices":[{"index":0,"delta":{"content":"a\u0062"},"finish_reason":null}] }"#;
        assert_eq!(
            rewritten(chunk, None, None).unwrap(),
            "data: { \"x\":1e-05,\"id\":\"first\",\"model\":\"one\",\"created\":7,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\u0062\"},\"finish_reason\":null}] }\n\n"
        );
        assert!(rewritten(chunk, Some("b\"c"), None).unwrap().contains(r#""content":"b\"c"}"#));
        assert!(rewritten("{\"choices\":[]}", Some("b"), None).is_none());
        assert!(rewritten("[]", None, None).is_none());
    }

    #[test]
    fn a_usage_is_told_anew_and_a_null_stays() {
        let usage = Usage { input: 5, output: 3, ..Usage::default() };
        let told = rewritten(r#"{"choices":[],"usage":{"a":1}}"#, None, Some(&usage)).unwrap();
        assert!(told.contains(r#""prompt_tokens":5,"completion_tokens":3,"total_tokens":8"#));
        let null = rewritten(r#"{"choices":[],"usage":null}"#, None, Some(&usage)).unwrap();
        assert_eq!(null, "data: {\"choices\":[],\"usage\":null}\n\n");
    }

    #[test]
    fn a_payload_of_several_lines_becomes_one() {
        let told = rewritten("{\"id\":\"b\",\n\"choices\":[]}", None, None).unwrap();
        assert_eq!(told, "data: {\"id\":\"first\", \"choices\":[]}\n\n");
    }
}
