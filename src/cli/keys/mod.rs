//! `infergate keys`: keys of a running gateway, over its admin API.

mod args;

use std::collections::BTreeMap;
use std::io;

use http::Method;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use args::Keys;
use args::{KeyPlace, KeyUpdate, NewKey, Time};

use super::bounds::{Budget, OrNone, budgets, spent};
use super::call::{Error, ask, date, escaped, from_now_ms, told};
use super::{Console, Exit, Gateway, Screen};

/// What is read of an account.
#[derive(Deserialize)]
struct Account {
    keys: Vec<Key>,
}

/// A key as the gateway shows it; the secret only when it was just created.
#[derive(Deserialize, Serialize)]
struct Key {
    id: String,
    name: String,
    hint: String,
    models: Vec<String>,
    created_at_ms: u64,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
    limits: Value,
    budgets: BTreeMap<String, Budget>,
    tags: Vec<String>,
    scopes: Vec<String>,
    allowed_ips: Vec<String>,
    allowed_referrers: Vec<String>,
    project: Option<String>,
    restricted: Option<Value>,
    former_secrets: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Of one that was reported: from where it was used lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recent_use: Option<RecentUse>,
}

#[derive(Deserialize, Serialize)]
struct RecentUse {
    from_ms: u64,
    addresses: Vec<Seen>,
    other_requests: u64,
}

#[derive(Deserialize, Serialize)]
struct Seen {
    address: String,
    requests: u64,
    first_seen_ms: u64,
    last_seen_ms: u64,
    charged_usd: String,
}

pub(super) async fn run(command: Keys, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Keys::Create(new) => create(&new, console).await,
        Keys::List { gateway, account } => list(&gateway, account, console).await,
        Keys::Update(wanted) => update(&wanted, console).await,
        Keys::Rotate { at, overlap } => rotate(&at, &overlap, console).await,
        Keys::Revoke { at, reason } => {
            revoke(&at, Method::DELETE, "", reason.as_deref(), console).await
        }
        Keys::Compromised { at, reason } => {
            revoke(&at, Method::POST, "/compromised", reason.as_deref(), console).await
        }
        Keys::Release { at, reason } => release(&at, reason.as_deref(), console).await,
    };
    told(done, console)
}

async fn create(new: &NewKey, console: &mut Console<'_>) -> Result<(), Error> {
    let body = json!({
        "name": new.name,
        "models": new.models,
        "expires_at_ms": new.expires_after.map(from_now_ms),
        "limits": new.limits.json(),
        "budgets": budgets(&new.budgets),
        "tags": new.tags,
        "scopes": new.scopes,
        "allowed_ips": new.allowed_ips,
        "member": new.member.map(|member| member.to_string()),
        "project": new.project,
        "allowed_referrers": new.allowed_referrers,
    });
    let path = format!("/admin/v1/accounts/{}/keys", new.account);
    let created = ask(&new.gateway, Method::POST, &path, Some(&body), console).await?;
    tell_secret(&new.gateway, new.account, &created, console)
}

/// The secret alone is the result, so that a script can take it as it is.
fn tell_secret(
    gateway: &Gateway,
    account: AccountId,
    answer: &[u8],
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let key: Key = serde_json::from_slice(answer)?;
    if gateway.json {
        console.out.json(&key)?;
        return Ok(());
    }
    let Key { id, name, .. } = &key;
    writeln!(console.err, "{id} of {account} (`{name}`); its secret is not shown again:")?;
    writeln!(console.out, "{}", key.secret.as_deref().unwrap_or_default())?;
    Ok(())
}

async fn update(wanted: &KeyUpdate, console: &mut Console<'_>) -> Result<(), Error> {
    let body = changes(wanted);
    let KeyPlace { gateway, account, .. } = &wanted.at;
    let path = wanted.at.path();
    let changed = ask(gateway, Method::PATCH, &path, Some(&body), console).await?;
    let key: Key = serde_json::from_slice(&changed)?;
    if gateway.json {
        console.out.json(&key)?;
    } else {
        writeln!(console.out, "{} of {account} (`{}`) is changed", key.id, key.name)?;
    }
    Ok(())
}

/// The fields that were named.
fn changes(wanted: &KeyUpdate) -> Value {
    let some = |is_some: bool, value: Value| is_some.then_some(value);
    let fields = [
        ("name", wanted.name.as_ref().map(|name| json!(name))),
        ("models", some(!wanted.models.is_empty(), json!(wanted.models))),
        (
            "expires_at_ms",
            wanted.expires_after.map(|OrNone(it)| json!(it.map(|Time(after)| from_now_ms(after)))),
        ),
        ("limits", wanted.limits.json()),
        ("budgets", some(!wanted.budgets.is_empty(), budgets(&wanted.budgets))),
        ("tags", some(wanted.no_tags || !wanted.tags.is_empty(), json!(wanted.tags))),
        ("scopes", some(!wanted.scopes.is_empty(), json!(wanted.scopes))),
        (
            "allowed_ips",
            some(wanted.any_ip || !wanted.allowed_ips.is_empty(), json!(wanted.allowed_ips)),
        ),
        ("project", wanted.project.map(|OrNone(project)| json!(project))),
        (
            "allowed_referrers",
            some(
                wanted.any_referrer || !wanted.allowed_referrers.is_empty(),
                json!(wanted.allowed_referrers),
            ),
        ),
    ];
    let named = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
    Value::Object(fields.into_iter().filter_map(named).collect())
}

async fn rotate(at: &KeyPlace, overlap: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("{}/rotate", at.path());
    let body = json!({ "overlap": overlap });
    let rotated = ask(&at.gateway, Method::POST, &path, Some(&body), console).await?;
    tell_secret(&at.gateway, at.account, &rotated, console)
}

async fn list(
    gateway: &Gateway,
    account: AccountId,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("/admin/v1/accounts/{account}");
    let shown = ask(gateway, Method::GET, &path, None, console).await?;
    let account: Account = serde_json::from_slice(&shown)?;
    if gateway.json {
        console.out.json(&account.keys)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(
        out,
        "{:<8} {:<8} {:<9} {:<34} {:<20} {:<24} MODELS",
        "KEY", "PROJECT", "ENDS IN", "STATE", "NAME", "SPENT OF"
    )?;
    let now_ms = Clock::real().now().wall_ms;
    for key in account.keys {
        let models = if key.models.is_empty() { "all".to_owned() } else { key.models.join(", ") };
        let (state, hint) = (key.state(now_ms), format!("…{}", key.hint));
        let spent = spent(&key.budgets);
        let project = key.project.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{:<8} {project:<8} {hint:<9} {state:<34} {:<20} {spent:<24} {models}",
            key.id, key.name
        )?;
    }
    Ok(())
}

async fn revoke(
    at: &KeyPlace,
    method: Method,
    rest: &str,
    reason: Option<&str>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    told_why(at, (method, rest), reason, "does not work any more", console).await
}

async fn release(
    at: &KeyPlace,
    reason: Option<&str>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    told_why(at, (Method::POST, "/release"), reason, "is not restricted", console).await
}

/// Does something to a key that may have a reason, and says what is so then.
async fn told_why(
    at: &KeyPlace,
    (method, rest): (Method, &str),
    reason: Option<&str>,
    then: &str,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let KeyPlace { gateway, account, .. } = at;
    let mut path = at.path() + rest;
    if let Some(reason) = reason {
        path.push_str("?reason=");
        path.push_str(&escaped(reason));
    }
    let changed = ask(gateway, method, &path, None, console).await?;
    let key: Key = serde_json::from_slice(&changed)?;
    if gateway.json {
        console.out.json(&key)?;
    } else {
        writeln!(console.out, "{} of {account} {then}", key.id)?;
        if let Some(used) = &key.recent_use {
            used.write(&mut console.out)?;
        }
    }
    Ok(())
}

impl RecentUse {
    fn write(&self, out: &mut Screen<'_>) -> io::Result<()> {
        let Self { from_ms, addresses, other_requests } = self;
        writeln!(out, "used since {} from:", date(*from_ms))?;
        for Seen { address, requests, first_seen_ms, last_seen_ms, charged_usd } in addresses {
            let (first, last) = (date(*first_seen_ms), date(*last_seen_ms));
            writeln!(
                out,
                "  {address:<40} {requests:>8} requests, {charged_usd} USD, {first} to {last}"
            )?;
        }
        if *other_requests > 0 {
            writeln!(out, "  {other_requests} more from elsewhere")?;
        }
        Ok(())
    }
}

impl KeyPlace {
    fn path(&self) -> String {
        format!("/admin/v1/accounts/{}/keys/{}", self.account, self.key)
    }
}

impl Key {
    fn state(&self, now_ms: u64) -> String {
        match (self.revoked_at_ms, self.expires_at_ms) {
            (Some(at_ms), _) => format!("revoked {}", date(at_ms)),
            (None, Some(at_ms)) if at_ms <= now_ms => format!("expired {}", date(at_ms)),
            (None, Some(at_ms)) => format!("until {}", date(at_ms)),
            (None, None) if self.restricted.is_some() => "restricted".to_owned(),
            (None, None) => "works".to_owned(),
        }
    }
}
