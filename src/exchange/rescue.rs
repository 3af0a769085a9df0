//! A stream that broke off after its first content, and the search for a provider that goes on with it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use infergate_actors::account::{Attempt, End};
use smallvec::SmallVec;

use super::attempt::Answer;
use super::errand::{Errand, Spot};
use super::reader::Broken;
use super::relay::Opened;
use super::tally::Tally;
use super::tries::{Search, Won};
use crate::dialect::envelope::{Envelope, Limits};

/// How often one stream may be rescued: what breaks more often has something the matter with it that
/// another provider does not mend.
const RESCUES_MAX: u8 = 3;

/// What a stream keeps in order to go on elsewhere.
pub(super) struct Rescue {
    errand: Arc<Errand>,
    /// Whom not to ask again.
    known: Known,
    rescues: u8,
}

/// What is known of targets from earlier searches of the same exchange.
#[derive(Default)]
struct Known {
    silent: SmallVec<[Spot; 2]>,
    broke: SmallVec<[Spot; 2]>,
    no_prefill: SmallVec<[Spot; 2]>,
}

/// What a search for a provider to go on with came to.
pub(super) struct Found {
    /// Who goes on, and how the answer goes on.
    pub(super) way_on: Option<(Won, Box<Opened>)>,
    /// Attempts that failed.
    pub(super) attempts: SmallVec<[Attempt; 1]>,
    pub(super) rescue: Box<Rescue>,
}

impl Rescue {
    /// For a stream of `errand` that has begun, and what its search met.
    pub(super) fn new(errand: Arc<Errand>, tally: Tally) -> Self {
        let Tally { silent, broke, no_prefill, .. } = tally;
        Self { errand, known: Known { silent, broke, no_prefill }, rescues: 0 }
    }

    /// Whether a stream that ended so may be gone on with once more.
    pub(super) fn may_follow(&self, end: End) -> bool {
        matches!(end, End::ProviderCut | End::TimedOut) && self.rescues < RESCUES_MAX
    }

    /// Looks for someone who goes on with `broken`, which broke off at `spot`.
    pub(super) fn search(
        mut self: Box<Self>,
        broken: Broken,
        spot: Spot,
        end: End,
    ) -> BoxFuture<'static, Found> {
        self.rescues += 1;
        self.known.broke.push(spot);
        if end == End::TimedOut {
            self.known.silent.push(spot);
        }
        Box::pin(self.run(broken, spot))
    }

    async fn run(mut self: Box<Self>, broken: Broken, spot: Spot) -> Found {
        let Known { silent, broke, no_prefill } = std::mem::take(&mut self.known);
        let tried = broke.iter().copied().collect();
        let mut tally = Tally { tried, silent, broke, no_prefill, ..Tally::default() };
        let errand = Arc::clone(&self.errand);
        // It was read before: it can be read again.
        let way_on = match Envelope::parse(&errand.body, &Limits::default()) {
            Ok(envelope) => {
                let now = errand.world.clock.mono();
                let deadline = now.saturating_add(errand.deadline());
                let broken = Some(&broken);
                let begun = Some(spot);
                let (errand, envelope) = (&*errand, &envelope);
                let search = Search { errand, envelope, broken, begun, deadline };
                search.run(&mut tally).await.ok()
            }
            Err(_) => None,
        };
        let Tally { silent, broke, no_prefill, attempts, .. } = tally;
        self.known = Known { silent, broke, no_prefill };
        let way_on = way_on.and_then(|(won, answer)| match answer {
            Answer::Stream(opened) => Some((won, opened)),
            Answer::Whole { .. } => None,
        });
        Found { way_on, attempts, rescue: self }
    }
}
