//! Spend budgets: how much may be spent in a day, a week, a month or in total, and how much was. Pure.
//!
//! What is spent is the fold of the settlements, each counted in the periods that it was written in.
//! It is counted from the moment on that a key, or an account, is given its first budget, and in every
//! period then, so that budgets of other periods can follow without beginning at nothing.
//!
//! What is spent and held is at no moment more than a budget, unless the budget was made smaller than it
//! was then: what had begun may go on as far as it was covered, and nothing is added until there is room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Denial, Period, Scope};
use crate::money::NanoUsd;

/// How much may be spent in each period of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// How long it lasts.
    pub period: Period,
    /// How much.
    pub limit: NanoUsd,
}

/// A budget as it is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    /// The budget.
    pub budget: Budget,
    /// What was spent of it.
    pub spent: NanoUsd,
    /// What open holds may still spend.
    pub held: NanoUsd,
    /// When it is whole again, in milliseconds since 1970.
    pub resets_at_ms: Option<u64>,
}

/// What one account or one key has spent in the newest period of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spending([Spent; 4]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Spent {
    /// When the period began.
    began_at_ms: u64,
    amount: NanoUsd,
}

/// What the tightest of some budgets leaves for new holds, and the refusal where that is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) left: NanoUsd,
    pub(super) denial: Denial,
}

/// Budgets, and what is counted for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    pub(super) budgets: &'a [Budget],
    pub(super) spending: &'a Spending,
}

impl Spending {
    /// When the newest period of a kind began, and what was spent in it.
    pub(super) fn newest(&self, period: Period) -> (u64, NanoUsd) {
        let mut known = Period::ALL.into_iter().zip(&self.0);
        let newest = known.find(|(known, _)| *known == period).map(|(_, spent)| spent);
        newest.map_or((0, NanoUsd::ZERO), |spent| (spent.began_at_ms, spent.amount))
    }

    /// Counts a settlement.
    pub(super) fn add(&mut self, amount: NanoUsd, at_ms: u64) {
        for (period, spent) in Period::ALL.into_iter().zip(&mut self.0) {
            let began_at_ms = period.began_at_ms(at_ms);
            // Not where the machine's clock was set back: no budget is whole again by that.
            if began_at_ms > spent.began_at_ms {
                *spent = Spent { began_at_ms, amount: NanoUsd::ZERO };
            }
            spent.amount = spent.amount.saturating_add(amount);
        }
    }

    /// What was spent in the `period` of now.
    fn of(&self, period: Period, now_ms: u64) -> NanoUsd {
        let mut known = Period::ALL.into_iter().zip(&self.0);
        let spent = known.find(|(known, _)| *known == period).map(|(_, spent)| spent);
        let current = spent.filter(|spent| spent.began_at_ms >= period.began_at_ms(now_ms));
        current.map_or(NanoUsd::ZERO, |spent| spent.amount)
    }

    /// A budget, with `held` set aside.
    pub(super) fn view(&self, budget: Budget, held: NanoUsd, now_ms: u64) -> BudgetView {
        let spent = self.of(budget.period, now_ms);
        let resets_at_ms = budget.period.ends_at_ms(now_ms);
        BudgetView { budget, spent, held, resets_at_ms }
    }

    /// What `budgets` leave for new holds when `held` is set aside already. All that is held counts,
    /// whenever it was taken: it will be spent in the period that it is settled in.
    pub(super) fn room(
        &self,
        scope: Scope,
        budgets: &[Budget],
        held: NanoUsd,
        now_ms: u64,
    ) -> Option<Room> {
        let rooms = budgets.iter().map(|budget| {
            let view = self.view(*budget, held, now_ms);
            let taken = view.spent.saturating_add(held);
            Room {
                left: budget.limit.saturating_sub(taken).max(NanoUsd::ZERO),
                denial: Denial::BudgetExceeded {
                    scope,
                    period: budget.period,
                    limit: budget.limit,
                    resets_at_ms: view.resets_at_ms,
                },
            }
        });
        rooms.reduce(Room::tighter)
    }
}

impl Room {
    /// The one with less left; of two with as much, the one that takes longer to be whole again.
    pub(super) fn tighter(self, other: Self) -> Self {
        let key = |room: &Self| match room.denial {
            Denial::BudgetExceeded { resets_at_ms, .. } => {
                (room.left, std::cmp::Reverse(resets_at_ms.unwrap_or(u64::MAX)))
            }
            _ => (room.left, std::cmp::Reverse(0)),
        };
        if key(&other) < key(&self) { other } else { self }
    }
}

/// Whether some budgets can be: each at least nothing, and one of each kind.
pub(super) fn check(budgets: &[Budget]) -> Result<(), Denial> {
    let is_double = |(place, budget): (usize, &Budget)| {
        budgets.iter().take(place).any(|other| other.period == budget.period)
    };
    let wrong = budgets.iter().any(|budget| budget.limit.is_negative())
        || budgets.iter().enumerate().any(is_double);
    if wrong { Err(Denial::BadBudget) } else { Ok(()) }
}
