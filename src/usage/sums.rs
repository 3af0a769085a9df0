//! Sums over settled exchanges, by group. Pure.

use std::collections::BTreeMap;

use infergate_actors::account::Settlement;
use infergate_actors::ledger::{Sums, UsageEntry};

use super::ask::Whose;
use super::column::{Columns, Value};
use super::filter::Filter;
use super::group::{GroupBy, Placed};
use super::row::tokens;
use crate::operate::amount::usd;

/// More groups are not answered: they would be a list of their own.
pub(super) const GROUPS_MAX: usize = 10_000;

/// There would be more groups than are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Sums by group.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    by: Vec<GroupBy>,
    whose: Whose,
    sums: BTreeMap<Vec<String>, Sums>,
    /// Whether something was left out.
    overflowed: bool,
}

/// A group's names and its sums.
pub(super) struct Group<'g> {
    by: &'g [GroupBy],
    whose: Whose,
    names: &'g [String],
    sums: Sums,
}

impl Groups {
    pub(super) fn new(by: Vec<GroupBy>, whose: Whose) -> Self {
        Self { by, whose, sums: BTreeMap::new(), overflowed: false }
    }

    /// What they are by.
    pub(super) fn by(&self) -> &[GroupBy] {
        &self.by
    }

    /// Adds one exchange.
    pub(super) fn add(&mut self, entry: &UsageEntry, bill: &Settlement) {
        let placed = Placed {
            account: entry.entry.record.account,
            at_ms: entry.at_ms,
            of: infergate_actors::ledger::Dimensions::of(bill),
            user: bill.record.user.as_deref(),
            client: bill.record.client,
        };
        self.add_sums(&placed, &Sums::of(bill));
    }

    /// Adds those of some exchanges that a filter takes.
    pub(super) fn add_all(&mut self, filter: &Filter, entries: &[UsageEntry]) {
        for entry in entries {
            if let Some(bill) = filter.bill(entry) {
                self.add(entry, bill);
            }
        }
    }

    /// Adds the sums of exchanges that belong together.
    pub(super) fn add_sums(&mut self, placed: &Placed<'_>, sums: &Sums) {
        let names: Vec<String> = self.by.iter().map(|by| by.of(placed)).collect();
        if self.sums.len() == GROUPS_MAX && !self.sums.contains_key(&names) {
            self.overflowed = true;
            return;
        }
        self.sums.entry(names).or_default().add(sums);
    }

    /// Refuses where something was left out.
    pub(super) fn check(&self) -> Result<(), TooMany> {
        if self.overflowed { Err(TooMany) } else { Ok(()) }
    }

    /// The groups in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        let Self { by, whose, sums, .. } = self;
        sums.iter().map(|(names, sums)| Group { by, whose: *whose, names, sums: *sums })
    }

    /// The group that nothing is in, for the names of its columns.
    pub(super) fn nothing(&self) -> Group<'_> {
        Group { by: &self.by, whose: self.whose, names: &[], sums: Sums::default() }
    }
}

impl Columns for Group<'_> {
    fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
        let Self { by, whose, names, sums } = self;
        for (nth, by) in by.iter().enumerate() {
            tell(by.name(), Value::text(Some(names.get(nth).map_or("", String::as_str))));
        }
        tell("requests", Value::Number(sums.requests.into()));
        tell("estimated", Value::Number(sums.estimated.into()));
        for (name, count) in tokens(&sums.usage) {
            tell(name, Value::Number(count.into()));
        }
        tell("attempts", Value::Number(sums.attempts.into()));
        tell("first_content_ms", Value::Number(sums.first_content_ms.into()));
        tell("first_contents", Value::Number(sums.first_contents.into()));
        tell("total_ms", Value::Number(sums.total_ms.into()));
        tell("charged_usd", Value::owned(&usd(sums.charged)));
        tell("charged_nano_usd", Value::Number(sums.charged));
        if *whose == Whose::Operator {
            tell("absorbed_nano_usd", Value::Number(sums.absorbed));
            tell("provider_cost_usd", Value::owned(&usd(sums.provider_cost)));
            tell("provider_cost_nano_usd", Value::Number(sums.provider_cost));
            tell("margin_nano_usd", Value::Number(sums.charged - sums.provider_cost));
        }
    }
}
