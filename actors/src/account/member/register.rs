//! Which address has signed up, and which codes and invites there are. Pure.
//!
//! Neither belongs to an account, and both must be known exactly: who signs up twice at once gets one
//! account. So each is kept by accounts that are nobody's, whose actors are the only ones who write:
//! [`AccountId::register`] for addresses, spread over many by their hash, [`AccountId::invites`] and
//! [`AccountId::codes`] for the lists of batches, and each batch of invites is one as each batch of codes
//! is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MemberEvent, Members, Removal};
use crate::account::state::Account;
use crate::account::{Denial, Event};
use crate::id::{AccountId, KeyHash};

/// What one of them keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Register {
    claims: BTreeMap<KeyHash, AccountId>,
    /// Of a batch of codes or invites that was taken back.
    revoked: Option<Removal>,
}

/// What a used invite is known by: its batch and its place in there.
pub(in crate::account) type InviteTerms = (AccountId, u32);

impl Register {
    pub(super) fn fold(&mut self, event: &MemberEvent) -> Result<(), &'static str> {
        match event {
            MemberEvent::EmailClaimed { person, account } => {
                match self.claims.insert(*person, *account) {
                    None => Ok(()),
                    Some(_) => Err("it claims an address that is claimed already"),
                }
            }
            MemberEvent::InvitesRevoked { removal } | MemberEvent::CodesRevoked { removal } => {
                self.revoked = Some(removal.clone());
                Ok(())
            }
            MemberEvent::Added(_)
            | MemberEvent::Changed { .. }
            | MemberEvent::Removed { .. }
            | MemberEvent::KeyGiven { .. }
            | MemberEvent::SignedUp { .. }
            | MemberEvent::CeilingsSet { .. }
            | MemberEvent::InvitesListed { .. }
            | MemberEvent::InvitesMade(_)
            | MemberEvent::CodesListed { .. } => Ok(()),
        }
    }

    pub(super) fn claimed(&self, person: &KeyHash) -> Option<AccountId> {
        self.claims.get(person).copied()
    }
}

impl Account {
    fn register(&self) -> Option<&Register> {
        self.tenancy.members.as_deref()?.register.as_deref()
    }

    /// Whether this is a register, a batch of codes or invites, or the operators, and nobody's account.
    pub fn is_nobodys(&self) -> bool {
        let is_operators = self.id == AccountId::OPERATORS;
        is_operators || self.is_code_batch() || self.register().is_some()
    }

    /// Decides, in a register, which account a person has: the event, unless that is settled. Ids up to
    /// `given_out` may be others' from before a repair.
    pub fn claim(&self, person: KeyHash, given_out: AccountId) -> Result<Option<Event>, Denial> {
        if !self.id.is_register() || self.is_code_batch() {
            return Err(Denial::NoSuchAccount);
        }
        if self.claimed(&person).is_some() {
            return Ok(None);
        }
        // The first has the number behind the register's own.
        let mut last = self.id.0.saturating_add(self.number);
        if given_out > self.id {
            // How many were claimed tells nothing any more.
            let claimed = self.register().and_then(|register| register.claims.values().max());
            last = last.max(given_out.0).max(claimed.map_or(0, |account| account.0));
        }
        let account = AccountId(last.saturating_add(1));
        Ok(Some(Event::Member(Box::new(MemberEvent::EmailClaimed { person, account }))))
    }

    /// The account that a person has claimed in this register.
    pub fn claimed(&self, person: &KeyHash) -> Option<AccountId> {
        self.tenancy.members.as_deref().and_then(|members: &Members| members.claimed(person))
    }

    /// When, by whom and why this batch was taken back.
    pub(in crate::account) fn revoked_batch(&self) -> Option<&Removal> {
        self.register()?.revoked.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Digest, Record};

    #[test]
    fn what_may_have_been_given_out_before_a_repair_is_left_out() {
        let person = |number: u8| KeyHash([number; 32]);
        let id = AccountId::register(0, &person(3));
        let mut register = Account::new(id);
        let mut claim = |number: u8, behind: u64| {
            let given_out = AccountId(id.0 + behind);
            let event = register.claim(person(number), given_out).unwrap().unwrap();
            let (number, previous) = (register.number + 1, register.digest);
            let record = Record { account: id, number, previous, at_ms: 1, event };
            register.apply(&record, Digest::of(&record.encode())).unwrap();
            let Event::Member(event) = record.event else { panic!("no claim") };
            let MemberEvent::EmailClaimed { account, .. } = *event else { panic!("no claim") };
            account.place()
        };
        assert_eq!([claim(1, 0), claim(2, 0)], [1, 2]);
        assert_eq!([claim(3, 100), claim(4, 100)], [101, 102]);
        assert_eq!([claim(5, 102), claim(6, 200), claim(7, 200)], [103, 201, 202]);
    }
}
