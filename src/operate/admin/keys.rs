//! Keys: created and rotated, with their secret shown once, changed and revoked.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{AccountView, KeyChange, KeyScope, KeySettings, Order};
use infergate_actors::id::{AccountId, KeyId};
use serde_json::json;

use super::request::{AccountOf, Asked, Json, KeyOf};
use super::rules::Permission;
use super::view::Key;
use super::who::Who;
use super::{Operator, Problem};
use crate::api::{
    Compromised, CreatedKey, KeyUpdate, KeyWanted, Keys, KeysPage, Rotation, Why, creation, find,
    new_secret, shown_once,
};
use crate::auth;
use crate::openapi::{Routes, doc, get, post};

const REASON_DEFAULT: &str = "revoked by the operator";
const REASON_RELEASED: &str = "released by the operator";

const TAG: &str = "Keys";

/// What is served of keys.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let keys = |rest: &str| format!("/admin/v1/accounts/{{account}}/keys{rest}");
    let created = doc("createKey", "Creates a key; its secret is shown once.")
        .answers::<CreatedKey<'_>>(201)
        .refuses(&[409])
        .example(json!({
            "name": "laptop", "models": ["gpt-*"], "budgets": { "month_usd": "20" },
            "allowed_ips": ["10.0.0.0/8"],
        }));
    let changed = doc("updateKey", "Changes what is named of a key; `null` removes a limit.")
        .answers::<Key>(200)
        .refuses(&[409])
        .example(json!({ "limits": { "requests_per_minute": 60 } }));
    let revoked = doc("revokeKey", "Revokes a key, from the next request on.");
    let revoked = revoked.answers::<Key>(200).refuses(&[422]);
    let rotated =
        doc("rotateKey", "Gives a key a new secret; the present one works on for a time.")
            .answers::<CreatedKey<'_>>(200)
            .refuses(&[409])
            .example(json!({ "overlap": "24h" }));
    let reported = doc("reportKey", "Revokes a key whose secret somebody else may have.");
    let reported = reported.answers::<Compromised>(200).refuses(&[422]);
    let released = doc("releaseKey", "Lets a key work again that the guard stopped.");
    let released = released.answers::<Key>(200).refuses(&[409, 422]);
    let listed = doc("listKeys", "Lists an account's keys, page by page.").answers::<Keys>(200);
    let shown = doc("getKey", "Shows a key, without its secret.").answers::<Key>(200);
    let one = get(show, shown).patch(change, changed).delete(revoke, revoked);
    Routes::new()
        .route(TAG, &keys(""), get(list, listed).post(create, created))
        .route(TAG, &keys("/{key}"), one)
        .route(TAG, &keys("/{key}/release"), post(release, released))
        .route(TAG, &keys("/{key}/rotate"), post(rotate, rotated))
        .route(TAG, &keys("/{key}/compromised"), post(compromised, reported))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    who: Who,
    AccountOf(account): AccountOf,
    Json(wanted): Json<KeyWanted>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let member = wanted.member()?;
    let (secret, new) = wanted.read(now_ms)?;
    check_power(&who, &scopes_after(KeySettings::default().scopes, &new.rest))?;
    let hash = new.hash;
    if auth::same(&hash, &operator.token) {
        return Err(Problem::conflict("`secret` is the admin token: a key must be another"));
    }
    if secret.starts_with(auth::ADMIN_TOKEN_PREFIX) {
        return Err(Problem::conflict("`secret` looks like an admin token: a key must be another"));
    }
    let accounts = operator.system.accounts.clone();
    // Two accounts must not be given one secret, each while the other is looked at.
    let [first, second, ..] = hash.0;
    let secrets = AccountId(u64::from(first) << 8 | u64::from(second));
    let _secret = operator.secrets.of(secrets).await;
    let creating = async move {
        if accounts.find_key(hash).await?.is_some() {
            return Err(Problem::conflict("a key with this secret exists already"));
        }
        let order = creation(&accounts.inspect(account).await?, member, new)?;
        Ok(accounts.order(account, order).await?)
    };
    let view = Operator::whole(creating).await?;
    let created = shown_once(&view, &secret, hash)?;
    tracing::info!(%account, key = created.key.id(), "key created");
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

/// What a key is good for after some changes.
fn scopes_after(before: Vec<KeyScope>, changes: &[KeyChange]) -> Vec<KeyScope> {
    let set = changes.iter().rev().find_map(|change| match change {
        KeyChange::Scopes(scopes) => Some(scopes.clone()),
        _ => None,
    });
    set.unwrap_or(before)
}

/// A key that manages its account is for those to give who may change the account themselves: or whoever
/// may make keys could make one that does the rest.
fn check_power(who: &Who, scopes: &[KeyScope]) -> Result<(), Problem> {
    let manages = |scope: &KeyScope| match scope {
        KeyScope::KeyManagement | KeyScope::AccountManagement => true,
        KeyScope::Inference | KeyScope::UsageRead => false,
    };
    let needs = Permission::Settings;
    if !scopes.iter().any(manages) || needs.is_of(who.role) {
        return Ok(());
    }
    Err(Problem::forbidden(format!(
        "a key with `key_management` or `account_management` needs the permission `{}`, which these \
         roles have: {}",
        needs.name(),
        needs.roles()
    )))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Asked(page): Asked<KeysPage>,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.system.accounts.inspect(account).await?;
    Ok(Answer(Keys::page(&view, |_| true, &page)?))
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
    who: Who,
    KeyOf(account, key): KeyOf,
    Json(change): Json<KeyUpdate>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?;
        let before = find(&before, key)?;
        let changes = change.over(before, now_ms)?;
        check_power(&who, &before.settings.scopes)?;
        check_power(&who, &scopes_after(before.settings.scopes.clone(), &changes))?;
        Ok(accounts.order(account, Order::ChangeKey { key, changes }).await?)
    };
    let view = Operator::whole(changing).await?;
    tracing::info!(%account, %key, "key changed");
    Ok(Answer(Key::of(find(&view, key)?)).into_response())
}

pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    who: Who,
    KeyOf(account, key): KeyOf,
    Json(rotation): Json<Rotation>,
) -> Result<impl IntoResponse, Problem> {
    let overlap = rotation.overlap()?;
    let secret = new_secret()?;
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    let order = Order::RotateKey { key, hash, hint, overlap };
    let accounts = operator.system.accounts.clone();
    let rotating = async move {
        let view = accounts.inspect(account).await?;
        // Whoever has the new secret can do what the key can.
        check_power(&who, &find(&view, key)?.settings.scopes)?;
        Ok(accounts.order(account, order).await?)
    };
    let view = Operator::whole(rotating).await?;
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
    let view = Operator::whole(revoking).await?;
    tracing::info!(%account, %key, reason, "key revoked");
    Ok(view)
}
