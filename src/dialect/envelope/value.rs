//! Values of single fields, and names that could be taken for a field's. Pure.

use super::EnvelopeError;
use crate::dialect::json::{Cursor, Kind, Span};

/// Checks the kind of the next value. A value of another kind is consumed.
pub(in crate::dialect) fn expect(
    cursor: &mut Cursor<'_>,
    field: &'static str,
    expected: &'static str,
    kinds: &[Kind],
) -> Result<Kind, EnvelopeError> {
    let found = cursor.kind()?;
    if kinds.contains(&found) {
        return Ok(found);
    }
    cursor.skip()?;
    Err(EnvelopeError::WrongType { field, expected, found })
}

pub(in crate::dialect) fn optional_bool(
    cursor: &mut Cursor<'_>,
    field: &'static str,
) -> Result<bool, EnvelopeError> {
    if expect(cursor, field, "a boolean", &[Kind::Bool, Kind::Null])? == Kind::Null {
        cursor.skip()?;
        return Ok(false);
    }
    Ok(cursor.boolean()?)
}

/// A whole number of at least 1, or `null`. One that does not fit is the largest that does.
pub(super) fn optional_count(
    cursor: &mut Cursor<'_>,
    field: &'static str,
) -> Result<(Option<u64>, Span), EnvelopeError> {
    let kind = expect(cursor, field, "an integer", &[Kind::Number, Kind::Null])?;
    let span = cursor.skip()?;
    if kind == Kind::Null {
        return Ok((None, span));
    }
    let digits = cursor.slice(&span);
    let (digits, negative) = digits.strip_prefix('-').map_or((digits, false), |rest| (rest, true));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EnvelopeError::NotWhole(field));
    }
    let count = digits.parse().unwrap_or(u64::MAX);
    if negative || count == 0 {
        return Err(EnvelopeError::TooSmall { field, least: 1 });
    }
    Ok((Some(count), span))
}

/// The field that a reader without regard to case would take `name` for.
pub(super) fn misspelt(name: &str, fields: &[&'static str]) -> Option<&'static str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return None;
    }
    // The long s and the Kelvin sign are the two letters that fold into ASCII ones.
    let folded: String = name
        .chars()
        .map(|character| match character {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect();
    fields.iter().find(|field| **field == folded).copied()
}
