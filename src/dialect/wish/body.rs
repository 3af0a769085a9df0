//! A wish in the body: the members `models` and `provider`. Pure.

use infergate_actors::money::NanoUsd;

use super::{MODELS_MAX, MaxPrice, NAME_BYTES_MAX, NAMES_MAX, Sort, Wish};
use crate::config::DataCollection;
use crate::dialect::envelope::{EnvelopeError, expect, optional_bool};
use crate::dialect::json::{Cursor, Fault, Kind, Text};

/// Words of `provider.data_collection`.
pub(super) const DATA_COLLECTION: [(&str, DataCollection); 2] =
    [("allow", DataCollection::Allow), ("deny", DataCollection::Deny)];
pub(super) const DATA_COLLECTION_WORDS: &str = "'allow', 'deny'";
pub(super) const SORT_WORDS: &str = "'price', 'throughput', 'latency'";

/// Reads the member `models`. Its value is consumed unless the error is one of syntax.
pub(in crate::dialect) fn models(cursor: &mut Cursor<'_>) -> Result<Vec<String>, EnvelopeError> {
    names(cursor, "models", MODELS_MAX)
}

/// Reads the member `provider`. Its value is consumed unless the error is one of syntax.
pub(in crate::dialect) fn provider(
    cursor: &mut Cursor<'_>,
    wish: &mut Wish,
) -> Result<(), EnvelopeError> {
    let kinds = [Kind::Object, Kind::Null];
    if expect(cursor, "provider", "an object", &kinds)? == Kind::Null {
        cursor.skip()?;
        return Ok(());
    }
    members(cursor, |cursor, name| provider_member(cursor, name, wish))
}

/// Reads the member `usage`: whether the cost is to be told. Its value is consumed unless the error is
/// one of syntax.
pub(in crate::dialect) fn usage(cursor: &mut Cursor<'_>) -> Result<bool, EnvelopeError> {
    let kinds = [Kind::Object, Kind::Null];
    let mut include = false;
    if expect(cursor, "usage", "an object", &kinds)? == Kind::Null {
        cursor.skip()?;
        return Ok(include);
    }
    members(cursor, |cursor, name| {
        if name == "include" {
            include = optional_bool(cursor, "usage.include")?;
            return Ok(());
        }
        cursor.skip()?;
        Err(EnvelopeError::unknown("usage", name))
    })?;
    Ok(include)
}

fn provider_member(
    cursor: &mut Cursor<'_>,
    name: &str,
    wish: &mut Wish,
) -> Result<(), EnvelopeError> {
    match name {
        "order" => wish.order = names(cursor, "provider.order", NAMES_MAX)?,
        "only" => wish.only = names(cursor, "provider.only", NAMES_MAX)?,
        "ignore" => wish.ignore = names(cursor, "provider.ignore", NAMES_MAX)?,
        "allow_fallbacks" => {
            wish.allow_fallbacks = flag(cursor, "provider.allow_fallbacks")?;
        }
        "require_parameters" => {
            wish.require_parameters = flag(cursor, "provider.require_parameters")?;
        }
        "sort" => wish.sort = word(cursor, "provider.sort", &Sort::NAMES, SORT_WORDS)?,
        "data_collection" => {
            let field = "provider.data_collection";
            wish.data_collection = word(cursor, field, &DATA_COLLECTION, DATA_COLLECTION_WORDS)?;
        }
        "max_price" => wish.max_price = max_price(cursor)?,
        other => {
            cursor.skip()?;
            return Err(EnvelopeError::unknown("provider", other));
        }
    }
    Ok(())
}

fn max_price(cursor: &mut Cursor<'_>) -> Result<MaxPrice, EnvelopeError> {
    let mut most = MaxPrice::default();
    let field = "provider.max_price";
    if expect(cursor, field, "an object", &[Kind::Object, Kind::Null])? == Kind::Null {
        cursor.skip()?;
        return Ok(most);
    }
    members(cursor, |cursor, name| {
        match name {
            "prompt" => most.prompt = price(cursor, "provider.max_price.prompt")?,
            "completion" => most.completion = price(cursor, "provider.max_price.completion")?,
            "request" => most.request = price(cursor, "provider.max_price.request")?,
            other => {
                cursor.skip()?;
                return Err(EnvelopeError::unknown(field, other));
            }
        }
        Ok(())
    })?;
    Ok(most)
}

/// An amount of dollars, as a number or a text, in nano-dollars.
fn price(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Option<u64>, EnvelopeError> {
    let kinds = [Kind::Number, Kind::String, Kind::Null];
    let text = match expect(cursor, field, "a number", &kinds)? {
        Kind::Null => {
            cursor.skip()?;
            return Ok(None);
        }
        Kind::String => cursor.string()?.decoded().into_owned(),
        _ => cursor.number()?.to_owned(),
    };
    amount(&text).map(Some).ok_or(EnvelopeError::NotAnAmount(field))
}

/// Dollars in nano-dollars.
pub(super) fn amount(text: &str) -> Option<u64> {
    let amount: NanoUsd = text.trim().parse().ok()?;
    u64::try_from(amount.nano()).ok()
}

/// Reads the members of an object. All of it is consumed unless the error is one of syntax.
fn members(
    cursor: &mut Cursor<'_>,
    mut member: impl FnMut(&mut Cursor<'_>, &str) -> Result<(), EnvelopeError>,
) -> Result<(), EnvelopeError> {
    let mut error = None;
    cursor.object(|cursor, name: Text<'_>| match member(cursor, &name.decoded()) {
        Err(EnvelopeError::Json(fault)) => Err(fault),
        Err(wrong) => {
            error.get_or_insert(wrong);
            Ok(())
        }
        Ok(()) => Ok(()),
    })?;
    error.map_or(Ok(()), Err)
}

fn names(
    cursor: &mut Cursor<'_>,
    field: &'static str,
    most: usize,
) -> Result<Vec<String>, EnvelopeError> {
    let mut names = Vec::new();
    if expect(cursor, field, "an array", &[Kind::Array, Kind::Null])? == Kind::Null {
        cursor.skip()?;
        return Ok(names);
    }
    let mut error = None;
    cursor.array(|cursor| {
        match name(cursor, field) {
            Err(EnvelopeError::Json(fault)) => return Err(fault),
            Err(wrong) => error = Some(wrong),
            Ok(_) if names.len() == most => error = Some(EnvelopeError::TooMany { field, most }),
            Ok(name) => names.push(name),
        }
        Ok::<(), Fault>(())
    })?;
    error.map_or(Ok(names), Err)
}

fn name(cursor: &mut Cursor<'_>, field: &'static str) -> Result<String, EnvelopeError> {
    expect(cursor, field, "an array of strings", &[Kind::String])?;
    let name = cursor.string()?.decoded().into_owned();
    if name.is_empty() {
        return Err(EnvelopeError::Empty(field));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(EnvelopeError::TooLong { field, most: NAME_BYTES_MAX });
    }
    Ok(name)
}

fn flag(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Option<bool>, EnvelopeError> {
    if cursor.kind()? == Kind::Null {
        cursor.skip()?;
        return Ok(None);
    }
    optional_bool(cursor, field).map(Some)
}

fn word<T: Copy>(
    cursor: &mut Cursor<'_>,
    field: &'static str,
    words: &[(&str, T)],
    shown: &'static str,
) -> Result<Option<T>, EnvelopeError> {
    if expect(cursor, field, "a string", &[Kind::String, Kind::Null])? == Kind::Null {
        cursor.skip()?;
        return Ok(None);
    }
    let text = cursor.string()?.decoded();
    chosen(&text, words).map(Some).ok_or(EnvelopeError::NotOneOf { field, words: shown })
}

/// The meaning of a word.
pub(super) fn chosen<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}
