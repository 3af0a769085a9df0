//! Changes of limits and budgets: what is not named stays, `null` removes. Pure.

use std::borrow::Cow;

use infergate_actors::account::{Budget, Limits, Period};
use infergate_actors::money::NanoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::Problem;
use crate::openapi::pattern;

/// A new value: an absent one stays, `null` removes it.
#[derive(Clone, Copy, Default)]
pub(crate) enum Setting<T> {
    #[default]
    Kept,
    Set(Option<T>),
}

/// New limits.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsChange {
    requests_per_minute: Setting<u32>,
    tokens_per_minute: Setting<u64>,
    in_flight: Setting<u32>,
}

/// New spend budgets, in dollars.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BudgetsChange {
    #[serde(rename = "day_usd")]
    #[schemars(regex(pattern = pattern::USD))]
    day: Setting<String>,
    #[serde(rename = "week_usd")]
    #[schemars(regex(pattern = pattern::USD))]
    week: Setting<String>,
    #[serde(rename = "month_usd")]
    #[schemars(regex(pattern = pattern::USD))]
    month: Setting<String>,
    #[serde(rename = "total_usd")]
    #[schemars(regex(pattern = pattern::USD))]
    total: Setting<String>,
}

impl LimitsChange {
    /// The limits from here on, where these were.
    pub(crate) fn over(self, before: Limits) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute.over(before.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.over(before.tokens_per_minute),
            in_flight: self.in_flight.over(before.in_flight),
        }
    }
}

impl BudgetsChange {
    /// The budgets from here on, where these were; the shortest period first.
    pub(crate) fn over(self, before: &[Budget]) -> Result<Vec<Budget>, Problem> {
        let Self { day, week, month, total } = self;
        let mut budgets = Vec::new();
        for (period, setting) in Period::ALL.into_iter().zip([day, week, month, total]) {
            let kept = before.iter().find(|budget| budget.period == period);
            let limit = match setting {
                Setting::Kept => kept.map(|budget| budget.limit),
                Setting::Set(None) => None,
                Setting::Set(Some(usd)) => Some(limit(period, &usd)?),
            };
            budgets.extend(limit.map(|limit| Budget { period, limit }));
        }
        Ok(budgets)
    }
}

fn limit(period: Period, usd: &str) -> Result<NanoUsd, Problem> {
    let field = period.name();
    let limit: NanoUsd = usd
        .parse()
        .map_err(|error| Problem::invalid(format!("`budgets.{field}_usd`: `{usd}` is {error}")))?;
    if limit.is_negative() {
        return Err(Problem::invalid(format!("`budgets.{field}_usd` is below zero")));
    }
    Ok(limit)
}

impl<T> Setting<T> {
    /// The value from here on, where this was.
    pub(crate) fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Kept => before,
            Self::Set(value) => value,
        }
    }
}

impl<T: JsonSchema> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Set)
    }
}
