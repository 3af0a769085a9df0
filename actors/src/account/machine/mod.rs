//! An account's whole state and its answers: the fold of its events, and its limits. Pure.
//!
//! Each method decides, writes what was decided into a [`Batch`] for the ledger, and applies it. What
//! it returns is for the one who asked.

mod ordering;
mod telling;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::credit_rules::{CreditRules, Kinds};
use super::decide::{Cover, Reach};
use super::guard::GuardRules;
use super::limits::Limiter;
use super::operators::TokenKeys;
use super::payment::{Movement, Transfer};
use super::plan::{InForce, PlanPlace};
use super::project::Spender;
use super::state::{Account, Hold, Inconsistency};
use super::watch::Touched;
use super::{
    Admit, CodeTerms, CodeUse, Denial, End, Event, Extend, PlanEvent, PlanView, Plans, Project,
    Scope, Settle, Terms,
};
use crate::clock::Now;
use crate::id::{AccountId, HoldId, KeyHash, KeyId, ProjectId};
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
    project_limiters: BTreeMap<ProjectId, Box<Limiter>>,
    /// What each open hold took from the token buckets.
    token_estimates: BTreeMap<HoldId, u64>,
    /// What holds of every account's credit at present.
    rules: Arc<CreditRules>,
    /// When the use of any key is unusual; `None`: nobody looks.
    guard: Option<Arc<GuardRules>>,
    /// All plans at present, and which of them is this account's.
    plans: Arc<Plans>,
    plan: PlanPlace,
    /// Whose the operators' idempotency keys are, where it is theirs.
    token_keys: Option<Box<TokenKeys>>,
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
        let of_project = |project: &Project| {
            let in_flight = count(account.holds_of(project.id));
            (project.id, Box::new(Limiter::new(project.has.limits, in_flight, now.mono)))
        };
        let project_limiters = account.projects().iter().map(of_project).collect();
        let plans = Arc::clone(&NO_PLANS);
        // Its own at first: plans only add to them, and what they add begins full.
        let limits = account.in_force(&plans, PlanPlace::Nowhere).limits(account.limits);
        let limiter = Limiter::new(limits, count(account.holds.len()), now.mono);
        let plan = plans.place(account.plan());
        Self {
            account,
            limiter,
            key_limiters,
            token_keys: None,
            project_limiters,
            token_estimates: BTreeMap::new(),
            rules: Arc::clone(&DEFAULT_RULES),
            guard: None,
            plans,
            plan,
        }
    }

    /// Whether these are the rules that hold here, and not merely the same.
    pub(super) fn knows_rules(&self, rules: &Arc<CreditRules>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// The same of the guard's.
    pub(super) fn knows_guard(&self, rules: Option<&Arc<GuardRules>>) -> bool {
        self.guard.as_ref().map(Arc::as_ptr) == rules.map(Arc::as_ptr)
    }

    /// From here on, these rules hold. What is held already stays held as it is.
    pub fn set_rules(&mut self, rules: Arc<CreditRules>) {
        self.rules = rules;
    }

    /// From here on, keys are looked at by these rules, or not at all.
    pub fn set_guard(&mut self, rules: Option<Arc<GuardRules>>) {
        self.guard = rules;
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

    /// Why the account may not begin anything that costs something.
    pub(super) fn paid_denial(&self) -> Option<Denial> {
        self.account.paid_denial(&self.rules, &self.in_force())
    }

    fn in_force(&self) -> InForce<'_> {
        self.account.in_force(&self.plans, self.plan)
    }

    /// What holds of the account, from its plan and itself.
    pub(super) fn plan_view(&self) -> PlanView {
        self.account.plan_view(&self.plans, self.plan)
    }

    /// Writes what the account pays from here on, where that has changed.
    pub(super) fn reprice(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
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

    pub(super) fn project_limiter(&self, project: ProjectId) -> Option<&Limiter> {
        self.project_limiters.get(&project).map(|limiter| &**limiter)
    }

    /// Every limiter that a spender's requests are counted by.
    fn limiters_of(&mut self, spender: Spender) -> impl Iterator<Item = &mut Limiter> {
        let Spender { key, project } = spender;
        let of_project = project.and_then(|project| self.project_limiters.get_mut(&project));
        let of_key = self.key_limiters.get_mut(&key);
        let others = of_project.into_iter().chain(of_key).map(|limiter| &mut **limiter);
        std::iter::once(&mut self.limiter).chain(others)
    }

    /// May this exchange begin, and how far does the credit reach?
    pub fn admit(&mut self, admit: &Admit, now: Now, batch: &mut Batch) -> Result<Terms, Failure> {
        let answer = self.begin(admit, now, batch);
        if let Err(Failure::Denied(denial)) = &answer {
            self.tell_refusal(self.account.spender(admit.key), *denial, now, batch)?;
        }
        answer
    }

    fn begin(&mut self, admit: &Admit, now: Now, batch: &mut Batch) -> Result<Terms, Failure> {
        self.lapse(now, batch)?;
        self.reprice(now, batch)?;
        let plan = self.in_force();
        let key = self.account.permitted_key(admit, &plan, now.wall_ms)?;
        if !admit.free
            && let Some(denial) = self.paid_denial()
        {
            return Err(denial.into());
        }
        let reach = self.account.reach(admit, key, (&self.rules, &plan), now.wall_ms);
        let tokens = admit.tokens_estimate;
        let spender = self.account.spender(admit.key);
        self.limiter.check(Scope::Account, tokens, now.mono)?;
        if let Some(limiter) = spender.project.and_then(|project| self.project_limiter(project)) {
            limiter.check(Scope::Project, tokens, now.mono)?;
        }
        if let Some(limiter) = self.key_limiters.get(&admit.key) {
            limiter.check(Scope::Key, tokens, now.mono)?;
        }
        let cover = self.account.hold(admit, &reach, now.wall_ms)?;
        self.write(held(admit, &reach, cover.amount), now, batch)?;
        self.limiters_of(spender).for_each(|limiter| limiter.begin(tokens, now.mono));
        self.token_estimates.insert(admit.hold, tokens);
        Ok(self.terms(admit.hold, spender, reach, &cover, now))
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
            Some((reach, cover)) => {
                let spender = self.account.spender_of(admit.hold, admit.key);
                Ok(self.terms(admit.hold, spender, reach, &cover, now))
            }
            None => self.admit(admit, now, batch),
        }
    }

    fn terms(
        &self,
        hold: HoldId,
        spender: Spender,
        reach: Reach,
        cover: &Cover,
        now: Now,
    ) -> Terms {
        let of_project = spender.project.and_then(|project| self.project_limiter(project));
        let others = [of_project, self.key_limiter(spender.key)];
        let rate = others
            .into_iter()
            .flatten()
            .fold(self.limiter.status(now.mono), |rate, own| rate.tightest(own.status(now.mono)));
        Terms {
            held: cover.amount,
            completion_tokens_held: cover.tokens_held,
            completion_tokens_max: cover.tokens_max,
            fallbacks_allowed: reach.fallbacks_allowed,
            rate,
            markup: self.account.markup_of(hold),
        }
    }

    /// Whether nothing would be lost if only the account's events were kept: no exchange is under way,
    /// and no limit is partly used up.
    pub fn is_at_rest(&self, now: Now) -> bool {
        let mut limiters = std::iter::once(&self.limiter)
            .chain(self.key_limiters.values().map(|limiter| &**limiter))
            .chain(self.project_limiters.values().map(|limiter| &**limiter));
        self.account.holds.is_empty() && limiters.all(|limiter| limiter.is_full(now.mono))
    }

    /// May this answer go on? Up to how many completion tokens?
    pub fn extend(&mut self, extend: &Extend, now: Now, batch: &mut Batch) -> Result<u64, Failure> {
        self.lapse(now, batch)?;
        if let Some(denial) = self.account.status_denial() {
            return Err(denial.into());
        }
        let (event, tokens) = match self.account.extend(extend, now.wall_ms) {
            Ok(extended) => extended,
            Err(denial) => {
                if let Some(hold) = self.account.holds.get(&extend.hold) {
                    let spender = self.account.spender_of(extend.hold, hold.key);
                    self.tell_refusal(spender, denial, now, batch)?;
                }
                return Err(denial.into());
            }
        };
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
        let spender = self.end(hold, used, event, now, batch)?;
        let noted = self.account.guarded(spender.key, self.guard.as_deref(), now.wall_ms);
        if let Some(event) = noted {
            self.write(event, now, batch)?;
        }
        self.tell(Touched::by(spender), now, batch)?;
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
        self.end(hold, 0, Event::Voided { hold, end }, now, batch).map(drop)
    }

    /// Gives who spent.
    fn end(
        &mut self,
        hold: HoldId,
        used: u64,
        event: Event,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Spender, Failure> {
        let key = self.account.holds.get(&hold).ok_or(Denial::UnknownHold)?.key;
        let spender = self.account.spender_of(hold, key);
        self.write(event, now, batch)?;
        // A hold from before the actor was restarted took nothing from these buckets.
        let estimate = self.token_estimates.remove(&hold).unwrap_or(used);
        self.limiters_of(spender).for_each(|limiter| limiter.end(estimate, used, now.mono));
        Ok(spender)
    }

    /// Takes in what has happened to money outside; what was done, also when that was before.
    pub fn transfer(
        &mut self,
        transfer: &Transfer,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Movement, Failure> {
        self.lapse_money(now, batch)?;
        for event in self.account.transfer(transfer, &self.rules, now.wall_ms)? {
            self.write(event, now, batch)?;
        }
        // Behind the payment, which may be the top-up's, late: no other one is due before it counts.
        self.lapse_top_up(now, batch)?;
        self.tell_balance(now, batch)?;
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

    /// The account that a person has, in a register; settled by this question where it was not, with an
    /// id behind `given_out`.
    pub fn claim(
        &mut self,
        person: KeyHash,
        given_out: AccountId,
        now: Now,
        batch: &mut Batch,
    ) -> Result<AccountId, Failure> {
        if let Some(event) = self.account.claim(person, given_out)? {
            self.write(event, now, batch)?;
        }
        Ok(self.account.claimed(&person).ok_or(Denial::NoSuchAccount)?)
    }

    pub(super) fn write(
        &mut self,
        event: Event,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
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
