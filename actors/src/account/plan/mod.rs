//! The plan that an account is on, and where the account differs from it. Pure.
//!
//! What holds of an account, the first that says something:
//!
//! | | limits | models | markup |
//! | --- | --- | --- | --- |
//! | the account's overrides | all three at once | the list | it |
//! | the account's own limits | each that is set | | |
//! | the plan it is on; the default plan where it is on none | each that is set | the list | it |
//! | where there is no plan | none | all | the list price |
//!
//! An account whose plan the configuration lacks keeps working as far as no price has to be guessed: the
//! default plan's limits and models hold, and what costs something is refused until the plan is back
//! or the account is on another.
//!
//! What an account pays is a fact of its own ([`PlanEvent::Priced`]), written before the first hold at
//! it. A hold that is open when the price changes stays at the one it was taken at, until it ends: its
//! extensions and its settlement too, so that what was set aside covers what is charged.

mod book;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

pub(super) use book::PlanPlace;
pub use book::{Overrides, PlanTerms, Plans};

use super::settings::matches;
use super::state::Account;
use super::{Denial, Event, Limits};
use crate::id::HoldId;
use crate::money::Markup;

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanEvent {
    /// It is on this plan from here on.
    Assigned {
        /// Its name; `None`: on whichever is the default.
        plan: Option<String>,
    },
    /// It differs from its plan in this from here on.
    Overridden(Overrides),
    /// It pays this from here on. Holds that are open stay at what they were taken at.
    Priced {
        /// Relative to the list price.
        markup: Markup,
    },
}

/// The plan of one account. A part of its state, and the fold of these facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    name: Option<String>,
    overrides: Overrides,
    /// What open holds were taken at, where that is not what the account pays now.
    held_at: BTreeMap<HoldId, Markup>,
}

/// An operator's order about an account's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanOrder {
    /// Put it on this plan; `None`: on whichever is the default.
    Assign(Option<String>),
    /// Let it differ from its plan in this, and in nothing else.
    Override(Overrides),
}

/// What holds of an account, from its plan and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanView {
    /// The plan it was put on; `None`: on whichever is the default.
    pub assigned: Option<String>,
    /// The plan that holds; `None` where there is none.
    pub in_force: Option<String>,
    /// It is on a plan that there is not: what costs something is refused.
    pub is_missing: bool,
    /// Where it differs.
    pub overrides: Overrides,
    /// The limits that hold.
    pub limits: Limits,
    /// Public names of the models it may use; `*` matches anything. Empty: all.
    pub models: Vec<String>,
    /// What it pays, relative to the list price.
    pub markup: Markup,
}

impl PlanView {
    /// Whether a model of this public name may be used.
    pub fn allows(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches(pattern, model))
    }
}

/// The same, to be asked before every exchange: nothing is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce<'a> {
    own: Option<&'a Overrides>,
    plan: Option<&'a PlanTerms>,
    is_missing: bool,
}

impl InForce<'_> {
    /// Whether a model of this public name may be used.
    pub(super) fn allows(&self, model: &str) -> bool {
        let models = self.models();
        models.is_empty() || models.iter().any(|pattern| matches(pattern, model))
    }

    fn models(&self) -> &[String] {
        let own = self.own.and_then(|own| own.models.as_deref());
        own.or(self.plan.map(|plan| plan.models.as_slice())).unwrap_or_default()
    }

    /// What is paid from here on; `None` where that is not known.
    pub(super) fn markup(&self) -> Option<Markup> {
        let own = self.own.and_then(|own| own.markup);
        let of_plan = || (!self.is_missing).then(|| self.plan.map(|plan| plan.markup));
        own.or_else(|| of_plan().map(Option::unwrap_or_default))
    }

    /// Why nothing may begin that costs something.
    pub(super) fn paid_denial(&self) -> Option<Denial> {
        self.is_missing.then_some(Denial::PlanMissing)
    }

    /// The limits that hold of an account whose own are these.
    pub(super) fn limits(&self, own: Limits) -> Limits {
        if let Some(limits) = self.own.and_then(|own| own.limits) {
            return limits;
        }
        let plan = self.plan.map(|plan| plan.limits).unwrap_or_default();
        Limits {
            requests_per_minute: own.requests_per_minute.or(plan.requests_per_minute),
            tokens_per_minute: own.tokens_per_minute.or(plan.tokens_per_minute),
            in_flight: own.in_flight.or(plan.in_flight),
        }
    }
}

impl Account {
    /// The plan it was put on; `None`: on whichever is the default.
    pub fn plan(&self) -> Option<&str> {
        self.tenancy.plan.as_deref()?.name.as_deref()
    }

    /// What holds of it, where its plan is at `place`.
    pub(super) fn in_force<'a>(&'a self, plans: &'a Plans, place: PlanPlace) -> InForce<'a> {
        let is_missing = place == PlanPlace::Missing;
        let plan = if is_missing { plans.default_plan() } else { plans.at(place) };
        InForce { own: self.tenancy.plan.as_deref().map(|plan| &plan.overrides), plan, is_missing }
    }

    /// The same, for showing.
    pub(super) fn plan_view(&self, plans: &Plans, place: PlanPlace) -> PlanView {
        let in_force = self.in_force(plans, place);
        PlanView {
            assigned: self.plan().map(str::to_owned),
            in_force: in_force.plan.map(|plan| plan.name.clone()),
            is_missing: in_force.is_missing,
            overrides: in_force.own.cloned().unwrap_or_default(),
            limits: in_force.limits(self.limits),
            models: in_force.models().to_vec(),
            markup: in_force.markup().unwrap_or(self.markup),
        }
    }

    /// What an exchange with this hold pays.
    pub(super) fn markup_of(&self, hold: HoldId) -> Markup {
        let plan = self.tenancy.plan.as_deref();
        plan.and_then(|plan| plan.held_at.get(&hold)).copied().unwrap_or(self.markup)
    }

    /// Decides an operator's order about the plan.
    pub(super) fn plan_order(
        &self,
        order: &PlanOrder,
        plans: &Plans,
    ) -> Result<SmallVec<[Event; 2]>, Denial> {
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        let event = match order {
            PlanOrder::Assign(name) => {
                if name.as_ref().is_some_and(|name| plans.get(name).is_none()) {
                    return Err(Denial::UnknownPlan);
                }
                return Ok(self.assigned(name.as_deref()).into_iter().collect());
            }
            PlanOrder::Override(overrides) => {
                let plan = self.tenancy.plan.as_deref();
                let known = plan.map(|plan| &plan.overrides);
                if known.map_or(*overrides == Overrides::default(), |known| known == overrides) {
                    return Ok(SmallVec::new());
                }
                PlanEvent::Overridden(overrides.clone())
            }
        };
        Ok(smallvec![Event::Plan(Box::new(event))])
    }

    /// What puts it on a plan, where it is not on it.
    pub(super) fn assigned(&self, name: Option<&str>) -> Option<Event> {
        let plan = name.map(str::to_owned);
        let event = || Event::Plan(Box::new(PlanEvent::Assigned { plan }));
        (self.plan() != name).then(event)
    }

    /// Folds one fact in.
    pub(super) fn fold_plan(&mut self, event: &PlanEvent) {
        let plan = self.tenancy.plan.get_or_insert_default();
        match event {
            PlanEvent::Assigned { plan: name } => plan.name.clone_from(name),
            PlanEvent::Overridden(overrides) => plan.overrides = overrides.clone(),
            PlanEvent::Priced { markup } => {
                for hold in self.holds.keys() {
                    plan.held_at.entry(*hold).or_insert(self.markup);
                }
                self.markup = *markup;
            }
        }
    }

    /// A hold has ended: what it was taken at is of no matter any more.
    pub(super) fn forget_price_of(&mut self, hold: HoldId) {
        if let Some(plan) = &mut self.tenancy.plan {
            plan.held_at.remove(&hold);
        }
    }
}
