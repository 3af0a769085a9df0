//! Keys: created and rotated, with their secret shown once, changed and revoked.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{
    AccountView, KeyChange, KeyScope, KeyView, Limits, Network, NewKey, Order,
};
use infergate_actors::id::{AccountId, KeyHash, KeyId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::change::{BudgetsChange, LimitsChange, Setting};
use super::request::{AccountOf, Asked, Json, KeyOf, text};
use super::view::{CreatedKey, Key};
use super::{Operator, Problem};
use crate::openapi::{Routes, doc, patch, pattern, post};
use crate::{auth, config};

/// More patterns than models anybody offers.
const MODELS_MAX: usize = 1_000;
const TAGS_MAX: usize = 100;
const ALLOWED_IPS_MAX: usize = 100;
/// Longer than anybody needs to bring a new secret to where it is used.
const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);
const REASON_DEFAULT: &str = "revoked by the operator";
const REASON_COMPROMISED: &str = "reported as compromised";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
pub(super) struct KeyWanted {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    /// Names of models, `*` for anything; empty for all.
    #[serde(default)]
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Vec<String>,
    expires_at_ms: Option<u64>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    budgets: BudgetsChange,
    #[serde(default)]
    #[schemars(length(max = TAGS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    tags: Vec<String>,
    #[schemars(length(min = 1))]
    scopes: Option<Vec<KeyScope>>,
    #[serde(default)]
    #[schemars(length(max = ALLOWED_IPS_MAX))]
    allowed_ips: Vec<Network>,
    /// One that is known elsewhere already; otherwise one is made.
    #[schemars(length(min = 16, max = 512), regex(pattern = "^[!-~]*$"))]
    secret: Option<String>,
}

/// A change: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyChanges")]
pub(super) struct Change {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: Option<String>,
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Option<Vec<String>>,
    #[serde(default)]
    expires_at_ms: Setting<u64>,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    budgets: BudgetsChange,
    #[schemars(length(max = TAGS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    tags: Option<Vec<String>>,
    #[schemars(length(min = 1))]
    scopes: Option<Vec<KeyScope>>,
    #[schemars(length(max = ALLOWED_IPS_MAX))]
    allowed_ips: Option<Vec<Network>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present secret works beside the new one.
    #[schemars(regex(pattern = "^(0s|[1-9][0-9]{0,2}[smh]|[1-9]d|[1-8][0-9]d|90d)$"))]
    overlap: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevocationReason")]
pub(super) struct Why {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: Option<String>,
}

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
    let reported = reported.answers::<Key>(200).refuses(&[422]);
    Routes::new()
        .route(TAG, &keys(""), post(create, created))
        .route(TAG, &keys("/{key}"), patch(change, changed).delete(revoke, revoked))
        .route(TAG, &keys("/{key}/rotate"), post(rotate, rotated))
        .route(TAG, &keys("/{key}/compromised"), post(compromised, reported))
}

pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    AccountOf(account): AccountOf,
    Json(wanted): Json<KeyWanted>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let (secret, new) = wanted.read(now_ms)?;
    let hash = new.hash;
    if auth::same(&hash, &operator.token) {
        return Err(Problem::conflict("`secret` is the admin token: a key must be another"));
    }
    let accounts = operator.system.accounts.clone();
    let creating = async move {
        // A secret is one account's: whose key it is must not depend on who came last.
        if accounts.find_key(hash).await?.is_some() {
            return Err(Problem::conflict("a key with this secret exists already"));
        }
        Ok(accounts.order(account, Order::CreateKey(new)).await?)
    };
    let view = operator.in_turn(creating).await?;
    let created = shown_once(&view, &secret, hash)?;
    tracing::info!(%account, key = created.key.id(), "key created");
    Ok((StatusCode::CREATED, Answer(created)).into_response())
}

pub(super) async fn change(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Json(change): Json<Change>,
) -> Result<impl IntoResponse, Problem> {
    let now_ms = operator.world.clock.now().wall_ms;
    let accounts = operator.system.accounts.clone();
    let changing = async move {
        let before = accounts.inspect(account).await?;
        let changes = change.over(find(&before, key)?, now_ms)?;
        Ok(accounts.order(account, Order::ChangeKey { key, changes }).await?)
    };
    let view = operator.in_turn(changing).await?;
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
    let view = operator.in_turn(rotating).await?;
    tracing::info!(%account, %key, "key rotated");
    Ok(Answer(shown_once(&view, &secret, hash)?).into_response())
}

pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let reason = why.checked()?.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    revoke_for(&operator, account, key, reason).await
}

/// Somebody else may have the secret: it works for nobody any more.
pub(super) async fn compromised(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let said = why.checked()?;
    let reason = said.map(|reason| format!("{REASON_COMPROMISED}: {reason}"));
    let reason = reason.unwrap_or_else(|| REASON_COMPROMISED.to_owned());
    revoke_for(&operator, account, key, reason).await
}

async fn revoke_for(
    operator: &Operator,
    account: AccountId,
    key: KeyId,
    reason: String,
) -> Result<impl IntoResponse + use<>, Problem> {
    let order = Order::RevokeKey { key, reason: reason.clone() };
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %key, reason, "key revoked");
    Ok(Answer(Key::of(find(&view, key)?)).into_response())
}

fn find(view: &AccountView, key: KeyId) -> Result<&KeyView, Problem> {
    let found = view.keys.iter().find(|known| known.key.id == key);
    found.ok_or_else(|| Problem::not_found("the key is unknown"))
}

/// The key that has this secret since the order that `view` is of.
fn shown_once<'s>(
    view: &AccountView,
    secret: &'s str,
    hash: KeyHash,
) -> Result<CreatedKey<'s>, Problem> {
    let key = view.keys.iter().find(|key| key.key.hash == hash);
    let key = key.ok_or_else(|| Problem::unavailable("the new secret is not in its account"))?;
    Ok(CreatedKey { account: view.id.to_string(), secret, key: Key::of(key) })
}

fn new_secret() -> Result<String, Problem> {
    let broken =
        |error: auth::NoEntropy| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    auth::new_key().map_err(broken)
}

impl KeyWanted {
    /// The secret, and the key without it.
    fn read(self, now_ms: u64) -> Result<(String, NewKey), Problem> {
        let Self { name, models, expires_at_ms, limits, secret, .. } = self;
        text("name", &name)?;
        check_models(&models)?;
        check_expiry(expires_at_ms, now_ms)?;
        let mut rest = Vec::new();
        let budgets = self.budgets.over(&[])?;
        if !budgets.is_empty() {
            rest.push(KeyChange::Budgets(budgets));
        }
        if !self.tags.is_empty() {
            rest.push(KeyChange::Tags(checked_tags(self.tags)?));
        }
        if let Some(scopes) = self.scopes {
            rest.push(KeyChange::Scopes(checked_scopes(scopes)?));
        }
        if !self.allowed_ips.is_empty() {
            rest.push(KeyChange::AllowedIps(checked_ips(self.allowed_ips)?));
        }
        let secret = match secret {
            Some(secret) => {
                let bad = |error| Problem::invalid(format!("`secret`: {error}"));
                auth::check_secret(&secret).map_err(bad)?;
                secret
            }
            None => new_secret()?,
        };
        let (hash, hint) = (auth::hash(&secret), auth::hint(&secret));
        Ok((secret, NewKey { hash, hint, name, models, expires_at_ms, limits, rest }))
    }
}

impl Change {
    /// What there is to change of a key that is so.
    fn over(self, before: &KeyView, now_ms: u64) -> Result<Vec<KeyChange>, Problem> {
        let mut changes = vec![
            KeyChange::Limits(self.limits.over(before.key.limits)),
            KeyChange::Budgets(self.budgets.over(&before.settings.budgets)?),
        ];
        if let Some(name) = self.name {
            text("name", &name)?;
            changes.push(KeyChange::Name(name));
        }
        if let Some(models) = self.models {
            check_models(&models)?;
            changes.push(KeyChange::Models(models));
        }
        if let Setting::Set(at_ms) = self.expires_at_ms {
            check_expiry(at_ms, now_ms)?;
            changes.push(KeyChange::ExpiresAtMs(at_ms));
        }
        if let Some(tags) = self.tags {
            changes.push(KeyChange::Tags(checked_tags(tags)?));
        }
        if let Some(scopes) = self.scopes {
            changes.push(KeyChange::Scopes(checked_scopes(scopes)?));
        }
        if let Some(networks) = self.allowed_ips {
            changes.push(KeyChange::AllowedIps(checked_ips(networks)?));
        }
        Ok(changes)
    }
}

impl Why {
    /// The reason, if one was said.
    fn checked(self) -> Result<Option<String>, Problem> {
        self.reason.as_deref().map_or(Ok(()), |reason| text("reason", reason))?;
        Ok(self.reason)
    }
}

impl Rotation {
    fn overlap(&self) -> Result<Duration, Problem> {
        let overlap = config::duration(&self.overlap).filter(|overlap| *overlap <= OVERLAP_MAX);
        overlap.ok_or_else(|| {
            Problem::invalid("`overlap` must be a time such as `0s`, `12h` or `7d`, at most `90d`")
        })
    }
}

fn check_models(models: &[String]) -> Result<(), Problem> {
    if models.len() > MODELS_MAX {
        return Err(Problem::invalid(format!("`models` has more than {MODELS_MAX}")));
    }
    models.iter().try_for_each(|model| text("models", model))
}

fn check_expiry(expires_at_ms: Option<u64>, now_ms: u64) -> Result<(), Problem> {
    if expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return Err(Problem::invalid("`expires_at_ms` is in the past"));
    }
    Ok(())
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, Problem> {
    if tags.len() > TAGS_MAX {
        return Err(Problem::invalid(format!("`tags` has more than {TAGS_MAX}")));
    }
    tags.iter().try_for_each(|tag| text("tags", tag))?;
    Ok(tags)
}

fn checked_scopes(mut scopes: Vec<KeyScope>) -> Result<Vec<KeyScope>, Problem> {
    if scopes.is_empty() {
        return Err(Problem::invalid("`scopes` is empty: revoke a key that is good for nothing"));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

fn checked_ips(networks: Vec<Network>) -> Result<Vec<Network>, Problem> {
    if networks.len() > ALLOWED_IPS_MAX {
        return Err(Problem::invalid(format!("`allowed_ips` has more than {ALLOWED_IPS_MAX}")));
    }
    Ok(networks)
}
