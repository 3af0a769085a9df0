//! Repair, export, import.

use std::fs;
use std::path::Path;

use infergate_actors::id::{AccountId, KeyHash};
use infergate_actors::ledger::{
    Batch, Ledger, LedgerError, RepairReport, StreamFault, export_directory, import, repair,
    verify_directory,
};
use tempfile::{TempDir, tempdir};

use crate::commits::verify;
use crate::damage::Image;
use crate::desk::{Contents, append, contents, history, open};
use crate::fold::Tally;

/// A closed ledger with tables and a write-ahead file, and what is in it.
fn closed() -> (TempDir, Contents) {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(&dir.path().join("old"));
    history(&ledger, 3, 100);
    // The store writes tables when it gets round to it.
    let tables = dir.path().join("old/store/keyspaces/1/tables");
    while fs::read_dir(&tables).unwrap().next().is_none() {
        append(&ledger, Batch::new());
    }
    let contents = contents(&ledger);
    (dir, contents)
}

/// Repairs `old` into `new`; the damaged directory must stay as it is.
fn repaired(dir: &Path) -> (RepairReport, Ledger) {
    let (old, new) = (dir.join("old"), dir.join("new"));
    let before = Image::take(&old);
    let report = repair(&old, &new).unwrap();
    assert!(before == Image::take(&old));
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["new", "old"]);
    assert!(verify_directory::<Tally>(&new).unwrap().is_clean());
    let (ledger, opened) = open(&new);
    assert_eq!(opened.last_sequence, report.head.sequence);
    verify(&ledger);
    (report, ledger)
}

fn wal(dir: &Path) -> std::path::PathBuf {
    dir.join("old/store/0.jnl")
}

/// Where a journal record of the given event number of account 1 lies in the write-ahead file.
fn find(bytes: &[u8], sequence: u64) -> usize {
    let key = [&1_u64.to_le_bytes()[..], &8_u16.to_le_bytes()].concat();
    let hits = bytes.windows(key.len()).enumerate().filter(|(_, window)| *window == key);
    hits.map(|(at, _)| at + key.len() + 8)
        .find(|at| bytes[*at..*at + 8] == sequence.to_be_bytes())
        .unwrap()
}

#[test]
fn a_repair_of_a_whole_ledger_changes_nothing() {
    let (dir, before) = closed();
    let (report, ledger) = repaired(dir.path());
    assert_eq!((report.dropped, report.notes.len(), report.providers), (None, 0, 1));
    assert!(contents(&ledger) == before);
    assert_eq!((ledger.epoch(), report.ids_behind), (2, None));
    assert_eq!(ledger.new_account_id(), AccountId::new(0, 4));
}

#[test]
fn a_repair_keeps_what_comes_before_the_break_and_lists_the_rest() {
    let (dir, before) = closed();
    let mut bytes = fs::read(wal(dir.path())).unwrap();
    // The tables must not have it either.
    fs::remove_dir_all(dir.path().join("old/store/keyspaces/1/tables")).unwrap();
    let at = find(&bytes, 100);
    bytes[at + 40] ^= 1;
    fs::write(wal(dir.path()), bytes).unwrap();
    let (report, ledger) = repaired(dir.path());
    assert_eq!(report.head.sequence, 99);
    assert_eq!(report.dropped, Some((100, before.events())));
    assert!(!report.notes.is_empty());
    let legible: Vec<u64> = report.legible.iter().map(|(sequence, _)| *sequence).collect();
    assert!(legible.ends_with(&(102..=before.events()).collect::<Vec<_>>()), "{legible:?}");
    assert!(before.starts_with(&contents(&ledger)) || ledger.stats().holds_open == 0);
}

/// [`closed`], with its journal broken behind event 4: of the three accounts one is left.
fn broken() -> TempDir {
    let (dir, _) = closed();
    let mut bytes = fs::read(wal(dir.path())).unwrap();
    fs::remove_dir_all(dir.path().join("old/store/keyspaces/1/tables")).unwrap();
    let at = find(&bytes, 5);
    bytes[at + 40] ^= 1;
    fs::write(wal(dir.path()), bytes).unwrap();
    dir
}

#[test]
fn no_id_that_a_lost_account_may_have_is_given_out_again() {
    const BEHIND: u64 = 2 << 20;
    let dir = broken();
    let (report, ledger) = repaired(dir.path());
    assert_eq!((report.head.sequence, report.ids_behind), (4, Some(BEHIND)));
    let id = ledger.new_account_id();
    assert_eq!(id, AccountId::new(0, BEHIND + 1));
    let register = AccountId::register(0, &KeyHash([7; 32]));
    assert_eq!(ledger.given_out(register).place(), BEHIND);
    drop(ledger);
    // What it is copied into knows it as well, and nothing more is left out where nothing is lost.
    let [imported, again] = ["imported", "again"].map(|name| dir.path().join(name));
    let mut stream = Vec::new();
    export_directory(&dir.path().join("new"), 1, &mut stream).unwrap();
    import(&mut stream.as_slice(), &imported).unwrap();
    assert_eq!(repair(&imported, &again).unwrap().ids_behind, None);
    for path in [imported, again] {
        let (ledger, _) = open(&path);
        assert_eq!((ledger.new_account_id(), ledger.given_out(register).place()), (id, BEHIND));
    }
}

#[test]
fn ids_are_left_out_where_nothing_tells_how_much_is_lost() {
    let (dir, _) = closed();
    fs::remove_file(dir.path().join("old/high-water")).unwrap();
    let (report, ledger) = repaired(dir.path());
    assert_eq!((report.dropped, report.ids_behind), (None, Some(2 << 20)));
    assert_eq!(ledger.new_account_id(), AccountId::new(0, (2 << 20) + 1));
}

#[test]
fn a_repair_gets_around_a_break_that_the_tables_have_whole() {
    let (dir, before) = closed();
    let bytes = fs::read(wal(dir.path())).unwrap();
    let mut damaged = bytes.clone();
    let at = find(&bytes, 5);
    damaged[at + 40] ^= 1;
    fs::write(wal(dir.path()), damaged).unwrap();
    let (report, ledger) = repaired(dir.path());
    assert_eq!(report.dropped, None, "{:?}", report.notes);
    assert!(contents(&ledger) == before);
}

#[test]
fn a_repair_does_without_the_tables() {
    let (dir, before) = closed();
    for number in 0..8 {
        let folder = dir.path().join(format!("old/store/keyspaces/{number}"));
        fs::write(folder.join("current"), [0; 25]).unwrap();
    }
    fs::remove_file(dir.path().join("old/high-water")).unwrap();
    fs::remove_file(dir.path().join("old/FORMAT")).unwrap();
    let (report, ledger) = repaired(dir.path());
    assert_eq!(report.dropped, None);
    assert_eq!(report.notes.len(), 5, "{:?}", report.notes);
    assert!(contents(&ledger) == before);
}

#[test]
fn a_repair_does_without_what_the_store_keeps_about_itself() {
    let (dir, before) = closed();
    for part in ["version", "lock", "keyspaces/0/current", "keyspaces/3/current", "0.jnl"] {
        fs::remove_file(dir.path().join("old/store").join(part)).unwrap();
    }
    let (report, ledger) = repaired(dir.path());
    // What only the write-ahead file had is gone, what the tables had is not.
    let saved = report.head.sequence;
    assert!(saved > 100);
    let dropped = (saved < before.events()).then_some((saved + 1, before.events()));
    assert_eq!(report.dropped, dropped);
    assert!(ledger.stats().sequence >= saved);
}

#[test]
fn a_repair_says_what_only_the_high_water_file_knows_of() {
    let (dir, before) = closed();
    fs::write(wal(dir.path()), []).unwrap();
    let (report, _) = repaired(dir.path());
    assert_eq!(report.dropped, Some((report.head.sequence + 1, before.events())));
}

#[test]
fn a_repair_refuses_a_target_with_something_in_it_and_an_unknown_format() {
    let (dir, _) = closed();
    let old = dir.path().join("old");
    assert!(matches!(repair(&old, &old), Err(LedgerError::NotEmpty(_))));
    fs::write(old.join("FORMAT"), "infergate-ledger 9\n").unwrap();
    let refused = repair(&old, &dir.path().join("new"));
    assert!(matches!(refused, Err(LedgerError::UnknownFormat { .. })), "{refused:?}");
}

#[test]
fn an_import_of_an_export_is_the_same_ledger() {
    let (dir, before) = closed();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let mut offline = Vec::new();
    let report = export_directory(&old, 1, &mut offline).unwrap();
    assert_eq!((report.events, report.providers), (before.events(), 1));
    let (ledger, _) = open(&old);
    let mut live = Vec::new();
    assert_eq!(ledger.export(1, &mut live).unwrap(), report);
    // The starts differ: that one counts in the header.
    assert_eq!(offline.len(), live.len());
    assert_eq!(import(&mut live.as_slice(), &new).unwrap(), report);
    let (copy, opened) = open(&new);
    assert_eq!(copy.epoch(), ledger.epoch() + 1);
    assert!(opened.closed_in_order);
    assert!(contents(&copy) == before);
    assert_eq!(verify(&copy).head, report.head);
    let mut again = Vec::new();
    copy.export(1, &mut again).unwrap();
    assert_eq!(again[54..], live[54..]);
    let refused = import(&mut live.as_slice(), &new);
    assert!(matches!(refused, Err(LedgerError::NotEmpty(_))), "{refused:?}");
}

#[test]
fn an_export_can_start_later_and_is_then_no_whole_ledger() {
    let (dir, before) = closed();
    let old = dir.path().join("old");
    let mut stream = Vec::new();
    let report = export_directory(&old, 200, &mut stream).unwrap();
    assert_eq!(report.events, before.events() - 199);
    let refused = import(&mut stream.as_slice(), &dir.path().join("new")).unwrap_err();
    assert!(matches!(refused, LedgerError::Stream(StreamFault::Partial(200))), "{refused}");
    assert!(export_directory(&old, 10_000, &mut stream).is_err());
}

#[test]
fn a_changed_or_cut_export_is_refused_and_leaves_nothing() {
    let dir = tempdir().unwrap();
    let (ledger, _) = open(&dir.path().join("old"));
    history(&ledger, 1, 3);
    let mut batch = Batch::new();
    batch.provider("empty", Vec::new());
    append(&ledger, batch);
    let mut stream = Vec::new();
    ledger.export(1, &mut stream).unwrap();
    let new = dir.path().join("new");
    for at in (0..stream.len()).step_by(97) {
        let mut changed = stream.clone();
        changed[at] ^= 1 << (at % 8);
        let cut = &stream[..at];
        for bad in [changed.as_slice(), cut] {
            let refused = import(&mut &*bad, &new).unwrap_err();
            let is_fault = matches!(refused, LedgerError::Stream(_));
            assert!(is_fault, "byte {at}: {refused}");
            assert!(!new.exists() || fs::read_dir(&new).unwrap().next().is_none());
        }
    }
}
