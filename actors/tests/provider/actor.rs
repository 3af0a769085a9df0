//! The actor and its handle.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use infergate_actors::clock::Clock;
use infergate_actors::provider::{
    ControlError, DeploymentIndex, DeploymentSettings, DeploymentState, FaultKind, Mode, Outcome,
    ProviderHandle, ProviderSettings, Refusal, RestoreError, Saved, Secret, SnapshotSink, Start,
    StartError,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;

const LARGE: DeploymentIndex = DeploymentIndex(0);

const ANSWER: Outcome = Outcome::Answered {
    first_content: Some(Duration::from_millis(20)),
    total: Duration::from_millis(90),
    tokens: 10,
    output_tokens: 8,
};

const CUT: Outcome = Outcome::Fault { kind: FaultKind::Cut, retry_after: None };

/// A provider, the clock it lives by, and the disk its snapshots go to.
struct Bench {
    handle: ProviderHandle,
    clock: Clock,
    disk: Disk,
}

/// A store that keeps what it is given, and says that it is on disk, unless it is broken.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<Vec<u8>>, Works)>>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Works {
    #[default]
    Well,
    Not,
    /// Takes the actor down with it.
    Panics,
}

impl Disk {
    fn sink(&self) -> SnapshotSink {
        let disk = self.clone();
        Arc::new(move |provider: &str, snapshot: Vec<u8>, saved: Saved| {
            assert_eq!(provider, "acme");
            let works = disk.0.lock().unwrap().1;
            match works {
                Works::Well => {
                    disk.0.lock().unwrap().0.push(snapshot);
                    saved.on_disk();
                }
                Works::Not => drop(saved),
                Works::Panics => panic!("a test's panic"),
            }
        })
    }

    fn last(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().0.last().cloned()
    }

    fn set(&self, works: Works) {
        self.0.lock().unwrap().1 = works;
    }
}

fn settings() -> ProviderSettings {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("large"), DeploymentSettings::new("small")];
    settings.credentials = vec![Secret::new("sk-0000000000000001")];
    settings
}

impl Bench {
    async fn start() -> Self {
        let (clock, disk) = (Clock::manual(1_000_000), Disk::default());
        let start = start(&clock, &disk);
        let handle = ProviderHandle::start(start).await.expect("a started provider");
        Self { handle, clock, disk }
    }

    async fn run(&self, outcome: Outcome) {
        self.handle.acquire(LARGE, 1).await.expect("a ticket").report(outcome);
    }

    fn state(&self) -> DeploymentState {
        self.handle.health().state(LARGE, self.clock.mono())
    }

    /// Kills the actor and returns when it is gone.
    async fn crash(&self) {
        let actor = self.handle.actor().expect("an actor");
        actor.kill_and_wait(None).await.expect("a dead actor");
    }
}

fn start(clock: &Clock, disk: &Disk) -> Start {
    Start {
        settings: settings(),
        snapshot: disk.last(),
        sink: disk.sink(),
        snapshot_every: Duration::from_secs(5),
        clock: clock.clone(),
        supervisor: None,
    }
}

#[tokio::test]
async fn a_ticket_carries_the_credential_and_counts_until_it_is_reported() {
    let bench = Bench::start().await;
    assert_eq!(bench.handle.deployment("large"), Some(LARGE));
    let ticket = bench.handle.acquire(LARGE, 1).await.unwrap();
    assert_eq!(ticket.credential().map(Secret::expose), Some("sk-0000000000000001"));
    assert!(!ticket.is_probe());
    assert!(!format!("{ticket:?}").contains("0000"));
    assert_eq!(bench.handle.inspect().await.unwrap().in_flight, 1);
    ticket.report(ANSWER);
    let view = bench.handle.inspect().await.unwrap();
    assert_eq!((view.in_flight, view.counters.answered, view.counters.strays), (0, 1, 0));
    assert_eq!(bench.handle.health().deployments[0].gauge.total_us(), 90_000);
    let vitals = bench.handle.vitals().unwrap();
    assert_eq!((vitals.handled(), vitals.queued()), (4, 0));
}

#[tokio::test]
async fn a_ticket_that_is_dropped_is_lost_and_frees_its_place() {
    let bench = Bench::start().await;
    drop(bench.handle.acquire(LARGE, 1).await.unwrap());
    let view = bench.handle.inspect().await.unwrap();
    assert_eq!((view.in_flight, view.counters.lost), (0, 1));
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_holds_no_place() {
    let bench = Bench::start().await;
    // Polled once, so that the message is in the mailbox, and dropped.
    let mut left = Box::pin(bench.handle.acquire(LARGE, 1));
    let pending = std::future::poll_fn(|context| {
        std::task::Poll::Ready(left.as_mut().poll(context).is_pending())
    });
    assert!(pending.await);
    drop(left);
    // The first answer comes before the loss is handled, the second after.
    bench.handle.inspect().await.unwrap();
    let view = bench.handle.inspect().await.unwrap();
    assert_eq!((view.in_flight, view.counters.acquired, view.counters.lost), (0, 1, 1));
}

#[tokio::test]
async fn an_answer_that_nobody_took_holds_no_place() {
    let bench = Bench::start().await;
    let mut left = Box::pin(bench.handle.acquire(LARGE, 1));
    let pending = std::future::poll_fn(|context| {
        std::task::Poll::Ready(left.as_mut().poll(context).is_pending())
    });
    assert!(pending.await);
    // By now the ticket lies in the reply.
    assert_eq!(bench.handle.inspect().await.unwrap().in_flight, 1);
    drop(left);
    assert_eq!(bench.handle.inspect().await.unwrap().in_flight, 0);
}

#[tokio::test]
async fn routing_sees_a_breaker_without_asking() {
    let bench = Bench::start().await;
    assert_eq!(bench.state(), DeploymentState::Passing);
    for _ in 0..5 {
        bench.run(CUT).await;
    }
    bench.handle.inspect().await.unwrap();
    let until = Duration::from_secs(2);
    assert_eq!(bench.state(), DeploymentState::Shut { until });
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::Shut { until });
    bench.clock.advance(until);
    assert_eq!(bench.state(), DeploymentState::ProbeDue);
    let mut probe = bench.handle.acquire(LARGE, 1).await.unwrap();
    assert!(probe.is_probe());
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::ProbeRunning);
    assert_eq!(bench.state(), DeploymentState::Probing);
    probe.content_started();
    assert!(!bench.handle.acquire(LARGE, 1).await.unwrap().is_probe());
    assert_eq!(bench.state(), DeploymentState::Passing);
}

#[tokio::test]
async fn the_mode_is_acknowledged_when_it_is_on_disk() {
    let bench = Bench::start().await;
    bench.handle.set_mode(Mode::Draining).await.unwrap();
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::Draining);
    let written = bench.disk.last();
    assert!(written.is_some());
    bench.disk.set(Works::Not);
    assert_eq!(bench.handle.set_mode(Mode::Open).await, Err(ControlError::NotSaved));
    assert_eq!(bench.disk.last(), written);
    assert!(bench.handle.acquire(LARGE, 1).await.is_ok(), "the mode is in force all the same");
    assert_eq!(bench.handle.save().await, Err(ControlError::NotSaved));
}

#[tokio::test]
async fn an_operator_enables_a_rejected_credential() {
    let bench = Bench::start().await;
    bench.run(Outcome::CredentialRejected { status: 401 }).await;
    let refused = bench.handle.acquire(LARGE, 1).await.unwrap_err();
    assert_eq!(refused, Refusal::NoCredential { retry_after: None });
    assert!(bench.disk.last().is_some(), "a rejection is written at once");
    let unknown = bench.handle.enable_credential("00000000".parse().unwrap()).await;
    assert_eq!(unknown, Err(ControlError::UnknownCredential));
    let view = bench.handle.inspect().await.unwrap();
    let fingerprint = view.credentials[0].fingerprint.parse().unwrap();
    bench.handle.enable_credential(fingerprint).await.unwrap();
    assert!(bench.handle.acquire(LARGE, 1).await.is_ok());
}

#[tokio::test]
async fn new_settings_are_in_force_when_they_are_acknowledged() {
    let bench = Bench::start().await;
    let mut changed = settings();
    changed.name = "other".into();
    changed.deployments.remove(0);
    bench.handle.reconfigure(changed).await.unwrap();
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::Unknown);
    assert_eq!(bench.handle.deployment("large"), None);
    assert_eq!(bench.handle.deployment("small"), Some(DeploymentIndex(1)));
    assert_eq!(&*bench.handle.inspect().await.unwrap().name, "acme");
}

#[tokio::test]
async fn calls_to_a_dead_actor_fail_at_once_and_another_takes_its_place() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        bench.run(CUT).await;
    }
    let held = bench.handle.acquire(DeploymentIndex(1), 1).await.unwrap();
    bench.handle.set_mode(Mode::Draining).await.unwrap();
    bench.crash().await;
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(bench.handle.set_mode(Mode::Open).await, Err(ControlError::Unavailable));
    assert!(bench.handle.inspect().await.is_err());
    bench.clock.advance(Duration::from_millis(500));
    let clone = bench.handle.clone();
    bench.handle.restart(start(&bench.clock, &bench.disk)).await.unwrap();
    held.report(ANSWER);
    clone.set_mode(Mode::Open).await.unwrap();
    let until = Duration::from_secs(2);
    assert_eq!(clone.acquire(LARGE, 1).await.unwrap_err(), Refusal::Shut { until });
    let view = clone.inspect().await.unwrap();
    assert_eq!((view.in_flight, view.counters.strays), (0, 0));
    assert_eq!(clone.vitals().unwrap().age(bench.clock.mono()), Duration::ZERO);
}

#[tokio::test]
async fn a_call_in_the_mailbox_of_an_actor_that_dies_fails() {
    let bench = Bench::start().await;
    bench.disk.set(Works::Panics);
    let (fatal, behind) =
        tokio::join!(bench.handle.set_mode(Mode::Closed), bench.handle.acquire(LARGE, 1));
    assert_eq!(fatal, Err(ControlError::Unavailable));
    assert_eq!(behind.unwrap_err(), Refusal::Unavailable);
}

#[tokio::test]
async fn deployments_keep_their_places_over_a_restart() {
    let bench = Bench::start().await;
    let mut changed = settings();
    changed.deployments.remove(0);
    bench.handle.reconfigure(changed.clone()).await.unwrap();
    bench.crash().await;
    let restart = Start { settings: changed, ..start(&bench.clock, &bench.disk) };
    bench.handle.restart(restart).await.unwrap();
    assert_eq!(bench.handle.deployment("small"), Some(DeploymentIndex(1)));
    assert_eq!(bench.handle.acquire(LARGE, 1).await.unwrap_err(), Refusal::Unknown);
}

#[tokio::test]
async fn a_damaged_snapshot_stops_the_start() {
    let clock = Clock::manual(0);
    let damaged = Start { snapshot: Some(vec![7]), ..start(&clock, &Disk::default()) };
    let error = ProviderHandle::start(damaged).await.unwrap_err();
    assert!(matches!(error, StartError::Snapshot(RestoreError::Version(7))), "{error}");
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_handed_out_from_time_to_time_where_anything_happened() {
    let bench = Bench::start().await;
    let written = || bench.disk.0.lock().unwrap().0.len();
    let wait = || async {
        tokio::time::sleep(Duration::from_millis(5_001)).await;
        bench.handle.inspect().await.unwrap();
    };
    wait().await;
    assert_eq!(written(), 1);
    wait().await;
    assert_eq!(written(), 1);
    bench.run(ANSWER).await;
    wait().await;
    assert_eq!(written(), 2);
    assert_eq!(bench.handle.vitals().unwrap().queued(), 0);
}

#[tokio::test]
async fn an_actor_that_is_stopped_writes_a_last_snapshot() {
    let bench = Bench::start().await;
    bench.handle.actor().unwrap().stop_and_wait(None, None).await.unwrap();
    assert!(bench.disk.last().is_some());
}

/// Passes on the ids of those that die.
struct Watcher;

impl Actor for Watcher {
    type Msg = ();
    type State = mpsc::Sender<ractor::ActorId>;
    type Arguments = mpsc::Sender<ractor::ActorId>;

    async fn pre_start(
        &self,
        _me: ActorRef<()>,
        deaths: mpsc::Sender<ractor::ActorId>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(deaths)
    }

    async fn handle_supervisor_evt(
        &self,
        _me: ActorRef<()>,
        event: SupervisionEvent,
        deaths: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, _) = event {
            deaths.send(actor.get_id()).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_supervisor_hears_of_a_panic() {
    let (deaths, mut heard) = mpsc::channel(4);
    let (supervisor, _) = Actor::spawn(None, Watcher, deaths).await.unwrap();
    let (clock, disk) = (Clock::manual(0), Disk::default());
    let start = Start { supervisor: Some(supervisor.get_cell()), ..start(&clock, &disk) };
    let handle = ProviderHandle::start(start).await.unwrap();
    let id = handle.actor().unwrap().get_id();
    disk.set(Works::Panics);
    assert_eq!(handle.save().await, Err(ControlError::Unavailable));
    assert_eq!(heard.recv().await, Some(id));
}
