//! Sums over settled exchanges, by day, hour, model, key, project, user or provider. Pure.

use std::collections::BTreeMap;

use infergate_actors::account::Settlement;
use infergate_actors::ledger::UsageEntry;
use infergate_actors::money::Usage;

use super::ask::{GroupBy, Whose};
use super::calendar::{day_text, hour_text};
use super::column::{Columns, Value};
use super::row::{provider, provider_cost, served, tokens};
use crate::operate::amount::{usd, wide};

/// More groups are not answered: they would be a list of their own.
pub(super) const GROUPS_MAX: usize = 10_000;

/// There would be more groups than are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Sums by group.
pub(super) struct Groups {
    by: GroupBy,
    whose: Whose,
    sums: BTreeMap<String, Sums>,
}

/// Sums over some exchanges; amounts in nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) requests: u64,
    estimated: u64,
    usage: Usage,
    pub(super) charged: i128,
    absorbed: i128,
    provider_cost: i128,
}

/// A group's name and its sums.
pub(super) struct Group<'g> {
    by: GroupBy,
    whose: Whose,
    name: &'g str,
    sums: &'g Sums,
}

impl Groups {
    pub(super) fn new(by: GroupBy, whose: Whose) -> Self {
        Self { by, whose, sums: BTreeMap::new() }
    }

    /// Adds one exchange.
    pub(super) fn add(&mut self, entry: &UsageEntry, bill: &Settlement) -> Result<(), TooMany> {
        let name = match self.by {
            GroupBy::Day => day_text(entry.at_ms),
            GroupBy::Hour => hour_text(entry.at_ms),
            GroupBy::Model => served(bill).to_owned(),
            GroupBy::Provider => provider(bill).unwrap_or_default().to_owned(),
            GroupBy::User => bill.record.user.clone().unwrap_or_default(),
            GroupBy::Key => format!("{}/{}", entry.entry.record.account, bill.key),
            GroupBy::Project => match bill.record.project {
                Some(project) => format!("{}/{project}", entry.entry.record.account),
                None => entry.entry.record.account.to_string(),
            },
        };
        if self.sums.len() == GROUPS_MAX && !self.sums.contains_key(&name) {
            return Err(TooMany);
        }
        self.sums.entry(name).or_default().add(bill);
        Ok(())
    }

    /// The groups in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        let Self { by, whose, sums } = self;
        sums.iter().map(|(name, sums)| Group { by: *by, whose: *whose, name, sums })
    }

    /// The group that nothing is in, for the names of its columns.
    pub(super) fn nothing(&self) -> Group<'static> {
        const NOTHING: &Sums = &Sums {
            requests: 0,
            estimated: 0,
            usage: NO_USAGE,
            charged: 0,
            absorbed: 0,
            provider_cost: 0,
        };
        Group { by: self.by, whose: self.whose, name: "", sums: NOTHING }
    }
}

const NO_USAGE: Usage = Usage {
    input: 0,
    cached_input: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    audio_input: 0,
    image_input: 0,
    output: 0,
    reasoning: 0,
    audio_output: 0,
    image_output: 0,
    tool_calls: 0,
};

impl Sums {
    /// Adds one exchange.
    pub(super) fn add(&mut self, bill: &Settlement) {
        self.requests += 1;
        self.estimated += u64::from(bill.estimated);
        self.usage = sum(&self.usage, &bill.usage);
        self.charged += wide(bill.charged);
        self.absorbed += wide(bill.absorbed);
        self.provider_cost += provider_cost(bill);
    }
}

fn sum(one: &Usage, other: &Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        cached_input: one.cached_input.saturating_add(other.cached_input),
        cache_write_5m: one.cache_write_5m.saturating_add(other.cache_write_5m),
        cache_write_1h: one.cache_write_1h.saturating_add(other.cache_write_1h),
        audio_input: one.audio_input.saturating_add(other.audio_input),
        image_input: one.image_input.saturating_add(other.image_input),
        output: one.output.saturating_add(other.output),
        reasoning: one.reasoning.saturating_add(other.reasoning),
        audio_output: one.audio_output.saturating_add(other.audio_output),
        image_output: one.image_output.saturating_add(other.image_output),
        tool_calls: one.tool_calls.saturating_add(other.tool_calls),
    }
}

impl Columns for Group<'_> {
    fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
        let Self { by, whose, name, sums } = self;
        tell(by.name(), Value::text(Some(name)));
        tell("requests", Value::Number(sums.requests.into()));
        tell("estimated", Value::Number(sums.estimated.into()));
        for (name, count) in tokens(&sums.usage) {
            tell(name, Value::Number(count.into()));
        }
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
