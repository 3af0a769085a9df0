//! What happened to people, as JSON: no hash of an address, a code or a request. Pure.

use infergate_actors::account::{Budget, Member, MemberChange, MemberEvent, Removal};
use schemars::JsonSchema;
use serde::Serialize;

/// One fact of these.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberFact<'e> {
    Added { id: String, member: &'e Member },
    Changed { member: String, changes: &'e [MemberChange], by: &'e str },
    Removed { member: String, removal: &'e Removal },
    KeyGiven { key: String, member: String },
    SignedUp { invite: Option<String> },
    CeilingsSet { ceilings: &'e [Budget] },
    EmailClaimed { account: String },
    InvitesListed { batch: String },
    InvitesMade { name: &'e str, invites: usize, uses_max: u32, expires_at_ms: Option<u64> },
    InvitesRevoked { removal: &'e Removal },
    CodesListed { batch: String },
    CodesRevoked { removal: &'e Removal },
}

impl<'e> MemberFact<'e> {
    /// What may be shown of a fact.
    pub(super) fn of(event: &'e MemberEvent) -> Self {
        match event {
            MemberEvent::Added(member) => Self::Added { id: member.id.to_string(), member },
            MemberEvent::Changed { member, changes, by } => {
                Self::Changed { member: member.to_string(), changes, by }
            }
            MemberEvent::Removed { member, removal } => {
                Self::Removed { member: member.to_string(), removal }
            }
            MemberEvent::KeyGiven { key, member } => {
                Self::KeyGiven { key: key.to_string(), member: member.to_string() }
            }
            MemberEvent::SignedUp { invite, .. } => {
                let shown = |(batch, place)| format!("{batch}-{place}");
                Self::SignedUp { invite: invite.map(shown) }
            }
            MemberEvent::CeilingsSet { ceilings } => Self::CeilingsSet { ceilings },
            MemberEvent::EmailClaimed { account, .. } => {
                Self::EmailClaimed { account: account.to_string() }
            }
            MemberEvent::InvitesListed { batch } => {
                Self::InvitesListed { batch: batch.to_string() }
            }
            MemberEvent::InvitesMade(batch) => Self::InvitesMade {
                name: &batch.name,
                invites: batch.hashes.len(),
                uses_max: batch.uses_max,
                expires_at_ms: batch.expires_at_ms,
            },
            MemberEvent::InvitesRevoked { removal } => Self::InvitesRevoked { removal },
            MemberEvent::CodesListed { batch } => Self::CodesListed { batch: batch.to_string() },
            MemberEvent::CodesRevoked { removal } => Self::CodesRevoked { removal },
        }
    }
}
