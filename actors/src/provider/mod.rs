//! Providers: who is asked, with which credential, and who is given up on for a while.
//!
//! [`ProviderMachine`] knows and decides; everything it is made of takes the time as an argument and
//! does nothing else. [`ProviderHandle`] is how the rest of the program speaks with the actor around it.

pub mod actor;
pub mod breaker;
pub mod credential;
pub mod gauge;
pub mod handle;
pub mod health;
pub mod latency;
pub mod machine;
pub mod outcome;
pub mod percentile;
pub mod quota;
pub mod secret;
pub mod settings;
pub mod snapshot;
pub mod tickets;
pub mod view;
pub mod window;

mod counters;
mod deployment;
mod verdict;

pub use actor::{Saved, SnapshotSink, Start, StartError};
pub use credential::Fingerprint;
pub use gauge::Gauge;
pub use handle::{ControlError, ProviderHandle, Ticket};
pub use health::{DeploymentState, HealthView};
pub use machine::{Grant, Notice, ProviderMachine};
pub use outcome::{DeploymentIndex, FaultKind, Mode, Outcome, Refusal};
pub use quota::{Allowance, Quota};
pub use secret::Secret;
pub use settings::{BreakerSettings, CoolingSettings, DeploymentSettings, ProviderSettings};
pub use snapshot::RestoreError;
pub use view::ProviderView;
