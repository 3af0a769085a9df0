//! What an account is to be watched for. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::Denial;
use crate::money::NanoUsd;

/// Thresholds of one kind, at most.
const THRESHOLDS_MAX: usize = 16;
/// What is told of budgets where nothing else is asked for.
const PERCENT_DEFAULT: [u8; 3] = [50, 80, 100];
const MINUTE_MS: u64 = 60_000;
const YEAR_MS: u64 = 366 * 24 * 60 * MINUTE_MS;

/// What an account is to be watched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WatchSettings {
    /// Balances; rising. One that the balance falls below is told.
    pub low_balance: Vec<NanoUsd>,
    /// Percentages of every budget of the account and its keys; rising. One that is reached is told.
    pub budget_percent: Vec<u8>,
    /// When the account is to be topped up, and by how much.
    pub top_up: Option<AutoTopUp>,
}

/// When an account is to be topped up, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutoTopUp {
    /// A balance below this makes one due.
    pub threshold: NanoUsd,
    /// How much is to be paid.
    pub amount: NanoUsd,
    /// The most that may be paid so in a month; `None`: without limit.
    pub month_max: Option<NanoUsd>,
    /// How long one is waited for, in milliseconds.
    pub lasts_ms: u64,
}

impl WatchSettings {
    /// Whether they can be; puts thresholds in order.
    pub(super) fn checked(mut self) -> Result<Self, Denial> {
        self.low_balance.sort_unstable();
        self.low_balance.dedup();
        self.budget_percent.sort_unstable();
        self.budget_percent.dedup();
        let fit = self.low_balance.len() <= THRESHOLDS_MAX
            && self.budget_percent.len() <= THRESHOLDS_MAX
            && self.low_balance.iter().all(|threshold| threshold.is_positive())
            && self.budget_percent.iter().all(|percent| (1..=100).contains(percent))
            && self.top_up.as_ref().is_none_or(AutoTopUp::can_be);
        if fit { Ok(self) } else { Err(Denial::BadWatch) }
    }
}

impl AutoTopUp {
    fn can_be(&self) -> bool {
        let Self { threshold, amount, month_max, lasts_ms } = self;
        threshold.is_positive()
            && amount.is_positive()
            && month_max.is_none_or(|most| most >= *amount)
            && (MINUTE_MS..=YEAR_MS).contains(lasts_ms)
    }
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { low_balance: Vec::new(), budget_percent: PERCENT_DEFAULT.to_vec(), top_up: None }
    }
}

/// The percentages that hold where an account has no settings.
pub(super) fn default_percent() -> &'static [u8] {
    &PERCENT_DEFAULT
}
