//! Keys: created, with their secret shown once, and revoked.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{Limits, NewKey, Order};
use serde::Deserialize;

use super::request::{AccountOf, Asked, Json, KeyOf, text};
use super::view::{CreatedKey, Key};
use super::{Operator, Problem};
use crate::auth;

/// More patterns than models anybody offers.
const MODELS_MAX: usize = 1_000;
const REASON_DEFAULT: &str = "revoked by the operator";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyWanted {
    name: String,
    #[serde(default)]
    models: Vec<String>,
    expires_at_ms: Option<u64>,
    #[serde(default)]
    limits: Limits,
    /// One that is known elsewhere already; otherwise one is made.
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: Option<String>,
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<KeyWanted>,
) -> Result<impl IntoResponse, Problem> {
    wanted.check(operator.world.clock.now().wall_ms)?;
    let KeyWanted { name, models, expires_at_ms, limits, secret } = wanted;
    let secret = match secret {
        Some(secret) => {
            let weak = |error| Problem::invalid(format!("`secret`: {error}"));
            auth::check_secret(&secret).map_err(weak)?;
            secret
        }
        None => auth::new_secret(auth::KEY_PREFIX)
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?,
    };
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    if auth::same(&hash, &operator.token) {
        return Err(Problem::conflict("`secret` is the admin token: a key must be another"));
    }
    let new = NewKey { hash, hint, name, models, expires_at_ms, limits };
    let accounts = operator.system.accounts.clone();
    let creating = async move {
        // A secret is one account's: whose key it is must not depend on who came last.
        if accounts.find_key(hash).await?.is_some() {
            return Err(Problem::conflict("a key with this secret exists already"));
        }
        Ok(accounts.order(account, Order::CreateKey(new)).await?)
    };
    let view = operator.in_turn(creating).await?;
    // The order's own view: its newest key is the one just made.
    let key = view.keys.iter().find(|key| key.key.hash == hash);
    let key = key.ok_or_else(|| Problem::unavailable("the new key is not in its account"))?;
    tracing::info!(%account, key = %key.key.id, "key created");
    let created = CreatedKey { account: account.to_string(), secret: &secret, key: Key::of(key) };
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let reason = why.reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    text("reason", &reason)?;
    let order = Order::RevokeKey { key, reason };
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %key, "key revoked");
    let revoked = view.keys.iter().find(|known| known.key.id == key);
    let revoked = revoked.ok_or_else(|| Problem::not_found("the key is unknown"))?;
    Ok(Answer(Key::of(revoked)).into_response())
}

impl KeyWanted {
    fn check(&self, now_ms: u64) -> Result<(), Problem> {
        text("name", &self.name)?;
        if self.models.len() > MODELS_MAX {
            return Err(Problem::invalid(format!("`models` has more than {MODELS_MAX}")));
        }
        self.models.iter().try_for_each(|model| text("models", model))?;
        if self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(Problem::invalid("`expires_at_ms` is in the past"));
        }
        Ok(())
    }
}
