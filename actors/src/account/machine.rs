//! An account's whole state and its answers: the fold of its events, and its limits. Pure.
//!
//! Each method decides, writes what was decided into a [`Batch`] for the ledger, and applies it. What
//! it returns is for the one who asked.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::credit_rules::{CreditRules, Kinds};
use super::decide::{Cover, Reach};
use super::limits::Limiter;
use super::payment::{Movement, Transfer};
use super::plan::{InForce, PlanPlace};
use super::state::{Account, Hold, Inconsistency};
use super::{
    Admit, CodeTerms, CodeUse, Denial, End, Event, Extend, KeyChange, Order, PlanEvent, PlanView,
    Plans, Scope, Settle, Terms,
};
use crate::clock::Now;
use crate::id::{AccountId, HoldId, KeyHash, KeyId};
use crate::ledger::{Batch, Record};
use crate::money::NanoUsd;

/// What holds until something is told: one for all, as every account awake points there.
static DEFAULT_RULES: LazyLock<Arc<CreditRules>> = LazyLock::new(Arc::default);
static NO_PLANS: LazyLock<Arc<Plans>> = LazyLock::new(Arc::default);

/// One account's state.
#[derive(Debug)]
pub struct Machine {
    account: Account,
    limiter: Limiter,
    /// Trees, and boxes in them: most accounts have one key and at most times no hold, and tables that
    /// keep room for more would be paid for by every account awake.
    key_limiters: BTreeMap<KeyId, Box<Limiter>>,
    /// What each open hold took from the token buckets.
    token_estimates: BTreeMap<HoldId, u64>,
    /// What holds of every account's credit at present.
    rules: Arc<CreditRules>,
    /// All plans at present, and which of them is this account's.
    plans: Arc<Plans>,
    plan: PlanPlace,
}

/// Why there is no answer: either a refusal, or the account's own events do not fit together, which
/// ends the actor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Refused.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Broken.
    #[error(transparent)]
    Broken(#[from] Inconsistency),
}

impl Machine {
    /// The machine of an account as its events left it.
    pub fn new(account: Account, now: Now) -> Self {
        let count = |holds: usize| u32::try_from(holds).unwrap_or(u32::MAX);
        let of_key = |key: KeyId| {
            count(account.holds.values().filter(|hold: &&Hold| hold.key == key).count())
        };
        let key_limiters = account
            .keys
            .iter()
            .filter(|key| key.revoked_at_ms.is_none())
            .map(|key| (key.id, Box::new(Limiter::new(key.limits, of_key(key.id), now.mono))))
            .collect();
        let (rules, plans) = (Arc::clone(&DEFAULT_RULES), Arc::clone(&NO_PLANS));
        // Its own at first: plans only add to them, and what they add begins full.
        let limits = account.in_force(&plans, PlanPlace::Nowhere).limits(account.limits);
        let limiter = Limiter::new(limits, count(account.holds.len()), now.mono);
        let plan = plans.place(account.plan());
        let token_estimates = BTreeMap::new();
        Self { account, limiter, key_limiters, token_estimates, rules, plans, plan }
    }

    /// Whether these are the rules that hold here, and not merely the same.
    pub(super) fn knows_rules(&self, rules: &Arc<CreditRules>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// From here on, these rules hold. What is held already stays held as it is.
    pub fn set_rules(&mut self, rules: Arc<CreditRules>) {
        self.rules = rules;
    }

    /// Whether these are the plans that it knows, and not merely the same.
    pub(super) fn knows_plans(&self, plans: &Arc<Plans>) -> bool {
        Arc::ptr_eq(&self.plans, plans)
    }

    /// From here on, these are the plans. Whether the account's own is among them.
    pub fn set_plans(&mut self, plans: Arc<Plans>, now: Now) -> bool {
        self.plans = plans;
        self.find_plan(now);
        self.plan != PlanPlace::Missing
    }

    /// Looks up which plan holds, and what that limits.
    fn find_plan(&mut self, now: Now) {
        self.plan = self.plans.place(self.account.plan());
        self.limiter.set(self.in_force().limits(self.account.limits), now.mono);
    }

    fn in_force(&self) -> InForce<'_> {
        self.account.in_force(&self.plans, self.plan)
    }

    /// What holds of the account, from its plan and itself.
    pub(super) fn plan_view(&self) -> PlanView {
        self.account.plan_view(&self.plans, self.plan)
    }

    /// Writes what the account pays from here on, where that has changed.
    fn reprice(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        match self.in_force().markup() {
            Some(markup) if markup != self.account.markup && self.account.is_open() => {
                self.write(Event::Plan(Box::new(PlanEvent::Priced { markup })), now, batch)
            }
            // Where it is not known, what is known stays, and nothing begins that costs something.
            Some(_) | None => Ok(()),
        }
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.account
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    pub(super) fn key_limiter(&self, key: KeyId) -> Option<&Limiter> {
        self.key_limiters.get(&key).map(|limiter| &**limiter)
    }

    /// Lets credit lapse whose time is over, and the subscription go on. To be called before every
    /// question.
    pub fn lapse(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        for event in self.account.lapse(now.wall_ms) {
            self.write(event, now, batch)?;
        }
        loop {
            let events = self.account.subscription_due(now.wall_ms);
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                self.write(event, now, batch)?;
            }
        }
    }

    /// May this exchange begin, and how far does the credit reach?
    pub fn admit(&mut self, admit: &Admit, now: Now, batch: &mut Batch) -> Result<Terms, Failure> {
        self.lapse(now, batch)?;
        self.reprice(now, batch)?;
        let plan = self.in_force();
        let key = self.account.permitted_key(admit, &plan, now.wall_ms)?;
        let paid_denial = self.account.paid_denial(&self.rules, &plan);
        if let Some(denial) = paid_denial.filter(|_| !admit.free) {
            return Err(denial.into());
        }
        let reach = self.account.reach(admit, key, (&self.rules, &plan), now.wall_ms);
        let tokens = admit.tokens_estimate;
        self.limiter.check(Scope::Account, tokens, now.mono)?;
        if let Some(limiter) = self.key_limiters.get(&admit.key) {
            limiter.check(Scope::Key, tokens, now.mono)?;
        }
        let cover = self.account.hold(admit, &reach, now.wall_ms)?;
        self.write(held(admit, &reach, cover.amount), now, batch)?;
        self.limiter.begin(tokens, now.mono);
        if let Some(limiter) = self.key_limiters.get_mut(&admit.key) {
            limiter.begin(tokens, now.mono);
        }
        self.token_estimates.insert(admit.hold, tokens);
        Ok(self.terms(admit, reach, &cover, now))
    }

    /// [`Machine::admit`] for a question that is asked again because no answer came: the actor that
    /// was asked first may have written the hold before it broke down, and is then taken at its word.
    pub fn admit_again(
        &mut self,
        admit: &Admit,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Terms, Failure> {
        match self.account.held_for(admit, (&self.rules, &self.in_force())) {
            Some((reach, cover)) => Ok(self.terms(admit, reach, &cover, now)),
            None => self.admit(admit, now, batch),
        }
    }

    fn terms(&self, admit: &Admit, reach: Reach, cover: &Cover, now: Now) -> Terms {
        let mut rate = self.limiter.status(now.mono);
        if let Some(limiter) = self.key_limiters.get(&admit.key) {
            rate = rate.tightest(limiter.status(now.mono));
        }
        Terms {
            held: cover.amount,
            completion_tokens_held: cover.tokens_held,
            completion_tokens_max: cover.tokens_max,
            fallbacks_allowed: reach.fallbacks_allowed,
            rate,
            markup: self.account.markup_of(admit.hold),
        }
    }

    /// Whether nothing would be lost if only the account's events were kept: no exchange is under way,
    /// and no limit is partly used up.
    pub fn is_at_rest(&self, now: Now) -> bool {
        let mut limiters = std::iter::once(&self.limiter)
            .chain(self.key_limiters.values().map(|limiter| &**limiter));
        self.account.holds.is_empty() && limiters.all(|limiter| limiter.is_full(now.mono))
    }

    /// May this answer go on? Up to how many completion tokens?
    pub fn extend(&mut self, extend: &Extend, now: Now, batch: &mut Batch) -> Result<u64, Failure> {
        self.lapse(now, batch)?;
        if let Some(denial) = self.account.status_denial() {
            return Err(denial.into());
        }
        let (event, tokens) = self.account.extend(extend, now.wall_ms)?;
        self.write(event, now, batch)?;
        Ok(tokens)
    }

    /// Ends an exchange with a charge. An exchange that has ended already is [`Denial::UnknownHold`]:
    /// it was charged once and is not charged again. Gives what was charged.
    pub fn settle(
        &mut self,
        settle: Settle,
        now: Now,
        batch: &mut Batch,
    ) -> Result<NanoUsd, Failure> {
        self.lapse(now, batch)?;
        let (hold, used) = (settle.hold, settle.usage.total_tokens());
        let before = self.account.totals.settled;
        let event = self.account.settle(settle, now.wall_ms)?;
        self.end(hold, used, event, now, batch)?;
        Ok(self.account.totals.settled.saturating_sub(before))
    }

    /// Ends an exchange without a charge.
    pub fn void(
        &mut self,
        hold: HoldId,
        end: End,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        self.end(hold, 0, Event::Voided { hold, end }, now, batch)
    }

    fn end(
        &mut self,
        hold: HoldId,
        used: u64,
        event: Event,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        let key = self.account.holds.get(&hold).ok_or(Denial::UnknownHold)?.key;
        self.write(event, now, batch)?;
        // A hold from before the actor was restarted took nothing from these buckets.
        let estimate = self.token_estimates.remove(&hold).unwrap_or(used);
        self.limiter.end(estimate, used, now.mono);
        if let Some(limiter) = self.key_limiters.get_mut(&key) {
            limiter.end(estimate, used, now.mono);
        }
        Ok(())
    }

    /// Carries out an operator's order.
    pub fn order(&mut self, order: &Order, now: Now, batch: &mut Batch) -> Result<(), Failure> {
        self.lapse(now, batch)?;
        for event in self.account.order(order, &self.plans, now.wall_ms)? {
            match &event {
                Event::KeyCreated { key } => {
                    let limiter = Limiter::new(key.limits, 0, now.mono);
                    self.key_limiters.insert(key.id, Box::new(limiter));
                }
                Event::KeyChanged { key, changes } => {
                    for change in changes {
                        if let KeyChange::Limits(limits) = change
                            && let Some(limiter) = self.key_limiters.get_mut(key)
                        {
                            limiter.set(*limits, now.mono);
                        }
                    }
                }
                Event::KeyRevoked { key, .. } => {
                    self.key_limiters.remove(key);
                }
                _ => {}
            }
            self.write(event, now, batch)?;
        }
        Ok(self.reprice(now, batch)?)
    }

    /// Takes in what has happened to money outside; what was done, also when that was before.
    pub fn transfer(
        &mut self,
        transfer: &Transfer,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Movement, Failure> {
        self.lapse(now, batch)?;
        for event in self.account.transfer(transfer, &self.rules, now.wall_ms)? {
            self.write(event, now, batch)?;
        }
        Ok(self.account.movement(&transfer.id).cloned().ok_or(Denial::UnknownPayment)?)
    }

    /// Uses a code of this batch; what it gives, also when it was used before.
    pub fn use_code(
        &mut self,
        wish: &CodeUse,
        now: Now,
        batch: &mut Batch,
    ) -> Result<CodeTerms, Failure> {
        if let Some(event) = self.account.use_code(wish, now.wall_ms)? {
            self.write(event, now, batch)?;
        }
        Ok(self.account.terms_of(wish).ok_or(Denial::UnknownCode)?)
    }

    /// The account that a person has, in a register; settled by this question where it was not.
    pub fn claim(
        &mut self,
        person: KeyHash,
        now: Now,
        batch: &mut Batch,
    ) -> Result<AccountId, Failure> {
        if let Some(event) = self.account.claim(person)? {
            self.write(event, now, batch)?;
        }
        Ok(self.account.claimed(&person).ok_or(Denial::NoSuchAccount)?)
    }

    fn write(&mut self, event: Event, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        let record = Record {
            account: self.account.id,
            number: self.account.number.saturating_add(1),
            previous: self.account.digest,
            at_ms: now.wall_ms,
            event,
        };
        let digest = batch.push(&record);
        self.account.apply(&record, digest)?;
        if matches!(record.event, Event::LimitsChanged { .. } | Event::Plan(_)) {
            self.find_plan(now);
        }
        Ok(())
    }
}

/// The hold that was decided. One that any credit may pay is written as it always was.
fn held(admit: &Admit, reach: &Reach, amount: NanoUsd) -> Event {
    let (hold, key, kinds) = (admit.hold, admit.key, reach.kinds);
    match kinds {
        Kinds::ALL => Event::Held { hold, key, amount },
        _ => Event::HeldOf { hold, key, amount, kinds },
    }
}
