//! What an account is watched for: thresholds that somebody wants to hear of. Pure.

use serde::{Deserialize, Serialize};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEvent {}

/// What one account is watched for. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {}

impl Watch {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &WatchEvent) -> Result<(), &'static str> {
        match *event {}
    }
}
