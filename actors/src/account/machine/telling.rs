//! What time alone does to an account, and what is told of its budgets and balance. Pure.

use super::{Inconsistency, Machine};
use crate::account::project::Spender;
use crate::account::watch::{Due, Touched};
use crate::account::{Denial, Event};
use crate::clock::Now;
use crate::ledger::Batch;

impl Machine {
    /// Lets credit lapse whose time is over, top-ups too, and the subscription go on; and tells what that,
    /// or the time itself, makes due: a new month has room for a top-up. To be called before every question.
    pub fn lapse(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
        self.lapse_money(now, batch)?;
        self.lapse_top_up(now, batch)?;
        // Also what lapsed in front of something that was refused then.
        self.tell_balance(now, batch)
    }

    /// The same without top-ups, for what may be said of one, late.
    pub(super) fn lapse_money(&mut self, now: Now, batch: &mut Batch) -> Result<(), Inconsistency> {
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

    pub(super) fn lapse_top_up(
        &mut self,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        match self.account.lapsed_top_up(now.wall_ms) {
            Some(event) => self.write(Event::Watch(Box::new(event)), now, batch),
            None => Ok(()),
        }
    }

    /// Writes what is to be told of the budgets that were touched, and of the balance.
    pub(super) fn tell(
        &mut self,
        touched: Touched,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        let mut due = Due::new();
        self.account.budgets_due(touched, now.wall_ms, &mut due);
        for event in due {
            self.write(Event::Watch(Box::new(event)), now, batch)?;
        }
        self.tell_balance(now, batch)
    }

    pub(super) fn tell_balance(
        &mut self,
        now: Now,
        batch: &mut Batch,
    ) -> Result<(), Inconsistency> {
        let mut due = Due::new();
        self.account.balance_due(now.wall_ms, &mut due);
        for event in due {
            self.write(Event::Watch(Box::new(event)), now, batch)?;
        }
        Ok(())
    }

    /// Writes what is to be told of a request that was refused.
    pub(super) fn tell_refusal(
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
}
