//! An account's whole state and its answers: the fold of its events, and its limits. Pure.
//!
//! Each method decides, writes what was decided into a [`Batch`] for the ledger, and applies it. What
//! it returns is for the one who asked.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::credit_rules::{CreditRules, Kinds};
use super::decide::{Cover, Reach};
use super::guard::GuardRules;
use super::limits::Limiter;
use super::payment::{Movement, Transfer};
use super::project::{ProjectChange, ProjectEvent, Spender};
use super::state::{Account, Hold, Inconsistency};
use super::watch::{Due, Touched};
use super::{
    Admit, CodeTerms, CodeUse, Denial, End, Event, Extend, KeyChange, Operation, OperatorDenial,
    OperatorEvent, Order, Outcome, Project, Scope, Settle, Terms, operators,
};
use crate::clock::Now;
use crate::id::{HoldId, KeyId, ProjectId};
use crate::ledger::{Batch, Record};
use crate::money::NanoUsd;

/// What holds until something is told: one for all, as every account awake points there.
static DEFAULT_RULES: LazyLock<Arc<CreditRules>> = LazyLock::new(Arc::default);

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
        let limiter = Limiter::new(account.limits, count(account.holds.len()), now.mono);
        Self {
            account,
            limiter,
            key_limiters,
            project_limiters,
            token_estimates: BTreeMap::new(),
            rules: Arc::clone(&DEFAULT_RULES),
            guard: None,
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

    /// Lets credit lapse whose time is over, and top-ups. To be called before every question.
    pub fn lapse(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        let lapsed = self.lapse_credit(now, batch)?;
        if self.lapse_top_up(now, batch)? || lapsed {
            self.tell_balance(now, batch)?;
        }
        Ok(())
    }

    fn lapse_credit(&mut self, now: Now, batch: &mut Batch) -> Result<bool, Inconsistency> {
        let lapsed = self.account.lapse(now.wall_ms);
        let any = !lapsed.is_empty();
        for event in lapsed {
            self.write(event, now, batch)?;
        }
        Ok(any)
    }

    fn lapse_top_up(&mut self, now: Now, batch: &mut Batch) -> Result<bool, Inconsistency> {
        let lapsed = self.account.lapsed_top_up(now.wall_ms);
        let any = lapsed.is_some();
        if let Some(event) = lapsed {
            self.write(Event::Watch(Box::new(event)), now, batch)?;
        }
        Ok(any)
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
        let key = self.account.permitted_key(admit, now.wall_ms)?;
        if let Some(denial) = self.account.paid_denial(&self.rules).filter(|_| !admit.free) {
            return Err(denial.into());
        }
        let reach = self.account.reach(admit, key, &self.rules, now.wall_ms);
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
        Ok(self.terms(spender, reach, &cover, now))
    }

    /// [`Machine::admit`] for a question that is asked again because no answer came: the actor that
    /// was asked first may have written the hold before it broke down, and is then taken at its word.
    pub fn admit_again(
        &mut self,
        admit: &Admit,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Terms, Failure> {
        match self.account.held_for(admit, &self.rules) {
            Some((reach, cover)) => {
                let spender = self.account.spender_of(admit.hold, admit.key);
                Ok(self.terms(spender, reach, &cover, now))
            }
            None => self.admit(admit, now, batch),
        }
    }

    fn terms(&self, spender: Spender, reach: Reach, cover: &Cover, now: Now) -> Terms {
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

    /// Carries out an operator's order.
    pub fn order(&mut self, order: &Order, now: Now, batch: &mut Batch) -> Result<(), Failure> {
        self.lapse_credit(now, batch)?;
        let mut touched = Touched::default();
        for event in self.account.order(order, now.wall_ms)? {
            touched.note(&event);
            self.set_limiters(&event, now);
            self.write(event, now, batch)?;
        }
        // Behind the order, which may be what is said of a top-up, late.
        self.lapse_top_up(now, batch)?;
        Ok(self.tell(touched, now, batch)?)
    }

    fn set_limiters(&mut self, event: &Event, now: Now) {
        match event {
            Event::LimitsChanged { limits } => self.limiter.set(*limits, now.mono),
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
            Event::Project(event) => match &**event {
                ProjectEvent::Created { project, new, .. } => {
                    let limiter = Limiter::new(new.limits, 0, now.mono);
                    self.project_limiters.insert(*project, Box::new(limiter));
                }
                ProjectEvent::Changed { project, changes } => {
                    for change in changes {
                        if let ProjectChange::Limits(limits) = change
                            && let Some(limiter) = self.project_limiters.get_mut(project)
                        {
                            limiter.set(*limits, now.mono);
                        }
                    }
                }
                ProjectEvent::Archived { .. } | ProjectEvent::Restored { .. } => {}
            },
            _ => {}
        }
    }

    /// The same as an operator's action: what it wrote is marked so in the account's own journal.
    pub fn order_as(
        &mut self,
        action: Option<u64>,
        order: &Order,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        self.lapse_credit(now, batch)?;
        let before = batch.len();
        self.order(order, now, batch)?;
        Ok(self.mark(action, before, now, batch)?)
    }

    /// Marks what the batch holds beyond the first `before` as done by an operator's action.
    fn mark(
        &mut self,
        action: Option<u64>,
        before: usize,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        let events = u32::try_from(batch.len().saturating_sub(before)).unwrap_or(u32::MAX);
        let Some(action) = action.filter(|_| events > 0) else { return Ok(()) };
        self.write(Event::Operator(Box::new(OperatorEvent::Did { action, events })), now, batch)
    }

    /// Carries out what the operators' actor is asked to.
    pub fn operate(
        &mut self,
        operation: &Operation,
        action: Option<u64>,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Result<Outcome, OperatorDenial>, Inconsistency> {
        let number = self.account.number.saturating_add(1);
        let decided = match self.account.operators() {
            Some(operators) => operators.decide(operation, number, now.wall_ms),
            None => operators::State::default().decide(operation, number, now.wall_ms),
        };
        let (event, outcome) = match decided {
            Ok(decided) => decided,
            Err(denial) => return Ok(Err(denial)),
        };
        if let Some(event) = event {
            self.write(Event::Operator(Box::new(event)), now, batch)?;
            self.mark(action, 0, now, batch)?;
        }
        Ok(Ok(outcome))
    }

    /// Takes in what has happened to money outside; what was done, also when that was before.
    pub fn transfer(
        &mut self,
        transfer: &Transfer,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Movement, Failure> {
        self.lapse_credit(now, batch)?;
        for event in self.account.transfer(transfer, &self.rules)? {
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

    /// Writes what is to be told of the budgets that were touched, and of the balance.
    fn tell(&mut self, touched: Touched, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        let mut due = Due::new();
        self.account.budgets_due(touched, &mut due);
        for event in due {
            self.write(Event::Watch(Box::new(event)), now, batch)?;
        }
        self.tell_balance(now, batch)
    }

    fn tell_balance(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        let mut due = Due::new();
        self.account.balance_due(now.wall_ms, &mut due);
        for event in due {
            self.write(Event::Watch(Box::new(event)), now, batch)?;
        }
        Ok(())
    }

    /// Writes what is to be told of a request that was refused.
    fn tell_refusal(
        &mut self,
        spender: Spender,
        denial: Denial,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        match self.account.refusal_due(spender, denial, now.wall_ms) {
            Some(event) => self.write(Event::Watch(Box::new(event)), now, batch),
            None => Ok(()),
        }
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
        self.account.apply(&record, digest)
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
