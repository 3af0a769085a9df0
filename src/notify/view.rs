//! What is shown of a webhook.

use std::sync::Arc;

use infergate_actors::ledger::LedgerError;
use schemars::JsonSchema;
use serde::Serialize;

use super::hub::Hub;
use super::line::Line;

/// Messages that are counted, at most.
const COUNTED_MAX: usize = 1_000;

/// A webhook as it is at this moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct WebhookView {
    pub(crate) name: String,
    pub(crate) account: Option<String>,
    pub(crate) url: String,
    /// Kinds of events; empty: all.
    pub(crate) events: Vec<String>,
    /// `delivering`, `failing`, or why nothing is sent: `disabled`, `gone`, `unsigned`.
    pub(crate) status: &'static str,
    /// Every message up to this sequence is done with.
    pub(crate) cursor: u64,
    /// Notices behind that that it has yet to look at, up to a thousand.
    pub(crate) waiting: usize,
    /// How old the first of those is.
    pub(crate) lag_ms: u64,
    pub(crate) tries: u32,
    pub(crate) failing_since_ms: Option<u64>,
    pub(crate) next_try_at_ms: Option<u64>,
    pub(crate) last: Option<LastTry>,
    /// Messages that were given up: the newest thousand, and how many there were ever.
    pub(crate) failed: Vec<u64>,
    pub(crate) failed_ever: u64,
}

/// What came of the last try.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct LastTry {
    at_ms: u64,
    sequence: u64,
    status: Option<u16>,
    fault: Option<String>,
}

impl WebhookView {
    pub(super) async fn of(line: &Line, hub: &Arc<Hub>) -> Result<Self, LedgerError> {
        let now_ms = hub.clock.now().wall_ms;
        let (state, settings) = (line.state().clone(), line.settings());
        let waiting = hub.notices(line.account(), state.cursor, COUNTED_MAX).await?;
        let wanted = || waiting.iter().filter(|notice| line.wants(notice.kind));
        let lag_ms = match wanted().next().map(|notice| notice.sequence) {
            None => 0,
            Some(first) => {
                let entry = hub.read(move |ledger| ledger.event_at(first)).await?;
                entry.map_or(0, |entry| now_ms.saturating_sub(entry.record.at_ms))
            }
        };
        let of = state.of.as_ref();
        let (url, events) = match (&settings, of) {
            (Some(webhook), _) => (webhook.url.to_string(), webhook.events.clone()),
            (None, Some((_, webhook))) => (webhook.url.clone(), webhook.events.clone()),
            (None, None) => (String::new(), Vec::new()),
        };
        let is_unsigned = settings.is_none() && hub.settings().account_secret.is_none();
        let status = if of.is_some_and(|(_, webhook)| !webhook.enabled) {
            "disabled"
        } else if state.gone.as_ref() == Some(&url) {
            "gone"
        } else if is_unsigned {
            "unsigned"
        } else if state.tries > 0 {
            "failing"
        } else {
            "delivering"
        };
        Ok(Self {
            name: line.name.clone(),
            account: of.map(|(account, _)| account.to_string()),
            url,
            events,
            status,
            cursor: state.cursor,
            waiting: wanted().count() + state.again.len(),
            lag_ms,
            tries: state.tries,
            failing_since_ms: state.failing_since_ms,
            next_try_at_ms: line.next_try_ms().filter(|at_ms| *at_ms > now_ms),
            last: state.last.map(|last| LastTry {
                at_ms: last.at_ms,
                sequence: last.sequence,
                status: last.status,
                fault: last.fault,
            }),
            failed: state.failed,
            failed_ever: state.failed_ever,
        })
    }
}
