//! Finding one settled exchange by its id, without an index of its own.
//!
//! The index of usage is ordered by the time of settlement. Ids rise with the time at which an
//! exchange began, which its record tells; so the time at which the one looked for began is found by
//! halving, and its settlement not far behind that.

use std::cmp::Ordering;

use super::error::LedgerError;
use super::handle::Ledger;
use super::layout::{split_usage_key, usage_key};
use super::read::UsageEntry;
use super::store::{Area, View};
use crate::account::Event;
use crate::id::{AccountId, ExchangeId, HoldId};

/// An id is given just before the clock is read, and the clock may be set back a little.
const SLACK_MS: u64 = 60_000;
/// An exchange that lasted longer is not found.
const LASTED_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Settlements that are looked at before the search is given up.
const LOOKS_MAX: usize = 1 << 19;

impl Ledger {
    /// An account's settled exchange with this id; `None` where it has none: it is another's, it ended
    /// without a charge, or it has not ended. Blocks.
    pub fn find_usage(
        &self,
        account: AccountId,
        hold: HoldId,
    ) -> Result<Option<UsageEntry>, LedgerError> {
        let view = self.settled_view()?;
        let Some((from_ms, to_ms)) = self.narrowed(&view, account, hold)? else { return Ok(None) };
        let first = usage_key(account, from_ms, ExchangeId(0));
        let last = usage_key(account, to_ms, ExchangeId(u128::MAX));
        for pair in view.between(Area::Usage, &first, &last).take(LOOKS_MAX) {
            let (key, sequence) = pair?;
            if split_usage_key(&key).is_some_and(|(_, found)| found == hold) {
                return self.usage_entry(&view, account, &sequence);
            }
        }
        Ok(None)
    }

    /// Between which times the exchange was settled, if it was.
    fn narrowed(
        &self,
        view: &View<'_>,
        account: AccountId,
        hold: HoldId,
    ) -> Result<Option<(u64, u64)>, LedgerError> {
        let every = [
            usage_key(account, self.kept().records_from_ms, ExchangeId(0)),
            usage_key(account, u64::MAX, ExchangeId(u128::MAX)),
        ];
        let [first, last] = &every;
        let mut index = view.between(Area::Usage, first, last);
        let Some(oldest) = index.next() else { return Ok(None) };
        let newest = index.next_back().unwrap_or_else(|| oldest.clone());
        let at = |key: &[u8]| split_usage_key(key).map_or(0, |(at_ms, _)| at_ms);
        let (mut low, mut high) = (at(&oldest?.0), at(&newest?.0));
        // Between which times it began, and until when it was settled at the latest.
        let (mut began_min, mut began_max) = (low.saturating_sub(LASTED_MS_MAX), high);
        while low < high {
            let middle = low + (high - low) / 2;
            let from = usage_key(account, middle, ExchangeId(0));
            let found = match view.between(Area::Usage, &from, last).next() {
                Some(pair) => self.usage_entry(view, account, &pair?.1)?,
                None => None,
            };
            let Some(found) = found else { break };
            let began = found.began_ms();
            match found.hold.cmp(&hold) {
                Ordering::Equal => return Ok(Some((found.at_ms, found.at_ms))),
                Ordering::Less => {
                    began_min = began_min.max(began);
                    low = found.at_ms.max(middle).saturating_add(1);
                }
                Ordering::Greater => {
                    began_max = began_max.min(began);
                    high = middle;
                }
            }
        }
        let from_ms = began_min.saturating_sub(SLACK_MS);
        let to_ms = began_max.saturating_add(SLACK_MS).saturating_add(LASTED_MS_MAX);
        Ok(Some((from_ms, to_ms)))
    }
}

impl UsageEntry {
    /// When the exchange began, in milliseconds since 1970.
    fn began_ms(&self) -> u64 {
        match &self.entry.record.event {
            Event::Settled(settlement) => settlement.record.started_at_ms,
            _ => self.at_ms,
        }
    }
}
