//! Memory of an open stream: many streams that have begun and do not end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{AMPLE, Case, Common, Error, MODEL, POLL, PRICE, Stage, audit};
use crate::client::{Ask, Connection, Ending, Protocol, Seen, Target};
use crate::clock;
use crate::process::gateway::Setup;
use crate::process::limits;
use crate::process::usage::Usage;
use crate::simulator::behaviour::{Behaviour, Faults};
use crate::table::{Report, Table, ratio};

const TOKENS: u32 = 8;
/// Connections that are being opened at one time.
const OPENING_MAX: usize = 200;
const KIB_MAX: f64 = 32.0;
const WAIT: Duration = Duration::from_mins(2);

/// How many.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Open streams.
    #[arg(long, default_value_t = 10_000)]
    streams: u64,
    /// Let the gateway speak HTTP/2 to the provider: all streams share a connection there.
    #[arg(long)]
    http2: bool,
    /// Fail above 32 KiB a stream.
    #[arg(long)]
    assert: bool,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let streams = if common.small { 100 } else { options.streams };
    // The gateway has a socket a stream at each side, and some of its own.
    let needed = streams * if options.http2 { 1 } else { 2 } + 500;
    let allowed = limits::open_files(needed);
    if allowed < needed {
        return Err(Error::OpenFiles { needed, allowed });
    }
    let stage = Stage::new(common)?;
    let simulator = stage.simulator("alpha").await?;
    let mut setup = Setup::single(MODEL, PRICE, simulator.address());
    if options.http2 {
        setup.provider_lines.push_str("http2 = true\n");
    }
    let mut gateway = stage.gateway("gateway", &setup).await?;
    let (account, key) = gateway.admin().customer("streams", AMPLE).await?;
    let target =
        Target { address: gateway.address(), key: Arc::from(key), protocol: Protocol::Http1 };
    // One answer first, so that what is made once is not counted as part of a stream.
    let mut seen = open(&target, 1, &Arc::default()).join_all().await;
    let id = gateway.process().id();
    let before = Usage::of_tree(id);

    let faults = Faults { stall_after: Some(1), ..Faults::default() };
    simulator.behave(MODEL, &Behaviour { faults, ..Behaviour::default() }).await?;
    let failed = Arc::new(AtomicU64::new(0));
    let waiting = open(&target, streams, &failed);
    let begun = clock::now();
    let mut stalled = 0;
    while stalled + failed.load(Ordering::Relaxed) < streams && clock::since(begun) < WAIT {
        sleep(POLL).await;
        // An answer has stalled once its first token is out; the count of tokens is of ended ones.
        stalled = simulator.counts().await?.in_flight;
    }
    // The last of them may still be on their way through the gateway.
    sleep(Duration::from_millis(500)).await;
    let with = Usage::of_tree(id);
    simulator.behave(MODEL, &Behaviour::default()).await?;
    seen.extend(waiting.join_all().await);

    let mut report = Report::default();
    let grown = with.resident_kib.saturating_sub(before.resident_kib);
    let each = ratio(grown, streams);
    let mut table = Table::new(
        "Streams: memory of the gateway",
        &["open streams", "RSS before KiB", "RSS with KiB", "KiB per stream"],
    );
    table.row(vec![
        stalled.to_string(),
        before.resident_kib.to_string(),
        with.resident_kib.to_string(),
        format!("{each:.1}"),
    ]);
    report.table(table);
    report.claim_equal("streams that were open together", &stalled, &streams);
    let broken = seen.iter().filter(|seen| seen.ending != Ending::Complete);
    report.claim_none(
        "every stream came to its end",
        broken.map(|seen| format!("{:?}, status {:?}", seen.ending, seen.status)).collect(),
    );
    if options.assert {
        let details = vec![format!("{each:.1} KiB")];
        report.claim("an open stream takes at most 32 KiB", each <= KIB_MAX, details);
    }
    let winners = simulator.log().await?;
    let case = Case {
        name: "in the end",
        account: &account,
        price: PRICE,
        seen: &seen,
        winners: &winners,
    };
    audit(gateway.admin(), &case, &mut report).await?;
    Ok(report)
}

/// Starts `count` streams, each on a connection of its own.
fn open(target: &Target, count: u64, failed: &Arc<AtomicU64>) -> JoinSet<Seen> {
    let gate = Arc::new(tokio::sync::Semaphore::new(OPENING_MAX));
    let ask = Arc::new(Ask::chat(MODEL, TOKENS, true).within(WAIT * 2));
    let mut all = JoinSet::new();
    for _ in 0..count {
        let mut connection = Connection::new(target.clone());
        let (gate, ask, failed) = (Arc::clone(&gate), Arc::clone(&ask), Arc::clone(failed));
        all.spawn(async move {
            let permit = gate.acquire_owned().await;
            // Held only while the connection is made: a stream stays open for much longer.
            connection.open_now().await;
            drop(permit);
            let seen = connection.ask(&ask, clock::now()).await;
            if seen.ending != Ending::Complete {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            seen
        });
    }
    all
}
