//! Daily sums of usage are what a walk would find, at any moment; what is too old to be kept goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fjall::{CompressionType, Database, KeyspaceCreateOptions};
use infergate_actors::account::{Dialect, End, Event, Finish, Source};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeId, HoldId, KeyId, ProjectId};
use infergate_actors::ledger::{
    Batch, Dimensions, Keep, Kept, Ledger, LedgerOptions, RowPlace, Sums, export_directory, import,
    repair,
};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::clocks::stand;
use crate::commits::verify;
use crate::damage::Image;
use crate::desk::{Pen, append, hold, open, options, settlement};
use crate::fold::Tally;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The beginning of a day.
const BEGIN_MS: u64 = 20_900 * DAY_MS;
const BEGIN_DAY: u32 = 20_900;

/// What sums are told apart by here: account, day, and the dimensions in words.
type Key = (AccountId, u32, String);

#[derive(Clone, Debug)]
enum Step {
    /// Settles: the account, the day, and what the exchange is like.
    Settle(usize, u64, u8, u64),
    Hold(usize),
    RollUp,
    Restart,
    /// Whatever was not written is gone.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3_usize, 0..4_u64, any::<u8>(), 1..9_u64)
            .prop_map(|(account, day, like, tokens)| Step::Settle(account, day, like, tokens)),
        2 => (0..3_usize).prop_map(Step::Hold),
        2 => Just(Step::RollUp),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

pub(crate) fn in_memory(path: &Path) -> LedgerOptions {
    LedgerOptions { memtable_bytes: 16 << 20, ..options(path) }
}

fn start(path: &Path) -> Ledger {
    Ledger::open(in_memory(path), Clock::manual(BEGIN_MS)).unwrap().0
}

/// A settlement whose dimensions depend on `like`.
fn settle(pen: &mut Pen, batch: &mut Batch, hold: HoldId, like: u8, tokens: u64) {
    let bit = |bit: u8| like >> bit & 1 == 1;
    let mut bill = settlement(hold, tokens);
    bill.key = KeyId(1 + u32::from(bit(0)));
    bill.estimated = bit(1);
    bill.end = if bit(2) { End::ClientGone } else { End::Completed };
    let record = &mut bill.record;
    record.served_model = bit(3).then(|| "other".to_owned());
    record.finish = bit(4).then_some(Finish::Length);
    record.dialect = if bit(5) { Dialect::Anthropic } else { Dialect::Openai };
    record.project = bit(6).then_some(ProjectId(2));
    record.first_content_ms = bit(1).then_some(3);
    if bit(7) {
        (record.source, record.attempts) = (Source::Cache, smallvec::SmallVec::new());
    }
    pen.write(batch, Event::Settled(Box::new(bill)));
}

fn key(account: AccountId, day: u32, of: &Dimensions<'_>) -> Key {
    (account, day, format!("{of:?}"))
}

/// The sums that rows and what is behind them give, in steps of `looks`.
fn rolled(
    ledger: &Ledger,
    account: Option<AccountId>,
    days: std::ops::Range<u32>,
    looks: usize,
) -> BTreeMap<Key, Sums> {
    let standing = ledger.standing().unwrap();
    let mut found: BTreeMap<Key, Sums> = BTreeMap::new();
    let mut rows = Some(None);
    while let Some(from) = rows.take() {
        let next: Option<RowPlace> = standing
            .rows(account, &days, from, looks, &mut |row| {
                assert!(days.contains(&row.day));
                found.entry(key(row.account, row.day, &row.of)).or_default().add(&row.sums);
            })
            .unwrap();
        rows = next.map(Some);
    }
    let mut behind = Some(None);
    while let Some(from) = behind.take() {
        let next = standing
            .behind(account, from, looks, &mut |entry| {
                let Event::Settled(bill) = &entry.entry.record.event else { panic!() };
                let day = u32::try_from(entry.at_ms / DAY_MS).unwrap();
                if days.contains(&day) {
                    let key = key(entry.entry.record.account, day, &Dimensions::of(bill));
                    found.entry(key).or_default().add(&Sums::of(bill));
                }
            })
            .unwrap();
        behind = next.map(Some);
    }
    found
}

/// The sums that a walk through the records gives.
fn walked(
    ledger: &Ledger,
    account: Option<AccountId>,
    days: std::ops::Range<u32>,
) -> BTreeMap<Key, Sums> {
    let all = || ledger.account_ids(None, usize::MAX).unwrap();
    let accounts = account.map_or_else(all, |account| vec![account]);
    let mut found: BTreeMap<Key, Sums> = BTreeMap::new();
    for account in accounts {
        for entry in ledger.usage_page(account, None, usize::MAX).unwrap() {
            let Event::Settled(bill) = &entry.entry.record.event else { panic!() };
            let day = u32::try_from(entry.at_ms / DAY_MS).unwrap();
            if days.contains(&day) {
                let key = key(account, day, &Dimensions::of(bill));
                found.entry(key).or_default().add(&Sums::of(bill));
            }
        }
    }
    found
}

fn check(ledger: &Ledger, account: AccountId) {
    for account in [None, Some(account)] {
        for days in [0..u32::MAX, BEGIN_DAY + 1..BEGIN_DAY + 3, BEGIN_DAY..BEGIN_DAY + 1, 5..6] {
            let walked = walked(ledger, account, days.clone());
            for looks in [1, 3, 1_000] {
                assert_eq!(rolled(ledger, account, days.clone(), looks), walked);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_what_is_behind_them_are_what_a_walk_finds_at_any_moment(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let dir = tempdir().unwrap();
        let mut ledger = start(dir.path());
        let mut pens: Vec<Pen> = (0..3).map(|_| Pen::new(ledger.new_account_id())).collect();
        let mut batch = Batch::new();
        for pen in &mut pens {
            pen.open(&mut batch, 1_000_000_000);
        }
        append(&ledger, batch);
        for (nth, step) in steps.into_iter().enumerate() {
            let hold = hold(1 + nth as u128);
            match step {
                Step::Settle(account, day, like, tokens) => {
                    let pen = &mut pens[account];
                    pen.wait_until(BEGIN_MS + day * DAY_MS);
                    let mut batch = Batch::new();
                    pen.hold(&mut batch, hold, 500_000);
                    settle(pen, &mut batch, hold, like, tokens);
                    append(&ledger, batch);
                }
                Step::Hold(account) => {
                    let pen = &mut pens[account];
                    let mut batch = Batch::new();
                    pen.hold(&mut batch, hold, 1);
                    pen.void(&mut batch, hold);
                    append(&ledger, batch);
                }
                Step::RollUp => ledger.roll_up().unwrap(),
                Step::Restart => {
                    drop(ledger);
                    ledger = start(dir.path());
                }
                Step::Kill => {
                    let image = Image::take(dir.path());
                    drop(ledger);
                    image.put_back(dir.path());
                    ledger = start(dir.path());
                }
            }
            check(&ledger, pens[nth % 3].account);
        }
        verify(&ledger);
        ledger.roll_up().unwrap();
        check(&ledger, pens[0].account);
        verify(&ledger);
    }
}

/// A ledger with an exchange a day for some days, of two accounts in turn.
pub(crate) fn days(ledger: &Ledger, count: u64) -> [AccountId; 2] {
    let mut pens = [(); 2].map(|()| Pen::new(ledger.new_account_id()));
    let mut batch = Batch::new();
    for pen in &mut pens {
        pen.open(&mut batch, 1_000_000_000);
    }
    for day in 0..count {
        for (nth, pen) in pens.iter_mut().enumerate() {
            let hold = hold(u128::from(day) * 2 + nth as u128 + 1);
            pen.wait_until(BEGIN_MS + day * DAY_MS + 5);
            pen.hold(&mut batch, hold, 500_000);
            settle(pen, &mut batch, hold, 0, 1);
        }
    }
    append(ledger, batch);
    pens.map(|pen| pen.account)
}

#[test]
fn a_store_that_has_no_sums_yet_is_given_them() {
    let dir = tempdir().unwrap();
    let ledger = start(dir.path());
    let [account, _] = days(&ledger, 5);
    let expected = walked(&ledger, None, 0..u32::MAX);
    drop(ledger);
    // As it was made before there were any: the first keyspaces, and no mark of later ones.
    let store = dir.path().join("store");
    let older = dir.path().join("older");
    let open_at = |path: &Path| {
        Database::builder(path).journal_compression(CompressionType::None).open().unwrap()
    };
    let (from, to) = (open_at(&store), open_at(&older));
    for name in ["journal", "account_journal", "accounts", "usage", "keys", "providers", "meta"] {
        let source = from.keyspace(name, KeyspaceCreateOptions::default).unwrap();
        let target = to.keyspace(name, KeyspaceCreateOptions::default).unwrap();
        for pair in source.iter() {
            let (key, value) = pair.into_inner().unwrap();
            if *key != *b"notices" {
                target.insert(key, value).unwrap();
            }
        }
    }
    drop((from, to));
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&older, &store).unwrap();
    for _ in 0..2 {
        let ledger = start(dir.path());
        assert_eq!(rolled(&ledger, None, 0..u32::MAX, 7), expected);
        ledger.roll_up().unwrap();
        assert_eq!(rolled(&ledger, None, 0..u32::MAX, 7), expected);
        check(&ledger, account);
        verify(&ledger);
    }
}

#[test]
fn sums_come_by_themselves() {
    let dir = tempdir().unwrap();
    let rollup_interval = Duration::from_millis(1);
    let options = LedgerOptions { rollup_interval, ..in_memory(dir.path()) };
    let clock = Clock::real();
    let (ledger, _) = Ledger::open(options, clock.clone()).unwrap();
    days(&ledger, 5);
    let is_behind = || {
        let mut behind = 0;
        ledger.standing().unwrap().behind(None, None, 1_000, &mut |_| behind += 1).unwrap();
        behind > 0
    };
    let started = clock.mono();
    while is_behind() {
        assert!(clock.mono().saturating_sub(started) < Duration::from_mins(1), "nobody follows");
        std::thread::yield_now();
    }
    assert_eq!(rolled(&ledger, None, 0..u32::MAX, 7), walked(&ledger, None, 0..u32::MAX));
    verify(&ledger);
}

#[test]
fn sums_are_made_again_of_an_export_and_of_a_repair() {
    let [dir, imported, repaired] = [(); 3].map(|()| tempdir().unwrap());
    let ledger = start(dir.path());
    let [account, _] = days(&ledger, 5);
    ledger.roll_up().unwrap();
    let expected = rolled(&ledger, None, 0..u32::MAX, 7);
    drop(ledger);
    let mut stream = Vec::new();
    export_directory(dir.path(), 1, &mut stream).unwrap();
    import(&mut stream.as_slice(), imported.path()).unwrap();
    repair(dir.path(), repaired.path()).unwrap();
    for dir in [imported, repaired] {
        let (ledger, _) = open(dir.path());
        ledger.roll_up().unwrap();
        assert_eq!(rolled(&ledger, None, 0..u32::MAX, 7), expected);
        check(&ledger, account);
        verify(&ledger);
    }
}

#[test]
fn what_is_too_old_goes_and_the_ledger_stays_whole() {
    // More than the ledger reads, and takes out, in one turn.
    const DAYS: u64 = 2_200;
    let dir = tempdir().unwrap();
    let clock = Clock::manual(BEGIN_MS + (DAYS - 1) * DAY_MS + 77);
    let keep = Keep {
        records: Some(Duration::from_hours(10 * 24)),
        rollups: Some(Duration::from_hours(20 * 24)),
    };
    let options = LedgerOptions { keep, ..in_memory(dir.path()) };
    let kept = Kept {
        records_from_ms: BEGIN_MS + (DAYS - 10) * DAY_MS,
        rollups_from_day: BEGIN_DAY + u32::try_from(DAYS).unwrap() - 20,
    };
    let (ledger, _) = Ledger::open(options.clone(), clock.clone()).unwrap();
    stand(&ledger, &clock);
    let accounts = days(&ledger, DAYS);
    let all = walked(&ledger, None, kept.rollups_from_day..u32::MAX);
    assert_eq!((ledger.kept(), all.len()), (Kept::default(), 40));
    let old = ledger.find_usage(accounts[0], ExchangeId(hold(1).0)).unwrap();
    assert!(old.is_some());
    ledger.roll_up().unwrap();
    let check = |ledger: &Ledger| {
        assert_eq!(ledger.kept(), kept);
        for account in accounts {
            let page = ledger.usage_page(account, None, 100).unwrap();
            assert_eq!(page.len(), 10);
            assert!(page.iter().all(|entry| entry.at_ms >= kept.records_from_ms));
        }
        assert_eq!(ledger.find_usage(accounts[0], ExchangeId(hold(1).0)).unwrap(), None);
        assert_eq!(rolled(ledger, None, 0..u32::MAX, 7), all);
        let report = verify(ledger);
        assert_eq!((report.settlements, report.events), (2 * DAYS, 2 * (3 + 2 * DAYS)));
    };
    check(&ledger);
    drop(ledger);
    // Also for who keeps everything from now on: what is gone is gone.
    for options in [options, in_memory(dir.path())] {
        let (ledger, _) = Ledger::open(options, clock.clone()).unwrap();
        ledger.roll_up().unwrap();
        check(&ledger);
    }
}

/// Spoils a row, given its key and value.
type Change = fn(&fjall::Keyspace, &[u8], &[u8]);

#[test]
fn a_row_that_is_wrong_missing_or_too_many_is_found() {
    let dir = tempdir().unwrap();
    let ledger = start(dir.path());
    days(&ledger, 3);
    ledger.roll_up().unwrap();
    drop(ledger);
    let image = Image::take(dir.path());
    let changes: [Change; 3] = [
        |rows, key, value| {
            // Its sums are the last bytes, the time to the end the very last.
            let changed = [&value[..value.len() - 1], &[value[value.len() - 1] ^ 1]].concat();
            rows.insert(key, changed).unwrap();
        },
        |rows, key, _| rows.remove(key).unwrap(),
        |rows, key, value| rows.insert([&[0xee; 8], &key[8..]].concat(), value).unwrap(),
    ];
    for change in changes {
        image.put_back(dir.path());
        let database = Database::builder(dir.path().join("store"))
            .journal_compression(CompressionType::None)
            .open()
            .unwrap();
        let rows = database.keyspace("rollups", KeyspaceCreateOptions::default).unwrap();
        let (key, value) = rows.iter().nth(3).unwrap().into_inner().unwrap();
        change(&rows, &key, &value);
        drop((rows, database));
        let ledger = start(dir.path());
        let report = ledger.verify::<Tally>().unwrap();
        assert!(!report.is_clean());
        assert!(
            report
                .differences
                .iter()
                .all(|it| it.what.contains("sums") || it.what.contains("rollups"))
        );
    }
}
