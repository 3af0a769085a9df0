//! Strings of a JSON document, decoded only where they are read. Pure.

use std::borrow::Cow;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// A string's bytes between its quotes, already checked against the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

/// The decoded parts of a string, one after another.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
}

/// One decoded part of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a str),
    /// What an escape stands for.
    Char(char),
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The bytes between the quotes, escapes as they stand.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Whether the string is `""`.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// What the string says; borrowed unless it has escapes. Half of a surrogate pair without its
    /// other half becomes U+FFFD.
    pub fn decoded(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        for piece in self.pieces() {
            match piece {
                Piece::Plain(text) => decoded.push_str(text),
                Piece::Char(character) => decoded.push(character),
            }
        }
        Cow::Owned(decoded)
    }

    /// Whether the string has an escape.
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// The decoded parts, without an allocation.
    pub fn pieces(&self) -> Pieces<'a> {
        Pieces { rest: self.raw }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(escape) = self.rest.strip_prefix('\\') else {
            let end = memchr::memchr(b'\\', self.rest.as_bytes()).unwrap_or(self.rest.len());
            let (plain, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            return Some(Piece::Plain(plain));
        };
        let mut characters = escape.chars();
        let letter = characters.next()?;
        self.rest = characters.as_str();
        Some(Piece::Char(match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode(),
            other => other,
        }))
    }
}

impl Pieces<'_> {
    /// The four digits behind `\u`, and the second half of a pair where they are the first.
    fn unicode(&mut self) -> char {
        let Some((first, rest)) = hex4(self.rest) else {
            self.rest = "";
            return char::REPLACEMENT_CHARACTER;
        };
        self.rest = rest;
        if let 0xd800..=0xdbff = first
            && let Some((second @ 0xdc00..=0xdfff, rest)) =
                self.rest.strip_prefix("\\u").and_then(hex4)
        {
            self.rest = rest;
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// The place of the first quote, backslash or control character at or behind `at`; the end of the
/// bytes if there is none.
///
/// Eight bytes at a time, after Mycroft's zero-byte test: a false match can only stand above a true
/// one, so the lowest marked byte is exact.
#[inline]
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let marks = (zeros(word ^ (LOW_BITS * 0x22))
            | zeros(word ^ (LOW_BITS * 0x5c))
            | (word.wrapping_sub(LOW_BITS * 0x20) & !word))
            & HIGH_BITS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}

fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word
}
