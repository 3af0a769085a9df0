//! `infergate invites`: invites for those who sign up at a running gateway, over its admin API.

use std::io;
use std::time::Duration;

use clap::Subcommand;
use http::Method;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::args::time;
use super::call::{Error, ask, date, query, raw, told};
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
struct Page {
    invites: Vec<Batch>,
    next: Option<u64>,
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
            let until = |after: Duration| {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Clock::real().now().wall_ms.saturating_add(after_ms)
            };
            let expires_at_ms = expires_after.map(until);
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
    writeln!(console.err, "{batch}; its invites are not shown again:")?;
    for invite in invites {
        writeln!(console.out, "{invite}")?;
    }
    Ok(())
}

async fn list(gateway: &Gateway, console: &mut Console<'_>) -> Result<(), Error> {
    let mut batches = Vec::new();
    let mut path = PATH.to_owned();
    loop {
        let page = ask(gateway, Method::GET, &path, None, console).await?;
        let page: Page = serde_json::from_slice(&page)?;
        batches.extend(page.invites);
        let Some(next) = page.next else { break };
        path = query(PATH, &[("after", Some(&next.to_string()))]);
    }
    if gateway.json {
        writeln!(console.out, "{}", serde_json::to_string(&batches)?)?;
        return Ok(());
    }
    let out = &mut console.out;
    writeln!(out, "{:<22} {:<20} {:<14} {:<22} STATE", "BATCH", "NAME", "USED", "MADE")?;
    for batch in batches {
        let each = usize::try_from(batch.uses).unwrap_or(usize::MAX);
        let used = format!("{} of {}", batch.used, batch.count.saturating_mul(each));
        let state = match (&batch.revoked, batch.expires_at_ms) {
            (Some(_), _) => "taken back".to_owned(),
            (None, Some(at_ms)) => format!("until {}", date(at_ms)),
            (None, None) => "works".to_owned(),
        };
        let (made, Batch { id, name, .. }) = (date(batch.made_at_ms), &batch);
        writeln!(out, "{id:<22} {name:<20} {used:<14} {made:<22} {state}")?;
    }
    Ok(())
}

async fn revoke(gateway: &Gateway, path: &str, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::DELETE, path, None, console).await?;
    let batch: Batch = serde_json::from_slice(&answer)?;
    if gateway.json {
        writeln!(console.out, "{}", serde_json::to_string(&batch)?)?;
    } else {
        writeln!(console.out, "{} opens no account any more", batch.id)?;
    }
    Ok(())
}
