//! A journal record that can be read is written as it was read, or is refused.
#![no_main]

use infergate_actors::ledger::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(record) = Record::decode(input) {
        let written = record.encode();
        assert_eq!(Record::decode(&written).as_ref(), Ok(&record));
    }
});
