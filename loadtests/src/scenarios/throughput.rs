//! What a request and a streamed event cost: direct to the provider, through nginx as a plain reverse
//! proxy, and through the gateway, in one run and by the same client.
//!
//! The proxy has one processor to itself, client and provider share the other. Cost is processor time
//! of the proxy's process tree divided by answers; a rate or a latency on a shared machine says less.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{AMPLE, Common, Error, MODEL, PRICE, Stage};
use crate::client::{Ask, Protocol, Target};
use crate::generator::{Load, Tally, quantile};
use crate::process::gateway::{Durability, Gateway, Setup};
use crate::process::nginx::{self, Nginx};
use crate::process::simulator::Simulator;
use crate::process::usage::Usage;
use crate::simulator::behaviour::Behaviour;
use crate::table::{Report, Table, ratio, time};

/// An unstreamed answer of about 550 bytes.
const TOKENS: u32 = 56;
const REQUEST_FACTOR_MAX: f64 = 4.0;
const EVENT_FACTOR_MAX: f64 = 1.5;
const WARM_UP: Duration = Duration::from_millis(500);
const OPEN_CONNECTIONS: usize = 128;

/// How much, and on which processors.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Times that everything is measured; medians are shown.
    #[arg(long, default_value_t = 3)]
    repeats: u32,
    /// Connections of the closed loop.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Requests a second of the open loop.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Concurrent streams.
    #[arg(long, default_value_t = 128)]
    streams: usize,
    /// Events with content of each stream.
    #[arg(long, default_value_t = 100)]
    events: u32,
    /// Events a second of each stream.
    #[arg(long, default_value_t = 100)]
    events_per_second: u32,
    /// When an answer's last byte may leave the gateway.
    #[arg(long, value_enum, default_value = "process")]
    durability: Durability,
    /// Do not pin processes to processors.
    #[arg(long)]
    unpinned: bool,
    /// Fail above 4 times nginx's cost of a request, or 1.5 times that of an event.
    #[arg(long)]
    assert: bool,
}

/// One way to the provider.
struct Lane {
    name: &'static str,
    whole: SocketAddr,
    streams: SocketAddr,
    key: Arc<str>,
    process: u32,
}

/// What was measured, once.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    rate: f64,
    request_us: f64,
    p50: Duration,
    p99: Duration,
    open_request_us: f64,
    open_p50: Duration,
    open_p99: Duration,
    event_us: f64,
    events_rate: f64,
    resident_kib: u64,
    failed: u64,
}

struct Meter<'a> {
    options: &'a Options,
    simulator: &'a Simulator,
    time: Duration,
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let stage = Stage::new(common)?;
    let (proxy_cpu, our_cpu) = processors(options);
    let folder = stage.folder("simulators")?;
    let simulator = Simulator::start(&stage.programs, &folder, "alpha", 0, our_cpu).await?;
    let nginx_version = nginx::version();
    let mut nginx = match nginx_version {
        Some(_) => {
            Some(Nginx::start(&stage.folder("nginx")?, simulator.address(), proxy_cpu).await?)
        }
        None => None,
    };
    let gateway = start_gateway(&stage, options, &simulator, proxy_cpu).await?;
    let (mut gateway, key) = gateway;
    let lanes = lanes(&simulator_lane(&simulator), nginx.as_ref(), &mut gateway, key);

    let small = common.small;
    let meter = Meter {
        options,
        simulator: &simulator,
        time: if small { Duration::from_millis(400) } else { Duration::from_secs(options.seconds) },
    };
    let repeats = if small { 1 } else { options.repeats.max(1) };
    let mut measured: Vec<Vec<Figures>> = vec![Vec::new(); lanes.len()];
    for _ in 0..repeats {
        for (lane, figures) in lanes.iter().zip(&mut measured) {
            figures.push(meter.measure(lane).await?);
        }
    }
    if let Some(nginx) = &mut nginx {
        nginx.stop().await?;
    }
    let medians: Vec<(&str, Figures)> = lanes
        .iter()
        .zip(&measured)
        .map(|(lane, figures)| (lane.name, Figures::medians(figures)))
        .collect();
    let pinned = if proxy_cpu.is_some() { "pinned" } else { "not pinned" };
    let version = nginx_version.unwrap_or_else(|| "nginx is not installed".to_owned());
    Ok(report(options, &medians, &format!("{version}, {pinned}, medians of {repeats}")))
}

/// The proxy's processor and ours, when there are two and they may be chosen.
fn processors(options: &Options) -> (Option<u32>, Option<u32>) {
    let several = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    if options.unpinned || !several {
        return (None, None);
    }
    let id = std::process::id().to_string();
    let pinned = std::process::Command::new("taskset")
        .args(["-a", "-c", "-p", "1", &id])
        .stdout(std::process::Stdio::null())
        .status();
    if pinned.is_ok_and(|status| status.success()) { (Some(0), Some(1)) } else { (None, None) }
}

async fn start_gateway(
    stage: &Stage,
    options: &Options,
    simulator: &Simulator,
    cpu: Option<u32>,
) -> Result<(Gateway, String), Error> {
    let mut setup = Setup::single(MODEL, PRICE, simulator.address());
    setup.durability = options.durability;
    setup.cpu = cpu;
    let gateway = stage.gateway("gateway", &setup).await?;
    let (_, key) = gateway.admin().customer("throughput", AMPLE).await?;
    Ok((gateway, key))
}

fn simulator_lane(simulator: &Simulator) -> Lane {
    let address = simulator.address();
    Lane {
        name: "direct",
        whole: address,
        streams: address,
        key: Arc::from("none"),
        process: simulator.id(),
    }
}

fn lanes(direct: &Lane, nginx: Option<&Nginx>, gateway: &mut Gateway, key: String) -> Vec<Lane> {
    let mut lanes = vec![Lane { key: Arc::clone(&direct.key), ..*direct }];
    lanes.extend(nginx.map(|nginx| Lane {
        name: "nginx",
        whole: nginx.whole,
        streams: nginx.streams,
        key: Arc::clone(&direct.key),
        process: nginx.id(),
    }));
    lanes.push(Lane {
        name: "InferGate",
        whole: gateway.address(),
        streams: gateway.address(),
        key: Arc::from(key),
        process: gateway.process().id(),
    });
    lanes
}

impl Meter<'_> {
    async fn measure(&self, lane: &Lane) -> Result<Figures, Error> {
        let options = self.options;
        self.simulator.behave(MODEL, &Behaviour::default()).await?;
        let whole = vec![Ask::chat(MODEL, TOKENS, false)];
        let load = |connections, time| {
            Load::new(lane.target(lane.whole), connections, whole.clone(), u64::MAX).lasting(time)
        };
        load(options.connections, WARM_UP).closed().await;
        let (closed, closed_cpu) =
            cost(lane.process, load(options.connections, self.time).closed()).await;
        let (open, open_cpu) =
            cost(lane.process, load(OPEN_CONNECTIONS, self.time).open(options.rate)).await;

        let paced =
            Behaviour { tokens_per_second: options.events_per_second, ..Behaviour::default() };
        self.simulator.behave(MODEL, &paced).await?;
        let asks = vec![Ask::chat(MODEL, options.events, true)];
        let streams = Load::new(lane.target(lane.streams), options.streams, asks, u64::MAX)
            .lasting(self.time);
        let (streams, streams_cpu) = cost(lane.process, streams.closed()).await;
        Ok(Figures {
            rate: closed.rate(),
            request_us: micros(closed_cpu) / ratio(closed.complete, 1),
            p50: quantile(&closed.total, 0.5),
            p99: quantile(&closed.total, 0.99),
            open_request_us: micros(open_cpu) / ratio(open.complete, 1),
            open_p50: quantile(&open.total, 0.5),
            open_p99: quantile(&open.total, 0.99),
            event_us: micros(streams_cpu) / ratio(streams.contents, 1),
            events_rate: ratio(streams.contents, 1) / streams.elapsed.as_secs_f64().max(1e-9),
            resident_kib: Usage::of_tree(lane.process).resident_kib,
            failed: closed.failed() + open.failed() + streams.failed(),
        })
    }
}

/// A load, and the processor time that the tree under `process` took for it.
async fn cost(process: u32, load: impl Future<Output = Tally>) -> (Tally, Duration) {
    let before = Usage::of_tree(process).cpu;
    let tally = load.await;
    (tally, Usage::of_tree(process).cpu.saturating_sub(before))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Lane {
    fn target(&self, address: SocketAddr) -> Target {
        Target { address, key: Arc::clone(&self.key), protocol: Protocol::Http1 }
    }
}

impl Figures {
    fn medians(runs: &[Self]) -> Self {
        let float = |field: fn(&Self) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(field).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        let time = |field: fn(&Self) -> Duration| {
            let mut values: Vec<Duration> = runs.iter().map(field).collect();
            values.sort();
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Self {
            rate: float(|run| run.rate),
            request_us: float(|run| run.request_us),
            p50: time(|run| run.p50),
            p99: time(|run| run.p99),
            open_request_us: float(|run| run.open_request_us),
            open_p50: time(|run| run.open_p50),
            open_p99: time(|run| run.open_p99),
            event_us: float(|run| run.event_us),
            events_rate: float(|run| run.events_rate),
            resident_kib: runs.iter().map(|run| run.resident_kib).max().unwrap_or(0),
            failed: runs.iter().map(|run| run.failed).sum(),
        }
    }
}

fn report(options: &Options, medians: &[(&str, Figures)], circumstances: &str) -> Report {
    let mut report = Report::default();
    let nginx = medians.iter().find(|(name, _)| *name == "nginx").map(|(_, figures)| *figures);
    let (connections, rate) = (options.connections, options.rate);
    let factor = |own: f64, field: fn(&Figures) -> f64| {
        nginx.map_or_else(|| "–".to_owned(), |nginx| format!("{:.2}", own / field(&nginx)))
    };
    let mut closed = Table::new(
        &format!("Throughput: closed loop, {connections} connections ({circumstances})"),
        &["through", "requests/s", "p50", "p99", "CPU µs/request", "× nginx", "RSS MiB"],
    );
    let mut open = Table::new(
        &format!("Throughput: open loop, {rate} requests/s"),
        &["through", "p50", "p99", "CPU µs/request", "× nginx"],
    );
    let mut streams = Table::new(
        &format!(
            "Throughput: {} streams of {} events, {} a second each",
            options.streams, options.events, options.events_per_second
        ),
        &["through", "events/s", "CPU µs/event", "× nginx"],
    );
    for &(name, run) in medians {
        closed.row(vec![
            name.to_owned(),
            format!("{:.0}", run.rate),
            time(run.p50),
            time(run.p99),
            format!("{:.1}", run.request_us),
            factor(run.request_us, |nginx| nginx.request_us),
            format!("{:.1}", ratio(run.resident_kib, 1_024)),
        ]);
        open.row(vec![
            name.to_owned(),
            time(run.open_p50),
            time(run.open_p99),
            format!("{:.1}", run.open_request_us),
            factor(run.open_request_us, |nginx| nginx.open_request_us),
        ]);
        streams.row(vec![
            name.to_owned(),
            format!("{:.0}", run.events_rate),
            format!("{:.2}", run.event_us),
            factor(run.event_us, |nginx| nginx.event_us),
        ]);
        report.claim_equal(format!("{name}: requests that failed"), &run.failed, &0);
    }
    for table in [closed, open, streams] {
        report.table(table);
    }
    if options.assert {
        bounds(&mut report, medians, nginx);
    }
    report
}

fn bounds(report: &mut Report, medians: &[(&str, Figures)], nginx: Option<Figures>) {
    let own = medians.iter().find(|(name, _)| *name == "InferGate").map(|(_, figures)| *figures);
    let (Some(own), Some(nginx)) = (own, nginx) else {
        report.claim("nginx is there to be compared with", false, Vec::new());
        return;
    };
    let mut bound = |text: &str, own: f64, nginx: f64, most: f64| {
        let factor = own / nginx;
        report.claim(
            text,
            factor <= most,
            vec![format!("{own:.1} µs is {factor:.2} × {nginx:.1} µs")],
        );
    };
    bound(
        "a request costs at most 4 × nginx's",
        own.request_us,
        nginx.request_us,
        REQUEST_FACTOR_MAX,
    );
    bound("an event costs at most 1.5 × nginx's", own.event_us, nginx.event_us, EVENT_FACTOR_MAX);
}
