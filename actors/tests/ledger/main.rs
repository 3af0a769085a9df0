//! The ledger, from outside.
//!
//! - `commits`: what is appended is answered, kept, read back and found again
//! - `find`: a settled exchange is found by its id
//! - `opening`: what may be opened, and what recovery does
//! - `crash`: a process killed at any instant loses nothing that was acknowledged
//! - `damage`: whatever happens to the files, nothing is lost in silence
//! - `offline`: repair, export, import
//! - `records`, `members`, `plan_records`, `projects`, `operators`: the journal's format
//! - `rollups`: daily sums of usage are what a walk would find, at any moment; what is too old goes
//! - `clocks`: what is too old is told by a clock that has stood for a while

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail anywhere")]

mod clocks;
mod commits;
mod crash;
mod damage;
mod desk;
mod find;
mod fold;
mod members;
mod notices;
mod offline;
mod opening;
mod operators;
mod plan_records;
mod projects;
mod records;
mod rollups;
