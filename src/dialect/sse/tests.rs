//! Streams cut at every place give the same events, and their bytes are the input.

use proptest::prelude::*;

use super::*;

/// Payload and name of an event.
type Seen = (Option<String>, Option<String>);

/// Events with a payload or name, the tail, and all raw bytes.
fn scan(frames: &[&[u8]]) -> (Vec<Seen>, Option<Seen>, Vec<u8>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seen = |event: &Event| (event.data().map(text), event.name().map(text));
    let (mut scanner, mut events, mut raw) = (Scanner::default(), Vec::new(), Vec::new());
    for frame in frames {
        scanner.push(Bytes::copy_from_slice(frame));
        while let Some(event) = scanner.next_event().unwrap() {
            assert!(!event.raw.is_empty());
            raw.extend_from_slice(&event.raw);
            if event.data().is_some() || event.name().is_some() {
                events.push(seen(&event));
            }
        }
    }
    let tail = scanner.finish();
    raw.extend(tail.iter().flat_map(|event| event.raw.iter().copied()));
    (events, tail.as_ref().map(seen), raw)
}

fn data(stream: &str) -> Vec<String> {
    scan(&[stream.as_bytes()]).0.into_iter().filter_map(|(data, _)| data).collect()
}

#[test]
fn the_forms_of_an_event_are_read() {
    for (stream, expected) in [
        ("data: a\n\ndata: b\n\n", &["a", "b"][..]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
        ("data: a\r\rdata: b\r\r", &["a", "b"]),
        ("data: a\n\r\ndata: b\r\n\n", &["a", "b"]),
        ("data:a\n\ndata:  b\n\n", &["a", " b"]),
        ("data: a\ndata:b\n\n", &["a\nb"]),
        ("data: a\r\nevent: x\r\ndata:b\r\ndata\r\n\r\n", &["a\nb\n"]),
        ("data\n\ndata:\n\n", &["", ""]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["a"]),
        (": comment\n\n:\n\ndata: a\n\n", &["a"]),
        (": comment\ndata: a\n: more\n\n", &["a"]),
        ("id: 1\nretry: 5\ndata: a\n\n", &["a"]),
        ("datax: a\n\ndata : a\n\n Data: a\n\n", &[]),
        ("\n\n\ndata: a\n\n\n\n", &["a"]),
        ("data: \u{e9}\u{4e2d}😀\n\n", &["é中😀"]),
        ("data: a\n", &[]),
    ] {
        assert_eq!(data(stream), expected, "{stream:?}");
    }
}

#[test]
fn the_last_event_line_names_it() {
    let (events, _, _) = scan(&[b"event: a\nevent:error\ndata: x\n\ndata: y\n\n"]);
    let expected = [(Some("x".into()), Some("error".into())), (Some("y".into()), None)];
    assert_eq!(events, expected);
}

#[test]
fn what_no_blank_line_ended_is_the_tail() {
    for (stream, tail) in [
        ("data: a\n\ndata: [DONE]", Some((Some("[DONE]".to_owned()), None))),
        ("data: a\n\ndata: b\ndata: c\n", Some((Some("b\nc".to_owned()), None))),
        ("data: a\n\n", None),
        ("data: a\r\n\r", None),
        ("", None),
        (": x", Some((None, None))),
    ] {
        assert_eq!(scan(&[stream.as_bytes()]).1, tail, "{stream:?}");
    }
}

#[test]
fn an_event_leaves_in_the_turn_its_last_byte_came() {
    let mut scanner = Scanner::default();
    for (frame, raw) in [
        (&b"data: a\r\n\r"[..], &b"data: a\r\n\r"[..]),
        (b"\n", b"\n"),
        (b"data: b\n", b""),
        (b"\n", b"data: b\n\n"),
        (b": ping\n\n", b": ping\n\n"),
    ] {
        scanner.push(Bytes::from_static(frame));
        let event = scanner.next_event().unwrap();
        assert_eq!(event.map(|event| event.raw).unwrap_or_default(), raw);
        assert!(scanner.next_event().unwrap().is_none());
    }
}

#[test]
fn an_event_within_a_frame_is_not_copied() {
    let frame = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut scanner = Scanner::default();
    scanner.push(frame.clone());
    for at in [0, 9] {
        let event = scanner.next_event().unwrap().unwrap();
        assert_eq!(event.raw.as_ptr(), frame[at..].as_ptr());
    }
}

#[test]
fn an_event_longer_than_allowed_ends_the_stream() {
    let event = b"\n\n\n\ndata: 34567890\n\n";
    for frames in [vec![&event[..]], event.chunks(1).collect(), event.chunks(5).collect()] {
        for (max, fits) in [(16, true), (15, false), (3, false)] {
            let mut scanner = Scanner::new(max);
            let mut failed = false;
            let mut events = 0;
            for frame in &frames {
                scanner.push(Bytes::copy_from_slice(frame));
                loop {
                    match scanner.next_event() {
                        Ok(Some(event)) => events += usize::from(event.data().is_some()),
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(error, EventTooLong(max));
                            failed = true;
                            break;
                        }
                    }
                }
            }
            assert_eq!((events, failed), (usize::from(fits), !fits), "{max} {}", frames.len());
            assert!(fits || scanner.finish().is_none());
        }
    }
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "data: x", "data:", "data", "event: e", ": c", "id: 1", "{\"a\":1}", "é", "\u{feff}",
            "\n", "\n", "\n", "\r", "\r", "\r\n", "\r\n", "\n\n", "\r\n\r\n",
        ]), 0..24),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = pieces.concat().into_bytes();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let frames: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let bytewise: Vec<&[u8]> = stream.chunks(1).collect();
        let whole = scan(&[&stream]);
        prop_assert_eq!(&whole.2, &stream);
        prop_assert_eq!(scan(&frames), whole.clone());
        prop_assert_eq!(scan(&bytewise), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_none_is_lost(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..32), 0..6),
    ) {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(scan(&frames).2, frames.concat());
    }
}
