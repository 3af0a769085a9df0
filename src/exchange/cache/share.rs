//! The bill of an answer that was not asked of a provider for this exchange: its account pays a share
//! of the price in force.

use std::net::IpAddr;
use std::sync::Arc;

use infergate_actors::account::{Dialect, End, Finish, Settle, Source, Unavailable, UsageRecord};
use infergate_actors::clock::{Clock, Now};
use infergate_actors::money::{NanoUsd, Rates, Usage};

use super::super::World;
use super::super::bill::millis;
use super::super::settle::OpenHold;
use crate::catalog::Model;
use crate::dialect::envelope::Envelope;

/// All that the end of such an exchange needs.
pub(super) struct Share {
    hold: OpenHold,
    model: Arc<Model>,
    percent: u8,
    clock: Clock,
    started: Now,
    record: UsageRecord,
}

impl Share {
    /// For an exchange that has its first content now.
    pub(super) fn new(
        hold: OpenHold,
        (model, percent): (&Arc<Model>, u8),
        (clock, started): (&Clock, Now),
        (source, client): (Source, Option<IpAddr>),
        envelope: &Envelope<'_>,
    ) -> Self {
        let waited = clock.mono().saturating_sub(started.mono);
        let record = UsageRecord {
            model: model.settings.name.to_string(),
            streamed: envelope.stream,
            started_at_ms: started.wall_ms,
            first_content_ms: Some(millis(waited)),
            source,
            user: envelope.end_user(),
            dialect: Dialect::Openai,
            client,
            ..UsageRecord::default()
        };
        let (model, clock) = (Arc::clone(model), clock.clone());
        Self { hold, model, percent, clock, started, record }
    }

    /// The same, of an answer that stopped for this reason.
    pub(super) fn finished(mut self, finish: Option<Finish>) -> Self {
        self.record.finish = finish;
        self
    }

    pub(super) fn hold(&self) -> &OpenHold {
        &self.hold
    }

    /// Nothing was handed on: nothing is charged.
    pub(super) fn void(self, world: &World, end: End) {
        world.metrics.exchange_failed(end);
        self.hold.void(end);
    }

    /// Charges for what was handed on. Gives what was charged, unless it had ended before.
    pub(super) async fn settle(
        self,
        world: &World,
        usage: Usage,
        estimated: bool,
        end: End,
    ) -> Result<Option<NanoUsd>, Unavailable> {
        let (hold, settle) = self.close(world, usage, estimated, end).ok_or(Unavailable)?;
        hold.settle(settle).await
    }

    /// The same, with nobody waiting for it.
    pub(super) fn settle_detached(self, world: &World, usage: Usage, estimated: bool, end: End) {
        if let Some((hold, settle)) = self.close(world, usage, estimated, end) {
            hold.settle_detached(settle);
        }
    }

    fn close(
        self,
        world: &World,
        usage: Usage,
        estimated: bool,
        end: End,
    ) -> Option<(OpenHold, Settle)> {
        let Self { hold, model, percent, clock, started, mut record } = self;
        record.total_ms = millis(clock.mono().saturating_sub(started.mono));
        let rates = rates(&model, started.wall_ms, &usage, percent);
        let settle = Settle { hold: hold.hold()?, usage, estimated, rates, end, record };
        world.metrics.exchange_ended(end, &settle);
        Some((hold, settle))
    }
}

/// What `percent` of the price in force at `wall_ms` comes to for `usage`.
pub(super) fn rates(model: &Model, wall_ms: u64, usage: &Usage, percent: u8) -> Rates {
    model.settings.price.at(wall_ms).rates(usage.prompt_tokens()).percent(percent)
}
