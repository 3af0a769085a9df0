//! The audit log: what operators did, read from their journal a bounded step at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use infergate_actors::account::{Accounts, Event, OperatorEvent};
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{JournalEntry, LedgerError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::request::{Asked, id};
use super::view::Act;
use super::{Operator, Problem};
use crate::api::{Passing, accept, page_limit};
use crate::openapi::{Routes, doc, get, pattern};
use crate::usage::{Export, Format, calendar};

const ACTS_MAX: usize = 1_000;
const ACTS_DEFAULT: usize = 100;
/// Events that are read at a time, and for one page: one that finds little is short, or empty.
const STEP: usize = 100;
const STEPS_MAX: usize = 100;
/// Events that are read at a time to find what became of an action.
const LOOK_AHEAD: usize = 20;
const PIECES_WAITING: usize = 2;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditPage {
    /// The name or id of a token.
    actor: Option<String>,
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: Option<String>,
    action: Option<String>,
    /// A date, or milliseconds since 1970.
    #[schemars(regex(pattern = pattern::TIME))]
    from: Option<String>,
    #[schemars(regex(pattern = pattern::TIME))]
    to: Option<String>,
    /// The `next` of the page before.
    #[schemars(regex(pattern = pattern::NUMBER))]
    after: Option<String>,
    #[schemars(range(min = 1, max = ACTS_MAX))]
    limit: Option<usize>,
    format: Option<Written>,
}

/// How the log is written.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AuditFormat")]
enum Written {
    /// A page.
    Json,
    /// A JSON object a line, all of them.
    Ndjson,
}

/// A page of the log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Actions")]
struct Acts<'f> {
    actions: Vec<Act<'f>>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// What is served of the log.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let listed = doc("listActions", "Lists what operators did, page by page, or all as a stream.")
        .answers::<Acts<'_>>(200)
        .sends(200, Format::Ndjson.media_type());
    Routes::new().route("Audit", "/admin/v1/audit", get(list, listed))
}

/// Which actions are asked for.
#[derive(Clone, Debug)]
struct Filter {
    /// The name or id of a token.
    actor: Option<String>,
    account: Option<AccountId>,
    action: Option<String>,
    from_ms: u64,
    to_ms: u64,
}

/// A way through the log.
struct Walk {
    accounts: Accounts,
    filter: Filter,
    /// The last event that was read; `None` at the end.
    after: Option<u64>,
}

/// An action as the journal has it: its beginning, and its end, if that is another event.
pub(super) struct Found {
    pub(super) entry: JournalEntry,
    pub(super) end: Option<JournalEntry>,
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    headers: HeaderMap,
    Asked(page): Asked<AuditPage>,
) -> Result<Response, Problem> {
    let format = page.format.unwrap_or_else(|| match Format::accepted(accept(&headers)) {
        Format::Ndjson => Written::Ndjson,
        Format::Json | Format::Csv => Written::Json,
    });
    let after = page.after.as_deref().map(cursor).transpose()?.unwrap_or(0);
    let limit = page_limit(page.limit, ACTS_DEFAULT, ACTS_MAX)?;
    let filter = page.filter()?;
    let mut walk = Walk { accounts: operator.system.accounts.clone(), filter, after: Some(after) };
    match format {
        Written::Json => {
            let (found, next) = walk.page(limit).await?;
            let actions: Vec<Act> = found.iter().filter_map(Act::of).collect();
            let next = next.map(|next| next.to_string());
            Ok(Answer(Acts { actions, next }).into_response())
        }
        Written::Ndjson => {
            let (pieces, export) = mpsc::channel(PIECES_WAITING);
            tokio::spawn(async move {
                // Why it broke off is told by what is missing: its last piece.
                if let Err(error) = walk.write_all(&pieces).await {
                    tracing::error!(%error, "an export of the audit log broke off");
                }
            });
            Ok(Passing::answer(Format::Ndjson, Export(export)))
        }
    }
}

impl AuditPage {
    fn filter(self) -> Result<Filter, Problem> {
        let time = |field: &str, text: Option<&str>| {
            let wrong = || {
                Problem::bad_request(format!(
                    "`{field}` must be a date such as `2026-11-24`, or milliseconds since 1970"
                ))
            };
            text.map(|text| calendar::time(text).ok_or_else(wrong)).transpose()
        };
        Ok(Filter {
            account: self.account.as_deref().map(id).transpose()?,
            from_ms: time("from", self.from.as_deref())?.unwrap_or(0),
            to_ms: time("to", self.to.as_deref())?.unwrap_or(u64::MAX),
            actor: self.actor,
            action: self.action,
        })
    }
}

impl Filter {
    fn passes(&self, found: &Found) -> bool {
        let Some(asked) = found.asked() else { return false };
        let at_ms = found.entry.record.at_ms;
        let is_by = |actor: &String| *actor == asked.name || *actor == asked.token.to_string();
        let is_about = |account: AccountId| {
            asked.account == Some(account) || found.names(&format!("\"{account}\""))
        };
        (self.from_ms..self.to_ms).contains(&at_ms)
            && self.actor.as_ref().is_none_or(is_by)
            && self.action.as_ref().is_none_or(|action| *action == asked.action)
            && self.account.is_none_or(is_about)
    }
}

impl Found {
    pub(super) fn asked(&self) -> Option<&infergate_actors::account::Asked> {
        match operator_event(&self.entry)? {
            OperatorEvent::Asked(asked) | OperatorEvent::NotBegun(asked, _) => Some(asked),
            _ => None,
        }
    }

    /// Whether the request or what it changed has this text.
    fn names(&self, text: &str) -> bool {
        let end = self.end.as_ref().and_then(operator_event);
        let is_in_end =
            matches!(end, Some(OperatorEvent::Ended(ended)) if ended.changes.contains(text));
        is_in_end || self.asked().is_some_and(|asked| asked.body.contains(text))
    }
}

impl Walk {
    async fn page(&mut self, limit: usize) -> Result<(Vec<Found>, Option<u64>), LedgerError> {
        let mut page = Vec::new();
        for _ in 0..STEPS_MAX {
            if page.len() > limit || self.after.is_none() {
                break;
            }
            page.extend(self.step().await?);
        }
        if page.len() > limit {
            page.truncate(limit);
            let last = page.last().map(|found| found.entry.record.number);
            return Ok((page, last));
        }
        Ok((page, self.after))
    }

    /// Those of the next events that are asked for, each with its end.
    async fn step(&mut self) -> Result<Vec<Found>, LedgerError> {
        let Some(after) = self.after else { return Ok(Vec::new()) };
        let entries = self.read(after, STEP).await?;
        let last = entries.last().map(|entry| entry.record.number);
        self.after = last.filter(|_| entries.len() == STEP);
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        let mut without_end = 0_usize;
        for entry in entries {
            take(entry, &mut found, &mut without_end);
        }
        let mut behind = last;
        while let Some(after) = behind.filter(|_| without_end > 0) {
            let ahead = self.read(after, LOOK_AHEAD).await?;
            behind = ahead.last().map(|entry| entry.record.number);
            let ends = ahead
                .into_iter()
                .filter(|entry| matches!(operator_event(entry), Some(OperatorEvent::Ended(_))));
            for end in ends {
                take(end, &mut found, &mut without_end);
            }
        }
        Ok(found.into_values().filter(|found| self.filter.passes(found)).collect())
    }

    async fn read(&self, after: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        let read = move |ledger: &infergate_actors::ledger::Ledger| {
            ledger.account_journal(AccountId::OPERATORS, after, limit)
        };
        self.accounts.read(read).await
    }

    async fn write_all(&mut self, pieces: &mpsc::Sender<Bytes>) -> Result<(), LedgerError> {
        while self.after.is_some() {
            let mut piece = Vec::new();
            for act in self.step().await?.iter().filter_map(Act::of) {
                // Maps of texts and numbers can always be written as JSON.
                piece.extend(serde_json::to_vec(&act).unwrap_or_default());
                piece.push(b'\n');
            }
            let is_empty = piece.is_empty();
            if !is_empty && pieces.send(piece.into()).await.is_err() {
                return Ok(());
            }
        }
        // An empty piece is the last.
        let _ = pieces.send(Bytes::new()).await;
        Ok(())
    }
}

/// A beginning is one more, an end is put to its beginning.
fn take(entry: JournalEntry, found: &mut BTreeMap<u64, Found>, without_end: &mut usize) {
    let number = entry.record.number;
    match operator_event(&entry) {
        Some(OperatorEvent::Asked(_)) => {
            *without_end = without_end.saturating_add(1);
            found.insert(number, Found { entry, end: None });
        }
        Some(OperatorEvent::NotBegun(..)) => {
            found.insert(number, Found { entry, end: None });
        }
        Some(OperatorEvent::Ended(ended)) => {
            let action = ended.action;
            if let Some(begun) = found.get_mut(&action) {
                *without_end = without_end.saturating_sub(1);
                begun.end = Some(entry);
            }
        }
        _ => {}
    }
}

pub(super) fn operator_event(entry: &JournalEntry) -> Option<&OperatorEvent> {
    match &entry.record.event {
        Event::Operator(event) => Some(event),
        _ => None,
    }
}

fn cursor(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::bad_request("`after` is no cursor of this list"))
}
