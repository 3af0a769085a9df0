//! An account, its credit and its keys as JSON. Pure.

use infergate_actors::account::{
    self, AccountView, GrantKind, KeyScope, KeyView, LimitUsage, Limits, Movement, MovementKind,
    Network, ReasonClass, Remaining, Status, StatusSet,
};
use infergate_actors::id::{AccountId, GrantId, HoldId, ProjectId};
use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::budget::{Budgets, Ceilings};
use super::plan::{OwnPlan, PlanOf};
use super::project::{Project, Restricted};
use super::subscription::Subscription;
use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// An account's live state.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Account {
    id: String,
    name: String,
    status: Status,
    status_set: Option<StatusLine>,
    opened_at_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "account_amounts")]
    sums: Amounts<8>,
    /// Costs that it could not pay: the operator's loss.
    #[serde(flatten)]
    #[schemars(schema_with = "absorbed_amount")]
    absorbed: Amounts<1>,
    grants: Vec<Grant>,
    holds: Vec<Hold>,
    keys: Vec<Key>,
    limits: Limits,
    /// What holds of it, from its plan and itself.
    plan: PlanOf,
    subscription: Option<Subscription>,
    buckets: Buckets,
    budgets: Budgets,
    projects: Vec<Project>,
    events: u64,
    digest: String,
}

/// An account as its owners see it: what is for operators is left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OwnAccount {
    id: String,
    name: String,
    status: Status,
    status_class: Option<ReasonClass>,
    opened_at_ms: u64,
    #[serde(flatten)]
    #[schemars(schema_with = "account_amounts")]
    sums: Amounts<8>,
    grants: Vec<Grant>,
    /// Those that hold, be they the account's own or its plan's.
    limits: Limits,
    plan: OwnPlan,
    subscription: Option<Subscription>,
    buckets: Buckets,
    budgets: Budgets,
    /// The budgets that the operator has set, which owners may not go above.
    budget_ceilings: Ceilings,
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
pub(crate) struct Moved {
    id: String,
    account: String,
    kind: MovementKind,
    payment: Option<String>,
    /// None where none was given yet.
    grant: Option<String>,
    /// The money that it was about, the credit that was given or could be taken for it, what of that could
    /// not be taken, and what of a subscription's payment was above what was due, and is paid credit.
    #[serde(flatten)]
    #[schemars(schema_with = "moved_amounts")]
    amounts: Amounts<4>,
    at_ms: u64,
}

/// An account in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AccountLine {
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
pub(crate) struct Key {
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
    allowed_referrers: Vec<String>,
    project: Option<ProjectId>,
    restricted: Option<Restricted>,
    former_secrets: Vec<FormerSecret>,
    /// Who made it, where that is a member.
    member: Option<String>,
}

/// A secret that a key had before, without the secret.
#[derive(Debug, Serialize, JsonSchema)]
struct FormerSecret {
    hint: String,
    until_ms: u64,
}

/// A key that was just created or rotated: the only place where its secret is ever shown.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CreatedKey<'s> {
    pub(crate) secret: &'s str,
    pub(crate) account: String,
    #[serde(flatten)]
    pub(crate) key: Key,
}

/// A grant that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Granted {
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
pub(super) struct Buckets {
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
        "expired",
        "refunded",
        "charged_back",
        "balance",
        "held",
        "available",
    ])
}

fn absorbed_amount(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["absorbed"])
}

fn balance_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["balance", "held", "available"])
}

fn moved_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["amount", "moved", "short", "surplus"])
}

fn grant_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["amount", "remaining"])
}

impl Account {
    /// Of the view its actor gave.
    pub(crate) fn of(view: &AccountView) -> Self {
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
                ("expired", wide(totals.expired)),
                ("refunded", wide(view.refunded)),
                ("charged_back", wide(view.charged_back)),
                ("balance", wide(totals.remaining)),
                ("held", wide(totals.held)),
                ("available", wide(view.available)),
            ]),
            absorbed: Amounts([("absorbed", wide(totals.absorbed))]),
            grants: view.grants.iter().map(Grant::of).collect(),
            holds: view.holds.iter().map(|(id, hold)| Hold::of(*id, hold)).collect(),
            keys: view.keys.iter().map(Key::of).collect(),
            limits: view.limits,
            plan: PlanOf::of(&view.plan),
            subscription: Subscription::of(view),
            buckets: Buckets::of(&view.usage),
            budgets: Budgets::of(&view.budgets),
            projects: view.projects.iter().map(Project::of).collect(),
            events: view.events,
            digest: view.digest.to_string(),
        }
    }
}

impl OwnAccount {
    /// Of the view its actor gave.
    pub(crate) fn of(view: &AccountView) -> Self {
        let Account {
            id,
            name,
            status,
            opened_at_ms,
            sums,
            grants,
            plan,
            subscription,
            buckets,
            budgets,
            ..
        } = Account::of(view);
        let set = view.status_set.as_ref().filter(|_| view.status != Status::Active);
        Self {
            id,
            name,
            status,
            status_class: set.map(|(set, _)| set.class),
            opened_at_ms,
            sums,
            grants,
            limits: view.plan.limits,
            plan: OwnPlan::of(plan),
            subscription,
            buckets,
            budgets,
            budget_ceilings: Ceilings(view.ceilings.clone()),
        }
    }
}

impl AccountLine {
    /// Of the view its actor gave.
    pub(crate) fn of(view: &AccountView) -> Self {
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
    pub(crate) fn unavailable(account: AccountId) -> Self {
        Self { id: account.to_string(), known: None, status: "unavailable" }
    }
}

impl Key {
    /// Of the view its account's actor gave.
    pub(crate) fn of(view: &KeyView) -> Self {
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
            allowed_referrers: view.referrers.clone(),
            project: view.project,
            restricted: view.restriction.map(Restricted::of),
            former_secrets: settings.former.iter().map(former).collect(),
            member: view.member.map(|member| member.to_string()),
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Granted {
    /// A grant, and the account it was made to.
    pub(crate) fn of(
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
    pub(crate) fn of(id: String, account: AccountId, movement: &Movement) -> Self {
        let (asked, moved) = (wide(movement.asked), wide(movement.moved));
        // What is paid for a subscription buys a period: its allowance may be more or less, and so is what
        // goes back with it.
        let short = match movement.kind {
            MovementKind::SubscriptionPaid | MovementKind::SubscriptionUnpaid => 0,
            MovementKind::Paid | MovementKind::Refunded | MovementKind::ChargedBack => {
                movement.credit.map_or(asked, wide) - moved
            }
        };
        let surplus = movement.surplus.as_deref().map_or(0, |surplus| wide(surplus.amount));
        Self {
            id,
            account: account.to_string(),
            kind: movement.kind,
            payment: movement.payment.clone(),
            grant: (movement.grant != GrantId(0)).then(|| movement.grant.to_string()),
            amounts: Amounts([
                ("amount", asked),
                ("moved", moved),
                ("short", short),
                ("surplus", surplus),
            ]),
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
    pub(super) fn of(usage: &LimitUsage) -> Self {
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
