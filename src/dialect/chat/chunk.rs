//! What a chunk of a stream, or a whole completion, holds: content, endings, usage, errors. Pure.
//!
//! Both are read in one walk that builds nothing. The walk is as fast as a search for a few words
//! would be with its checks, and exact: names may be escaped or spaced in any way, and content that
//! looks like JSON is content.
//!
//! A chunk's bytes pass to the client as they came. With usage asked for on the client's behalf,
//! OpenAI writes `"usage":null` into every chunk; it stays, since taking it out would copy each
//! chunk to remove what every client accepts. The chunk that holds nothing but usage is left out.

use smallvec::SmallVec;

use crate::dialect::json::{Cursor, Fault, Kind, Text};

/// One event of a stream.
#[derive(Debug)]
pub enum Chunk<'a> {
    /// `[DONE]`: the stream has ended well.
    Done,
    /// Nothing: some servers keep the connection alive with it.
    Empty,
    /// An error instead of more. [`super::UpstreamError`] reads what it says.
    Error,
    /// Not JSON.
    Invalid(Fault),
    /// An ordinary chunk.
    Facts(Facts<'a>),
}

/// A whole answer of status 200.
#[derive(Debug)]
pub enum Answer<'a> {
    /// A completion.
    Completion(Facts<'a>),
    /// An error in spite of the status. [`super::UpstreamError`] reads what it says.
    Error,
    /// No completion.
    Bad(BadAnswer),
}

/// Why an answer can't be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// It is empty, a page, truncated, or otherwise not JSON.
    #[error("the provider's answer can't be read: {0}")]
    NotJson(#[from] Fault),
    /// It has no choices.
    #[error("the provider's answer is no completion")]
    NoChoices,
}

/// What a chunk or a completion holds.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// Whether there is something a client shows or acts on. A role alone is not.
    pub has_content: bool,
    /// The member `choices` is there, empty or not.
    pub has_choices: bool,
    /// The choices, in the order they come.
    pub choices: SmallVec<[Choice; 1]>,
    /// Text in the order it comes.
    pub pieces: SmallVec<[Piece<'a>; 2]>,
    /// The JSON of `usage`, unless `null`.
    pub usage: Option<&'a str>,
}

/// One choice of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its number, from 0.
    pub index: u32,
    /// Why it ended, if it has.
    pub finish: Option<Finish>,
}

/// Some generated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The choice it belongs to.
    pub choice: u32,
    /// What it is.
    pub kind: PieceKind,
    /// The text.
    pub text: Text<'a>,
}

/// What a text is, as far as prices tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Content: text that an assistant's message can begin with.
    Content,
    /// A refusal or a tool call.
    Visible,
    /// The model's reasoning.
    Reasoning,
}

/// Why a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// By itself or at a stop sequence.
    Stop,
    /// At its ceiling.
    Length,
    /// To have tools called.
    ToolCalls,
    /// A filter cut it.
    ContentFilter,
    /// It failed (OpenRouter).
    Error,
    /// A reason not known here.
    Other,
}

impl<'a> Chunk<'a> {
    /// Reads an event's name and payload.
    pub fn read(name: Option<&[u8]>, data: &'a [u8]) -> Self {
        match data.trim_ascii() {
            b"[DONE]" => return Self::Done,
            b"" => return Self::Empty,
            _ => {}
        }
        if name == Some(b"error") {
            return Self::Error;
        }
        match Reader::read(data) {
            Err(fault) => Self::Invalid(fault),
            Ok(Reader { is_error: true, .. }) => Self::Error,
            Ok(Reader { facts, .. }) => Self::Facts(facts),
        }
    }
}

impl<'a> Answer<'a> {
    /// Reads the body of an answer of status 200 that is no stream.
    pub fn read(body: &'a [u8]) -> Self {
        match Reader::read(body) {
            Err(fault) => Self::Bad(BadAnswer::NotJson(fault)),
            Ok(Reader { is_error: true, .. }) => Self::Error,
            Ok(Reader { facts, .. }) if facts.has_choices => Self::Completion(facts),
            Ok(_) => Self::Bad(BadAnswer::NoChoices),
        }
    }
}

impl Facts<'_> {
    /// Whether this is the chunk that comes only because usage was asked for: usage, and no choice
    /// or (OpenRouter) nothing new about choices that have all ended before, as `after_end` tells.
    /// The first chunk of Azure has no choice either, but no usage.
    pub fn is_usage_only(&self, after_end: bool) -> bool {
        let is_empty = after_end && !self.has_content && !self.has_finish();
        self.usage.is_some() && (self.choices.is_empty() || is_empty)
    }

    /// Whether any choice ends here.
    pub fn has_finish(&self) -> bool {
        self.choices.iter().any(|choice| choice.finish.is_some())
    }
}

impl Finish {
    fn of(reason: &str) -> Self {
        match reason {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Error,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Reader<'a> {
    facts: Facts<'a>,
    is_error: bool,
    /// The delta being read has reasoning already: some servers give it under two names.
    has_reasoning: bool,
}

impl<'a> Reader<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::of_bytes(data)?;
        let mut reader = Self::default();
        if cursor.kind()? == Kind::Object {
            cursor.object(|cursor, name| reader.member(cursor, name))?;
        } else {
            cursor.skip()?;
        }
        cursor.end()?;
        Ok(reader)
    }

    fn member(&mut self, cursor: &mut Cursor<'a>, name: Text<'a>) -> Result<(), Fault> {
        match (&*name.decoded(), cursor.kind()?) {
            ("choices", Kind::Array) => {
                self.facts.has_choices = true;
                cursor.array(|cursor| self.choice(cursor))
            }
            ("usage", Kind::Object) => {
                let span = cursor.skip()?;
                self.facts.usage = Some(cursor.slice(&span));
                Ok(())
            }
            ("error", _) => {
                let span = cursor.skip()?;
                // What JavaScript and Python both take for no error.
                let none = matches!(cursor.slice(&span), "null" | "false" | "\"\"" | "0");
                self.is_error |= !none;
                Ok(())
            }
            ("object" | "type", Kind::String) => {
                self.is_error |= cursor.string()?.decoded() == "error";
                Ok(())
            }
            _ => cursor.skip().map(drop),
        }
    }

    fn choice(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        let first = self.facts.pieces.len();
        let mut choice = Choice { index: 0, finish: None };
        cursor.object(|cursor, name| match (&*name.decoded(), cursor.kind()?) {
            ("index", Kind::Number) => {
                choice.index = cursor.number()?.parse().unwrap_or(0);
                Ok(())
            }
            ("finish_reason", Kind::String) => {
                let reason = cursor.string()?;
                if !reason.is_empty() {
                    choice.finish = Some(Finish::of(&reason.decoded()));
                }
                Ok(())
            }
            ("delta" | "message", Kind::Object) => {
                self.has_reasoning = false;
                cursor.object(|cursor, name| self.delta_member(cursor, name)).map(drop)
            }
            _ => cursor.skip().map(drop),
        })?;
        // The number may come behind the text.
        for piece in self.facts.pieces.iter_mut().skip(first) {
            piece.choice = choice.index;
        }
        self.facts.choices.push(choice);
        Ok(())
    }

    fn delta_member(&mut self, cursor: &mut Cursor<'a>, name: Text<'a>) -> Result<(), Fault> {
        match (&*name.decoded(), cursor.kind()?) {
            ("content", Kind::String) => self.text(cursor, PieceKind::Content),
            ("refusal", Kind::String) => self.text(cursor, PieceKind::Visible),
            ("content", Kind::Array) => cursor.array(|cursor| self.part(cursor, 0)),
            ("reasoning_content" | "reasoning" | "thinking", Kind::String) => {
                if self.has_reasoning {
                    return cursor.skip().map(drop);
                }
                let before = self.facts.pieces.len();
                self.text(cursor, PieceKind::Reasoning)?;
                self.has_reasoning = self.facts.pieces.len() > before;
                Ok(())
            }
            ("tool_calls", Kind::Array) => cursor.array(|cursor| {
                self.facts.has_content = true;
                self.call(cursor, 0)
            }),
            ("function_call" | "audio", Kind::Object) => {
                self.facts.has_content = true;
                self.call(cursor, 0)
            }
            ("reasoning_details" | "images" | "annotations", Kind::Array) => {
                cursor.array(|cursor| {
                    self.facts.has_content = true;
                    cursor.skip().map(drop)
                })
            }
            _ => cursor.skip().map(drop),
        }
    }

    fn text(&mut self, cursor: &mut Cursor<'a>, kind: PieceKind) -> Result<(), Fault> {
        let text = cursor.string()?;
        if !text.is_empty() {
            self.facts.has_content = true;
            self.facts.pieces.push(Piece { choice: 0, kind, text });
        }
        Ok(())
    }

    /// A part of content that comes as a list (Mistral): its texts, and those of parts within it.
    fn part(&mut self, cursor: &mut Cursor<'a>, depth: u32) -> Result<(), Fault> {
        self.facts.has_content = true;
        if cursor.kind()? != Kind::Object || depth > 2 {
            return cursor.skip().map(drop);
        }
        let member =
            |cursor: &mut Cursor<'a>, name: Text<'a>| match (&*name.decoded(), cursor.kind()?) {
                ("text" | "refusal", Kind::String) => self.text(cursor, PieceKind::Visible),
                ("thinking", Kind::String) => self.text(cursor, PieceKind::Reasoning),
                ("thinking", Kind::Array) => cursor.array(|cursor| self.part(cursor, depth + 1)),
                _ => cursor.skip().map(drop),
            };
        cursor.object(member).map(drop)
    }

    /// A tool call, or the object within it that has the name and the arguments.
    fn call(&mut self, cursor: &mut Cursor<'a>, depth: u32) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object || depth > 1 {
            return cursor.skip().map(drop);
        }
        let member =
            |cursor: &mut Cursor<'a>, name: Text<'a>| match (&*name.decoded(), cursor.kind()?) {
                ("name" | "arguments" | "input" | "transcript", Kind::String) => {
                    self.text(cursor, PieceKind::Visible)
                }
                ("function" | "custom", Kind::Object) => self.call(cursor, depth + 1),
                _ => cursor.skip().map(drop),
            };
        cursor.object(member).map(drop)
    }
}
