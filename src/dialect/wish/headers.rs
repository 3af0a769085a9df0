//! A wish in headers, for clients that can't add fields to a body. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::body::{DATA_COLLECTION, DATA_COLLECTION_WORDS, SORT_WORDS, amount, chosen};
use super::{MODELS_MAX, MaxPrice, NAME_BYTES_MAX, NAMES_MAX, Sort, Wish};
use crate::dialect::envelope::EnvelopeError;

const FLAGS: [(&str, bool); 2] = [("true", true), ("false", false)];
const FLAG_WORDS: &str = "'true', 'false'";
const SESSION: &str = "x-infergate-session";
/// What other gateways call it.
const SESSION_ELSEWHERE: &str = "x-session-id";
const USER: &str = "x-infergate-user";
const MAX_PRICE: &str = "x-infergate-max-price";

/// What all headers of ours begin with, and those that say something in a request.
const OURS: &str = "x-infergate-";
const KNOWN: [&str; 12] = [
    "x-infergate-models",
    "x-infergate-provider-order",
    "x-infergate-provider-only",
    "x-infergate-provider-ignore",
    "x-infergate-allow-fallbacks",
    "x-infergate-sort",
    MAX_PRICE,
    "x-infergate-require-parameters",
    "x-infergate-data-collection",
    "x-infergate-tags",
    SESSION,
    USER,
];

impl Wish {
    /// What a request's headers wish for. A header that is empty says nothing.
    pub fn of_headers(headers: &HeaderMap) -> Result<Self, EnvelopeError> {
        // Understood wrongly, or not at all, it could send the request where it must not go.
        let is_unknown =
            |name: &&HeaderName| name.as_str().starts_with(OURS) && !KNOWN.contains(&name.as_str());
        if let Some(name) = headers.keys().find(is_unknown) {
            return Err(EnvelopeError::UnknownHeader(
                name.as_str().chars().take(64).collect::<String>().into(),
            ));
        }
        let list = |name, most| list(headers, name, most);
        Ok(Self {
            models: list("x-infergate-models", MODELS_MAX)?,
            order: list("x-infergate-provider-order", NAMES_MAX)?,
            only: list("x-infergate-provider-only", NAMES_MAX)?,
            ignore: list("x-infergate-provider-ignore", NAMES_MAX)?,
            allow_fallbacks: word(headers, "x-infergate-allow-fallbacks", &FLAGS, FLAG_WORDS)?,
            sort: word(headers, "x-infergate-sort", &Sort::NAMES, SORT_WORDS)?,
            max_price: max_price(headers)?,
            require_parameters: word(
                headers,
                "x-infergate-require-parameters",
                &FLAGS,
                FLAG_WORDS,
            )?,
            data_collection: word(
                headers,
                "x-infergate-data-collection",
                &DATA_COLLECTION,
                DATA_COLLECTION_WORDS,
            )?,
            tags: list("x-infergate-tags", NAMES_MAX)?,
            session: match name(headers, SESSION)? {
                None => name(headers, SESSION_ELSEWHERE)?,
                named => named,
            },
            user: name(headers, USER)?,
        })
    }
}

/// Names with commas between, in one header or several.
fn list(
    headers: &HeaderMap,
    field: &'static str,
    most: usize,
) -> Result<Vec<String>, EnvelopeError> {
    let mut names = Vec::new();
    for value in headers.get_all(field) {
        for name in text(value, field)?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.len() > NAME_BYTES_MAX {
                return Err(EnvelopeError::TooLong { field, most: NAME_BYTES_MAX });
            }
            if names.len() == most {
                return Err(EnvelopeError::TooMany { field, most });
            }
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The value of a header that says one thing.
fn only<'h>(headers: &'h HeaderMap, field: &'static str) -> Result<Option<&'h str>, EnvelopeError> {
    let mut values = headers.get_all(field).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(EnvelopeError::Duplicate(field));
    }
    let value = text(value, field)?.trim();
    Ok((!value.is_empty()).then_some(value))
}

fn word<T: Copy>(
    headers: &HeaderMap,
    field: &'static str,
    words: &[(&str, T)],
    shown: &'static str,
) -> Result<Option<T>, EnvelopeError> {
    let Some(value) = only(headers, field)? else { return Ok(None) };
    chosen(value, words).map(Some).ok_or(EnvelopeError::NotOneOf { field, words: shown })
}

/// `prompt=0.5, completion=1.5, request=0.01`, in dollars.
fn max_price(headers: &HeaderMap) -> Result<MaxPrice, EnvelopeError> {
    let mut most = MaxPrice::default();
    for part in list(headers, MAX_PRICE, NAMES_MAX)? {
        let (name, price) = part.split_once('=').unwrap_or((&part, ""));
        let bound = match name.trim() {
            "prompt" => &mut most.prompt,
            "completion" => &mut most.completion,
            "request" => &mut most.request,
            other => return Err(EnvelopeError::unknown(MAX_PRICE, other)),
        };
        let price = amount(price).ok_or(EnvelopeError::NotAnAmount(MAX_PRICE))?;
        if bound.replace(price).is_some() {
            return Err(EnvelopeError::Duplicate(MAX_PRICE));
        }
    }
    Ok(most)
}

fn name(headers: &HeaderMap, field: &'static str) -> Result<Option<String>, EnvelopeError> {
    let Some(name) = only(headers, field)? else { return Ok(None) };
    if name.len() > NAME_BYTES_MAX {
        return Err(EnvelopeError::TooLong { field, most: NAME_BYTES_MAX });
    }
    Ok(Some(name.to_owned()))
}

fn text<'h>(value: &'h HeaderValue, field: &'static str) -> Result<&'h str, EnvelopeError> {
    value.to_str().map_err(|_| EnvelopeError::NotAscii(field))
}
