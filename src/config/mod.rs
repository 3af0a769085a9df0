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
use std::io::{self, Read};
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

mod ability;
mod base_url;
mod cache;
mod catalog;
mod credit;
pub(crate) mod date;
mod environment;
mod fault;
mod keys;
mod lifecycle;
mod meant;
mod model;
mod nearest;
mod plan;
mod price;
mod prices;
mod provider;
mod reload;
mod review;
mod route;
mod secret;
mod settings;
mod sign_up;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod unit;
mod usage;
mod value;
pub mod watch;
mod webhooks;

pub use ability::Abilities;
pub use base_url::{BaseUrl, BaseUrlError};
pub use cache::{Cache, CacheScope, RouteCache};
pub use environment::Environment;
pub use fault::{Fault, Faults};
pub use lifecycle::Lifecycle;
pub(crate) use meant::EVERY_ORIGIN;
pub use meant::{
    Admin, Breaker, Config, Deployment, Durability, HealthProbe, Kind, Model, OutputCeilingField,
    Provider, Server, Store, Timeouts, Tls, Trial, Verify,
};
pub use prices::Prices;
pub use reload::{Change, NotReloadable, Step, diff};
pub use route::{
    AfterContent, DataCollection, Hedge, HedgeAfter, Place, Retry, Route, Sticky, StickyBy,
    Strategy, Target, When,
};
pub use secret::Secret;
pub(crate) use settings::OWNER_CHANGES_PER_MINUTE;
pub use sign_up::{SignUp, SignUpPolicy};
pub(crate) use unit::duration;

use catalog::Written;
use model::Models;
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
        match read_file(path) {
            Err(error) => Err(unreadable(format!("can't be read: {error}"))),
            Ok(text) if text.len() as u64 > FILE_BYTES_MAX => {
                Err(unreadable("longer than 4 MiB: split it or shorten it".to_owned()))
            }
            Ok(text) => Self::parse(&file, &text, environment),
        }
    }

    /// Checks `text`, which faults will say is in `file`. Nothing is read but the file that `catalog`
    /// names and the files of `server.tls`, which must open.
    pub fn parse(file: &str, text: &str, environment: Environment<'_>) -> Result<Self, Faults> {
        let log = Log::new(file, text, environment);
        let Some(document) = document(&log, text) else {
            // What a broken document seems to say beyond that would only mislead.
            return Err(Faults::new(log.into_faults()));
        };
        let mut root = Section::new(&log, Spot::default(), Some(document.get_ref()));
        let is_named = root.get("catalog").is_some();
        let written = catalog::written(&mut root);
        let (path, text) = match &written {
            Some(Written { path, text }) => (path.display().to_string(), text.as_str()),
            None => (String::new(), ""),
        };
        let catalog_log = Log::new(&path, text, environment);
        let catalog = written.as_ref().and_then(|_| self::document(&catalog_log, text));
        let catalog = catalog
            .as_ref()
            .map(|document| Section::new(&catalog_log, Spot::default(), Some(document.get_ref())));
        let is_whole = catalog.is_some() || !is_named;
        let mut config = read(root, catalog, is_whole);
        let faults = Faults::of_files([log.into_faults(), catalog_log.into_faults()]);
        config.catalog = written.map(|written| written.path);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }
}

/// All of a file, as far as it is not too long; a byte more tells that it is.
fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The document that `text` is; `None` with its faults noted where it is none.
fn document<'t>(log: &Log<'_>, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().and_then(|span| log.line(span.start));
        log.fault(&Spot { line, key: String::new() }, format!("no TOML: {}", error.message()));
    }
    errors.is_empty().then_some(document)
}

/// Reads a configuration, and the models of its catalogue, if it has one. Where that can't be read,
/// not all models are known, and what refers to one is not looked at.
fn read<'t>(mut root: Section<'t>, catalog: Option<Section<'t>>, is_whole: bool) -> Config {
    let log = root.log;
    let (server, data_listen) = settings::server(root.section("server"));
    let (admin, admin_listen) = settings::admin(root.section("admin"));
    settings::ports_differ(log, &data_listen, &admin_listen);
    let store = settings::store(root.section("store"));
    let trial = settings::trial(root.section("trial"));
    let mut credit = credit::credit(root.section("credit"));
    let sign_up = sign_up::sign_up(root.section("signup"), &mut credit);
    let plans = plan::plans(&mut root);
    let guard = keys::guard(root.section("keys"));
    let usage = usage::usage(root.section("usage"));
    let cache = cache::bounds(root.section("cache"));
    let notices = webhooks::notices(root.section("notices"));
    let webhooks = webhooks::webhooks(&mut root, notices.timeout);
    let routing = settings::routing(root.section("routing"));
    let timeouts = settings::timeouts(root.section("timeouts")).over(&settings::TIMEOUTS, log);
    let defaults = provider::Defaults {
        in_flight_max: server.requests_in_flight_max,
        timeouts,
        breaker: settings::breaker(root.section("breaker"), &settings::BREAKER),
    };
    let mut providers = provider::providers(&mut root, &defaults);
    let mut models = Models::default();
    models.read(&mut root, &mut providers, routing, &timeouts);
    root.end();
    if let Some(mut catalog) = catalog {
        models.read(&mut catalog, &mut providers, routing, &timeouts);
        catalog.end();
    }
    if is_whole {
        models.check_successors();
    }
    let mut notes = providers.notes;
    let off = models.off.iter();
    notes.extend(off.map(|name| format!("model \"{name}\" is off: none of its providers is on")));
    if models.on.is_empty() {
        notes.push("no model is on: add one to [[models]]".to_owned());
    }
    Config {
        server,
        admin,
        store,
        trial,
        credit,
        guard,
        usage,
        plans,
        sign_up,
        cache,
        notices,
        webhooks,
        providers: providers.on,
        models: models.on,
        models_off: models.off,
        catalog: None,
        notes,
    }
}
