//! `infergate audit`: what operators did at a running gateway.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::id::AccountId;
use serde::Deserialize;

use super::call::{Error, ask, date, query, raw, told};
use super::tokens::more;
use super::{Console, Exit, Gateway};

/// What to do with the log of what operators did.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List what was asked for and what became of it, the oldest first
    List(Asked),
}

/// What to list.
#[derive(Debug, Args)]
pub struct Asked {
    /// Where.
    #[command(flatten)]
    gateway: Gateway,
    /// Of one operator, by the token's name or id
    #[arg(long)]
    actor: Option<String>,
    /// About one account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<AccountId>,
    /// Of one kind, such as `account.suspend`
    #[arg(long)]
    action: Option<String>,
    /// Since a date such as `2026-11-24`, or milliseconds since 1970
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Before a date
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Go on behind this cursor
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// How many, at most
    #[arg(long, value_name = "NUMBER", default_value = "100")]
    limit: u32,
}

#[derive(Deserialize)]
struct Page {
    actions: Vec<Act>,
    next: Option<String>,
}

/// An action as the gateway shows it.
#[derive(Deserialize)]
struct Act {
    at_ms: u64,
    actor: Actor,
    action: String,
    path: String,
    status: Option<u16>,
    outcome: String,
}

#[derive(Deserialize)]
struct Actor {
    name: String,
}

pub(super) async fn run(command: Audit, console: &mut Console<'_>) -> io::Result<Exit> {
    let Audit::List(asked) = command;
    told(list(&asked, console).await, console)
}

async fn list(asked: &Asked, console: &mut Console<'_>) -> Result<(), Error> {
    let (account, limit) =
        (asked.account.map(|account| account.to_string()), asked.limit.to_string());
    let path = query(
        "/admin/v1/audit",
        &[
            ("actor", asked.actor.as_deref()),
            ("account", account.as_deref()),
            ("action", asked.action.as_deref()),
            ("from", asked.from.as_deref()),
            ("to", asked.to.as_deref()),
            ("after", asked.after.as_deref()),
            ("limit", Some(&limit)),
        ],
    );
    let answer = ask(&asked.gateway, Method::GET, &path, None, console).await?;
    if asked.gateway.json {
        return raw(&answer, console);
    }
    let page: Page = serde_json::from_slice(&answer)?;
    let out = &mut console.out;
    writeln!(out, "{:<24} {:<16} {:<22} {:<14} AT", "TIME", "WHO", "WHAT", "OUTCOME")?;
    for Act { at_ms, actor, action, path, status, outcome } in page.actions {
        let status = status.map_or_else(String::new, |status| format!(" {status}"));
        let (at, outcome) = (date(at_ms), format!("{outcome}{status}"));
        writeln!(out, "{at:<24} {:<16} {action:<22} {outcome:<14} {path}", actor.name)?;
    }
    more(page.next.as_deref(), console)
}
