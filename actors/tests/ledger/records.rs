//! The journal's format, held by bytes that an earlier build wrote. These never change.

use infergate_actors::account::{
    AttemptOutcome, CodeBatch, Dialect, End, Event, Finish, GrantKind, Limits, Payment,
    ReasonClass, Return, Source, Status, StatusSet, SurplusReturn, UsageRecord,
};
use infergate_actors::id::{AccountId, GrantId, KeyHash, KeyId, ProjectId};
use infergate_actors::ledger::{Digest, Record, RecordError};
use infergate_actors::money::NanoUsd;

use crate::desk::{START_MS, hold, key, settlement};

/// One record of every kind, as version 1 wrote it, and a settlement without anything optional.
const VERSION_1: [&str; 12] = [
    "018580808080808001016db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134000441434d45",
    "018580808080808001026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340102046f766572",
    "018580808080808001036db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340201d804000109",
    "018580808080808001046db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13403010002000000000005070707070707070707070707070707070707070707070707047778797a056669727374010573696d2d2a0001d80400000080a0f1c2b134",
    "018580808080808001056db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340401046c6f7374",
    "018580808080808001066db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134050204e8070180a0f1c2b13403722d37",
    "018580808080808001076db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134060228",
    "018580808080808001086db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13407878080808080808080808088808080800903b817",
    "018580808080808001096db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340887808080808080808080808880808080098001",
    "0185808080808080010a6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134098780808080808080808080888080808009010c000000000000000000000080a8d6b9070000000000000000000000c0843d80f70280f70200010180f702000973696d2d736d616c6c0180a0f1c2b13401788407010973696d756c617465640e73696d2d736d616c6c2d323032360001c8013e",
    "0185808080808080010b6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13409888080808080808080808088808080800901ac02000000000000000000000080a8d6b9070000000000000000000000c0843d809f49809f49000101809f4909000000000000",
    "0185808080808080010c6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340a898080808080808080808088808080800909",
];

/// What version 2 added, as it wrote it.
const VERSION_2: [&str; 2] = [
    "0285808080808080010d6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134098780808080808080808080888080808009010c000000000000000000000080a8d6b9070000000000000000000000c0843d80f70280f70200010180f7020b0973696d2d736d616c6c0180a0f1c2b13401788407010973696d756c617465640e73696d2d736d616c6c2d323032360d01c8013e010973696d2d6c6172676502",
    "0285808080808080010e6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340a89808080808080808080808880808080090a",
];

/// What version 3 added, as it wrote it.
const VERSION_3: [&str; 2] = [
    "0385808080808080010f6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134098780808080808080808080888080808009010c000000000000000000000080a8d6b9070000000000000000000000c0843d80f70280f70200010180f702000973696d2d736d616c6c0180a0f1c2b13401788407010973696d756c617465640e73696d2d736d616c6c2d323032360001c8013e00000103752d31",
    "038580808080808001106db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340a898080808080808080808088808080800900",
];

/// The events of credit, which version 2 was given later: a build without them refuses them.
const CREDIT: [&str; 9] = [
    "0285808080808080010f6db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340e030673797374656d01046c617465",
    "028580808080808001106db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340f878080808080808080808088808080800903b81722",
    "028580808080808001116db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13410056576745f31057061795f3103d00f0180a0f1c2b134",
    "028580808080808001126db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341108726566756e6420310003880ec801",
    "028580808080808001136db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13412056576745f3201057061795f3103880e880e",
    "028580808080808001146db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340504050a0005736f727279",
    "028580808080808001156db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1341306737072696e67010909090909090909090909090909090909090909090909090909090909090909030a020180a0f1c2b13400",
    "028580808080808001166db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13414018680808080808001",
    "028580808080808001176db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13415030e",
];

/// What version 4 added, as it wrote it.
const VERSION_4: [&str; 1] = [
    "048580808080808001116db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134098780808080808080808080888080808009010c000000000000000000000080a8d6b9070000000000000000000000c0843d80f70280f70200010180f702000973696d2d736d616c6c0180a0f1c2b13401788407010973696d756c617465640e73696d2d736d616c6c2d323032360001c8013e00000001060101020100c0000207",
];

/// What version 5 added, as it wrote it.
const VERSION_5: [&str; 2] = [
    "058580808080808001126db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13411056576745f3301057061795f3103880ef80a01dc0b0104d804f403",
    "058580808080808001136db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13412056576745f3301057061795f3103880ef80a01880e00",
];

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn record(number: u64, event: Event) -> Record {
    let previous = Digest::of(b"before");
    Record { account: AccountId::new(2, 5), number, previous, at_ms: 1_800_000_000_123, event }
}

/// What [`VERSION_1`] is.
fn events_of_version_1() -> [Event; 12] {
    let nano = NanoUsd::from_nano;
    let limits = Limits { requests_per_minute: Some(600), ..Limits::default() };
    let mut key = key(AccountId::new(2, 5));
    key.limits = limits;
    let mut bare = settlement(hold(8), 300);
    (bare.record, bare.end) = (UsageRecord::default(), End::Rejected);
    [
        Event::Opened { name: "ACME".into() },
        Event::StatusChanged { status: Status::Closed, reason: "over".into() },
        Event::LimitsChanged { limits: Limits { in_flight: Some(9), ..limits } },
        Event::KeyCreated { key },
        Event::KeyRevoked { key: KeyId(1), reason: "lost".into() },
        Event::Granted {
            grant: GrantId(2),
            kind: GrantKind::Adjustment,
            amount: nano(500),
            expires_at_ms: Some(START_MS),
            reference: "r-7".into(),
        },
        Event::Expired { grant: GrantId(2), amount: nano(20) },
        Event::Held { hold: hold(7), key: KeyId(3), amount: nano(1_500) },
        Event::Extended { hold: hold(7), amount: nano(64) },
        Event::Settled(Box::new(settlement(hold(7), 12))),
        Event::Settled(Box::new(bare)),
        Event::Voided { hold: hold(9), end: End::Rejected },
    ]
}

#[test]
fn version_1_reads_what_it_has_always_read() {
    for ((number, hex), event) in (1..).zip(VERSION_1).zip(events_of_version_1()) {
        let (bytes, record) = (bytes(hex), record(number, event));
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(&record));
        // Written again it would be another record, with another digest.
        assert_ne!(record.encode(), bytes);
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn version_1_takes_no_byte_more_and_none_less() {
    for hex in VERSION_1 {
        let whole = bytes(hex);
        for len in 0..whole.len() {
            assert!(Record::decode(&whole[..len]).is_err(), "{hex} up to {len}");
        }
        // The last of these are what version 2 has there.
        for more in [&[0_u8][..], &[0, 0], &[1, 1], &[1, 0], &[0x80, 0], &[0, 0x80, 0], &[1, 2, 65]]
        {
            let longer = [whole.as_slice(), more].concat();
            assert!(Record::decode(&longer).is_err(), "{hex} and {more:?}");
        }
    }
}

#[test]
fn version_2_reads_what_it_has_always_read() {
    let mut settled = settlement(hold(7), 12);
    settled.end = End::ClientStalled;
    settled.record.attempts[0].outcome = AttemptOutcome::Outrun;
    settled.record.served_model = Some("sim-large".into());
    settled.record.source = Source::Joined;
    let voided = Event::Voided { hold: hold(9), end: End::KeyRevoked };
    let events = [Event::Settled(Box::new(settled)), voided];
    for ((number, hex), event) in (13..).zip(VERSION_2).zip(events) {
        let record = record(number, event);
        assert_eq!(Record::decode(&bytes(hex)).as_ref(), Ok(&record));
        // Written again it would be another record, with another digest.
        assert_ne!(record.encode(), bytes(hex));
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn version_2_takes_no_byte_more_and_none_less() {
    for hex in VERSION_2 {
        let whole = bytes(hex);
        for len in 0..whole.len() {
            assert!(Record::decode(&whole[..len]).is_err(), "{hex} up to {len}");
        }
        // The last of these are what version 3 has there.
        for more in [&[0_u8][..], &[1], &[1, 0], &[1, 1, 65], &[0, 0]] {
            let longer = [whole.as_slice(), more].concat();
            assert!(Record::decode(&longer).is_err(), "{hex} and {more:?}");
        }
    }
}

#[test]
fn version_3_reads_what_it_has_always_read() {
    let mut settled = settlement(hold(7), 12);
    settled.record.user = Some("u-1".into());
    let voided = Event::Voided { hold: hold(9), end: End::Completed };
    let events = [Event::Settled(Box::new(settled)), voided];
    for ((number, hex), event) in (15..).zip(VERSION_3).zip(events) {
        let record = record(number, event);
        assert_eq!(Record::decode(&bytes(hex)).as_ref(), Ok(&record));
        // Written again it would be another record, with another digest.
        assert_ne!(record.encode(), bytes(hex));
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn version_3_takes_no_byte_more_and_none_less() {
    for hex in VERSION_3 {
        let whole = bytes(hex);
        for len in 0..whole.len() {
            assert!(Record::decode(&whole[..len]).is_err(), "{hex} up to {len}");
        }
        // The last of these are what version 4 has there.
        for more in [&[0_u8][..], &[1], &[0, 0, 0, 0], &[1, 2, 1, 1], &[0, 0, 1, 1]] {
            let longer = [whole.as_slice(), more].concat();
            assert!(Record::decode(&longer).is_err(), "{hex} and {more:?}");
        }
    }
}

#[test]
fn version_4_reads_what_it_has_always_read() {
    let mut settled = settlement(hold(7), 12);
    settled.record.project = Some(ProjectId(6));
    settled.record.dialect = Dialect::Anthropic;
    settled.record.finish = Some(Finish::ToolCalls);
    settled.record.client = Some([192, 0, 2, 7].into());
    let events = [Event::Settled(Box::new(settled))];
    for ((number, hex), event) in (17..).zip(VERSION_4).zip(events) {
        let record = record(number, event);
        // What is written today says 5, and nothing else differs.
        assert_eq!(record.encode().get(1..), bytes(hex).get(1..));
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
    }
}

#[test]
fn version_5_reads_what_it_has_always_read() {
    let nano = NanoUsd::from_nano;
    let surplus = SurplusReturn { grant: GrantId(4), asked: nano(300), taken: nano(250) };
    let back = Return {
        id: "evt_3".into(),
        payment: Some("pay_1".into()),
        grant: GrantId(3),
        asked: nano(900),
        taken: nano(700),
        credit: Some(nano(750)),
        surplus: Some(surplus),
    };
    let plain = Return { credit: Some(nano(900)), surplus: None, ..back.clone() };
    let events = [Event::Refunded(Box::new(back)), Event::ChargedBack(Box::new(plain))];
    for ((number, hex), event) in (18..).zip(VERSION_5).zip(events) {
        let record = record(number, event);
        assert_eq!(record.encode(), bytes(hex));
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
    }
}

#[test]
fn the_events_of_credit_take_no_byte_more_and_none_less() {
    for hex in CREDIT.iter().chain(&VERSION_4) {
        let whole = bytes(hex);
        for len in 0..whole.len() {
            assert!(Record::decode(&whole[..len]).is_err(), "{hex} up to {len}");
        }
        // The last of these are what version 5 has there.
        for more in [&[0_u8][..], &[0, 0], &[1, 2, 0], &[1, 2, 1, 4, 2, 2]] {
            let longer = [whole.as_slice(), more].concat();
            assert!(Record::decode(&longer).is_err(), "{hex} and {more:?}");
        }
    }
}

#[test]
fn the_events_of_credit_read_as_they_have_always_read() {
    let nano = NanoUsd::from_nano;
    let kinds = [GrantKind::Paid, GrantKind::Compensation].into_iter().collect();
    let back = |id: &str, payment: Option<&str>, taken| Return {
        id: id.into(),
        payment: payment.map(str::to_owned),
        grant: GrantId(3),
        asked: nano(900),
        taken: nano(taken),
        credit: None,
        surplus: None,
    };
    let events = [
        Event::StatusSet(StatusSet {
            status: Status::Restricted,
            by: "system".into(),
            class: ReasonClass::Payment,
            reason: "late".into(),
        }),
        Event::HeldOf { hold: hold(7), key: KeyId(3), amount: nano(1_500), kinds },
        Event::Paid(Box::new(Payment {
            id: "evt_1".into(),
            payment: "pay_1".into(),
            grant: GrantId(3),
            amount: nano(1_000),
            expires_at_ms: Some(1_800_000_000_000),
        })),
        Event::Refunded(Box::new(back("refund 1", None, 100))),
        Event::ChargedBack(Box::new(back("evt_2", Some("pay_1"), 900))),
        Event::Granted {
            grant: GrantId(4),
            kind: GrantKind::Compensation,
            amount: nano(5),
            expires_at_ms: None,
            reference: "sorry".into(),
        },
    ];
    let made = CodeBatch {
        name: "spring".into(),
        hashes: vec![KeyHash([9; 32])],
        kind: GrantKind::Promotional,
        amount: nano(5),
        uses_max: 2,
        expires_at_ms: Some(1_800_000_000_000),
        lasts_ms: None,
    };
    let codes = [
        Event::CodesMade(Box::new(made)),
        Event::CodeUsed { code: 1, account: AccountId::new(2, 6) },
        Event::Reclaimed { grant: GrantId(3), amount: nano(7) },
    ];
    for ((number, hex), event) in (15..).zip(CREDIT).zip(events.into_iter().chain(codes)) {
        let record = record(number, event);
        // These bytes say version 2, what is written today says 5 and ends with what that has.
        let lacks = matches!(record.event, Event::Refunded(_) | Event::ChargedBack(_));
        let lacking: &[u8] = if lacks { &[0, 0] } else { &[] };
        assert_eq!(record.encode().get(1..), [&bytes(hex)[1..], lacking].concat().get(..));
        assert_eq!(Record::decode(&bytes(hex)), Ok(record));
    }
}

#[test]
fn another_version_is_refused_by_its_number() {
    for version in [0, 6, 255] {
        let mut bytes = bytes(VERSION_1[0]);
        bytes[0] = version;
        assert_eq!(Record::decode(&bytes), Err(RecordError::UnknownVersion(version)));
    }
}
