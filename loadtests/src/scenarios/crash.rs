//! The gateway is killed at random moments under load and started again on the same data.
//!
//! What a client received in whole must be in the ledger, once; nothing may be in it twice; the
//! balance must be the fold of the events; and no hold may outlive the crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{AMPLE, Case, Common, Error, MODEL, PRICE, Stage, audit};
use crate::auditor::Book;
use crate::client::{Ask, Ending, Protocol, Seen, Target};
use crate::generator::Load;
use crate::process::gateway::{Durability, Gateway, Setup};
use crate::process::simulator::Simulator;
use crate::random::Random;
use crate::simulator::behaviour::{Behaviour, Span};
use crate::table::{Report, Table, time, usd};

const TOKENS: u32 = 8;
const SEEN_MAX: usize = 2_000_000;

/// How often, and how hard.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How many times the gateway is killed.
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// Concurrent clients.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Only this level; both, one after the other, without it.
    #[arg(long, value_enum)]
    durability: Option<Durability>,
    /// The seed of the moments; a fresh one is printed without it.
    #[arg(long)]
    seed: Option<u64>,
}

struct Play<'a> {
    gateway: Gateway,
    simulator: &'a Simulator,
    account: String,
    target: Target,
    connections: usize,
    book: Book,
    seen: Vec<Seen>,
    starts: Vec<Duration>,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let stage = Stage::new(common)?;
    let rounds = if common.small { 3 } else { options.rounds };
    let (mut random, fresh) = Random::from_system();
    let seed = options.seed.unwrap_or(fresh);
    random = options.seed.map_or(random, Random::new);
    let mut report = Report::default();
    let mut table = Table::new(
        &format!("Crash: killed {rounds} times under load (seed {seed})"),
        &[
            "durability",
            "answers",
            "left",
            "cut off",
            "charges",
            "voids",
            "start p50",
            "start max",
            "balance USD",
        ],
    );
    let levels = match options.durability {
        Some(level) => vec![level],
        None => vec![Durability::Process, Durability::Disk],
    };
    for level in levels {
        let simulator = stage.simulator(level.word()).await?;
        let behaviour = Behaviour {
            head_ms: Span::Range([0, 6]),
            first_token_ms: Span::Range([0, 4]),
            tokens_per_second: 2_000,
            ..Behaviour::default()
        };
        simulator.behave(MODEL, &behaviour).await?;
        let mut setup = Setup::single(MODEL, PRICE, simulator.address());
        setup.durability = level;
        let gateway = stage.gateway(level.word(), &setup).await?;
        let mut play = Play::new(gateway, &simulator, options.connections).await?;
        for _ in 0..rounds {
            let moment = Duration::from_micros(random.between(20_000, 700_000));
            play.round(moment).await?;
        }
        table.row(play.finish(level.word(), &mut report).await?);
    }
    report.table(table);
    Ok(report)
}

impl<'a> Play<'a> {
    async fn new(
        gateway: Gateway,
        simulator: &'a Simulator,
        connections: usize,
    ) -> Result<Self, Error> {
        let (account, key) = gateway.admin().customer("crash", AMPLE).await?;
        let target =
            Target { address: gateway.address(), key: Arc::from(key), protocol: Protocol::Http1 };
        let book = Book::new([(MODEL.to_owned(), PRICE)]);
        Ok(Self {
            gateway,
            simulator,
            account,
            target,
            connections,
            book,
            seen: Vec::new(),
            starts: Vec::new(),
        })
    }

    /// Load, a kill at `moment`, a start, and a look at what was added to the journal.
    async fn round(&mut self, moment: Duration) -> Result<(), Error> {
        let asks = vec![
            Ask::chat(MODEL, TOKENS, true),
            Ask::chat(MODEL, TOKENS, false),
            Ask::chat(MODEL, TOKENS, true).leaving_after(3),
        ];
        let mut load = Load::new(self.target.clone(), self.connections, asks, u64::MAX)
            .keeping(SEEN_MAX.saturating_sub(self.seen.len()));
        let (stop, stopped) = watch::channel(false);
        load.stop = Some(stopped);
        let playing = tokio::spawn(load.closed());
        sleep(moment).await;
        self.gateway.process().kill().await;
        stop.send_replace(true);
        self.seen.extend(playing.await.unwrap_or_default().seen);

        self.gateway.restart().await?;
        self.starts.push(self.gateway.started_in());
        let admin = self.gateway.admin();
        let added = admin.journal(&self.account, self.book.number()).await?;
        self.book.read(&added);
        self.book.account(&admin.account(&self.account).await?, true);
        Ok(())
    }

    async fn finish(mut self, level: &str, report: &mut Report) -> Result<Vec<String>, Error> {
        let counted = |endings: &[Ending]| {
            self.seen.iter().filter(|seen| endings.contains(&seen.ending)).count().to_string()
        };
        let (whole, left) = (counted(&[Ending::Complete]), counted(&[Ending::Left]));
        let cut = counted(&[Ending::Cut, Ending::NoHead, Ending::ErrorEvent, Ending::TimedOut]);
        let sums = self.book.sums();
        let kept = self.seen.len() < SEEN_MAX;
        report.claim(format!("{level}: every exchange could be kept"), kept, Vec::new());
        report.claim(format!("{level}: answers were received"), whole != "0", Vec::new());
        let refused: Vec<String> = self
            .seen
            .iter()
            .filter(|seen| seen.ending == Ending::Refused)
            .map(|seen| format!("status {:?}", seen.status))
            .collect();
        report.claim_none(format!("{level}: no request was refused"), refused);
        let winners = self.simulator.log().await?;
        let book = std::mem::replace(&mut self.book, Book::new(HashMap::new()));
        report.claim_none(
            format!("{level}: after every start the account was the fold of its events"),
            book.into_faults(),
        );
        let name = format!("{level}, in the end");
        let case = Case {
            name: &name,
            account: &self.account,
            price: PRICE,
            seen: &self.seen,
            winners: &winners,
        };
        let state = audit(self.gateway.admin(), &case, report).await?;
        self.starts.sort();
        let middle = self.starts.get(self.starts.len() / 2).copied().unwrap_or_default();
        let last = self.starts.last().copied().unwrap_or_default();
        Ok(vec![
            level.to_owned(),
            whole,
            left,
            cut,
            sums.charges.to_string(),
            sums.voids.to_string(),
            time(middle),
            time(last),
            usd(state.balance),
        ])
    }
}
