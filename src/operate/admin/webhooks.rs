//! Webhooks, whoever they are of: how far each has come, and what is to be sent once more. And what they
//! are told of.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::id::AccountId;
use serde::Deserialize;
use serde_json::json;

use super::request::{Asked, Json, WebhookOf, id};
use super::{Operator, Problem};
use crate::api::{EventsSought, page_limit};
use crate::notify::{self, Reader, Replay, ReplayError};

const WEBHOOKS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksPage {
    after: Option<String>,
    limit: Option<usize>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayAsked {
    since_sequence: Option<u64>,
    since_ms: Option<u64>,
    message: Option<String>,
    #[serde(default)]
    failed: bool,
}

#[derive(Deserialize)]
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
    let account: Option<AccountId> = page.account.as_deref().map(id).transpose()?;
    let sought = EventsSought::new(page.after, page.limit, page.r#type, Reader::Operator)?;
    Ok(Answer(sought.of(account).read(&operator.world).await?))
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
