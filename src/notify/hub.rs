//! What all lines share: the journal they read, the connections they send on, what is counted.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Ledger, LedgerError, Notice};
use tokio::sync::watch;

use super::line::Line;
use super::message::{Message, Reader};
use super::send::Senders;
use super::settings::NotifySettings;

pub(super) struct Hub {
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) senders: Senders,
    pub(super) figures: Figures,
    settings: ArcSwap<NotifySettings>,
    lines: Mutex<BTreeMap<String, Arc<Line>>>,
    stop: watch::Sender<bool>,
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) delivered: AtomicU64,
    pub(super) missed: AtomicU64,
    pub(super) given_up: AtomicU64,
}

impl Hub {
    pub(super) fn new(
        ledger: Ledger,
        clock: Clock,
        senders: Senders,
        settings: NotifySettings,
    ) -> Self {
        Self {
            ledger,
            clock,
            senders,
            figures: Figures::default(),
            settings: ArcSwap::from_pointee(settings),
            lines: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn settings(&self) -> Arc<NotifySettings> {
        self.settings.load_full()
    }

    pub(super) fn set_settings(&self, settings: NotifySettings) {
        self.settings.store(Arc::new(settings));
    }

    pub(super) fn lines(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Line>>> {
        // No code that can panic runs under this lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the gateway stops.
    pub(super) async fn until_stopped(&self) {
        // The sender is here, so that it can't be gone.
        let _ = self.stop.subscribe().wait_for(|stops| *stops).await;
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Reads the ledger where blocking is allowed.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = self.ledger.clone();
        let reading = tokio::task::spawn_blocking(move || read(&ledger));
        reading.await.map_err(|error| LedgerError::Read(error.to_string()))?
    }

    pub(super) async fn notices(
        &self,
        account: Option<AccountId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Notice>, LedgerError> {
        self.read(move |ledger| ledger.notices(account, after, limit)).await
    }

    /// The message of a notice; `None` where there is no notice with this sequence.
    pub(super) async fn message(
        &self,
        sequence: u64,
        reader: Reader,
    ) -> Result<Option<Message>, LedgerError> {
        let before = sequence.saturating_sub(1);
        let read = move |ledger: &Ledger| {
            let notice = ledger.notices(None, before, 1)?.into_iter().next();
            let Some(notice) = notice.filter(|notice| notice.sequence == sequence) else {
                return Ok(None);
            };
            let entry = ledger.event_at(sequence)?;
            Ok(entry.map(|entry| Message::of(&entry, notice.kind, reader)))
        };
        self.read(read).await
    }
}
