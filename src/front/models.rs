//! The models a key may use, as the API lists them.

use std::borrow::Cow;

use http::Response;
use infergate_actors::account::{AccountView, Denial, Key, KeyScope, KeyView, Status};

use super::endpoint::MODEL;
use super::{AnswerBody, json};
use crate::catalog::Catalog;
use crate::dialect::chat;
use crate::error::ApiError;
use crate::exchange::Caller;

/// The caller's key, if it may be used for any model.
pub(super) fn permitted_key(
    account: AccountView,
    caller: Caller,
    scopes: &[KeyScope],
    now_ms: u64,
) -> Result<Key, Denial> {
    match account.status {
        Status::Active | Status::Restricted => {}
        Status::Suspended => {
            let class = account.status_set.map(|(set, _)| set.class).unwrap_or_default();
            return Err(Denial::Suspended(class));
        }
        Status::Closed => return Err(Denial::Closed),
    }
    let view = account.keys.into_iter().find(|known| known.key.id == caller.key);
    let KeyView { key, settings, .. } = view.ok_or(Denial::UnknownKey)?;
    if key.revoked_at_ms.is_some() {
        return Err(Denial::RevokedKey);
    }
    if key.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Denial::ExpiredKey);
    }
    // Any of them will do; where none does, what the last one lacks is told.
    let denial = |scope: &KeyScope| settings.denial(&key, *scope, &caller.presented, now_ms);
    let denials: Option<Vec<Denial>> = scopes.iter().map(denial).collect();
    match denials.and_then(|denials| denials.last().copied()) {
        Some(denial) => Err(denial),
        None => Ok(key),
    }
}

/// All that `key` may use at `wall_ms`, in milliseconds since 1970.
pub(super) fn list(catalog: &Catalog, key: &Key, wall_ms: u64) -> Response<AnswerBody> {
    let models = catalog.models().iter().map(|model| &model.settings);
    let models = models
        .filter(|model| key.allows(&model.name) && !model.lifecycle.is_retired(wall_ms))
        .map(|model| chat::Model::new(model, wall_ms));
    json(chat::model_list(&models.collect::<Vec<_>>()))
}

/// One of them, by the request's path, in which a slash of its name may be written `%2F`.
pub(super) fn one(
    catalog: &Catalog,
    key: &Key,
    path: &str,
    wall_ms: u64,
) -> Result<Response<AnswerBody>, ApiError> {
    let name = percent_decoded(path.strip_prefix(MODEL).unwrap_or_default());
    let model = catalog.model(&name).filter(|_| key.allows(&name));
    let model = &model.ok_or_else(|| ApiError::unknown_model(&name))?.settings;
    if model.lifecycle.is_retired(wall_ms) {
        return Err(ApiError::retired_model(&name, &model.lifecycle));
    }
    Ok(json(chat::model(&chat::Model::new(model, wall_ms))))
}

/// RFC 3986 §2.1. What is not valid stays as it is: no model is called so.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match behind.split_first_chunk::<2>() {
            Some((digits, after)) if *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit) => {
                decoded.push(digits.iter().fold(0, |byte, digit| byte << 4 | hex(*digit)));
                rest = after;
            }
            _ => decoded.push(*first),
        }
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// What a hexadecimal digit counts.
fn hex(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20).wrapping_sub(b'a' - 10) }
}
