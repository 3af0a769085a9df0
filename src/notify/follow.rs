//! Follows the notices: wakes the lines that may want them, and learns which webhooks accounts have.
//!
//! Which those are is the fold of their own notices, kept with how far each has come. What was learnt is
//! written before how far was read, so that nothing is missed; read again, it is learnt again.

use std::collections::HashSet;
use std::sync::Arc;

use infergate_actors::account::{Event, WatchEvent, Webhook};
use infergate_actors::id::{AccountId, WebhookId};
use infergate_actors::ledger::{LedgerError, Notice};

use super::hub::Hub;
use super::line::Line;
use super::state::State;

/// Under what it is kept how far was read: the name of no webhook.
pub(super) const FOLLOWED: &str = ".followed";
const PAGE: usize = 1_024;
/// Notices after which it is written down that they were read.
const READ_MAX: u64 = 4_096;

/// How far was read, and how far of that is written down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Followed {
    read: u64,
    saved: u64,
}

impl Followed {
    /// As it was written down.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let read = bytes.try_into().map_or(0, u64::from_be_bytes);
        Self { read, saved: read }
    }

    /// Goes back to where the journal ends, where that was cut since.
    pub(super) fn keep_within(&mut self, last: u64, hub: &Hub) {
        if self.read > last {
            (self.read, self.saved) = (last, last);
            hub.ledger.put_delivery(FOLLOWED, last.to_be_bytes().to_vec(), None);
        }
    }

    /// Reads what there is, wakes whom it may concern, and starts the lines that are new.
    pub(super) async fn catch_up(&mut self, hub: &Arc<Hub>) -> Result<Vec<Arc<Line>>, LedgerError> {
        let mut new = Vec::new();
        loop {
            let page = hub.notices(None, self.read, PAGE).await?;
            let Some(last) = page.last() else { break };
            let last = last.sequence;
            let mut learnt = false;
            for notice in &page {
                if notice.kind.name().starts_with("webhook.") {
                    new.extend(learn(hub, *notice).await?);
                    learnt = true;
                }
            }
            wake(hub, &page);
            self.read = last;
            if learnt || self.read > self.saved.saturating_add(READ_MAX) {
                self.saved = self.read;
                hub.ledger.put_delivery(FOLLOWED, self.read.to_be_bytes().to_vec(), None);
            }
        }
        Ok(new)
    }
}

/// The name of an account's webhook.
pub(crate) fn name_of(account: AccountId, webhook: WebhookId) -> String {
    format!("{account}.{webhook}")
}

fn wake(hub: &Hub, page: &[Notice]) {
    let accounts: HashSet<AccountId> = page.iter().map(|notice| notice.account).collect();
    for line in hub.lines().values() {
        // The operator's hear of all.
        if line.account().is_none_or(|account| accounts.contains(&account)) {
            line.wake();
        }
    }
}

/// Learns of a webhook that was made, changed or removed. Gives its line, if it is new.
async fn learn(hub: &Arc<Hub>, notice: Notice) -> Result<Option<Arc<Line>>, LedgerError> {
    let Notice { sequence, account, .. } = notice;
    let entry = hub.read(move |ledger| ledger.event_at(sequence)).await?;
    match entry.map(|entry| entry.record.event) {
        Some(Event::Watch(event)) => Ok(match *event {
            WatchEvent::WebhookSet { webhook } => set(hub, account, webhook, sequence),
            WatchEvent::WebhookRemoved { webhook } => {
                remove(hub, &name_of(account, webhook));
                None
            }
            _ => None,
        }),
        _ => Ok(None),
    }
}

fn set(hub: &Hub, account: AccountId, webhook: Webhook, sequence: u64) -> Option<Arc<Line>> {
    let name = name_of(account, webhook.id);
    let known = hub.lines().get(&name).cloned();
    if let Some(line) = known {
        let mut state = line.state();
        // Somebody has looked at it.
        state.gone = None;
        state.of = Some((account, webhook));
        drop(state);
        line.save(hub);
        line.try_now();
        return None;
    }
    let state = State { of: Some((account, webhook)), ..State::behind(sequence) };
    let line = Arc::new(Line::new(name.clone(), None, state));
    line.save(hub);
    hub.lines().insert(name, Arc::clone(&line));
    Some(line)
}

fn remove(hub: &Hub, name: &str) {
    if let Some(line) = hub.lines().remove(name) {
        line.end();
    }
    // Nothing is ever removed from the store: this stands for nothing.
    hub.ledger.put_delivery(name, Vec::new(), None);
}
