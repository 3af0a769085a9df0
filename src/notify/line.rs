//! One webhook's line: its messages in order, one at a time, each until it has arrived or is given up.
//!
//! What is written down after each try is how far it has come; so a message may be sent twice, where the
//! process ends between its arrival and that, and none is left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infergate_actors::account;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{LedgerError, Notice, NoticeKind};
use tokio::sync::Notify;

use super::address::Reach;
use super::hub::Hub;
use super::message::{Message, Reader};
use super::send::{Outcome, Target};
use super::settings::Webhook;
use super::sign::SigningSecret;
use super::state::{State, Try};

/// Places of notices that are read at a time.
const PAGE: usize = 256;
/// Notices of no concern after which it is written down that they were passed.
const PASSED_MAX: u64 = 4_096;
/// How long a line waits that could not read its next message.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One webhook and how far it has come.
pub(super) struct Line {
    pub(super) name: String,
    /// What the configuration says of it; `None` of an account's.
    settings: Mutex<Option<Arc<Webhook>>>,
    state: Mutex<State>,
    wake: Notify,
    /// Not before this, in milliseconds since 1970.
    next_try_ms: Mutex<Option<u64>>,
    is_over: AtomicBool,
}

/// What a line does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    None,
    For(Duration),
    UntilWoken,
    ForGood,
}

impl Line {
    pub(super) fn new(name: String, settings: Option<Arc<Webhook>>, state: State) -> Self {
        Self {
            name,
            settings: Mutex::new(settings),
            state: Mutex::new(state),
            wake: Notify::new(),
            next_try_ms: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Option<Arc<Webhook>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn next_try_ms(&self) -> Option<u64> {
        *self.next_try()
    }

    /// Whose it is, where it is an account's.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.state().of.as_ref().map(|(account, _)| *account)
    }

    /// Another configuration says something else of it.
    pub(super) fn set(&self, settings: Arc<Webhook>) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        self.try_now();
    }

    /// There may be something to do.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whatever was to be waited for is not waited for any more.
    pub(super) fn try_now(&self) {
        *self.next_try() = None;
        self.wake();
    }

    /// It is not there any more.
    pub(super) fn end(&self) {
        // Under the lock, so that nothing is written down of it any more when this returns.
        let state = self.state();
        self.is_over.store(true, Ordering::SeqCst);
        drop(state);
        self.wake();
    }

    /// Writes down how far it has come.
    pub(super) fn save(&self, hub: &Hub) {
        let state = self.state();
        if !self.is_over.load(Ordering::SeqCst) {
            hub.ledger.put_delivery(&self.name, state.to_bytes(), None);
        }
    }

    /// Delivers, until the gateway stops or the webhook is removed.
    pub(super) async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        tokio::select! {
            () = hub.until_stopped() => {}
            () = self.deliver(&hub) => {}
        }
    }

    async fn deliver(&self, hub: &Arc<Hub>) {
        loop {
            match self.step(hub).await {
                Pause::None => {}
                Pause::For(time) => {
                    tokio::select! {
                        () = tokio::time::sleep(time) => {}
                        () = self.wake.notified() => {}
                    }
                }
                Pause::UntilWoken => self.wake.notified().await,
                Pause::ForGood => return,
            }
        }
    }

    async fn step(&self, hub: &Arc<Hub>) -> Pause {
        if self.is_over.load(Ordering::SeqCst) {
            return Pause::ForGood;
        }
        let now_ms = hub.clock.now().wall_ms;
        if let Some(at_ms) = self.next_try_ms().filter(|at_ms| *at_ms > now_ms) {
            return Pause::For(Duration::from_millis(at_ms - now_ms));
        }
        let Some(target) = self.target(hub, now_ms) else { return Pause::UntilWoken };
        let next = match self.next(hub).await {
            Ok(Some(next)) => next,
            Ok(None) => return Pause::UntilWoken,
            Err(error) => {
                tracing::error!(webhook = self.name, %error, "the next message can't be read");
                return Pause::For(READ_AGAIN_AFTER);
            }
        };
        let (sequence, message) = next;
        let outcome = hub.senders.send(&target, &message, now_ms).await;
        self.take(hub, sequence, &outcome);
        Pause::None
    }

    /// Where messages go now; nowhere, if they may not.
    pub(super) fn target(&self, hub: &Hub, now_ms: u64) -> Option<Target> {
        let settings = hub.settings();
        let is_gone = |url: &str| self.state().gone.as_deref() == Some(url);
        if let Some(webhook) = self.settings() {
            let Webhook { url, secrets, timeout, .. } = &*webhook;
            let (url, secrets, reach) = (url.clone(), secrets.clone(), Reach::Everywhere);
            let target = Target { url, reach, secrets, timeout: *timeout };
            return (!is_gone(&target.url.to_string())).then_some(target);
        }
        let (account, webhook) = self.state().of.clone()?;
        let master = settings.account_secret.as_ref()?;
        let reach = settings.reach();
        let url = reach.parse(&webhook.url).ok()?;
        let secrets = secrets(master.expose().as_bytes(), account, &webhook, now_ms);
        let target = Target { url, reach, secrets, timeout: settings.timeout };
        (webhook.enabled && !is_gone(&webhook.url)).then_some(target)
    }

    /// Whether it is told of this kind.
    pub(super) fn wants(&self, kind: NoticeKind) -> bool {
        if let Some(webhook) = self.settings() {
            return matches(&webhook.events, kind.name());
        }
        self.state().of.as_ref().is_some_and(|(_, webhook)| matches(&webhook.events, kind.name()))
    }

    /// The next message: one that is sent again, or the first behind the cursor.
    async fn next(&self, hub: &Arc<Hub>) -> Result<Option<(u64, Message)>, LedgerError> {
        let account = self.account();
        let reader = if account.is_some() { Reader::Owner } else { Reader::Operator };
        let again = { self.state().again.first().copied() };
        if let Some(sequence) = again {
            if let Some(message) = hub.message(sequence, reader).await? {
                return Ok(Some((sequence, message)));
            }
            // There is no such message any more.
            self.state().again.retain(|known| *known != sequence);
        }
        let saved = self.state().cursor;
        loop {
            let after = self.state().cursor;
            let page = hub.notices(account, after, PAGE).await?;
            let Some(last) = page.last().copied() else { return Ok(None) };
            let wanted = page.into_iter().find(|notice| self.wants(notice.kind));
            let Notice { sequence, .. } = wanted.unwrap_or(last);
            let passed = if wanted.is_some() { sequence.saturating_sub(1) } else { sequence };
            let Some(cursor) = self.pass(after, passed) else { continue };
            if wanted.is_none() && cursor > saved.saturating_add(PASSED_MAX) {
                self.save(hub);
            }
            if wanted.is_some() {
                return Ok(hub.message(sequence, reader).await?.map(|message| (sequence, message)));
            }
        }
    }

    /// Moves the cursor over what is of no concern; `None` where it was set back meanwhile.
    fn pass(&self, after: u64, passed: u64) -> Option<u64> {
        let mut state = self.state();
        if state.cursor != after {
            return None;
        }
        state.cursor = passed.max(after);
        Some(state.cursor)
    }

    /// Takes down what came of a try.
    fn take(&self, hub: &Hub, sequence: u64, outcome: &Outcome) {
        let now_ms = hub.clock.now().wall_ms;
        let retry = hub.settings().retry;
        let mut state = self.state();
        let Outcome { status, fault, retry_after } = outcome;
        let fault_text = fault.map(str::to_owned);
        state.last = Some(Try { at_ms: now_ms, sequence, status: *status, fault: fault_text });
        let Some(fault) = fault else {
            if state.tries > 0 {
                tracing::info!(webhook = self.name, tries = state.tries, "webhook answers again");
            }
            state.delivered(sequence);
            drop(state);
            hub.figures.delivered.fetch_add(1, Ordering::Relaxed);
            return self.save(hub);
        };
        hub.figures.missed.fetch_add(1, Ordering::Relaxed);
        state.missed(now_ms);
        if state.tries == 1 {
            tracing::warn!(webhook = self.name, ?status, fault, "a message did not arrive");
        }
        if outcome.is_gone() {
            tracing::warn!(webhook = self.name, "webhook is gone: nothing more is sent there");
            state.gone = match (&self.settings(), &state.of) {
                (Some(webhook), _) => Some(webhook.url.to_string()),
                (None, Some((_, webhook))) => Some(webhook.url.clone()),
                (None, None) => None,
            };
        }
        let failing_ms = now_ms.saturating_sub(state.failing_since_ms.unwrap_or(now_ms));
        if !outcome.is_gone() && Duration::from_millis(failing_ms) >= retry.give_up_after {
            tracing::error!(webhook = self.name, sequence, "a message is given up");
            state.give_up(sequence);
            hub.figures.given_up.fetch_add(1, Ordering::Relaxed);
        }
        let wait = retry.wait(state.tries, *retry_after, &format!("{} {sequence}", self.name));
        drop(state);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        *self.next_try() = Some(now_ms.saturating_add(wait_ms));
        self.save(hub);
    }

    fn next_try(&self) -> MutexGuard<'_, Option<u64>> {
        self.next_try_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a kind is among those asked for: all, where none are named.
pub(crate) fn matches(events: &[String], kind: &str) -> bool {
    let is_it = |pattern: &String| match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    };
    events.is_empty() || events.iter().any(is_it)
}

/// What is wrong with a text that names no kind of events: a clause that follows it.
pub(crate) fn check_kind(text: &str) -> Result<(), String> {
    let one = [text.to_owned()];
    if NoticeKind::names().any(|name| matches(&one, name)) {
        return Ok(());
    }
    let mut names: Vec<_> = NoticeKind::names().collect();
    names.dedup();
    Err(format!("names no kind of events: they are {}; a `*` may end it", names.join(", ")))
}

/// The secrets of an account's webhook that sign at this moment, the newest first.
pub(super) fn secrets(
    master: &[u8],
    account: AccountId,
    webhook: &account::Webhook,
    now_ms: u64,
) -> Vec<SigningSecret> {
    let secret = |version| SigningSecret::derived(master, account, webhook.id, version);
    let signs = webhook.former_until_ms.is_some_and(|until_ms| until_ms > now_ms);
    let former = signs.then(|| webhook.version.saturating_sub(1)).filter(|version| *version > 0);
    std::iter::once(webhook.version).chain(former).map(secret).collect()
}
