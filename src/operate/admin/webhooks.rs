//! Webhooks, whoever they are of: how far each has come, and what is to be sent once more. And what they
//! are told of.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use infergate_actors::id::AccountId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{Asked, Json, WebhookOf, id};
use super::{Operator, Problem};
use crate::api::{EVENTS_MAX, Events, EventsSought, or_default, page_limit};
use crate::notify::{self, Reader, Replay, ReplayError, WebhookView};
use crate::openapi::{Routes, doc, get, pattern, post};

const WEBHOOKS_MAX: usize = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksPage {
    /// The `next` of the page before.
    after: Option<String>,
    #[schemars(range(min = 1, max = WEBHOOKS_MAX))]
    limit: Option<usize>,
}

/// One of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayAsked {
    since_sequence: Option<u64>,
    since_ms: Option<u64>,
    message: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<bool>")]
    failed: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoticesPage")]
pub(super) struct EventsPage {
    /// The `next` of the page before.
    #[serde(default)]
    after: u64,
    #[schemars(range(min = 1, max = EVENTS_MAX))]
    limit: Option<usize>,
    /// One kind, or all that begin alike, such as `key.*`.
    r#type: Option<String>,
    #[schemars(regex(pattern = pattern::ACCOUNT))]
    account: Option<String>,
}

/// A page of webhooks.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookList")]
struct Webhooks {
    webhooks: Vec<WebhookView>,
    /// What to go on behind; none at the end.
    next: Option<String>,
}

/// What came of a test.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookTest")]
struct Tested {
    arrived: bool,
    status: Option<u16>,
    fault: Option<&'static str>,
}

const TAG: &str = "Webhooks";

/// What is served of webhooks and of what they are told of.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let hook = |rest: &str| format!("/admin/v1/webhooks/{{webhook}}{rest}");
    let listed = doc("listWebhooks", "Lists all webhooks, page by page.");
    let listed = listed.answers::<Webhooks>(200);
    let shown = doc("getWebhook", "Shows how far a webhook has come.").answers::<WebhookView>(200);
    let again = doc("replayWebhook", "Sends messages once more.")
        .answers::<WebhookView>(202)
        .refuses(&[409])
        .example(json!({ "failed": true }));
    let tested =
        doc("testWebhook", "Sends a message that says nothing, and tells what came of it.");
    let tested = tested.answers::<Tested>(200).refuses(&[409]);
    let happened = doc("listEvents", "Lists what webhooks are told of, the oldest first.");
    let happened = happened.answers::<Events>(200);
    Routes::new()
        .route(TAG, "/admin/v1/webhooks", get(list, listed))
        .route(TAG, &hook(""), get(show, shown))
        .route(TAG, &hook("/replay"), post(replay, again))
        .route(TAG, &hook("/test"), post(test, tested))
        .route(TAG, "/admin/v1/events", get(events, happened))
}

pub(super) async fn list(
    State(operator): State<Arc<Operator>>,
    Asked(page): Asked<WebhooksPage>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(page.limit, WEBHOOKS_MAX, WEBHOOKS_MAX)?;
    let (webhooks, more) = operator.notifier.list(page.after.as_deref(), limit).await?;
    let next = webhooks.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Answer(Webhooks { webhooks, next }))
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
    Ok(Answer(Tested { arrived, status: outcome.status, fault: outcome.fault }))
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
