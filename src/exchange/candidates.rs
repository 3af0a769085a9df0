//! Who may be asked in an exchange, in which order, and whose turn is worth waiting for.

use std::sync::Arc;
use std::time::Duration;

use super::errand::Spot;
use super::reader::Way;
use super::tally::Tally;
use super::tries::{Queue, Search};
use crate::catalog::Model;
use crate::route::{self, TargetState, Unfit};

/// A target that is shut and comes back within this time is worth giving others up for.
const DUE_SOON: Duration = Duration::from_secs(20);

impl Search<'_> {
    /// Who is to be tried in this round, in order.
    pub(super) fn candidates(&self, tally: &Tally) -> Queue {
        let errand = self.errand;
        let now = errand.world.clock.mono();
        let mut queue = Queue::new();
        for (offer, model) in self.offers() {
            let asked = errand.asked(self.envelope, model);
            let facts = |place| model.facts(place, now);
            let dice = errand.world.dice();
            let order = route::order(&model.settings.route, &asked, facts, dice);
            queue.extend(order.into_iter().map(|place| Spot { offer, place }));
        }
        let wish = &errand.wish;
        if !wish.allows_fallbacks() && wish.order.is_empty() && !tally.tried.is_empty() {
            // Other lots in another round would be a fallback too.
            queue.retain(|spot| tally.tried.contains(spot));
        }
        queue.retain(|spot| !tally.silent.contains(spot) && self.may_fit(*spot, tally));
        if tally.has_diverged {
            // What one of them does not repeat, no other is asked to repeat either.
            queue.retain(|spot| self.way(*spot, tally) != Some(Way::Rerun));
        }
        if !tally.tried.is_empty() {
            queue.make_contiguous().sort_by_key(|spot| tally.tried.contains(spot));
        }
        if self.broken.is_some() {
            let rank = |spot: &Spot| {
                (tally.broke.contains(spot), self.way(*spot, tally) == Some(Way::Rerun))
            };
            queue.make_contiguous().sort_by_key(rank);
        }
        queue
    }

    /// Whether anyone else may still be asked in time: then nobody is waited for longer than usual.
    pub(super) fn is_anyone_left(&self, queue: &Queue, tally: &Tally) -> bool {
        let now = self.errand.world.clock.mono();
        let waits_in_queue = queue.iter().any(|spot| {
            let target = self.errand.target(*spot);
            let state = target.map(|target| target.facts(now).state);
            let may_answer = matches!(state, Some(TargetState::Passing | TargetState::ProbeDue));
            may_answer && !tally.tried.contains(spot)
        });
        waits_in_queue
            || self
                .soonest_due(|spot| self.may_come(*spot, tally))
                .is_some_and(|due| due < DUE_SOON)
    }

    /// Whether a target that is shut may be asked when its time has come.
    pub(super) fn may_come(&self, spot: Spot, tally: &Tally) -> bool {
        !tally.silent.contains(&spot) && self.may_fit(spot, tally)
    }

    /// How a target goes on with an answer that broke off; `None` where there is none to go on with.
    pub(super) fn way(&self, spot: Spot, tally: &Tally) -> Option<Way> {
        let broken = self.broken?;
        let is_able = self.errand.takes_prefill(spot) && !tally.no_prefill.contains(&spot);
        // Where the client gave a beginning itself, there would be two.
        let has_one = self.envelope.media.ends_with_assistant;
        let is_prefill = is_able && !has_one && !broken.text().is_empty();
        Some(if is_prefill { Way::Prefill } else { Way::Rerun })
    }

    pub(super) fn may_fit(&self, spot: Spot, tally: &Tally) -> bool {
        tally.too_long_for.is_none_or(|tokens| self.errand.context_tokens(spot) > tokens)
    }

    /// In how long the first of those that are shut or cool down may be asked, if that is in time.
    /// `is_meant` says whose turn is waited for.
    pub(super) fn soonest_due(&self, is_meant: impl Fn(&Spot) -> bool) -> Option<Duration> {
        let errand = self.errand;
        let now = errand.world.clock.mono();
        let left = self.time_left();
        let mut soonest: Option<Duration> = None;
        for (offer, model) in self.offers() {
            for (place, settings) in model.settings.route.targets() {
                let spot = Spot { offer, place };
                let due = errand.target(spot).and_then(|target| target.due_in(now));
                let Some(due) = due.filter(|due| *due < left && is_meant(&spot)) else { continue };
                // Last, as it costs the most: seldom is anyone shut, and every request asks.
                if route::unfit(settings, &errand.asked(self.envelope, model)).is_none() {
                    soonest = Some(soonest.map_or(due, |known| known.min(due)));
                }
            }
        }
        soonest
    }

    /// The models that may answer, with their places among the offers. An answer that broke off goes on
    /// with the model it began with.
    fn offers(&self) -> impl Iterator<Item = (u8, &Arc<Model>)> {
        let begun = self.begun.map(|spot| spot.offer);
        let all = (0..=u8::MAX).zip(&self.errand.offers);
        all.filter(move |(offer, _)| begun.is_none_or(|begun| begun == *offer))
    }

    /// Why no target of any model may be asked, where that is the request's own doing.
    pub(super) fn unfit(&self) -> Option<Vec<(&str, Unfit)>> {
        let mut all = Vec::new();
        for model in &self.errand.offers {
            let asked = self.errand.asked(self.envelope, model);
            all.extend(route::none_fits(&model.settings.route, &asked)?);
        }
        Some(all)
    }
}
