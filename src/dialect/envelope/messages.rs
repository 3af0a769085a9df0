//! The media in a request's messages, so that a picture is not counted as text. Pure.
//!
//! The bytes of a picture sent inline are no tokens, but only where a server must take them for a
//! picture: as the `url` of an `image_url` in a content part. Text that merely looks like one stays
//! counted, or a client could hide its prompt from the hold.

use crate::dialect::json::{Cursor, Fault, Kind, Text};

/// Types and members by which servers take a content part for media.
const MEDIA: [&str; 11] = [
    "image_url",
    "input_image",
    "image",
    "video_url",
    "input_video",
    "video",
    "audio_url",
    "file",
    "input_file",
    "document",
    "image_file",
];

/// Those of sound.
const SOUND: [&str; 2] = ["input_audio", "audio_url"];

/// How far into a data URL its media type may reach.
const MEDIA_TYPE_BYTES_MAX: usize = 128;

/// What the messages hold beside text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Content parts that are pictures, videos or files, inline or by reference.
    pub parts: u32,
    /// Bytes of the body that are pictures in base64.
    pub payload_bytes: u64,
    /// Messages.
    pub messages: u32,
    /// Whether there is something to be seen.
    pub sight: bool,
    /// Whether there is something to be heard.
    pub sound: bool,
    /// The last one is the assistant's: the answer goes on from it.
    pub ends_with_assistant: bool,
}

/// Where in the body the messages' turns end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Turns {
    /// Behind the first message of the user.
    pub(in crate::dialect) opened: Option<usize>,
    /// Behind the last message of the assistant.
    pub(in crate::dialect) answered: Option<usize>,
}

/// Who a message is from, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    User,
    Assistant,
    Other,
}

/// Members of one content part.
#[derive(Default)]
struct Part {
    types: u32,
    is_image: bool,
    is_media: bool,
    urls: u32,
    payload_bytes: u64,
    is_sound: bool,
}

impl Media {
    /// Reads the `messages` array.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<(Self, Turns), Fault> {
        let mut media = Self::default();
        let mut turns = Turns::default();
        cursor.array(|cursor| {
            media.messages = media.messages.saturating_add(1);
            media.ends_with_assistant = false;
            if cursor.kind()? != Kind::Object {
                return cursor.skip().map(drop);
            }
            let mut from = From::Other;
            cursor.object(|cursor, name| media.message_member(cursor, name, &mut from))?;
            media.ends_with_assistant = from == From::Assistant;
            match from {
                From::User => turns.opened = turns.opened.or(Some(cursor.position())),
                From::Assistant => turns.answered = Some(cursor.position()),
                From::Other => {}
            }
            Ok(())
        })?;
        Ok((media, turns))
    }

    fn message_member(
        &mut self,
        cursor: &mut Cursor<'_>,
        name: Text<'_>,
        from: &mut From,
    ) -> Result<(), Fault> {
        if cursor.kind()? == Kind::String && is(name, "role") {
            let role = cursor.string()?;
            *from = match role {
                role if is(role, "user") => From::User,
                role if is(role, "assistant") => From::Assistant,
                _ => From::Other,
            };
            return Ok(());
        }
        if cursor.kind()? != Kind::Array || !is(name, "content") {
            return cursor.skip().map(drop);
        }
        cursor.array(|cursor| {
            if cursor.kind()? != Kind::Object {
                return cursor.skip().map(drop);
            }
            let mut part = Part::default();
            cursor.object(|cursor, name| part.member(cursor, name))?;
            self.add(&part);
            Ok(())
        })
    }

    fn add(&mut self, part: &Part) {
        self.parts = self.parts.saturating_add(u32::from(part.is_media));
        self.sight |= part.is_media && !part.is_sound;
        self.sound |= part.is_sound;
        // Anything given twice can be read two ways, and one of them may be text.
        if part.is_image && part.types == 1 && part.urls == 1 {
            self.payload_bytes = self.payload_bytes.saturating_add(part.payload_bytes);
        }
    }
}

impl Part {
    fn member(&mut self, cursor: &mut Cursor<'_>, name: Text<'_>) -> Result<(), Fault> {
        let name = name.decoded();
        let kind = cursor.kind()?;
        if name == "type" && kind == Kind::String {
            let value = cursor.string()?.decoded();
            self.types += 1;
            self.is_image = value == "image_url";
            self.is_media |= MEDIA.contains(&&*value);
            self.is_sound |= SOUND.contains(&&*value);
            return Ok(());
        }
        self.types += u32::from(name.eq_ignore_ascii_case("type"));
        self.is_media |= MEDIA.contains(&&*name);
        self.is_sound |= SOUND.contains(&&*name);
        if name != "image_url" {
            self.urls += u32::from(name.eq_ignore_ascii_case("image_url"));
            return cursor.skip().map(drop);
        }
        match kind {
            Kind::String => self.url(cursor.string()?),
            Kind::Object => {
                cursor.object(|cursor, name| {
                    let is_url = name.decoded().eq_ignore_ascii_case("url");
                    if is_url && cursor.kind()? == Kind::String {
                        self.url(cursor.string()?);
                        Ok(())
                    } else {
                        self.urls += u32::from(is_url);
                        cursor.skip().map(drop)
                    }
                })?;
            }
            _ => {
                self.urls += 1;
                cursor.skip()?;
            }
        }
        Ok(())
    }

    fn url(&mut self, url: Text<'_>) {
        self.urls += 1;
        self.payload_bytes = payload_bytes(url.raw());
    }
}

/// The bytes of the base64 payload of a data URL, as they stand in the body; 0 for any other URL.
fn payload_bytes(url: &str) -> u64 {
    let bytes = url.as_bytes();
    let head = bytes.get(..bytes.len().min(MEDIA_TYPE_BYTES_MAX)).unwrap_or_default();
    let is_data = head.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"));
    let marker = memchr::memmem::find(head, b";base64,").filter(|_| is_data);
    marker.map_or(0, |at| bytes.len().saturating_sub(at + 8) as u64)
}

/// Whether a member's name is `name`, however it is written.
pub(super) fn is(text: Text<'_>, name: &str) -> bool {
    if text.is_escaped() { text.decoded() == name } else { text.raw() == name }
}
