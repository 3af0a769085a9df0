//! How money comes into accounts and goes out again, and by which rules it is spent.

use std::sync::Arc;

use super::actor::{Message, Refusal};
use super::handle::{Accounts, TRIES_MAX};
use super::machine::Machine;
use super::{
    CodeBatch, CodeKind, CodeTerms, CodeUse, CreditRules, Denial, Movement, Order, Status, Transfer,
};
use crate::id::{AccountId, KeyHash};

impl Accounts {
    /// From here on, these rules hold of every account's credit.
    pub fn set_credit_rules(&self, rules: CreditRules) {
        self.0.credit_rules.store(Arc::new(rules));
    }

    /// Tells an account's machine of the rules, where those are not the ones it knows. Looked at
    /// before every request, so nothing is counted that all accounts share.
    pub(super) fn tell_rules(&self, machine: &mut Machine) {
        let rules = self.0.credit_rules.load();
        if !machine.knows_rules(&rules) {
            machine.set_rules(Arc::clone(&rules));
        }
    }

    /// Takes in what has happened to money outside. Returns what was done, when it is on disk; told
    /// again, the same.
    pub async fn transfer(
        &self,
        account: AccountId,
        transfer: Transfer,
    ) -> Result<Movement, Refusal> {
        let ask = |_, reply| Message::Transfer(transfer.clone(), reply);
        self.ask(account, TRIES_MAX, ask).await?
    }

    /// An id that no account has: for a batch of codes, which name it.
    pub fn new_id(&self) -> AccountId {
        self.ledger().new_account_id()
    }

    /// Makes codes, as a batch of this id. Returns when they are on disk.
    pub async fn make_codes(&self, id: AccountId, batch: CodeBatch) -> Result<(), Refusal> {
        self.order(id, Order::MakeCodes(batch)).await.map(|_| ())
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
