//! The rows of sums counted again, from the settlements that a verification passes.

use super::Record;
use super::follower::{cursor, kept};
use super::layout::day_key;
use super::rollup::{Kept, Rows, cursor_key, day_of, row_value};
use super::store::{Area, StoreError, View};
use crate::account::Event;
use crate::id::AccountId;

/// What the rows should be.
pub(super) struct Recount {
    cursor: u64,
    kept: Kept,
    /// Of the account that is being passed.
    rows: Rows,
    /// Rows that were found in their place, of all accounts so far.
    found: u64,
}

impl Recount {
    pub(super) fn new(view: &View<'_>) -> Result<Self, StoreError> {
        let (cursor, kept) = (cursor(view)?, kept(view)?);
        Ok(Self { cursor, kept, rows: Rows::default(), found: 0 })
    }

    /// From when on records and rows must be there.
    pub(super) fn kept(&self) -> Kept {
        self.kept
    }

    /// Takes the account's next event.
    pub(super) fn event(&mut self, sequence: u64, record: &Record) {
        if let Event::Settled(bill) = &record.event
            && sequence <= self.cursor
            && day_of(record.at_ms) >= self.kept.rollups_from_day
        {
            self.rows.add(record.account, record.at_ms, bill);
        }
    }

    /// Compares the rows of the account that was passed; says what does not agree.
    pub(super) fn leave(
        &mut self,
        view: &View<'_>,
        account: AccountId,
    ) -> Result<Option<String>, StoreError> {
        let mut rows = std::mem::take(&mut self.rows).0;
        let first = day_key(account, self.kept.rollups_from_day);
        let last = [account.0.to_be_bytes().as_slice(), &[0xff; 21]].concat();
        let mut wrong = 0;
        for pair in view.between(Area::Rollups, &first, &last) {
            let (key, value) = pair?;
            self.found += 1;
            let expected = <[u8; 28]>::try_from(&*key).ok().and_then(|key| rows.remove(&key));
            let is_right = expected.is_some_and(|(of, sums)| row_value(of, &sums) == *value);
            wrong += usize::from(!is_right);
        }
        wrong += rows.len();
        let what = || format!("{wrong} daily sums of usage are not those of the settlements");
        Ok((wrong > 0).then(what))
    }

    /// What is wrong with the whole, the journal of which ends with `last`.
    pub(super) fn end(&self, view: &View<'_>, last: u64) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        if self.cursor > last {
            faults
                .push(format!("`rollups` is at event {}, and the last one is {last}", self.cursor));
        }
        let mut found = 0;
        for pair in view.from(Area::Rollups, &[]) {
            let (key, _) = pair?;
            let day = key.split_first_chunk::<8>().and_then(|(_, rest)| rest.first_chunk());
            let is_kept =
                day.is_some_and(|day| u32::from_be_bytes(*day) >= self.kept.rollups_from_day);
            found += u64::from(is_kept && *key != cursor_key());
        }
        if found != self.found {
            faults.push(format!("`rollups` has {found} entries, not {}", self.found));
        }
        Ok(faults)
    }
}
