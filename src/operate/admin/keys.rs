//! Keys: created and rotated, with their secret shown once, changed and revoked.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::account::{
    AccountView, KeyChange, KeyScope, KeyView, Limits, Network, NewKey, Order, is_referrer,
};
use infergate_actors::id::{AccountId, KeyHash, KeyId, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accounts::page_limit;
use super::change::{BudgetsChange, LimitsChange, Setting};
use super::request::{AccountOf, Asked, Json, KeyOf, id, text};
use super::view::{CreatedKey, Key};
use super::who::Who;
use super::{Operator, Problem};
use crate::usage::{RecentUse, calendar, recent_use};
use crate::{auth, config};

/// More patterns than models anybody offers.
const MODELS_MAX: usize = 1_000;
const KEYS_MAX: usize = 1_000;
const KEYS_DEFAULT: usize = 100;
const TAGS_MAX: usize = 100;
const ALLOWED_IPS_MAX: usize = 100;
const REFERRERS_MAX: usize = 100;
/// Longer than anybody needs to bring a new secret to where it is used.
const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);
/// How far back the use of a key that somebody else may have is told: a week.
const RECENT_MS: u64 = 7 * calendar::DAY_MS;
const REASON_DEFAULT: &str = "revoked by the operator";
const REASON_RELEASED: &str = "released by the operator";
const REASON_COMPROMISED: &str = "reported as compromised";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyWanted {
    name: String,
    #[serde(default)]
    models: Vec<String>,
    expires_at_ms: Option<u64>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    budgets: BudgetsChange,
    #[serde(default)]
    tags: Vec<String>,
    scopes: Option<Vec<KeyScope>>,
    #[serde(default)]
    allowed_ips: Vec<Network>,
    project: Option<ProjectId>,
    #[serde(default)]
    allowed_referrers: Vec<String>,
    /// One that is known elsewhere already; otherwise one is made.
    secret: Option<String>,
}

/// A change: what is not named stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    models: Option<Vec<String>>,
    #[serde(default)]
    expires_at_ms: Setting<u64>,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    budgets: BudgetsChange,
    tags: Option<Vec<String>>,
    scopes: Option<Vec<KeyScope>>,
    allowed_ips: Option<Vec<Network>>,
    #[serde(default)]
    project: Setting<ProjectId>,
    allowed_referrers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// How long the present secret works beside the new one.
    overlap: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysPage {
    after: Option<String>,
    limit: Option<usize>,
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
    let now_ms = operator.world.clock.now().wall_ms;
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
        Ok(accounts.order(account, Order::CreateKey(new)).await?)
    };
    let view = operator.in_turn(creating).await?;
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
    let reason = why.reason.as_deref().unwrap_or(REASON_DEFAULT);
    let view = revoke_for(&operator, account, key, reason).await?;
    Ok(Answer(Key::of(find(&view, key)?)).into_response())
}

/// Somebody else may have the secret: it works for nobody any more.
pub(super) async fn compromised(
    State(operator): State<Arc<Operator>>,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let reason = why.reason.map(|reason| format!("{REASON_COMPROMISED}: {reason}"));
    let reason = reason.as_deref().unwrap_or(REASON_COMPROMISED);
    let view = revoke_for(&operator, account, key, reason).await?;
    let world = &operator.world;
    let since_ms = world.clock.now().wall_ms.saturating_sub(RECENT_MS);
    let recent_use = recent_use(world, account, key, since_ms).await;
    // The key is shut in any case, which is what matters most.
    let recent_use = recent_use
        .inspect_err(|error| tracing::error!(%error, "the recent use of a key can't be read"))
        .ok();
    Ok(Answer(Compromised { key: Key::of(find(&view, key)?), recent_use }).into_response())
}

/// A key that is revoked, and from where it was used; null where that can't be read now.
#[derive(Serialize)]
struct Compromised {
    #[serde(flatten)]
    key: Key,
    recent_use: Option<RecentUse>,
}

/// What the guard took for somebody else's use is the key's own after all.
pub(super) async fn release(
    State(operator): State<Arc<Operator>>,
    who: Who,
    KeyOf(account, key): KeyOf,
    Asked(why): Asked<Why>,
) -> Result<impl IntoResponse, Problem> {
    let reason = why.reason.unwrap_or_else(|| REASON_RELEASED.to_owned());
    text("reason", &reason)?;
    let order = Order::ReleaseKey { key, by: who.name, reason };
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %key, "key released");
    Ok(Answer(Key::of(find(&view, key)?)))
}

async fn revoke_for(
    operator: &Operator,
    account: AccountId,
    key: KeyId,
    reason: &str,
) -> Result<AccountView, Problem> {
    text("reason", reason)?;
    let order = Order::RevokeKey { key, reason: reason.to_owned() };
    let view = operator.system.accounts.order(account, order).await?;
    tracing::info!(%account, %key, reason, "key revoked");
    Ok(view)
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
        if self.project.is_some() {
            rest.push(KeyChange::Project(self.project));
        }
        if !self.allowed_referrers.is_empty() {
            rest.push(KeyChange::Referrers(checked_referrers(self.allowed_referrers)?));
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
        if let Setting::Set(project) = self.project {
            changes.push(KeyChange::Project(project));
        }
        if let Some(referrers) = self.allowed_referrers {
            changes.push(KeyChange::Referrers(checked_referrers(referrers)?));
        }
        Ok(changes)
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

pub(super) fn check_models(models: &[String]) -> Result<(), Problem> {
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

fn checked_referrers(referrers: Vec<String>) -> Result<Vec<String>, Problem> {
    if referrers.len() > REFERRERS_MAX {
        return Err(Problem::invalid(format!("`allowed_referrers` has more than {REFERRERS_MAX}")));
    }
    for referrer in &referrers {
        text("allowed_referrers", referrer)?;
        if !is_referrer(referrer) {
            return Err(Problem::invalid(format!(
                "`allowed_referrers`: `{referrer}` is no origin such as `https://app.example.com` or \
                 `*.example.com`"
            )));
        }
    }
    Ok(referrers)
}
