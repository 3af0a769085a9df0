//! What an account answers to orders about its people. Pure.

use smallvec::{SmallVec, smallvec};

use super::{Member, MemberChange, MemberEvent, MemberStatus, Members, NewMember, Removal, Role};
use crate::account::state::Account;
use crate::account::{Budget, Denial, Event, NewKey, budget};
use crate::id::{KeyId, MemberId};

/// More people than belong to any account that is one.
const MEMBERS_MAX: usize = 1_000;

/// Somebody's order about the people of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberOrder {
    /// Add somebody.
    Add(NewMember, By),
    /// Change somebody. What they are already is not written again.
    Change(MemberId, Vec<MemberChange>, By),
    /// Remove somebody.
    Remove {
        /// Whom.
        member: MemberId,
        /// Whether the keys they made are revoked with it.
        revoke_keys: bool,
        /// Why.
        reason: String,
        /// By whom.
        by: By,
    },
}

/// Who gives an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The name that is written down.
    pub name: String,
    /// The role that it is given in; `None` where no role bounds it.
    pub role: Option<Role>,
}

impl By {
    /// Nobody's order who may not have to do with `role`.
    fn may_manage(&self, role: Role) -> Result<(), Denial> {
        match self.role {
            Some(own) if !own.may_manage(role) => Err(Denial::RoleTooHigh),
            Some(_) | None => Ok(()),
        }
    }
}

type Events = SmallVec<[Event; 2]>;

impl Account {
    /// Decides an order about people.
    pub(in crate::account) fn member_order(
        &self,
        order: &MemberOrder,
        now_ms: u64,
    ) -> Result<Events, Denial> {
        match order {
            MemberOrder::Add(new, by) => self.add_member(new, by, now_ms),
            MemberOrder::Change(member, changes, by) => self.change_member(*member, changes, by),
            MemberOrder::Remove { member, revoke_keys, reason, by } => {
                let removal =
                    Removal { at_ms: now_ms, by: by.name.clone(), reason: reason.clone() };
                self.remove_member(*member, *revoke_keys, removal, by)
            }
        }
    }

    fn add_member(&self, new: &NewMember, by: &By, now_ms: u64) -> Result<Events, Denial> {
        by.may_manage(new.role)?;
        let none = Members::default();
        let members = self.tenancy.members.as_deref().unwrap_or(&none);
        if members.by_email(&new.email).is_some() {
            return Err(Denial::DuplicateMember);
        }
        if members.belonging().count() >= MEMBERS_MAX {
            return Err(Denial::TooManyMembers);
        }
        if new.role != Role::Owner && !members.has_owner() {
            return Err(Denial::LastOwner);
        }
        let member = Member {
            id: members.next_id(),
            email: new.email.clone(),
            name: new.name.clone(),
            role: new.role,
            status: if new.is_active { MemberStatus::Active } else { MemberStatus::Invited },
            added_by: by.name.clone(),
            added_at_ms: now_ms,
            verified_at_ms: None,
            removal: None,
        };
        Ok(smallvec![of(MemberEvent::Added(member))])
    }

    fn change_member(
        &self,
        id: MemberId,
        changes: &[MemberChange],
        by: &By,
    ) -> Result<Events, Denial> {
        let member = self.member(id)?;
        by.may_manage(member.role)?;
        let is_new = |change: &&MemberChange| !change.is_made(member);
        let changes: Vec<MemberChange> = changes.iter().filter(is_new).cloned().collect();
        if changes.is_empty() {
            return Ok(Events::new());
        }
        let mut after = member.clone();
        for change in &changes {
            change.make(&mut after);
        }
        by.may_manage(after.role)?;
        self.keeps_an_owner(id, Some(&after))?;
        let by = by.name.clone();
        Ok(smallvec![of(MemberEvent::Changed { member: id, changes, by })])
    }

    fn remove_member(
        &self,
        id: MemberId,
        revoke_keys: bool,
        removal: Removal,
        by: &By,
    ) -> Result<Events, Denial> {
        let member = self.member(id)?;
        by.may_manage(member.role)?;
        self.keeps_an_owner(id, None)?;
        let mut events: Events = SmallVec::new();
        if revoke_keys {
            let reason = || format!("{id} was removed by {}", removal.by);
            let revoked = |key| Event::KeyRevoked { key, reason: reason() };
            let works = |key: &KeyId| self.working_key(*key).is_ok();
            events.extend(self.keys_of(id).filter(works).map(revoked));
        }
        events.push(of(MemberEvent::Removed { member: id, removal }));
        Ok(events)
    }

    /// Whether the account has an owner also when `id` is what it is after a change, or gone: an active
    /// one, where it has one now.
    fn keeps_an_owner(&self, id: MemberId, after: Option<&Member>) -> Result<(), Denial> {
        let Some(members) = self.tenancy.members.as_deref() else { return Ok(()) };
        let others = members.belonging().filter(|member| member.id != id);
        let mut owners = others.chain(after).filter(|member| member.role == Role::Owner);
        let is_kept = if members.has_active_owner() {
            owners.any(|owner| owner.status == MemberStatus::Active)
        } else {
            owners.next().is_some()
        };
        if is_kept { Ok(()) } else { Err(Denial::LastOwner) }
    }

    /// A key that is somebody's from the start.
    pub(in crate::account) fn create_key_for(
        &self,
        id: MemberId,
        new: &NewKey,
        now_ms: u64,
    ) -> Result<Events, Denial> {
        let member = self.member(id)?.id;
        let mut events = self.create_key(new, now_ms)?;
        let created = events.iter().find_map(|event| match event {
            Event::KeyCreated { key } => Some(key.id),
            _ => None,
        });
        events.extend(created.map(|key| of(MemberEvent::KeyGiven { key, member })));
        Ok(events)
    }

    /// Budgets that owners set: within what the operator has set.
    pub(in crate::account) fn set_own_budgets(&self, budgets: &[Budget]) -> Result<Events, Denial> {
        budget::check(budgets)?;
        let ceilings = self.budget_ceilings();
        let is_within = |ceiling: &Budget| {
            let own = budgets.iter().find(|budget| budget.period == ceiling.period);
            own.is_some_and(|own| own.limit <= ceiling.limit)
        };
        if let Some(ceiling) = ceilings.iter().find(|ceiling| !is_within(ceiling)) {
            return Err(Denial::AboveCeiling { period: ceiling.period, limit: ceiling.limit });
        }
        if budgets == self.budgets() {
            return Ok(Events::new());
        }
        let mut events = Events::new();
        if self.tenancy.members.as_deref().and_then(Members::ceilings).is_none() {
            events.push(of(MemberEvent::CeilingsSet { ceilings: ceilings.to_vec() }));
        }
        events.push(Event::BudgetsChanged { budgets: budgets.to_vec() });
        Ok(events)
    }

    /// Its people, some who were removed included, in the order they were added.
    pub fn members(&self) -> &[Member] {
        self.tenancy.members.as_deref().map(Members::all).unwrap_or_default()
    }

    /// The budgets that owners may not go above.
    pub fn budget_ceilings(&self) -> &[Budget] {
        let kept = self.tenancy.members.as_deref().and_then(Members::ceilings);
        kept.unwrap_or_else(|| self.budgets())
    }

    /// What an operator's budgets do to what owners may not go above: one that the operator left as it
    /// was stays whose it was.
    pub(in crate::account) fn ceilings_under(&self, budgets: &[Budget]) -> Option<Event> {
        let kept = self.tenancy.members.as_deref().and_then(Members::ceilings)?;
        let ceiling = |budget: &Budget| {
            if self.budgets().contains(budget) {
                kept.iter().find(|kept| kept.period == budget.period).copied()
            } else {
                Some(*budget)
            }
        };
        let ceilings: Vec<Budget> = budgets.iter().filter_map(ceiling).collect();
        (ceilings != kept).then(|| of(MemberEvent::CeilingsSet { ceilings }))
    }

    fn member(&self, id: MemberId) -> Result<&Member, Denial> {
        let members = self.tenancy.members.as_deref();
        members.and_then(|members| members.get(id)).ok_or(Denial::UnknownMember)
    }

    /// The keys that somebody made, those that do not work any more included.
    pub(in crate::account) fn keys_of(&self, id: MemberId) -> impl Iterator<Item = KeyId> {
        let known = self.tenancy.members.as_deref().map(Members::keys);
        known.into_iter().flatten().filter(move |(_, owner)| **owner == id).map(|(key, _)| *key)
    }
}

fn of(event: MemberEvent) -> Event {
    Event::Member(Box::new(event))
}
