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

/// Reads the configuration again when there is reason to.
pub(super) struct Reloader {
    path: PathBuf,
    config: Config,
    system: System,
    world: Arc<World>,
    front: Front,
}

impl Reloader {
    pub(super) fn new(path: PathBuf, gateway: &Gateway) -> Self {
        Self {
            path,
            config: gateway.config.clone(),
            system: gateway.system.clone(),
            world: Arc::clone(&gateway.world),
            front: gateway.front.clone(),
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
        let catalog = Catalog::build(&config, &self.system.providers, &self.world.clock).await?;
        self.world.catalog.store(Arc::new(catalog));
        self.world.gate.resize(config.server.requests_in_flight_max as usize);
        self.front.set_limits(body_limits(&config));
        self.config = config;
        Ok(changes.len())
    }
}
