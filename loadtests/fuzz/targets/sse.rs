//! A stream's events do not depend on how it is cut, and no byte of it is lost.
//!
//! The first byte of the input says how long the frames are.
#![no_main]

use bytes::Bytes;
use infergate::dialect::sse::{Event, Scanner};
use libfuzzer_sys::fuzz_target;

type Seen = (Option<Vec<u8>>, Option<Vec<u8>>);

fuzz_target!(|input: &[u8]| {
    let Some((&length, stream)) = input.split_first() else { return };
    let (whole, raw) = scan(stream, stream.len().max(1));
    let (cut, raw_cut) = scan(stream, usize::from(length).max(1));
    assert_eq!(raw, stream);
    assert_eq!(raw_cut, stream);
    assert_eq!(whole, cut);
});

fn scan(stream: &[u8], frame_bytes: usize) -> (Vec<Seen>, Vec<u8>) {
    let (mut scanner, mut events, mut raw) = (Scanner::default(), Vec::new(), Vec::new());
    for frame in stream.chunks(frame_bytes) {
        scanner.push(Bytes::copy_from_slice(frame));
        while let Some(event) = scanner.next_event().expect("an event short enough") {
            take(&event, &mut events, &mut raw);
        }
    }
    if let Some(tail) = scanner.finish() {
        take(&tail, &mut events, &mut raw);
    }
    (events, raw)
}

fn take(event: &Event, events: &mut Vec<Seen>, raw: &mut Vec<u8>) {
    raw.extend_from_slice(&event.raw);
    if event.data().is_some() || event.name().is_some() {
        events.push((event.data().map(<[u8]>::to_vec), event.name().map(<[u8]>::to_vec)));
    }
}
