//! `infergate accounts`: accounts of a running gateway.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::AccountId;
use infergate_actors::money::NanoUsd;
use serde::Deserialize;
use serde_json::{Value, json};

use super::before::Lost;
use super::bounds::{BudgetWanted, Limits, LimitsChange, budgets};
use super::call::{Error, ask, ask_once, date, query, raw, told};
use super::expiry::Expiry;
use super::payments::{Refund, refund};
use super::set_plan::{SetPlan, set_plan};
use super::tokens::more;
use super::{Console, Exit, Gateway};

const ACCOUNTS: &str = "/admin/v1/accounts";

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// List them
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Go on behind this one
        #[arg(long, value_name = "ACCOUNT")]
        after: Option<AccountId>,
        /// How many, at most
        #[arg(long, value_name = "NUMBER", default_value = "100")]
        limit: u32,
    },
    /// Show one as it is now
    Show {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// Which
        account: AccountId,
    },
    /// Open one and print its id
    Create(NewAccount),
    /// Let it begin nothing more, and end what runs
    Suspend(Change),
    /// Let it begin only what is free
    Restrict(Change),
    /// Make it active again
    Reinstate(Change),
    /// Close it for good; its balance stays until it is refunded
    Close(Change),
    /// Give it credit, once per reference
    Grant(NewGrant),
    /// Pay back what is left of its credit, once per reference
    Refund(Refund),
    /// Change its limits and budgets; what is not said stays
    Update(Update),
    /// Put it on a plan, and let it differ from it; what is not said stays
    SetPlan(Box<SetPlan>),
}

/// An account to be opened.
#[derive(Debug, Args)]
pub struct NewAccount {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// A name for people
    #[arg(long)]
    name: String,
    /// How much.
    #[command(flatten)]
    limits: Limits,
    /// Open it once, however often this is called with the same key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Other limits and budgets.
#[derive(Debug, Args)]
pub struct Update {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Which
    account: AccountId,
    /// How much.
    #[command(flatten)]
    limits: LimitsChange,
    /// What all its keys may spend, such as `month=100`, or `month=none`; may be repeated
    #[arg(long = "budget", value_name = "PERIOD=USD")]
    budgets: Vec<BudgetWanted>,
}

/// A change of status.
#[derive(Debug, Args)]
pub struct Change {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Which
    account: AccountId,
    /// Why, for operators
    #[arg(long)]
    reason: String,
    /// Why, in a word that the account's owner may know, such as `payment` or `abuse`
    #[arg(long, value_name = "WORD")]
    class: Option<String>,
}

/// Credit to be given.
#[derive(Debug, Args)]
pub struct NewGrant {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Who gets it
    account: AccountId,
    /// How much, in USD
    #[arg(long, value_name = "USD")]
    amount: NanoUsd,
    /// Of which kind: `trial`, `paid`, `subscription`, `promotional`, `adjustment`, `compensation`
    #[arg(long)]
    kind: String,
    /// What it is known by: a second grant with the same is refused
    #[arg(long)]
    reference: String,
    /// Until when it lasts.
    #[command(flatten)]
    expiry: Expiry,
    /// Give it once, however often this is called with the same key
    #[arg(long, value_name = "KEY", conflicts_with = "expires_after")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    accounts: Vec<Line>,
    next: Option<String>,
}

/// An account in a list; one that can't be loaded has no more than its id and status.
#[derive(Deserialize)]
struct Line {
    id: String,
    status: String,
    name: Option<String>,
    balance_usd: Option<String>,
    opened_at_ms: Option<u64>,
}

/// An account as the gateway shows it.
#[derive(Deserialize)]
struct Account {
    id: String,
    name: String,
    status: String,
    status_set: Option<StatusSet>,
    opened_at_ms: u64,
    balance_usd: String,
    held_usd: String,
    available_usd: String,
    settled_usd: String,
    grants: Vec<Value>,
    keys: Vec<Value>,
    holds: Vec<Value>,
}

#[derive(Deserialize)]
struct StatusSet {
    by: String,
    class: String,
    reason: String,
    at_ms: u64,
}

pub(super) async fn run(command: Accounts, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Accounts::List { gateway, after, limit } => list(&gateway, after, limit, console).await,
        Accounts::Show { gateway, account } => show(&gateway, account, console).await,
        Accounts::Create(new) => create(&new, console).await,
        Accounts::Suspend(change) => set_status(&change, "suspend", console).await,
        Accounts::Restrict(change) => set_status(&change, "restrict", console).await,
        Accounts::Reinstate(change) => set_status(&change, "reinstate", console).await,
        Accounts::Close(change) => set_status(&change, "close", console).await,
        Accounts::Grant(new) => grant(&new, console).await,
        Accounts::Refund(new) => refund(&new, console).await,
        Accounts::Update(wanted) => update(&wanted, console).await,
        Accounts::SetPlan(wanted) => set_plan(&wanted, console).await,
    };
    told(done, console)
}

async fn list(
    gateway: &Gateway,
    after: Option<AccountId>,
    limit: u32,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let (after, limit) = (after.map(|after| after.to_string()), limit.to_string());
    let path = query(ACCOUNTS, &[("after", after.as_deref()), ("limit", Some(&limit))]);
    let answer = ask(gateway, Method::GET, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let page: Page = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(
        out,
        "{:<22} {:<12} {:>16} {:<24} NAME",
        "ACCOUNT", "STATUS", "BALANCE USD", "OPENED"
    )?;
    for Line { id, status, name, balance_usd, opened_at_ms } in page.accounts {
        let (balance, name) = (balance_usd.unwrap_or_default(), name.unwrap_or_default());
        let opened = opened_at_ms.map(date).unwrap_or_default();
        writeln!(out, "{id:<22} {status:<12} {balance:>16} {opened:<24} {name}")?;
    }
    more(page.next.as_deref(), console)
}

async fn show(
    gateway: &Gateway,
    account: AccountId,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("{ACCOUNTS}/{account}");
    let answer = ask(gateway, Method::GET, &path, None, console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let shown: Account = serde_json::from_slice(&answer)?;
    let status = match &shown.status_set {
        Some(StatusSet { by, class, reason, at_ms }) => {
            format!("{} since {} by {by} ({class}: {reason})", shown.status, date(*at_ms))
        }
        None => shown.status.clone(),
    };
    for (name, value) in [
        ("account", shown.id),
        ("name", shown.name),
        ("status", status),
        ("opened", date(shown.opened_at_ms)),
        ("balance", shown.balance_usd),
        ("held", shown.held_usd),
        ("available", shown.available_usd),
        ("charged", shown.settled_usd),
        ("credit lots", shown.grants.len().to_string()),
        ("keys", shown.keys.len().to_string()),
        ("in flight", shown.holds.len().to_string()),
    ] {
        writeln!(console.out, "{name:<12} {value}")?;
    }
    Ok(())
}

/// The id alone is the result, so that a script can take it as it is.
async fn create(new: &NewAccount, console: &mut Console<'_>) -> Result<(), Error> {
    let body = json!({
        "name": new.name,
        "limits": new.limits.json(),
    });
    let (to, key) = ((Method::POST, ACCOUNTS), new.idempotency_key.as_deref());
    let answer = ask_once(&new.gateway, to, Some(&body), key, console).await?;
    if new.gateway.json {
        return raw(&answer, console);
    }
    // Of a lost answer, what was done has the id.
    let id = match Lost::of(&answer).and_then(|lost| lost.done_to) {
        Some(id) => id,
        None => serde_json::from_slice::<Account>(&answer)?.id,
    };
    writeln!(console.out, "{id}")?;
    Ok(())
}

async fn set_status(change: &Change, to: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("{ACCOUNTS}/{}/{to}", change.account);
    let mut body = json!({ "reason": change.reason });
    if let (Some(class), Some(fields)) = (&change.class, body.as_object_mut()) {
        fields.insert("class".to_owned(), json!(class));
    }
    let answer = ask(&change.gateway, Method::POST, &path, Some(&body), console).await?;
    if change.gateway.json {
        return raw(&answer, console);
    }
    let Account { id, name, status, .. } = serde_json::from_slice(&answer)?;
    writeln!(console.out, "{id} (`{name}`) is {status}")?;
    Ok(())
}

async fn update(wanted: &Update, console: &mut Console<'_>) -> Result<(), Error> {
    let path = format!("{ACCOUNTS}/{}", wanted.account);
    let mut body = json!({ "budgets": budgets(&wanted.budgets) });
    if let (Some(limits), Some(fields)) = (wanted.limits.json(), body.as_object_mut()) {
        fields.insert("limits".to_owned(), limits);
    }
    let answer = ask(&wanted.gateway, Method::PATCH, &path, Some(&body), console).await?;
    if wanted.gateway.json {
        return raw(&answer, console);
    }
    let Account { id, name, .. } = serde_json::from_slice(&answer)?;
    writeln!(console.out, "{id} (`{name}`) is changed")?;
    Ok(())
}

async fn grant(new: &NewGrant, console: &mut Console<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Granted {
        id: Option<String>,
        account: Account,
    }
    let path = format!("{ACCOUNTS}/{}/grants", new.account);
    let body = json!({
        "amount_usd": new.amount.to_string(),
        "kind": new.kind,
        "reference": new.reference,
        "expires_at_ms": new.expiry.at_ms(),
    });
    let (to, key) = ((Method::POST, path.as_str()), new.idempotency_key.as_deref());
    let answer = ask_once(&new.gateway, to, Some(&body), key, console).await?;
    if new.gateway.json {
        return raw(&answer, console);
    }
    if Lost::of(&answer).is_some() {
        let NewGrant { account, amount, reference, .. } = new;
        writeln!(
            console.err,
            "{account} was granted {amount} USD before under this key, as `{reference}`, and the answer is \
             lost; `infergate accounts show {account}` tells what it has"
        )?;
        return Ok(());
    }
    let Granted { id, account } = serde_json::from_slice(&answer)?;
    let (id, balance) = (id.unwrap_or_default(), account.balance_usd);
    writeln!(console.out, "{id}: {} USD for {}, which has {balance} now", new.amount, account.id)?;
    Ok(())
}
