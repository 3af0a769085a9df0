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

    /// Decides, in a register, which account a person has: the event, unless that is settled.
    pub fn claim(&self, person: KeyHash) -> Result<Option<Event>, Denial> {
        if !self.id.is_register() || self.is_code_batch() {
            return Err(Denial::NoSuchAccount);
        }
        if self.claimed(&person).is_some() {
            return Ok(None);
        }
        // The first has the number behind the register's own.
        let account = AccountId(self.id.0.saturating_add(self.number).saturating_add(1));
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
