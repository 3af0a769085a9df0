//! Three providers behind one model go down in turn, each in another way, under steady load.
//!
//! A failure outlasts the beginning of the next one, so that at times one provider is left, and never
//! none. Then one of the three flaps: it is down every other second. What counts is what clients see
//! over time, and how many requests reach the providers for those that clients sent.

mod fault;
mod flapping;
mod judge;
mod play;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep_until;

pub use fault::Fault;

use self::judge::Failure;
use self::play::{Attempts, Front, Play, Provider};
use super::timeline::{End, Timeline, WARM_UP};
use super::{Common, Error, MODEL, PRICE, Stage};
use crate::chart::Band;
use crate::clock;
use crate::process::gateway::{Setup, Timeouts};
use crate::table::{Report, Table, ratio};

/// The providers' names.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
/// Attempts are at most this many for each request.
const ATTEMPTS_MAX: f64 = 1.2;
/// The breaker's patience, short enough for failures that follow each other in seconds.
const BREAKER: &str =
    "breaker = { cooldown = \"500ms\", cooldown_max = \"2s\", probe_timeout = \"2s\" }";

/// How long, how hard, and in which ways.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second; half of them streamed.
    #[arg(long, default_value_t = 150)]
    rate: u32,
    /// Seconds before the first failure.
    #[arg(long, default_value_t = 5)]
    steady_s: u32,
    /// Seconds from one failure to the next.
    #[arg(long, default_value_t = 6)]
    every_s: u32,
    /// Milliseconds by which a failure outlasts the beginning of the next: two are down together.
    #[arg(long, default_value_t = 2_000)]
    overlap_ms: u64,
    /// The failures in turn; the first provider has the first, the second the second, and so on.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Time limit of an attempt: to a connection, a head, the first content, an unstreamed answer. For
    /// another gateway: what it is set to.
    #[arg(long, default_value_t = 500)]
    timeout_ms: u64,
    /// The order in which the gateway tries the three, as its configuration names it.
    #[arg(long, default_value = "weighted")]
    strategy: String,
    /// Seconds for which one provider flaps; 0 for not at all.
    #[arg(long, default_value_t = 30)]
    flapping_s: u32,
    /// What it does when it is down.
    #[arg(long, value_enum, default_value = "503")]
    flapping_fault: Fault,
    /// Another gateway, which is running already, such as `http://127.0.0.1:4000/v1`.
    #[arg(long, requires_all = ["provider_listen", "subject"])]
    gateway_url: Option<String>,
    /// The key to call it with.
    #[arg(long, default_value = "none")]
    key: String,
    /// Where the three providers are to listen, apart by commas; that gateway must know them.
    #[arg(long, value_delimiter = ',')]
    provider_listen: Vec<SocketAddr>,
}

/// Lengths of a play.
#[derive(Clone, Debug)]
struct Lengths {
    rate: u32,
    steady: Duration,
    every: Duration,
    overlap: Duration,
    faults: Vec<Fault>,
    flapping: u32,
    /// The time limit to hold against, where there are requests enough for quantiles.
    limit: Option<Duration>,
}

impl Options {
    fn lengths(&self, small: bool) -> Lengths {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        let faults = if self.faults.is_empty() { Fault::IN_TURN } else { &self.faults };
        if small {
            return Lengths {
                rate: 60,
                steady: Duration::from_millis(800),
                // A provider that was down has had time for the longest cool-down when it is needed.
                every: Duration::from_millis(2_600),
                overlap: Duration::from_millis(400),
                faults: faults.iter().take(3).copied().collect(),
                flapping: 3.min(self.flapping_s),
                limit: None,
            };
        }
        let every = seconds(self.every_s);
        // With three providers a third failure must not find the first one still down.
        let overlap = Duration::from_millis(self.overlap_ms).min(every.mul_f64(0.9));
        Lengths {
            rate: self.rate,
            steady: seconds(self.steady_s),
            every,
            overlap,
            faults: faults.to_vec(),
            flapping: self.flapping_s,
            limit: Some(Duration::from_millis(self.timeout_ms)),
        }
    }

    /// Where requests are to go.
    fn front(&self, providers: &[Provider]) -> Result<Front, Error> {
        match &self.gateway_url {
            Some(url) => Front::other(url, &self.key),
            None => Ok(Front::Own(Box::new(self.setup(providers)))),
        }
    }

    fn setup(&self, providers: &[Provider]) -> Setup {
        let named = NAMES.iter().zip(providers);
        let addresses: Vec<_> = named
            .map(|(name, provider)| ((*name).to_owned(), provider.simulator.address()))
            .collect();
        let mut setup = Setup::several(MODEL, PRICE, &addresses);
        let limit = self.timeout_ms;
        setup.timeouts = Timeouts {
            connect_ms: limit,
            head_ms: limit,
            first_content_ms: limit,
            idle_ms: 2 * limit,
        };
        setup.unstreamed_ms = Some(limit);
        setup.strategy = Some(self.strategy.clone());
        BREAKER.clone_into(&mut setup.provider_lines);
        setup
    }

    fn listen(&self) -> Result<[Option<SocketAddr>; 3], Error> {
        match *self.provider_listen.as_slice() {
            [] => Ok([None; 3]),
            [first, second, third] => Ok([first, second, third].map(Some)),
            _ => Err(Error::Usage("--provider-listen takes three addresses".to_owned())),
        }
    }
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let lengths = options.lengths(common.small);
    let stage = Stage::new(common)?;
    let mut providers = Vec::new();
    for (name, listen) in NAMES.into_iter().zip(options.listen()?) {
        providers.push(Provider::start(&stage, name, listen).await?);
    }
    let front = options.front(&providers)?;
    let mut report = Report::default();

    let play = Play::begin(&stage, "gateway", &front, &providers, lengths.rate).await?;
    let failures = turns(&lengths, &play, &mut providers).await?;
    let (timeline, attempts) = play.end(&providers).await?;
    tell_turns(&mut report, &lengths, &timeline, &failures);
    tell_attempts(&mut report, "Outage", attempts);

    if lengths.flapping > 0 {
        let play = Play::begin(&stage, "flapping", &front, &providers, lengths.rate).await?;
        let flapping =
            flapping::play(options.flapping_fault, lengths.flapping, &play, &mut providers);
        let (bands, samples) = flapping.await?;
        let (timeline, attempts) = play.end(&providers).await?;
        flapping::tell(&mut report, options.flapping_fault, &timeline, &bands, &samples);
        tell_attempts(&mut report, "Flapping", attempts);
    }
    Ok(report)
}

/// A steady stretch, and the failures.
async fn turns(
    lengths: &Lengths,
    play: &Play,
    providers: &mut [Provider],
) -> Result<Vec<Failure>, Error> {
    let start = play.recorder.start;
    let mut failures: Vec<Failure> = Vec::new();
    let mut down: Option<(usize, Fault)> = None;
    for (number, &fault) in (0_u32..).zip(&lengths.faults) {
        sleep_until((start + lengths.steady + lengths.every * number).into()).await;
        let turn = usize::try_from(number).unwrap_or(0) % NAMES.len();
        let at = clock::since(start);
        play.fail(providers, turn, fault).await?;
        if let Some(before) = failures.last_mut() {
            before.next = at;
        }
        let provider = NAMES.get(turn).copied().unwrap_or_default();
        failures.push(Failure { provider, fault, at, until: at, next: at });
        if let Some(before) = down.replace((turn, fault)) {
            sleep_until((start + at + lengths.overlap).into()).await;
            recover(providers, before).await?;
            let count = failures.len();
            if let Some(failure) = failures.get_mut(count.saturating_sub(2)) {
                failure.until = clock::since(start);
            }
        }
    }
    let count = u32::try_from(lengths.faults.len()).unwrap_or(u32::MAX);
    sleep_until((start + lengths.steady + lengths.every * count).into()).await;
    let end = clock::since(start);
    if let Some(last) = failures.last_mut() {
        (last.until, last.next) = (end, end);
    }
    if let Some(last) = down {
        recover(providers, last).await?;
    }
    Ok(failures)
}

async fn recover(providers: &mut [Provider], down: (usize, Fault)) -> Result<(), Error> {
    let (turn, fault) = down;
    match providers.get_mut(turn) {
        Some(provider) => fault.end(&mut provider.simulator).await,
        None => Ok(()),
    }
}

fn tell_turns(report: &mut Report, lengths: &Lengths, timeline: &Timeline, failures: &[Failure]) {
    let bands: Vec<Band> = failures
        .iter()
        .map(|failure| Band {
            from: failure.at.as_secs_f64(),
            to: failure.until.as_secs_f64(),
            label: format!("{} {}", failure.provider, failure.fault.name()),
        })
        .collect();
    for chart in timeline.charts("Outage", &NAMES, &bands) {
        report.chart(chart);
    }
    let steady = judge::steady(timeline, WARM_UP.min(lengths.steady), lengths.steady);
    let judged: Vec<_> = failures
        .iter()
        .map(|failure| (*failure, judge::judge(timeline, failure, steady)))
        .collect();
    claim_no_errors(report, "Outage", timeline);
    judge::tell(report, &judged, steady, lengths.limit);
}

fn claim_no_errors(report: &mut Report, name: &str, timeline: &Timeline) {
    let early = timeline.all().iter().filter(|point| point.end == End::EarlyError);
    let told = early.map(|point| {
        let (at, waited) = (point.at.as_secs_f64(), point.first_content.as_secs_f64());
        format!("a request at {at:.2} s, after {waited:.2} s")
    });
    report.claim_none(format!("{name}: no client without content saw an error"), told.collect());
    let whole = timeline.all().iter().filter(|point| point.end == End::Whole).count();
    report.claim(format!("{name}: clients got whole answers"), whole > 0, Vec::new());
}

fn tell_attempts(report: &mut Report, name: &str, attempts: Attempts) {
    let Attempts { requests, received, booked } = attempts;
    let mut table = Table::new(
        &format!("{name}: attempts upstream"),
        &[
            "play",
            "requests",
            "arrived at providers",
            "per request",
            "in the books",
            "per request, booked",
        ],
    );
    let by_providers = ratio(received, requests);
    let by_books = booked.map(|booked| ratio(booked, requests));
    let shown = |figure: Option<String>| figure.unwrap_or_else(|| "–".to_owned());
    table.row(vec![
        name.to_owned(),
        requests.to_string(),
        received.to_string(),
        format!("{by_providers:.3}"),
        shown(booked.map(|booked| booked.to_string())),
        shown(by_books.map(|by_books| format!("{by_books:.3}"))),
    ]);
    report.table(table);
    report.claim(
        format!("{name}: at most 1.2 attempts for each request"),
        by_books.is_none_or(|by_books| by_books <= ATTEMPTS_MAX) && by_providers <= ATTEMPTS_MAX,
        vec![format!("{by_providers:.3} by the providers' counters, {by_books:.3?} by the books")],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        _common: Common,
    }

    fn lengths(words: &[&str], small: bool) -> Lengths {
        let words = std::iter::once("outage").chain(words.iter().copied());
        <Line as clap::Parser>::parse_from(words).options.lengths(small)
    }

    #[test]
    fn one_provider_is_always_left() {
        let late = lengths(&["--every-s", "2", "--overlap-ms", "9000"], false);
        assert!(late.overlap < late.every);
        assert_eq!(lengths(&[], false).faults, Fault::IN_TURN);
    }

    #[test]
    fn a_small_play_makes_no_claim_on_quantiles() {
        let small = lengths(&["--faults", "503,mute"], true);
        assert_eq!((small.limit, small.faults.len()), (None, 2));
        assert!(lengths(&["--flapping-s", "0"], true).flapping == 0);
    }
}
