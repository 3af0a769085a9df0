//! Answers that are kept: how much of them there is, and throwing them away.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;

use super::Operator;
use crate::openapi::{Routes, doc, get};

/// Answers that are kept.
#[derive(Serialize, JsonSchema)]
struct Cache {
    entries: usize,
    bytes: u64,
    bytes_max: usize,
    entry_bytes_max: usize,
}

/// What is served of answers that are kept.
pub(super) fn routes() -> Routes<Arc<Operator>> {
    let shown = doc("getCache", "Tells how much of answers is kept.").answers::<Cache>(200);
    let purged = doc("purgeCache", "Throws all answers that are kept away.").answers::<Cache>(200);
    Routes::new().route("System", "/admin/v1/cache", get(show, shown).delete(purge, purged))
}

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
    fn cache(&self) -> Cache {
        let stats = self.world.cache.stats();
        Cache {
            entries: stats.entries,
            bytes: stats.bytes,
            bytes_max: stats.bounds.bytes_max,
            entry_bytes_max: stats.bounds.entry_bytes_max,
        }
    }
}
