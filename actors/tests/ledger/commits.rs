//! What is appended is answered, kept, read back and found again.

use std::sync::mpsc;
use std::time::Duration;

use infergate_actors::account::Event;
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Durability, Ledger, LedgerOptions, VerifyReport};
use infergate_actors::money::NanoUsd;
use tempfile::tempdir;

use crate::desk::{Pen, append, contents, history, hold, key, open, options, settlement, wait};
use crate::fold::{Tally, load};

pub(crate) fn verify(ledger: &Ledger) -> VerifyReport {
    let report = ledger.verify::<Tally>().unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
    report
}

#[test]
fn events_are_read_back_as_they_were_written() {
    let dir = tempdir().unwrap();
    let (ledger, report) = open(dir.path());
    assert!(report.created);
    let pens = history(&ledger, 3, 20);
    for pen in &pens {
        assert_eq!(load(&ledger, pen.account).as_ref(), Some(&pen.tally));
        assert_eq!(ledger.find_key(&key(pen.account).hash).unwrap(), Some((pen.account, KeyId(1))));
        let usage = ledger.usage_page(pen.account, None, 4).unwrap();
        let last = usage.last().unwrap();
        let rest = ledger.usage_page(pen.account, Some((last.at_ms, last.hold)), 100).unwrap();
        assert_eq!((usage.len(), rest.len()), (4, 11));
    }
    let events = 3 * (3 + 2 * 20);
    assert_eq!(ledger.stats().sequence, events);
    assert_eq!(ledger.find_key(&KeyHash([9; 32])).unwrap(), None);
    assert_eq!(ledger.load_account(AccountId(999)).unwrap(), None);
    assert_eq!(ledger.provider("simulated").unwrap(), Some(vec![16; 40]));
    assert_eq!(ledger.provider("other").unwrap(), None);
    let report = verify(&ledger);
    assert_eq!((report.events, report.accounts, report.snapshots), (events, 3, 3));
    let totals = report.totals;
    assert_eq!(totals.granted, 3_000_000_000);
    assert_eq!(totals.balance, totals.granted - totals.settled);
    assert!(totals.settled > 0);
    assert_eq!(totals.held, 0);
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let pens = history(&ledger, 5, 4);
    let ids: Vec<AccountId> = pens.iter().map(|pen| pen.account).collect();
    assert_eq!(ledger.account_ids(None, 2).unwrap(), ids[..2]);
    assert_eq!(ledger.account_ids(Some(ids[1]), 100).unwrap(), ids[2..]);
    let journal = ledger.account_journal(ids[0], 0, 100).unwrap();
    assert_eq!(journal.len(), 11);
    let page = ledger.account_journal(ids[0], 4, 3).unwrap();
    assert_eq!(page, journal[4..7]);
}

#[test]
fn batches_are_answered_in_order_and_waited_for() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let mut pen = Pen::new(ledger.new_account_id());
    let mut batch = Batch::new();
    pen.open(&mut batch, 1_000_000);
    append(&ledger, batch);
    let (answer, answers) = mpsc::channel();
    for count in 0..100 {
        let mut batch = Batch::new();
        pen.hold(&mut batch, hold(count), 1);
        let answer = answer.clone();
        let then = Box::new(move |result: Result<(), _>| {
            result.unwrap();
            answer.send(count).unwrap();
        });
        ledger.append(batch, Some(then));
    }
    drop(answer);
    assert_eq!(answers.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    let mut batch = Batch::new().lazy();
    pen.hold(&mut batch, hold(100), 1);
    let ticket = ledger.append(batch, None);
    wait(&ledger, ticket, Durability::Process);
    assert!(ledger.committed(ticket));
    wait(&ledger, ticket, Durability::Disk);
    let stats = ledger.stats();
    assert_eq!((stats.sequence, stats.sequence_synced, stats.holds_open), (104, 104, 101));
    assert!(stats.commits < 105);
    assert_eq!(stats.backlog, 0);
}

#[test]
fn a_lazy_batch_is_answered_without_anyone_waiting_for_it() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let mut batch = Batch::new().lazy();
    Pen::new(ledger.new_account_id()).open(&mut batch, 1);
    // Blocks until the flush that is due after the interval takes it along.
    let ticket = append(&ledger, batch);
    assert!(ledger.committed(ticket));
}

#[test]
fn an_answer_at_disk_comes_after_the_flush() {
    for durability in [Durability::Process, Durability::Disk] {
        let dir = tempdir().unwrap();
        // An interval that never passes: only who asks for it gets a flush.
        let fsync_interval = Duration::from_hours(1);
        let options = LedgerOptions { durability, fsync_interval, ..options(dir.path()) };
        let (ledger, _) = Ledger::open(options, Clock::real()).unwrap();
        let mut pen = Pen::new(ledger.new_account_id());
        let mut batch = Batch::new();
        pen.open(&mut batch, 1_000);
        append(&ledger, batch);
        let synced = ledger.stats().sequence_synced;
        assert_eq!(synced, if durability == Durability::Disk { 3 } else { 0 });
        let mut batch = Batch::new().on_disk();
        pen.hold(&mut batch, hold(1), 1);
        append(&ledger, batch);
        assert_eq!(ledger.stats().sequence_synced, 4);
    }
}

#[test]
fn appends_of_many_threads_all_arrive() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut pen = Pen::new(ledger.new_account_id());
                let mut batch = Batch::new();
                pen.open(&mut batch, 1_000_000);
                ledger.append(batch, None);
                for count in 0..50 {
                    let hold = hold(u128::from(pen.account.0) << 16 | count);
                    let mut batch = Batch::new().lazy();
                    pen.hold(&mut batch, hold, 10_000);
                    ledger.append(batch, None);
                    let mut batch = Batch::new();
                    pen.settle(&mut batch, hold, 5);
                    append(&ledger, batch);
                }
                assert_eq!(load(&ledger, pen.account), Some(pen.tally));
            });
        }
    });
    assert_eq!(verify(&ledger).events, 8 * 103);
}

#[test]
fn a_closed_ledger_refuses_and_can_be_read() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    history(&ledger, 2, 3);
    let before = contents(&ledger);
    ledger.close().unwrap();
    ledger.close().unwrap();
    assert!(!ledger.is_poisoned());
    let (answer, answered) = mpsc::channel();
    let then = Box::new(move |result| answer.send(result).unwrap());
    let ticket = ledger.append(Batch::new(), Some(then));
    assert!(answered.recv().unwrap().is_err());
    assert!(!ledger.committed(ticket));
    assert_eq!(contents(&ledger), before);
}

#[test]
fn the_last_handle_may_be_dropped_by_an_answer() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let (answer, answered) = mpsc::channel();
    let last = ledger.clone();
    let (hand_over, handed) = mpsc::channel();
    let then = Box::new(move |_| {
        handed.recv().unwrap();
        drop(last);
        answer.send(()).unwrap();
    });
    ledger.append(Batch::new(), Some(then));
    drop(ledger);
    hand_over.send(()).unwrap();
    answered.recv().unwrap();
}

#[test]
fn a_verification_names_what_does_not_agree() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let mut pens = history(&ledger, 2, 4);
    assert!(verify(&ledger).is_clean());
    let mut wrong = settlement(hold(1), 5);
    wrong.charged = NanoUsd::from_nano(9_999);
    let (first, second) = pens.split_at_mut(1);
    let mut batch = Batch::new();
    first[0].hold(&mut batch, hold(1), 10_000);
    first[0].write(&mut batch, Event::Settled(Box::new(wrong)));
    // A snapshot of something else, and a key that another account has.
    second[0].hold(&mut batch, hold(2), 1);
    let whole = second[0].tally.clone();
    second[0].tally.balance += 1;
    second[0].snapshot(&mut batch);
    second[0].tally = whole;
    second[0].write(&mut batch, Event::KeyCreated { key: key(first[0].account) });
    append(&ledger, batch);
    let report = ledger.verify::<Tally>().unwrap();
    let found: Vec<_> =
        report.differences.iter().map(|it| (it.account.map(AccountId::count), &*it.what)).collect();
    assert_eq!(
        found,
        [
            (Some(1), "the event is not in its index"),
            (
                Some(1),
                "req_00090000000100000000000000000001: 0.000009999 charged and 0 absorbed is not 0.00001"
            ),
            (
                Some(1),
                "req_00090000000100000000000000000001 is charged 0.000009999 USD and draws 10000 nano-USD"
            ),
            (Some(2), "the snapshot is not the fold of the events up to it"),
            (None, "`keys` has 2 entries, not 3"),
        ]
    );
    assert_eq!(report.differences_count, 5);
}

#[test]
fn a_failed_write_is_final_and_told_to_everyone() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let pens = history(&ledger, 1, 1);
    let (call, called) = mpsc::channel();
    ledger.on_poison(move |poisoned| call.send(poisoned.clone()).unwrap());
    // The store finds this out when it writes the next table.
    std::fs::remove_dir_all(dir.path().join("store/keyspaces/1")).unwrap();
    let mut pen = pens[0].clone();
    let mut failed = None;
    for count in 0..100_000 {
        let mut batch = Batch::new();
        pen.hold(&mut batch, hold(count), 1);
        let (answer, answered) = mpsc::channel();
        ledger.append(batch, Some(Box::new(move |result| answer.send(result).unwrap())));
        if let Err(poisoned) = answered.recv().unwrap() {
            failed = Some(poisoned);
            break;
        }
    }
    let poisoned = failed.unwrap();
    assert_eq!(called.recv().unwrap(), poisoned);
    assert!(ledger.is_poisoned());
    let (answer, answered) = mpsc::channel();
    ledger.append(Batch::new(), Some(Box::new(move |result| answer.send(result).unwrap())));
    assert_eq!(answered.recv().unwrap(), Err(poisoned.clone()));
    let (call, called) = mpsc::channel();
    ledger.on_poison(move |poisoned| call.send(poisoned.clone()).unwrap());
    assert_eq!(called.recv().unwrap(), poisoned);
    assert!(ledger.close().is_err());
}
