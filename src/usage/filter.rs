//! Which settled exchanges are asked for. Pure.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

use infergate_actors::account::{Dialect, End, Event, Finish, Settlement, Source};
use infergate_actors::id::{AccountId, ExchangeId, KeyId, ProjectId};
use infergate_actors::ledger::{Dimensions, UsageEntry};

/// Conditions, all of which must hold; those that are `None` hold always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) account: Option<AccountId>,
    /// When it was settled, in milliseconds since 1970.
    pub(crate) span: Range<u64>,
    pub(crate) kind: Kind,
    pub(crate) detail: Detail,
}

/// Conditions that daily sums can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) key: Option<KeyId>,
    /// The project of the key.
    pub(crate) project: Option<ProjectId>,
    /// The public name of the model that was asked for.
    pub(crate) asked_model: Option<String>,
    /// The public name of the model that answered.
    pub(crate) model: Option<String>,
    /// The provider that answered, or was tried last.
    pub(crate) provider: Option<String>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) end: Option<End>,
    /// The HTTP status of the last attempt.
    pub(crate) status: Option<u16>,
    /// Why the model stopped.
    pub(crate) finish: Option<Finish>,
    /// Where the answer came from.
    pub(crate) source: Option<Source>,
}

/// Conditions that only the records themselves can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) id: Option<ExchangeId>,
    /// The client's own name for its user.
    pub(crate) user: Option<String>,
    /// Where the client was.
    pub(crate) client: Option<IpAddr>,
    pub(crate) streamed: Option<bool>,
    pub(crate) attempts: Option<RangeInclusive<u64>>,
    /// Milliseconds; what has no first content is not within.
    pub(crate) first_content_ms: Option<RangeInclusive<u64>>,
    pub(crate) total_ms: Option<RangeInclusive<u64>>,
}

impl Default for Filter {
    /// Every settled exchange.
    fn default() -> Self {
        let (kind, detail) = (Kind::default(), Detail::default());
        Self { account: None, span: 0..u64::MAX, kind, detail }
    }
}

impl Filter {
    /// The bill of an entry that is asked for.
    pub(crate) fn bill<'e>(&self, entry: &'e UsageEntry) -> Option<&'e Settlement> {
        let Event::Settled(bill) = &entry.entry.record.event else { return None };
        let takes = self.span.contains(&entry.at_ms)
            && self.kind.takes(&Dimensions::of(bill))
            && self.detail.takes(bill);
        takes.then_some(bill)
    }
}

impl Kind {
    pub(super) fn takes(&self, of: &Dimensions<'_>) -> bool {
        is(self.key.as_ref(), Some(&of.key))
            && is(self.project.as_ref(), of.project.as_ref())
            && is(self.asked_model.as_deref(), Some(of.model))
            && is(self.model.as_deref(), Some(of.served()))
            && is(self.provider.as_deref(), of.provider)
            && is(self.dialect.as_ref(), Some(&of.dialect))
            && is(self.end.as_ref(), Some(&of.end))
            && is(self.status.as_ref(), of.status.as_ref())
            && is(self.finish.as_ref(), of.finish.as_ref())
            && is(self.source.as_ref(), Some(&of.source))
    }
}

impl Detail {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn takes(&self, bill: &Settlement) -> bool {
        let record = &bill.record;
        let within = |asked: &Option<RangeInclusive<u64>>, found: Option<u64>| {
            let holds = |asked: &RangeInclusive<u64>| found.is_some_and(|it| asked.contains(&it));
            asked.as_ref().is_none_or(holds)
        };
        is(self.id.as_ref(), Some(&bill.hold))
            && is(self.user.as_deref(), record.user.as_deref())
            && is(self.client.as_ref(), record.client.as_ref())
            && is(self.streamed.as_ref(), Some(&record.streamed))
            && within(&self.attempts, Some(record.attempts.len() as u64))
            && within(&self.first_content_ms, record.first_content_ms.map(u64::from))
            && within(&self.total_ms, Some(record.total_ms.into()))
    }
}

fn is<T: PartialEq + ?Sized>(asked: Option<&T>, found: Option<&T>) -> bool {
    asked.is_none() || asked == found
}
