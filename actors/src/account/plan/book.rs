//! All plans, as the configuration has them. Pure.
//!
//! Plans are no part of an account's history, as rules of credit are not. What they decided is: an
//! account's events say which plan it is on, what it pays, and what its subscription was agreed to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::Limits;
use crate::account::settings::matches;
use crate::account::subscription::Offer;
use crate::money::Markup;

/// Terms that many accounts share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanTerms {
    /// What it is called.
    pub name: String,
    /// What an account may do that has no limits of its own.
    pub limits: Limits,
    /// Public names of the models its accounts may use; `*` matches anything. Empty: all.
    pub models: Vec<String>,
    /// What its accounts pay, relative to the list price.
    pub markup: Markup,
    /// What a subscription to it costs and gives; `None` where there are none.
    pub offer: Option<Offer>,
}

/// All plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plans {
    plans: Vec<PlanTerms>,
    /// The place of the one for accounts that are on none.
    default: Option<usize>,
}

/// How one account differs from its plan. What is `None` is the plan's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overrides {
    /// All of its limits: one that is not set here is none, whatever the plan says.
    pub limits: Option<Limits>,
    /// Public names of the models it may use; `*` matches anything. Empty: all.
    pub models: Option<Vec<String>>,
    /// What it pays, relative to the list price.
    pub markup: Option<Markup>,
}

/// Which plan holds of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::account) enum PlanPlace {
    /// None: there is no default.
    #[default]
    Nowhere,
    /// The one at this place.
    At(usize),
    /// It is on one that there is not.
    Missing,
}

impl PlanTerms {
    /// Whether its accounts may use the model of this public name.
    pub fn has(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches(pattern, model))
    }
}

impl Plans {
    /// These plans; `default` is the name of the one for accounts that are on none.
    pub fn new(mut plans: Vec<PlanTerms>, default: Option<&str>) -> Self {
        plans.sort_by(|one, other| one.name.cmp(&other.name));
        let place = |name| plans.binary_search_by(|plan| plan.name.as_str().cmp(name)).ok();
        let default = default.and_then(place);
        Self { plans, default }
    }

    /// Every one, by name.
    pub fn all(&self) -> &[PlanTerms] {
        &self.plans
    }

    /// The plan of this name.
    pub fn get(&self, name: &str) -> Option<&PlanTerms> {
        self.at(self.place(Some(name)))
    }

    /// The plan of accounts that are on none.
    pub fn default_plan(&self) -> Option<&PlanTerms> {
        self.plans.get(self.default?)
    }

    /// Where the plan is that holds of an account which is on `name`.
    pub(in crate::account) fn place(&self, name: Option<&str>) -> PlanPlace {
        let Some(name) = name else {
            return self.default.map_or(PlanPlace::Nowhere, PlanPlace::At);
        };
        let place = self.plans.binary_search_by(|plan| plan.name.as_str().cmp(name));
        place.map_or(PlanPlace::Missing, PlanPlace::At)
    }

    pub(in crate::account) fn at(&self, place: PlanPlace) -> Option<&PlanTerms> {
        match place {
            PlanPlace::At(place) => self.plans.get(place),
            PlanPlace::Nowhere | PlanPlace::Missing => None,
        }
    }
}
