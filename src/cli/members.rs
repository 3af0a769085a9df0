//! `infergate members`: the people of an account at a running gateway, over its admin API.

use std::io;

use clap::{Args, Subcommand};
use http::Method;
use infergate_actors::account::Role;
use infergate_actors::id::{AccountId, MemberId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Error, ask, date, query, told};
use super::{Console, Exit, Gateway};

/// What to do with the people of an account.
#[derive(Debug, Subcommand)]
pub enum Members {
    /// List who belongs to an account
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The account
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
    },
    /// Add somebody; the first is an owner
    Add {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The account
        #[arg(long, value_name = "ACCOUNT")]
        account: AccountId,
        /// The address
        #[arg(long)]
        email: String,
        /// A name for people
        #[arg(long)]
        name: String,
        /// `owner`, `admin`, `developer`, `billing` or `read_only`
        #[arg(long, value_parser = role)]
        role: Role,
        /// As one who has come already, and not as invited
        #[arg(long)]
        active: bool,
    },
    /// Give somebody another role
    SetRole {
        /// Who.
        #[command(flatten)]
        at: MemberPlace,
        /// `owner`, `admin`, `developer`, `billing` or `read_only`
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Note that somebody who was invited has come
    Activate {
        /// Who.
        #[command(flatten)]
        at: MemberPlace,
    },
    /// Remove somebody
    Remove {
        /// Who.
        #[command(flatten)]
        at: MemberPlace,
        /// Revoke the keys that they made, too
        #[arg(long)]
        revoke_keys: bool,
        /// Why, for the account's journal
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Which member, and where.
#[derive(Debug, Args)]
pub struct MemberPlace {
    /// Where.
    #[command(flatten)]
    pub gateway: Gateway,
    /// The account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: AccountId,
    /// The member, such as `mem_1`
    pub member: MemberId,
}

/// Somebody as the gateway shows them.
#[derive(Deserialize, Serialize)]
struct Member {
    id: String,
    email: String,
    email_verified: bool,
    name: String,
    role: String,
    status: String,
    added_by: String,
    added_at_ms: u64,
    removed_by: Option<String>,
    removed_at_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Page {
    members: Vec<Member>,
    next: Option<String>,
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.name() == text);
    found.ok_or_else(|| {
        let names = Role::ALL.map(|role| format!("`{}`", role.name())).join(", ");
        format!("`{text}` is none of {names}")
    })
}

pub(super) async fn run(command: Members, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Members::List { gateway, account } => list(&gateway, account, console).await,
        Members::Add { gateway, account, email, name, role, active } => {
            let body = json!({ "email": email, "name": name, "role": role });
            add(&gateway, account, &body, active, console).await
        }
        Members::SetRole { at, role } => {
            change(&at, Method::PATCH, "", Some(json!({ "role": role })), console).await
        }
        Members::Activate { at } => {
            change(&at, Method::PATCH, "", Some(json!({ "status": "active" })), console).await
        }
        Members::Remove { at, revoke_keys, reason } => {
            let revoke_keys = revoke_keys.to_string();
            let asked =
                [("revoke_keys", Some(revoke_keys.as_str())), ("reason", reason.as_deref())];
            change(&at, Method::DELETE, &query("", &asked), None, console).await
        }
    };
    told(done, console)
}

fn path(account: AccountId) -> String {
    format!("/admin/v1/accounts/{account}/members")
}

async fn list(
    gateway: &Gateway,
    account: AccountId,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let mut members = Vec::new();
    let (first, mut asked) = (path(account), path(account));
    loop {
        let page = ask(gateway, Method::GET, &asked, None, console).await?;
        let page: Page = serde_json::from_slice(&page)?;
        members.extend(page.members);
        let Some(next) = page.next else { break };
        asked = query(&first, &[("after", Some(&next))]);
    }
    if gateway.json {
        console.out.json(&members)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(
        out,
        "{:<8} {:<10} {:<9} {:<32} {:<20} SINCE",
        "MEMBER", "ROLE", "STATUS", "EMAIL", "NAME"
    )?;
    for member in members {
        let Member { id, role, status, email, name, .. } = &member;
        let since = date(member.removed_at_ms.unwrap_or(member.added_at_ms));
        writeln!(out, "{id:<8} {role:<10} {status:<9} {email:<32} {name:<20} {since}")?;
    }
    Ok(())
}

async fn add(
    gateway: &Gateway,
    account: AccountId,
    body: &Value,
    active: bool,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = path(account);
    let mut added = ask(gateway, Method::POST, &path, Some(body), console).await?;
    if active {
        let member: Member = serde_json::from_slice(&added)?;
        let come = json!({ "status": "active" });
        let path = format!("{path}/{}", member.id);
        added = ask(gateway, Method::PATCH, &path, Some(&come), console).await?;
    }
    tell(gateway, account, &added, console)
}

async fn change(
    at: &MemberPlace,
    method: Method,
    query: &str,
    body: Option<Value>,
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let path = format!("{}/{}{query}", path(at.account), at.member);
    let changed = ask(&at.gateway, method, &path, body.as_ref(), console).await?;
    tell(&at.gateway, at.account, &changed, console)
}

fn tell(
    gateway: &Gateway,
    account: AccountId,
    answer: &[u8],
    console: &mut Console<'_>,
) -> Result<(), Error> {
    let member: Member = serde_json::from_slice(answer)?;
    if gateway.json {
        console.out.json(&member)?;
        return Ok(());
    }
    let Member { id, email, role, status, .. } = member;
    writeln!(console.out, "{id} of {account} ({email}): {role}, {status}")?;
    Ok(())
}
