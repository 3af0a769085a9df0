//! Keys that are changed and rotated.

use std::net::IpAddr;
use std::time::Duration;

use infergate_actors::account::{
    Account, Admit, Budget, Denial, Event, KeyChange, KeyScope, Limits, NewKey, Order, Period,
    Presented, Scope, SnapshotError,
};
use infergate_actors::id::{KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Digest, Record};
use infergate_actors::money::NanoUsd;

use crate::bench::{Bench, admit, denial};

const KEY: KeyId = KeyId(1);
const FIRST: KeyHash = KeyHash([7; 32]);
const SECOND: KeyHash = KeyHash([9; 32]);

fn bench() -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(1_000, None, "first").unwrap();
    bench
}

fn change(bench: &mut Bench, change: KeyChange) {
    bench.order(&Order::ChangeKey { key: KEY, changes: vec![change] }).unwrap();
}

fn present(bench: &mut Bench, hold: u128, presented: Presented) -> Result<(), Denial> {
    let admit = Admit { presented, ..admit(hold, 1, 1) };
    denial(bench.machine.admit(&admit, bench.now, &mut Batch::new())).map(|_| ())
}

fn rotate(bench: &mut Bench, hash: KeyHash, overlap: Duration) -> Result<(), Denial> {
    bench.order(&Order::RotateKey { key: KEY, hash, hint: "new!".into(), overlap })
}

#[test]
fn a_change_is_in_force_at_once_and_stays_so() {
    let mut bench = bench();
    let anyone = Presented::default;
    change(&mut bench, KeyChange::Limits(Limits { in_flight: Some(1), ..Limits::default() }));
    present(&mut bench, 1, anyone()).unwrap();
    let full = Err(Denial::InFlight { scope: Scope::Key, limit: 1 });
    assert_eq!(present(&mut bench, 2, anyone()), full);
    bench.restart();
    assert_eq!(present(&mut bench, 2, anyone()), full);
    change(&mut bench, KeyChange::Limits(Limits::default()));
    change(&mut bench, KeyChange::Models(vec!["other-*".into()]));
    assert_eq!(present(&mut bench, 2, anyone()), Err(Denial::ModelNotAllowed));
    change(&mut bench, KeyChange::Models(vec!["*-small".into()]));
    present(&mut bench, 2, anyone()).unwrap();
    change(&mut bench, KeyChange::Scopes(vec![KeyScope::UsageRead]));
    assert_eq!(present(&mut bench, 3, anyone()), Err(Denial::ScopeMissing));
    change(&mut bench, KeyChange::Scopes(vec![KeyScope::Inference, KeyScope::UsageRead]));
    let now_ms = bench.now.wall_ms;
    change(&mut bench, KeyChange::ExpiresAtMs(Some(now_ms)));
    assert_eq!(present(&mut bench, 3, anyone()), Err(Denial::ExpiredKey));
    change(&mut bench, KeyChange::ExpiresAtMs(None));
    present(&mut bench, 3, anyone()).unwrap();
}

#[test]
fn what_a_key_is_already_is_not_written_again() {
    let mut bench = bench();
    let changes = vec![KeyChange::Name("named".into()), KeyChange::Tags(vec!["team-a".into()])];
    let order = Order::ChangeKey { key: KEY, changes };
    bench.order(&order).unwrap();
    let number = bench.machine.account().number();
    bench.order(&order).unwrap();
    assert_eq!(bench.machine.account().number(), number);
    let key = &bench.machine.account().keys()[0];
    let settings = bench.machine.account().key_settings(KEY);
    assert_eq!((key.name.as_str(), settings.tags.len()), ("named", 1));
    bench.order(&Order::RevokeKey { key: KEY, reason: "test".into() }).unwrap();
    assert_eq!(bench.order(&order), Err(Denial::RevokedKey));
    let other = Order::ChangeKey { key: KeyId(9), changes: Vec::new() };
    assert_eq!(bench.order(&other), Err(Denial::UnknownKey));
}

#[test]
fn a_key_is_used_from_where_it_may_be() {
    let mut bench = bench();
    change(&mut bench, KeyChange::AllowedIps(vec!["10.0.0.0/8".parse().unwrap()]));
    let from = |text: &str| Presented {
        address: Some(text.parse::<IpAddr>().unwrap()),
        ..Presented::default()
    };
    present(&mut bench, 1, from("10.1.2.3")).unwrap();
    present(&mut bench, 2, from("::ffff:10.1.2.3")).unwrap();
    assert_eq!(present(&mut bench, 3, from("192.0.2.1")), Err(Denial::AddressNotAllowed));
    bench.restart();
    assert_eq!(present(&mut bench, 3, from("192.0.2.1")), Err(Denial::AddressNotAllowed));
}

#[test]
fn a_rotated_key_keeps_everything_and_its_former_secret_works_for_a_while() {
    let mut bench = bench();
    let limit = NanoUsd::from_nano(3);
    change(&mut bench, KeyChange::Budgets(vec![Budget { period: Period::Total, limit }]));
    let with = |hash| Presented { secret: Some(hash), ..Presented::default() };
    present(&mut bench, 1, with(FIRST)).unwrap();
    rotate(&mut bench, SECOND, Duration::from_hours(1)).unwrap();
    assert_eq!(bench.machine.account().keys()[0].hint, "new!");
    present(&mut bench, 2, with(FIRST)).unwrap();
    present(&mut bench, 3, with(SECOND)).unwrap();
    let exceeded = present(&mut bench, 4, with(SECOND));
    assert!(matches!(exceeded, Err(Denial::BudgetExceeded { .. })), "one budget for both");
    for hold in 1..=3 {
        bench.void(hold).unwrap();
    }
    bench.advance(Duration::from_hours(1));
    bench.restart();
    assert_eq!(present(&mut bench, 4, with(FIRST)), Err(Denial::ReplacedSecret));
    present(&mut bench, 4, with(SECOND)).unwrap();
}

#[test]
fn a_secret_is_never_used_for_a_second_time() {
    let mut bench = bench();
    rotate(&mut bench, SECOND, Duration::ZERO).unwrap();
    for known in [FIRST, SECOND] {
        assert_eq!(rotate(&mut bench, known, Duration::ZERO), Err(Denial::DuplicateKey));
        let key = NewKey {
            hash: known,
            hint: "abcd".into(),
            name: "again".into(),
            models: Vec::new(),
            expires_at_ms: None,
            limits: Limits::default(),
            rest: Vec::new(),
        };
        assert_eq!(bench.order(&Order::CreateKey(key)), Err(Denial::DuplicateKey));
    }
}

#[test]
fn former_secrets_that_are_over_are_forgotten_and_stay_over() {
    let mut bench = bench();
    let hash = |number: u8| KeyHash([number; 32]);
    for number in 100..116 {
        rotate(&mut bench, hash(number), Duration::from_hours(1)).unwrap();
    }
    let another = rotate(&mut bench, hash(116), Duration::from_hours(1));
    assert_eq!(another, Err(Denial::TooManySecrets));
    bench.advance(Duration::from_hours(1));
    for number in 116..130 {
        rotate(&mut bench, hash(number), Duration::from_hours(1)).unwrap();
    }
    let former = bench.machine.account().key_settings(KEY).former;
    assert_eq!((former.len(), former[0].hash), (16, hash(113)));
    bench.restart();
    for (number, expected) in [
        (7, Err(Denial::ReplacedSecret)),
        (114, Err(Denial::ReplacedSecret)),
        (115, Ok(())),
        (129, Ok(())),
    ] {
        let presented = Presented { secret: Some(hash(number)), ..Presented::default() };
        assert_eq!(present(&mut bench, u128::from(number), presented), expected, "{number}");
    }
}

#[test]
fn a_secret_that_gives_no_time_ends_all_that_work_and_is_never_one_too_many() {
    let hash = |number: u8| KeyHash([number; 32]);
    for rotations in [1, 16] {
        let mut bench = bench();
        for number in 100..100 + rotations {
            rotate(&mut bench, hash(number), Duration::from_hours(24)).unwrap();
        }
        rotate(&mut bench, SECOND, Duration::ZERO).unwrap();
        bench.restart();
        for number in [7, 99 + rotations] {
            let presented = Presented { secret: Some(hash(number)), ..Presented::default() };
            assert_eq!(present(&mut bench, 1, presented), Err(Denial::ReplacedSecret), "{number}");
        }
        let presented = Presented { secret: Some(SECOND), ..Presented::default() };
        present(&mut bench, 1, presented).unwrap();
        let former = bench.machine.account().key_settings(KEY).former;
        assert!(former.len() <= 16, "{}", former.len());
    }
}

#[test]
fn a_rotation_that_was_written_before_leaves_former_secrets_alone() {
    let mut bench = bench();
    rotate(&mut bench, SECOND, Duration::from_hours(24)).unwrap();
    let mut account = bench.machine.account().clone();
    let now_ms = bench.now.wall_ms;
    let record = Record {
        account: account.id(),
        number: account.number() + 1,
        previous: account.digest(),
        at_ms: now_ms,
        event: Event::KeyRotated {
            key: KEY,
            hash: KeyHash([10; 32]),
            hint: "new!".into(),
            former_until_ms: now_ms,
        },
    };
    account.apply(&record, Digest::default()).unwrap();
    let former = account.key_settings(KEY).former;
    let works: Vec<bool> = former.iter().map(|former| former.until_ms > now_ms).collect();
    assert_eq!(works, [true, false]);
}

#[test]
fn a_snapshot_from_before_there_were_budgets_is_read_as_one_without() {
    let mut bench = bench();
    bench.admit(1, 10, 10).unwrap();
    let account = bench.machine.account();
    let mut bytes = account.snapshot();
    assert_eq!(Account::restore(&bytes).as_ref(), Ok(account));
    // The first version had nothing of that: no payments, no status with a reason, no codes (seven
    // bytes), and no keys, no budgets, no sums (three). The second had nothing of what an account has
    // besides money and keys (seven). The third had no
    // idempotency keys (one), and nothing of what movements have besides (two).
    assert_eq!((bytes[0], &bytes[bytes.len() - 20..]), (4, &[0; 20][..]));
    bytes.truncate(bytes.len() - 3);
    bytes[0] = 3;
    assert_eq!(Account::restore(&bytes).as_ref(), Ok(account));
    bytes.truncate(bytes.len() - 7);
    bytes[0] = 2;
    assert_eq!(Account::restore(&bytes).as_ref(), Ok(account));
    bytes.truncate(bytes.len() - 10);
    bytes[0] = 1;
    assert_eq!(Account::restore(&bytes).as_ref(), Ok(account));
    bytes[0] = 2;
    assert_eq!(Account::restore(&bytes), Err(SnapshotError::Malformed));
    bytes[0] = 5;
    assert_eq!(Account::restore(&bytes), Err(SnapshotError::UnknownVersion(5)));
}
