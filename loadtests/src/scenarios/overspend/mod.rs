//! One account, far more concurrent requests than it can pay for.
//!
//! *All at once*: a request costs a fixed fee and nothing else, so that the balance covers an exact
//! number of holds however the gateway bounds the size of a prompt. The provider holds every answer
//! back until each request has its verdict; then exactly that number is served, the rest has got 402.
//! The same where the credit covers them all, and a budget of the key or the account does not.
//!
//! *Together*: the requests come with eight keys of four projects, each of them with budgets and limits on
//! requests at one time of its own, and so has the account. Each bound is within the next, so that however
//! the requests race, exactly as many are let in.
//!
//! *Until nothing fits*: answers cost less than was held for them, so money comes free again and
//! clients go on until the gateway refuses all of them.

mod at_once;
mod count;
mod nothing_fits;
mod together;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::sleep;

use super::{Common, Error, MODEL, POLL, POLLS_MAX, PRICE, Stage};
use crate::client::{Ask, Protocol, Target};
use crate::price::Price;
use crate::process::gateway::{Durability, Gateway, Setup};
use crate::process::simulator::Simulator;
use crate::simulator::behaviour::{Behaviour, Span};
use crate::table::{Report, Table};
use together::TOGETHER;

const FEE: i64 = 10_000_000;
const TOKENS: u32 = 12;

/// How much of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Concurrent requests.
    #[arg(long, default_value_t = 2_000)]
    requests: u64,
    /// How many of them the balance covers.
    #[arg(long, default_value_t = 100)]
    covered: u64,
    /// When an answer's last byte may leave.
    #[arg(long, value_enum, default_value = "process")]
    durability: Durability,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Streamed,
    Whole,
    Mixed,
}

/// What covers only some of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Credit,
    KeyBudget,
    AccountBudget,
}

struct Scene<'a> {
    gateway: &'a Gateway,
    simulator: &'a Simulator,
    requests: u64,
    covered: u64,
}

const AT_ONCE: [(Bound, Shape); 7] = [
    (Bound::Credit, Shape::Streamed),
    (Bound::Credit, Shape::Whole),
    (Bound::Credit, Shape::Mixed),
    (Bound::KeyBudget, Shape::Streamed),
    (Bound::KeyBudget, Shape::Whole),
    (Bound::KeyBudget, Shape::Mixed),
    (Bound::AccountBudget, Shape::Streamed),
];

impl Bound {
    fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::KeyBudget => "key's budget",
            Self::AccountBudget => "account's budget",
        }
    }

    /// What a refused request is told.
    fn code(self) -> &'static str {
        match self {
            Self::Credit => "insufficient_credit",
            Self::KeyBudget | Self::AccountBudget => "budget_exceeded",
        }
    }
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::Whole => "not streamed",
            Self::Mixed => "mixed, some leave",
        }
    }

    fn asks(self, tokens_max: u32) -> Vec<Ask> {
        let streamed = Ask::chat(MODEL, tokens_max, true);
        let whole = Ask::chat(MODEL, tokens_max, false);
        match self {
            Self::Streamed => vec![streamed],
            Self::Whole => vec![whole],
            Self::Mixed => vec![streamed.clone(), whole, streamed.leaving_after(2)],
        }
    }
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let stage = Stage::new(common)?;
    let (requests, covered) =
        if common.small { (200, 10) } else { (options.requests, options.covered) };
    let mut report = Report::default();
    let simulator = stage.simulator("alpha").await?;

    let fee = Price { request: FEE.unsigned_abs(), ..Price::default() };
    let mut setup = Setup::single(MODEL, fee, simulator.address());
    setup.durability = options.durability;
    let gateway = stage.gateway("fixed-fee", &setup).await?;
    let mut table = Table::new(
        "Overspend: all at once",
        &[
            "bound",
            "requests",
            "sent",
            "covered",
            "served",
            "left early",
            "402",
            "else",
            "balance USD",
        ],
    );
    let scene = Scene { gateway: &gateway, simulator: &simulator, requests, covered };
    for (bound, shape) in AT_ONCE {
        let row = scene.at_once(bound, shape, fee, &mut report).await?;
        table.row(row);
    }
    report.table(table);
    let mut table = Table::new("Overspend: together", &together::HEAD);
    for (account, shape) in TOGETHER {
        table.row(scene.together(account, shape, fee, &mut report).await?);
    }
    report.table(table);
    drop(gateway);

    setup = Setup::single(MODEL, PRICE, simulator.address());
    setup.durability = options.durability;
    let gateway = stage.gateway("by-token", &setup).await?;
    let mut table = Table::new(
        "Overspend: until nothing fits",
        &["requests", "clients", "served", "left early", "402", "else", "rounds", "balance USD"],
    );
    let scene = Scene { gateway: &gateway, simulator: &simulator, requests, covered };
    for shape in [Shape::Streamed, Shape::Whole, Shape::Mixed] {
        let row = scene.until_nothing_fits(shape, &mut report).await?;
        table.row(row);
    }
    report.table(table);
    Ok(report)
}

impl Scene<'_> {
    /// Until each request waits at the provider or has its verdict, or patience ends.
    async fn everybody_waits_or_knows(
        &self,
        before: u64,
        verdicts: &AtomicU64,
    ) -> Result<(), Error> {
        for _ in 0..POLLS_MAX {
            let waiting = self.simulator.counts().await?.received - before;
            if waiting + verdicts.load(Ordering::Relaxed) >= self.requests {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn target(&self, key: String) -> Target {
        Target { address: self.gateway.address(), key: Arc::from(key), protocol: Protocol::Http1 }
    }
}

/// Answers with a little time between tokens, so that a client can leave in the middle.
fn calm() -> Behaviour {
    Behaviour {
        first_token_ms: Span::Range([0, 4]),
        tokens_per_second: 1_000,
        tokens: Some(TOKENS),
        ..Behaviour::default()
    }
}
