//! The account's keys, and the key that asks itself.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use infergate_actors::account::{AccountView, Order, Permission};
use infergate_actors::id::KeyId;
use serde_json::json;

use super::bounds::Reach;
use super::principal::{KeyOf, Principal};
use super::{Owners, version};
use crate::api::{
    Asked, Compromised, CreatedKey, Json, Key, KeyUpdate, KeyWanted, Keys, KeysPage, Problem,
    Rotation, Why, creation, find, new_secret, shown_once,
};
use crate::auth;
use crate::openapi::{Routes, doc, get, post};

const REASON_DEFAULT: &str = "revoked by its owner";

const TAG: &str = "Keys";

/// What is served of keys.
pub(super) fn routes() -> Routes<Arc<Owners>> {
    let of = |id, summary| doc(id, summary).answers::<Key>(200).refuses(&[409, 422]);
    let listed = doc("listKeys", "Lists the account's keys, page by page.").answers::<Keys>(200);
    let created = doc("createKey", "Creates a key; its secret is shown once.")
        .answers::<CreatedKey<'_>>(201)
        .refuses(&[404, 409])
        .example(json!({ "name": "laptop", "budgets": { "month_usd": "20" } }));
    let shown = doc("getKey", "Shows a key, without its secret.").answers::<Key>(200);
    let changed = of("updateKey", "Changes what is named of a key; `null` removes a limit.")
        .example(json!({ "limits": { "requests_per_minute": 60 } }));
    let revoked = of("revokeKey", "Revokes a key, from the next request on.");
    let rotated =
        doc("rotateKey", "Gives a key a new secret; the present one works on for a time.")
            .answers::<CreatedKey<'_>>(200)
            .refuses(&[409])
            .example(json!({ "overlap": "24h" }));
    let of_reported =
        |id, summary| doc(id, summary).answers::<Compromised>(200).refuses(&[409, 422]);
    let says = "Revokes a key whose secret somebody else may have, and tells of its recent use.";
    let reported = of_reported("reportKey", says);
    let own_shown = doc("getOwnKey", "Shows the key that this is asked with.");
    let own_shown = own_shown.answers::<Key>(200);
    let own_revoked = of("revokeOwnKey", "Revokes the key that this is asked with.");
    let says = "Revokes the key that this is asked with, as one that somebody else may have.";
    let own_reported = of_reported("reportOwnKey", says);
    let one = get(show, shown).patch(change, changed).delete(revoke, revoked);
    Routes::new()
        .route(TAG, "/api/v1/key", get(own, own_shown).delete(revoke_own, own_revoked))
        .route(TAG, "/api/v1/key/compromised", post(own_compromised, own_reported))
        .route(TAG, "/api/v1/keys", get(list, listed).post(create, created))
        .route(TAG, "/api/v1/keys/{key}", one)
        .route(TAG, "/api/v1/keys/{key}/rotate", post(rotate, rotated))
        .route(TAG, "/api/v1/keys/{key}/compromised", post(compromised, reported))
}

pub(super) async fn list(
    principal: Principal,
    Asked(page): Asked<KeysPage>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadKeys)?;
    Ok(Answer(Keys::page(&principal.account, |key| principal.sees(key), &page)?))
}

pub(super) async fn show(
    principal: Principal,
    KeyOf(key): KeyOf,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadKeys)?;
    Ok(Answer(Key::of(principal.find_key(key)?)))
}

pub(super) async fn create(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Json(wanted): Json<KeyWanted>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageKeys)?;
    principal.may_give_keys()?;
    wanted.has_no_secret()?;
    // It is theirs who made the key that makes it, unless somebody else is named.
    let member = wanted.member()?.or(principal.member);
    if let Some(member) = member {
        principal.may_give(member)?;
    }
    let (secret, new) = wanted.read(owners.world.clock.now().wall_ms)?;
    principal.bounds(member, &Reach::of_new(&new))?;
    let hash = new.hash;
    let order = creation(&principal.account, member, new)?;
    let view = owners.world.accounts.order(principal.id(), order).await?;
    let created = shown_once(&view, &secret, hash)?;
    let (account, by) = (principal.id(), principal.by().name);
    tracing::info!(%account, key = created.key.id(), by, "key created");
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

pub(super) async fn change(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    KeyOf(key): KeyOf,
    Json(update): Json<KeyUpdate>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageKeys)?;
    let (account, by) = (principal.id(), principal.by().name);
    let now_ms = owners.world.clock.now().wall_ms;
    let before = principal.find_key(key)?;
    let changes = update.over(before, now_ms)?;
    let after = Reach::of(before).after(&changes);
    // A name and tags are no power. Also what makes a key less takes what having it takes: it could be
    // made as little as theirs, then rotated, and would be whole again when somebody mends it.
    if after != Reach::of(before) {
        principal.may_have(before)?;
        principal.bounds(before.member, &after)?;
    }
    let view = owners.world.accounts.order(account, Order::ChangeKey { key, changes }).await?;
    tracing::info!(%account, %key, by, "key changed");
    Ok(Answer(Key::of(find(&view, key)?)))
}

pub(super) async fn rotate(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    KeyOf(key): KeyOf,
    Json(rotation): Json<Rotation>,
) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ManageKeys)?;
    let overlap = rotation.overlap()?;
    let secret = new_secret()?;
    let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
    let (account, by) = (principal.id(), principal.by().name);
    // Whoever rotates a key has it then.
    principal.may_have(principal.find_key(key)?)?;
    let order = Order::RotateKey { key, hash, hint, overlap };
    let view = owners.world.accounts.order(account, order).await?;
    tracing::info!(%account, %key, by, "key rotated");
    Ok(Answer(shown_once(&view, &secret, hash)?).into_response())
}

/// Any key that they see, also one that may more: nobody gains by that.
pub(super) async fn revoke(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    KeyOf(key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    principal.may_revoke()?;
    principal.find_key(key)?;
    let view = revoke_for(&owners, &principal, key, why.or(REASON_DEFAULT)?).await?;
    Ok(Answer(Key::of(find(&view, key)?)))
}

/// Somebody else may have the secret: it works for nobody any more.
pub(super) async fn compromised(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    KeyOf(key): KeyOf,
    headers: HeaderMap,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    principal.may_revoke()?;
    principal.find_key(key)?;
    let reason = why.of_compromised()?;
    let view = revoke_in_turn(&owners, &principal, key, headers, reason).await?;
    let told = Compromised::of(&owners.world, find(&view, key)?, principal.id()).await;
    Ok(version::of_key(&view, key, Answer(told)))
}

pub(super) async fn own(principal: Principal) -> Result<impl IntoResponse, Problem> {
    principal.may(Permission::ReadAccount)?;
    Ok(Answer(Key::of(&principal.key)))
}

/// Whatever a key is good for, whoever has it may see to it that it is good for nothing.
pub(super) async fn revoke_own(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let key = principal.key.key.id;
    let view = revoke_for(&owners, &principal, key, why.or(REASON_DEFAULT)?).await?;
    Ok(Answer(Key::of(find(&view, key)?)))
}

/// Whoever found a secret may shut its key, and is not told from where its owner uses it, unless the key
/// itself could have asked.
pub(super) async fn own_compromised(
    State(owners): State<Arc<Owners>>,
    principal: Principal,
    headers: HeaderMap,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let key = principal.key.key.id;
    let reason = why.of_compromised()?;
    let view = revoke_in_turn(&owners, &principal, key, headers, reason).await?;
    let shut = find(&view, key)?;
    let may_see = principal.may(Permission::ReadUsage).or_else(|_| principal.may_revoke());
    let told = if may_see.is_ok() {
        Compromised::of(&owners.world, shut, principal.id()).await
    } else {
        Compromised::unseen(shut)
    };
    Ok(version::of_key(&view, key, Answer(told)))
}

async fn revoke_for(
    owners: &Owners,
    principal: &Principal,
    key: KeyId,
    reason: String,
) -> Result<AccountView, Problem> {
    let (account, by) = (principal.id(), principal.by().name);
    tracing::info!(%account, %key, by, reason, "key revoked");
    Ok(owners.world.accounts.order(account, Order::RevokeKey { key, reason }).await?)
}

/// The same for what is in no turn yet, of the versions that the headers ask for.
async fn revoke_in_turn(
    owners: &Owners,
    principal: &Principal,
    key: KeyId,
    headers: HeaderMap,
    reason: String,
) -> Result<AccountView, Problem> {
    let (account, by) = (principal.id(), principal.by().name);
    let accounts = owners.world.accounts.clone();
    let revoking = async move {
        version::check_key(&headers, &accounts.inspect(account).await?, key)?;
        tracing::info!(%account, %key, by, reason, "key revoked");
        Ok(accounts.order(account, Order::RevokeKey { key, reason }).await?)
    };
    Problem::unless_broken(owners.world.turns.take(account, Box::pin(revoking)).await)
}
