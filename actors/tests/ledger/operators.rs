//! The format of operators' events, held by bytes that an earlier build wrote. These never change.

use infergate_actors::account::{
    Asked, Deed, Ended, Event, Idempotency, KeptAnswer, OperatorEvent, OperatorRole, RotatedToken,
    Token,
};
use infergate_actors::id::{AccountId, ExchangeId, KeyHash, TokenId};
use infergate_actors::ledger::{Digest, Record};

/// One record of every kind, as version 4 wrote it.
const OPERATORS: [&str; 8] = [
    "0400016db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b000203616e6e040707070707070707070707070707070707070707070707070707070707070707047778797a80a0f1c2b1340180f0cc86a637000107070707070707070707070707070707070707070707070707070707070707078088dfe4eb35",
    "0400026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b010207070707070707070707070707070707070707070707070707070707070707070461626364ac02",
    "0400036db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b0202",
    "0400046db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b030203616e6e0201007f000001090c6772616e742e63726561746504504f5354022f670103027b7d01036b2d310505050505050505050505050505050501",
    "0400056db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b040401c901027b7d01106170706c69636174696f6e2f6a736f6e0103223122027b7d01030506",
    "0400066db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b050203616e6e0201007f000001090c6772616e742e63726561746504504f5354022f670103027b7d009303",
    "0400076db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b060402",
    "0400086db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341b040400000000",
];

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn asked(idempotency: Option<Idempotency>) -> Box<Asked> {
    Box::new(Asked {
        token: TokenId(2),
        name: "ann".into(),
        role: OperatorRole::Billing,
        address: Some([127, 0, 0, 1].into()),
        request: ExchangeId(9),
        action: "grant.create".into(),
        method: "POST".into(),
        path: "/g".into(),
        account: Some(AccountId(3)),
        body: "{}".into(),
        idempotency,
    })
}

fn events() -> [OperatorEvent; 8] {
    let hash = KeyHash([7; 32]);
    let fingerprint = Digest([5; 16]);
    let wish = Idempotency { key: "k-1".into(), fingerprint, is_repeatable: true };
    let answer = KeptAnswer {
        media_type: "application/json".into(),
        etag: Some("\"1\"".into()),
        body: b"{}".to_vec(),
    };
    let ended = Ended {
        action: 4,
        status: Some(201),
        changes: "{}".into(),
        answer: Some(answer),
        deeds: vec![Deed { account: AccountId(3), first: 5, last: 6 }],
    };
    let lost =
        Ended { action: 4, status: None, changes: String::new(), answer: None, deeds: Vec::new() };
    [
        OperatorEvent::TokenCreated(Token {
            id: TokenId(2),
            name: "ann".into(),
            role: OperatorRole::ReadOnly,
            hash,
            hint: "wxyz".into(),
            created_at_ms: 1_800_000_000_000,
            expires_at_ms: Some(1_900_000_000_000),
            revoked_at_ms: None,
            former: Some((hash, 1_850_000_000_000)),
        }),
        OperatorEvent::TokenRotated(RotatedToken {
            token: TokenId(2),
            hash,
            hint: "abcd".into(),
            former_until_ms: 300,
        }),
        OperatorEvent::TokenRevoked { token: TokenId(2) },
        OperatorEvent::Asked(asked(Some(wish))),
        OperatorEvent::Ended(Box::new(ended)),
        OperatorEvent::NotBegun(asked(None), 403),
        OperatorEvent::Did { action: 4, events: 2 },
        OperatorEvent::Ended(Box::new(lost)),
    ]
}

#[test]
fn operators_events_read_what_they_have_always_read() {
    for ((number, hex), event) in (1..).zip(OPERATORS).zip(events()) {
        let record = Record {
            account: AccountId::OPERATORS,
            number,
            previous: Digest::of(b"before"),
            at_ms: 1_800_000_000_123,
            event: Event::Operator(Box::new(event)),
        };
        // These bytes say version 4, what is written today says 5, and nothing else differs.
        assert_eq!(record.encode().get(1..), bytes(hex).get(1..), "{number}");
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
    }
}
