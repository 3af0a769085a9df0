//! Sums of usage as the ledger stood at one moment: the rows up to their cursor, and the settlements
//! behind it, which are in no row yet. Both together are what a walk through all of it would find.

use std::ops::Range;

use super::Digest;
use super::error::{Damage, LedgerError};
use super::follower::{cursor, kept, settled};
use super::handle::Ledger;
use super::layout::{
    account_journal_key, account_of, day_key, read_u64, split_account_journal_key, split_entry,
};
use super::read::{JournalEntry, UsageEntry};
use super::rollup::{Kept, Rollup, cursor_key};
use super::store::{Area, Moment, View};
use crate::id::AccountId;

/// The ledger as it stood at one moment. It is read in steps that each look at a bounded number of
/// entries, so that who reads much can take turns with others; all of them see the same moment.
pub struct Standing {
    ledger: Ledger,
    moment: Moment,
    /// The last event that is in the rows.
    cursor: u64,
    kept: Kept,
}

/// A place among the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlace(Vec<u8>);

impl Ledger {
    /// The ledger with everything appended before this call. Blocks.
    pub fn standing(&self) -> Result<Standing, LedgerError> {
        self.settle()?;
        let moment = self.store().moment();
        let view = self.store().view_at(&moment);
        let (cursor, kept) = (cursor(&view)?, kept(&view)?);
        Ok(Standing { ledger: self.clone(), moment, cursor, kept })
    }

    /// From when on records and rows are kept. Never waits.
    pub fn kept(&self) -> Kept {
        self.shared().kept.get()
    }

    /// Brings the rows up to everything appended before this call, and takes out what is too old.
    /// The ledger does so by itself, a little later. Blocks.
    pub fn roll_up(&self) -> Result<(), LedgerError> {
        self.settle()?;
        self.follower().catch_up()
    }
}

impl Standing {
    /// From when on records and rows are kept.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Tells `take` the rows of some days, of one account or of all, from a place on, looking at up to
    /// `looks` of them or of accounts without any. Gives the place to go on from. Blocks.
    pub fn rows(
        &self,
        account: Option<AccountId>,
        days: &Range<u32>,
        from: Option<RowPlace>,
        looks: usize,
        take: &mut dyn FnMut(&Rollup<'_>),
    ) -> Result<Option<RowPlace>, LedgerError> {
        let days = days.start.max(self.kept.rollups_from_day)..days.end;
        let view = self.view();
        let first = || RowPlace(day_key(account.unwrap_or(AccountId(1)), days.start).to_vec());
        let mut place = Some(from.unwrap_or_else(first));
        let mut left = looks.max(1);
        while let Some(RowPlace(from)) = place.take() {
            if left == 0 {
                return Ok(Some(RowPlace(from)));
            }
            let of = account_of(&from).unwrap_or(AccountId(u64::MAX));
            // No key is as short as this end, so the end itself is none.
            let end = day_key(of, days.end);
            let mut last = None;
            for pair in view.between(Area::Rollups, &from, &end).take(left) {
                let (key, value) = pair?;
                left -= 1;
                let row = Rollup::read(&key, &value).ok_or_else(|| self.unreadable(of))?;
                take(&row);
                last = Some(key);
            }
            place = match last {
                Some(last) if left == 0 => Some(RowPlace([&last, [0].as_slice()].concat())),
                _ if account.is_some() => None,
                _ => {
                    left = left.saturating_sub(1);
                    next_account(&view, of)?.map(|of| RowPlace(day_key(of, days.start).to_vec()))
                }
            };
        }
        Ok(None)
    }

    /// Tells `take` the settlements that are in no row yet, of one account or of all, in no order, from
    /// a place on, looking at up to `looks` events. Gives the place to go on from. Blocks.
    pub fn behind(
        &self,
        account: Option<AccountId>,
        from: Option<u64>,
        looks: usize,
        take: &mut dyn FnMut(&UsageEntry),
    ) -> Result<Option<u64>, LedgerError> {
        match account {
            Some(account) => self.behind_of(account, from, looks, take),
            None => self.behind_all(from, looks, take),
        }
    }

    /// From the account's last event back: `from` is the first number that was looked at.
    fn behind_of(
        &self,
        account: AccountId,
        from: Option<u64>,
        looks: usize,
        take: &mut dyn FnMut(&UsageEntry),
    ) -> Result<Option<u64>, LedgerError> {
        let view = self.view();
        let last = from.map_or(u64::MAX, |from| from.saturating_sub(1));
        let [first, last] = [0, last].map(|number| account_journal_key(account, number));
        let mut looked = None;
        for pair in view.between(Area::AccountJournal, &first, &last).rev().take(looks) {
            let (key, value) = pair?;
            let sequence = read_u64(&value).ok_or_else(|| self.unreadable(account))?;
            if sequence <= self.cursor {
                return Ok(None);
            }
            let missing =
                || self.ledger.damaged(Damage::Index { index: "account_journal", sequence });
            let entry = view.get(Area::Journal, &value)?.ok_or_else(missing)?;
            if let Some(entry) = usage_entry(sequence, &entry)? {
                take(&entry);
            }
            looked = split_account_journal_key(&key).map(|(_, number)| number);
        }
        Ok(looked)
    }

    /// From the cursor on: `from` is the last event that was looked at.
    fn behind_all(
        &self,
        from: Option<u64>,
        looks: usize,
        take: &mut dyn FnMut(&UsageEntry),
    ) -> Result<Option<u64>, LedgerError> {
        let view = self.view();
        let first = from.unwrap_or(self.cursor).saturating_add(1);
        let mut looked = None;
        for pair in view.from(Area::Journal, &first.to_be_bytes()).take(looks) {
            let (key, value) = pair?;
            looked = read_u64(&key);
            if let Some(entry) = usage_entry(looked.unwrap_or_default(), &value)? {
                take(&entry);
            }
        }
        Ok(looked)
    }

    fn view(&self) -> View<'_> {
        self.ledger.store().view_at(&self.moment)
    }

    fn unreadable(&self, account: AccountId) -> LedgerError {
        self.ledger.damaged(Damage::Value { what: format!("a row of sums of {account}") })
    }
}

/// The next account that has rows.
fn next_account(view: &View<'_>, account: AccountId) -> Result<Option<AccountId>, LedgerError> {
    let Some(next) = account.0.checked_add(1) else { return Ok(None) };
    let first = day_key(AccountId(next), 0);
    let Some(pair) = view.from(Area::Rollups, &first).next() else { return Ok(None) };
    let (key, _) = pair?;
    Ok(account_of(&key).filter(|_| *key != cursor_key()))
}

fn usage_entry(sequence: u64, value: &[u8]) -> Result<Option<UsageEntry>, LedgerError> {
    let Some(record) = settled(value)? else { return Ok(None) };
    let Some((chain, bytes)) = split_entry(value) else { return Ok(None) };
    let entry = JournalEntry { sequence, chain, digest: Digest::of(bytes), record };
    Ok(UsageEntry::of(entry))
}
