//! Webhooks: tells those outside of what has happened, as signed messages in the order of the journal.
//!
//! The journal is the outbox: an event that is a notice stands in an index that is written with it, and
//! each webhook has a cursor there. So nothing is sent that has not happened, and nothing that has
//! happened is forgotten, whatever ends in between; and what was sent can be sent again.
//!
//! | file | |
//! | --- | --- |
//! | `settings`, `address` | where messages may be sent |
//! | `message`, `data`, `told` | what is said of an event |
//! | `sign` | by whom |
//! | `send` | one try |
//! | `retry`, `state` | what follows from it, and what is kept |
//! | `line` | one webhook's messages, in order |
//! | `follow` | which webhooks there are, and which have something to do |
//! | `hub`, `view` | what they share, and what is shown of them |

mod address;
mod data;
mod follow;
mod hub;
mod line;
mod message;
mod retry;
mod send;
mod settings;
mod sign;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use infergate_actors::account;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Ledger, LedgerError};

use follow::{FOLLOWED, Followed, Kept};
use hub::Hub;
use line::Line;
use message::Message;
use state::State;

pub use address::{Reach, UrlError, is_public};
pub(crate) use data::{Data, watch_fact};
pub(crate) use follow::name_of;
pub(crate) use line::{check_kind, matches};
pub(crate) use message::{Reader, Told, sequence};
pub use retry::Retry;
pub(crate) use send::Outcome;
pub use settings::{NotifySettings, Webhook};
pub use sign::{SecretError, SigningSecret, signatures};
pub(crate) use told::{OwnWebhook, TopUpDue, WatchedFor};
pub(crate) use view::WebhookView;

use crate::upstream::TlsSetupError;

/// All webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Hub>);

/// How far each webhook has come, those included that the configuration has not any more, as it is kept.
#[derive(Debug)]
pub struct KeptDeliveries(BTreeMap<String, Vec<u8>>);

/// Why webhooks can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The ledger can't be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What is to be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// Everything from this sequence on.
    Since(u64),
    /// The message of this sequence alone.
    One(u64),
    /// What was given up.
    Failed,
}

/// Why nothing is sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("no message of this webhook has that id")]
    NoMessage,
    #[error("too many messages wait to be sent once more: replay from a sequence instead")]
    TooMany,
}

/// What is read when somebody looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyReadings {
    /// Messages that arrived.
    pub delivered: u64,
    /// Tries that failed.
    pub missed: u64,
    /// Messages that were given up.
    pub given_up: u64,
    /// Webhooks there are.
    pub webhooks: usize,
    /// Those whose last try failed.
    pub failing: usize,
}

impl Notifier {
    /// Starts delivering: goes on where every webhook was.
    pub async fn start(
        ledger: Ledger,
        clock: Clock,
        settings: NotifySettings,
        webhooks: &[Webhook],
    ) -> Result<Self, NotifyError> {
        let hub = Arc::new(Hub::new(ledger, clock, send::Senders::new()?, settings));
        let followed = take_up(&hub).await?;
        let notifier = Self(hub);
        let running: Vec<_> = notifier.0.lines().values().cloned().collect();
        for line in running {
            tokio::spawn(line.run(Arc::clone(&notifier.0)));
        }
        let kept = notifier.kept().await?;
        notifier.configure(webhooks, &kept);
        tokio::spawn(follow(Arc::clone(&notifier.0), followed));
        Ok(notifier)
    }

    /// Reads what another configuration takes up where it was: all that can fail of putting it to use.
    pub async fn kept(&self) -> Result<KeptDeliveries, LedgerError> {
        let kept = self.0.read(Ledger::deliveries).await?;
        Ok(KeptDeliveries(kept.into_iter().collect()))
    }

    /// Puts another configuration to use, with what was read before. A webhook that is new begins with
    /// what happens from now on; one that is back goes on where it was.
    pub fn reconfigure(
        &self,
        settings: NotifySettings,
        webhooks: &[Webhook],
        kept: &KeptDeliveries,
    ) {
        self.0.set_settings(settings);
        self.configure(webhooks, kept);
        for line in self.0.lines().values() {
            line.wake();
        }
    }

    fn configure(&self, webhooks: &[Webhook], KeptDeliveries(kept): &KeptDeliveries) {
        let hub = &self.0;
        let mut lines = hub.lines();
        lines.retain(|name, line| {
            let stays = line.settings().is_none() || webhooks.iter().any(|it| &*it.name == name);
            if !stays {
                line.end();
            }
            stays
        });
        for webhook in webhooks {
            let settings = Arc::new(webhook.clone());
            if let Some(line) = lines.get(&*webhook.name) {
                if line.settings().as_deref() != Some(webhook) {
                    line.set(settings);
                }
                continue;
            }
            let name = webhook.name.to_string();
            let state = kept.get(&name).and_then(|bytes| State::from_bytes(bytes));
            let last = hub.ledger.stats().sequence_synced;
            let mut state = state.unwrap_or_else(|| State::behind(last));
            state.keep_within(last);
            let line = Arc::new(Line::new(name.clone(), Some(settings), state));
            line.save(hub);
            lines.insert(name, Arc::clone(&line));
            tokio::spawn(line.run(Arc::clone(hub)));
        }
    }

    /// Ends all deliveries where they are; what was under way is sent again after the next start.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// The webhooks behind a name, and whether there are more than `limit`.
    pub(crate) async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<WebhookView>, bool), LedgerError> {
        let lines: Vec<_> = {
            let all = self.0.lines();
            let behind =
                all.iter().filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
            behind.take(limit + 1).map(|(_, line)| Arc::clone(line)).collect()
        };
        let mut views = Vec::new();
        for line in lines.iter().take(limit) {
            views.push(WebhookView::of(line, &self.0).await?);
        }
        Ok((views, lines.len() > limit))
    }

    /// A webhook of this name.
    pub(crate) async fn view(&self, name: &str) -> Result<Option<WebhookView>, LedgerError> {
        match self.line(name) {
            Some(line) => WebhookView::of(&line, &self.0).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends something once more, at once, also where that was waited with or given up. `None`: there is
    /// no such webhook.
    pub(crate) async fn replay(
        &self,
        name: &str,
        what: Replay,
    ) -> Result<Option<Result<(), ReplayError>>, LedgerError> {
        let Some(line) = self.line(name) else { return Ok(None) };
        if let Replay::One(sequence) = what {
            let account = line.account();
            let found = self.0.notices(account, sequence.saturating_sub(1), 1).await?;
            if found.first().is_none_or(|notice| notice.sequence != sequence) {
                return Ok(Some(Err(ReplayError::NoMessage)));
            }
        }
        let mut state = line.state();
        (state.tries, state.failing_since_ms, state.gone) = (0, None, None);
        let has_room = match what {
            Replay::Since(sequence) => {
                state.cursor = state.cursor.min(sequence.saturating_sub(1));
                true
            }
            Replay::One(sequence) => state.send_again(sequence),
            Replay::Failed => {
                let failed = state.failed.clone();
                failed.into_iter().all(|sequence| state.send_again(sequence))
            }
        };
        drop(state);
        line.save(&self.0);
        line.try_now();
        Ok(Some(if has_room { Ok(()) } else { Err(ReplayError::TooMany) }))
    }

    /// Sends a message that stands for nothing, beside all others. `None`: there is no such webhook;
    /// `Some(None)`: nothing may be sent there now.
    pub(crate) async fn test(&self, name: &str) -> Option<Option<Outcome>> {
        let line = self.line(name)?;
        let now_ms = self.0.clock.now().wall_ms;
        let Some(target) = line.target(&self.0, now_ms) else { return Some(None) };
        let message = Message::test(name, now_ms);
        Some(Some(self.0.senders.send(&target, &message, now_ms).await))
    }

    /// The newest secret of an account's webhook; `None` where the configuration has none to make it of.
    pub(crate) fn secret_of(
        &self,
        account: AccountId,
        webhook: &account::Webhook,
    ) -> Option<String> {
        let settings = self.0.settings();
        let master = settings.account_secret.as_ref()?.expose().as_bytes();
        Some(SigningSecret::derived(master, account, webhook.id, webhook.version).expose())
    }

    /// What holds of all webhooks.
    pub(crate) fn settings(&self) -> Arc<NotifySettings> {
        self.0.settings()
    }

    /// What is read when somebody looks.
    pub fn readings(&self) -> NotifyReadings {
        let figures = &self.0.figures;
        let lines = self.0.lines();
        NotifyReadings {
            delivered: figures.delivered.load(Ordering::Relaxed),
            missed: figures.missed.load(Ordering::Relaxed),
            given_up: figures.given_up.load(Ordering::Relaxed),
            webhooks: lines.len(),
            failing: lines.values().filter(|line| line.state().tries > 0).count(),
        }
    }

    fn line(&self, name: &str) -> Option<Arc<Line>> {
        self.0.lines().get(name).cloned()
    }
}

/// Makes the accounts' lines of what is kept, and of what has happened since.
async fn take_up(hub: &Arc<Hub>) -> Result<Followed, LedgerError> {
    let kept: Kept = hub.read(Ledger::deliveries).await?.into_iter().collect();
    let mut followed =
        kept.get(FOLLOWED).map(|bytes| Followed::from_bytes(bytes)).unwrap_or_default();
    // A repair or an import may have left a shorter journal, whose next events have sequences that
    // were others' before.
    let last = hub.ledger.stats().sequence_synced;
    let mut was_cut = false;
    let states = kept.iter().filter_map(|(name, bytes)| Some((name, State::from_bytes(bytes)?)));
    for (name, mut state) in states.filter(|(name, _)| *name != FOLLOWED) {
        if state.keep_within(last) {
            was_cut = true;
            hub.ledger.put_delivery(name, state.to_bytes(), None);
        }
        if state.of.is_some() {
            let line = Arc::new(Line::new(name.clone(), None, state));
            hub.lines().insert(name.clone(), line);
        }
    }
    followed.begin(hub, &kept, last, was_cut).await?;
    Ok(followed)
}

/// Follows the notices until the gateway stops.
async fn follow(hub: Arc<Hub>, followed: Followed) {
    tokio::select! {
        () = hub.until_stopped() => {}
        () = follow_on(&hub, followed) => {}
    }
}

async fn follow_on(hub: &Arc<Hub>, mut followed: Followed) {
    let mut seen = hub.ledger.notices_seen();
    loop {
        // Before the look, so that nothing between the two is missed.
        seen.mark_unchanged();
        match followed.catch_up(hub).await {
            Ok(new) => {
                for line in new {
                    tokio::spawn(line.run(Arc::clone(hub)));
                }
            }
            Err(error) => tracing::error!(%error, "notices can't be read"),
        }
        if seen.changed().await.is_err() {
            return;
        }
    }
}
