//! The root of all actors: starts them, rebuilds those that break down, sends idle ones to sleep.
//!
//! An actor that breaks down has lost nothing: an account is rebuilt from its events, a provider from
//! its last snapshot. The fault is logged, counted, and shown in the tree of actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::Mutex;

use crate::account::{AccountOptions, Accounts, ActorLine, status_name};
use crate::clock::Clock;
use crate::ledger::{Batch, Ledger, LedgerError};
use crate::provider::{ProviderHandle, ProviderSettings, Saved, SnapshotSink, Start, StartError};

/// How long to wait before another try to start a provider's actor, at first and at most.
const REBUILD_AGAIN_AFTER: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_secs(10));

/// How often a provider's state is written.
const PROVIDER_SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// All actors of this process. Cheap to clone. They live, and keep the ledger open, until
/// [`System::stop`] or the end of the runtime, also when every clone is dropped.
#[derive(Clone)]
pub struct System {
    /// The accounts.
    pub accounts: Accounts,
    /// The providers.
    pub providers: Providers,
    root: ActorRef<Message>,
}

/// The providers by name. Cheap to clone.
#[derive(Clone)]
pub struct Providers(Arc<Shared>);

struct Shared {
    known: DashMap<Arc<str>, Known>,
    ledger: Ledger,
    clock: Clock,
    root: ActorRef<Message>,
    restarts: AtomicU64,
    /// Held while a provider is started or changed: each has one actor.
    changing: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    handle: ProviderHandle,
    settings: ProviderSettings,
    restarts: u64,
}

/// A provider that can't be started or changed.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its actor can't be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its snapshot can't be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its actor is not running at the moment.
    #[error("the provider's actor is being restarted, try again")]
    Unavailable,
}

enum Message {
    /// Who the children belong to; the first message there is.
    Adopt(Accounts, Providers),
    /// Send idle accounts to sleep.
    Sweep,
}

struct Root;

#[derive(Default)]
struct Family(Option<(Accounts, Providers)>);

impl System {
    /// Starts the root, with no account and no provider yet.
    pub async fn start(
        ledger: Ledger,
        clock: Clock,
        options: AccountOptions,
    ) -> Result<Self, SpawnErr> {
        let (root, _) = Root::spawn(None, Root, ()).await?;
        let accounts = Accounts::new(ledger.clone(), clock.clone(), options, root.get_cell());
        let providers = Providers(Arc::new(Shared {
            known: DashMap::new(),
            ledger,
            clock,
            root: root.clone(),
            restarts: AtomicU64::new(0),
            changing: Mutex::new(()),
        }));
        let _ = root.cast(Message::Adopt(accounts.clone(), providers.clone()));
        root.send_interval(options.idle.max(Duration::from_millis(1)), || Message::Sweep);
        Ok(Self { accounts, providers, root })
    }

    /// Stops every actor when it has handled what is in its mailbox; none is started any more. What
    /// they decided, and a last snapshot of each, is with the ledger then.
    pub async fn stop(&self) {
        self.accounts.close().await;
        self.root.stop_children_and_wait(None, None).await;
        let _ = self.root.stop_and_wait(None, None).await;
    }

    /// Where the root is in its life.
    pub fn root_status(&self) -> String {
        format!("{:?}", self.root.get_status()).to_lowercase()
    }
}

impl Actor for Root {
    type Msg = Message;
    type State = Family;
    type Arguments = ();

    async fn pre_start(
        &self,
        _me: ActorRef<Message>,
        (): (),
    ) -> Result<Family, ActorProcessingErr> {
        Ok(Family::default())
    }

    async fn handle(
        &self,
        _me: ActorRef<Message>,
        message: Message,
        family: &mut Family,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Adopt(accounts, providers) => family.0 = Some((accounts, providers)),
            Message::Sweep => {
                if let Some((accounts, _)) = &family.0 {
                    accounts.sweep();
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _me: ActorRef<Message>,
        event: SupervisionEvent,
        family: &mut Family,
    ) -> Result<(), ActorProcessingErr> {
        let Some((accounts, providers)) = &family.0 else { return Ok(()) };
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                let id = actor.get_id();
                if let Some(account) = accounts.rebuild(id) {
                    tracing::error!(%account, %error, "account's actor broke down and is rebuilt");
                } else if let Some(provider) = providers.owner(id) {
                    tracing::error!(provider, %error, "provider's actor broke down and is rebuilt");
                    providers.rebuild(provider);
                }
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                accounts.ended(actor.get_id());
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl Providers {
    /// Starts the provider, or changes its settings where it runs already.
    pub async fn configure(
        &self,
        settings: ProviderSettings,
    ) -> Result<ProviderHandle, ProviderError> {
        let _alone = self.0.changing.lock().await;
        let name = settings.name.clone();
        if let Some(known) = self.known(&name) {
            let changed = known.handle.reconfigure(settings.clone()).await;
            changed.map_err(|_| ProviderError::Unavailable)?;
            let handle = known.handle.clone();
            self.0.known.insert(name, Known { settings, ..known });
            return Ok(handle);
        }
        let handle = ProviderHandle::start(self.start_of(settings.clone()).await?).await?;
        let known = Known { handle: handle.clone(), settings, restarts: 0 };
        self.0.known.insert(name, known);
        Ok(handle)
    }

    /// Stops providers that are not among `names`.
    pub fn retain(&self, names: &[Arc<str>]) {
        self.0.known.retain(|name, known| {
            let keep = names.contains(name);
            if !keep {
                known.handle.stop();
            }
            keep
        });
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<ProviderHandle> {
        self.known(name).map(|known| known.handle)
    }

    /// All providers, by name.
    pub fn all(&self) -> Vec<ProviderHandle> {
        let mut all: Vec<ProviderHandle> =
            self.0.known.iter().map(|entry| entry.handle.clone()).collect();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    }

    /// How often a provider's actor was rebuilt after a fault.
    pub fn restarts(&self) -> u64 {
        self.0.restarts.load(Ordering::Relaxed)
    }

    /// Writes every provider's state. Returns how many there are.
    pub async fn save_all(&self) -> usize {
        let all = self.all();
        for provider in &all {
            if let Err(error) = provider.save().await {
                tracing::warn!(provider = %provider.name(), %error, "provider's state not written");
            }
        }
        all.len()
    }

    /// The providers' actors.
    pub fn lines(&self) -> Vec<ActorLine> {
        let now = self.0.clock.mono();
        let line = |known: Known| {
            let vitals = known.handle.vitals();
            let vital = |read: fn(&crate::vitals::Vitals) -> u64| {
                vitals.as_deref().map(read).unwrap_or_default()
            };
            ActorLine {
                id: known.handle.name().to_string(),
                status: known
                    .handle
                    .actor()
                    .map_or("starting", |actor| status_name(actor.get_status())),
                handled: vital(crate::vitals::Vitals::handled),
                queued: vital(crate::vitals::Vitals::queued),
                restarts: known.restarts,
                age: vitals.as_deref().map(|vitals| vitals.age(now)).unwrap_or_default(),
            }
        };
        let mut lines: Vec<ActorLine> =
            self.0.known.iter().map(|entry| line(entry.value().clone())).collect();
        lines.sort_by(|one, other| one.id.cmp(&other.id));
        lines
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.0.known.get(name).map(|known| known.clone())
    }

    fn owner(&self, actor: ActorId) -> Option<String> {
        let is_its = |known: &Known| known.handle.actor().is_some_and(|its| its.get_id() == actor);
        self.0.known.iter().find(|entry| is_its(entry.value())).map(|entry| entry.key().to_string())
    }

    /// Starts another actor in the place of one that broke down, trying until it is there or the
    /// provider is not wanted any more. Not awaited: the root goes on.
    fn rebuild(&self, name: String) {
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
        if let Some(mut known) = self.0.known.get_mut(name.as_str()) {
            known.restarts += 1;
        }
        let providers = self.clone();
        tokio::spawn(async move {
            let (mut wait, wait_max) = REBUILD_AGAIN_AFTER;
            while let Err(error) = providers.restart(&name).await {
                tracing::error!(provider = name, %error, "provider's actor can't be started again");
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(wait_max);
            }
        });
    }

    async fn restart(&self, name: &str) -> Result<(), ProviderError> {
        let _alone = self.0.changing.lock().await;
        let Some(Known { handle, settings, .. }) = self.known(name) else { return Ok(()) };
        let start = self.start_of(settings.clone()).await?;
        match handle.restart(start).await {
            Err(StartError::Snapshot(error)) => {
                // It says how the provider was doing, which will show again: no reason to do without.
                tracing::error!(provider = name, %error, "provider starts without its snapshot");
                let start = self.start_of(settings).await?;
                handle.restart(Start { snapshot: None, ..start }).await?;
            }
            restarted => restarted?,
        }
        if self.known(name).is_none() {
            // Removed meanwhile, when there was no actor to be stopped.
            handle.stop();
        }
        Ok(())
    }

    async fn start_of(&self, settings: ProviderSettings) -> Result<Start, ProviderError> {
        let (ledger, name) = (self.0.ledger.clone(), settings.name.clone());
        let reading = tokio::task::spawn_blocking(move || ledger.provider(&name));
        let snapshot = reading.await.map_err(|error| LedgerError::Read(error.to_string()))??;
        Ok(Start {
            settings,
            snapshot,
            sink: self.sink(),
            snapshot_every: PROVIDER_SNAPSHOT_EVERY,
            clock: self.0.clock.clone(),
            supervisor: Some(self.0.root.get_cell()),
        })
    }

    fn sink(&self) -> SnapshotSink {
        let ledger = self.0.ledger.clone();
        Arc::new(move |name: &str, state: Vec<u8>, saved: Saved| {
            let mut batch = Batch::new();
            batch.provider(name, state);
            if !saved.is_awaited() {
                ledger.append(batch.lazy(), None);
                return;
            }
            let then = Box::new(move |written: Result<(), _>| {
                if written.is_ok() {
                    saved.on_disk();
                }
            });
            ledger.append(batch.on_disk(), Some(then));
        })
    }
}
