//! Keys: created and rotated, with their secret shown once, changed and revoked.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{AccountView, KeyView, Order};
use infergate_actors::id::{AccountId, KeyId};
use serde::Deserialize;
use serde_json::json;

use super::request::{AccountOf, Asked, Json, KeyOf};
use super::view::Key;
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{
    Compromised, KeyUpdate, KeyWanted, Rotation, Why, creation, find, id, new_secret, page_limit,
    shown_once,
};
use crate::auth;

const KEYS_MAX: usize = 1_000;
const KEYS_DEFAULT: usize = 100;
const REASON_DEFAULT: &str = "revoked by the operator";
const REASON_RELEASED: &str = "released by the operator";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysPage {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<KeyWanted>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let member = wanted.member()?;
    let (secret, new) = wanted.read(now_ms)?;
    let hash = new.hash;
    if auth::same(&hash, &operator.token) {
        return Err(Problem::conflict("`secret` is the admin token: a key must be another"));
    }
    if secret.starts_with(auth::ADMIN_TOKEN_PREFIX) {
        return Err(Problem::conflict("`secret` looks like an admin token: a key must be another"));
    }
    let accounts = operator.system.accounts.clone();
    let creating = async move {
        // A secret is one account's: whose key it is must not depend on who came last.
        if accounts.find_key(hash).await?.is_some() {
            return Err(Problem::conflict("a key with this secret exists already"));
        }
        let order = creation(&accounts.inspect(account).await?, member, new)?;
        Ok(accounts.order(account, order).await?)
    };
    let view = operator.in_turn(account, creating).await?;
    let created = shown_once(&view, &secret, hash)?;
    tracing::info!(%account, key = created.key.id(), "key created");
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<KeysPage>,
) -> Result<impl IntoResponse, Problem> {
    let after: Option<KeyId> = page.after.as_deref().map(id).transpose()?;
    let limit = page_limit(page.limit, KEYS_DEFAULT, KEYS_MAX)?;
    let view = operator.system.accounts.inspect(account).await?;
    let mut keys: Vec<&KeyView> = view.keys.iter().collect();
    keys.retain(|key| after.is_none_or(|after| key.key.id > after));
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|last| last.key.id.to_string());
    let keys: Vec<Key> = keys.into_iter().map(Key::of).collect();
    Ok(Answer(json!({ "keys": keys, "next": next })))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Key::of(find(&view, key)?)))
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Json(change): Json<KeyUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?;
        let changes = change.over(find(&before, key)?, now_ms)?;
        Ok(accounts.order(account, Order::ChangeKey { key, changes }).await?)
    };
    let view = operator.in_turn(account, changing).await?;
    tracing::info!(%account, %key, "key changed");
    Ok(Answer(Key::of(find(&view, key)?)).into_response())
}

pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Json(rotation): Json<Rotation>,
) -> Result<impl IntoResponse, Problem> {
    let overlap = rotation.overlap()?;
    let secret = new_secret()?;
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    let order = Order::RotateKey { key, hash, hint, overlap };
    let accounts = operator.system.accounts.clone();
    let rotating = async move { Ok(accounts.order(account, order).await?) };
    let view = operator.in_turn(account, rotating).await?;
    tracing::info!(%account, %key, "key rotated");
    Ok(Answer(shown_once(&view, &secret, hash)?).into_response())
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let view = revoke_for(&operator, account, key, why.or(REASON_DEFAULT)?).await?;
    Ok(Answer(Key::of(find(&view, key)?)).into_response())
}

/// Somebody else may have the secret: it works for nobody any more.
pub(super) async fn compromised(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let view = revoke_for(&operator, account, key, why.of_compromised()?).await?;
    Ok(Answer(Compromised::of(&operator.world, find(&view, key)?, account).await))
}

/// What the guard took for somebody else's use is the key's own after all.
pub(super) async fn release(
    State(operator): State<Arc<Operator>>,
    who: Who,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let order = Order::ReleaseKey { key, by: who.name, reason: why.or(REASON_RELEASED)? };
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %key, "key released");
    Ok(Answer(Key::of(find(&view, key)?)))
}

async fn revoke_for(
    operator: &Operator,
    account: AccountId,
    key: KeyId,
    reason: String,
) -> Result<AccountView, Problem> {
    let order = Order::RevokeKey { key, reason: reason.clone() };
    let accounts = operator.system.accounts.clone();
    // Whoever has the key is done with what they were about, or does not do it any more.
    let revoking = async move { Ok(accounts.order(account, order).await?) };
    let view = operator.in_turn(account, revoking).await?;
    tracing::info!(%account, %key, reason, "key revoked");
    Ok(view)
}
