//! What an account is watched for: thresholds that somebody wants to hear of, the automatic top-up, and
//! where its owner wants to hear of it. Pure.
//!
//! | file | |
//! | --- | --- |
//! | `settings` | what is asked for |
//! | `webhook` | the account's own webhooks |
//! | `due` | what is to be told now |
//! | `orders` | what may be changed |
//!
//! Told is what is written: a threshold that was crossed is known by its event, so that a restart tells
//! nothing twice and forgets nothing. It is decided in the same batch as what crosses it.

mod due;
mod orders;
#[cfg(test)]
mod random;
mod settings;
mod webhook;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Period;
use crate::id::{KeyId, ProjectId, TopUpId, WebhookId};
use crate::money::NanoUsd;

pub(super) use due::{Due, Touched};
pub use orders::WatchOrder;
#[cfg(test)]
pub(crate) use random::watch_event;
pub use settings::{AutoTopUp, WatchSettings};
pub use webhook::{Webhook, WebhookChange};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEvent {
    /// It is watched for something else.
    SettingsChanged {
        /// What for, from here on.
        settings: WatchSettings,
    },
    /// So much of a budget is spent, or a request was refused for it: once in each of its periods.
    BudgetReached(BudgetReached),
    /// The balance fell below a threshold: once, until it is above it again.
    BalanceLow {
        /// Which.
        threshold: NanoUsd,
        /// What was left, open holds included.
        balance: NanoUsd,
    },
    /// The account's means of payment is to be charged, and the payment to name this.
    TopUpDue(TopUp),
    /// A top-up is not waited for any more.
    TopUpEnded {
        /// Which.
        top_up: TopUpId,
        /// How it ended.
        end: TopUpEnd,
    },
    /// A webhook was made, or changed.
    WebhookSet {
        /// As it is from here on.
        webhook: Webhook,
    },
    /// A webhook was removed.
    WebhookRemoved {
        /// Which.
        webhook: WebhookId,
    },
}

/// So much of a budget is spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReached {
    /// Whose budget.
    pub whose: BudgetOwner,
    /// Of which kind of period.
    pub period: Period,
    /// When this period began, in milliseconds since 1970.
    pub began_at_ms: u64,
    /// The threshold, in percent of the budget.
    pub percent: u8,
    /// The budget.
    pub limit: NanoUsd,
    /// What was spent of it.
    pub spent: NanoUsd,
    /// Whether a request was refused for it, and that is why.
    pub refused: bool,
}

/// Whose a budget is. Variants are only ever added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetOwner {
    /// The account's.
    Account,
    /// A key's.
    Key(KeyId),
    /// A project's.
    Project(ProjectId),
}

/// A top-up that somebody has to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUp {
    /// Its number in the account.
    pub id: TopUpId,
    /// How much is to be paid.
    pub amount: NanoUsd,
    /// The threshold that the balance fell below.
    pub threshold: NanoUsd,
    /// What was left then, open holds included.
    pub balance: NanoUsd,
    /// Since when, in milliseconds since 1970.
    pub due_at_ms: u64,
    /// Until when it is waited for, in milliseconds since 1970.
    pub lapses_at_ms: u64,
}

/// How a top-up ended. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopUpEnd {
    /// A payment named it.
    Paid {
        /// What the payment is known by.
        payment: String,
    },
    /// Whoever was to carry it out says that it can't be.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody said anything in time.
    Lapsed,
}

/// What one account is watched for. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    settings: WatchSettings,
    /// What was told last of each budget.
    reached: BTreeMap<(BudgetOwner, Period), Told>,
    /// The balance thresholds told and not passed upwards since.
    low: Vec<NanoUsd>,
    top_ups: TopUps,
    webhooks: Vec<Webhook>,
    webhooks_made: u32,
}

/// What was told of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    began_at_ms: u64,
    /// A budget that is given another limit is another budget.
    limit: NanoUsd,
    /// The highest threshold that was reached by what is spent.
    percent: u8,
    /// Whether a request was refused for it.
    refused: bool,
}

/// The account's top-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TopUps {
    made: u32,
    pending: Option<TopUp>,
    /// Whether no other one is due before the balance was above the threshold: the last one failed, or
    /// is not over.
    is_spent: bool,
    /// Whether none is due before that either because the balance fell below it when money went back:
    /// what was just paid back is not charged again.
    went_back: bool,
    /// The newest month that any was due in, and what those that did not fail come to.
    month_began_at_ms: u64,
    month: NanoUsd,
}

/// An account's watch, as it is at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchView {
    /// What is asked for.
    pub settings: WatchSettings,
    /// The top-up that is waited for.
    pub top_up: Option<TopUp>,
    /// Its own webhooks.
    pub webhooks: Vec<Webhook>,
}

impl Watch {
    /// Folds one fact in.
    pub(super) fn fold(&mut self, event: &WatchEvent) -> Result<(), &'static str> {
        match event {
            WatchEvent::SettingsChanged { settings } => {
                let is_same = settings.top_up == self.settings.top_up;
                self.top_ups.is_spent &= is_same;
                self.top_ups.went_back &= is_same;
                self.low.retain(|threshold| settings.low_balance.contains(threshold));
                self.settings = settings.clone();
            }
            WatchEvent::BudgetReached(reached) => self.reach(reached),
            WatchEvent::BalanceLow { threshold, .. } => self.low.push(*threshold),
            WatchEvent::TopUpDue(top_up) => self.top_ups.begin(*top_up)?,
            WatchEvent::TopUpEnded { top_up, end } => self.top_ups.end(*top_up, end)?,
            WatchEvent::WebhookSet { webhook } => self.set_webhook(webhook),
            WatchEvent::WebhookRemoved { webhook } => {
                let before = self.webhooks.len();
                self.webhooks.retain(|known| known.id != *webhook);
                if self.webhooks.len() == before {
                    return Err("it removes a webhook that does not exist");
                }
            }
        }
        Ok(())
    }

    fn reach(&mut self, reached: &BudgetReached) {
        let BudgetReached { whose, period, began_at_ms, percent, limit, refused, .. } = *reached;
        let new = Told { began_at_ms, limit, percent: 0, refused: false };
        let told = self.reached.entry((whose, period)).or_insert(new);
        if (told.began_at_ms, told.limit) != (began_at_ms, limit) {
            *told = new;
        }
        if refused {
            told.refused = true;
        } else {
            told.percent = percent;
        }
    }

    /// A key's budgets are told of no more.
    pub(super) fn revoked(&mut self, key: KeyId) {
        self.reached.retain(|(whose, _), _| *whose != BudgetOwner::Key(key));
    }

    /// Follows any event: what has been above its threshold may be told again.
    pub(super) fn rearm(&mut self, balance: NanoUsd) {
        if !self.low.is_empty() {
            self.low.retain(|threshold| balance < *threshold);
        }
        if self.top_ups.is_spent || self.top_ups.went_back {
            let is_below = self.is_below(balance);
            self.top_ups.is_spent &= is_below;
            self.top_ups.went_back &= is_below;
        }
    }

    /// Money went back, and left less than before.
    pub(super) fn went_back(&mut self, before: NanoUsd, balance: NanoUsd) {
        self.top_ups.went_back |= !self.is_below(before) && self.is_below(balance);
    }

    /// Whether a balance is below what makes a top-up due.
    fn is_below(&self, balance: NanoUsd) -> bool {
        self.settings.top_up.is_some_and(|top_up| balance < top_up.threshold)
    }

    pub(super) fn view(&self) -> WatchView {
        WatchView {
            settings: self.settings.clone(),
            top_up: self.top_ups.pending,
            webhooks: self.webhooks.clone(),
        }
    }
}

impl TopUps {
    fn begin(&mut self, top_up: TopUp) -> Result<(), &'static str> {
        if self.pending.is_some() {
            return Err("a top-up is due while another one is");
        }
        (self.made, self.pending) = (self.made.max(top_up.id.0), Some(top_up));
        self.is_spent = true;
        let began_at_ms = Period::Month.began_at_ms(top_up.due_at_ms);
        // Not where the machine's clock was set back.
        if began_at_ms > self.month_began_at_ms {
            (self.month_began_at_ms, self.month) = (began_at_ms, NanoUsd::ZERO);
        }
        self.month = self.month.saturating_add(top_up.amount);
        Ok(())
    }

    fn end(&mut self, id: TopUpId, end: &TopUpEnd) -> Result<(), &'static str> {
        let top_up = self.pending.take_if(|pending| pending.id == id);
        let top_up = top_up.ok_or("it ends a top-up that is not due")?;
        match end {
            // What is not paid leaves room in its month, which is the newest: no other one was due since.
            TopUpEnd::Failed { .. } => {
                self.month = self.month.saturating_sub(top_up.amount).max(NanoUsd::ZERO);
            }
            // One that lapsed may have been lost, so another one may be due. It may be paid late, so its
            // month stays.
            TopUpEnd::Paid { .. } | TopUpEnd::Lapsed => self.is_spent = false,
        }
        Ok(())
    }
}

impl TopUpEnd {
    /// Its name, as it is written everywhere.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Paid { .. } => "paid",
            Self::Failed { .. } => "failed",
            Self::Lapsed => "lapsed",
        }
    }
}

impl fmt::Display for BudgetOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("account"),
            Self::Key(key) => key.fmt(f),
            Self::Project(project) => project.fmt(f),
        }
    }
}
