//! What an account is watched for, as it is asked for and shown. Pure.

use infergate_actors::account::{AutoTopUp, WatchSettings, WatchView};
use infergate_actors::money::NanoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use super::change::Setting;
use crate::notify::{TopUpDue, WatchedFor};
use crate::openapi::pattern;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A change: what is not named stays, and `null` is what holds with nothing said.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "WatchChanges")]
pub(crate) struct WatchUpdate {
    /// Balances; one that the balance falls below is told.
    #[serde(rename = "low_balance_usd")]
    #[schemars(inner(regex(pattern = pattern::USD)))]
    low_balance: Setting<Vec<String>>,
    budget_percent: Setting<Vec<u8>>,
    auto_top_up: Setting<TopUpWanted>,
}

/// The top-ups that are wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AutoTopUpWanted")]
struct TopUpWanted {
    #[schemars(regex(pattern = pattern::USD))]
    threshold_usd: String,
    #[schemars(regex(pattern = pattern::USD))]
    amount_usd: String,
    #[schemars(regex(pattern = pattern::USD))]
    month_max_usd: Option<String>,
    /// How long one is waited for; a day, if it is not said.
    lasts_ms: Option<u64>,
}

/// What an account is watched for, and the top-up that is due.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Watched {
    #[serde(flatten)]
    settings: WatchedFor,
    top_up_due: Option<TopUpDue>,
}

impl Watched {
    /// Of the view its account's actor gave.
    pub(crate) fn of(watch: &WatchView) -> Self {
        let settings = WatchedFor::of(&watch.settings);
        Self { settings, top_up_due: watch.top_up.as_ref().map(TopUpDue::of) }
    }
}

impl WatchUpdate {
    /// What is watched for from here on, where this was.
    pub(crate) fn over(self, before: WatchSettings) -> Result<WatchSettings, Problem> {
        let default = WatchSettings::default();
        let amounts = |list: Vec<String>| {
            list.iter().map(|usd| amount("low_balance_usd", usd)).collect::<Result<Vec<_>, _>>()
        };
        Ok(WatchSettings {
            low_balance: match self.low_balance {
                Setting::Kept => before.low_balance,
                Setting::Set(list) => amounts(list.unwrap_or_default())?,
            },
            budget_percent: match self.budget_percent {
                Setting::Kept => before.budget_percent,
                Setting::Set(list) => list.unwrap_or(default.budget_percent),
            },
            top_up: match self.auto_top_up {
                Setting::Kept => before.top_up,
                Setting::Set(asked) => asked.map(TopUpWanted::read).transpose()?,
            },
        })
    }
}

impl TopUpWanted {
    fn read(self) -> Result<AutoTopUp, Problem> {
        let most = self.month_max_usd.as_deref();
        Ok(AutoTopUp {
            threshold: amount("auto_top_up.threshold_usd", &self.threshold_usd)?,
            amount: amount("auto_top_up.amount_usd", &self.amount_usd)?,
            month_max: most.map(|most| amount("auto_top_up.month_max_usd", most)).transpose()?,
            lasts_ms: self.lasts_ms.unwrap_or(DAY_MS),
        })
    }
}

fn amount(field: &str, usd: &str) -> Result<NanoUsd, Problem> {
    usd.parse().map_err(|error| Problem::invalid(format!("`{field}`: `{usd}` is {error}")))
}
