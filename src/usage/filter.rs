//! Which settled exchanges are asked for. Pure.

use std::ops::Range;

use infergate_actors::account::{End, Event, Settlement};
use infergate_actors::id::{AccountId, KeyId, ProjectId};
use infergate_actors::ledger::UsageEntry;

use super::row::{provider, served, status};

/// Conditions, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) account: Option<AccountId>,
    pub(crate) key: Option<KeyId>,
    /// The key's project, when the exchange began.
    pub(crate) project: Option<ProjectId>,
    /// The client's own name for its user.
    pub(crate) user: Option<String>,
    /// The public name of the model that answered.
    pub(crate) model: Option<String>,
    /// The provider that answered, or was tried last.
    pub(crate) provider: Option<String>,
    pub(crate) end: Option<End>,
    /// The HTTP status of the last attempt.
    pub(crate) status: Option<u16>,
    /// When it was settled, in milliseconds since 1970.
    pub(crate) span: Range<u64>,
}

impl Filter {
    /// Every settled exchange of an account.
    pub(crate) fn of_account(account: AccountId) -> Self {
        Self {
            account: Some(account),
            key: None,
            project: None,
            user: None,
            model: None,
            provider: None,
            end: None,
            status: None,
            span: 0..u64::MAX,
        }
    }

    /// The bill of an entry that is asked for.
    pub(crate) fn bill<'e>(&self, entry: &'e UsageEntry) -> Option<&'e Settlement> {
        let Event::Settled(bill) = &entry.entry.record.event else { return None };
        let is = |asked: &Option<String>, found: Option<&str>| {
            asked.as_deref().is_none_or(|asked| found == Some(asked))
        };
        let takes = self.span.contains(&entry.at_ms)
            && self.key.is_none_or(|key| key == bill.key)
            && self.project.is_none_or(|project| bill.record.project == Some(project))
            && self.end.is_none_or(|end| end == bill.end)
            && self.status.is_none_or(|asked| status(bill) == Some(asked))
            && is(&self.user, bill.record.user.as_deref())
            && is(&self.model, Some(served(bill)))
            && is(&self.provider, provider(bill));
        takes.then_some(bill)
    }
}
