//! Scripts: a command a line, and what is expected of it.

use std::time::Duration;

use infergate_actors::account::{Denial, Limits, Order, Scope, Status};
use infergate_actors::id::KeyId;
use infergate_actors::ledger::Batch;

use crate::bench::{Bench, set_status};

/// Runs a script on an account without limits. Lines are `command arguments => expectation`; an
/// expectation is a refusal's name, or `available N`, `tokens N`, `balance N`, `absorbed N`, `ok`.
fn check(script: &str) {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("=>").expect("a script line");
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        let answer: Result<Option<u64>, Denial> = match words[0] {
            "grant" => bench
                .grant(i64::try_from(number(1)).unwrap(), words.get(3).map(|_| number(3)), words[2])
                .map(|()| None),
            "hold" => bench
                .admit(number(1).into(), number(2), words.get(3).map_or(number(2), |_| number(3)))
                .map(|permit| Some(permit.completion_tokens_max)),
            "extend" => bench.extend(number(1).into(), number(2), number(3)).map(Some),
            "settle" => bench.settle(number(1).into(), number(2)).map(|()| None),
            "void" => bench.void(number(1).into()).map(|()| None),
            "wait_ms" => {
                bench.advance(Duration::from_millis(number(1)));
                bench.machine.lapse(bench.now, &mut Batch::new()).unwrap();
                Ok(None)
            }
            "suspend" => bench.order(&set_status(Status::Suspended)).map(|()| None),
            "reinstate" => bench.order(&set_status(Status::Active)).map(|()| None),
            "revoke" => bench
                .order(&Order::RevokeKey { key: KeyId(1), reason: "test".into() })
                .map(|()| None),
            other => panic!("no such command: {other}"),
        };
        let totals = *bench.machine.account().totals();
        let available = bench.machine.account().available().nano();
        match expected.split_whitespace().collect::<Vec<_>>()[..] {
            ["ok"] => assert!(answer.is_ok(), "{line}: {answer:?}"),
            ["available", amount] => {
                assert!(answer.is_ok(), "{line}: {answer:?}");
                assert_eq!(available.to_string(), amount, "{line}");
            }
            ["balance", amount] => {
                assert_eq!(totals.remaining.nano().to_string(), amount, "{line}");
            }
            ["absorbed", amount] => {
                assert_eq!(totals.absorbed.nano().to_string(), amount, "{line}");
            }
            ["tokens", tokens] => assert_eq!(answer, Ok(Some(tokens.parse().unwrap())), "{line}"),
            [refusal] => {
                let name = format!("{:?}", answer.expect_err(line));
                assert!(name.starts_with(refusal), "{line}: {name}");
            }
            _ => panic!("no such expectation: {expected}"),
        }
    }
}

#[test]
fn a_hold_is_settled_at_cost_and_only_once() {
    check(
        "grant 100 first => available 100
         hold 1 60       => available 40
         settle 1 25     => available 75
         settle 1 25     => UnknownHold
         void 1          => UnknownHold
         hold 1 10       => available 65
         hold 1 10       => DuplicateHold
         void 1          => available 75",
    );
}

#[test]
fn a_ceiling_is_lowered_to_what_the_credit_covers_and_nothing_is_refused() {
    check(
        "hold 1 10       => InsufficientCredit
         grant 100 first => ok
         hold 1 60       => tokens 60
         hold 2 60       => tokens 40
         hold 3 60       => InsufficientCredit
         settle 1 60     => available 0
         void 2          => available 40",
    );
}

#[test]
fn a_stream_extends_its_hold_as_far_as_the_credit_reaches() {
    check(
        "grant 100 first  => ok
         hold 1 1000 30   => tokens 1000
         hold 2 40        => available 30
         extend 1 30 50   => tokens 50
         extend 1 50 90   => tokens 60
         extend 1 60 90   => InsufficientCredit
         settle 2 10      => available 30
         extend 1 60 90   => tokens 90
         settle 1 85      => available 5
         extend 1 90 100  => UnknownHold",
    );
}

#[test]
fn a_cost_above_the_hold_is_paid_from_free_credit_and_then_absorbed() {
    check(
        "grant 100 first => ok
         hold 1 10       => available 90
         hold 2 80       => available 10
         settle 1 25     => absorbed 5
         settle 2 80     => balance 0",
    );
}

#[test]
fn the_soonest_to_lapse_is_spent_first_and_a_hold_keeps_its_credit() {
    // The clock starts at 1,000,000 ms.
    check(
        "grant 50 lasting          => available 50
         grant 50 short 1001000    => available 100
         hold 1 80                 => available 20
         wait_ms 1000              => balance 80
         settle 1 10               => ok
         wait_ms 0                 => balance 50
         grant 5 over 900000       => ok
         wait_ms 0                 => balance 50",
    );
}

#[test]
fn a_grant_is_made_once_for_a_reference() {
    check(
        "grant 5 invoice-7 => available 5
         grant 5 invoice-7 => DuplicateReference
         grant 0 invoice-8 => BadAmount",
    );
}

#[test]
fn a_suspended_account_or_revoked_key_begins_nothing_but_ends_what_runs() {
    check(
        "grant 100 first => ok
         hold 1 10       => ok
         suspend         => ok
         hold 2 10       => Suspended
         extend 1 10 20  => Suspended
         settle 1 10     => available 90
         reinstate       => ok
         hold 2 10       => ok
         revoke          => ok
         revoke          => ok
         hold 3 10       => RevokedKey
         settle 2 10     => available 80",
    );
}

#[test]
fn limits_of_account_and_key_both_hold() {
    let account = Limits { in_flight: Some(2), ..Limits::default() };
    let key = Limits { requests_per_minute: Some(3), ..Limits::default() };
    let mut bench = Bench::new(account, key);
    bench.grant(1_000, None, "first").unwrap();
    bench.admit(1, 1, 1).unwrap();
    bench.admit(2, 1, 1).unwrap();
    assert_eq!(bench.admit(3, 1, 1), Err(Denial::InFlight { scope: Scope::Account, limit: 2 }));
    bench.settle(1, 1).unwrap();
    let permit = bench.admit(3, 1, 1).unwrap();
    assert_eq!(permit.rate.requests.map(|left| (left.limit, left.remaining)), Some((3, 0)));
    bench.void(2).unwrap();
    let denial = bench.admit(4, 1, 1).unwrap_err();
    let Denial::RequestRate { scope: Scope::Key, limit: 3, retry_after } = denial else {
        panic!("{denial:?}")
    };
    bench.advance(retry_after);
    bench.admit(4, 1, 1).unwrap();
}

#[test]
fn tokens_per_minute_are_trued_up_by_what_was_really_used() {
    let limits = Limits { tokens_per_minute: Some(60), ..Limits::default() };
    let mut bench = Bench::new(limits, Limits::default());
    bench.grant(1_000, None, "first").unwrap();
    bench.admit(1, 50, 50).unwrap();
    assert!(matches!(bench.admit(2, 50, 50), Err(Denial::TokenRate { limit: 60, .. })));
    bench.settle(1, 10).unwrap();
    bench.admit(2, 50, 50).unwrap();
    assert_eq!(
        bench.admit(3, 61, 61),
        Err(Denial::TokenRate { scope: Scope::Account, limit: 60, retry_after: None })
    );
    bench.settle(2, 110).unwrap();
    let Err(Denial::TokenRate { retry_after: Some(wait), .. }) = bench.admit(3, 1, 1) else {
        panic!("a debt that delays")
    };
    assert!(wait > Duration::from_secs(55), "{wait:?}");
    bench.advance(wait);
    bench.admit(3, 1, 1).unwrap();
}

#[test]
fn a_question_asked_again_is_answered_from_the_hold_it_left() {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(100, None, "first").unwrap();
    let permits = [bench.admit(1, 60, 30).unwrap(), bench.admit(2, 90, 90).unwrap()];
    assert_eq!(permits.each_ref().map(|permit| permit.completion_tokens_max), [60, 70]);
    let events = bench.machine.account().number();
    bench.restart();
    assert_eq!(bench.admit_again(1, 60, 30).as_ref(), Ok(&permits[0]));
    assert_eq!(bench.admit_again(2, 90, 90).as_ref(), Ok(&permits[1]));
    assert_eq!(bench.machine.account().number(), events, "nothing is held again");
    // Where the first copy was lost, it is a question like any other.
    bench.void(2).unwrap();
    assert_eq!(bench.admit_again(3, 10, 10).unwrap().held.nano(), 10);
    // Another question under the same name is none of ours.
    assert_eq!(bench.admit_again(1, 20, 20), Err(Denial::DuplicateHold));
}

#[test]
fn an_account_is_at_rest_when_nothing_runs_and_every_bucket_is_full() {
    let account = Limits { requests_per_minute: Some(60), ..Limits::default() };
    let key = Limits { tokens_per_minute: Some(60), ..Limits::default() };
    let mut bench = Bench::new(account, key);
    bench.grant(1_000, None, "first").unwrap();
    let is_at_rest = |bench: &Bench| bench.machine.is_at_rest(bench.now);
    assert!(is_at_rest(&bench));
    bench.admit(1, 10, 10).unwrap();
    bench.advance(Duration::from_mins(5));
    assert!(!is_at_rest(&bench), "an exchange is under way");
    bench.settle(1, 100).unwrap();
    assert!(!is_at_rest(&bench), "more tokens were used than were taken");
    bench.advance(Duration::from_secs(89));
    assert!(!is_at_rest(&bench));
    bench.advance(Duration::from_secs(1));
    assert!(is_at_rest(&bench));
}
