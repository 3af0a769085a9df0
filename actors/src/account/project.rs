//! Projects: parts of an account, with budgets and limits of their own that their keys inherit. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectEvent {}

/// The projects of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Projects {}

impl Projects {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &ProjectEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
