//! Answers that are kept: how much of them there is, and throwing them away.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::Operator;

pub(super) async fn show(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    Answer(operator.cache())
}

/// Forgets everything; the answer shows what is left.
pub(super) async fn purge(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let entries = operator.world.cache.stats().entries;
    operator.world.cache.purge();
    tracing::info!(entries, "cache purged");
    Answer(operator.cache())
}

impl Operator {
    fn cache(&self) -> Value {
        let stats = self.world.cache.stats();
        json!({
            "entries": stats.entries,
            "bytes": stats.bytes,
            "bytes_max": stats.bounds.bytes_max,
            "entry_bytes_max": stats.bounds.entry_bytes_max,
        })
    }
}
