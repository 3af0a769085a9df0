//! How money comes into accounts and goes out again, and by which rules it is spent.

use std::sync::Arc;

use super::handle::{Accounts, TRIES_MAX};
use super::machine::Machine;
use super::message::{Message, Refusal, TillMessage};
use super::{
    CodeKind, CodeTerms, CodeUse, CreditRules, Denial, GuardRules, Movement, Order, Plans, Status,
    Transfer,
};
use crate::clock::Now;
use crate::id::{AccountId, KeyHash};
use crate::ledger::{Ledger, LedgerError};

/// Accounts that are woken at a time because they are due: each reads the store.
const WOKEN_AT_ONCE: usize = 1_000;

impl Accounts {
    /// From here on, these rules hold of every account's credit.
    pub fn set_credit_rules(&self, rules: CreditRules) {
        self.0.credit_rules.store(Arc::new(rules));
    }

    /// From here on, keys are looked at by these rules, or not at all.
    pub fn set_guard(&self, rules: Option<GuardRules>) {
        self.0.guard.store(rules.map(Arc::new));
    }

    /// From here on, these are the plans.
    pub fn set_plans(&self, plans: Plans) {
        self.0.plans.store(Arc::new(plans));
    }

    /// The plans.
    pub fn plans(&self) -> Arc<Plans> {
        self.0.plans.load_full()
    }

    /// Tells an account's machine of the rules and plans, where those are not the ones it knows. Looked
    /// at before every request and at its end, so nothing is counted that all accounts share.
    pub(super) fn tell_rules(&self, machine: &mut Machine, now: Now) {
        let rules = self.0.credit_rules.load();
        if !machine.knows_rules(&rules) {
            machine.set_rules(Arc::clone(&rules));
        }
        let guard = self.0.guard.load();
        if !machine.knows_guard(guard.as_ref()) {
            machine.set_guard(guard.as_ref().map(Arc::clone));
        }
        let plans = self.0.plans.load();
        if !machine.knows_plans(&plans) && !machine.set_plans(Arc::clone(&plans), now) {
            let account = machine.account();
            let plan = account.plan().unwrap_or_default();
            tracing::warn!(
                account = %account.id(),
                plan,
                "account is on a plan that the configuration does not have: what costs something is \
                 refused until it is back or the account is on another"
            );
        }
    }

    /// Reads when accounts are due that are asleep: once, before the first [`Accounts::wake_due`].
    pub async fn load_due_times(&self) -> Result<usize, LedgerError> {
        let times = self.read(Ledger::due_times).await?;
        let count = times.len();
        for (account, at_ms) in times {
            self.0.due.set(account, Some(at_ms));
        }
        Ok(count)
    }

    /// When time alone will change an account next, in milliseconds since 1970.
    pub(super) fn set_due(&self, account: AccountId, at_ms: Option<u64>) {
        self.0.due.set(account, at_ms);
    }

    /// Lets accounts go on that time alone changes, wherever they are. To be called every few seconds.
    /// Returns how many there were.
    pub fn wake_due(&self) -> usize {
        let due = self.0.due.take(self.clock().now().wall_ms, WOKEN_AT_ONCE);
        for account in &due {
            if let Ok(living) = self.start(*account) {
                living.send(Message::Lapse);
            }
        }
        due.len()
    }

    /// Takes in what has happened to money outside. Returns what was done, when it is on disk; told
    /// again, the same.
    pub async fn transfer(
        &self,
        account: AccountId,
        transfer: Transfer,
    ) -> Result<Movement, Refusal> {
        let ask = |_, reply| Message::Till(TillMessage::Transfer(transfer.clone(), reply));
        self.ask(account, TRIES_MAX, ask).await?
    }

    /// Up to `limit` of what payments, refunds and disputes did to an account, the oldest first, behind that
    /// under the id `after`; each with its id.
    pub async fn movements(
        &self,
        account: AccountId,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Movement)>, Refusal> {
        let ask = |_, reply| Message::Till(TillMessage::Movements(after.clone(), limit, reply));
        Ok(self.ask(account, TRIES_MAX, ask).await??)
    }

    /// Gives an account what a code of this batch gives, once. Returns when that is on disk.
    pub async fn redeem(
        &self,
        account: AccountId,
        batch: AccountId,
        hash: KeyHash,
    ) -> Result<CodeTerms, Refusal> {
        // Before a use is spent on it: nothing may come to an account that is none, or is closed.
        if self.inspect(account).await?.status == Status::Closed {
            return Err(Denial::Closed.into());
        }
        let wish = CodeUse { what: CodeKind::Credit, hash, account };
        let terms = self.ask(batch, TRIES_MAX, |_, reply| Message::UseCode(wish, reply)).await??;
        let CodeTerms { kind, amount, expires_at_ms, .. } = terms;
        let order = Order::Grant { kind, amount, expires_at_ms, reference: terms.reference() };
        match self.order(account, order).await {
            Ok(_) | Err(Refusal::Denied(Denial::DuplicateReference)) => Ok(terms),
            Err(refusal) => Err(refusal),
        }
    }
}
