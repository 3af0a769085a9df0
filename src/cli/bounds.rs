//! Limits and budgets of accounts, projects and keys, as they are said and shown on the command line.
//! Pure.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use infergate_actors::account::Period;
use infergate_actors::money::NanoUsd;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Limits to begin with.
#[derive(Debug, Args)]
pub struct Limits {
    /// Requests in any minute
    #[arg(long, value_name = "NUMBER")]
    requests_per_minute: Option<u32>,
    /// Tokens in any minute
    #[arg(long, value_name = "NUMBER")]
    tokens_per_minute: Option<u64>,
    /// Requests at one time
    #[arg(long, value_name = "NUMBER")]
    in_flight: Option<u32>,
}

/// Other limits; what is not said stays.
#[derive(Debug, Args)]
pub struct LimitsChange {
    /// Requests in any minute, or `none` for no limit
    #[arg(long, value_name = "NUMBER")]
    requests_per_minute: Option<OrNone<u32>>,
    /// Tokens in any minute, or `none`
    #[arg(long, value_name = "NUMBER")]
    tokens_per_minute: Option<OrNone<u64>>,
    /// Requests at one time, or `none`
    #[arg(long, value_name = "NUMBER")]
    in_flight: Option<OrNone<u32>>,
}

/// A value, or none where there may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

/// A budget, or that there be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetWanted {
    /// Of which period.
    pub period: Period,
    /// How much.
    pub limit: OrNone<NanoUsd>,
}

/// What is spent of a budget.
#[derive(Deserialize, Serialize)]
pub(super) struct Budget {
    limit_usd: String,
    spent_usd: String,
    resets_at_ms: Option<u64>,
}

impl Limits {
    /// As the admin API has them.
    pub(super) fn json(&self) -> Value {
        json!({
            "requests_per_minute": self.requests_per_minute,
            "tokens_per_minute": self.tokens_per_minute,
            "in_flight": self.in_flight,
        })
    }
}

impl LimitsChange {
    /// Those that were named, if any were.
    pub(super) fn json(&self) -> Option<Value> {
        let limits = [
            ("requests_per_minute", self.requests_per_minute.map(|OrNone(it)| it.map(u64::from))),
            ("tokens_per_minute", self.tokens_per_minute.map(|OrNone(it)| it)),
            ("in_flight", self.in_flight.map(|OrNone(it)| it.map(u64::from))),
        ];
        let named = |(name, limit): (&str, Option<_>)| Some((name.to_owned(), json!(limit?)));
        let limits: Map<String, Value> = limits.into_iter().filter_map(named).collect();
        (!limits.is_empty()).then_some(Value::Object(limits))
    }
}

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

impl FromStr for BudgetWanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("`{text}` is no budget such as `day=5`, `month=99.50` or `total=none`");
        let (period, limit) = text.split_once('=').ok_or_else(form)?;
        let period =
            Period::ALL.into_iter().find(|known| known.name() == period).ok_or_else(form)?;
        let limit: OrNone<NanoUsd> =
            limit.parse().map_err(|error| format!("`{limit}` is {error}"))?;
        Ok(Self { period, limit })
    }
}

/// As the admin API has them.
pub(super) fn budgets(wanted: &[BudgetWanted]) -> Value {
    let field = |BudgetWanted { period, limit: OrNone(limit) }: &BudgetWanted| {
        (format!("{}_usd", period.name()), json!(limit.map(|limit| limit.to_string())))
    };
    Value::Object(wanted.iter().map(field).collect())
}

/// Budgets, the shortest period first.
pub(super) fn spent(budgets: &BTreeMap<String, Budget>) -> String {
    let periods = Period::ALL.into_iter().map(Period::name);
    let known = periods.filter_map(|period| Some((period, budgets.get(period)?)));
    let shown = known
        .map(|(period, budget)| format!("{period} {} of {}", budget.spent_usd, budget.limit_usd));
    let shown = shown.collect::<Vec<_>>().join(", ");
    if shown.is_empty() { "no budget".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_a_period_and_dollars() {
        let day = |limit| Ok(BudgetWanted { period: Period::Day, limit: OrNone(limit) });
        assert_eq!("day=2.5".parse(), day(Some(NanoUsd::from_nano(2_500_000_000))));
        assert_eq!("day=none".parse(), day(None));
        for wrong in ["", "day", "year=1", "day=", "day=x", "=1"] {
            assert!(wrong.parse::<BudgetWanted>().is_err(), "{wrong}");
        }
    }
}
