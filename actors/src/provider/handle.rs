//! What the rest of the program holds of a provider's actor: its handle, and a ticket per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use ractor::{ActorCell, ActorRef};
use tokio::sync::{Notify, oneshot};

use crate::vitals::Vitals;

use super::actor::Message;
use super::credential::Fingerprint;
use super::health::HealthView;
use super::outcome::{DeploymentIndex, Mode, Outcome, Refusal};
use super::quota::Quota;
use super::secret::Secret;
use super::settings::ProviderSettings;
use super::tickets::TicketId;
use super::view::ProviderView;

/// One provider, whichever actor it is run by at the moment. Cheap to clone.
///
/// A call to an actor that has died, or dies before it answers, is made again, once, to the one that
/// [`ProviderHandle::restart`](super::ProviderHandle::restart) puts in its place: where the actor has a
/// supervisor that can be waited for, for a moment; otherwise the call fails at once. There are no other
/// deadlines here, because the actor waits for nothing while it handles a message.
#[derive(Clone)]
pub struct ProviderHandle(pub(super) Arc<Shared>);

/// How long a supervisor is given to put another actor in the place of one that broke down.
const SUCCESSION_MAX: Duration = Duration::from_millis(500);

/// What outlives an actor.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    link: ArcSwapOption<Link>,
    pub(super) health: ArcSwap<HealthView>,
    /// A new actor has come.
    succession: Notify,
    /// Someone will start another actor if this one breaks down.
    pub(super) is_supervised: AtomicBool,
}

/// The way to one actor.
pub(super) struct Link {
    pub(super) actor: ActorRef<Message>,
    pub(super) vitals: Arc<Vitals>,
}

/// A request that was let through. To be ended with [`Ticket::report`]; one that is dropped, because the
/// client left or a task was cancelled, is reported as lost.
#[must_use = "a ticket dropped at once is a request lost"]
pub struct Ticket {
    link: Arc<Link>,
    id: TicketId,
    secret: Option<Secret>,
    probe: bool,
    ended: bool,
}

/// Why a provider could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Its actor is not running. Whether the change was made is not known; it is not on disk.
    #[error("the provider's actor is being restarted, try again")]
    Unavailable,
    /// The change is in force, but could not be written: a restart would forget it.
    #[error("the change is in force but not on disk, repeat it when the store works again")]
    NotSaved,
    /// No credential has this fingerprint.
    #[error("the provider has no such credential")]
    UnknownCredential,
}

impl ProviderHandle {
    /// Asks to send one request that may use so many tokens.
    pub async fn acquire(&self, index: DeploymentIndex, tokens: u64) -> Result<Ticket, Refusal> {
        let answer = self.ask(|reply| Message::Acquire { index, tokens, reply }).await;
        answer.unwrap_or(Err(Refusal::Unavailable))
    }

    /// Asks to send a health probe; `None` where none is due or it can't be sent.
    pub async fn acquire_health_probe(&self, index: DeploymentIndex) -> Option<Ticket> {
        let answer = self.ask(|reply| Message::AcquireHealthProbe { index, reply }).await;
        answer.ok().flatten()
    }

    /// The index of the deployment of this name.
    pub fn deployment(&self, name: &str) -> Option<DeploymentIndex> {
        self.health().index(name)
    }

    /// The health last published; not to be held across an await.
    pub fn health(&self) -> Guard<Arc<HealthView>> {
        self.0.health.load()
    }

    /// The provider as the admin endpoint shows it.
    pub async fn inspect(&self) -> Result<ProviderView, ControlError> {
        self.ask(|reply| Message::Inspect { reply }).await
    }

    /// Sets the operator's mode. Returns when it is in force and on disk.
    pub async fn set_mode(&self, mode: Mode) -> Result<(), ControlError> {
        let saved = self.ask(|reply| Message::SetMode { mode, reply }).await?;
        saved.await.map_err(|_| ControlError::NotSaved)
    }

    /// Makes a credential usable again. Returns when it is in force and on disk.
    pub async fn enable_credential(&self, fingerprint: Fingerprint) -> Result<(), ControlError> {
        let saved = self.ask(|reply| Message::Enable { fingerprint, reply }).await?;
        saved.ok_or(ControlError::UnknownCredential)?.await.map_err(|_| ControlError::NotSaved)
    }

    /// Changes the settings; the name stays what it was.
    pub async fn reconfigure(&self, settings: ProviderSettings) -> Result<(), ControlError> {
        let settings = Box::new(settings);
        self.ask(|reply| Message::Configure { settings: settings.clone(), reply }).await
    }

    /// Writes a snapshot. Returns when it is on disk.
    pub async fn save(&self) -> Result<(), ControlError> {
        let saved = self.ask(|reply| Message::Save { reply }).await?;
        saved.await.map_err(|_| ControlError::NotSaved)
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The actor that runs it at the moment, for its supervisor.
    pub fn actor(&self) -> Option<ActorCell> {
        self.0.link.load().as_ref().map(|link| link.actor.get_cell())
    }

    /// Counters of the actor that runs it at the moment.
    pub fn vitals(&self) -> Option<Arc<Vitals>> {
        self.0.link.load().as_ref().map(|link| link.vitals.clone())
    }

    /// Ends its actor, for good.
    pub(crate) fn stop(&self) {
        self.0.is_supervised.store(false, Ordering::Relaxed);
        if let Some(actor) = self.actor() {
            actor.stop(None);
        }
    }

    /// Makes the actor break down as a fault in the code would, for tests of what follows. Returns when
    /// it is gone.
    #[doc(hidden)]
    pub async fn break_down(&self) {
        if let Some(link) = self.0.link.load_full() {
            link.send(Message::BreakDown);
            // One that is gone already needs no waiting for.
            let _ = link.actor.wait(None).await;
        }
    }

    async fn ask<T>(
        &self,
        message: impl Fn(oneshot::Sender<T>) -> Message,
    ) -> Result<T, ControlError> {
        let link = self.0.link.load_full().ok_or(ControlError::Unavailable)?;
        if let Some(answer) = link.ask(&message).await {
            return Ok(answer);
        }
        let link = self.0.successor(&link).await.ok_or(ControlError::Unavailable)?;
        link.ask(&message).await.ok_or(ControlError::Unavailable)
    }
}

impl Link {
    /// `None` when the actor has died without an answer.
    async fn ask<T>(&self, message: impl Fn(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if self.send(message(reply)) { answer.await.ok() } else { None }
    }

    /// Whether the message is in the mailbox.
    fn send(&self, message: Message) -> bool {
        let sent = self.actor.cast(message).is_ok();
        if sent {
            self.vitals.on_send();
        }
        sent
    }
}

impl Ticket {
    pub(super) fn new(link: Arc<Link>, id: TicketId, secret: Option<Secret>, probe: bool) -> Self {
        Self { link, id, secret, probe, ended: false }
    }

    /// What to authenticate with, if anything.
    pub fn credential(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    /// Whether this request decides if the deployment is used again.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Says that the first content has come. Costs nothing but for a probe, which is thereby proven:
    /// others need not wait for the end of its answer.
    pub fn content_started(&mut self) {
        if self.probe {
            self.probe = false;
            self.link.send(Message::ContentStarted { ticket: self.id });
        }
    }

    /// Says what the answer's head told of the provider's own rate limits. Costs nothing where that is
    /// nothing.
    pub fn quota(&self, quota: Quota) {
        if !quota.is_empty() {
            self.link.send(Message::Quota { ticket: self.id, quota });
        }
    }

    /// Says what the request came to.
    pub fn report(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        if !self.ended {
            self.ended = true;
            // An actor that has died has forgotten its tickets.
            self.link.send(Message::Report { ticket: self.id, outcome });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Outcome::Lost);
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, secret, probe, .. } = self;
        f.debug_struct("Ticket")
            .field("id", id)
            .field("secret", secret)
            .field("probe", probe)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ProviderHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ProviderHandle").field(&self.0.name).finish()
    }
}

impl Shared {
    pub(super) fn new(name: Arc<str>) -> Self {
        let health = ArcSwap::from_pointee(HealthView::default());
        Self {
            name,
            link: ArcSwapOption::empty(),
            health,
            succession: Notify::new(),
            is_supervised: AtomicBool::new(false),
        }
    }

    /// From here on messages go to another actor.
    pub(super) fn set_link(&self, link: Arc<Link>) {
        self.link.store(Some(link));
        self.succession.notify_waiters();
    }

    /// The one that takes the place of `dead`, if there will be one in time.
    async fn successor(&self, dead: &Arc<Link>) -> Option<Arc<Link>> {
        // Before looking, so that one that comes just now is not missed.
        let succession = self.succession.notified();
        let present = || self.link.load_full().filter(|link| !Arc::ptr_eq(link, dead));
        if let Some(link) = present() {
            return Some(link);
        }
        if !self.is_supervised.load(Ordering::Relaxed) {
            return None;
        }
        tokio::time::timeout(SUCCESSION_MAX, succession).await.ok()?;
        present()
    }
}
