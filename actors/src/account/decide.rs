//! What an account answers: a command is a question to the state and changes nothing; the answer is
//! events, or a named refusal. Pure.

use std::cell::LazyCell;

use smallvec::SmallVec;

use super::buckets::Buckets;
use super::plan::InForce;
use super::project::Spender;
use super::state::{Account, Grant};
use super::{
    Admit, CreditRules, Denial, Event, Extend, Key, KeyScope, Kinds, Settle, Settlement, Status,
    UsageRecord,
};
use crate::id::KeyId;
use crate::money::{Markup, NanoUsd, Rates};

/// What a hold was decided to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    pub(super) amount: NanoUsd,
    /// How many completion tokens `amount` covers.
    pub(super) tokens_held: u64,
    /// How many may be asked of the provider.
    pub(super) tokens_max: u64,
}

/// Which models an exchange may end up at, and what the dearest of them costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) rates: Rates,
    /// The kinds of credit that may pay for each of them.
    pub(super) kinds: Kinds,
    /// For each fallback that was asked for.
    pub(super) fallbacks_allowed: SmallVec<[bool; 2]>,
}

impl Reach {
    /// Of the model asked for alone.
    fn new(admit: &Admit, kinds: Kinds) -> Self {
        Self { rates: admit.rates, kinds, fallbacks_allowed: SmallVec::new() }
    }
}

impl Account {
    /// The credit lots whose time is over, and what refunds and disputes have still to take, as far as no open hold
    /// needs them.
    ///
    /// A hold was promised while its credit was good. So of lapsed lots, what open holds may still
    /// need stays until they end; all else goes.
    pub fn lapse(&self, now_ms: u64) -> SmallVec<[Event; 1]> {
        let due = |lot: &Grant| lot.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let mut events = SmallVec::new();
        if self.credit.claims.is_empty() && !self.grants.iter().any(due) {
            return events;
        }
        let mut buckets = Buckets::of(self, None);
        for lot in &self.grants {
            let claim = self.credit.claims.get(&lot.id).copied().unwrap_or(NanoUsd::ZERO);
            // What lapses is gone as it is.
            let amount = if due(lot) { NanoUsd::ZERO } else { buckets.take(lot, claim) };
            if amount.is_positive() {
                events.push(Event::Reclaimed { grant: lot.id, amount });
            }
        }
        for lot in self.grants.iter().filter(|lot| due(lot)) {
            let amount = buckets.take(lot, lot.remaining);
            if amount.is_positive() {
                events.push(Event::Expired { grant: lot.id, amount });
            }
        }
        events
    }

    /// The key of a question, if it may be used for what is asked now.
    pub(super) fn permitted_key(
        &self,
        admit: &Admit,
        plan: &InForce<'_>,
        now_ms: u64,
    ) -> Result<&Key, Denial> {
        if let Some(denial) = self.status_denial() {
            return Err(denial);
        }
        if !self.is_open() {
            return Err(Denial::NoSuchAccount);
        }
        let key = self.key(admit.key).ok_or(Denial::UnknownKey)?;
        if key.revoked_at_ms.is_some() {
            return Err(Denial::RevokedKey);
        }
        if key.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Err(Denial::ExpiredKey);
        }
        if let Some(settings) = self.rules.key(key.id)
            && let Some(denial) =
                settings.denial(key, KeyScope::Inference, &admit.presented, now_ms)
        {
            return Err(denial);
        }
        if let Some(denial) = self.keyring_denial(key.id, &admit.presented) {
            return Err(denial);
        }
        let project = self.project_of(key.id).and_then(|project| self.project(project));
        if project.is_some_and(|project| project.archived_at_ms.is_some()) {
            return Err(Denial::ProjectArchived);
        }
        if !self.allows(key, &admit.model) {
            return Err(Denial::ModelNotAllowed);
        }
        if !plan.allows(&admit.model) {
            return Err(Denial::ModelNotInPlan);
        }
        Ok(key)
    }

    /// Whether the key, and its project, may use the public model name `model`.
    fn allows(&self, key: &Key, model: &str) -> bool {
        let project = self.project_of(key.id).and_then(|project| self.project(project));
        key.allows(model) && project.is_none_or(|project| project.allows(model))
    }

    /// Why nothing of the account may go on, whatever its keys.
    pub(super) fn status_denial(&self) -> Option<Denial> {
        match self.status {
            // What a restricted account may not begin may go on.
            Status::Active | Status::Restricted => None,
            Status::Suspended => Some(Denial::Suspended(self.status_class())),
            Status::Closed => Some(Denial::Closed),
        }
    }

    /// Why the account may not begin anything that costs something.
    pub(super) fn paid_denial(&self, rules: &CreditRules, plan: &InForce<'_>) -> Option<Denial> {
        if self.status == Status::Restricted {
            return Some(Denial::Restricted(self.status_class()));
        }
        let unpaid = rules.paid_entitlement && !self.has_paid();
        plan.paid_denial().or_else(|| unpaid.then_some(Denial::NotPaidYet))
    }

    /// Which models a question that came with `key` may end up at, and what may pay for all of them. A
    /// fallback that the key or the account may not use is left out. So is one that less of the credit
    /// may buy, where what may buy it does not cover a useful answer: without it there may be one.
    pub(super) fn reach(
        &self,
        admit: &Admit,
        key: &Key,
        (rules, plan): (&CreditRules, &InForce<'_>),
        now_ms: u64,
    ) -> Reach {
        let mut reach = Reach::new(admit, kinds_for(&admit.model, admit.free, rules));
        let may_pay = LazyCell::new(|| self.paid_denial(rules, plan).is_none());
        for fallback in &admit.fallbacks {
            let kinds = reach.kinds & kinds_for(&fallback.model, fallback.free, rules);
            let rates = reach.rates.max(fallback.rates);
            let is_covered =
                || kinds == reach.kinds || self.affords(admit, &rates, kinds, now_ms).is_ok();
            let allowed = self.allows(key, &fallback.model)
                && plan.allows(&fallback.model)
                && (fallback.free || *may_pay)
                && is_covered();
            if allowed {
                (reach.rates, reach.kinds) = (rates, kinds);
            }
            reach.fallbacks_allowed.push(allowed);
        }
        reach
    }

    /// [`Account::reach`] of a question whose hold is there already, and counts on `kinds`.
    fn reach_held(
        &self,
        admit: &Admit,
        key: &Key,
        kinds: Kinds,
        (rules, plan): (&CreditRules, &InForce<'_>),
    ) -> Reach {
        let mut reach = Reach::new(admit, kinds);
        for fallback in &admit.fallbacks {
            let allowed = self.allows(key, &fallback.model)
                && plan.allows(&fallback.model)
                && (fallback.free || self.paid_denial(rules, plan).is_none())
                && kinds.are_within(kinds_for(&fallback.model, fallback.free, rules));
            if allowed {
                reach.rates = reach.rates.max(fallback.rates);
            }
            reach.fallbacks_allowed.push(allowed);
        }
        reach
    }

    /// Why an exchange that began with `key` must not go on. A key whose time is over ends none.
    pub(super) fn standing_denial(&self, key: KeyId) -> Option<Denial> {
        let is_revoked = || self.key(key).is_some_and(|key| key.revoked_at_ms.is_some());
        self.status_denial().or_else(|| is_revoked().then_some(Denial::RevokedKey))
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|candidate| candidate.id == id)
    }

    /// What a new or larger hold of a spender may take that counts on these kinds of credit: what is free of
    /// them, as far as the budgets reach.
    fn free(&self, spender: Spender, kinds: Kinds, now_ms: u64) -> NanoUsd {
        let (available, room) = (self.available_of(kinds), self.room(spender, now_ms));
        room.map_or(available, |room| available.min(room.left))
    }

    /// The refusal of a hold that needs so much, and would have to take `more` for it: whatever is short
    /// of that, the credit before the budgets.
    fn short(
        &self,
        spender: Spender,
        kinds: Kinds,
        (more, needed): (NanoUsd, NanoUsd),
        now_ms: u64,
    ) -> Denial {
        let available = self.available_of(kinds);
        match self.room(spender, now_ms) {
            Some(room) if room.left < more && more <= available => room.denial,
            _ => Denial::InsufficientCredit { available, needed },
        }
    }

    /// Decides how much to hold. Credit, or a budget, that does not cover all that is wanted lowers the
    /// ceiling; one that does not cover a useful answer refuses.
    pub(super) fn hold(&self, admit: &Admit, reach: &Reach, now_ms: u64) -> Result<Cover, Denial> {
        if self.holds.contains_key(&admit.hold) {
            return Err(Denial::DuplicateHold);
        }
        let affordable = self.affords(admit, &reach.rates, reach.kinds, now_ms)?;
        Ok(cover(admit, &reach.rates, affordable, self.markup))
    }

    /// How many completion tokens these kinds of credit, and the budgets, cover, if they cover a useful
    /// answer.
    fn affords(
        &self,
        admit: &Admit,
        rates: &Rates,
        kinds: Kinds,
        now_ms: u64,
    ) -> Result<u64, Denial> {
        let spender = self.spender(admit.key);
        let (free, prompt) = (self.free(spender, kinds, now_ms), admit.prompt_tokens_max);
        let affordable = rates.affordable_completion(free, prompt, self.markup);
        let useful = admit.completion_tokens_min.min(admit.completion_tokens_max);
        let affordable = affordable.filter(|tokens| *tokens >= useful);
        affordable.ok_or_else(|| {
            let needed = rates.cost_ceiling(prompt, useful, self.markup);
            self.short(spender, kinds, (needed, needed), now_ms)
        })
    }

    /// What an open hold covers, if it is the one that `admit` asks for: a question whose answer was
    /// lost is asked again, and its hold is there already.
    pub(super) fn held_for(
        &self,
        admit: &Admit,
        terms: (&CreditRules, &InForce<'_>),
    ) -> Option<(Reach, Cover)> {
        let hold = self.holds.get(&admit.hold).filter(|hold| hold.key == admit.key)?;
        let kinds = self.kinds_of(admit.hold);
        let reach = self.reach_held(admit, self.key(admit.key)?, kinds, terms);
        let (rates, prompt) = (&reach.rates, admit.prompt_tokens_max);
        let markup = self.markup_of(admit.hold);
        let covered = rates.affordable_completion(hold.amount, prompt, markup)?;
        let cover = cover(admit, rates, covered, markup);
        (cover.amount == hold.amount).then_some((reach, cover))
    }

    /// Decides how far a running answer may go on: up to `extend.completion_tokens`, or as far as
    /// the credit and the budgets reach. The second value is the number of completion tokens covered then.
    pub fn extend(&self, extend: &Extend, now_ms: u64) -> Result<(Event, u64), Denial> {
        let hold = self.holds.get(&extend.hold).ok_or(Denial::UnknownHold)?;
        let kinds = self.kinds_of(extend.hold);
        let spender = self.spender_of(extend.hold, hold.key);
        let payable = hold.amount.saturating_add(self.free(spender, kinds, now_ms));
        let (rates, prompt) = (&extend.rates, extend.prompt_tokens_max);
        let markup = self.markup_of(extend.hold);
        let affordable = rates.affordable_completion(payable, prompt, markup).unwrap_or(0);
        let tokens = extend.completion_tokens.min(affordable);
        let needed = rates.cost_ceiling(prompt, tokens, markup);
        if tokens <= extend.completion_tokens_held {
            let wanted = extend.completion_tokens_held.saturating_add(1);
            let wanted = wanted.min(extend.completion_tokens);
            let wanted = rates.cost_ceiling(prompt, wanted, markup);
            let more = wanted.saturating_sub(hold.amount);
            return Err(self.short(spender, kinds, (more, needed), now_ms));
        }
        let amount = needed.saturating_sub(hold.amount).max(NanoUsd::ZERO);
        Ok((Event::Extended { hold: extend.hold, amount }, tokens))
    }

    /// Decides the bill: the whole cost where the hold and the free credit reach, and what budgets leave
    /// of that; never more.
    pub fn settle(&self, settle: Settle, now_ms: u64) -> Result<Event, Denial> {
        let hold = self.holds.get(&settle.hold).ok_or(Denial::UnknownHold)?;
        let markup = self.markup_of(settle.hold);
        let cost = settle.rates.cost(&settle.usage, markup);
        let spender = self.spender_of(settle.hold, hold.key);
        let free = self.free(spender, self.kinds_of(settle.hold), now_ms);
        let payable = hold.amount.saturating_add(free);
        let charged = cost.min(payable);
        Ok(Event::Settled(Box::new(Settlement {
            hold: settle.hold,
            key: hold.key,
            usage: settle.usage,
            estimated: settle.estimated,
            rates: settle.rates,
            markup,
            cost,
            charged,
            absorbed: cost.saturating_sub(charged),
            draws: self.draws(settle.hold, charged),
            end: settle.end,
            record: UsageRecord { project: spender.project, ..settle.record },
        })))
    }
}

/// Which credit may pay for a model. For one that is free nothing has to.
fn kinds_for(model: &str, free: bool, rules: &CreditRules) -> Kinds {
    if free { Kinds::ALL } else { rules.buying(model) }
}

/// What a hold has to be, where so many completion tokens can be paid for.
fn cover(admit: &Admit, rates: &Rates, affordable: u64, markup: Markup) -> Cover {
    let first = admit.completion_tokens_first.min(admit.completion_tokens_max);
    let tokens_held = first.min(affordable);
    Cover {
        amount: rates.cost_ceiling(admit.prompt_tokens_max, tokens_held, markup),
        tokens_held,
        tokens_max: if tokens_held < first { tokens_held } else { admit.completion_tokens_max },
    }
}
