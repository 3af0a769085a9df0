//! The people of an account, and what each may do. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberEvent {}

/// The people of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members {}

impl Members {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &MemberEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
