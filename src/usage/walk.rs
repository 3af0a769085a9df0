//! Reading on through the index of usage: a step reads a bounded number of records, and no more are
//! ever held.

use std::fmt;
use std::sync::Arc;

use infergate_actors::id::{AccountId, ExchangeId, HoldId};
use infergate_actors::ledger::{Ledger, LedgerError, UsageEntry};

use super::filter::Filter;
use crate::exchange::World;

/// Records, or accounts without any, that one step reads.
const LOOKS: usize = 1_000;

/// A place in the index: all of an account, or all of it behind a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) account: AccountId,
    pub(super) after: Option<(u64, HoldId)>,
}

/// A walk through what a filter takes, in the order of accounts and of settlement.
pub(crate) struct Walk {
    world: Arc<World>,
    filter: Arc<Filter>,
    /// None at the end.
    place: Option<Place>,
}

impl Walk {
    /// A walk from the beginning, or from a place on.
    pub(crate) fn new(world: &Arc<World>, filter: Filter, from: Option<Place>) -> Self {
        // No account has the number 0: the first one comes behind it.
        let first = Place { account: filter.account.unwrap_or(AccountId(0)), after: None };
        let place = Some(from.unwrap_or(first));
        Self { world: Arc::clone(world), filter: Arc::new(filter), place }
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Where it goes on; `None` when it is at its end.
    pub(super) fn place(&self) -> Option<Place> {
        self.place
    }

    /// What the next step finds, which may be nothing; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<UsageEntry>>, LedgerError> {
        let Some(place) = self.place else { return Ok(None) };
        // Who reads much takes turns with others: the store's readers are not to crowd out its writer.
        let _turn = self.world.reads.acquire().await;
        let filter = Arc::clone(&self.filter);
        let read = self.world.accounts.read(move |ledger| step(ledger, &filter, place));
        let (found, next) = read.await?;
        self.place = next;
        Ok(Some(found))
    }
}

fn step(
    ledger: &Ledger,
    filter: &Filter,
    from: Place,
) -> Result<(Vec<UsageEntry>, Option<Place>), LedgerError> {
    let mut found = Vec::new();
    let mut left = LOOKS;
    let mut place = Some(from);
    while let Some(Place { account, after }) = place.filter(|_| left > 0) {
        // No exchange has the number 0 either.
        let after = after.unwrap_or((0, ExchangeId(0)));
        let after = after.max((filter.span.start, ExchangeId(0)));
        let page = ledger.usage_page(account, Some(after), left)?;
        let last = page.last().map(|entry| (entry.at_ms, entry.hold));
        let is_over = page.len() < left || last.is_none_or(|(at_ms, _)| at_ms >= filter.span.end);
        left = left.saturating_sub(page.len().max(1));
        found.extend(page.into_iter().filter(|entry| filter.bill(entry).is_some()));
        place = match filter.account {
            _ if !is_over => Some(Place { account, after: last }),
            Some(_) => None,
            None => ledger
                .account_ids(Some(account), 1)?
                .first()
                .map(|next| Place { account: *next, after: None }),
        };
    }
    Ok((found, place))
}

impl Place {
    /// Behind a settlement.
    pub(super) fn behind(entry: &UsageEntry) -> Self {
        Self { account: entry.entry.record.account, after: Some((entry.at_ms, entry.hold)) }
    }

    /// Reads what its `Display` writes.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = || "`after` is no cursor: it is the `next` of the page before".to_owned();
        let mut parts = text.splitn(3, '.');
        let account = parts.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        let Some(at_ms) = parts.next() else { return Ok(Self { account, after: None }) };
        let at_ms = at_ms.parse().map_err(|_| wrong())?;
        let hold = parts.next().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        Ok(Self { account, after: Some((at_ms, hold)) })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            None => write!(f, "{}", self.account),
            Some((at_ms, hold)) => write!(f, "{}.{at_ms}.{hold}", self.account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_from_its_text() {
        let account = AccountId(7);
        for after in [None, Some((5, ExchangeId(1 << 90)))] {
            let place = Place { account, after };
            assert_eq!(Place::read(&place.to_string()), Ok(place));
        }
        for wrong in ["", "acct_7", "acct_0000000000000007.1", "acct_0000000000000007.x.y"] {
            assert!(Place::read(wrong).is_err(), "{wrong}");
        }
    }
}
