//! The actor around a provider's machine: reads the clock, asks the machine, answers, publishes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::vitals::Vitals;

use super::credential::Fingerprint;
use super::handle::{Link, ProviderHandle, Shared, Ticket};
use super::machine::{Grant, Notice, ProviderMachine};
use super::outcome::{DeploymentIndex, Mode, Outcome, Refusal};
use super::quota::Quota;
use super::settings::ProviderSettings;
use super::snapshot::RestoreError;
use super::tickets::TicketId;
use super::view::ProviderView;

/// Takes snapshots of providers to disk: the provider's name, the bytes, and whom to tell. Called by the
/// actor, so it must hand the work on and return.
pub type SnapshotSink = Arc<dyn Fn(&str, Vec<u8>, Saved) + Send + Sync>;

/// Whom to tell that a snapshot is on disk. Dropped untold means that it is not.
#[derive(Debug)]
pub struct Saved(Option<oneshot::Sender<()>>);

/// What a provider's actor needs to start.
pub struct Start {
    /// The provider.
    pub settings: ProviderSettings,
    /// The last snapshot, if there is one.
    pub snapshot: Option<Vec<u8>>,
    /// Where snapshots go.
    pub sink: SnapshotSink,
    /// How often one is handed out, at least a millisecond; skipped when nothing has happened.
    pub snapshot_every: Duration,
    /// The clock.
    pub clock: Clock,
    /// Who is told when the actor dies.
    pub supervisor: Option<ActorCell>,
}

/// Why a provider's actor did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its snapshot can't be read.
    #[error(transparent)]
    Snapshot(#[from] RestoreError),
    /// The actor could not be spawned.
    #[error("the provider's actor could not be spawned")]
    Spawn(#[from] SpawnErr),
}

/// What the actor is sent.
pub(super) enum Message {
    Acquire {
        index: DeploymentIndex,
        tokens: u64,
        reply: Reply<Result<Ticket, Refusal>>,
    },
    AcquireHealthProbe {
        index: DeploymentIndex,
        reply: Reply<Option<Ticket>>,
    },
    ContentStarted {
        ticket: TicketId,
    },
    Quota {
        ticket: TicketId,
        quota: Quota,
    },
    Report {
        ticket: TicketId,
        outcome: Outcome,
    },
    Inspect {
        reply: Reply<ProviderView>,
    },
    SetMode {
        mode: Mode,
        reply: Reply<Done>,
    },
    Enable {
        fingerprint: Fingerprint,
        reply: Reply<Option<Done>>,
    },
    Configure {
        settings: Box<ProviderSettings>,
        reply: Reply<()>,
    },
    Save {
        reply: Reply<Done>,
    },
    /// From the timer, not counted as a message.
    SnapshotDue,
    /// Break down, as a fault in the code would.
    BreakDown,
}

type Reply<T> = oneshot::Sender<T>;

/// Comes when a snapshot is on disk, and fails when it will not be.
type Done = oneshot::Receiver<()>;

struct ProviderActor;

struct Arguments {
    machine: ProviderMachine,
    shared: Arc<Shared>,
    sink: SnapshotSink,
    snapshot_every: Duration,
    clock: Clock,
}

struct Running {
    machine: ProviderMachine,
    shared: Arc<Shared>,
    link: Arc<Link>,
    sink: SnapshotSink,
    clock: Clock,
}

impl ProviderHandle {
    /// Starts a provider.
    pub async fn start(start: Start) -> Result<Self, StartError> {
        let handle = Self(Arc::new(Shared::new(start.settings.name.clone())));
        handle.restart(start).await?;
        Ok(handle)
    }

    /// Starts another actor in the place of one that has died. Handles and deployment indices stay
    /// valid; requests that the old actor let through are forgotten.
    pub async fn restart(&self, start: Start) -> Result<(), StartError> {
        let Start { mut settings, snapshot, sink, snapshot_every, clock, supervisor } = start;
        let now = clock.now();
        settings.name = self.0.name.clone();
        let known = &self.health().deployments;
        let names: Vec<Arc<str>> = known.iter().map(|known| known.name.clone()).collect();
        let mut machine = ProviderMachine::new(settings, &names, now.mono);
        if let Some(snapshot) = snapshot {
            machine.restore(&snapshot, now)?;
        }
        self.0.is_supervised.store(supervisor.is_some(), Ordering::Relaxed);
        let shared = self.0.clone();
        let arguments = Arguments { machine, shared, sink, snapshot_every, clock };
        match supervisor {
            Some(supervisor) => {
                Actor::spawn_linked(None, ProviderActor, arguments, supervisor).await?
            }
            None => Actor::spawn(None, ProviderActor, arguments).await?,
        };
        Ok(())
    }
}

impl Saved {
    /// The snapshot is on disk.
    pub fn on_disk(self) {
        if let Some(waiting) = self.0 {
            // Whoever asked may have gone.
            let _gone = waiting.send(());
        }
    }

    /// Whether anyone waits for it.
    pub fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| !waiting.is_closed())
    }
}

impl Actor for ProviderActor {
    type Msg = Message;
    type State = Running;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<Running, ActorProcessingErr> {
        let Arguments { machine, shared, sink, snapshot_every, clock } = arguments;
        let vitals = Arc::new(Vitals::new(clock.mono()));
        let link = Arc::new(Link { actor: me.clone(), vitals });
        let mut running = Running { machine, shared, link, sink, clock };
        running.publish();
        running.shared.set_link(running.link.clone());
        let period = snapshot_every.max(Duration::from_millis(1));
        let _timer = me.send_interval(period, || Message::SnapshotDue);
        Ok(running)
    }

    async fn handle(
        &self,
        _me: ActorRef<Message>,
        message: Message,
        running: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        running.handle(message);
        running.publish();
        Ok(())
    }

    async fn post_stop(
        &self,
        _me: ActorRef<Message>,
        running: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        running.save(Saved(None));
        Ok(())
    }
}

impl Running {
    /// A reply that nobody waits for any more is dropped: a ticket in it ends as lost.
    fn handle(&mut self, message: Message) {
        let now = self.clock.mono();
        match message {
            Message::SnapshotDue => {
                if self.machine.take_changed() {
                    self.save(Saved(None));
                }
                return;
            }
            Message::BreakDown => panic!("asked to break down"),
            Message::Acquire { index, tokens, reply } => {
                let grant = self.machine.acquire(now, index, tokens);
                let _gone = reply.send(grant.map(|grant| self.ticket(grant)));
            }
            Message::AcquireHealthProbe { index, reply } => {
                let grant = self.machine.acquire_health_probe(now, index);
                let _gone = reply.send(grant.map(|grant| self.ticket(grant)));
            }
            Message::ContentStarted { ticket } => {
                let notice = self.machine.content_started(now, ticket);
                self.log(notice);
            }
            Message::Quota { ticket, quota } => self.machine.quota(now, ticket, quota),
            Message::Report { ticket, outcome } => {
                let notice = self.machine.report(now, ticket, outcome);
                self.log(notice);
            }
            Message::Inspect { reply } => {
                let _gone = reply.send(self.machine.view(now));
            }
            Message::SetMode { mode, reply } => {
                info!(provider = &*self.shared.name, ?mode, "provider mode set");
                self.machine.set_mode(mode);
                let _gone = reply.send(self.save_awaited());
            }
            Message::Enable { fingerprint, reply } => {
                let found = self.machine.enable_credential(fingerprint);
                let _gone = reply.send(found.then(|| self.save_awaited()));
            }
            Message::Configure { settings, reply } => {
                let settings = ProviderSettings { name: self.shared.name.clone(), ..*settings };
                self.machine.configure(settings, now);
                let _gone = reply.send(());
            }
            Message::Save { reply } => {
                let _gone = reply.send(self.save_awaited());
            }
        }
        self.link.vitals.on_handle();
    }

    fn ticket(&self, grant: Grant) -> Ticket {
        Ticket::new(self.link.clone(), grant.ticket, grant.secret, grant.probe)
    }

    fn publish(&mut self) {
        if self.machine.take_health_changed() {
            self.shared.health.store(Arc::new(self.machine.health()));
        }
    }

    fn save(&self, saved: Saved) {
        let snapshot = self.machine.snapshot(self.clock.now());
        (self.sink)(&self.shared.name, snapshot, saved);
    }

    fn save_awaited(&self) -> Done {
        let (saved, done) = oneshot::channel();
        self.save(Saved(Some(saved)));
        done
    }

    fn log(&self, notice: Option<Notice>) {
        let provider = &*self.shared.name;
        match notice {
            None => {}
            Some(Notice::Shut { deployment, cause, wait }) => {
                warn!(provider, deployment = &*deployment, ?cause, ?wait, "breaker shut");
            }
            Some(Notice::Recovered { deployment }) => {
                info!(provider, deployment = &*deployment, "breaker passes again");
            }
            Some(Notice::Cooling { credential, wait }) => {
                debug!(provider, credential, ?wait, "credential cools down");
            }
            Some(Notice::Disabled { credential, status }) => {
                error!(provider, credential, status, "credential rejected and disabled");
                // At once: a restart should not have it rejected again.
                self.save(Saved(None));
            }
        }
    }
}
