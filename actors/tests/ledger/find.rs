//! A settled exchange is found by its id.

use infergate_actors::account::{Event, UsageRecord};
use infergate_actors::ledger::{Batch, Ledger};
use tempfile::tempdir;

use crate::desk::{Pen, START_MS, append, hold, open, settlement};

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Exchanges by the number in their id: they begin one after the other, `step_ms` apart, last as long
/// as `lasts_ms` says, and are settled in the order they end.
fn settled(
    ledger: &Ledger,
    numbers: std::ops::Range<u64>,
    step_ms: u64,
    lasts_ms: fn(u64) -> u64,
) -> Pen {
    let mut pen = Pen::new(ledger.new_account_id());
    let mut batch = Batch::new();
    pen.open(&mut batch, 1_000_000_000_000);
    let began = |number: u64| START_MS + number * step_ms;
    let mut turns: Vec<(u64, u64, bool)> = Vec::new();
    for number in numbers {
        turns.push((began(number), number, false));
        turns.push((began(number) + lasts_ms(number), number, true));
    }
    turns.sort_unstable();
    for (at_ms, number, is_end) in turns {
        pen.wait_until(at_ms);
        let id = hold(u128::from(number));
        if is_end {
            let bill = settlement(id, 1 + number);
            let record = UsageRecord { started_at_ms: began(number), ..bill.record.clone() };
            let bill = infergate_actors::account::Settlement { record, ..bill };
            pen.write(&mut batch, Event::Settled(Box::new(bill)));
        } else {
            pen.hold(&mut batch, id, 500_000);
        }
    }
    append(ledger, batch);
    pen
}

#[test]
fn a_settled_exchange_is_found_by_its_id_however_long_it_lasted() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let quick = settled(&ledger, 1..200, 10, |number| 1 + number % 7);
    let mixed = settled(&ledger, 1..200, 10_000, |number| number * 7_919 % 97 * 60_000);
    let sparse = settled(&ledger, 1..200, 5 * HOUR_MS, |number| number % 20 * HOUR_MS);
    for pen in [&quick, &mixed, &sparse] {
        for number in 1..200 {
            let found = ledger.find_usage(pen.account, hold(number)).unwrap();
            let found = found.unwrap_or_else(|| panic!("{number} of {}", pen.account));
            assert_eq!((found.hold, found.entry.record.account), (hold(number), pen.account));
        }
        for unknown in [0, 200, 1 << 60] {
            assert_eq!(ledger.find_usage(pen.account, hold(unknown)).unwrap(), None);
        }
    }
}

#[test]
fn an_exchange_of_another_account_or_without_a_charge_is_not_found() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let one = settled(&ledger, 1..5, 1_000, |_| 100);
    let other = settled(&ledger, 5..9, 1_000, |_| 100);
    assert!(ledger.find_usage(one.account, hold(4)).unwrap().is_some());
    assert_eq!(ledger.find_usage(one.account, hold(5)).unwrap(), None);
    assert_eq!(ledger.find_usage(other.account, hold(4)).unwrap(), None);
    let mut empty = Pen::new(ledger.new_account_id());
    let mut batch = Batch::new();
    empty.open(&mut batch, 1_000_000);
    empty.hold(&mut batch, hold(77), 5);
    empty.void(&mut batch, hold(77));
    append(&ledger, batch);
    assert_eq!(ledger.find_usage(empty.account, hold(77)).unwrap(), None);
}
