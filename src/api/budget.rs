//! Spend budgets as JSON, by their period. Pure.

use infergate_actors::account::{Budget, BudgetView};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::operate::amount::{Amounts, wide};

/// Budgets as they are now.
#[derive(Debug)]
pub(crate) struct Budgets(Vec<BudgetView>);

/// One of them.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    amounts: Amounts<3>,
    resets_at_ms: Option<u64>,
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

impl Serialize for Ceilings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Budget { period, limit } in &self.0 {
            map.serialize_entry(period.name(), &Amounts([("limit", wide(*limit))]))?;
        }
        map.end()
    }
}
