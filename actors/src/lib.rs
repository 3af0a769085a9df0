//! What InferGate knows: money, accounts, providers, the ledger and their supervision.

pub mod account;
pub mod clock;
mod directory;
pub mod id;
pub mod ledger;
pub mod limit;
pub mod money;
pub mod provider;
pub mod supervisor;
pub mod vitals;
