//! A stream read event by event.

use super::*;

const ROLE: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const WORD: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n";
const STOP: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\
                     \"completion_tokens\":2,\"total_tokens\":7}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn new_reader(prompt_tokens_estimate: u64, choices: u32, usage_is_wanted: bool) -> Reader {
    Reader::new(prompt_tokens_estimate, Belief::any(), choices, usage_is_wanted)
}

fn read(reader: &mut Reader, stream: &str) -> Vec<String> {
    reader.push(Bytes::copy_from_slice(stream.as_bytes()));
    let mut pieces = Vec::new();
    while let Ok(Some(piece)) = reader.next_piece() {
        pieces.push(match piece {
            Piece::Pass { content, .. } if content => "content".into(),
            Piece::Pass { .. } => "pass".into(),
            Piece::Withheld => "withheld".into(),
            Piece::Done(_) => "done".into(),
            Piece::Error => "error".into(),
        });
    }
    pieces
}

#[test]
fn usage_that_the_client_did_not_ask_for_is_metered_and_withheld() {
    let mut reader = new_reader(9, 1, false);
    let stream = [": ping\n\n", ROLE, WORD, STOP, USAGE, DONE].concat();
    assert_eq!(
        read(&mut reader, &stream),
        ["pass", "pass", "content", "content", "withheld", "done"]
    );
    assert!(reader.is_finished());
    let measured = reader.measured();
    assert!(!measured.estimated);
    assert_eq!((measured.usage.input, measured.usage.output), (5, 2));
    let mut reader = new_reader(9, 1, true);
    assert_eq!(read(&mut reader, USAGE), ["pass"]);
}

#[test]
fn what_was_delivered_before_a_cut_is_estimated() {
    let mut reader = new_reader(9, 1, false);
    read(&mut reader, &[ROLE, WORD].concat());
    let measured = reader.measured();
    assert!(measured.estimated && !reader.is_finished());
    assert_eq!(measured.usage.input, 9);
    assert!(measured.usage.output >= 1);
}

#[test]
fn a_garbled_event_ends_the_stream_and_an_error_is_one_wherever_it_stands() {
    let mut reader = new_reader(9, 1, false);
    reader.push(Bytes::from_static(b"data: {\"id\":\n\n"));
    assert_eq!(reader.next_piece().unwrap_err(), Unreadable::Garbled);
    let mut reader = new_reader(9, 1, false);
    let error = "data: {\"error\":{\"message\":\"no\",\"code\":500}}\n\n";
    assert_eq!(read(&mut reader, &[WORD, error].concat()), ["content", "error"]);
}

#[test]
fn a_stream_that_runs_out_of_credit_ends_with_length() {
    let mut reader = new_reader(9, 1, true);
    read(&mut reader, WORD);
    let ending = reader.broken_off(End::OutOfCredit);
    let text = std::str::from_utf8(&ending).unwrap();
    assert!(text.contains("\"finish_reason\":\"length\"") && text.ends_with(DONE));
    assert!(text.contains("\"id\":\"c\"") && text.contains("\"prompt_tokens\":9"));
    let cut = reader.broken_off(End::ProviderCut);
    assert!(!cut.ends_with(DONE.as_bytes()) && cut.starts_with(b"data: {\"error\":"));
}

#[test]
fn a_last_event_without_its_blank_line_is_ended_so_that_another_can_follow() {
    let mut reader = new_reader(9, 1, false);
    reader.push(Bytes::from_static(WORD.trim_end().as_bytes()));
    assert!(matches!(reader.next_piece(), Ok(None)));
    let Some(Piece::Pass { bytes, content: true }) = reader.finish() else { panic!() };
    assert_eq!(bytes, WORD);
    reader.push(Bytes::from_static(b"data: {\"id\":\"c\",\"choi"));
    assert!(matches!(reader.next_piece(), Ok(None)));
    assert!(reader.finish().is_none());
}

#[test]
fn a_line_end_that_came_in_two_halves_stays_whole_around_a_withheld_event() {
    let mut reader = new_reader(9, 1, false);
    let (word, usage) = (WORD.replace('\n', "\r\n"), USAGE.replace('\n', "\r\n"));
    assert_eq!(read(&mut reader, word.strip_suffix('\n').unwrap()), ["content"]);
    reader.push(format!("\n{usage}").into());
    let Ok(Some(Piece::Pass { bytes, content: false })) = reader.next_piece() else { panic!() };
    assert_eq!(bytes, "\n");
}

#[test]
fn usage_with_the_cost_stands_before_a_proper_end_and_before_no_other() {
    let charged = NanoUsd::from_nano(1_500);
    let mut reader = new_reader(9, 1, false).pricing(true);
    assert_eq!(read(&mut reader, &[ROLE, WORD].concat()), ["pass", "content"]);
    let priced =
        |reader: &Reader, last| String::from_utf8(reader.priced(last, charged).to_vec()).unwrap();
    // A stream that ends for want of credit.
    let ended = priced(&reader, reader.broken_off(End::OutOfCredit));
    let (ending, rest) = ended.split_once("\n\n").unwrap();
    assert!(
        ending.contains("\"finish_reason\":\"length\"") && !ending.contains("usage"),
        "{ended}"
    );
    let (usage, done) = rest.split_once("\n\n").unwrap();
    assert!(usage.ends_with(",\"cost\":0.0000015}}") && done == DONE, "{ended}");
    // One that broke off.
    let cut = reader.broken_off(End::ProviderCut);
    assert_eq!(reader.priced(cut.clone(), charged), cut);
    // The provider's own usage, on several lines, and its own end.
    let lines = USAGE.replace(",\"usage\"", ",\ndata: \"usage\"");
    assert_eq!(read(&mut reader, &[STOP, &lines].concat()), ["content", "withheld"]);
    let expected =
        USAGE.replace(",\"usage\"", ", \"usage\"").replace("7}", "7,\"cost\":0.0000015}");
    let own_end = Bytes::from_static(b"data:[DONE]\r\n\r\n");
    assert_eq!(priced(&reader, own_end), [&*expected, "data:[DONE]\r\n\r\n"].concat());
    // Nobody asked.
    let reader = new_reader(9, 1, true).pricing(false);
    assert_eq!(reader.priced(DONE.into(), charged), DONE);
}
