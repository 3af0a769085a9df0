//! Two providers under steady load; one of them fails in every way there is, and comes back.
//!
//! Requests arrive at a fixed rate whatever happens. Each fault is played alone: a steady stretch, the
//! fault, the recovery. What counts is what clients see: no error where nothing of an answer had
//! reached them, never a truncated answer that looks whole, and a bill that is the winner's usage.

mod fault;
mod stretch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

pub use fault::Fault;

use self::stretch::{Outline, Point, Stretch};
use super::{AMPLE, Case, Common, Error, MODEL, PRICE, Stage, audit};
use crate::admin::breaker_state;
use crate::client::{Ask, Ending, Protocol, Seen, Target};
use crate::clock;
use crate::generator::Load;
use crate::process::gateway::{Durability, Gateway, Setup, Timeouts};
use crate::process::simulator::Simulator;
use crate::simulator::stats::Entry;
use crate::table::{Report, Table};

const TOKENS: u32 = 10;
const SAMPLE: Duration = Duration::from_millis(50);
const WINDOW: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 400;
const SEEN_MAX: usize = 2_000_000;
/// Short enough that a recovery shows within the patience of the scenario.
const BREAKER: &str =
    "breaker = { cooldown = \"500ms\", cooldown_max = \"2s\", probe_timeout = \"2s\" }";

/// How long and how hard.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Seconds of each fault.
    #[arg(long, default_value_t = 6)]
    fault_s: u64,
    /// Seconds to wait for the traffic to come back.
    #[arg(long, default_value_t = 30)]
    recovery_s: u64,
    /// Both providers in one tier, half of the traffic each; without it the second is the fallback.
    #[arg(long)]
    shared: bool,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Fault>,
}

struct Play {
    gateway: Gateway,
    alpha: Simulator,
    beta: Simulator,
    rate: u32,
    fault_time: Duration,
    recovery_time: Duration,
    points: Arc<Mutex<Vec<Point>>>,
    winners: HashMap<String, Entry>,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let stage = Stage::new(common)?;
    let (alpha, beta) = (stage.simulator("alpha").await?, stage.simulator("beta").await?);
    let mut setup = Setup::single(MODEL, PRICE, alpha.address());
    setup.providers.push(("beta".to_owned(), beta.address()));
    setup.models.iter_mut().for_each(|model| model.shared = options.shared);
    setup.durability = Durability::Process;
    setup.timeouts =
        Timeouts { connect_ms: 1_000, head_ms: 1_000, first_content_ms: 1_000, idle_ms: 2_000 };
    BREAKER.clone_into(&mut setup.provider_lines);
    let gateway = stage.gateway("gateway", &setup).await?;
    let (account, key) = gateway.admin().customer("faults", AMPLE).await?;
    let target =
        Target { address: gateway.address(), key: Arc::from(key), protocol: Protocol::Http1 };
    let mut play = Play {
        gateway,
        alpha,
        beta,
        rate: if common.small { 60 } else { options.rate },
        fault_time: Duration::from_secs(if common.small { 2 } else { options.fault_s }),
        recovery_time: Duration::from_secs(options.recovery_s),
        points: Arc::default(),
        winners: HashMap::new(),
    };
    play.healthy().await?;
    let (stop, playing) = play.load(target);
    let faults = match (options.faults.as_slice(), common.small) {
        ([], true) => &[Fault::Kill, Fault::Status500, Fault::Cut][..],
        ([], false) => Fault::ALL,
        (chosen, _) => chosen,
    };
    let mut outlines = Vec::new();
    for &fault in faults {
        outlines.push(play.fault(fault).await?);
    }
    stop.send_replace(true);
    let seen = playing.await.unwrap_or_default().seen;
    play.collect_winners().await?;

    let mut report = Report::default();
    let prefix = play.alpha.answer_prefix();
    let points = std::mem::take(&mut *play.points.lock().unwrap_or_else(PoisonError::into_inner));
    tables(&outlines, &points, &mut report);
    claims(&seen, &outlines, &points, &mut report);
    let won = seen.iter().any(|seen| has_prefix(seen, &prefix));
    report.claim("the first provider won some of the traffic", won, Vec::new());
    let case = Case {
        name: "in the end",
        account: &account,
        price: PRICE,
        seen: &seen,
        winners: &play.winners,
    };
    audit(play.gateway.admin(), &case, &mut report).await?;
    Ok(report)
}

fn has_prefix(seen: &Seen, prefix: &str) -> bool {
    seen.reading.answer_id.as_ref().is_some_and(|answer| answer.starts_with(prefix))
}

impl Play {
    /// Steady load in the background, noted point by point.
    fn load(
        &self,
        target: Target,
    ) -> (watch::Sender<bool>, tokio::task::JoinHandle<crate::generator::Tally>) {
        let asks = vec![
            Ask::chat(MODEL, TOKENS, true).within(Duration::from_secs(20)),
            Ask::chat(MODEL, TOKENS, false).within(Duration::from_secs(20)),
        ];
        let mut load = Load::new(target, CONNECTIONS, asks, u64::MAX).keeping(SEEN_MAX);
        let (stop, stopped) = watch::channel(false);
        load.stop = Some(stopped);
        let points = Arc::clone(&self.points);
        let prefix = self.alpha.answer_prefix();
        load.observer = Some(Arc::new(move |seen| {
            let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
            if points.len() < SEEN_MAX {
                points.push(Point {
                    begun: seen.intended,
                    latency: seen.total,
                    ending: seen.ending,
                    had_no_content: seen.had_no_content(),
                    first: has_prefix(seen, &prefix),
                });
            }
        }));
        let rate = self.rate;
        (stop, tokio::spawn(load.open(rate)))
    }

    async fn healthy(&self) -> Result<(), Error> {
        self.alpha.behave(MODEL, &Fault::healthy()).await?;
        self.beta.behave(MODEL, &Fault::healthy()).await?;
        Ok(())
    }

    async fn collect_winners(&mut self) -> Result<(), Error> {
        self.winners.extend(self.alpha.log().await?);
        self.winners.extend(self.beta.log().await?);
        Ok(())
    }

    /// A steady stretch, the fault, the recovery.
    async fn fault(&mut self, fault: Fault) -> Result<Outline, Error> {
        let steady = clock::now();
        sleep(self.fault_time / 2).await;
        self.collect_winners().await?;
        let begun = clock::now();
        fault.begin(&mut self.alpha).await?;
        let mut samples = Vec::new();
        let mut shut_in = None;
        while clock::since(begun) < self.fault_time {
            sleep(SAMPLE).await;
            // A provider that is gone counts nothing any more.
            if fault.counts()
                && let Ok(counts) = self.alpha.counts().await
            {
                samples.push((clock::since(begun), counts.received));
            }
            if shut_in.is_none() && self.breaker_is_shut().await {
                shut_in = Some(clock::since(begun));
            }
        }
        let ended = clock::now();
        fault.end(&mut self.alpha).await?;
        let share = self.share(steady, begun);
        let back_in = self.wait_for_return(ended, share).await;
        Ok(Outline {
            fault,
            steady: Stretch { from: steady, to: begun },
            faulty: Stretch { from: begun, to: ended },
            recovery: Stretch { from: ended, to: clock::now() },
            left_in: stretch::left_in(&samples, self.rate),
            shut_in,
            back_in,
        })
    }

    async fn breaker_is_shut(&self) -> bool {
        let state = self.gateway.admin().provider("alpha").await;
        state.is_ok_and(|state| breaker_state(&state) == Some("shut"))
    }

    fn share(&self, from: Instant, to: Instant) -> Option<u64> {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        Stretch { from, to }.share_percent(&points)
    }

    /// Until the first provider has half of its share again, over half a second.
    async fn wait_for_return(&self, ended: Instant, share_before: Option<u64>) -> Option<Duration> {
        while clock::since(ended) < self.recovery_time {
            sleep(SAMPLE).await;
            let now = clock::now();
            let window = ended.max(now.checked_sub(WINDOW).unwrap_or(ended));
            if clock::since(ended) >= WINDOW
                && self.share(window, now).unwrap_or(0) * 2 >= share_before.unwrap_or(100)
            {
                return Some(now.saturating_duration_since(ended));
            }
        }
        None
    }
}

fn tables(outlines: &[Outline], points: &[Point], report: &mut Report) {
    let mut faults = Table::new("Faults: what clients saw of each fault", Outline::HEAD);
    for outline in outlines {
        faults.row(outline.row(points));
    }
    report.table(faults);
    let mut shares = Table::new("Faults: share of the traffic over time", Outline::SHARES_HEAD);
    for outline in outlines {
        for row in outline.share_rows(points) {
            shares.row(row);
        }
    }
    report.table(shares);
}

fn claims(seen: &[Seen], outlines: &[Outline], points: &[Point], report: &mut Report) {
    let told = |seen: &Seen| {
        let error = seen.reading.error.as_ref().and_then(|error| error.message.clone());
        format!("{:?}, status {:?}, {}", seen.ending, seen.status, error.unwrap_or_default())
    };
    let early = seen.iter().filter(|seen| seen.ending != Ending::Complete && seen.had_no_content());
    report.claim_none("no client without content saw an error", early.map(told).collect());
    let truncated = seen.iter().filter(|seen| {
        seen.ending == Ending::Complete && !seen.reading.words.are_exactly(u64::from(TOKENS))
    });
    report.claim_none("no truncated answer looked whole", truncated.map(told).collect());
    let silent = seen.iter().filter(|seen| seen.ending == Ending::Cut && seen.streamed);
    report.claim_none("a stream that broke said so", silent.map(told).collect());
    let stayed = outlines.iter().filter(|outline| !outline.left());
    report.claim_none(
        "traffic left the failing provider",
        stayed.map(|outline| outline.fault.name().to_owned()).collect(),
    );
    let lost = outlines.iter().filter(|outline| outline.back_in.is_none());
    report.claim_none(
        "traffic came back to the recovered provider",
        lost.map(|outline| outline.fault.name().to_owned()).collect(),
    );
    report.claim("every exchange could be kept", points.len() < SEEN_MAX, Vec::new());
}
