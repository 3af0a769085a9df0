//! What happened to the people of an account, as the journal keeps it. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Member, Removal, Role};
use crate::account::{Budget, CodeBatch};
use crate::id::{AccountId, KeyHash, KeyId, MemberId};

/// One fact of these. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberEvent {
    /// Somebody was added.
    Added(Member),
    /// Somebody was changed.
    Changed {
        /// Who.
        member: MemberId,
        /// How.
        changes: Vec<MemberChange>,
        /// By whom: a key, a member or an operator.
        by: String,
    },
    /// Somebody does not belong to the account any more.
    Removed {
        /// Who.
        member: MemberId,
        /// When and by whom.
        removal: Removal,
    },
    /// A key that was just created is this person's.
    KeyGiven {
        /// Which key.
        key: KeyId,
        /// Whose.
        member: MemberId,
    },
    /// The account was opened by whoever it is for.
    SignedUp {
        /// The invite that was used for it, by its batch and its place in there.
        invite: Option<(AccountId, u32)>,
        /// What tells the same request, sent again, from another: a hash.
        request: Option<KeyHash>,
    },
    /// Which of the account's budgets its owners may not go above: the operator's.
    CeilingsSet {
        /// All of them, one of a kind.
        ceilings: Vec<Budget>,
    },
    /// In a register: whoever has this address has, or will have, this account.
    EmailClaimed {
        /// [`super::Email::person`].
        person: KeyHash,
        /// The account.
        account: AccountId,
    },
    /// In the list of invites: there is, or will be, such a batch.
    InvitesListed {
        /// Its id.
        batch: AccountId,
    },
    /// Invites were made: the first event of a batch.
    InvitesMade(CodeBatch),
    /// The batch's invites are good for nobody any more.
    InvitesRevoked {
        /// When, by whom and why.
        removal: Removal,
    },
    /// In the list of codes: there is, or will be, such a batch.
    CodesListed {
        /// Its id.
        batch: AccountId,
    },
    /// The batch's codes are good for nobody who has not used them.
    CodesRevoked {
        /// When, by whom and why.
        removal: Removal,
    },
}

/// One change of a person. Variants are only ever added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    /// Another name.
    Name(String),
    /// Another role.
    Role(Role),
    /// Who was invited has come.
    Activated,
}

/// Somebody to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// The address, one of a kind in the account.
    pub email: super::Email,
    /// A name for people.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whether to be invited first, or active at once.
    pub is_active: bool,
}
