//! Webhooks, whoever they are of: how far each has come, and what is to be sent once more. And what they
//! are told of.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Ledger, LedgerError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{Asked, Json, WebhookOf, id};
use super::{Operator, Problem};
use crate::api::page_limit;
use crate::notify::{self, Message, Replay, ReplayError};

const WEBHOOKS_MAX: usize = 100;
const EVENTS_MAX: usize = 1_000;
const EVENTS_DEFAULT: usize = 100;
/// Places that are looked at for one page of those that were asked for.
const LOOKED_AT_MAX: usize = 100_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksPage {
    after: Option<String>,
    limit: Option<usize>,
}

/// One of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayAsked {
    since_sequence: Option<u64>,
    since_ms: Option<u64>,
    message: Option<String>,
    #[serde(default)]
    failed: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsPage {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    r#type: Option<String>,
    account: Option<String>,
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<WebhooksPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, WEBHOOKS_MAX, WEBHOOKS_MAX)?;
    let (webhooks, more) = operator.notifier.list(page.after.as_deref(), limit).await?;
    let next = webhooks.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Answer(json!({ "webhooks": webhooks, "next": next })))
}

pub(super) async fn show(
    State(operator): State<Arc<Operator>>,
    WebhookOf(name): WebhookOf,
) -> Result<impl IntoResponse, Problem> {
    let view = operator.notifier.view(&name).await?.ok_or_else(|| unknown(&name))?;
    Ok(Answer(view))
}

pub(super) async fn replay(
    State(operator): State<Arc<Operator>>,
    WebhookOf(name): WebhookOf,
    Json(asked): Json<ReplayAsked>,
) -> Result<impl IntoResponse, Problem> {
    let what = asked.read(&operator).await?;
    let done = operator.notifier.replay(&name, what).await?.ok_or_else(|| unknown(&name))?;
    done.map_err(|error| match error {
        ReplayError::NoMessage => Problem::not_found(error.to_string()),
        ReplayError::TooMany => Problem::conflict(error.to_string()),
    })?;
    tracing::info!(webhook = name, ?what, "messages are sent once more");
    let view = operator.notifier.view(&name).await?.ok_or_else(|| unknown(&name))?;
    Ok((StatusCode::ACCEPTED, Answer(view)))
}

pub(super) async fn test(
    State(operator): State<Arc<Operator>>,
    WebhookOf(name): WebhookOf,
) -> Result<impl IntoResponse, Problem> {
    let tried = operator.notifier.test(&name).await.ok_or_else(|| unknown(&name))?;
    let detail =
        "nothing is sent there: it is disabled or gone, or there is no secret to sign with";
    let outcome = tried.ok_or_else(|| Problem::conflict(detail))?;
    let arrived = outcome.fault.is_none();
    let answer = json!({ "arrived": arrived, "status": outcome.status, "fault": outcome.fault });
    Ok(Answer(answer))
}

/// What has happened that somebody outside may want to hear of.
pub(super) async fn events(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<EventsPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, EVENTS_DEFAULT, EVENTS_MAX)?;
    let account: Option<AccountId> = page.account.as_deref().map(id).transpose()?;
    let kinds = page.r#type.into_iter().collect::<Vec<_>>();
    if let Some(kind) = kinds.first() {
        let wrong = |what| Problem::bad_request(format!("`type`: `{kind}` {what}"));
        notify::check_kind(kind).map_err(wrong)?;
    }
    let after = page.after;
    let read = move |ledger: &Ledger| events_page(ledger, account, &kinds, after, limit);
    let (events, next) = operator.system.accounts.read(read).await?;
    let next = next.map(|sequence| sequence.to_string());
    Ok(Answer(json!({ "events": events, "next": next })))
}

/// A page of events, and the sequence to go on behind, where there may be more.
fn events_page(
    ledger: &Ledger,
    account: Option<AccountId>,
    kinds: &[String],
    after: u64,
    limit: usize,
) -> Result<(Vec<Value>, Option<u64>), LedgerError> {
    let mut events = Vec::new();
    let notices = ledger.notices(account, after, LOOKED_AT_MAX)?;
    let last = notices.last().map(|last| last.sequence).filter(|_| notices.len() == LOOKED_AT_MAX);
    for notice in notices {
        if !notify::matches(kinds, notice.kind.name()) {
            continue;
        }
        let Some(entry) = ledger.event_at(notice.sequence)? else { continue };
        let Message { id, mut body } = Message::of(&entry, notice.kind);
        if let Some(body) = body.as_object_mut() {
            body.insert("id".to_owned(), json!(id));
        }
        events.push(body);
        if events.len() == limit {
            return Ok((events, Some(notice.sequence)));
        }
    }
    Ok((events, last))
}

impl ReplayAsked {
    async fn read(self, operator: &Operator) -> Result<Replay, Problem> {
        let Self { since_sequence, since_ms, message, failed } = self;
        let wrong = || {
            let detail = "name one of `since_sequence`, `since_ms`, `message`, `failed`";
            Problem::invalid(detail)
        };
        Ok(match (since_sequence, since_ms, message, failed) {
            (Some(sequence), None, None, false) => Replay::Since(sequence),
            (None, Some(at_ms), None, false) => {
                let accounts = &operator.system.accounts;
                Replay::Since(accounts.read(move |ledger| ledger.sequence_at(at_ms)).await?)
            }
            (None, None, Some(message), false) => {
                let none = || Problem::not_found(format!("no message has the id `{message}`"));
                Replay::One(notify::sequence(&message).ok_or_else(none)?)
            }
            (None, None, None, true) => Replay::Failed,
            _ => return Err(wrong()),
        })
    }
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no webhook is called `{name}`"))
}
