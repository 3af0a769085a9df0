//! One account, far more concurrent requests than it can pay for.
//!
//! *All at once*: a request costs a fixed fee and nothing else, so that the balance covers an exact
//! number of holds however the gateway bounds the size of a prompt. The provider holds every answer
//! back until each request has its verdict; then exactly that number is served, the rest has got 402.
//! The same where the credit covers them all, and a budget of the key or the account does not.
//!
//! *Until nothing fits*: answers cost less than was held for them, so money comes free again and
//! clients go on until the gateway refuses all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Case, Common, Error, MODEL, POLL, POLLS_MAX, PRICE, Stage, audit};
use crate::client::{Ask, Connection, Ending, Protocol, Seen, Target};
use crate::clock;
use crate::generator::Load;
use crate::price::Price;
use crate::process::gateway::{Durability, Gateway, Setup};
use crate::process::simulator::Simulator;
use crate::simulator::behaviour::{Behaviour, Faults, Hang, Span};
use crate::simulator::stats::Entry;
use crate::table::{Report, Table, usd};

const FEE: i64 = 10_000_000;
const TOKENS: u32 = 12;
const TOKENS_HELD: u32 = 64;
const ROUNDS_MAX: u32 = 100;
/// Several times what an account of this much credit could pay for.
const SERVED_PER_COVERED_MAX: u64 = 50;

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
    async fn at_once(
        &self,
        bound: Bound,
        shape: Shape,
        price: Price,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        let name = format!("all at once, {}, {}", bound.name(), shape.name());
        let admin = self.gateway.admin();
        let (account, key) = self.bounded(bound, &name).await?;
        let credit = admin.account(&account).await?.available;
        let held_back = Behaviour { faults: Faults::hang(Hang::BeforeHead), ..calm() };
        self.simulator.behave(MODEL, &held_back).await?;
        let before = self.simulator.counts().await?.received;

        let verdicts = Arc::new(AtomicU64::new(0));
        let mut load = Load::new(
            self.target(key),
            usize::try_from(self.requests).unwrap_or(usize::MAX),
            shape.asks(TOKENS),
            self.requests,
        )
        .keeping(usize::MAX);
        let counter = Arc::clone(&verdicts);
        load.observer = Some(Arc::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        let playing = tokio::spawn(load.closed());
        self.everybody_waits_or_knows(before, &verdicts).await?;
        let admitted = self.simulator.counts().await?.received - before;
        let state = admin.account(&account).await?;
        self.simulator.behave(MODEL, &calm()).await?;
        let tally = playing.await.unwrap_or_default();

        report.claim_equal(
            format!("{name}: requests that reached the provider"),
            &admitted,
            &self.covered,
        );
        let left = credit - self.cost();
        report.claim_equal(
            format!("{name}: available while all are held"),
            &state.available,
            &left,
        );
        let count = Count::of(&tally.seen, bound);
        report.claim_equal(
            format!("{name}: answers served"),
            &(count.served + count.left),
            &self.covered,
        );
        let refused = self.requests - self.covered;
        report.claim_equal(format!("{name}: refused with 402"), &count.unpaid, &refused);
        report.claim_none(format!("{name}: nothing else happened"), count.others.clone());
        let winners = self.simulator.log().await?;
        let case =
            Case { name: &name, account: &account, price, seen: &tally.seen, winners: &winners };
        let state = audit(admin, &case, report).await?;
        let mut row = vec![bound.name().to_owned(), shape.name().to_owned()];
        row.extend([self.requests, self.covered].map(|number| number.to_string()));
        row.extend(count.cells());
        row.push(usd(state.balance));
        Ok(row)
    }

    /// What the requests cost that are covered.
    fn cost(&self) -> i64 {
        FEE * i64::try_from(self.covered).unwrap_or(i64::MAX)
    }

    /// An account and its key, of whose requests so many are covered and no more.
    async fn bounded(&self, bound: Bound, name: &str) -> Result<(String, String), Error> {
        let admin = self.gateway.admin();
        if bound == Bound::Credit {
            return Ok(admin.customer(name, self.cost()).await?);
        }
        let all = FEE * i64::try_from(self.requests).unwrap_or(i64::MAX);
        let (account, key) = admin.customer(name, all).await?;
        admin.set_budget(&account, bound == Bound::KeyBudget, self.cost()).await?;
        Ok((account, key))
    }

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

    async fn until_nothing_fits(
        &self,
        shape: Shape,
        report: &mut Report,
    ) -> Result<Vec<String>, Error> {
        let name = format!("until nothing fits, {}", shape.name());
        let asks: Arc<[Ask]> = shape.asks(TOKENS_HELD).into();
        let bytes = asks.iter().map(|ask| ask.body.len()).max().unwrap_or(0);
        // Far above what a request can be held for, so that a refusal below it is the only excuse.
        let bound = PRICE.cost(
            crate::client::Usage {
                prompt_tokens: u64::try_from(bytes).unwrap_or(0) * 4 + 1_000,
                completion_tokens: u64::from(TOKENS_HELD),
            },
            0,
        );
        let covered = i64::try_from(self.covered).unwrap_or(i64::MAX);
        let admin = self.gateway.admin();
        let (account, key) = admin.customer(&name, bound / 4 * covered).await?;
        self.simulator.behave(MODEL, &calm()).await?;

        let clients = self.requests / 10;
        let budget = Arc::new(AtomicU64::new(self.covered * SERVED_PER_COVERED_MAX + clients));
        let (mut seen, mut rounds, mut ended) = (Vec::new(), 0, false);
        for _ in 0..ROUNDS_MAX {
            rounds += 1;
            let round = self.round(&key, &asks, clients, &budget).await;
            ended = round.iter().all(|seen| seen.ending == Ending::Refused);
            seen.extend(round);
            if ended {
                break;
            }
        }
        let count = Count::of(&seen, Bound::Credit);
        report.claim(format!("{name}: something was served"), count.served > 0, Vec::new());
        report.claim(format!("{name}: in the end everybody was refused"), ended, Vec::new());
        report.claim_none(format!("{name}: nothing but answers and 402"), count.others.clone());
        let winners: HashMap<String, Entry> = self.simulator.log().await?;
        let case =
            Case { name: &name, account: &account, price: PRICE, seen: &seen, winners: &winners };
        let state = audit(admin, &case, report).await?;
        report.claim(
            format!("{name}: less is left than a request could need"),
            state.balance < bound,
            vec![format!("{} is left", usd(state.balance))],
        );
        let mut row = vec![shape.name().to_owned(), clients.to_string()];
        row.extend(count.cells());
        row.extend([rounds.to_string(), usd(state.balance)]);
        Ok(row)
    }

    /// Every client asks until it is refused; all together at most `budget` times.
    async fn round(
        &self,
        key: &str,
        asks: &Arc<[Ask]>,
        clients: u64,
        budget: &Arc<AtomicU64>,
    ) -> Vec<Seen> {
        let mut workers = JoinSet::new();
        for number in 0..clients {
            let mut connection = Connection::new(self.target(key.to_owned()));
            let (asks, budget) = (Arc::clone(asks), Arc::clone(budget));
            workers.spawn(async move {
                let mut seen = Vec::new();
                let turn = usize::try_from(number).unwrap_or(0);
                for ask in asks.iter().cycle().skip(turn) {
                    let less = |left: u64| left.checked_sub(1);
                    if budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
                        break;
                    }
                    let exchange = connection.ask(ask, clock::now()).await;
                    let goes_on = matches!(exchange.ending, Ending::Complete | Ending::Left);
                    seen.push(exchange);
                    if !goes_on {
                        break;
                    }
                }
                seen
            });
        }
        let mut all = Vec::new();
        while let Some(seen) = workers.join_next().await {
            all.extend(seen.unwrap_or_default());
        }
        all
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

#[derive(Debug, Default)]
struct Count {
    served: u64,
    left: u64,
    unpaid: u64,
    others: Vec<String>,
}

impl Count {
    fn of(seen: &[Seen], bound: Bound) -> Self {
        let mut count = Self::default();
        for exchange in seen {
            let code = exchange.reading.error.as_ref().and_then(|error| error.code.as_deref());
            match (exchange.ending, exchange.status, code) {
                (Ending::Complete, _, _) => count.served += 1,
                (Ending::Left, _, _) => count.left += 1,
                (Ending::Refused, Some(402), Some(code)) if code == bound.code() => {
                    count.unpaid += 1;
                }
                (ending, status, code) => {
                    count.others.push(format!("{ending:?}, status {status:?}, code {code:?}"));
                }
            }
        }
        count
    }

    fn cells(&self) -> [String; 4] {
        let others = u64::try_from(self.others.len()).unwrap_or(u64::MAX);
        [self.served, self.left, self.unpaid, others].map(|number| number.to_string())
    }
}
