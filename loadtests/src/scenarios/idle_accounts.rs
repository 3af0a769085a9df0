//! Memory of accounts: of those that merely exist, and of those in use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Common, Error, MODEL, PRICE, Stage};
use crate::admin::Admin;
use crate::client::{Ask, Connection, Ending, Protocol, Target};
use crate::clock;
use crate::process::gateway::Setup;
use crate::process::usage::Usage;
use crate::rest;
use crate::table::{Report, Table, ratio};

const CREDIT: i64 = 1_000_000_000;
const AT_A_TIME: usize = 32;
const KIB_MAX: f64 = 12.0;

/// How many.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Accounts to create.
    #[arg(long, default_value_t = 5_000)]
    accounts: u64,
    /// Fail above 12 KiB an active account.
    #[arg(long)]
    assert: bool,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let count = if common.small { 60 } else { options.accounts };
    let stage = Stage::new(common)?;
    let simulator = stage.simulator("alpha").await?;
    let setup = Setup::single(MODEL, PRICE, simulator.address());
    let mut gateway = stage.gateway("gateway", &setup).await?;
    let keys = create(gateway.admin(), count + 1).await?;

    // A start with few accounts costs what a start costs; the growth by accounts is what counts.
    let empty = {
        let mut other = stage.gateway("empty", &setup).await?;
        Usage::of_tree(other.process().id()).resident_kib
    };
    gateway.process().terminate(Duration::from_secs(30)).await?;
    gateway.restart().await?;
    let id = gateway.process().id();
    let idle = Usage::of_tree(id).resident_kib;

    // One account first, so that what is made with the first request is not counted.
    let mut failed = ask(gateway.address(), keys.get(..1).unwrap_or_default()).await;
    let before = Usage::of_tree(id).resident_kib;
    failed += ask(gateway.address(), keys.get(1..).unwrap_or_default()).await;
    let active = Usage::of_tree(id).resident_kib;

    let (each_idle, each_active) =
        (ratio(idle.saturating_sub(empty), count), ratio(active.saturating_sub(before), count));
    let mut table = Table::new(
        "Accounts: memory of the gateway",
        &["accounts", "RSS without KiB", "idle KiB", "active KiB", "KiB/idle", "KiB/active"],
    );
    table.row(vec![
        count.to_string(),
        empty.to_string(),
        idle.to_string(),
        active.to_string(),
        format!("{each_idle:.2}"),
        format!("{each_active:.2}"),
    ]);
    let mut report = Report::default();
    report.table(table);
    report.claim_equal("requests that were not answered", &failed, &0);
    if options.assert {
        let details = vec![format!("{each_active:.2} KiB")];
        report.claim("an active account takes at most 12 KiB", each_active <= KIB_MAX, details);
    }
    Ok(report)
}

/// Opens accounts with credit, and returns a key of each.
async fn create(admin: &Admin, count: u64) -> Result<Vec<String>, rest::Error> {
    let gate = Arc::new(Semaphore::new(AT_A_TIME));
    let mut workers = JoinSet::new();
    for number in 0..count {
        let (admin, gate) = (admin.clone(), Arc::clone(&gate));
        workers.spawn(async move {
            let _permit = gate.acquire_owned().await;
            admin.customer(&format!("customer {number}"), CREDIT).await
        });
    }
    workers.join_all().await.into_iter().map(|made| made.map(|(_, key)| key)).collect()
}

/// One request with each key; how many were not answered in whole.
async fn ask(address: std::net::SocketAddr, keys: &[String]) -> u64 {
    let gate = Arc::new(Semaphore::new(AT_A_TIME));
    let mut workers = JoinSet::new();
    for key in keys {
        let target = Target { address, key: Arc::from(key.as_str()), protocol: Protocol::Http1 };
        let gate = Arc::clone(&gate);
        workers.spawn(async move {
            let _permit = gate.acquire_owned().await;
            let ask = Ask::chat(MODEL, 4, false);
            Connection::new(target).ask(&ask, clock::now()).await.ending != Ending::Complete
        });
    }
    workers.join_all().await.into_iter().map(u64::from).sum()
}
