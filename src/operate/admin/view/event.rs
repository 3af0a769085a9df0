//! The journal as JSON: events in the form the ledger's own types have, with ids as texts and a key
//! without its hash. Amounts are whole numbers of nano-dollars. Pure.

use std::collections::BTreeMap;

use infergate_actors::account::{
    self, Budget, CodeBatch, Event, GrantKind, KeyChange, Kinds, Limits, NewProject, Payment,
    PlanEvent, ProjectChange, ProjectEvent, Return, Settlement, Status, StatusSet, SurplusReturn,
    Suspicion, UsageRecord,
};
use infergate_actors::id::{GrantId, HoldId, KeyId, ProjectId};
use infergate_actors::ledger::JournalEntry;
use infergate_actors::money::{Markup, NanoUsd, Rates, Usage};
use schemars::JsonSchema;
use serde::Serialize;

use super::member::MemberFact;
use super::once::OnceFact;
use super::operator::OperatorFact;
use super::subscription::Happened;
use crate::notify;

/// A page of an account's journal.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct Journal<'e> {
    pub(in crate::operate::admin) events: Vec<JournalLine<'e>>,
    /// What to go on behind.
    pub(in crate::operate::admin) next: Option<String>,
}

/// One event and its place.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::operate::admin) struct JournalLine<'e> {
    number: u64,
    sequence: u64,
    at_ms: u64,
    previous: String,
    digest: String,
    event: JournalEvent<'e>,
}

/// One event. Other than [`Event`], it can be shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JournalEvent<'e> {
    Opened {
        name: &'e str,
    },
    StatusChanged {
        status: Status,
        reason: &'e str,
    },
    LimitsChanged {
        limits: Limits,
    },
    KeyCreated {
        key: NewKey<'e>,
    },
    KeyRevoked {
        key: String,
        reason: &'e str,
    },
    Granted {
        grant: String,
        kind: GrantKind,
        amount: NanoUsd,
        expires_at_ms: Option<u64>,
        reference: &'e str,
    },
    Expired {
        grant: String,
        amount: NanoUsd,
    },
    Held {
        hold: String,
        key: String,
        amount: NanoUsd,
    },
    Extended {
        hold: String,
        amount: NanoUsd,
    },
    Settled(Box<Bill<'e>>),
    Voided {
        hold: String,
        end: account::End,
    },
    KeyChanged {
        key: String,
        changes: &'e [KeyChange],
    },
    KeyRotated {
        key: String,
        hint: &'e str,
        former_until_ms: u64,
    },
    BudgetsChanged {
        budgets: &'e [Budget],
    },
    StatusSet(&'e StatusSet),
    HeldOf {
        hold: String,
        key: String,
        amount: NanoUsd,
        kinds: Vec<GrantKind>,
    },
    Paid {
        id: &'e str,
        payment: &'e str,
        grant: String,
        amount: NanoUsd,
        expires_at_ms: Option<u64>,
    },
    Refunded(Back<'e>),
    ChargedBack(Back<'e>),
    CodesMade {
        name: &'e str,
        codes: usize,
        kind: GrantKind,
        amount: NanoUsd,
        uses_max: u32,
        expires_at_ms: Option<u64>,
        lasts_ms: Option<u64>,
    },
    CodeUsed {
        code: u32,
        account: String,
    },
    Reclaimed {
        grant: String,
        amount: NanoUsd,
    },
    ProjectCreated {
        project: ProjectId,
        #[serde(flatten)]
        new: &'e NewProject,
    },
    ProjectChanged {
        project: ProjectId,
        changes: &'e [ProjectChange],
    },
    ProjectArchived {
        project: ProjectId,
    },
    ProjectRestored {
        project: ProjectId,
    },
    KeyGuarded {
        key: String,
        on: bool,
    },
    KeyRestricted {
        key: String,
        suspicion: Suspicion,
    },
    KeyReleased {
        key: String,
        by: &'e str,
        reason: &'e str,
    },
    Operator(OperatorFact<'e>),
    /// In the words of a message.
    Watch(#[schemars(with = "BTreeMap<String, serde_json::Value>")] notify::Data),
    Member(MemberFact<'e>),
    Plan(&'e PlanEvent),
    Subscription(Box<Happened<'e>>),
    Once(OnceFact),
}

/// Credit that was taken back.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Back<'e> {
    id: &'e str,
    payment: Option<&'e str>,
    grant: String,
    /// Money.
    asked: NanoUsd,
    /// Credit of the grant.
    taken: NanoUsd,
    /// How much of the grant goes with the money; none in what was written before that was told apart.
    credit: Option<NanoUsd>,
    /// What of it is of the payment's surplus.
    surplus: Option<BackOfSurplus>,
}

/// What was taken back of what a payment was above what was due.
#[derive(Debug, Serialize, JsonSchema)]
struct BackOfSurplus {
    grant: String,
    asked: NanoUsd,
    taken: NanoUsd,
}

/// A key as it was created.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyCreated")]
pub(crate) struct NewKey<'e> {
    id: String,
    hint: &'e str,
    name: &'e str,
    models: &'e [String],
    expires_at_ms: Option<u64>,
    limits: Limits,
}

/// A settlement.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Bill<'e> {
    hold: String,
    key: String,
    usage: Usage,
    estimated: bool,
    rates: Rates,
    markup: Markup,
    cost: NanoUsd,
    charged: NanoUsd,
    absorbed: NanoUsd,
    draws: Vec<Draw>,
    end: account::End,
    record: &'e UsageRecord,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Draw {
    grant: String,
    amount: NanoUsd,
}

impl<'e> JournalLine<'e> {
    /// Of an entry of the ledger.
    pub(in crate::operate::admin) fn of(entry: &'e JournalEntry) -> Self {
        let record = &entry.record;
        Self {
            number: record.number,
            sequence: entry.sequence,
            at_ms: record.at_ms,
            previous: record.previous.to_string(),
            digest: entry.digest.to_string(),
            event: JournalEvent::of(&record.event),
        }
    }
}

impl<'e> JournalEvent<'e> {
    /// What may be shown of an event.
    pub(crate) fn of(event: &'e Event) -> Self {
        match event {
            Event::Opened { name } => Self::Opened { name },
            Event::StatusChanged { status, reason } => {
                Self::StatusChanged { status: *status, reason }
            }
            Event::LimitsChanged { limits } => Self::LimitsChanged { limits: *limits },
            Event::KeyCreated { key } => Self::KeyCreated { key: NewKey::of(key) },
            Event::KeyRevoked { key, reason } => Self::KeyRevoked { key: key.to_string(), reason },
            Event::Granted { grant, kind, amount, expires_at_ms, reference } => Self::Granted {
                grant: grant.to_string(),
                kind: *kind,
                amount: *amount,
                expires_at_ms: *expires_at_ms,
                reference,
            },
            Event::Expired { grant, amount } => {
                Self::Expired { grant: grant.to_string(), amount: *amount }
            }
            Event::Held { hold, key, amount } => {
                Self::Held { hold: hold.to_string(), key: key.to_string(), amount: *amount }
            }
            Event::Extended { hold, amount } => {
                Self::Extended { hold: hold.to_string(), amount: *amount }
            }
            Event::Settled(settlement) => Self::Settled(Box::new(Bill::of(settlement))),
            Event::Voided { hold, end } => Self::Voided { hold: hold.to_string(), end: *end },
            Event::KeyChanged { key, changes } => {
                Self::KeyChanged { key: key.to_string(), changes }
            }
            Event::KeyRotated { key, hint, former_until_ms, .. } => {
                Self::KeyRotated { key: key.to_string(), hint, former_until_ms: *former_until_ms }
            }
            Event::BudgetsChanged { budgets } => Self::BudgetsChanged { budgets },
            Event::StatusSet(set) => Self::StatusSet(set),
            Event::HeldOf { hold, key, amount, kinds } => {
                Self::held_of(*hold, *key, *amount, *kinds)
            }
            Event::Paid(paid) => Self::paid(paid),
            Event::Refunded(back) => Self::Refunded(Back::of(back)),
            Event::ChargedBack(back) => Self::ChargedBack(Back::of(back)),
            Event::Reclaimed { grant, amount } => {
                Self::Reclaimed { grant: grant.to_string(), amount: *amount }
            }
            Event::CodesMade(batch) => Self::codes_made(batch),
            Event::CodeUsed { code, account } => {
                Self::CodeUsed { code: *code, account: account.to_string() }
            }
            Event::Project(event) => Self::project(event),
            Event::KeyGuarded { key, on } => Self::KeyGuarded { key: key.to_string(), on: *on },
            Event::KeyRestricted { key, suspicion } => {
                Self::KeyRestricted { key: key.to_string(), suspicion: *suspicion }
            }
            Event::KeyReleased { key, by, reason } => {
                Self::KeyReleased { key: key.to_string(), by, reason }
            }
            Event::Member(event) => Self::Member(MemberFact::of(event)),
            Event::Plan(event) => Self::Plan(event),
            Event::Subscription(event) => Self::Subscription(Box::new(Happened::of(event))),
            Event::Watch(event) => Self::Watch(notify::watch_fact(event)),
            Event::Operator(event) => Self::Operator(OperatorFact::of(event)),
            Event::Once(event) => Self::Once(OnceFact::of(event)),
        }
    }

    fn project(event: &'e ProjectEvent) -> Self {
        match event {
            ProjectEvent::Created { project, new, .. } => {
                Self::ProjectCreated { project: *project, new }
            }
            ProjectEvent::Changed { project, changes } => {
                Self::ProjectChanged { project: *project, changes }
            }
            ProjectEvent::Archived { project, .. } => Self::ProjectArchived { project: *project },
            ProjectEvent::Restored { project } => Self::ProjectRestored { project: *project },
        }
    }

    fn held_of(hold: HoldId, key: KeyId, amount: NanoUsd, kinds: Kinds) -> Self {
        let (hold, key, kinds) = (hold.to_string(), key.to_string(), kinds.iter().collect());
        Self::HeldOf { hold, key, amount, kinds }
    }

    /// Of codes, how many: not even their hashes.
    fn codes_made(batch: &'e CodeBatch) -> Self {
        Self::CodesMade {
            name: &batch.name,
            codes: batch.hashes.len(),
            kind: batch.kind,
            amount: batch.amount,
            uses_max: batch.uses_max,
            expires_at_ms: batch.expires_at_ms,
            lasts_ms: batch.lasts_ms,
        }
    }

    fn paid(paid: &'e Payment) -> Self {
        Self::Paid {
            id: &paid.id,
            payment: &paid.payment,
            grant: paid.grant.to_string(),
            amount: paid.amount,
            expires_at_ms: paid.expires_at_ms,
        }
    }

    /// Its name in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::StatusChanged { .. } => "status_changed",
            Self::LimitsChanged { .. } => "limits_changed",
            Self::KeyCreated { .. } => "key_created",
            Self::KeyRevoked { .. } => "key_revoked",
            Self::Granted { .. } => "granted",
            Self::Expired { .. } => "expired",
            Self::Held { .. } => "held",
            Self::Extended { .. } => "extended",
            Self::Settled(_) => "settled",
            Self::Voided { .. } => "voided",
            Self::KeyChanged { .. } => "key_changed",
            Self::KeyRotated { .. } => "key_rotated",
            Self::BudgetsChanged { .. } => "budgets_changed",
            Self::StatusSet(_) => "status_set",
            Self::HeldOf { .. } => "held_of",
            Self::Paid { .. } => "paid",
            Self::Refunded(_) => "refunded",
            Self::ChargedBack(_) => "charged_back",
            Self::CodesMade { .. } => "codes_made",
            Self::CodeUsed { .. } => "code_used",
            Self::Reclaimed { .. } => "reclaimed",
            Self::ProjectCreated { .. } => "project_created",
            Self::ProjectChanged { .. } => "project_changed",
            Self::ProjectArchived { .. } => "project_archived",
            Self::ProjectRestored { .. } => "project_restored",
            Self::KeyGuarded { .. } => "key_guarded",
            Self::KeyRestricted { .. } => "key_restricted",
            Self::KeyReleased { .. } => "key_released",
            Self::Operator(_) => "operator",
            Self::Watch(_) => "watch",
            Self::Member(_) => "member",
            Self::Plan(_) => "plan",
            Self::Subscription(_) => "subscription",
            Self::Once(_) => "once",
        }
    }
}

impl<'e> Back<'e> {
    fn of(back: &'e Return) -> Self {
        Self {
            id: &back.id,
            payment: back.payment.as_deref(),
            grant: back.grant.to_string(),
            asked: back.asked,
            taken: back.taken,
            credit: back.credit,
            surplus: back.surplus.as_ref().map(BackOfSurplus::of),
        }
    }
}

impl BackOfSurplus {
    fn of(surplus: &SurplusReturn) -> Self {
        let SurplusReturn { grant, asked, taken } = *surplus;
        Self { grant: grant.to_string(), asked, taken }
    }
}

impl<'e> NewKey<'e> {
    fn of(key: &'e account::Key) -> Self {
        Self {
            id: key.id.to_string(),
            hint: &key.hint,
            name: &key.name,
            models: &key.models,
            expires_at_ms: key.expires_at_ms,
            limits: key.limits,
        }
    }
}

impl<'e> Bill<'e> {
    fn of(settlement: &'e Settlement) -> Self {
        let draw = |grant: GrantId, amount| Draw { grant: grant.to_string(), amount };
        Self {
            hold: settlement.hold.to_string(),
            key: settlement.key.to_string(),
            usage: settlement.usage,
            estimated: settlement.estimated,
            rates: settlement.rates,
            markup: settlement.markup,
            cost: settlement.cost,
            charged: settlement.charged,
            absorbed: settlement.absorbed,
            draws: settlement.draws.iter().map(|each| draw(each.grant, each.amount)).collect(),
            end: settlement.end,
            record: &settlement.record,
        }
    }
}
