//! The configuration: from the file as it is written to values as they are meant.
//!
//! What is written is a TOML document with the places of its keys (`tree`). What is meant are the
//! plain types of `meant`: checked, every default filled in, every reference resolved. Between them
//! every fault is noted, and all are reported at once, each with its file, line, key and what would
//! be right. So nothing behind this module doubts a setting.
//!
//! `config/infergate.toml` shows every key with its default and why; a test holds it equal to the
//! code.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::DeTable;

mod ability;
mod base_url;
mod cache;
mod credit;
mod environment;
mod fault;
mod meant;
mod model;
mod nearest;
mod price;
mod provider;
mod reload;
mod route;
mod secret;
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod unit;
mod value;
pub mod watch;

pub use ability::Abilities;
pub use base_url::{BaseUrl, BaseUrlError};
pub use cache::{Cache, CacheScope, RouteCache};
pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use meant::{
    Admin, Breaker, Config, Deployment, Durability, HealthProbe, Kind, Model, OutputCeilingField,
    Provider, Server, Store, Timeouts, Tls, Trial, Verify,
};
pub use reload::{Change, NotReloadable, Step, diff};
pub use route::{
    AfterContent, DataCollection, Hedge, HedgeAfter, Place, Retry, Route, Sticky, StickyBy,
    Strategy, Target, When,
};
pub use secret::Secret;
pub(crate) use unit::duration;

use tree::{Log, Section, Spot};

/// A longer file is refused unread.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

impl Config {
    /// Reads and checks the file at `path`, filling in `${NAME}` from `environment`.
    ///
    /// `INFERGATE_LISTEN`, `INFERGATE_ADMIN_LISTEN` and `INFERGATE_DATA_DIR` stand over the file.
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, Faults> {
        let file = path.display().to_string();
        let unreadable = |message: String| {
            let key = String::new();
            Faults::new(vec![Fault { file: file.clone(), line: None, key, message }])
        };
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        match read {
            Err(error) => Err(unreadable(format!("can't be read: {error}"))),
            Ok(_) if text.len() as u64 > FILE_BYTES_MAX => {
                Err(unreadable("longer than 4 MiB: split it or shorten it".to_owned()))
            }
            Ok(_) => Self::parse(&file, &text, environment),
        }
    }

    /// Checks `text`, which faults will say is in `file`. Nothing is read but the files of
    /// `server.tls`, which must open.
    pub fn parse(file: &str, text: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let log = Log::new(file, text, environment);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = error.span().and_then(|span| log.line(span.start));
            log.fault(&Spot { line, key: String::new() }, format!("no TOML: {}", error.message()));
        }
        if !errors.is_empty() {
            // What a broken document seems to say beyond that would only mislead.
            return Err(Faults::new(log.into_faults()));
        }
        let config = read(Section::new(&log, Spot::default(), Some(document.get_ref())));
        let faults = log.into_faults();
        if faults.is_empty() { Ok(config) } else { Err(Faults::new(faults)) }
    }
}

fn read(mut root: Section<'_>) -> Config {
    let log = root.log;
    let (server, data_listen) = settings::server(root.section("server"));
    let (admin, admin_listen) = settings::admin(root.section("admin"));
    settings::ports_differ(log, &data_listen, &admin_listen);
    let store = settings::store(root.section("store"));
    let trial = settings::trial(root.section("trial"));
    let credit = credit::credit(root.section("credit"));
    let cache = cache::bounds(root.section("cache"));
    let routing = settings::routing(root.section("routing"));
    let timeouts = settings::timeouts(root.section("timeouts")).over(&settings::TIMEOUTS, log);
    let defaults = provider::Defaults {
        in_flight_max: server.requests_in_flight_max,
        timeouts,
        breaker: settings::breaker(root.section("breaker"), &settings::BREAKER),
    };
    let mut providers = provider::providers(&mut root, &defaults);
    let models = model::models(&mut root, &mut providers, routing, &timeouts);
    root.end();
    let mut notes = providers.notes;
    notes.extend(models.notes);
    if models.on.is_empty() {
        notes.push("no model is on: add one to [[models]]".to_owned());
    }
    let (providers, models) = (providers.on, models.on);
    Config { server, admin, store, trial, credit, cache, providers, models, notes }
}
