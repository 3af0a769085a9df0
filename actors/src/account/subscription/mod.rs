//! Subscriptions: what is paid for each period, and given for it. Pure.
//!
//! ```text
//!                        paid                     cancelled
//!   (none) ------------------------> +--------+ -------------> +-----------+
//!      ^                        .--> | Active | <------------- | Cancelled |
//!      |          period ends,  |    +--------+    undone      +-----------+
//!      |          next one paid '------' |  ^                        | period ends
//!      |          for, or free           |  | paid                   v
//!   started                  period ends |  |                   +-------+
//!   anew, paid                           v  |   cancelled       | Ended |
//!      |                         +---------+ ---------------->  +-------+
//!      |                         | PastDue |                      ^   |
//!      |                         +---------+                      |   |
//!      |                  grace is over  |  ^ (paid: Active)      |   |
//!      |                                 v  |       cancelled     |   |
//!      |                         +---------+ ---------------------'   |
//!      |                         | Overdue |                          |
//!      |                         +---------+                          |
//!      '--------------------------------------------------------------'
//! ```
//!
//! An operator may end it at once from any state: `Ended`, whatever is left of the period.
//!
//! Silence is a row of its own: a period that nobody pays for ends in `PastDue`, and after the plan's
//! grace in `Overdue`, which restricts the account. Only what the subscription itself restricted does a
//! payment reinstate: not what an operator or a dispute did.
//!
//! An allowance is a credit lot of the kind `subscription` that lapses at the end of its period, one for
//! each period; a change to a dearer plan gives a second one, for the time that is left. A payment that
//! comes before its period begins is kept, and the allowance is given when the period begins. What is paid
//! above what is due is paid credit at once.
//!
//! What was agreed (price, allowance, length, grace) is in the subscription's own facts: other figures in
//! the configuration concern those who start or change from then on, and nobody silently.

mod decide;
mod order;
mod period;
mod proration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use order::{PaidBy, SubscriptionOrder};
pub use period::BillingPeriod;
pub use proration::Proration;

use super::payment::{Movement, MovementKind};
use super::refund::Surplus;
use super::state::Account;
use crate::id::GrantId;
use crate::money::NanoUsd;

/// What a subscription to a plan costs and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// What one period costs. Nothing: it renews by itself.
    pub price: NanoUsd,
    /// The credit given for one period, which lapses at its end.
    pub allowance: NanoUsd,
    /// How long one lasts.
    pub period: BillingPeriod,
    /// How long after its end the next one may be paid before the account is restricted, in milliseconds.
    pub grace_ms: u64,
}

/// A subscription, as it was agreed and as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    /// The plan.
    pub plan: String,
    /// What it costs and gives.
    pub offer: Offer,
    /// How it stands.
    pub state: SubscriptionState,
    /// Where periods are counted from, in milliseconds since 1970.
    pub anchor_ms: u64,
    /// The number of the present period, from 1 on.
    pub period: u32,
    /// When it began, in milliseconds since 1970.
    pub from_ms: u64,
    /// When it ends.
    pub to_ms: u64,
    /// What holds from the next period on, where that is something else.
    pub next: Option<NextTerms>,
    /// The payment that the next period was paid with, where that has happened already.
    pub ahead: Option<String>,
}

/// What holds from the next period on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextTerms {
    /// The plan.
    pub plan: String,
    /// What it costs and gives.
    pub offer: Offer,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// The present period is paid for, and the next one is to follow.
    Active,
    /// The present period is paid for, and is the last one.
    Cancelled,
    /// The last period has ended, and the next one is not paid for.
    PastDue,
    /// The same for longer than the grace: the account is restricted.
    Overdue,
    /// There is none any more.
    Ended,
}

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionEvent {
    /// It is so from here on.
    Changed(SubscriptionChange),
}

/// What happened to a subscription, and how it stands from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionChange {
    /// When time alone will change it next, in milliseconds since 1970. First, because the ledger's index
    /// of due times reads it there.
    pub due_at_ms: Option<u64>,
    /// What happened.
    pub step: SubscriptionStep,
    /// How it stands.
    pub contract: Contract,
    /// What was told with it of money outside.
    pub payment: Option<SubscriptionPayment>,
    /// The credit given with it, by the event behind this one.
    pub allowance: Option<Allowance>,
    /// What of the payment is above what was due: given as paid credit, by the event behind that. Since
    /// journal version 5.
    pub surplus: Option<Allowance>,
}

/// Credit given for a period, or for the rest of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The lot.
    pub grant: GrantId,
    /// How much.
    pub amount: NanoUsd,
    /// The payment that it was paid with.
    pub payment: Option<String>,
}

/// What was told of money outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionPayment {
    /// What it was told by, once in the account for all that is told of money.
    pub id: String,
    /// What the payment is known by.
    pub payment: String,
    /// How much was paid; nothing where the payment failed.
    pub amount: NanoUsd,
}

/// What happened to a subscription. Variants are only ever added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStep {
    /// It began.
    Started,
    /// Another period began.
    Renewed,
    /// The next period was paid for before it began.
    PaidAhead,
    /// A payment failed.
    PaymentFailed,
    /// The payment for the next period went back, and that is not paid for any more.
    PaymentReturned,
    /// The period ended, and the next one is not paid for.
    PastDue,
    /// The grace is over.
    Overdue,
    /// It is to a dearer plan from here on.
    PlanChanged,
    /// It will be to another plan from the next period on, or will not any more.
    ChangePlanned,
    /// It will end with its period.
    Cancelled,
    /// It will not, after all.
    CancelUndone,
    /// It ended.
    Ended,
}

/// The subscription of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    contract: Option<Contract>,
}

impl SubscriptionState {
    /// As one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cancelled => "cancelled",
            Self::PastDue => "past_due",
            Self::Overdue => "overdue",
            Self::Ended => "ended",
        }
    }
}

impl SubscriptionStep {
    /// As one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Renewed => "renewed",
            Self::PaidAhead => "paid_ahead",
            Self::PaymentFailed => "payment_failed",
            Self::PaymentReturned => "payment_returned",
            Self::PastDue => "past_due",
            Self::Overdue => "overdue",
            Self::PlanChanged => "plan_changed",
            Self::ChangePlanned => "change_planned",
            Self::Cancelled => "cancelled",
            Self::CancelUndone => "cancel_undone",
            Self::Ended => "ended",
        }
    }
}

impl SubscriptionEvent {
    /// When time alone will change the subscription next.
    pub(crate) fn due_at_ms(&self) -> Option<u64> {
        let Self::Changed(change) = self;
        change.due_at_ms
    }
}

impl Contract {
    /// When time alone will change it next, in milliseconds since 1970.
    pub fn due_at_ms(&self) -> Option<u64> {
        match self.state {
            SubscriptionState::Active | SubscriptionState::Cancelled => Some(self.to_ms),
            SubscriptionState::PastDue => Some(self.to_ms.saturating_add(self.offer.grace_ms)),
            SubscriptionState::Overdue | SubscriptionState::Ended => None,
        }
    }

    /// The plan of the next period, and what that costs and gives.
    pub fn next_terms(&self) -> (&str, &Offer) {
        let own = (self.plan.as_str(), &self.offer);
        self.next.as_ref().map_or(own, |next| (next.plan.as_str(), &next.offer))
    }
}

impl Account {
    /// Its subscription: the present one, or the last.
    pub fn subscription(&self) -> Option<&Contract> {
        self.tenancy.subscription.as_deref()?.contract.as_ref()
    }

    /// When time alone will change it next, in milliseconds since 1970.
    pub fn due_at_ms(&self) -> Option<u64> {
        self.subscription()?.due_at_ms()
    }

    /// Folds one fact in.
    pub(super) fn fold_subscription(
        &mut self,
        event: &SubscriptionEvent,
        at_ms: u64,
    ) -> Result<(), &'static str> {
        let SubscriptionEvent::Changed(change) = event;
        let SubscriptionChange { due_at_ms, step, contract, payment, allowance, surplus } = change;
        if contract.due_at_ms() != *due_at_ms {
            return Err("it does not say when its subscription is due");
        }
        if contract.to_ms <= contract.from_ms {
            return Err("its period ends before it begins");
        }
        if let Some(SubscriptionPayment { id, payment, amount }) = payment {
            let kind = match step {
                SubscriptionStep::PaymentFailed => MovementKind::SubscriptionUnpaid,
                _ => MovementKind::SubscriptionPaid,
            };
            let (payment, moved) = (Some(payment.clone()), NanoUsd::ZERO);
            let (grant, asked, credit) = (GrantId(0), *amount, None);
            let surplus = surplus.as_ref().map(|above| {
                let Allowance { grant, amount, .. } = *above;
                Box::new(Surplus { grant, amount, back: NanoUsd::ZERO })
            });
            let movement = Movement { kind, payment, grant, asked, moved, at_ms, credit, surplus };
            self.moved(id, movement)?;
        }
        if let Some(Allowance { grant, amount, payment: Some(payment) }) = allowance {
            // Its lot is what a refund or a dispute takes back.
            self.gave_for(payment, (*grant, *amount))?;
        }
        let subscription = self.tenancy.subscription.get_or_insert_default();
        subscription.contract = Some(contract.clone());
        Ok(())
    }
}
