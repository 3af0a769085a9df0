//! What has happened that somebody outside may want to hear of: pages of notices.

use std::sync::Arc;

use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Ledger, LedgerError};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Problem, page_limit};
use crate::exchange::World;
use crate::notify::{self, Reader, Told};

const PAGE_DEFAULT: usize = 100;
pub(crate) const PAGE_MAX: usize = 1_000;
/// Places that are looked at for one page of those that were asked for.
const LOOKED_AT_MAX: usize = 100_000;
/// Places that are read at a time.
const STEP: usize = 1_000;

/// Which events are asked for.
pub(crate) struct EventsSought {
    account: Option<AccountId>,
    /// None named: all.
    kinds: Vec<String>,
    after: u64,
    limit: usize,
    reader: Reader,
}

/// A page of events in the order in which they happened.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notices")]
pub(crate) struct Events {
    events: Vec<Told>,
    /// The sequence to go on behind, where there may be more.
    next: Option<String>,
}

impl EventsSought {
    /// Those behind a sequence, of one kind if that is said, as they are told to `reader`.
    pub(crate) fn new(
        after: u64,
        limit: Option<usize>,
        kind: Option<String>,
        reader: Reader,
    ) -> Result<Self, Problem> {
        if let Some(kind) = &kind {
            let wrong = |what| Problem::bad_request(format!("`type`: `{kind}` {what}"));
            notify::check_kind(kind).map_err(wrong)?;
        }
        let limit = page_limit(limit, PAGE_DEFAULT, PAGE_MAX)?;
        Ok(Self { account: None, kinds: kind.into_iter().collect(), after, limit, reader })
    }

    /// The same of one account, if one is said.
    pub(crate) fn of(self, account: Option<AccountId>) -> Self {
        Self { account, ..self }
    }

    /// Reads a page of them.
    pub(crate) async fn read(self, world: &Arc<World>) -> Result<Events, LedgerError> {
        let _turn = world.reads.acquire().await;
        world.accounts.read(move |ledger| self.page(ledger)).await
    }

    fn page(&self, ledger: &Ledger) -> Result<Events, LedgerError> {
        let mut events = Vec::new();
        let mut after = self.after;
        for _ in 0..LOOKED_AT_MAX / STEP {
            let notices = ledger.notices(self.account, after, STEP)?;
            let is_last = notices.len() < STEP;
            for notice in notices {
                after = notice.sequence;
                if !notify::matches(&self.kinds, notice.kind.name()) {
                    continue;
                }
                let Some(entry) = ledger.event_at(after)? else { continue };
                events.push(Told::of(&entry, notice.kind, self.reader));
                if events.len() == self.limit {
                    return Ok(Events { events, next: Some(after.to_string()) });
                }
            }
            if is_last {
                return Ok(Events { events, next: None });
            }
        }
        Ok(Events { events, next: Some(after.to_string()) })
    }
}
