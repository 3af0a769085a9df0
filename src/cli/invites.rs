//! `infergate invites`: invites for those who sign up at a running gateway, over its admin API.

use std::io;
use std::time::Duration;

use clap::Subcommand;
use http::Method;
use infergate_actors::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::time;
use super::batches::{all, state, tell_made, used};
use super::call::{Error, ask, date, from_now_ms, query, raw, told};
use super::{Console, Exit, Gateway};

/// What to do with invites.
#[derive(Debug, Subcommand)]
pub enum Invites {
    /// Make invites and print them, once, a line each
    Create {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// A name for people
        #[arg(long)]
        name: String,
        /// How many
        #[arg(long, default_value_t = 1)]
        count: usize,
        /// How many accounts may be opened with each
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long they work, such as `12h` or `30d` [default: for ever]
        #[arg(long, value_name = "TIME", value_parser = time)]
        expires_after: Option<Duration>,
    },
    /// List the batches of invites that were made
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Take a batch of invites back
    Revoke {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
        /// The batch
        batch: AccountId,
        /// Why, for the batch's journal
        #[arg(long)]
        reason: Option<String>,
    },
}

/// A batch as the gateway shows it.
#[derive(Deserialize, Serialize)]
struct Batch {
    #[serde(rename = "batch")]
    id: String,
    name: String,
    made_at_ms: u64,
    count: usize,
    uses: u32,
    used: usize,
    expires_at_ms: Option<u64>,
    revoked: Option<Value>,
}

#[derive(Deserialize)]
struct Made {
    batch: String,
    invites: Vec<String>,
}

const PATH: &str = "/admin/v1/invites";

pub(super) async fn run(command: Invites, console: &mut Console<'_>) -> io::Result<Exit> {
    let done = match command {
        Invites::Create { gateway, name, count, uses, expires_after } => {
            let expires_at_ms = expires_after.map(from_now_ms);
            let body = json!({
                "name": name, "count": count, "uses": uses, "expires_at_ms": expires_at_ms,
            });
            create(&gateway, &body, console).await
        }
        Invites::List { gateway } => list(&gateway, console).await,
        Invites::Revoke { gateway, batch, reason } => {
            let path = query(&format!("{PATH}/{batch}"), &[("reason", reason.as_deref())]);
            revoke(&gateway, &path, console).await
        }
    };
    told(done, console)
}

async fn create(gateway: &Gateway, body: &Value, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::POST, PATH, Some(body), console).await?;
    if gateway.json {
        return raw(&answer, console);
    }
    let Made { batch, invites } = serde_json::from_slice(&answer)?;
    tell_made((&batch, Some(invites)), "invites", console)
}

async fn list(gateway: &Gateway, console: &mut Console<'_>) -> Result<(), Error> {
    let batches: Vec<Batch> = all(gateway, (PATH, "invites"), console).await?;
    if gateway.json {
        console.out.json(&batches)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(out, "{:<22} {:<20} {:<14} {:<22} STATE", "BATCH", "NAME", "USED", "MADE")?;
    for batch in batches {
        let used = used(batch.used, batch.count, batch.uses);
        let state = state(batch.revoked.is_some(), batch.expires_at_ms);
        let (made, Batch { id, name, .. }) = (date(batch.made_at_ms), &batch);
        writeln!(out, "{id:<22} {name:<20} {used:<14} {made:<22} {state}")?;
    }
    Ok(())
}

async fn revoke(gateway: &Gateway, path: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::DELETE, path, None, console).await?;
    let batch: Batch = serde_json::from_slice(&answer)?;
    if gateway.json {
        console.out.json(&batch)?;
    } else {
        writeln!(console.out, "{} opens no account any more", batch.id)?;
    }
    Ok(())
}
