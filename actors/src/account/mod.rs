//! Accounts: one actor an account, the only writer of its balance and limits.

mod actor;
mod budget;
mod command;
mod decide;
mod event;
mod handle;
mod limits;
mod living;
mod machine;
mod network;
mod orders;
mod period;
mod rules;
mod settings;
mod standing;
mod state;
mod view;

#[doc(hidden)]
pub use actor::Breakdown;
pub use actor::Refusal;
pub use budget::{Budget, BudgetView};
pub use command::{
    Admit, Denial, Extend, Fallback, NewKey, Order, Permit, RateStatus, Remaining, Scope, Settle,
    Terms,
};
pub use event::{
    Attempt, AttemptOutcome, Draw, End, Event, GrantKind, Key, Limits, Settlement, Source, Status,
    UsageRecord,
};
pub use handle::{AccountOptions, Accounts, Unavailable};
pub use living::ActorLine;
pub(crate) use living::status_name;
pub use machine::{Failure, Machine};
pub use network::{Network, NetworkError};
pub use period::Period;
pub use settings::{FormerSecret, KeyChange, KeyScope, KeySettings, Presented};
pub use standing::Standing;
pub use state::{Account, Grant, Hold, Inconsistency, SnapshotError, Totals};
pub use view::{AccountView, KeyView, LimitUsage};
