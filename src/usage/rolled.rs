//! Sums by way of the daily rows: whole days are read from them, with what is behind them walked, and
//! so is what the first and the last day of a span lack to be whole. The answer is what a walk through
//! all of it gives.

use std::ops::Range;
use std::sync::Arc;

use infergate_actors::account::Event;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Dimensions, LedgerError, Rollup, RowPlace, Sums, UsageEntry};

use super::calendar::DAY_MS;
use super::filter::Filter;
use super::group::{GroupBy, Placed};
use super::sums::Groups;
use super::walk::Walk;
use crate::exchange::World;

/// Rows that one step reads.
const ROWS: usize = 10_000;
/// Events behind the rows that one step reads.
const EVENTS: usize = 1_000;

/// A span taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Whole days, counted from 1970-01-01.
    pub(super) days: Range<u32>,
    /// What is left before and behind them, in milliseconds since 1970.
    pub(super) edges: Vec<Range<u64>>,
}

/// Adds a row, or one exchange, to what is being summed up.
pub(super) type Add<T> = fn(&mut T, &Rollup<'_>);

impl Split {
    /// Of a span, for a question that is by these; without whole days where rows can't answer it.
    pub(super) fn of(filter: &Filter, by: &[GroupBy]) -> Self {
        let span = &filter.span;
        let day = |days: u64| u32::try_from(days).unwrap_or(u32::MAX);
        let (first, last) = (span.start.div_ceil(DAY_MS), span.end / DAY_MS);
        let is_daily = filter.detail.is_empty() && by.iter().all(|by| by.is_daily());
        if !is_daily || first >= last {
            return Self { days: 0..0, edges: vec![span.clone()] };
        }
        // What has no end is in rows to its end.
        let is_endless = span.end == u64::MAX;
        let mut edges = Vec::new();
        edges.push(span.start..first * DAY_MS);
        if !is_endless {
            edges.push(last * DAY_MS..span.end);
        }
        edges.retain(|edge| !edge.is_empty());
        let days = day(first)..if is_endless { u32::MAX } else { day(last) };
        Self { days, edges }
    }
}

/// Adds up all that a filter takes.
pub(super) async fn groups(
    world: &Arc<World>,
    filter: Filter,
    groups: Groups,
) -> Result<Groups, LedgerError> {
    let Split { days, edges } = Split::of(&filter, groups.by());
    let filter = Arc::new(filter);
    let mut groups = groups;
    if !days.is_empty() {
        let account = filter.account;
        let taking = (groups, Arc::clone(&filter));
        let add: Add<(Groups, Arc<Filter>)> = |(groups, filter), row| {
            if filter.kind.takes(&row.of) {
                let at_ms = u64::from(row.day) * DAY_MS;
                let Rollup { account, of, .. } = *row;
                let placed = Placed { account, at_ms, of, user: None, client: None };
                groups.add_sums(&placed, &row.sums);
            }
        };
        (groups, _) = fold(world, account, days, taking, add).await?;
    }
    for edge in edges {
        let mut walk = Walk::new(world, Filter { span: edge, ..(*filter).clone() }, None);
        while let Some(found) = walk.next().await? {
            groups.add_all(walk.filter(), &found);
            if groups.check().is_err() {
                break;
            }
        }
    }
    Ok(groups)
}

/// Adds up all rows of some days, and the exchanges that are in no row yet.
pub(super) async fn fold<T: Send + 'static>(
    world: &Arc<World>,
    account: Option<AccountId>,
    days: Range<u32>,
    mut sum: T,
    add: Add<T>,
) -> Result<T, LedgerError> {
    let standing = Arc::new(world.accounts.read(infergate_actors::ledger::Ledger::standing).await?);
    let mut place: Option<Option<RowPlace>> = Some(None);
    while let Some(from) = place.take() {
        // As a walk does.
        let _turn = world.reads.acquire().await;
        let (standing, days) = (Arc::clone(&standing), days.clone());
        let reading = world.accounts.read(move |_| {
            let take = &mut |row: &Rollup<'_>| add(&mut sum, row);
            let next = standing.rows(account, &days, from, ROWS, take)?;
            Ok((sum, next))
        });
        let next;
        (sum, next) = reading.await?;
        place = next.map(Some);
    }
    let mut place = Some(None);
    while let Some(from) = place.take() {
        let _turn = world.reads.acquire().await;
        let (standing, days) = (Arc::clone(&standing), days.clone());
        let reading = world.accounts.read(move |_| {
            let take = &mut |entry: &UsageEntry| {
                if let Some(row) = row_of(entry).filter(|row| days.contains(&row.day)) {
                    add(&mut sum, &row);
                }
            };
            let next = standing.behind(account, from, EVENTS, take)?;
            Ok((sum, next))
        });
        let next;
        (sum, next) = reading.await?;
        place = next.map(Some);
    }
    Ok(sum)
}

/// One exchange as a row of its own.
fn row_of(entry: &UsageEntry) -> Option<Rollup<'_>> {
    let Event::Settled(bill) = &entry.entry.record.event else { return None };
    Some(Rollup {
        account: entry.entry.record.account,
        day: u32::try_from(entry.at_ms / DAY_MS).unwrap_or(u32::MAX),
        of: Dimensions::of(bill),
        sums: Sums::of(bill),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::filter::Detail;

    fn split(span: Range<u64>, by: &[GroupBy]) -> Split {
        Split::of(&Filter { span, ..Filter::default() }, by)
    }

    #[test]
    fn a_span_is_whole_days_and_what_is_left_of_others() {
        let by = [GroupBy::Day, GroupBy::Model];
        let one = |edge: Range<u64>| std::iter::once(edge).collect::<Vec<_>>();
        for (span, days, edges) in [
            (0..u64::MAX, 0..u32::MAX, vec![]),
            (2 * DAY_MS..4 * DAY_MS, 2..4, vec![]),
            (
                2 * DAY_MS + 1..4 * DAY_MS + 5,
                3..4,
                vec![2 * DAY_MS + 1..3 * DAY_MS, 4 * DAY_MS..4 * DAY_MS + 5],
            ),
            (5..u64::MAX, 1..u32::MAX, one(5..DAY_MS)),
            (5..2 * DAY_MS - 1, 0..0, one(5..2 * DAY_MS - 1)),
        ] {
            assert_eq!(split(span, &by), Split { days, edges });
        }
        let (whole, walked) = (0..9 * DAY_MS, Split { days: 0..0, edges: one(0..9 * DAY_MS) });
        assert_eq!(split(whole.clone(), &[GroupBy::Hour]), walked);
        let detail = Detail { streamed: Some(true), ..Detail::default() };
        let filter = Filter { span: whole, detail, ..Filter::default() };
        assert_eq!(Split::of(&filter, &by), walked);
    }
}
