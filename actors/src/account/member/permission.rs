//! Which role and which scope may do what: the one place that says so. Pure.
//!
//! | | owner | admin | developer | billing | read-only | scope |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | infer | x | x | x | | | `inference` |
//! | read the account and its money | x | x | x | x | x | `usage_read` |
//! | read usage | x | x | x | x | x | `usage_read` |
//! | read keys | x | x | x | | x | `key_management` |
//! | manage keys | x | x | x | | | `key_management` |
//! | read people | x | x | x | x | x | `account_management` |
//! | manage people | x | x | | | | `account_management` |
//! | manage money: budgets, top-ups, codes | x | x | | x | | `account_management` |
//! | manage projects | x | x | | | | `account_management` |
//! | manage webhooks, read events | x | x | | | | `account_management` |
//!
//! An admin manages all people but owners: see [`Role::may_manage`]. Whoever has a key of a project may none
//! of what is the whole account's, whatever role and scopes say: see [`Permission::is_of_account`].

use std::ops::BitAnd;

use super::super::KeyScope;
use super::Role;

/// One thing that somebody may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Asking models.
    Infer,
    /// Reading the account, its balance and its credit.
    ReadAccount,
    /// Reading what was used and spent.
    ReadUsage,
    /// Reading which keys there are.
    ReadKeys,
    /// Creating, changing, rotating and revoking keys.
    ManageKeys,
    /// Reading who belongs to the account.
    ReadMembers,
    /// Adding, changing and removing people.
    ManageMembers,
    /// Setting budgets, what the account is watched for and its top-ups, and redeeming codes.
    ManageMoney,
    /// Creating, changing, archiving and restoring projects: they bound those who manage keys.
    ManageProjects,
    /// Having the account's events told, by webhooks and by asking: they say something of everything.
    ManageWebhooks,
}

/// Several of them: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u16);

use Permission::{
    Infer, ManageKeys, ManageMembers, ManageMoney, ManageProjects, ManageWebhooks, ReadAccount,
    ReadKeys, ReadMembers, ReadUsage,
};

impl Permission {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Infer,
        ReadAccount,
        ReadUsage,
        ReadKeys,
        ManageKeys,
        ReadMembers,
        ManageMembers,
        ManageMoney,
        ManageProjects,
        ManageWebhooks,
    ];

    /// What it is, behind "may".
    pub fn name(self) -> &'static str {
        match self {
            Infer => "ask models",
            ReadAccount => "read the account",
            ReadUsage => "read usage",
            ReadKeys => "read keys",
            ManageKeys => "manage keys",
            ReadMembers => "read members",
            ManageMembers => "manage members",
            ManageMoney => "set budgets and redeem codes",
            ManageProjects => "manage projects",
            ManageWebhooks => "manage webhooks and read events",
        }
    }

    /// Whether it changes nothing. Of webhooks and events it is one thing to do both.
    pub fn is_reading(self) -> bool {
        match self {
            ReadAccount | ReadUsage | ReadKeys | ReadMembers => true,
            Infer | ManageKeys | ManageMembers | ManageMoney | ManageProjects | ManageWebhooks => {
                false
            }
        }
    }

    /// Whether it is about the whole account, and can't be about a part of it that is a project.
    pub fn is_of_account(self) -> bool {
        match self {
            ReadMembers | ManageMembers | ManageMoney | ManageProjects | ManageWebhooks => true,
            Infer | ReadAccount | ReadUsage | ReadKeys | ManageKeys => false,
        }
    }

    /// The scope that a key needs for it.
    pub fn scope(self) -> KeyScope {
        match self {
            Infer => KeyScope::Inference,
            ReadAccount | ReadUsage => KeyScope::UsageRead,
            ReadKeys | ManageKeys => KeyScope::KeyManagement,
            ReadMembers | ManageMembers | ManageMoney | ManageProjects | ManageWebhooks => {
                KeyScope::AccountManagement
            }
        }
    }
}

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether `permission` is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Whether all of them are among `others`.
    pub fn are_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// What a key with these scopes may.
    pub fn of_scopes(scopes: &[KeyScope]) -> Self {
        Permission::ALL.into_iter().filter(|each| scopes.contains(&each.scope())).collect()
    }
}

impl Role {
    /// What whoever has it may.
    pub fn permissions(self) -> Permissions {
        let of = |permissions: &[Permission]| permissions.iter().copied().collect();
        match self {
            Self::Owner | Self::Admin => of(&Permission::ALL),
            Self::Developer => {
                of(&[Infer, ReadAccount, ReadUsage, ReadKeys, ManageKeys, ReadMembers])
            }
            Self::Billing => of(&[ReadAccount, ReadUsage, ReadMembers, ManageMoney]),
            Self::ReadOnly => of(&[ReadAccount, ReadUsage, ReadKeys, ReadMembers]),
        }
    }

    /// Whether whoever has it may give `other` to somebody, and change or remove whoever has that.
    pub fn may_manage(self, other: Self) -> bool {
        let manages = self.permissions().contains(ManageMembers);
        manages && (other != Self::Owner || self == Self::Owner)
    }
}

impl BitAnd for Permissions {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, each| set | bit(each)))
    }
}

fn bit(permission: Permission) -> u16 {
    match permission {
        Infer => 1,
        ReadAccount => 1 << 1,
        ReadUsage => 1 << 2,
        ReadKeys => 1 << 3,
        ManageKeys => 1 << 4,
        ReadMembers => 1 << 5,
        ManageMembers => 1 << 6,
        ManageMoney => 1 << 7,
        ManageProjects => 1 << 8,
        ManageWebhooks => 1 << 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above, once more and by hand: a change of who may do what shows here.
    #[test]
    fn the_table_is_what_it_says() {
        let table = [
            (Infer, "x x x . ."),
            (ReadAccount, "x x x x x"),
            (ReadUsage, "x x x x x"),
            (ReadKeys, "x x x . x"),
            (ManageKeys, "x x x . ."),
            (ReadMembers, "x x x x x"),
            (ManageMembers, "x x . . ."),
            (ManageMoney, "x x . x ."),
            (ManageProjects, "x x . . ."),
            (ManageWebhooks, "x x . . ."),
        ];
        assert_eq!(table.map(|(permission, _)| permission), Permission::ALL);
        for (permission, row) in table {
            for (role, cell) in Role::ALL.into_iter().zip(row.split(' ')) {
                let may = role.permissions().contains(permission);
                assert_eq!(may, cell == "x", "{role:?} {permission:?}");
            }
            let scope = [permission.scope()];
            assert!(Permissions::of_scopes(&scope).contains(permission));
            let others: Vec<KeyScope> =
                KeyScope::ALL.into_iter().filter(|other| *other != permission.scope()).collect();
            assert!(!Permissions::of_scopes(&others).contains(permission));
        }
    }

    #[test]
    fn only_an_owner_makes_and_unmakes_owners() {
        for role in Role::ALL {
            let manages = matches!(role, Role::Owner | Role::Admin);
            assert_eq!(role.may_manage(Role::Owner), role == Role::Owner);
            assert_eq!(role.may_manage(Role::Developer), manages, "{role:?}");
        }
    }
}
