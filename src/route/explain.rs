//! The choice of route with its reasons, for those who wonder about it. Pure.

use std::time::Duration;

use infergate_actors::money::NanoUsd;

use super::{Asked, Facts, TargetState, Unfit, cheapest, fastest, order, unfit};
use crate::config::{Place, Route};

/// One target of a route, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Which.
    pub place: Place,
    /// What became of it.
    pub standing: Standing,
    /// What is known of it.
    pub facts: Facts,
    /// What it is expected to cost us, if its price is known.
    pub cost: Option<NanoUsd>,
    /// How long its answer is expected to take with nobody else there, if anything is known.
    pub time: Option<Duration>,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is tried after so many others.
    Candidate(usize),
    /// The request may not go there.
    Unfit(Unfit),
    /// It is cooling down, and others are not.
    Shut,
    /// It is drained, closed, or has no credential that may be used.
    Unavailable,
    /// The client wants no fallback, and another came first.
    NoFallback,
}

impl Standing {
    /// Its name in what is shown to programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate(_) => "candidate",
            Self::Unfit(unfit) => unfit.name(),
            Self::Shut => "shut",
            Self::Unavailable => "unavailable",
            Self::NoFallback => "allow_fallbacks",
        }
    }

    /// Why it is no candidate, in words.
    pub fn reason(self) -> Option<String> {
        match self {
            Self::Candidate(_) => None,
            Self::Unfit(unfit) => Some(unfit.to_string()),
            Self::Shut => Some("it failed and is cooling down, or is being probed".to_owned()),
            Self::Unavailable => Some("it is out of use".to_owned()),
            Self::NoFallback => Some("fallbacks are not allowed".to_owned()),
        }
    }
}

/// All targets of a route, those to be tried first, in their order, with what the choice was made on.
pub fn explain(
    route: &Route,
    asked: &Asked<'_>,
    facts: impl Fn(Place) -> Facts,
    dice: u64,
) -> Vec<Considered> {
    // Looked at once: what is shown is what was chosen on.
    let known: Vec<(Place, Facts)> = route.places().map(|place| (place, facts(place))).collect();
    let fact = |place: Place| {
        let found = known.iter().find(|(other, _)| *other == place);
        found.map_or_else(|| Facts::of(TargetState::Unavailable), |(_, facts)| *facts)
    };
    let candidates = order(route, asked, fact, dice);
    let mut considered: Vec<Considered> = route
        .targets()
        .map(|(place, target)| {
            let facts = fact(place);
            let rank = candidates.iter().position(|candidate| *candidate == place);
            let standing = match (rank, unfit(target, asked), facts.state) {
                (Some(rank), ..) => Standing::Candidate(rank),
                (None, Some(unfit), _) => Standing::Unfit(unfit),
                (None, None, TargetState::Shut) => Standing::Shut,
                (None, None, TargetState::Unavailable) => Standing::Unavailable,
                (None, None, TargetState::Passing | TargetState::ProbeDue) => Standing::NoFallback,
            };
            Considered {
                place,
                standing,
                facts,
                cost: cheapest::expected(target, asked),
                time: fastest::expected(&facts, asked),
            }
        })
        .collect();
    considered.sort_by_key(|one| match one.standing {
        Standing::Candidate(rank) => (rank, one.place),
        _ => (usize::MAX, one.place),
    });
    considered
}
