//! The operators of this gateway, and what each did: an account that is nobody's. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorEvent {}

/// The operators, and what they did last. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operators {}

impl Operators {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &OperatorEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
