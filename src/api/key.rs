//! Keys as they are asked for, changed and shown with a new secret.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use infergate_actors::account::{
    AccountView, KeyChange, KeyScope, KeyView, Limits, MemberStatus, Network, NewKey, Order,
    is_referrer,
};
use infergate_actors::id::{AccountId, KeyHash, KeyId, MemberId, ProjectId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{BudgetsChange, LimitsChange, Setting};
use super::{CreatedKey, Key, Problem, find_member, id, or_default, page_limit, text};
use crate::exchange::World;
use crate::openapi::pattern;
use crate::usage::{RecentUse, calendar, recent_use};
use crate::{auth, config};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
/// More patterns than models anybody offers.
pub(crate) const MODELS_MAX: usize = 1_000;
/// All lists of a key or project together. A thousand models of usual names fit.
const LISTS_BYTES_MAX: usize = 64 << 10;
const TAGS_MAX: usize = 100;
const ALLOWED_IPS_MAX: usize = 100;
const REFERRERS_MAX: usize = 100;
/// Longer than anybody needs to bring a new secret to where it is used.
const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);
/// How far back the use of a key that somebody else may have is told: a week.
const RECENT_MS: u64 = 7 * calendar::DAY_MS;
const REASON_COMPROMISED: &str = "reported as compromised";

/// A key that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
pub(crate) struct KeyWanted {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: String,
    /// Names of models, `*` for anything; empty for all.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>", length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Vec<String>,
    expires_at_ms: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Limits>")]
    limits: Limits,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BudgetsChange>")]
    budgets: BudgetsChange,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>", length(max = TAGS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    tags: Vec<String>,
    #[schemars(length(min = 1))]
    scopes: Option<Vec<KeyScope>>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<Network>>", length(max = ALLOWED_IPS_MAX))]
    allowed_ips: Vec<Network>,
    project: Option<ProjectId>,
    /// Origins of web pages, such as `https://app.example.com` or `*.example.com`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>", length(max = REFERRERS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    allowed_referrers: Vec<String>,
    /// Whose it is to be.
    member: Option<String>,
    /// One that is known elsewhere already; otherwise one is made.
    #[schemars(length(min = 16, max = 512), regex(pattern = "^[!-~]*$"))]
    secret: Option<String>,
}

/// A change of a key: what is not named stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyChanges")]
pub(crate) struct KeyUpdate {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    name: Option<String>,
    #[schemars(length(max = MODELS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    models: Option<Vec<String>>,
    #[serde(default)]
    expires_at_ms: Setting<u64>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<LimitsChange>")]
    limits: LimitsChange,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<BudgetsChange>")]
    budgets: BudgetsChange,
    #[schemars(length(max = TAGS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    tags: Option<Vec<String>>,
    #[schemars(length(min = 1))]
    scopes: Option<Vec<KeyScope>>,
    #[schemars(length(max = ALLOWED_IPS_MAX))]
    allowed_ips: Option<Vec<Network>>,
    #[serde(default)]
    project: Setting<ProjectId>,
    #[schemars(length(max = REFERRERS_MAX), inner(length(min = 1, max = 256), regex(pattern = pattern::TEXT)))]
    allowed_referrers: Option<Vec<String>>,
}

/// Which page of keys is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysPage {
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::KEY))]
    after: Option<String>,
    #[schemars(range(min = 1, max = PAGE_MAX))]
    limit: Option<usize>,
}

/// A page of keys.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// Another secret that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the present secret works beside the new one.
    #[schemars(regex(pattern = "^(0s|[1-9][0-9]{0,2}[smh]|[1-9]d|[1-8][0-9]d|90d)$"))]
    overlap: String,
}

/// Why a key is revoked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevocationReason")]
pub(crate) struct Why {
    #[schemars(length(min = 1, max = 256), regex(pattern = pattern::TEXT))]
    reason: Option<String>,
}

impl Keys {
    /// A page of those in `view` that whoever asks `sees`, in the order they were created.
    pub(crate) fn page(
        view: &AccountView,
        sees: impl Fn(&KeyView) -> bool,
        page: &KeysPage,
    ) -> Result<Self, Problem> {
        let limit = page_limit(page.limit, PAGE_DEFAULT, PAGE_MAX)?;
        let after: Option<KeyId> = page.after.as_deref().map(id).transpose()?;
        let is_asked = |key: &&KeyView| after.is_none_or(|after| key.key.id > after) && sees(key);
        let mut found: Vec<&KeyView> = view.keys.iter().filter(is_asked).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.key.id.to_string());
        Ok(Self { keys: found.into_iter().map(Key::of).collect(), next })
    }
}

/// A key that is revoked, and from where it was used; null where that can't be read now, or is not for
/// whoever asks.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Compromised {
    #[serde(flatten)]
    key: Key,
    recent_use: Option<RecentUse>,
}

impl Compromised {
    /// The key is shut in any case, which is what matters most.
    pub(crate) async fn of(world: &Arc<World>, key: &KeyView, account: AccountId) -> Self {
        let since_ms = world.clock.now().wall_ms.saturating_sub(RECENT_MS);
        let recent_use = recent_use(world, account, key.key.id, since_ms).await;
        let recent_use = recent_use
            .inspect_err(|error| tracing::error!(%error, "the recent use of a key can't be read"))
            .ok();
        Self { key: Key::of(key), recent_use }
    }

    /// The same for whoever may not see what was used.
    pub(crate) fn unseen(key: &KeyView) -> Self {
        Self { key: Key::of(key), recent_use: None }
    }
}

/// The key of this number.
pub(crate) fn find(view: &AccountView, key: KeyId) -> Result<&KeyView, Problem> {
    let found = view.keys.iter().find(|known| known.key.id == key);
    found.ok_or_else(|| Problem::not_found("the key is unknown"))
}

/// The key that has this secret since the order that `view` is of.
pub(crate) fn shown_once<'s>(
    view: &AccountView,
    secret: &'s str,
    hash: KeyHash,
) -> Result<CreatedKey<'s>, Problem> {
    let key = view.keys.iter().find(|key| key.key.hash == hash);
    let key = key.ok_or_else(|| Problem::unavailable("the new secret is not in its account"))?;
    Ok(CreatedKey { account: view.id.to_string(), secret, key: Key::of(key) })
}

/// What makes a key for one of the account's people, or for nobody in particular.
pub(crate) fn creation(
    view: &AccountView,
    member: Option<MemberId>,
    new: NewKey,
) -> Result<Order, Problem> {
    let Some(id) = member else { return Ok(Order::CreateKey(new)) };
    if find_member(view, id)?.status != MemberStatus::Active {
        return Err(Problem::conflict(format!("{id} is not active, and a key would do nothing")));
    }
    Ok(Order::CreateKeyFor(id, Box::new(new)))
}

/// A new key's secret.
pub(crate) fn new_secret() -> Result<String, Problem> {
    let broken =
        |error: auth::NoEntropy| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    auth::new_key().map_err(broken)
}

impl KeyWanted {
    /// Whose it is to be.
    pub(crate) fn member(&self) -> Result<Option<MemberId>, Problem> {
        self.member.as_deref().map(id).transpose()
    }

    /// Secrets from elsewhere are for operators to bring: whether one is known already would tell an
    /// owner that somebody has it.
    pub(crate) fn has_no_secret(&self) -> Result<(), Problem> {
        match self.secret {
            None => Ok(()),
            Some(_) => Err(Problem::invalid("`secret` is made here, and can't be brought")),
        }
    }

    /// The secret, and the key without it.
    pub(crate) fn read(self, now_ms: u64) -> Result<(String, NewKey), Problem> {
        let Self { name, models, expires_at_ms, limits, secret, .. } = self;
        text("name", &name)?;
        check_models(&models)?;
        check_expiry(expires_at_ms, now_ms)?;
        check_lists(&[&models, &self.tags, &self.allowed_referrers])?;
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

impl KeyUpdate {
    /// What there is to change of a key that is so.
    pub(crate) fn over(self, before: &KeyView, now_ms: u64) -> Result<Vec<KeyChange>, Problem> {
        // What is too long from before stays where it is not named.
        if [&self.models, &self.tags, &self.allowed_referrers].iter().any(|list| list.is_some()) {
            check_lists(&[
                self.models.as_ref().unwrap_or(&before.key.models),
                self.tags.as_ref().unwrap_or(&before.settings.tags),
                self.allowed_referrers.as_ref().unwrap_or(&before.referrers),
            ])?;
        }
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

impl Why {
    /// In the words of whoever asks, or in these.
    pub(crate) fn or(self, default: &str) -> Result<String, Problem> {
        let reason = self.reason.unwrap_or_else(|| default.to_owned());
        text("reason", &reason)?;
        Ok(reason)
    }

    /// The same of a key that somebody else may know.
    pub(crate) fn of_compromised(self) -> Result<String, Problem> {
        let Some(reason) = self.reason else { return Ok(REASON_COMPROMISED.to_owned()) };
        text("reason", &reason)?;
        Ok(format!("{REASON_COMPROMISED}: {reason}"))
    }
}

impl Rotation {
    pub(crate) fn overlap(&self) -> Result<Duration, Problem> {
        let overlap = config::duration(&self.overlap).filter(|overlap| *overlap <= OVERLAP_MAX);
        overlap.ok_or_else(|| {
            Problem::invalid("`overlap` must be a time such as `0s`, `12h` or `7d`, at most `90d`")
        })
    }
}

pub(crate) fn check_models(models: &[String]) -> Result<(), Problem> {
    if models.len() > MODELS_MAX {
        return Err(Problem::invalid(format!("`models` has more than {MODELS_MAX}")));
    }
    models.iter().try_for_each(|model| text("models", model))
}

/// The lists of a key or project: each event and each look carries all of them.
pub(crate) fn check_lists(lists: &[&[String]]) -> Result<(), Problem> {
    let bytes: usize = lists.iter().flat_map(|list| list.iter()).map(String::len).sum();
    if bytes > LISTS_BYTES_MAX {
        return Err(Problem::invalid(format!(
            "the lists of models, tags and referrers have {bytes} bytes together: at most \
             {LISTS_BYTES_MAX}"
        )));
    }
    Ok(())
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
