//! The scenarios. Each sets its stage, plays, and reports tables and claims.

pub mod crash;
pub mod failover;
pub mod faults;
pub mod idle_accounts;
pub mod outage;
pub mod overspend;
pub mod recorder;
pub mod routing;
pub mod streams;
pub mod throughput;
pub mod timeline;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;

use crate::admin::{Account, Admin};
use crate::auditor::Book;
use crate::client::Seen;
use crate::price::Price;
use crate::process::gateway::{Gateway, Setup};
use crate::process::simulator::Simulator;
use crate::process::{self, Programs, free_address};
use crate::rest;
use crate::results::Configuration;
use crate::simulator::stats::Entry;
use crate::table::Report;

/// The model of every scenario.
pub const MODEL: &str = "load";
/// A price with which every token counts.
pub const PRICE: Price =
    Price { input: 1_000_000_000, cached_input: 500_000_000, output: 10_000_000_000, request: 0 };
/// A credit that no scenario uses up: a million dollars.
pub const AMPLE: i64 = 1_000_000 * 1_000_000_000;

const POLL: Duration = Duration::from_millis(25);
const POLLS_MAX: u32 = 800;

/// What to play.
#[derive(Debug, clap::Subcommand)]
pub enum Scenario {
    /// Many concurrent requests of one account that can pay for few: no more than those are served.
    Overspend(overspend::Options),
    /// The sixteen public failover scenarios, against this gateway or any other: a scorecard.
    Failover(failover::Options),
    /// One of two providers fails in every way under steady load: no client notices.
    Faults(faults::Options),
    /// The gateway is killed again and again under load: no settled charge is lost or doubled.
    Crash(crash::Options),
    /// Cost of a request and of a streamed event: direct, through nginx, through the gateway.
    Throughput(throughput::Options),
    /// Memory of an open stream.
    Streams(streams::Options),
    /// Memory of an account, idle and active.
    IdleAccounts(idle_accounts::Options),
    /// Three providers go down in turn under steady load, and one flaps: clients see no error before
    /// content, wait no longer than a time limit takes, and soon not at all.
    Outage(outage::Options),
    /// Every strategy with providers that are unequal, drift, and fail: errors, latency, cost, shares.
    Routing(routing::Options),
}

/// What all scenarios share.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// A size that takes seconds, for tests.
    #[arg(long, global = true)]
    pub small: bool,
    /// The gateway to test, as a command that takes `serve --config FILE`; this build's by default.
    #[arg(long, global = true)]
    pub gateway_command: Option<String>,
    /// Keep the configuration, data and logs, in this folder.
    #[arg(long, global = true)]
    pub keep: Option<PathBuf>,
    /// Write the result to this file, for `report`.
    #[arg(long, global = true)]
    pub json: Option<PathBuf>,
    /// What the tested gateway is called in results.
    #[arg(long, global = true)]
    pub subject: Option<String>,
    /// The configurations of the gateways that were started.
    #[arg(skip)]
    pub configurations: Configurations,
}

/// The configurations of the gateways that were started so far.
#[derive(Clone, Debug, Default)]
pub struct Configurations(Arc<Mutex<Vec<Configuration>>>);

/// Why a scenario could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process is not there.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A control port or the admin API did not do as it should.
    #[error(transparent)]
    Rest(#[from] rest::Error),
    /// The gateway's address or a header is not one.
    #[error(transparent)]
    Door(#[from] failover::door::Error),
    /// A folder for the files could not be had.
    #[error("cannot make a folder for the scenario's files")]
    Folder(#[source] std::io::Error),
    /// Options that make no sense.
    #[error("{0}")]
    Usage(String),
    /// Too few descriptors.
    #[error(
        "{needed} open files are needed and {allowed} are allowed: run `ulimit -n {needed}` first"
    )]
    OpenFiles {
        /// How many are needed in one process.
        needed: u64,
        /// How many there may be.
        allowed: u64,
    },
}

/// A folder and the programs to start.
#[derive(Debug)]
pub struct Stage {
    /// The executables.
    pub programs: Programs,
    folder: PathBuf,
    configurations: Configurations,
    _temporary: Option<TempDir>,
}

impl Stage {
    /// An empty stage.
    pub fn new(common: &Common) -> Result<Self, Error> {
        let programs = Programs::new(common.gateway_command.as_deref())?;
        let configurations = common.configurations.clone();
        if let Some(folder) = &common.keep {
            std::fs::create_dir_all(folder).map_err(Error::Folder)?;
            let folder = folder.clone();
            return Ok(Self { programs, folder, configurations, _temporary: None });
        }
        let temporary = TempDir::with_prefix("infergate-loadtests-").map_err(Error::Folder)?;
        let folder = temporary.path().to_owned();
        Ok(Self { programs, folder, configurations, _temporary: Some(temporary) })
    }

    /// A folder of this name on the stage.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(Error::Folder)?;
        Ok(folder)
    }

    /// A simulated provider that keeps a log.
    pub async fn simulator(&self, name: &str) -> Result<Simulator, Error> {
        self.simulator_at(name, None).await
    }

    /// The same at a given port.
    pub async fn simulator_at(
        &self,
        name: &str,
        data: Option<SocketAddr>,
    ) -> Result<Simulator, Error> {
        let folder = self.folder("simulators")?;
        let data = data.map_or_else(free_address, Ok)?;
        Ok(Simulator::start_at(data, &self.programs, &folder, name, 1_000_000, None).await?)
    }

    /// A gateway on data of its own.
    pub async fn gateway(&self, name: &str, setup: &Setup) -> Result<Gateway, Error> {
        let folder = self.folder(name)?;
        let gateway = Gateway::start(&self.programs, Path::new(&folder), setup).await?;
        self.configurations.add(name, gateway.configuration());
        Ok(gateway)
    }
}

impl Configurations {
    /// One more.
    pub fn add(&self, name: &str, text: &str) {
        let configuration = Configuration { name: name.to_owned(), text: text.to_owned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(configuration);
    }

    /// All of them.
    pub fn all(&self) -> Vec<Configuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Plays a scenario.
pub async fn run(scenario: Scenario, common: &Common) -> Result<Report, Error> {
    match scenario {
        Scenario::Overspend(options) => Box::pin(overspend::run(&options, common)).await,
        Scenario::Failover(options) => Box::pin(failover::run(&options, common)).await,
        Scenario::Faults(options) => Box::pin(faults::run(&options, common)).await,
        Scenario::Crash(options) => Box::pin(crash::run(&options, common)).await,
        Scenario::Throughput(options) => Box::pin(throughput::run(&options, common)).await,
        Scenario::Streams(options) => Box::pin(streams::run(&options, common)).await,
        Scenario::IdleAccounts(options) => Box::pin(idle_accounts::run(&options, common)).await,
        Scenario::Outage(options) => Box::pin(outage::run(&options, common)).await,
        Scenario::Routing(options) => Box::pin(routing::run(&options, common)).await,
    }
}

/// The account once nothing of it is held any more, or after a bounded wait as it is then.
pub async fn at_rest(admin: &Admin, account: &str) -> Result<Account, rest::Error> {
    let mut state = admin.account(account).await?;
    for _ in 0..POLLS_MAX {
        if state.held == 0 && state.holds.is_empty() {
            break;
        }
        sleep(POLL).await;
        state = admin.account(account).await?;
    }
    Ok(state)
}

/// What an audit is about.
#[derive(Debug)]
pub struct Case<'a> {
    /// What it is called in the report.
    pub name: &'a str,
    /// Whose books.
    pub account: &'a str,
    /// The model's price.
    pub price: Price,
    /// Everything that clients saw of this account.
    pub seen: &'a [Seen],
    /// What providers reported, by answer id.
    pub winners: &'a HashMap<String, Entry>,
}

/// Audits an account that is at rest: a claim on its books, and one on the gateway's own verdict.
pub async fn audit(
    admin: &Admin,
    case: &Case<'_>,
    report: &mut Report,
) -> Result<Account, rest::Error> {
    let state = at_rest(admin, case.account).await?;
    let mut book = Book::new([(MODEL.to_owned(), case.price)]);
    book.read(&admin.journal(case.account, 0).await?);
    book.account(&state, true);
    book.answers(case.seen, case.winners);
    let name = case.name;
    report
        .claim_none(format!("{name}: the books are right to the nano-dollar"), book.into_faults());
    report.claim(
        format!("{name}: the balance is not negative"),
        state.balance >= 0,
        vec![state.balance.to_string()],
    );
    let sound = admin.verify().await?;
    report.claim(format!("{name}: the gateway finds its ledger sound"), sound, Vec::new());
    Ok(state)
}
