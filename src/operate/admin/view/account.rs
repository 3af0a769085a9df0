//! An account, its credit and its keys as JSON. Pure.

use infergate_actors::account::{
    self, AccountView, GrantKind, KeyScope, KeyView, LimitUsage, Limits, Movement, MovementKind,
    Network, ReasonClass, Remaining, Status, StatusSet,
};
use infergate_actors::id::{AccountId, GrantId, HoldId};
use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::budget::Budgets;
use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// An account's live state.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Account {
    id: String,
    name: String,
    status: Status,
    status_set: Option<StatusLine>,
    opened_at_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "account_amounts")]
    sums: Amounts<9>,
    grants: Vec<Grant>,
    holds: Vec<Hold>,
    keys: Vec<Key>,
    limits: Limits,
    buckets: Buckets,
    budgets: Budgets,
    events: u64,
    digest: String,
}

/// Who set an account's status, when and why.
#[derive(Debug, Serialize, JsonSchema)]
struct StatusLine {
    by: String,
    class: ReasonClass,
    reason: String,
    at_ms: u64,
}

/// What was done for a payment, refund or dispute.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Moved {
    id: String,
    account: String,
    kind: MovementKind,
    payment: Option<String>,
    grant: String,
    /// What it was about, what was given or could be taken of it, and what could not.
    #[serde(flatten)]
    #[schemars(schema_with = "moved_amounts")]
    amounts: Amounts<3>,
    at_ms: u64,
}

/// An account in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct AccountLine {
    id: String,
    #[serde(flatten)]
    known: Option<Known>,
    status: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Known {
    name: String,
    opened_at_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "balance_amounts")]
    sums: Amounts<3>,
}

/// A key without its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Key {
    id: String,
    name: String,
    hint: String,
    models: Vec<String>,
    created_at_ms: u64,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
    limits: Limits,
    buckets: Buckets,
    budgets: Budgets,
    tags: Vec<String>,
    scopes: Vec<KeyScope>,
    allowed_ips: Vec<Network>,
    former_secrets: Vec<FormerSecret>,
}

/// A secret that a key had before, without the secret.
#[derive(Debug, Serialize, JsonSchema)]
struct FormerSecret {
    hint: String,
    until_ms: u64,
}

/// A key that was just created or rotated: the only place where its secret is ever shown.
#[derive(Serialize, JsonSchema)]
pub(in crate::operate::admin) struct CreatedKey<'s> {
    pub(in crate::operate::admin) secret: &'s str,
    pub(in crate::operate::admin) account: String,
    #[serde(flatten)]
    pub(in crate::operate::admin) key: Key,
}

/// A grant that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Granted {
    id: Option<String>,
    kind: GrantKind,
    #[serde(flatten)]
    amount: Amounts<1>,
    expires_at_ms: Option<u64>,
    reference: String,
    account: Account,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Grant {
    id: String,
    kind: GrantKind,
    #[serde(flatten)]
    #[schemars(schema_with = "grant_amounts")]
    amounts: Amounts<2>,
    expires_at_ms: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Hold {
    id: String,
    key: String,
    #[serde(flatten)]
    amount: Amounts<1>,
    at_ms: u64,
}

/// What is left under limits.
#[derive(Debug, Serialize, JsonSchema)]
struct Buckets {
    in_flight: u32,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Bucket {
    limit: u64,
    remaining: u64,
    full_in_ms: u64,
}

fn account_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&[
        "granted",
        "settled",
        "absorbed",
        "expired",
        "refunded",
        "charged_back",
        "balance",
        "held",
        "available",
    ])
}

fn balance_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["balance", "held", "available"])
}

fn moved_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["amount", "moved", "short"])
}

fn grant_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["amount", "remaining"])
}

impl Account {
    /// Of the view its actor gave.
    pub(in crate::operate::admin) fn of(view: &AccountView) -> Self {
        let totals = &view.totals;
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            status: view.status,
            status_set: view.status_set.as_ref().map(StatusLine::of),
            opened_at_ms: view.opened_at_ms,
            sums: Amounts([
                ("granted", wide(totals.granted)),
                ("settled", wide(totals.settled)),
                ("absorbed", wide(totals.absorbed)),
                ("expired", wide(totals.expired)),
                ("refunded", wide(view.refunded)),
                ("charged_back", wide(view.charged_back)),
                ("balance", wide(totals.remaining)),
                ("held", wide(totals.held)),
                ("available", wide(view.available)),
            ]),
            grants: view.grants.iter().map(Grant::of).collect(),
            holds: view.holds.iter().map(|(id, hold)| Hold::of(*id, hold)).collect(),
            keys: view.keys.iter().map(Key::of).collect(),
            limits: view.limits,
            buckets: Buckets::of(&view.usage),
            budgets: Budgets::of(&view.budgets),
            events: view.events,
            digest: view.digest.to_string(),
        }
    }
}

impl AccountLine {
    /// Of the view its actor gave.
    pub(in crate::operate::admin) fn of(view: &AccountView) -> Self {
        let status = match view.status {
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Closed => "closed",
            Status::Restricted => "restricted",
        };
        let known = Known {
            name: view.name.clone(),
            opened_at_ms: view.opened_at_ms,
            sums: Amounts([
                ("balance", wide(view.totals.remaining)),
                ("held", wide(view.totals.held)),
                ("available", wide(view.available)),
            ]),
        };
        Self { id: view.id.to_string(), known: Some(known), status }
    }

    /// Of an account whose actor does not answer.
    pub(in crate::operate::admin) fn unavailable(account: AccountId) -> Self {
        Self { id: account.to_string(), known: None, status: "unavailable" }
    }
}

impl Key {
    /// Of the view its account's actor gave.
    pub(in crate::operate::admin) fn of(view: &KeyView) -> Self {
        let KeyView { key, settings, .. } = view;
        let former = |former: &account::FormerSecret| FormerSecret {
            hint: former.hint.clone(),
            until_ms: former.until_ms,
        };
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            hint: key.hint.clone(),
            models: key.models.clone(),
            created_at_ms: key.created_at_ms,
            expires_at_ms: key.expires_at_ms,
            revoked_at_ms: key.revoked_at_ms,
            limits: key.limits,
            buckets: Buckets::of(&view.usage),
            budgets: Budgets::of(&view.budgets),
            tags: settings.tags.clone(),
            scopes: settings.scopes.clone(),
            allowed_ips: settings.allowed_ips.clone(),
            former_secrets: settings.former.iter().map(former).collect(),
        }
    }

    /// Its id.
    pub(in crate::operate::admin) fn id(&self) -> &str {
        &self.id
    }
}

impl Granted {
    /// A grant, and the account it was made to.
    pub(in crate::operate::admin) fn of(
        id: Option<GrantId>,
        (kind, amount, expires_at_ms): (GrantKind, NanoUsd, Option<u64>),
        reference: String,
        view: &AccountView,
    ) -> Self {
        Self {
            id: id.map(|id| id.to_string()),
            kind,
            amount: Amounts::one(amount),
            expires_at_ms,
            reference,
            account: Account::of(view),
        }
    }
}

impl StatusLine {
    fn of((set, at_ms): &(StatusSet, u64)) -> Self {
        let StatusSet { by, class, reason, .. } = set;
        Self { by: by.clone(), class: *class, reason: reason.clone(), at_ms: *at_ms }
    }
}

impl Moved {
    /// What was done under an id.
    pub(in crate::operate::admin) fn of(
        id: String,
        account: AccountId,
        movement: &Movement,
    ) -> Self {
        let (asked, moved) = (wide(movement.asked), wide(movement.moved));
        Self {
            id,
            account: account.to_string(),
            kind: movement.kind,
            payment: movement.payment.clone(),
            grant: movement.grant.to_string(),
            amounts: Amounts([("amount", asked), ("moved", moved), ("short", asked - moved)]),
            at_ms: movement.at_ms,
        }
    }
}

impl Grant {
    fn of(grant: &account::Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            kind: grant.kind,
            amounts: Amounts([
                ("amount", wide(grant.amount)),
                ("remaining", wide(grant.remaining)),
            ]),
            expires_at_ms: grant.expires_at_ms,
        }
    }
}

impl Hold {
    fn of(id: HoldId, hold: &account::Hold) -> Self {
        Self {
            id: id.to_string(),
            key: hold.key.to_string(),
            amount: Amounts::one(hold.amount),
            at_ms: hold.at_ms,
        }
    }
}

impl Buckets {
    fn of(usage: &LimitUsage) -> Self {
        let bucket = |left: Remaining| Bucket {
            limit: left.limit,
            remaining: left.remaining,
            full_in_ms: u64::try_from(left.reset.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            in_flight: usage.in_flight,
            requests: usage.rate.requests.map(bucket),
            tokens: usage.rate.tokens.map(bucket),
        }
    }
}
