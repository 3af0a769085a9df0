//! A new configuration while running: refused whole, or put to use for requests from then on.

use std::path::PathBuf;
use std::sync::Arc;

use infergate_actors::supervisor::System;
use tokio::sync::mpsc;

use super::{Gateway, body_limits};
use crate::catalog::Catalog;
use crate::config::watch::Reason;
use crate::config::{Config, diff};
use crate::exchange::World;
use crate::front::Front;
use crate::notify::Notifier;

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
        for change in &changes {
            tracing::info!(?change, "configuration");
        }
        let waiting = waiting(&self.config, &config);
        if !waiting.is_empty() {
            tracing::warn!(keys = waiting.join(", "), "taken up at the next start, not before");
        }
        let catalog = Catalog::build(&config, &self.system.providers, &self.world.clock).await?;
        self.world.catalog.store(Arc::new(catalog));
        self.world.gate.resize(config.server.requests_in_flight_max as usize);
        self.world.cache.resize(config.cache);
        self.world.accounts.set_credit_rules(config.credit.clone());
        self.world.accounts.set_guard(config.guard.clone());
        self.notifier.reconfigure(config.notices.clone(), &config.webhooks).await?;
        for gone in gone(&self.config, &config) {
            tracing::warn!(
                plan = gone,
                "plan removed: accounts on it are refused what costs something until it is back or \
                 they are on another"
            );
        }
        self.world.accounts.set_plans(config.plans.clone());
        self.front.set_limits(body_limits(&config));
        self.front.set_origins(&config.server.allowed_origins);
        self.front.set_sign_up(config.sign_up.clone());
        self.config = config;
        Ok(changes.len())
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
