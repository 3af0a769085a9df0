//! Operators' tokens and what they did as JSON. Pure.

use infergate_actors::account::{self, Asked, Ended, OperatorEvent, OperatorRole};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::operate::admin::audit::{Found, operator_event};

/// A token without its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Token {
    id: String,
    name: String,
    role: OperatorRole,
    status: &'static str,
    hint: String,
    created_at_ms: u64,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
    /// Until when the secret before this one works.
    former_until_ms: Option<u64>,
}

/// A token that was just made or rotated: the only place where its secret is ever shown.
#[derive(Serialize, JsonSchema)]
pub(in crate::operate::admin) struct CreatedToken<'s> {
    pub(in crate::operate::admin) secret: &'s str,
    #[serde(flatten)]
    pub(in crate::operate::admin) token: Token,
}

/// What somebody asked for, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Action")]
pub(in crate::operate::admin) struct Act<'e> {
    id: String,
    at_ms: u64,
    ended_at_ms: Option<u64>,
    actor: Actor<'e>,
    address: Option<String>,
    request_id: String,
    action: &'e str,
    method: &'e str,
    path: &'e str,
    account: Option<String>,
    idempotency_key: Option<&'e str>,
    #[schemars(with = "Option<serde_json::Value>")]
    asked: Option<Box<RawValue>>,
    status: Option<u16>,
    outcome: &'static str,
    #[schemars(with = "Option<serde_json::Value>")]
    changes: Option<Box<RawValue>>,
    did: Vec<Did>,
    /// Of the last of its events in the journal.
    digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OperatorLine")]
struct Actor<'e> {
    id: String,
    name: &'e str,
    role: OperatorRole,
}

/// An event of operators in a journal. What was asked is shown whole by the audit log alone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperatorFact<'e> {
    TokenCreated(Token),
    TokenRotated { token: String, hint: &'e str, former_until_ms: u64 },
    TokenRevoked { token: String },
    Asked { by: &'e str, action: &'e str, path: &'e str },
    Ended { action: u64, status: Option<u16> },
    NotBegun { by: &'e str, action: &'e str, path: &'e str, status: u16 },
    Did { action: u64, events: u32 },
}

/// Events that an action left in an account's journal.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Did {
    account: String,
    first: u64,
    last: u64,
}

impl Token {
    /// Of a token as it is kept.
    pub(in crate::operate::admin) fn of(token: &account::Token, now_ms: u64) -> Self {
        let status = match (token.revoked_at_ms, token.works(now_ms)) {
            (Some(_), _) => "revoked",
            (None, true) => "active",
            (None, false) => "expired",
        };
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            role: token.role,
            status,
            hint: token.hint.clone(),
            created_at_ms: token.created_at_ms,
            expires_at_ms: token.expires_at_ms,
            revoked_at_ms: token.revoked_at_ms,
            former_until_ms: token.former.map(|(_, until_ms)| until_ms),
        }
    }
}

impl<'e> Act<'e> {
    /// Of what the journal has.
    pub(in crate::operate::admin) fn of(found: &'e Found) -> Option<Self> {
        let asked = found.asked()?;
        let ended = found.end.as_ref().and_then(operator_event).and_then(|event| match event {
            OperatorEvent::Ended(ended) => Some(&**ended),
            _ => None,
        });
        let (status, outcome) = match operator_event(&found.entry)? {
            OperatorEvent::NotBegun(_, status) if *status < 400 => (Some(*status), "replayed"),
            OperatorEvent::NotBegun(_, status) => (Some(*status), "not_begun"),
            _ => (ended.and_then(|ended| ended.status), outcome(asked, ended)),
        };
        let last = found.end.as_ref().unwrap_or(&found.entry);
        let ended_at_ms = found.end.as_ref().map(|end| end.record.at_ms);
        Some(Self {
            id: format!("act_{}", found.entry.record.number),
            at_ms: found.entry.record.at_ms,
            ended_at_ms,
            actor: Actor { id: asked.token.to_string(), name: &asked.name, role: asked.role },
            address: asked.address.map(|address| address.to_string()),
            request_id: asked.request.to_string(),
            action: &asked.action,
            method: &asked.method,
            path: &asked.path,
            account: asked.account.map(|account| account.to_string()),
            idempotency_key: asked.idempotency.as_ref().map(|wish| &*wish.key),
            asked: json(&asked.body),
            status,
            outcome,
            changes: ended.and_then(|ended| json(&ended.changes)),
            did: ended.map_or_else(Vec::new, Did::all),
            digest: last.digest.to_string(),
        })
    }
}

impl<'e> OperatorFact<'e> {
    /// What may be shown of an event.
    pub(super) fn of(event: &'e OperatorEvent) -> Self {
        match event {
            OperatorEvent::TokenCreated(token) => Self::TokenCreated(Token::of(token, 0)),
            OperatorEvent::TokenRotated(rotated) => Self::TokenRotated {
                token: rotated.token.to_string(),
                hint: &rotated.hint,
                former_until_ms: rotated.former_until_ms,
            },
            OperatorEvent::TokenRevoked { token } => {
                Self::TokenRevoked { token: token.to_string() }
            }
            OperatorEvent::Asked(asked) => {
                Self::Asked { by: &asked.name, action: &asked.action, path: &asked.path }
            }
            OperatorEvent::Ended(ended) => {
                Self::Ended { action: ended.action, status: ended.status }
            }
            OperatorEvent::NotBegun(asked, status) => {
                let Asked { name: by, action, path, .. } = &**asked;
                Self::NotBegun { by, action, path, status: *status }
            }
            OperatorEvent::Did { action, events } => Self::Did { action: *action, events: *events },
        }
    }
}

impl Did {
    /// What was looked up of an action.
    pub(in crate::operate::admin) fn all(ended: &Ended) -> Vec<Self> {
        let did = |deed: &account::Deed| Self {
            account: deed.account.to_string(),
            first: deed.first,
            last: deed.last,
        };
        ended.deeds.iter().map(did).collect()
    }
}

/// What became of an action, in a word.
fn outcome(asked: &Asked, ended: Option<&Ended>) -> &'static str {
    let Some(ended) = ended else { return "under_way" };
    match ended.status {
        Some(status) if status < 400 => "done",
        Some(status) if status < 500 => "refused",
        Some(_) => "failed",
        None if !ended.deeds.is_empty() => "done",
        // One that would have left its mark did nothing.
        None if asked.idempotency.as_ref().is_some_and(|wish| !wish.is_repeatable) => "not_done",
        None => "unknown",
    }
}

fn json(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}
