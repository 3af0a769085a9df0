//! The plan that an account is on, and where the account differs from it. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanEvent {}

/// The plan of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {}

impl Plan {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &PlanEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
