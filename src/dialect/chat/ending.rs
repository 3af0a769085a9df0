//! The ending the gateway gives a stream it has to stop: clean, and never as if it were complete. Pure.

use bytes::{Bytes, BytesMut};
use infergate_actors::money::Usage;
use serde::Serialize;
use serde_json::value::RawValue;

use super::render::{DONE, event};
use super::usage::usage_json;
use crate::dialect::json::Cursor;

/// What all chunks of one stream have in common, in the stream's own bytes.
#[derive(Clone, Debug)]
pub struct ChunkIdentity {
    id: Box<RawValue>,
    created: Box<RawValue>,
    model: Box<RawValue>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a RawValue,
    object: &'static str,
    created: &'a RawValue,
    model: &'a RawValue,
    choices: &'a [Choice],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageMember<'a>>,
}

#[derive(Serialize)]
struct Choice {
    index: u32,
    delta: Empty,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Empty {}

/// The usage of a chunk; `null` in those before the last, as the API has it.
struct UsageMember<'a>(Option<&'a Usage>);

impl Serialize for UsageMember<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(usage_json).serialize(serializer)
    }
}

impl ChunkIdentity {
    /// Reads it off a chunk; `None` if the payload is not an object. Members not there are written
    /// as the API's types demand: an empty text, 0.
    pub fn read(data: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::of_bytes(data).ok()?;
        let (mut id, mut created, mut model) = (r#""""#, "0", r#""""#);
        cursor
            .object(|cursor, name| {
                let place = match &*name.decoded() {
                    "id" => &mut id,
                    "created" => &mut created,
                    "model" => &mut model,
                    _ => return cursor.skip().map(drop),
                };
                let span = cursor.skip()?;
                *place = cursor.slice(&span);
                Ok(())
            })
            .ok()?;
        let raw = |json: &str| RawValue::from_string(json.to_owned()).ok();
        Some(Self { id: raw(id)?, created: raw(created)?, model: raw(model)? })
    }

    /// Its `id`, `created` and `model`, each as JSON.
    pub(super) fn members(&self) -> (&str, &str, &str) {
        (self.id.get(), self.created.get(), self.model.get())
    }

    /// The end of a stream that ran out of credit: each choice still open ends with `length`, then
    /// usage where the client asked for it, then `[DONE]`.
    pub fn length_ending(&self, open_choices: &[u32], usage: Option<&Usage>) -> Bytes {
        let mut bytes = BytesMut::new();
        for &index in open_choices {
            let choices = [Choice { index, delta: Empty {}, finish_reason: "length" }];
            bytes.extend_from_slice(&self.chunk(&choices, usage.map(|_| UsageMember(None))));
        }
        if let Some(usage) = usage {
            bytes.extend_from_slice(&self.usage_event(usage));
        }
        bytes.extend_from_slice(DONE);
        bytes.freeze()
    }

    /// The chunk that holds nothing but usage.
    pub fn usage_event(&self, usage: &Usage) -> Bytes {
        self.chunk(&[], Some(UsageMember(Some(usage))))
    }

    /// The JSON of that chunk.
    pub fn usage_chunk(&self, usage: &Usage) -> Vec<u8> {
        let event = self.usage_event(usage);
        let json = event.strip_prefix(b"data: ").unwrap_or_default();
        json.trim_ascii_end().to_vec()
    }

    fn chunk(&self, choices: &[Choice], usage: Option<UsageMember<'_>>) -> Bytes {
        event(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: &self.created,
            model: &self.model,
            choices,
            usage,
        })
    }
}
