//! Any fact about people, for tests of how facts are written.

use proptest::prelude::*;

use super::{Member, MemberChange, MemberEvent, MemberStatus, Removal, Role};
use crate::account::{Budget, Event, Period};
use crate::id::{AccountId, KeyHash, KeyId, MemberId};
use crate::money::NanoUsd;

/// One of any kind.
pub(crate) fn any_member_event() -> impl Strategy<Value = Event> {
    let removal = any::<(u64, String, String)>().prop_map(|(at_ms, by, reason)| Removal {
        at_ms,
        by,
        reason,
    });
    let role = prop::sample::select(Role::ALL.to_vec());
    let member = (any::<(u32, String, Option<u64>)>(), role, removal).prop_map(
        |((id, name, verified_at_ms), role, removal)| Member {
            id: MemberId(id),
            email: "ada@example.com".parse().unwrap(),
            name: name.clone(),
            role,
            status: MemberStatus::Removed,
            added_by: name,
            added_at_ms: removal.at_ms,
            verified_at_ms,
            removal: Some(removal),
        },
    );
    let event = (member, any::<(u8, u32, [u8; 32])>(), any::<Vec<i64>>()).prop_map(
        |(member, (kind, number, hash), nanos)| {
            let budget = |nano| Budget { period: Period::Week, limit: NanoUsd::from_nano(nano) };
            let ceilings = nanos.into_iter().map(budget).collect();
            let Member { id, name, role, removal, .. } = member.clone();
            let removal = removal.unwrap();
            let (hash, batch) = (KeyHash(hash), AccountId(u64::from(number)));
            match kind % 11 {
                0 => MemberEvent::Added(member),
                1 => {
                    let name_too = MemberChange::Name(name.clone());
                    let changes = vec![MemberChange::Role(role), name_too, MemberChange::Activated];
                    MemberEvent::Changed { member: id, changes, by: name }
                }
                2 => MemberEvent::Removed { member: id, removal },
                3 => MemberEvent::KeyGiven { key: KeyId(number), member: id },
                4 => MemberEvent::SignedUp { invite: Some((batch, number)), request: Some(hash) },
                5 => MemberEvent::CeilingsSet { ceilings },
                6 => MemberEvent::EmailClaimed { person: hash, account: batch },
                7 => MemberEvent::InvitesListed { batch },
                8 => MemberEvent::CodesListed { batch },
                9 => MemberEvent::CodesRevoked { removal },
                _ => MemberEvent::InvitesRevoked { removal },
            }
        },
    );
    event.prop_map(|event| Event::Member(Box::new(event)))
}
