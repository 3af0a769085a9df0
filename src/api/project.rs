//! A project, and why a key is restricted, as JSON. Pure.

use infergate_actors::account::{Limits, ProjectView, Restriction, Suspicion};
use infergate_actors::id::ProjectId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::account::Buckets;
use super::budget::Budgets;
use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// A project as it is now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Project {
    id: ProjectId,
    name: String,
    models: Vec<String>,
    created_at_ms: u64,
    archived_at_ms: Option<u64>,
    limits: Limits,
    buckets: Buckets,
    budgets: Budgets,
}

/// What the guard found unusual of a key, and when.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restricted {
    at_ms: u64,
    suspicion: &'static str,
    networks_new: Option<u32>,
    #[serde(flatten)]
    #[schemars(schema_with = "spend_amounts")]
    amounts: Option<Amounts<2>>,
}

/// None of them where it is not about money.
fn spend_amounts(_: &mut SchemaGenerator) -> Schema {
    let mut schema = openapi::amounts(&["spent", "usual"]);
    schema.remove("required");
    schema
}

impl Project {
    /// Of the view its account's actor gave.
    pub(crate) fn of(view: &ProjectView) -> Self {
        let ProjectView { project, budgets, usage } = view;
        Self {
            id: project.id,
            name: project.has.name.clone(),
            models: project.has.models.clone(),
            created_at_ms: project.created_at_ms,
            archived_at_ms: project.archived_at_ms,
            limits: project.has.limits,
            buckets: Buckets::of(usage),
            budgets: Budgets::of(budgets),
        }
    }
}

impl Restricted {
    pub(super) fn of(restriction: Restriction) -> Self {
        let Restriction { at_ms, suspicion } = restriction;
        let (suspicion, networks_new, amounts) = match suspicion {
            Suspicion::Networks { new } => ("networks", Some(new), None),
            Suspicion::Spend { spent, usual } => {
                let amounts = Amounts([("spent", wide(spent)), ("usual", wide(usual))]);
                ("spend", None, Some(amounts))
            }
        };
        Self { at_ms, suspicion, networks_new, amounts }
    }
}
