//! The facts of operators: their tokens, and what they did. Pure.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, ExchangeId, KeyHash, TokenId};
use crate::ledger::Digest;

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorEvent {
    /// A token was made.
    TokenCreated(Token),
    /// A token was given another secret.
    TokenRotated(RotatedToken),
    /// A token was revoked.
    TokenRevoked {
        /// Which.
        token: TokenId,
    },
    /// Somebody asks for something. Its number among the operators' events is the action's.
    Asked(Box<Asked>),
    /// What became of it.
    Ended(Box<Ended>),
    /// Somebody asked for something that was answered without being begun, with this status: refused,
    /// or done before under its idempotency key.
    NotBegun(Box<Asked>, u16),
    /// In an account's own journal: the events before this one are an action's.
    Did {
        /// Which.
        action: u64,
        /// How many.
        events: u32,
    },
}

/// What an operator may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OperatorRole {
    /// Everything.
    Owner,
    /// Everything but tokens.
    Admin,
    /// Credit, payments, refunds and codes; looking at everything but the audit log.
    Billing,
    /// Status and keys; looking at everything but the audit log.
    Support,
    /// Looking at everything.
    ReadOnly,
}

/// A token that lets an operator in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its number.
    pub id: TokenId,
    /// Whose: no two that work have one name.
    pub name: String,
    /// What it is good for.
    pub role: OperatorRole,
    /// The hash of its secret: all that is kept of it.
    pub hash: KeyHash,
    /// The secret's last four characters.
    pub hint: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// When it stops working, in milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// When it was revoked, in milliseconds since 1970.
    pub revoked_at_ms: Option<u64>,
    /// The hash of the secret before this one, and until when that works, in milliseconds since 1970.
    pub former: Option<(KeyHash, u64)>,
}

/// A token's new secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedToken {
    /// Which.
    pub token: TokenId,
    /// The hash of the new secret.
    pub hash: KeyHash,
    /// The new secret's last four characters.
    pub hint: String,
    /// Until when the one before it works, in milliseconds since 1970.
    pub former_until_ms: u64,
}

/// Who asks for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The token it came with; 0 is the one that is no event's.
    pub token: TokenId,
    /// The token's name.
    pub name: String,
    /// The token's role.
    pub role: OperatorRole,
    /// Where from.
    pub address: Option<IpAddr>,
    /// What the request is known by.
    pub request: ExchangeId,
    /// What kind of action it is.
    pub action: String,
    /// The HTTP method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The account it is about.
    pub account: Option<AccountId>,
    /// The body, without secrets, and cut where it is long.
    pub body: String,
    /// That it be done once.
    pub idempotency: Option<Idempotency>,
}

/// That something be done once, however often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key, of the client's choice. Of one token.
    pub key: String,
    /// Of all that is asked: another under the same key is a mistake.
    pub fingerprint: Digest,
    /// Whether doing it again changes nothing, so that one that broke off is simply done again.
    pub is_repeatable: bool,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub action: u64,
    /// The status of the answer; `None` where a crash came before one.
    pub status: Option<u16>,
    /// What it changed, as JSON; empty where that is not known.
    pub changes: String,
    /// The answer, for whoever asks again.
    pub answer: Option<KeptAnswer>,
    /// What it did to accounts, where that was looked up because there is no answer.
    pub deeds: Vec<Deed>,
}

/// An answer without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its media type.
    pub media_type: String,
    /// The version of what it shows.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Events that an action left in an account's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The account.
    pub account: AccountId,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
}

impl OperatorRole {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Owner, Self::Admin, Self::Billing, Self::Support, Self::ReadOnly];

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Billing => "billing",
            Self::Support => "support",
            Self::ReadOnly => "read_only",
        }
    }
}

impl Token {
    /// Whether it works, and with the secret of this hash.
    pub fn works_with(&self, hash: &KeyHash, now_ms: u64) -> bool {
        let is_former = self
            .former
            .as_ref()
            .is_some_and(|(former, until_ms)| former == hash && *until_ms > now_ms);
        self.works(now_ms) && (self.hash == *hash || is_former)
    }

    /// Whether it works.
    pub fn works(&self, now_ms: u64) -> bool {
        self.revoked_at_ms.is_none() && self.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms)
    }
}

impl Idempotency {
    /// What the key is remembered by: it is the token's own.
    pub(super) fn digest(&self, token: TokenId) -> Digest {
        Digest::of(&[&token.0.to_be_bytes(), self.key.as_bytes()].concat())
    }
}
