//! Accounts: one actor an account, the only writer of its balance and limits.

mod actor;
mod batches;
mod buckets;
mod budget;
mod code;
mod command;
mod credit_rules;
mod decide;
mod denial;
mod due;
mod event;
mod guard;
mod hall;
mod handle;
mod keyring;
mod limits;
mod living;
mod machine;
mod mark;
mod member;
mod message;
mod network;
mod once;
mod operators;
mod orders;
mod payment;
mod period;
mod plan;
mod project;
mod record;
mod referrer;
mod refund;
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

pub use budget::{Budget, BudgetView};
pub use code::{BatchView, CodeBatch, CodeKind, CodeTerms, CodeUse};
pub use command::{
    Admit, Extend, Fallback, NewKey, Order, Permit, RateStatus, Remaining, Settle, Terms,
};
pub use credit_rules::{CreditRules, KindRule, Kinds, OnDispute};
pub use denial::{Denial, Scope};
pub use event::{
    Attempt, AttemptOutcome, Draw, End, Event, GrantKind, Key, Limits, ReasonClass, Settlement,
    Status, StatusSet,
};
pub use guard::{GuardRules, Suspicion};
pub use handle::{AccountOptions, Accounts, Unavailable};
pub use keyring::Restriction;
pub use living::ActorLine;
pub(crate) use living::status_name;
pub use machine::{Failure, Machine};
pub use mark::{Mark, acting, carried, doing_once};
#[cfg(test)]
pub(crate) use member::any_member_event;
pub use member::{
    By, Email, EmailError, Member, MemberChange, MemberEvent, MemberOrder, MemberStatus, NewMember,
    Permission, Permissions, Removal, Role, SignUp, TrialGrant,
};
#[doc(hidden)]
pub use message::Breakdown;
pub use message::Refusal;
pub use network::{Network, NetworkError};
#[cfg(test)]
pub(crate) use once::any_once_event;
pub use once::{Answered, Once, OnceDenial, OnceEvent, OnceRefusal, Recalled};
#[cfg(test)]
pub(crate) use operators::any_operator_event;
pub use operators::{
    Asked, Begun, Deed, Ended, Idempotency, KeptAnswer, NewToken, Operation, OperatorDenial,
    OperatorEvent, OperatorRefusal, OperatorRole, Operators, Outcome, RotatedToken, Token,
};
pub use payment::{Movement, MovementKind, Payment, Transfer, TransferKind};
pub use period::Period;
pub use plan::{Overrides, PlanEvent, PlanOrder, PlanTerms, PlanView, Plans};
pub use project::{NewProject, Project, ProjectChange, ProjectEvent};
pub use record::{Dialect, Finish, Source, UsageRecord};
pub use referrer::{Origin, is_pattern as is_referrer, origin_of};
pub use refund::{Return, Surplus, SurplusReturn};
pub use settings::{FormerSecret, KeyChange, KeyScope, KeySettings, Presented};
pub use snapshot::SnapshotError;
pub use standing::Standing;
pub use state::{Account, Grant, Hold, Inconsistency, Totals};
pub use subscription::{
    Allowance, BillingPeriod, Contract, NextTerms, Offer, PaidBy, Proration, SubscriptionChange,
    SubscriptionEvent, SubscriptionOrder, SubscriptionPayment, SubscriptionState, SubscriptionStep,
};
pub use view::{AccountView, KeyView, LimitUsage, ProjectView};
#[cfg(test)]
pub(crate) use watch::watch_event;
pub use watch::{
    AutoTopUp, BudgetOwner, BudgetReached, TopUp, TopUpEnd, WatchEvent, WatchOrder, WatchSettings,
    WatchView, Webhook, WebhookChange,
};
