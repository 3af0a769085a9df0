//! The envelope of a chat completion request: the fields that decide about money and routing, and
//! where they stand. Pure.
//!
//! The body is read once, and nothing of it is copied or rebuilt. Whatever the bill hangs on must
//! have one reading only: such a field given twice is refused, because servers differ on which one
//! counts, and so is one spelt with other letters' cases, because some servers don't tell them apart.

mod error;
mod messages;
mod needs;
mod value;

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

pub use error::EnvelopeError;
pub use messages::Media;

use crate::config::Abilities;
use crate::dialect::json::{Cursor, Kind, Span, Text};
use crate::dialect::wish::{self, Wish};

use messages::Turns;
use value::{misspelt, optional_count};

pub(super) use value::{expect, optional_bool};

/// The fields that are read, all of which must have one reading.
///
/// `n_predict` is llama-server's: it goes before the two of the API where it is given.
const FIELDS: [&str; 12] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "user",
    "max_tokens",
    "max_completion_tokens",
    "n_predict",
    "models",
    "provider",
    "usage",
];

/// Those that are for us alone, and are not sent on: a provider that knows them too would go
/// elsewhere without our knowing.
const OURS: [&str; 3] = ["models", "provider", "usage"];

/// The longest name of a client's user that is recorded, in bytes.
const USER_BYTES_MAX: usize = 256;

/// Bounds on what a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most choices (`n`) of one request.
    pub choices_max: u32,
    /// The longest model name, in bytes.
    pub model_bytes_max: usize,
}

/// What a chat completion request asks for.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The model's public name.
    pub model: Cow<'a, str>,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// How many choices (`n`) are asked for, at least 1.
    pub choices: u32,
    /// Whether the client itself asked for usage in the stream.
    pub include_usage: bool,
    /// Whether the client wants to be told the cost, in the answer's usage.
    pub include_cost: bool,
    /// The client's own name for its user.
    pub user: Option<Cow<'a, str>>,
    /// What the messages hold beside text.
    pub media: Media,
    /// What a model must be able to do to answer.
    pub needs: Abilities,
    /// The client's own name for requests that share a beginning.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// How the client narrows where the request may go.
    pub wish: Wish,
    pub(super) body: &'a Bytes,
    pub(super) spans: Spans,
}

/// Where the fields that may have to change stand in the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    pub(super) model: Span,
    pub(super) ceilings: SmallVec<[Ceiling; 2]>,
    pub(super) stream_options: Option<StreamOptions>,
    /// The array of messages.
    pub(super) messages: Span,
    pub(super) turns: Turns,
    /// Members that are for us alone, in order, each with all that parts it from the member before
    /// it, or from the opening brace.
    pub(super) ours: SmallVec<[Span; 2]>,
    /// Behind the opening brace of the body.
    pub(super) open: usize,
    /// The closing brace of the body.
    pub(super) close: usize,
}

/// One field that bounds an answer's length.
#[derive(Clone, Debug)]
pub(super) struct Ceiling {
    pub(super) field: &'static str,
    /// `None` for `null`.
    pub(super) tokens: Option<u64>,
    pub(super) span: Span,
}

/// The `stream_options` of a request.
#[derive(Clone, Debug)]
pub(super) struct StreamOptions {
    pub(super) span: Span,
    /// The closing brace; `None` for `null`.
    pub(super) close: Option<usize>,
    pub(super) is_empty: bool,
    /// The value of `include_usage`.
    pub(super) include_usage: Option<Span>,
}

/// The fields as they are found.
#[derive(Default)]
struct Found<'a> {
    seen: u32,
    model: Option<Cow<'a, str>>,
    stream: bool,
    choices: Option<u32>,
    include_usage: bool,
    include_cost: bool,
    user: Option<Cow<'a, str>>,
    media: Option<Media>,
    needs: Abilities,
    prompt_cache_key: Option<Cow<'a, str>>,
    wish: Wish,
    spans: Spans,
    error: Option<EnvelopeError>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { choices_max: 128, model_bytes_max: 256 }
    }
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of a request's body.
    pub fn parse(body: &'a Bytes, limits: &Limits) -> Result<Self, EnvelopeError> {
        let mut cursor = Cursor::of_bytes(body)?;
        let kind = cursor.kind()?;
        if kind != Kind::Object {
            cursor.skip()?;
            cursor.end()?;
            return Err(EnvelopeError::NotAnObject(kind));
        }
        let mut found = Found::default();
        found.spans.open = cursor.offset().saturating_add(1);
        let mut before = found.spans.open;
        found.spans.close = cursor.object(|cursor, name| {
            let is_ours = OURS.iter().any(|field| messages::is(name, field));
            // A body that is not JSON is told so first, whatever else is wrong with it.
            match found.member(cursor, name, limits) {
                Err(EnvelopeError::Json(fault)) => return Err(fault),
                Err(error) => found.error = found.error.take().or(Some(error)),
                Ok(()) => {}
            }
            if is_ours {
                found.spans.ours.push(before..cursor.position());
            }
            before = cursor.position();
            Ok(())
        })?;
        cursor.end()?;
        if let Some(error) = found.error {
            return Err(error);
        }
        Ok(Self {
            model: found.model.ok_or(EnvelopeError::Missing("model"))?,
            stream: found.stream,
            choices: found.choices.unwrap_or(1),
            include_usage: found.include_usage,
            include_cost: found.include_cost,
            user: found.user,
            media: found.media.ok_or(EnvelopeError::Missing("messages"))?,
            needs: found.needs,
            prompt_cache_key: found.prompt_cache_key,
            wish: found.wish,
            body,
            spans: found.spans,
        })
    }

    /// The client's own name for its user, where it is one: a text that is very long is something else.
    pub fn end_user(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        (1..=USER_BYTES_MAX).contains(&user.len()).then(|| user.to_owned())
    }

    /// Takes the client's own name for its user from elsewhere, where the body has none. It is not sent on.
    pub fn name_user(&mut self, user: Option<String>) {
        if self.end_user().is_none() {
            self.user = user.map(Cow::Owned);
        }
    }

    /// The most tokens the client lets one choice have, if it says. Where it says so in two fields,
    /// the larger counts: the upstream may obey either.
    pub fn output_ceiling(&self) -> Option<u64> {
        // A field that only some servers know can raise the bound but not give one.
        let ceilings = || self.spans.ceilings.iter().filter(|ceiling| ceiling.tokens.is_some());
        ceilings().find(|ceiling| ceiling.field != "n_predict")?;
        ceilings().filter_map(|ceiling| ceiling.tokens).max()
    }

    /// The most tokens that all choices together can have, where the model's own ceiling for one is
    /// `model_max`.
    pub fn output_tokens_max(&self, model_max: u64) -> u64 {
        self.output_ceiling().unwrap_or(model_max).saturating_mul(u64::from(self.choices))
    }

    /// An upper bound of the prompt's tokens: a token of a byte-level vocabulary covers at least one
    /// byte, and no byte of a text is shorter in JSON. Pictures inline are not text; each picture or
    /// other media part counts as `media_tokens_max` instead. Audio is counted by its bytes too.
    ///
    /// What a provider's template puts around the messages is taken to be shorter than the JSON
    /// around them.
    pub fn input_tokens_max(&self, media_tokens_max: u64) -> u64 {
        self.text_bytes().saturating_add(self.media_tokens(media_tokens_max))
    }

    /// About how many tokens the prompt has: a quarter of its bytes. For charges where the provider
    /// does not say; never above [`Envelope::input_tokens_max`] for the same `media_tokens`.
    pub fn input_tokens_estimate(&self, media_tokens: u64) -> u64 {
        self.text_bytes().div_ceil(4).saturating_add(self.media_tokens(media_tokens))
    }

    /// About how many tokens of the prompt were in an earlier request of the same conversation: all
    /// up to its last answer.
    pub fn input_tokens_repeated(&self) -> u64 {
        let end = self.spans.turns.answered.unwrap_or(self.spans.messages.start);
        (end.saturating_sub(self.spans.messages.start) as u64).div_ceil(4)
    }

    /// The beginning of the prompt, which all requests of one conversation share: the messages up to
    /// the user's first one, and of them no more than `bytes_max`.
    pub fn opening(&self, bytes_max: usize) -> &'a [u8] {
        let Span { start, end } = self.spans.messages;
        let end = self.spans.turns.opened.unwrap_or(end).min(start.saturating_add(bytes_max));
        self.body.get(start..end).unwrap_or_default()
    }

    /// The body this was read from.
    pub fn body(&self) -> &'a Bytes {
        self.body
    }

    fn text_bytes(&self) -> u64 {
        (self.body.len() as u64).saturating_sub(self.media.payload_bytes)
    }

    fn media_tokens(&self, each: u64) -> u64 {
        each.saturating_mul(u64::from(self.media.parts))
    }
}

impl<'a> Found<'a> {
    /// Reads one member. Its value is consumed unless the error is one of syntax.
    fn member(
        &mut self,
        cursor: &mut Cursor<'a>,
        name: Text<'a>,
        limits: &Limits,
    ) -> Result<(), EnvelopeError> {
        let name = name.decoded();
        let Some(place) = FIELDS.iter().position(|field| *field == name) else {
            self.learn(cursor, &name)?;
            return misspelt(&name, &FIELDS)
                .map_or(Ok(()), |field| Err(EnvelopeError::Misspelt(field)));
        };
        let field = FIELDS.get(place).copied().unwrap_or_default();
        if self.seen & (1 << place) != 0 {
            cursor.skip()?;
            return Err(EnvelopeError::Duplicate(field));
        }
        self.seen |= 1 << place;
        match field {
            "model" => self.model(cursor, limits),
            "messages" => self.messages(cursor),
            "stream" => {
                self.stream = optional_bool(cursor, field)?;
                Ok(())
            }
            "stream_options" => self.stream_options(cursor),
            "n" => self.choices(cursor, limits),
            "models" => {
                self.wish.models = wish::models(cursor)?;
                Ok(())
            }
            "provider" => wish::provider(cursor, &mut self.wish),
            "usage" => {
                self.include_cost = wish::usage(cursor)?;
                Ok(())
            }
            "user" => {
                if expect(cursor, field, "a string", &[Kind::String, Kind::Null])? == Kind::Null {
                    cursor.skip()?;
                } else {
                    self.user = Some(cursor.string()?.decoded());
                }
                Ok(())
            }
            _ => self.ceiling(cursor, field),
        }
    }

    fn model(&mut self, cursor: &mut Cursor<'a>, limits: &Limits) -> Result<(), EnvelopeError> {
        expect(cursor, "model", "a string", &[Kind::String])?;
        let start = cursor.offset();
        let model = cursor.string()?.decoded();
        // The string ends where the cursor is: nothing is skipped behind it.
        self.spans.model = start..cursor.position();
        if model.is_empty() {
            return Err(EnvelopeError::Empty("model"));
        }
        if model.len() > limits.model_bytes_max {
            return Err(EnvelopeError::TooLong { field: "model", most: limits.model_bytes_max });
        }
        self.model = Some(model);
        Ok(())
    }

    fn messages(&mut self, cursor: &mut Cursor<'a>) -> Result<(), EnvelopeError> {
        expect(cursor, "messages", "an array", &[Kind::Array])?;
        let start = cursor.offset();
        let (media, turns) = Media::read(cursor)?;
        self.spans.messages = start..cursor.position();
        self.spans.turns = turns;
        self.media = Some(media);
        if media.sight {
            self.needs = self.needs.with(Abilities::VISION);
        }
        if media.sound {
            self.needs = self.needs.with(Abilities::AUDIO);
        }
        if media.messages == 0 { Err(EnvelopeError::Empty("messages")) } else { Ok(()) }
    }

    fn choices(&mut self, cursor: &mut Cursor<'a>, limits: &Limits) -> Result<(), EnvelopeError> {
        let most = u64::from(limits.choices_max);
        match optional_count(cursor, "n")?.0 {
            Some(n) if n > most => Err(EnvelopeError::TooLarge { field: "n", most }),
            n => {
                self.choices = n.and_then(|n| u32::try_from(n).ok());
                Ok(())
            }
        }
    }

    fn ceiling(
        &mut self,
        cursor: &mut Cursor<'a>,
        field: &'static str,
    ) -> Result<(), EnvelopeError> {
        let (tokens, span) = optional_count(cursor, field)?;
        self.spans.ceilings.push(Ceiling { field, tokens, span });
        Ok(())
    }

    fn stream_options(&mut self, cursor: &mut Cursor<'a>) -> Result<(), EnvelopeError> {
        const FIELD: &str = "stream_options";
        const INCLUDE: &str = "stream_options.include_usage";
        let start = cursor.offset();
        if expect(cursor, FIELD, "an object", &[Kind::Object, Kind::Null])? == Kind::Null {
            let span = cursor.skip()?;
            let options = StreamOptions { span, close: None, is_empty: true, include_usage: None };
            self.spans.stream_options = Some(options);
            return Ok(());
        }
        let (mut is_empty, mut include_usage, mut error) = (true, None, None);
        let close = cursor.object(|cursor, name| {
            is_empty = false;
            let name = name.decoded();
            if name != "include_usage" {
                if misspelt(&name, &["include_usage"]).is_some() {
                    error = Some(EnvelopeError::Misspelt(INCLUDE));
                }
                return cursor.skip().map(drop);
            }
            let start = cursor.offset();
            match optional_bool(cursor, INCLUDE) {
                Err(EnvelopeError::Json(fault)) => return Err(fault),
                Err(wrong) => error = Some(wrong),
                Ok(value) => self.include_usage = value,
            }
            if include_usage.replace(start..cursor.position()).is_some() {
                error = Some(EnvelopeError::Duplicate(INCLUDE));
            }
            Ok(())
        })?;
        let span = start..cursor.position();
        self.spans.stream_options =
            Some(StreamOptions { span, close: Some(close), is_empty, include_usage });
        error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
