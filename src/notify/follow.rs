//! Follows the notices: wakes the lines that may want them, and learns which webhooks accounts have.
//!
//! Which those are is the fold of their own notices, kept with how far each has come. What was learnt is
//! written before how far was read, so that nothing is missed; read again, it is learnt again. Where the
//! journal was cut since, what was learnt may never have been: then all of it is folded anew.

use std::collections::{BTreeMap, HashSet};
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
/// How far was read, written by a build that learns all anew where the journal was cut.
const VERSION: u8 = 1;

/// How far was read, and how far of that is written down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Followed {
    read: u64,
    saved: u64,
    /// Whether it is certain that the journal has what was learnt.
    is_certain: bool,
}

/// How far each reader of notices has come, as it is kept, by name.
pub(super) type Kept = BTreeMap<String, Vec<u8>>;

/// A webhook as the journal has it.
struct Derived {
    webhook: Webhook,
    /// The sequence of the event that made it.
    made: u64,
}

impl Followed {
    /// As it was written down.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        // An earlier build wrote no version, and kept what was learnt of a part that was cut off.
        let current = bytes.strip_prefix(&[VERSION]);
        let read = current.unwrap_or(bytes).try_into().map_or(0, u64::from_be_bytes);
        Self { read, saved: read, is_certain: current.is_some() }
    }

    fn save(&mut self, hub: &Hub) {
        self.saved = self.read;
        let bytes = [&[VERSION][..], &self.read.to_be_bytes()].concat();
        hub.ledger.put_delivery(FOLLOWED, bytes, None);
    }

    /// Before any line runs: makes the accounts' lines those of the journal. `last` is where it ends,
    /// `was_cut` whether more is known of than that.
    pub(super) async fn begin(
        &mut self,
        hub: &Arc<Hub>,
        kept: &Kept,
        last: u64,
        was_cut: bool,
    ) -> Result<(), LedgerError> {
        if !self.is_certain || was_cut || self.read > last {
            derive(hub, kept, last).await?;
            (self.read, self.is_certain) = (last, true);
            self.save(hub);
        }
        self.catch_up(hub).await.map(drop)
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
                if is_of_webhooks(notice) {
                    new.extend(learn(hub, *notice).await?);
                    learnt = true;
                }
            }
            wake(hub, &page);
            self.read = last;
            if learnt || self.read > self.saved.saturating_add(READ_MAX) {
                self.save(hub);
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

/// Makes the accounts' lines those that the journal up to `last` tells of.
async fn derive(hub: &Arc<Hub>, kept: &Kept, last: u64) -> Result<(), LedgerError> {
    let mut webhooks = fold(hub, last).await?;
    let lines: Vec<_> = hub.lines().values().cloned().collect();
    for line in lines {
        match webhooks.remove(&line.name) {
            None => remove(hub, &line.name),
            Some((account, derived)) => {
                let of = Some((account, derived.webhook));
                let differs = line.state().of != of;
                if differs {
                    line.state().of = of;
                    line.save(hub);
                }
            }
        }
    }
    for (name, (account, Derived { webhook, made })) in webhooks {
        // One that was removed in what is lost owes nothing of what was before; of one whose state was
        // not saved, nothing is known to have arrived.
        let was_removed = kept.get(&name).is_some_and(Vec::is_empty);
        let cursor = if was_removed { last } else { made };
        let state = State { of: Some((account, webhook)), ..State::behind(cursor) };
        let line = Arc::new(Line::new(name.clone(), None, state));
        line.save(hub);
        hub.lines().insert(name, line);
    }
    Ok(())
}

/// The webhooks that accounts have at event `last`, by name.
async fn fold(hub: &Hub, last: u64) -> Result<BTreeMap<String, (AccountId, Derived)>, LedgerError> {
    let (mut webhooks, mut read) = (BTreeMap::<String, (AccountId, Derived)>::new(), 0);
    loop {
        let page = hub.notices(None, read, PAGE).await?;
        let Some(end) = page.last() else { return Ok(webhooks) };
        read = end.sequence;
        for notice in page.iter().filter(|notice| is_of_webhooks(notice)) {
            let Notice { sequence, account, .. } = *notice;
            if sequence > last {
                return Ok(webhooks);
            }
            match event(hub, sequence).await? {
                Some(WatchEvent::WebhookSet { webhook }) => {
                    let known = webhooks.entry(name_of(account, webhook.id));
                    let derived = Derived { webhook: webhook.clone(), made: sequence };
                    known.or_insert((account, derived)).1.webhook = webhook;
                }
                Some(WatchEvent::WebhookRemoved { webhook }) => {
                    webhooks.remove(&name_of(account, webhook));
                }
                _ => {}
            }
        }
    }
}

fn is_of_webhooks(notice: &Notice) -> bool {
    notice.kind.name().starts_with("webhook.")
}

/// The event of a notice of webhooks.
async fn event(hub: &Hub, sequence: u64) -> Result<Option<WatchEvent>, LedgerError> {
    let entry = hub.read(move |ledger| ledger.event_at(sequence)).await?;
    Ok(match entry.map(|entry| entry.record.event) {
        Some(Event::Watch(event)) => Some(*event),
        _ => None,
    })
}

/// Learns of a webhook that was made, changed or removed. Gives its line, if it is new.
async fn learn(hub: &Arc<Hub>, notice: Notice) -> Result<Option<Arc<Line>>, LedgerError> {
    let Notice { sequence, account, .. } = notice;
    Ok(match event(hub, sequence).await? {
        Some(WatchEvent::WebhookSet { webhook }) => set(hub, account, webhook, sequence),
        Some(WatchEvent::WebhookRemoved { webhook }) => {
            remove(hub, &name_of(account, webhook));
            None
        }
        _ => None,
    })
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
