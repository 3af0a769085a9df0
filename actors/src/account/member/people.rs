//! Who belongs to an account: the fold of what happened to its people. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::register::Register;
use super::{Email, MemberChange, MemberEvent, Permissions};
use crate::account::Budget;
use crate::id::{AccountId, KeyHash, KeyId, MemberId};

/// How many who were removed are listed still: the journal has all of them.
const REMOVED_MAX: usize = 100;

/// Somebody who belongs to an account, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The number in the account.
    pub id: MemberId,
    /// The address, one of a kind among those who are not removed.
    pub email: Email,
    /// A name for people.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whether invited, active or removed.
    pub status: MemberStatus,
    /// Who added it.
    pub added_by: String,
    /// When, in milliseconds since 1970.
    pub added_at_ms: u64,
    /// When the address was shown to be this person's, in milliseconds since 1970.
    pub verified_at_ms: Option<u64>,
    /// When and by whom it was removed.
    pub removal: Option<Removal>,
}

/// When, by whom and why somebody or something was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// By whom.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
}

/// What somebody is in an account. See [`Permissions`] for what that means.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    Owner,
    /// May do everything but change who the owners are.
    Admin,
    /// Works with models and keys.
    Developer,
    /// Looks after the money.
    Billing,
    /// Looks.
    ReadOnly,
}

/// Where somebody is in the life of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// Added, and has not come yet.
    Invited,
    /// Belongs to the account.
    Active,
    /// Does not any more.
    Removed,
}

/// The people of one account, and what else is known by the same facts. A part of its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::account) struct Members {
    /// In the order they were added.
    people: Vec<Member>,
    people_made: u32,
    /// Whose keys are whose, of those that are somebody's.
    keys: BTreeMap<KeyId, MemberId>,
    /// What the request that opened the account is known by.
    request: Option<KeyHash>,
    /// What owners may not set budgets above; none where they have set none.
    ceilings: Option<Vec<Budget>>,
    /// Where this is nobody's account.
    pub(super) register: Option<Box<Register>>,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 5] =
        [Self::Owner, Self::Admin, Self::Developer, Self::Billing, Self::ReadOnly];

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Billing => "billing",
            Self::ReadOnly => "read_only",
        }
    }
}

impl Member {
    /// Whether it was not removed.
    pub fn belongs(&self) -> bool {
        self.status != MemberStatus::Removed
    }

    fn is_active_owner(&self) -> bool {
        self.role == Role::Owner && self.status == MemberStatus::Active
    }

    /// What it may: nothing before it has come, and when it is gone.
    pub fn permissions(&self) -> Permissions {
        match self.status {
            MemberStatus::Active => self.role.permissions(),
            MemberStatus::Invited | MemberStatus::Removed => Permissions::NONE,
        }
    }
}

impl Members {
    /// Folds one fact in.
    pub(in crate::account) fn fold(&mut self, event: &MemberEvent) -> Result<(), &'static str> {
        match event {
            MemberEvent::Added(member) => self.add(member)?,
            MemberEvent::Changed { member, changes, .. } => {
                let member = self.get_mut(*member).ok_or("it changes somebody who is not there")?;
                for change in changes {
                    change.make(member);
                }
            }
            MemberEvent::Removed { member, removal } => {
                let member = self.get_mut(*member).ok_or("it removes somebody who is not there")?;
                member.status = MemberStatus::Removed;
                member.removal = Some(removal.clone());
                self.forget_removed();
            }
            MemberEvent::KeyGiven { key, member } => {
                self.get_mut(*member).ok_or("it gives a key to somebody who is not there")?;
                self.keys.insert(*key, *member);
            }
            MemberEvent::SignedUp { request, .. } => self.request = *request,
            MemberEvent::CeilingsSet { ceilings } => self.ceilings = Some(ceilings.clone()),
            MemberEvent::EmailClaimed { .. }
            | MemberEvent::InvitesListed { .. }
            | MemberEvent::InvitesMade(_)
            | MemberEvent::InvitesRevoked { .. }
            | MemberEvent::CodesListed { .. }
            | MemberEvent::CodesRevoked { .. } => {
                self.register.get_or_insert_default().fold(event)?;
            }
        }
        if self.belonging().next().is_some() && !self.has_owner() {
            return Err("it leaves an account without an owner");
        }
        Ok(())
    }

    fn add(&mut self, member: &Member) -> Result<(), &'static str> {
        if member.id.0 <= self.people_made {
            return Err("it adds somebody under a number that was used");
        }
        if self.by_email(&member.email).is_some() {
            return Err("it adds somebody whose address is there already");
        }
        self.people_made = member.id.0;
        self.people.push(member.clone());
        Ok(())
    }

    fn forget_removed(&mut self) {
        let removed = self.people.iter().filter(|member| !member.belongs()).count();
        if removed > REMOVED_MAX
            && let Some(first) = self.people.iter().position(|member| !member.belongs())
        {
            self.people.remove(first);
        }
    }

    fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.people.iter_mut().find(|member| member.id == id && member.belongs())
    }

    /// Somebody who is not removed.
    pub(super) fn get(&self, id: MemberId) -> Option<&Member> {
        self.belonging().find(|member| member.id == id)
    }

    pub(super) fn by_email(&self, email: &Email) -> Option<&Member> {
        self.belonging().find(|member| member.email == *email)
    }

    /// Those who are not removed.
    pub(super) fn belonging(&self) -> impl Iterator<Item = &Member> {
        self.people.iter().filter(|member| member.belongs())
    }

    pub(super) fn has_owner(&self) -> bool {
        self.belonging().any(|member| member.role == Role::Owner)
    }

    pub(super) fn has_active_owner(&self) -> bool {
        self.belonging().any(Member::is_active_owner)
    }

    /// Everybody, some who were removed included.
    pub(in crate::account) fn all(&self) -> &[Member] {
        &self.people
    }

    /// The number that the next one has.
    pub(super) fn next_id(&self) -> MemberId {
        MemberId(self.people_made.saturating_add(1))
    }

    /// Whose keys are whose.
    pub(in crate::account) fn keys(&self) -> &BTreeMap<KeyId, MemberId> {
        &self.keys
    }

    pub(super) fn request(&self) -> Option<KeyHash> {
        self.request
    }

    pub(in crate::account) fn ceilings(&self) -> Option<&[Budget]> {
        self.ceilings.as_deref()
    }

    /// The account that a person has claimed, in a register.
    pub(super) fn claimed(&self, person: &KeyHash) -> Option<AccountId> {
        self.register.as_ref()?.claimed(person)
    }
}

impl MemberChange {
    pub(super) fn is_made(&self, member: &Member) -> bool {
        match self {
            Self::Name(name) => member.name == *name,
            Self::Role(role) => member.role == *role,
            Self::Activated => member.status == MemberStatus::Active,
        }
    }

    pub(super) fn make(&self, member: &mut Member) {
        match self {
            Self::Name(name) => member.name.clone_from(name),
            Self::Role(role) => member.role = *role,
            Self::Activated => member.status = MemberStatus::Active,
        }
    }
}
