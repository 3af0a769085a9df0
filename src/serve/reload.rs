//! A new configuration while running: refused whole, or put to use for requests from then on.
//!
//! Whatever can fail is read and made before anything is put to use, the providers' actors last of it; what
//! follows can't fail.

use std::path::PathBuf;
use std::sync::Arc;

use infergate_actors::supervisor::System;
use tokio::sync::mpsc;

use super::{Gateway, body_limits};
use crate::catalog::{Catalog, CatalogError};
use crate::config::watch::Reason;
use crate::config::{Config, diff};
use crate::exchange::World;
use crate::front::Front;
use crate::notify::{KeptDeliveries, Notifier};

/// Reads the configuration again when there is reason to.
pub(super) struct Reloader {
    path: PathBuf,
    config: Config,
    system: System,
    world: Arc<World>,
    front: Front,
    notifier: Notifier,
}

impl Reloader {
    pub(super) fn new(path: PathBuf, gateway: &Gateway) -> Self {
        Self {
            path,
            config: gateway.config.clone(),
            system: gateway.system.clone(),
            world: Arc::clone(&gateway.world),
            front: gateway.front.clone(),
            notifier: gateway.notifier.clone(),
        }
    }

    pub(super) async fn run(mut self, mut reasons: mpsc::Receiver<Reason>) {
        while let Some(reason) = reasons.recv().await {
            match self.reload().await {
                Ok(0) => tracing::info!(?reason, "configuration read again: nothing has changed"),
                Ok(changes) => tracing::info!(?reason, changes, "new configuration in force"),
                Err(error) => tracing::error!(
                    ?reason,
                    %error,
                    "new configuration refused: the one in force stays"
                ),
            }
        }
    }

    /// Returns how many things changed.
    async fn reload(&mut self) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let environment = |name: &str| std::env::var(name).ok();
        let config = Config::load(&self.path, &environment)?;
        let changes = diff(&self.config, &config)?;
        if changes.is_empty() {
            return Ok(0);
        }
        let kept = self.notifier.kept().await?;
        let catalog = self.catalog(&config).await?;
        // Said of what is in force, and so of nothing that is refused.
        for change in &changes {
            tracing::info!(?change, "configuration");
        }
        let waiting = waiting(&self.config, &config);
        if !waiting.is_empty() {
            tracing::warn!(keys = waiting.join(", "), "taken up at the next start, not before");
        }
        self.put_to_use(&config, catalog, &kept);
        self.config = config;
        Ok(changes.len())
    }

    /// Starts and changes the providers; where one can't be, they are all given back what they had.
    async fn catalog(&self, config: &Config) -> Result<Catalog, CatalogError> {
        let (providers, clock) = (&self.system.providers, &self.world.clock);
        let built = Catalog::build(config, providers, clock).await;
        if built.is_err()
            && let Err(error) = Catalog::build(&self.config, providers, clock).await
        {
            tracing::error!(%error, "providers do not all have their former settings again");
        }
        built
    }

    /// Everything at once, as far as a request can tell: each looks once at what it needs.
    fn put_to_use(&self, config: &Config, catalog: Catalog, kept: &KeptDeliveries) {
        self.world.catalog.store(Arc::new(catalog));
        self.world.gate.resize(config.server.requests_in_flight_max as usize);
        self.world.cache.resize(config.cache);
        self.world.accounts.set_credit_rules(config.credit.clone());
        self.world.accounts.set_guard(config.guard.clone());
        self.notifier.reconfigure(config.notices.clone(), &config.webhooks, kept);
        for gone in gone(&self.config, config) {
            tracing::warn!(
                plan = gone,
                "plan removed: accounts on it are refused what costs something until it is back or \
                 they are on another"
            );
        }
        self.world.accounts.set_plans(config.plans.clone());
        self.front.set_limits(body_limits(config));
        self.front.set_origins(&config.server.allowed_origins);
        self.front.set_sign_up(config.sign_up.clone());
        self.front.set_owner_changes(config.server.owner_changes_per_minute);
    }
}

/// The plans that only the old configuration has.
fn gone<'c>(old: &'c Config, new: &Config) -> Vec<&'c str> {
    let plans = old.plans.all().iter().filter(|plan| new.plans.get(&plan.name).is_none());
    plans.map(|plan| plan.name.as_str()).collect()
}

/// The keys that differ and are read only at a start.
fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    let (server, store) = ((&old.server, &new.server), (&old.store, &new.store));
    let same = [
        ("server.head_bytes_max", server.0.head_bytes_max == server.1.head_bytes_max),
        ("server.head_timeout", server.0.head_timeout == server.1.head_timeout),
        ("server.idle_timeout", server.0.idle_timeout == server.1.idle_timeout),
        ("server.shutdown_grace", server.0.shutdown_grace == server.1.shutdown_grace),
        ("server.tls", server.0.tls == server.1.tls),
        ("store.fsync_interval", store.0.fsync_interval == store.1.fsync_interval),
        (
            "store.snapshot_every_events",
            store.0.snapshot_every_events == store.1.snapshot_every_events,
        ),
        ("store.verify_on_start", store.0.verify_on_start == store.1.verify_on_start),
        ("store.account_idle", store.0.account_idle == store.1.account_idle),
    ];
    same.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::fixture::Setup;

    const OLD: &str = "[[providers]]\nname = \"one\"\nkind = \"simulated\"\nin_flight_max = 3\n";

    #[tokio::test]
    async fn a_configuration_that_fails_at_one_thing_changes_nothing() {
        let gateway = Setup { config: OLD.into(), ..Setup::default() }.start().await;
        let path = gateway.directory.path().join("new.toml");
        let mut reloader = Reloader {
            path: path.clone(),
            config: Config::parse("old.toml", OLD, &|_| None).unwrap(),
            system: gateway.system.clone(),
            world: Arc::clone(&gateway.world),
            front: gateway.front.clone(),
            notifier: gateway.notifier.clone(),
        };
        let in_flight_max = async || {
            let one = gateway.system.providers.get("one").unwrap();
            one.inspect().await.unwrap().in_flight_max
        };
        let hook = "[[webhooks]]\nname = \"hook\"\nurl = \"http://127.0.0.1:9/\"\n\
                    secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n";
        let new = format!("{hook}{}", OLD.replace('3', "4"));
        // A URL that is as long as one may be, and has no room for a path.
        let far = format!("http://127.0.0.1/{}", "a".repeat(65_510));
        let wrong = format!(
            "{new}[[providers]]\nname = \"two\"\nkind = \"openai\"\nbase_url = \"{far}\"\n"
        );
        std::fs::write(&path, wrong).unwrap();
        let log = gateway.directory.path().join("log");
        let writer = std::sync::Mutex::new(std::fs::File::create(&log).unwrap());
        let logger = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        let _logging = tracing::subscriber::set_default(logger);
        let changes_told = || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.lines().filter(|line| line.contains("configuration change=")).count()
        };
        let catalog = gateway.world.catalog.load_full();
        let refused = reloader.reload().await.unwrap_err().to_string();
        assert!(refused.contains("provider `two`"), "{refused}");
        assert_eq!(in_flight_max().await, Some(3));
        assert!(Arc::ptr_eq(&catalog, &gateway.world.catalog.load_full()));
        assert_eq!((gateway.notifier.readings().webhooks, changes_told()), (0, 0));
        std::fs::write(&path, new).unwrap();
        assert_eq!((reloader.reload().await.unwrap(), changes_told()), (2, 2));
        assert_eq!((in_flight_max().await, gateway.notifier.readings().webhooks), (Some(4), 1));
        assert_eq!(reloader.reload().await.unwrap(), 0);
    }

    #[test]
    fn a_plan_that_is_removed_is_named() {
        let config = |text: &str| Config::parse("test.toml", text, &|_| None).unwrap();
        let (old, new) = (config("[plans.a]\n[plans.b]\n"), config("[plans.b]\n[plans.c]\n"));
        assert_eq!(gone(&old, &new), ["a"]);
    }

    #[test]
    fn what_only_a_start_takes_up_is_named() {
        let config = |text: &str| Config::parse("test.toml", text, &|_| None).unwrap();
        let old = config("");
        let new = config(
            "[server]\nbody_timeout = \"7s\"\nhead_timeout = \"7s\"\n[store]\naccount_idle = \"7s\"",
        );
        assert_eq!(waiting(&old, &new), ["server.head_timeout", "store.account_idle"]);
        assert!(waiting(&old, &old).is_empty());
    }
}
