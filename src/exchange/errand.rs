//! What an exchange is out to get: what is asked, of whom it may be had, and within which bounds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use infergate_actors::account::Permit;
use infergate_actors::clock::Now;
use infergate_actors::id::ExchangeId;
use infergate_actors::money::Markup;

use super::World;
use super::admit::{Caller, Offers, Quote};
use super::attempt::Sending;
use super::belief::Belief;
use super::patience::Patience;
use super::reader::{Broken, Reader, Way};
use crate::catalog::{Model, Target};
use crate::config::{self, Abilities, AfterContent, Place};
use crate::dialect::envelope::Envelope;
use crate::dialect::splice::{self, Edits};
use crate::dialect::wish::Wish;
use crate::route::Asked;

/// However many models a client names, and whatever their routes allow.
const ATTEMPTS_MAX: usize = 32;

/// An exchange's wishes, as long as it may still have to be sent somewhere.
pub(super) struct Errand {
    pub(super) world: Arc<World>,
    /// The model asked for, and behind it those the client takes in its stead.
    pub(super) offers: Offers,
    pub(super) caller: Caller,
    /// How the client narrows where it may go.
    pub(super) wish: Wish,
    /// The client's body.
    pub(super) body: Bytes,
    pub(super) request_id: HeaderValue,
    pub(super) started: Now,
    /// What the client pays, relative to the list price.
    markup: Markup,
    pub(super) quote: Quote,
    /// What one choice may have at most, where the provider is to be told.
    pub(super) ceiling: Option<u64>,
}

/// One target of one of the models that may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which of the errand's offers.
    pub(super) offer: u8,
    pub(super) place: Place,
}

/// How an answer is asked for.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// From its beginning.
    Fresh,
    /// From where it broke off.
    After(&'a Broken, Way),
}

impl Errand {
    pub(super) fn new(
        world: &Arc<World>,
        offers: Offers,
        envelope: &Envelope<'_>,
        (id, started): (ExchangeId, Now),
        (caller, wish): (Caller, Wish),
        quote: Quote,
        permit: &Permit,
    ) -> Self {
        let lowered = permit.completion_tokens_max < quote.completion_tokens_max;
        // What is held for is what the provider is told, or else it could send, and bill, more than
        // was asked of the account. A stream without a ceiling needs none: its hold grows with it.
        let is_told = quote.explicit || lowered || !envelope.stream;
        Self {
            world: Arc::clone(world),
            offers,
            caller,
            wish,
            body: envelope.body().clone(),
            request_id: HeaderValue::try_from(id.to_string())
                .unwrap_or(HeaderValue::from_static("")),
            started,
            markup: permit.markup,
            quote: Quote { explicit: is_told, ..quote },
            ceiling: is_told.then(|| permit.completion_tokens_max / quote.choices.max(1)),
        }
    }

    /// The model of a spot.
    pub(super) fn model(&self, spot: Spot) -> Option<&Arc<Model>> {
        self.offers.get(usize::from(spot.offer))
    }

    /// The target at a spot.
    pub(super) fn target(&self, spot: Spot) -> Option<&Target> {
        self.model(spot)?.target(spot.place)
    }

    /// The request as routes tell requests apart, put to one of the models.
    pub(super) fn asked<'e>(&'e self, envelope: &'e Envelope<'_>, model: &Model) -> Asked<'e> {
        let &Caller { account, key, .. } = &self.caller;
        let wall_ms = self.started.wall_ms;
        let asked = Asked::new(envelope, &self.wish, &model.settings, account, key, wall_ms);
        asked.marked(self.markup)
    }

    /// How long after its beginning an exchange, or the search for a way on, may begin attempts.
    pub(super) fn deadline(&self) -> Duration {
        self.offers.first().map_or(Duration::ZERO, |model| model.settings.route.deadline)
    }

    /// How many attempts may be made, over all models.
    pub(super) fn attempts_max(&self) -> usize {
        let each = self.offers.iter().map(|model| model.settings.route.attempts_max);
        usize::try_from(each.sum::<u32>()).unwrap_or(usize::MAX).min(ATTEMPTS_MAX)
    }

    /// How long each wait of an attempt may be; `last` is the time left where nobody else is left to
    /// be asked.
    pub(super) fn patience(&self, target: &Target, last: Option<Duration>) -> Patience {
        let ceiling = self.ceiling.map_or(self.quote.completion_tokens_max, |most| {
            most.saturating_mul(self.quote.choices.max(1))
        });
        Patience::new(&target.timeouts, ceiling, last)
    }

    /// How many tokens the model of a target takes, prompt and answer together.
    pub(super) fn context_tokens(&self, spot: Spot) -> u64 {
        let model = self.model(spot).map_or(0, |model| model.settings.context_tokens);
        self.settings(spot).and_then(|target| target.context_tokens).unwrap_or(model)
    }

    /// Whether the model of a target goes on from an answer's beginning.
    pub(super) fn takes_prefill(&self, spot: Spot) -> bool {
        self.settings(spot).is_some_and(|target| target.abilities().has(Abilities::PREFILL))
    }

    fn settings(&self, spot: Spot) -> Option<&config::Target> {
        self.model(spot)?.settings.route.target(spot.place)
    }

    /// What is sent to `target`.
    pub(super) fn sending(
        &self,
        envelope: &Envelope<'_>,
        spot: Spot,
        target: &Target,
        start: Start<'_>,
    ) -> Option<Sending<'_>> {
        let prefilled = match start {
            Start::After(broken, Way::Prefill) => Some(broken),
            Start::Fresh | Start::After(_, Way::Rerun) => None,
        };
        // Of several models the ceiling is the largest one's: none is asked for more than it can give.
        let model = self.model(spot)?;
        let own = self.settings(spot).and_then(|target| target.output_tokens_max);
        let own = own.unwrap_or(u64::MAX).min(model.settings.output_tokens_max);
        let ceiling = self.ceiling.map(|most| {
            let most = most.min(own);
            most.saturating_sub(prefilled.map_or(0, Broken::tokens)).max(1)
        });
        let body = splice::apply(
            envelope,
            &Edits {
                model: Some(&target.upstream_model),
                output_ceiling: ceiling,
                ceiling_field: target.provider.ceiling_field,
                include_usage: envelope.stream,
                prefill: prefilled.map(Broken::text),
            },
        );
        let belief = Belief::new(&model.settings, envelope.choices);
        let estimate = self.quote.prompt_tokens_estimate;
        let reader = Reader::new(estimate, belief, envelope.choices, envelope.include_usage);
        let reader = reader.pricing(envelope.include_cost);
        let reader = match start {
            Start::After(broken, way) => reader.after(broken, way),
            Start::Fresh if can_go_on(envelope, model) => reader.keeping(),
            Start::Fresh => reader,
        };
        Some(Sending {
            body,
            stream: envelope.stream,
            reader,
            prompt_tokens_estimate: estimate,
            belief,
            request_id: &self.request_id,
        })
    }
}

/// Whether an answer that breaks off may go on elsewhere: a stream of one choice, where the route says
/// so.
pub(super) fn can_go_on(envelope: &Envelope<'_>, model: &Model) -> bool {
    let wanted = model.settings.route.after_content == AfterContent::Continue;
    wanted && envelope.stream && envelope.choices == 1
}
