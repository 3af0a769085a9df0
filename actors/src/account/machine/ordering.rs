//! An operator's orders, and what the operators' own actor is asked. Pure.

use super::{Failure, Inconsistency, Limiter, Machine};
use crate::account::project::{ProjectChange, ProjectEvent};
use crate::account::watch::Touched;
use crate::account::{
    Answered, Event, KeyChange, Mark, OnceEvent, Operation, OperatorDenial, OperatorEvent, Order,
    Outcome, operators,
};
use crate::clock::Now;
use crate::ledger::Batch;

impl Machine {
    /// Carries out an operator's order.
    pub fn order(&mut self, order: &Order, now: Now, batch: &mut Batch) -> Result<(), Failure> {
        self.lapse_money(now, batch)?;
        let mut touched = Touched::default();
        for event in self.account.order(order, &self.plans, now.wall_ms)? {
            touched.note(&event);
            self.set_limiters(&event, now);
            self.write(event, now, batch)?;
        }
        self.reprice(now, batch)?;
        // Behind the order, which may be what is said of a top-up, late.
        self.lapse_top_up(now, batch)?;
        Ok(self.tell(touched, now, batch)?)
    }

    fn set_limiters(&mut self, event: &Event, now: Now) {
        match event {
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

    /// The same as part of something: what it wrote is marked so in the account's own journal.
    pub fn order_as(
        &mut self,
        mark: Option<Mark>,
        order: &Order,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        self.lapse_money(now, batch)?;
        let before = batch.len();
        self.order(order, now, batch)?;
        Ok(self.mark(mark, before, now, batch)?)
    }

    /// Marks what the batch holds beyond the first `before`.
    fn mark(
        &mut self,
        mark: Option<Mark>,
        before: usize,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        let events = u32::try_from(batch.len().saturating_sub(before)).unwrap_or(u32::MAX);
        let event = match mark.filter(|_| events > 0) {
            None => return Ok(()),
            Some(Mark::Action(action)) => {
                Event::Operator(Box::new(OperatorEvent::Did { action, events }))
            }
            Some(Mark::Once(_, once)) => Event::Once(Box::new(OnceEvent::Did { once, events })),
        };
        self.write(event, now, batch)
    }

    /// Keeps an answer to what was asked under an idempotency key, if it is one to be kept.
    pub fn keep(
        &mut self,
        answered: &Answered,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        let event = self.account.answered(answered, now.wall_ms);
        event.map_or(Ok(()), |event| self.write(Event::Once(Box::new(event)), now, batch))
    }

    /// Carries out what the operators' actor is asked to.
    pub fn operate(
        &mut self,
        operation: &Operation,
        mark: Option<Mark>,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Result<Outcome, OperatorDenial>, Inconsistency> {
        let number = self.account.number.saturating_add(1);
        let fresh = operators::State::default();
        let operators = self.account.operators().unwrap_or(&fresh);
        let asker = operation.asker();
        let keys = self.token_keys.get_or_insert_default();
        if let Some(token) = asker {
            keys.make_room(token, |action| operators.remembers(action, now.wall_ms));
        }
        let decided = operators.decide(operation, keys, number, now.wall_ms);
        let (event, outcome) = match decided {
            Ok(decided) => decided,
            Err(denial) => return Ok(Err(denial)),
        };
        if let Some(event) = event {
            if let Some(token) = asker {
                keys.remember(number, token);
            }
            self.write(Event::Operator(Box::new(event)), now, batch)?;
            self.mark(mark, 0, now, batch)?;
        }
        Ok(Ok(outcome))
    }
}
