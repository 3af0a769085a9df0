//! A gateway's life: start, first run, reload, stop. The only place where the parts are wired.

mod first_run;
mod reload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::AccountOptions;
use infergate_actors::clock::Clock;
use infergate_actors::ledger::{self, Ledger, LedgerError, LedgerOptions, VerifyOnStart};
use infergate_actors::supervisor::System;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::accept::{self, ConnectionTimeouts};
use crate::catalog::{Catalog, CatalogError};
use crate::config::{Config, Durability, Faults, Verify};
use crate::exchange::{World, WorldParts};
use crate::front::{BodyLimits, Front};
use crate::notify::{Notifier, NotifyError};
use crate::operate::admin::{self, Operator};
use crate::operate::metrics::{Metrics, MetricsError};

pub(crate) use first_run::TOKEN_FILE;
pub use first_run::{FirstRunError, Secrets};

/// HTTP/2 streams that one connection may have open.
const STREAMS_MAX: u32 = 256;
/// How long the ends of exchanges that were cut may take to be written.
const SETTLE_GRACE: Duration = Duration::from_secs(10);
/// How often recorded samples are folded together, and forgotten addresses forgotten.
/// Connections that may wait to be accepted: a burst of clients must not have to knock again, which
/// takes them a second and more.
const BACKLOG: u32 = 4_096;
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Why a gateway does not start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration has faults.
    #[error("{0}")]
    Config(Faults),
    /// The ledger can't be opened, or failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The root of the actors can't be started.
    #[error("the actors can't be started")]
    Actors(#[from] ractor::SpawnErr),
    /// The configuration can't be put to use.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Webhooks can't be set up.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The metrics can't be set up.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The first account can't be set up.
    #[error(transparent)]
    FirstRun(#[from] FirstRunError),
    /// An address that can't be listened on.
    #[error("can't listen on {address}; is another process using it?")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] accept::TlsError),
    /// The operating system's signals or file notifications.
    #[error(transparent)]
    Watch(#[from] crate::config::watch::WatchError),
    /// The operating system's signals.
    #[error("can't wait for signals")]
    Signal(#[from] std::io::Error),
}

/// A gateway that listens.
struct Gateway {
    config: Config,
    accept: accept::Options,
    system: System,
    world: Arc<World>,
    front: Front,
    data: TcpListener,
    operator: TcpListener,
    secrets: Secrets,
    notifier: Notifier,
    admin_token: infergate_actors::id::KeyHash,
}

/// Runs a gateway until it is told to stop.
pub async fn run(config_path: &Path) -> Result<(), ServeError> {
    let environment = |name: &str| std::env::var(name).ok();
    // Watched before it is read, so that no change in between is missed.
    let (watch, changes) = crate::config::watch::Watch::start(config_path)?;
    let config = Config::load(config_path, &environment).map_err(ServeError::Config)?;
    for note in &config.notes {
        tracing::debug!(note, "configuration");
    }
    let gateway = Gateway::start(config, &environment).await?;
    gateway.announce(config_path)?;
    let reloader = reload::Reloader::new(config_path.to_owned(), &gateway);
    let reloading = tokio::spawn(reloader.run(changes));
    let served = gateway.serve().await;
    reloading.abort();
    drop(watch);
    served
}

impl Gateway {
    async fn start(
        config: Config,
        environment: &(dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<Self, ServeError> {
        let clock = Clock::real();
        // Before anything is made: whoever started us corrects what is wrong and starts again.
        let accept = accept_options(&config, clock.clone())?;
        let data = bind(config.server.listen)?;
        let operator = bind(config.admin.listen)?;
        let ledger = open_ledger(&config, clock.clone()).await?;
        let options = AccountOptions {
            snapshot_every_events: u64::from(config.store.snapshot_every_events),
            idle: config.store.account_idle,
        };
        let system = System::start(ledger.clone(), clock.clone(), options).await?;
        system.accounts.set_credit_rules(config.credit.clone());
        system.accounts.set_guard(config.guard.clone());
        system.accounts.set_plans(config.plans.clone());
        system.accounts.load_due_times().await?;
        let notices = config.notices.clone();
        let notifier =
            Notifier::start(ledger.clone(), clock.clone(), notices, &config.webhooks).await?;
        let catalog = Catalog::build(&config, &system.providers, &clock).await?;
        let world = Arc::new(World::new(WorldParts {
            accounts: system.accounts.clone(),
            ledger,
            catalog,
            in_flight_max: config.server.requests_in_flight_max as usize,
            node: config.store.node,
            clock: clock.clone(),
            metrics: Metrics::new()?,
            durability: durability(&config),
            cache: config.cache,
        }));
        let (admin_token, secrets) = first_run::prepare(&config, &world, environment).await?;
        let front = Front::new(Arc::clone(&world), body_limits(&config), notifier.clone());
        front.set_origins(&config.server.allowed_origins);
        front.set_sign_up(config.sign_up.clone());
        front.set_owner_changes(config.server.owner_changes_per_minute);
        Ok(Self {
            config,
            accept,
            system,
            world,
            front,
            data,
            operator,
            secrets,
            notifier,
            admin_token,
        })
    }

    fn announce(&self, config_path: &Path) -> Result<(), ServeError> {
        let (data, operator) = (self.data.local_addr()?, self.operator.local_addr()?);
        let tls = self.accept.tls.is_some();
        let place = first_run::Place { config: config_path, data, tls, operator };
        first_run::announce(&self.secrets, &place, &self.config);
        Ok(())
    }

    /// Serves until a signal or a lost store, then stops in order.
    async fn serve(self) -> Result<(), ServeError> {
        let (stop, stopped) = watch::channel(false);
        let ledger = self.world.ledger.clone();
        ledger.on_poison({
            let stop = stop.clone();
            move |poisoned| {
                tracing::error!(%poisoned, "the ledger can't be written: stopping");
                stop.send_replace(true);
            }
        });
        tokio::spawn(wait_for_signal(stop.clone(), Arc::clone(&self.world)));
        let operator = Arc::new(Operator::new(
            Arc::clone(&self.world),
            self.system.clone(),
            self.notifier.clone(),
            self.admin_token,
        ));
        operator.recover().await?;
        let upkeep = upkeep(Arc::clone(&self.world), self.front.clone(), Arc::clone(&operator));
        let upkeep = tokio::spawn(upkeep);
        // The operator's port stays as long as there is something to look at.
        let (stop_admin, admin_stopped) = watch::channel(false);
        let admin = tokio::spawn(admin::serve(
            self.operator,
            admin::router(operator),
            self.world.clock.clone(),
            admin_stopped,
        ));

        let grace = self.config.server.shutdown_grace;
        let world = Arc::clone(&self.world);
        let before_cut = move || world.cut();
        let cut =
            accept::serve(self.data, self.accept, self.front, stopped, grace, before_cut).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "cut after the grace period");
        }
        let settled = tokio::time::timeout(SETTLE_GRACE, self.world.gate.wait_until_empty()).await;
        if settled.is_err() {
            let open = self.world.gate.inside();
            tracing::warn!(open, "exchanges without an end: the next start voids them");
        }
        stop_admin.send_replace(true);
        if let Err(error) = admin.await {
            tracing::error!(%error, "the operator's port failed");
        }
        upkeep.abort();
        self.notifier.stop();
        close(self.system, ledger).await
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // As the usual way to listen does: a restart must not wait for old connections to fade.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| ServeError::Listen { address, source })
}

async fn open_ledger(config: &Config, clock: Clock) -> Result<Ledger, ServeError> {
    let options = LedgerOptions {
        durability: durability(config),
        fsync_interval: config.store.fsync_interval,
        verify_on_start: match config.store.verify_on_start {
            Verify::Full => VerifyOnStart::Full,
            Verify::Tail => VerifyOnStart::Tail,
        },
        node: config.store.node,
        keep: config.usage,
        ..LedgerOptions::new(PathBuf::from(&config.store.path))
    };
    let opening = tokio::task::spawn_blocking(move || Ledger::open(options, clock));
    let (ledger, report) =
        opening.await.map_err(|error| LedgerError::Read(error.to_string()))??;
    tracing::info!(
        events = report.events,
        last = report.last_sequence,
        voided = report.voided.len(),
        in_order = report.closed_in_order,
        millis = report.elapsed.as_millis(),
        "ledger proven"
    );
    for (account, hold, amount) in &report.voided {
        tracing::warn!(%account, %hold, %amount, "hold without an end voided");
    }
    Ok(ledger)
}

async fn wait_for_signal(stop: watch::Sender<bool>, world: Arc<World>) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be waited for");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    world.stop();
    stop.send_replace(true);
}

async fn upkeep(world: Arc<World>, front: Front, operator: Arc<Operator>) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        ticks.tick().await;
        world.metrics.upkeep();
        world.accounts.wake_due();
        front.tidy();
        operator.tidy();
    }
}

async fn close(system: System, ledger: Ledger) -> Result<(), ServeError> {
    let poisoned = ledger.is_poisoned();
    if !poisoned {
        let providers = system.providers.save_all().await;
        match system.accounts.snapshot_all().await {
            Ok(accounts) => tracing::info!(accounts, providers, "snapshots taken"),
            Err(error) => tracing::warn!(%error, "not all snapshots taken"),
        }
    }
    system.stop().await;
    let closing = tokio::task::spawn_blocking(move || ledger.close());
    closing.await.map_err(|error| LedgerError::Read(error.to_string()))??;
    tracing::info!("stopped");
    Ok(())
}

fn accept_options(config: &Config, clock: Clock) -> Result<accept::Options, ServeError> {
    let server = &config.server;
    let tls = match &server.tls {
        Some(tls) => Some(accept::tls_acceptor(&tls.certificate, &tls.key)?),
        None => None,
    };
    Ok(accept::Options {
        head_bytes_max: server.head_bytes_max,
        timeouts: ConnectionTimeouts { head: server.head_timeout, idle: server.idle_timeout },
        streams_max: STREAMS_MAX,
        tls,
        clock,
    })
}

fn body_limits(config: &Config) -> BodyLimits {
    let server = &config.server;
    BodyLimits {
        bytes_max: server.body_bytes_max,
        timeout: server.body_timeout,
        stall: server.client_stall,
    }
}

fn durability(config: &Config) -> ledger::Durability {
    match config.store.durability {
        Durability::Process => ledger::Durability::Process,
        Durability::Disk => ledger::Durability::Disk,
    }
}
