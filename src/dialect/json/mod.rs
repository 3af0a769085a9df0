//! A JSON reader that walks a document once, keeps offsets and builds nothing. Pure.
//!
//! It accepts exactly the grammar of RFC 8259, with a bound on nesting, and gives member names and
//! strings as slices of the document. A reader that builds a tree costs several times as much, and
//! one that searches for `"usage":` is fooled by escapes, white space and text that looks like JSON.

mod text;

use std::ops::Range;

pub use text::{Piece, Pieces, Text};

/// How deep a value may nest: what most JSON readers allow.
pub const DEPTH_MAX: u32 = 128;

/// A place in a document: the bytes of one value or member.
pub type Span = Range<usize>;

/// Why a document can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends in the middle of a value.
    #[error("the JSON ends too early")]
    EndsEarly,
    /// It is not JSON.
    #[error("not valid JSON at byte {0}")]
    Syntax(usize),
    /// It nests deeper than [`DEPTH_MAX`].
    #[error("the JSON is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// It is not UTF-8.
    #[error("not valid UTF-8 at byte {0}")]
    NotUtf8(usize),
}

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `1`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A place in a document while it is read.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Kind {
    /// The kind's name in a message to a client, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

impl<'a> Cursor<'a> {
    /// At the start of a document.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// At the start of a document that may not be UTF-8.
    pub fn of_bytes(bytes: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => Err(Fault::NotUtf8(error.valid_up_to())),
        }
    }

    /// Where the next token starts.
    pub fn offset(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Where the last token ended.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes of a span of this document, empty if it lies outside.
    pub fn slice(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The kind of the next value; nothing is consumed.
    pub fn kind(&mut self) -> Result<Kind, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.fault()),
        }
    }

    /// Reads an object, calling `member` with each name and the place where the name starts. `member`
    /// must consume the value. Answers the place of the closing brace.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), Fault>,
    ) -> Result<usize, Fault> {
        self.expect(b'{')?;
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                let name = self.name()?;
                member(self, name)?;
                if !self.comma_or(b'}')? {
                    break;
                }
            }
        }
        let close = self.at;
        self.at += 1;
        Ok(close)
    }

    /// Reads an array, calling `element` before each element, which it must consume.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'[')?;
        self.skip_space();
        if self.peek() != Some(b']') {
            loop {
                element(self)?;
                if !self.comma_or(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.expect(b'"')?;
        self.string_body()
    }

    /// Reads a number and answers its bytes.
    pub fn number(&mut self) -> Result<&'a str, Fault> {
        self.skip_space();
        let start = self.at;
        self.number_body()?;
        Ok(self.slice(&(start..self.at)))
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, Fault> {
        self.skip_space();
        let truth = self.peek() == Some(b't');
        self.literal(if truth { b"true" } else { b"false" })?;
        Ok(truth)
    }

    /// Reads over one value of any kind and answers its place.
    pub fn skip(&mut self) -> Result<Span, Fault> {
        self.skip_space();
        let start = self.at;
        // One bit a level, the innermost lowest: set for an object, clear for an array.
        let (mut objects, mut depth) = (0_u128, 0_u32);
        loop {
            self.skip_space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    self.at += 1;
                    self.skip_space();
                    let is_object = open == b'{';
                    if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        if depth == DEPTH_MAX {
                            return Err(Fault::TooDeep);
                        }
                        depth += 1;
                        objects = objects << 1 | u128::from(is_object);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            while depth > 0 {
                let is_object = objects & 1 == 1;
                if self.comma_or(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.name()?;
                    }
                    break;
                }
                self.at += 1;
                depth -= 1;
                objects >>= 1;
            }
            if depth == 0 {
                return Ok(start..self.at);
            }
        }
    }

    /// Checks that nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(Fault::Syntax(self.at)) }
    }

    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string_body().map(drop)
            }
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number_body(),
        }
    }

    /// A member's name and the colon behind it.
    #[inline]
    fn name(&mut self) -> Result<Text<'a>, Fault> {
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// Whether a comma comes (and is consumed) or `close` comes (and is not).
    #[inline]
    fn comma_or(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => Ok(false),
            _ => Err(self.fault()),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Fault> {
        for &byte in word {
            if self.peek() != Some(byte) {
                return Err(self.fault());
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number_body(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.fault());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    /// The rest of a string, behind its opening quote.
    #[inline]
    fn string_body(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = text::special(self.text.as_bytes(), self.at);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.fault()),
            }
        }
        let raw = self.slice(&(start..self.at));
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault());
                    }
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.fault()),
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        self.skip_space();
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fault())
        }
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self) -> Fault {
        if self.at < self.text.len() { Fault::Syntax(self.at) } else { Fault::EndsEarly }
    }
}

#[cfg(test)]
pub(crate) mod tests;
