//! `infergate plans`: the plans of a running gateway, over its admin API.

use std::io;

use clap::Subcommand;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::call::{Error, ask, told};
use super::{Console, Exit, Gateway};

/// What to do with plans.
#[derive(Debug, Subcommand)]
pub enum Plans {
    /// List the plans and how they read
    List {
        /// Where.
        #[command(flatten)]
        gateway: Gateway,
    },
}

#[derive(Deserialize)]
struct Answer {
    plans: Vec<Plan>,
}

#[derive(Deserialize)]
struct Plan {
    name: String,
    is_default: bool,
    reads: String,
}

pub(super) async fn run(command: Plans, console: &mut Console<'_>) -> io::Result<Exit> {
    let Plans::List { gateway } = command;
    let done = list(&gateway, console).await;
    told(done, console)
}

async fn list(gateway: &Gateway, console: &mut Console<'_>) -> Result<(), Error> {
    let answer = ask(gateway, Method::GET, "/admin/v1/plans", None, console).await?;
    if gateway.json {
        let answer: Value = serde_json::from_slice(&answer)?;
        console.out.json(answer.get("plans").unwrap_or(&Value::Null))?;
        return Ok(());
    }
    let Answer { plans } = serde_json::from_slice(&answer)?;
    let name = |plan: &Plan| {
        if plan.is_default { format!("{} (default)", plan.name) } else { plan.name.clone() }
    };
    let width = plans.iter().map(|plan| name(plan).len()).max().unwrap_or_default().max(4);
    writeln!(console.out, "{:<width$}  WHAT IT SAYS", "PLAN")?;
    for plan in &plans {
        writeln!(console.out, "{:<width$}  {}", name(plan), plan.reads)?;
    }
    Ok(())
}
