//! What may be opened, and what recovery does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use infergate_actors::account::{End, Event};
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{
    Batch, Damage, Ledger, LedgerError, LedgerOptions, VerifyOnStart, verify_directory,
};
use infergate_actors::money::NanoUsd;
use tempfile::tempdir;

use crate::commits::verify;
use crate::damage::Image;
use crate::desk::{Pen, START_MS, append, contents, history, hold, open, options};
use crate::fold::{Tally, load};

fn open_tail(path: &Path) -> Ledger {
    let options = LedgerOptions { verify_on_start: VerifyOnStart::Tail, ..options(path) };
    Ledger::open(options, Clock::real()).unwrap().0
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let (ledger, first) = open(dir.path());
    history(&ledger, 3, 20);
    let before = contents(&ledger);
    drop(ledger);
    let (ledger, second) = open(dir.path());
    assert_eq!(contents(&ledger), before);
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_eq!((second.events, second.last_sequence), (129, 129));
    assert!(second.closed_in_order && !second.created && second.voided.is_empty());
    drop(ledger);
    let ledger = open_tail(dir.path());
    assert_eq!(ledger.epoch(), 3);
    assert_eq!(contents(&ledger), before);
    verify(&ledger);
}

#[test]
fn account_ids_are_never_given_twice() {
    let dir = tempdir().unwrap();
    let mut seen = Vec::new();
    for node in [0, 0, 3, 0, 3] {
        let options = LedgerOptions { node, ..options(dir.path()) };
        let (ledger, _) = Ledger::open(options, Clock::real()).unwrap();
        for _ in 0..3 {
            let account = ledger.new_account_id();
            let mut batch = Batch::new();
            Pen::new(account).open(&mut batch, 1);
            append(&ledger, batch);
            assert_eq!(account.node(), node);
            assert!(!seen.contains(&account));
            seen.push(account);
        }
    }
    assert!(!seen.contains(&AccountId(0)));
}

#[test]
fn holds_without_an_end_are_voided_and_listed() {
    for how in [VerifyOnStart::Full, VerifyOnStart::Tail] {
        let dir = tempdir().unwrap();
        let (ledger, _) = open(dir.path());
        let mut pens = history(&ledger, 2, 5);
        let mut batch = Batch::new();
        pens[0].hold(&mut batch, hold(1), 70);
        pens[1].hold(&mut batch, hold(2), 80);
        let (hold_1, amount) = (hold(1), NanoUsd::from_nano(5));
        pens[0].write(&mut batch, Event::Extended { hold: hold_1, amount });
        append(&ledger, batch);
        drop(ledger);
        let options = LedgerOptions { verify_on_start: how, ..options(dir.path()) };
        let clock = Clock::manual(START_MS + 99_000);
        let (ledger, report) = Ledger::open(options, clock).unwrap();
        let nano = NanoUsd::from_nano;
        let voided =
            vec![(pens[0].account, hold(1), nano(75)), (pens[1].account, hold(2), nano(80))];
        assert_eq!(report.voided, voided);
        let last = ledger.account_journal(pens[0].account, 0, 100).unwrap().pop().unwrap();
        assert_eq!(last.record.event, Event::Voided { hold: hold(1), end: End::Recovered });
        assert_eq!(last.record.at_ms, START_MS + 99_000);
        assert!(load(&ledger, pens[0].account).unwrap().holds.is_empty());
        assert_eq!(verify(&ledger).totals.held, 0);
        drop(ledger);
        let (_, report) = open(dir.path());
        assert_eq!(report.voided, vec![]);
    }
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    let refused = Ledger::open(options(dir.path()), Clock::real());
    assert!(matches!(refused, Err(LedgerError::InUse(_))), "{refused:?}");
    assert!(matches!(verify_directory::<Tally>(dir.path()), Err(LedgerError::InUse(_))));
    drop(ledger);
    verify_directory::<Tally>(dir.path()).unwrap();
    open(dir.path());
}

#[test]
fn an_unknown_format_is_refused_and_untouched() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    history(&ledger, 1, 2);
    drop(ledger);
    fs::write(dir.path().join("FORMAT"), "infergate-ledger 2\n").unwrap();
    let before = Image::take(dir.path());
    let refused = Ledger::open(options(dir.path()), Clock::real()).unwrap_err();
    assert!(refused.to_string().contains("`infergate-ledger 2`"), "{refused}");
    assert!(before == Image::take(dir.path()));
    // Also where nothing else is ours.
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("FORMAT"), "something else").unwrap();
    let before = Image::take(dir.path());
    let refused = Ledger::open(options(dir.path()), Clock::real());
    assert!(matches!(refused, Err(LedgerError::UnknownFormat { .. })), "{refused:?}");
    assert!(before == Image::take(dir.path()));
}

#[test]
fn a_lost_part_is_not_made_again() {
    for part in ["FORMAT", "high-water", "store", "store/version", "store/keyspaces/1/current"] {
        let dir = tempdir().unwrap();
        let (ledger, _) = open(dir.path());
        history(&ledger, 1, 2);
        drop(ledger);
        let path = dir.path().join(part);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let before = Image::take(dir.path());
        let refused = Ledger::open(options(dir.path()), Clock::real()).unwrap_err();
        let LedgerError::Damaged { damage, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*damage, Damage::Missing(part.to_owned()));
        assert!(refused.to_string().contains("infergate ledger repair"));
        assert!(before == Image::take(dir.path()));
    }
}

#[test]
fn what_an_interrupted_start_leaves_is_started_again() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    drop(ledger);
    fs::rename(dir.path().join("store"), dir.path().join("store.new")).unwrap();
    let (ledger, report) = open(dir.path());
    assert!(report.created);
    history(&ledger, 1, 1);
}

#[test]
fn an_older_copy_of_the_store_is_refused() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(dir.path());
    history(&ledger, 2, 5);
    drop(ledger);
    let older = Image::take(&dir.path().join("store"));
    let (ledger, _) = open(dir.path());
    history(&ledger, 2, 5);
    drop(ledger);
    older.put_back(&dir.path().join("store"));
    let refused = Ledger::open(options(dir.path()), Clock::real()).unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused}");
}

#[test]
fn half_a_write_at_the_end_is_cut_off_and_reported() {
    let dir = tempdir().unwrap();
    // Nothing is flushed unless asked for.
    let fsync_interval = Duration::from_hours(1);
    let options = LedgerOptions { fsync_interval, ..options(dir.path()) };
    drop(Ledger::open(options.clone(), Clock::real()).unwrap());
    let (ledger, _) = Ledger::open(options.clone(), Clock::real()).unwrap();
    for credit in 0..3 {
        let mut batch = Batch::new();
        Pen::new(ledger.new_account_id()).open(&mut batch, credit);
        append(&ledger, batch);
    }
    let mut image = Image::take(dir.path());
    drop(ledger);
    let wal = image.0.get_mut(Path::new("store/0.jnl")).unwrap();
    wal.truncate(wal.len() - 5);
    image.put_back(dir.path());
    let (ledger, report) = Ledger::open(options, Clock::real()).unwrap();
    assert_eq!((report.last_sequence, report.closed_in_order), (6, false));
    assert!(report.torn_bytes > 0);
    verify(&ledger);
}
