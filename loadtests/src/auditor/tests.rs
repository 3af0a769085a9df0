//! Books that are right, and each way in which they can be wrong.

use std::time::Duration;

use super::*;
use crate::client::Reading;
use crate::clock;
use crate::simulator::stats::Outcome;

const PRICE: Price =
    Price { input: 1_000_000, cached_input: 500_000, output: 2_000_000, request: 0 };

/// A record a line: `grant 100`, `hold 1 60`, `extend 1 5`, `void 1`, or
/// `settle 1 input output cost charged`, or `estimate` in place of `settle`.
fn records(script: &str) -> Vec<Record> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(index, line)| record(index + 1, line)).collect()
}

fn record(number: usize, line: &str) -> Record {
    let words: Vec<&str> = line.split_whitespace().collect();
    let event = match words.as_slice() {
        ["grant", amount] => format!(r#"{{"granted":{{"amount":{amount}}}}}"#),
        ["hold", id, amount] => format!(r#"{{"held":{{"hold":{id},"key":1,"amount":{amount}}}}}"#),
        ["extend", id, amount] => {
            format!(r#"{{"extended":{{"hold":{id},"amount":{amount}}}}}"#)
        }
        ["void", id] => format!(r#"{{"voided":{{"hold":{id},"end":"client_gone"}}}}"#),
        [how @ ("settle" | "estimate"), id, input, output, cost, charged] => {
            let estimated = *how == "estimate";
            let absorbed = cost.parse::<i64>().unwrap() - charged.parse::<i64>().unwrap();
            format!(
                r#"{{"settled":{{"hold":{id},"usage":{{"input":{input},"output":{output}}},
                "estimated":{estimated},"cost":{cost},"charged":{charged},"absorbed":{absorbed},
                "draws":[{{"grant":1,"amount":{charged}}}],"end":"completed",
                "record":{{"model":"m"}}}}}}"#
            )
        }
        _ => panic!("no such line: {line}"),
    };
    let json = format!(
        r#"{{"number":{number},"previous":"d{}","digest":"d{number}","event":{event}}}"#,
        number - 1
    );
    serde_json::from_str(&json).unwrap()
}

fn book(script: &str) -> Book {
    let mut book = Book::new([("m".to_owned(), PRICE)]);
    book.read(&records(script));
    book
}

fn check(script: &str, fault: Option<&str>) {
    let faults = book(script).into_faults();
    match fault {
        None => assert!(faults.is_empty(), "{script}\n{faults:?}"),
        Some(words) => {
            assert!(faults.iter().any(|fault| fault.contains(words)), "{script}\n{faults:?}");
        }
    }
}

fn seen(id: u128, ending: Ending, answer: &str) -> Seen {
    let mut reading = Reading::default();
    reading.answer_id = Some(answer.to_owned());
    Seen {
        intended: clock::now(),
        first_content: None,
        total: Duration::ZERO,
        status: Some(if ending == Ending::Refused { 402 } else { 200 }),
        ending,
        request_id: Some(format!("req_{id:032x}")),
        reading,
        streamed: true,
        label: 0,
    }
}

fn winners(prompt: u64, completion: u64) -> HashMap<String, Entry> {
    let entry = Entry {
        sequence: 0,
        model: "m".into(),
        request_id: None,
        streamed: true,
        arrived_ms: 0,
        ended_ms: 0,
        status: Some(200),
        prompt,
        cached: 0,
        prefilled: 0,
        completion,
        outcome: Outcome::Completed,
    };
    HashMap::from([("a".to_owned(), entry)])
}

fn judge(script: &str, seen: &[Seen], winners: &HashMap<String, Entry>) -> Vec<String> {
    let mut book = book(script);
    book.answers(seen, winners);
    book.into_faults()
}

#[test]
fn right_books_have_no_faults() {
    check(
        "grant 100
         hold 1 60
         extend 1 10
         hold 2 30
         settle 1 10 5 20 20
         void 2
         hold 3 80
         settle 3 1 0 1 1",
        None,
    );
}

#[test]
fn wrong_books_are_found() {
    let held = "grant 100\nhold 1 60\n";
    for (rest, fault) in [
        ("hold 2 41", "less than what is held"),
        ("hold 1 1", "held a second time"),
        ("void 1\nhold 1 1", "held a second time"),
        ("void 1\nvoid 1", "not held any more"),
        ("settle 1 1 0 1 1\nsettle 1 1 0 1 1", "not held any more"),
        ("settle 2 1 0 1 1", "is not held"),
        ("extend 2 1", "is not held"),
        ("settle 1 10 5 21 21", "should cost 20"),
        ("void 1\nhold 2 90\nsettle 2 10 50 110 110", "less than what is held"),
    ] {
        check(&format!("{held}{rest}"), Some(fault));
    }
}

#[test]
fn a_missing_event_is_found() {
    let mut records = records("grant 100\nhold 1 60\nvoid 1");
    records.remove(1);
    let mut book = Book::new([]);
    book.read(&records);
    let faults = book.into_faults();
    assert!(faults.iter().any(|fault| fault == "event 3 follows event 1"), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("digest")), "{faults:?}");
}

#[test]
fn an_account_that_shows_other_sums_is_found() {
    let mut book = book("grant 100\nhold 1 60\nsettle 1 10 5 20 20");
    let mut account: Account = serde_json::from_str(
        r#"{"id":"a","granted_nano_usd":100,"settled_nano_usd":20,"balance_nano_usd":80,
        "held_nano_usd":0,"available_nano_usd":80}"#,
    )
    .unwrap();
    book.account(&account, true);
    assert!(book.faults.is_empty(), "{:?}", book.faults);
    account.balance = 81;
    book.account(&account, true);
    assert_eq!(book.into_faults(), ["balance is shown as 81 and is 80 by the events"]);
}

#[test]
fn a_hold_left_at_rest_is_found() {
    let mut book = book("grant 100\nhold 1 60");
    let account: Account = serde_json::from_str(
        r#"{"id":"a","granted_nano_usd":100,"settled_nano_usd":0,"balance_nano_usd":100,
        "held_nano_usd":60,"available_nano_usd":40}"#,
    )
    .unwrap();
    book.account(&account, false);
    assert!(book.faults.is_empty(), "{:?}", book.faults);
    book.account(&account, true);
    assert_eq!(book.into_faults().len(), 1);
}

#[test]
fn a_whole_answer_is_charged_at_what_its_provider_reported() {
    let charged = "grant 100\nhold 1 60\nsettle 1 10 5 20 20";
    let whole = [seen(1, Ending::Complete, "a")];
    assert!(judge(charged, &whole, &winners(10, 5)).is_empty());
    let other = judge(charged, &whole, &winners(10, 6));
    assert!(other.iter().any(|fault| fault.contains("its provider reported")), "{other:?}");
    let free = judge("grant 100\nhold 1 60\nvoid 1", &whole, &winners(10, 5));
    assert!(free.iter().any(|fault| fault.contains("is voided")), "{free:?}");
    let lost = judge("grant 100", &whole, &winners(10, 5));
    assert!(lost.iter().any(|fault| fault.contains("not in the ledger")), "{lost:?}");
}

#[test]
fn nobody_pays_for_a_refusal_or_for_nothing() {
    let charged = "grant 100\nhold 1 60\nsettle 1 10 5 20 20";
    let refused = judge(charged, &[seen(1, Ending::Refused, "a")], &winners(10, 5));
    assert!(refused.iter().any(|fault| fault.contains("refused with 402")), "{refused:?}");
    let nobody = judge(charged, &[], &winners(10, 5));
    assert!(nobody.iter().any(|fault| fault.contains("seen by nobody")), "{nobody:?}");
    let mut headless = seen(1, Ending::NoHead, "a");
    headless.request_id = None;
    assert!(judge(charged, &[headless], &winners(10, 5)).is_empty());
}

#[test]
fn an_id_given_twice_is_found() {
    let twice = [seen(1, Ending::Cut, "a"), seen(1, Ending::Cut, "a")];
    let faults = judge("grant 100\nhold 1 60\nvoid 1", &twice, &HashMap::new());
    assert!(faults.iter().any(|fault| fault.contains("two exchanges")), "{faults:?}");
}

#[test]
fn a_whole_answer_is_estimated_only_where_another_provider_began_it() {
    let script = "grant 100\nhold 1 60\nestimate 1 10 5 20 20";
    let seen = [seen(1, Ending::Complete, "a")];
    let faults = |prefilled| {
        let mut winners = winners(10 + prefilled, 5 - prefilled);
        for winner in winners.values_mut() {
            winner.prefilled = prefilled;
        }
        judge(script, &seen, &winners)
    };
    assert!(faults(0)[0].contains("estimated: true"));
    assert_eq!(faults(3), [""; 0]);
}

#[test]
fn the_provider_that_ended_an_answer_is_who_is_paid_for_it() {
    let charged = "grant 100\nhold 1 60\nsettle 1 10 5 20 20";
    let mut logs = winners(10, 2);
    let request_id = Some("req_1".into());
    let ended = Entry { request_id: request_id.clone(), ..winners(10, 5)["a"].clone() };
    let began = logs.get_mut("a").unwrap();
    (began.outcome, began.request_id) = (Outcome::Cut, request_id);
    let seen = [seen(1, Ending::Complete, "a")];
    assert!(judge(charged, &seen, &logs)[0].contains("its provider reported (10, 2, 0)"));
    logs.insert("b".to_owned(), ended);
    assert_eq!(judge(charged, &seen, &logs), [""; 0]);
}
