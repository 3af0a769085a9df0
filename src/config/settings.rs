//! Reading the gateway's own settings: ports, store, trial credit, and the defaults of routes. Pure
//! but for opening the certificate's files.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use infergate_actors::account::is_referrer;
use infergate_actors::money::NanoUsd;

use super::meant::{
    Admin, Breaker, Durability, EVERY_ORIGIN, Server, Store, Timeouts, Tls, Trial, Verify,
};
use super::tree::{Log, Node, Section, Spot, show};
use super::value::NO_ADDRESS;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Changes that an account may make under `/api/v1` in a minute, where nothing else is said: a person makes
/// fewer, and a program that makes a key for each of its users as many at once.
pub(crate) const OWNER_CHANGES_PER_MINUTE: u32 = 60;

/// What routes do where they do not say otherwise.
#[derive(Clone, Copy)]
pub(super) struct Routing {
    pub(super) attempts_max: u32,
    pub(super) deadline: Duration,
}

/// An address and where it was given.
pub(super) struct Listen {
    address: SocketAddr,
    spot: Spot,
}

/// Timeouts as they were written: over those of the level above.
#[derive(Default)]
pub(super) struct TimeoutsWritten {
    connect: Option<(Duration, Spot)>,
    head: Option<(Duration, Spot)>,
    first_content: Option<(Duration, Spot)>,
    unstreamed: Option<(Duration, Spot)>,
    unstreamed_tokens_per_second: Option<u32>,
    idle: Option<(Duration, Spot)>,
    total: Option<Duration>,
}

pub(super) fn server(section: Section<'_>) -> (Server, Listen) {
    let mut s = section;
    let listen = listen(&mut s, ([127, 0, 0, 1], 8080).into(), "INFERGATE_LISTEN");
    let server = Server {
        listen: listen.address,
        head_bytes_max: s
            .optional("head_bytes_max", |node| node.size(8 * KIB..=MIB))
            .unwrap_or(64 * KIB),
        body_bytes_max: s
            .optional("body_bytes_max", |node| node.size(KIB..=1024 * MIB))
            .unwrap_or(32 * MIB),
        head_timeout: duration(&mut s, "head_timeout", 10 * SECOND, MS, HOUR),
        body_timeout: duration(&mut s, "body_timeout", MINUTE, MS, HOUR),
        idle_timeout: duration(&mut s, "idle_timeout", 75 * SECOND, MS, DAY),
        requests_in_flight_max: s
            .optional("requests_in_flight_max", |node| node.number_u32(1..=1_000_000))
            .unwrap_or(10_000),
        owner_changes_per_minute: s
            .optional("owner_changes_per_minute", |node| node.number_u32(0..=1_000_000))
            .unwrap_or(OWNER_CHANGES_PER_MINUTE),
        shutdown_grace: duration(&mut s, "shutdown_grace", 30 * SECOND, Duration::ZERO, DAY),
        client_stall: duration(&mut s, "client_stall", MINUTE, MS, DAY),
        allowed_origins: s.optional("allowed_origins", origins).unwrap_or_default(),
        tls: s.optional("tls", tls),
    };
    s.end();
    (server, listen)
}

fn origins(node: &Node<'_>) -> Option<Vec<String>> {
    let origin = |node: &Node<'_>| {
        let text = node.text()?;
        if text != EVERY_ORIGIN && !is_referrer(&text) {
            node.fault(format!(
                "{} is no origin such as \"https://app.example.com\"",
                node.shown()
            ));
        }
        Some(text)
    };
    node.list()?.iter().map(origin).collect()
}

pub(super) fn admin(section: Section<'_>) -> (Admin, Listen) {
    let mut s = section;
    let listen = listen(&mut s, ([127, 0, 0, 1], 8081).into(), "INFERGATE_ADMIN_LISTEN");
    s.end();
    (Admin { listen: listen.address }, listen)
}

/// Notes a fault when the second address can't be bound beside the first.
pub(super) fn ports_differ(log: &Log<'_>, data: &Listen, admin: &Listen) {
    let (a, b) = (data.address, admin.address);
    // Port 0 asks for any free one. An unspecified address takes the port on every interface.
    let is_same_port = a.port() == b.port() && a.port() != 0;
    if is_same_port && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified()) {
        let message = format!("{b} is taken by server.listen, {a}: use another port");
        if admin.spot.key.starts_with("INFERGATE") {
            log.environment_fault(&admin.spot.key, message);
        } else {
            log.fault(&admin.spot, message);
        }
    }
}

pub(super) fn store(section: Section<'_>) -> Store {
    let mut s = section;
    let path = s.optional("path", Node::path);
    let overriding = overridden(&s, "INFERGATE_DATA_DIR").map(PathBuf::from);
    let durabilities = [("process", Durability::Process), ("disk", Durability::Disk)];
    let verifies = [("full", Verify::Full), ("tail", Verify::Tail)];
    let store = Store {
        path: overriding.or(path).unwrap_or_else(|| PathBuf::from("data")),
        durability: s
            .optional("durability", |node| node.choice(&durabilities))
            .unwrap_or(Durability::Process),
        fsync_interval: duration(&mut s, "fsync_interval", 50 * MS, MS, MINUTE),
        snapshot_every_events: s
            .optional("snapshot_every_events", |node| node.number_u32(1..=1_000_000))
            .unwrap_or(1_000),
        verify_on_start: s
            .optional("verify_on_start", |node| node.choice(&verifies))
            .unwrap_or(Verify::Full),
        account_idle: duration(&mut s, "account_idle", 5 * MINUTE, SECOND, DAY),
        node: s
            .optional("node", |node| node.number_u32(0..=u16::MAX.into()))
            .and_then(|node| u16::try_from(node).ok())
            .unwrap_or_default(),
    };
    s.end();
    store
}

pub(super) fn trial(section: Section<'_>) -> Trial {
    let mut s = section;
    let trial = Trial {
        credit: s.optional("credit_usd", Node::amount).unwrap_or(NanoUsd::from_usd(20)),
        expires_after: s.optional("expires_after", |node| node.duration(MINUTE..=36_500 * DAY)),
    };
    s.end();
    trial
}

pub(super) fn routing(section: Section<'_>) -> Routing {
    let mut s = section;
    let default = Routing { attempts_max: 4, deadline: MINUTE };
    let routing = routing_over(&mut s, default);
    s.end();
    routing
}

/// Reads the routing keys of a table that may have others.
pub(super) fn routing_over(s: &mut Section<'_>, above: Routing) -> Routing {
    Routing {
        attempts_max: s
            .optional("attempts_max", |node| node.number_u32(1..=64))
            .unwrap_or(above.attempts_max),
        deadline: duration(s, "deadline", above.deadline, MS, DAY),
    }
}

pub(super) fn timeouts(section: Section<'_>) -> TimeoutsWritten {
    let mut s = section;
    let unstreamed_tokens_per_second =
        s.optional("unstreamed_tokens_per_second", |node| node.number_u32(1..=1_000_000));
    let mut timeout =
        |key| s.optional(key, |node| Some((node.duration(MS..=DAY)?, node.spot.clone())));
    let written = TimeoutsWritten {
        connect: timeout("connect"),
        head: timeout("head"),
        first_content: timeout("first_content"),
        unstreamed: timeout("unstreamed"),
        unstreamed_tokens_per_second,
        idle: timeout("idle"),
        total: timeout("total").map(|(total, _)| total),
    };
    s.end();
    written
}

impl TimeoutsWritten {
    /// The timeouts that hold: those written here, else those of the level above. One from above
    /// is cut to this level's total; one written here that exceeds it is a fault.
    pub(super) fn over(&self, above: &Timeouts, log: &Log<'_>) -> Timeouts {
        let total = self.total.unwrap_or(above.total);
        let resolve = |written: &Option<(Duration, Spot)>, above: Duration| match written {
            Some((timeout, spot)) => {
                if *timeout > total {
                    let total = super::unit::show_duration(total);
                    log.fault(spot, format!("longer than the total, {total}: at most that"));
                }
                *timeout
            }
            None => above.min(total),
        };
        Timeouts {
            connect: resolve(&self.connect, above.connect),
            head: resolve(&self.head, above.head),
            first_content: resolve(&self.first_content, above.first_content),
            unstreamed: resolve(&self.unstreamed, above.unstreamed),
            unstreamed_tokens_per_second: self
                .unstreamed_tokens_per_second
                .unwrap_or(above.unstreamed_tokens_per_second),
            idle: resolve(&self.idle, above.idle),
            total,
        }
    }
}

/// The timeouts above all others.
pub(super) const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(2),
    head: Duration::from_secs(10),
    first_content: Duration::from_secs(10),
    unstreamed: Duration::from_mins(5),
    unstreamed_tokens_per_second: 20,
    idle: Duration::from_secs(15),
    total: Duration::from_mins(10),
};

/// The breaker of a provider that does not have its own.
pub(super) const BREAKER: Breaker = Breaker {
    consecutive_failures: 5,
    failure_ratio_percent: 50,
    window: Duration::from_secs(10),
    samples_min: 20,
    cooldown: Duration::from_secs(2),
    cooldown_max: Duration::from_secs(15),
    relapse_window: Duration::from_mins(1),
    probe_timeout: Duration::from_secs(30),
};

pub(super) fn breaker(section: Section<'_>, above: &Breaker) -> Breaker {
    let mut s = section;
    let cooldown = duration(&mut s, "cooldown", above.cooldown, MS, DAY);
    let breaker = Breaker {
        consecutive_failures: s
            .optional("consecutive_failures", |node| node.number_u32(1..=1_000_000))
            .unwrap_or(above.consecutive_failures),
        failure_ratio_percent: s
            .optional("failure_ratio_percent", |node| node.number_u32(1..=100))
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(above.failure_ratio_percent),
        window: duration(&mut s, "window", above.window, SECOND, HOUR),
        samples_min: s
            .optional("samples_min", |node| node.number_u32(1..=1_000_000))
            .unwrap_or(above.samples_min),
        cooldown,
        cooldown_max: s
            .optional("cooldown_max", |node| {
                let most = node.duration(MS..=DAY)?;
                if most < cooldown {
                    let cooldown = super::unit::show_duration(cooldown);
                    node.fault(format!("shorter than the cool-down, {cooldown}: at least that"));
                }
                Some(most)
            })
            .unwrap_or(above.cooldown_max.max(cooldown)),
        relapse_window: duration(
            &mut s,
            "relapse_window",
            above.relapse_window,
            Duration::ZERO,
            DAY,
        ),
        probe_timeout: duration(&mut s, "probe_timeout", above.probe_timeout, MS, DAY),
    };
    s.end();
    breaker
}

pub(super) fn duration(
    section: &mut Section<'_>,
    key: &'static str,
    default: Duration,
    from: Duration,
    to: Duration,
) -> Duration {
    section.optional(key, |node| node.duration(from..=to)).unwrap_or(default)
}

fn listen(section: &mut Section<'_>, default: SocketAddr, variable: &'static str) -> Listen {
    let mut spot = section.spot.key("listen");
    let written = section.optional("listen", |node| {
        spot = node.spot.clone();
        node.address()
    });
    let Some(overriding) = overridden(section, variable) else {
        return Listen { address: written.unwrap_or(default), spot };
    };
    let address = overriding.parse().unwrap_or_else(|_| {
        section.log.environment_fault(variable, format!("{} {NO_ADDRESS}", show(&overriding)));
        default
    });
    Listen { address, spot: Spot { line: None, key: variable.to_owned() } }
}

/// The value of a variable that stands over the file.
fn overridden(section: &Section<'_>, variable: &str) -> Option<String> {
    (section.log.environment)(variable).filter(|value| !value.is_empty())
}

fn tls(node: &Node<'_>) -> Option<Tls> {
    let mut s = node.section()?;
    let readable = |node: &Node<'_>| {
        let path = node.path()?;
        // Asked before it is opened: opening a pipe would wait for its other end.
        let is_file = fs::metadata(&path).map(|metadata| metadata.is_file());
        match is_file {
            Ok(false) => node.fault(format!("{} is no file", node.shown())),
            Ok(true) => match File::open(&path) {
                Ok(_) => return Some(path),
                Err(error) => node.fault(format!("{} can't be read: {error}", node.shown())),
            },
            Err(error) => node.fault(format!("{} can't be read: {error}", node.shown())),
        }
        None
    };
    let certificate = s.required("certificate", "\"certificate.pem\"", readable);
    let key = s.required("key", "\"key.pem\"", readable);
    s.end();
    Some(Tls { certificate: certificate?, key: key? })
}
