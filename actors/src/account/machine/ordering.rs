//! An operator's orders, and what the operators' own actor is asked. Pure.

use super::{Failure, Inconsistency, Limiter, Machine};
use crate::account::project::{ProjectChange, ProjectEvent};
use crate::account::watch::Touched;
use crate::account::{
    Event, KeyChange, Operation, OperatorDenial, OperatorEvent, Order, Outcome, operators,
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

    /// The same as an operator's action: what it wrote is marked so in the account's own journal.
    pub fn order_as(
        &mut self,
        action: Option<u64>,
        order: &Order,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Failure> {
        self.lapse_money(now, batch)?;
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
}
