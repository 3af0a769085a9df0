//! Spend budgets as JSON, by their period. Pure.

use std::borrow::Cow;

use infergate_actors::account::{Budget, BudgetView, Period};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::openapi;
use crate::operate::amount::{Amounts, wide};

/// Budgets as they are now.
#[derive(Debug)]
pub(crate) struct Budgets(Vec<BudgetView>);

/// One of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BudgetState")]
struct Shown {
    #[serde(flatten)]
    #[schemars(schema_with = "budget_amounts")]
    amounts: Amounts<3>,
    resets_at_ms: Option<u64>,
}

fn budget_amounts(_: &mut SchemaGenerator) -> Schema {
    openapi::amounts(&["limit", "spent", "held"])
}

impl JsonSchema for Budgets {
    fn schema_name() -> Cow<'static, str> {
        "Budgets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let budget = |period: Period| (period.name(), generator.subschema_for::<Shown>());
        let budgets: std::collections::BTreeMap<_, _> =
            Period::ALL.into_iter().map(budget).collect();
        json_schema!({
            "type": "object",
            "description": "Budgets by their period. Where there is none, there is no such limit.",
            "properties": budgets,
        })
    }
}

impl Budgets {
    pub(crate) fn of(budgets: &[BudgetView]) -> Self {
        Self(budgets.to_vec())
    }
}

impl Serialize for Budgets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for view in &self.0 {
            let amounts = Amounts([
                ("limit", wide(view.budget.limit)),
                ("spent", wide(view.spent)),
                ("held", wide(view.held)),
            ]);
            let shown = Shown { amounts, resets_at_ms: view.resets_at_ms };
            map.serialize_entry(view.budget.period.name(), &shown)?;
        }
        map.end()
    }
}

/// Budgets that may not be gone above.
#[derive(Debug)]
pub(crate) struct Ceilings(pub(crate) Vec<Budget>);

impl JsonSchema for Ceilings {
    fn schema_name() -> Cow<'static, str> {
        "Ceilings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let limit = |period: Period| (period.name(), openapi::amounts(&["limit"]));
        let limits: std::collections::BTreeMap<_, _> = Period::ALL.into_iter().map(limit).collect();
        json_schema!({ "type": "object", "properties": limits })
    }
}

impl Serialize for Ceilings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Budget { period, limit } in &self.0 {
            map.serialize_entry(period.name(), &Amounts([("limit", wide(*limit))]))?;
        }
        map.end()
    }
}
