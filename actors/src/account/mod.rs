//! Accounts: one actor an account, the only writer of its balance and limits.

mod actor;
mod buckets;
mod budget;
mod code;
mod command;
mod credit_rules;
mod decide;
mod due;
mod event;
mod hall;
mod handle;
mod limits;
mod living;
mod machine;
mod member;
mod network;
mod operators;
mod orders;
mod payment;
mod period;
mod plan;
mod project;
mod record;
mod rules;
mod settings;
mod snapshot;
mod standing;
mod state;
mod subscription;
mod tenancy;
mod till;
mod view;
mod watch;

#[doc(hidden)]
pub use actor::Breakdown;
pub use actor::Refusal;
pub use budget::{Budget, BudgetView};
pub use code::{CodeBatch, CodeKind, CodeTerms, CodeUse};
pub use command::{
    Admit, Denial, Extend, Fallback, NewKey, Order, Permit, RateStatus, Remaining, Scope, Settle,
    Terms,
};
pub use credit_rules::{CreditRules, KindRule, Kinds, OnDispute};
pub use event::{
    Attempt, AttemptOutcome, Draw, End, Event, GrantKind, Key, Limits, ReasonClass, Settlement,
    Status, StatusSet,
};
pub use handle::{AccountOptions, Accounts, Unavailable};
pub use living::ActorLine;
pub(crate) use living::status_name;
pub use machine::{Failure, Machine};
#[cfg(test)]
pub(crate) use member::any_member_event;
pub use member::{
    By, Email, EmailError, InviteBatch, Member, MemberChange, MemberEvent, MemberOrder,
    MemberStatus, NewMember, Permission, Permissions, Removal, Role, SignUp, TrialGrant,
};
pub use network::{Network, NetworkError};
pub use operators::OperatorEvent;
pub use payment::{Movement, MovementKind, Payment, Return, Transfer, TransferKind};
pub use period::Period;
pub use plan::{Overrides, PlanEvent, PlanOrder, PlanTerms, PlanView, Plans};
pub use project::ProjectEvent;
pub use record::{Dialect, Finish, Source, UsageRecord};
pub use settings::{FormerSecret, KeyChange, KeyScope, KeySettings, Presented};
pub use snapshot::SnapshotError;
pub use standing::Standing;
pub use state::{Account, Grant, Hold, Inconsistency, Totals};
pub use subscription::{
    Allowance, BillingPeriod, Contract, NextTerms, Offer, PaidBy, Proration, SubscriptionChange,
    SubscriptionEvent, SubscriptionOrder, SubscriptionPayment, SubscriptionState, SubscriptionStep,
};
pub use view::{AccountView, KeyView, LimitUsage};
pub use watch::WatchEvent;
