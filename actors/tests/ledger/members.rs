//! The format of what happens to people, held by bytes that an earlier build wrote. These never change.

use infergate_actors::account::{
    Budget, CodeBatch, Event, GrantKind, Member, MemberChange, MemberEvent, MemberStatus, Period,
    Removal, Role,
};
use infergate_actors::id::{AccountId, KeyHash, KeyId, MemberId};
use infergate_actors::ledger::{Digest, Record};
use infergate_actors::money::NanoUsd;

use crate::records::bytes;

/// One of every kind, in the order of the format, as version 4 wrote it.
const WRITTEN: [&str; 12] = [
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341700010f616461406578616d706c652e636f6d034164610001077369676e2d757080a0f1c2b1340000",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170102030005416461204c010402086f70657261746f72",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170202fba0f1c2b134056b65795f31046c656674",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13417030301",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170401878080808080800104010505050505050505050505050505050505050505050505050505050505050505",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341705010280c8afa025",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170606060606060606060606060606060606060606060606060606060606060606068880808080808001",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13417078980808080808001",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170804626574610109090909090909090909090909090909090909090909090909090909090909090000020180f0cc86a63700",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341709fba0f1c2b134056b65795f31046c656674",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170a8980808080808001",
    "048580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134170bfba0f1c2b134056b65795f31046c656674",
];

fn events() -> [MemberEvent; 12] {
    let removal = Removal { at_ms: 1_800_000_000_123, by: "key_1".into(), reason: "left".into() };
    let ada = Member {
        id: MemberId(1),
        email: "ada@example.com".parse().unwrap(),
        name: "Ada".into(),
        role: Role::Owner,
        status: MemberStatus::Active,
        added_by: "sign-up".into(),
        added_at_ms: 1_800_000_000_000,
        verified_at_ms: None,
        removal: None,
    };
    let batch = CodeBatch {
        name: "beta".into(),
        hashes: vec![KeyHash([9; 32])],
        kind: GrantKind::Trial,
        amount: NanoUsd::ZERO,
        uses_max: 2,
        expires_at_ms: Some(1_900_000_000_000),
        lasts_ms: None,
    };
    let changes = vec![
        MemberChange::Name("Ada L".into()),
        MemberChange::Role(Role::ReadOnly),
        MemberChange::Activated,
    ];
    let ceiling = Budget { period: Period::Month, limit: NanoUsd::from_usd(5) };
    [
        MemberEvent::Added(ada),
        MemberEvent::Changed { member: MemberId(2), changes, by: "operator".into() },
        MemberEvent::Removed { member: MemberId(2), removal: removal.clone() },
        MemberEvent::KeyGiven { key: KeyId(3), member: MemberId(1) },
        MemberEvent::SignedUp {
            invite: Some((AccountId::new(2, 7), 4)),
            request: Some(KeyHash([5; 32])),
        },
        MemberEvent::CeilingsSet { ceilings: vec![ceiling] },
        MemberEvent::EmailClaimed { person: KeyHash([6; 32]), account: AccountId::new(2, 8) },
        MemberEvent::InvitesListed { batch: AccountId::new(2, 9) },
        MemberEvent::InvitesMade(batch),
        MemberEvent::InvitesRevoked { removal: removal.clone() },
        MemberEvent::CodesListed { batch: AccountId::new(2, 9) },
        MemberEvent::CodesRevoked { removal },
    ]
}

#[test]
fn every_fact_about_people_is_written_as_it_was() {
    let previous = Digest::of(b"before");
    let record = |event| {
        let event = Event::Member(Box::new(event));
        Record {
            account: AccountId::new(2, 5),
            number: 2,
            previous,
            at_ms: 1_800_000_000_123,
            event,
        }
    };
    for (hex, event) in WRITTEN.into_iter().zip(events()) {
        let record = record(event);
        // These bytes say version 4, what is written today says 5, and nothing else differs.
        assert_eq!(record.encode().get(1..), bytes(hex).get(1..));
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
    }
}
