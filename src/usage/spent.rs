//! What a key has spent: ever, and since the day, the week and the month began.

use std::sync::Arc;

use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::ledger::LedgerError;

use super::calendar::{DAY_MS, day_begin, month_begin, week_begin};
use super::rolled::{Add, fold};
use crate::exchange::World;

/// Sums in nano-USD. Days, weeks (from Monday on) and months are UTC's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) ever: i128,
    pub(crate) day: i128,
    pub(crate) week: i128,
    pub(crate) month: i128,
}

/// What a key has spent until now.
pub(crate) async fn spent(
    world: &Arc<World>,
    account: AccountId,
    key: KeyId,
    now_ms: u64,
) -> Result<Spent, LedgerError> {
    let add: Add<(Spent, KeyId, u64)> = |(spent, key, now_ms), row| {
        if row.of.key == *key {
            // All periods begin with a day.
            spent.add(u64::from(row.day) * DAY_MS, row.sums.charged, *now_ms);
        }
    };
    let begun = (Spent::default(), key, now_ms);
    let (spent, ..) = fold(world, Some(account), 0..u32::MAX, begun, add).await?;
    Ok(spent)
}

impl Spent {
    fn add(&mut self, at_ms: u64, charged: i128, now_ms: u64) {
        self.ever += charged;
        for (sum, begin) in [
            (&mut self.day, day_begin(now_ms)),
            (&mut self.week, week_begin(now_ms)),
            (&mut self.month, month_begin(now_ms)),
        ] {
            if at_ms >= begin {
                *sum += charged;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::time;
    use super::*;

    #[test]
    fn what_was_spent_counts_from_when_its_period_began() {
        // A Wednesday.
        let now = time("2026-12-02").unwrap() + 5;
        let mut spent = Spent::default();
        for (days_ago, charged) in [(0, 1), (1, 10), (2, 100), (3, 1_000), (300, 10_000)] {
            spent.add(now - days_ago * DAY_MS, charged, now);
        }
        // Monday was the last of November, and the first of December is Tuesday.
        let expected = Spent { ever: 11_111, day: 1, week: 111, month: 11 };
        assert_eq!(spent, expected);
    }
}
