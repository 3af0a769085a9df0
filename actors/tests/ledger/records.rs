//! The journal's format, held by bytes that an earlier build wrote. These never change.

use infergate_actors::account::{Event, Status};
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::ledger::{Digest, Record};
use infergate_actors::money::NanoUsd;

use crate::desk::{hold, settlement};

fn check(record: &Record, hex: &str) {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    assert_eq!(record.encode(), bytes);
    assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
}

fn record(number: u64, event: Event) -> Record {
    let previous = Digest::of(b"before");
    Record { account: AccountId::new(2, 5), number, previous, at_ms: 1_800_000_000_123, event }
}

#[test]
fn version_1_reads_what_it_has_always_read() {
    let (status, reason) = (Status::Suspended, "abuse".to_owned());
    check(
        &record(1, Event::StatusChanged { status, reason }),
        "018580808080808001016db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b1340101056162757365",
    );
    let (amount, key) = (NanoUsd::from_nano(1_500), KeyId(3));
    check(
        &record(300, Event::Held { hold: hold(7), key, amount }),
        "018580808080808001ac026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b13407878080808080808080808088808080800903b817",
    );
    check(
        &record(301, Event::Settled(Box::new(settlement(hold(7), 12)))),
        "018580808080808001ad026db7d803e74f1ffa7d8f5adc0bf95b3efba0f1c2b134098780808080808080808080888080808009010c000000000000000000000080a8d6b9070000000000000000000000c0843d80f70280f70200010180f702000973696d2d736d616c6c0180a0f1c2b13401788407010973696d756c617465640e73696d2d736d616c6c2d323032360001c8013e",
    );
}
