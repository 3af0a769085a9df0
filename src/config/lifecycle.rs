//! What a model is said to be, and when it goes: its description, the dates of its end, and what comes
//! after it. Pure.

use std::sync::Arc;

use super::date;
use super::provider::model_name;
use super::tree::{Node, Section};

const DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// A model's description and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// In words, for the list of models.
    pub description: Option<String>,
    /// From when on it should not be used for anything new, in milliseconds since 1970.
    pub deprecated_at_ms: Option<u64>,
    /// From when on it is not served, in milliseconds since 1970; not before it is deprecated.
    pub retired_at_ms: Option<u64>,
    /// The model that its clients are told to use instead.
    pub successor: Option<Arc<str>>,
}

impl Lifecycle {
    /// Whether it is not served any more.
    pub fn is_retired(&self, wall_ms: u64) -> bool {
        self.retired_at_ms.is_some_and(|at_ms| at_ms <= wall_ms)
    }

    /// What its clients should know of its end, such as `deprecated on 2026-12-01, use "b"`; `None`
    /// where it has none.
    pub fn told(&self) -> Option<String> {
        let on = |what: &str, at_ms: u64| format!("{what} on {}", date::show(at_ms));
        let deprecated = self.deprecated_at_ms.map(|at_ms| on("deprecated", at_ms));
        let retired = self.retired_at_ms.map(|at_ms| on("retired", at_ms));
        let mut parts: Vec<String> = deprecated.into_iter().chain(retired).collect();
        if parts.is_empty() {
            return None;
        }
        parts.extend(self.successor.as_ref().map(|successor| format!("use \"{successor}\"")));
        Some(parts.join(", "))
    }
}

/// Reads it; the place of the successor's name comes beside it, to be checked when all models are
/// known.
pub(super) fn lifecycle<'t>(model: &mut Section<'t>) -> (Lifecycle, Option<Node<'t>>) {
    let description = model.optional("description", |node| {
        let text = node.text()?;
        if text.is_empty() || text.len() > DESCRIPTION_BYTES_MAX {
            node.fault(format!("1 to {DESCRIPTION_BYTES_MAX} bytes, or remove it"));
        }
        Some(text)
    });
    let deprecated_at_ms = model.optional("deprecated_at", Node::date);
    let retired_at_ms = model.optional("retired_at", |node| {
        let at_ms = node.date()?;
        if deprecated_at_ms.is_some_and(|deprecated| deprecated > at_ms) {
            node.fault("before deprecated_at: not earlier than that");
        }
        Some(at_ms)
    });
    let node = model.get("successor");
    let successor = node.as_ref().and_then(model_name).map(Arc::from);
    let lifecycle = Lifecycle { description, deprecated_at_ms, retired_at_ms, successor };
    (lifecycle, node)
}
