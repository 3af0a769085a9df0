//! What it costs to sum up a month of an account with ten million records.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use infergate_actors::account::{
    Account, Attempt, AttemptOutcome, Draw, End, Event, Finish, GrantKind, Key, Limits, Settlement,
    UsageRecord,
};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeIds, GrantId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{
    Batch, Ledger, LedgerOptions, Record, Rollup, Snapshot, Sums, VerifyOnStart,
};
use infergate_actors::money::{Markup, NanoUsd, Rates, Usage};

use crate::memory::{resident_kib, status_kib};

/// How many there are, unless the environment says otherwise.
const RECORDS: u64 = 10_000_000;
const DAYS: u64 = 40;
const ASKED_DAYS: u32 = 30;
const KEYS: u64 = 10;
const MODELS: u64 = 10;
const BATCH: u64 = 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const BEGIN_DAY: u32 = 20_833;
const ACCOUNT: AccountId = AccountId(1);
const CHILD: &str = "INFERGATE_TEN_MILLION_TEST_CHILD";
/// A folder to keep it all in, for more measurements.
const KEPT_IN: &str = "INFERGATE_TEN_MILLION_DIR";

/// `cargo test --release -p infergate-actors --test system ten_million -- --ignored --nocapture`
///
/// The records are made, and read, in a process of its own each. They take about ten gigabytes.
#[test]
#[ignore = "a measurement"]
fn a_month_of_ten_million_records_is_summed_up_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let path = env::var_os(KEPT_IN).map_or_else(|| dir.path().to_owned(), PathBuf::from);
    for child in ["makes_them", "rolls_them_up", "sums_them_up"] {
        let done = Command::new(env::current_exe().unwrap())
            .args([&format!("ten_million::the_child_{child}"), "--exact", "--ignored"])
            .arg("--nocapture")
            .env(CHILD, &path)
            .status();
        assert!(done.unwrap().success());
    }
}

fn open(path: &Path) -> Ledger {
    let options = LedgerOptions {
        verify_on_start: VerifyOnStart::Tail,
        rollup_interval: Duration::from_hours(1),
        ..LedgerOptions::new(path)
    };
    Ledger::open(options, Clock::real()).unwrap().0
}

/// Does nothing unless the test above has started it; nor do the next two.
#[test]
#[ignore = "for the measurement"]
fn the_child_makes_them() {
    let Some(path) = env::var_os(CHILD) else { return };
    let clock = Clock::real();
    let started = clock.mono();
    let ledger = open(Path::new(&path));
    let ids = ExchangeIds::new(0, ledger.epoch());
    let mut account = Account::new(ACCOUNT);
    let mut batch = Batch::new().on_disk();
    let begin_ms = u64::from(BEGIN_DAY) * DAY_MS;
    let opened = Event::Opened { name: "customer".into() };
    let granted = Event::Granted {
        grant: GrantId(1),
        kind: GrantKind::Paid,
        amount: NanoUsd::from_nano(1_000_000_000_000_000),
        expires_at_ms: None,
        reference: "first".into(),
    };
    let keys = (1..=KEYS).map(|key| Event::KeyCreated { key: new_key(key) });
    for event in [opened, granted].into_iter().chain(keys) {
        write(&mut account, &mut batch, begin_ms, event);
    }
    let records = env::var("INFERGATE_RECORDS").map_or(RECORDS, |count| count.parse().unwrap());
    for nth in 0..records {
        let at_ms = begin_ms + nth * (DAYS * DAY_MS / records);
        let hold = ids.next();
        let bill = settlement(hold, nth);
        let begun = Event::Held { hold, key: bill.key, amount: bill.cost };
        write(&mut account, &mut batch, at_ms, begun);
        write(&mut account, &mut batch, at_ms, Event::Settled(Box::new(bill)));
        if nth % BATCH == BATCH - 1 {
            append(&ledger, std::mem::take(&mut batch));
        }
    }
    batch.snapshot(Snapshot {
        account: ACCOUNT,
        number: account.number(),
        digest: account.digest(),
        at_ms: begin_ms + DAYS * DAY_MS,
        state: account.snapshot(),
    });
    append(&ledger, batch);
    let disk = ledger.disk_bytes().1 >> 20;
    ledger.close().unwrap();
    let took = clock.mono().saturating_sub(started);
    println!("{records} records made in {took:.1?}; {disk} MiB on disk");
}

#[test]
#[ignore = "for the measurement"]
fn the_child_rolls_them_up() {
    let Some(path) = env::var_os(CHILD) else { return };
    let clock = Clock::real();
    let ledger = open(Path::new(&path));
    let before = resident_kib();
    let started = clock.mono();
    ledger.roll_up().unwrap();
    let took = clock.mono().saturating_sub(started);
    println!(
        "rolled up from the beginning in {took:.1?}; {before} KiB before, at most {} KiB",
        status_kib("VmHWM:")
    );
    ledger.close().unwrap();
}

#[test]
#[ignore = "for the measurement"]
fn the_child_sums_them_up() {
    let Some(path) = env::var_os(CHILD) else { return };
    let clock = Clock::real();
    let ledger = open(Path::new(&path));
    let last = BEGIN_DAY + u32::try_from(DAYS).unwrap();
    let days = last - ASKED_DAYS..last;
    let before = resident_kib();
    let mut told = Vec::new();
    let worked = worked();
    let mut rows = 0_u64;
    let mut sums: BTreeMap<(u32, String), Sums> = BTreeMap::new();
    for _ in 0..11 {
        (rows, sums) = (0, BTreeMap::new());
        let started = clock.mono();
        let standing = ledger.standing().unwrap();
        let mut place = Some(None);
        while let Some(from) = place.take() {
            let take = &mut |row: &Rollup<'_>| {
                rows += 1;
                let group = (row.day, row.of.served().to_owned());
                sums.entry(group).or_default().add(&row.sums);
            };
            let next = standing.rows(Some(ACCOUNT), &days, from, 10_000, take).unwrap();
            place = next.map(Some);
        }
        let behind = standing.behind(Some(ACCOUNT), None, 1_000, &mut |_| ()).unwrap();
        assert_eq!(behind, None);
        told.push(clock.mono().saturating_sub(started));
    }
    let worked = self::worked().saturating_sub(worked) / u32::try_from(told.len()).unwrap();
    let peak = status_kib("VmHWM:");
    let first = told[0];
    told.sort_unstable();
    println!(
        "{ASKED_DAYS} days by day and model from {rows} rows: {first:.1?} the first time, {:.1?} the \
         middle of {}, {worked:.1?} of the processor's; {before} KiB before, at most {peak} KiB",
        told[told.len() / 2],
        told.len(),
    );
    let started = clock.mono();
    let mut walked: BTreeMap<(u32, String), Sums> = BTreeMap::new();
    let mut after = Some((u64::from(days.start) * DAY_MS, infergate_actors::id::ExchangeId(0)));
    loop {
        let page = ledger.usage_page(ACCOUNT, after, 1_000).unwrap();
        for entry in &page {
            let Event::Settled(bill) = &entry.entry.record.event else { panic!() };
            let day = u32::try_from(entry.at_ms / DAY_MS).unwrap();
            let group = (day, bill.record.model.clone());
            walked.entry(group).or_default().add(&Sums::of(bill));
        }
        match page.last() {
            Some(last) => after = Some((last.at_ms, last.hold)),
            None => break,
        }
    }
    let walking = clock.mono().saturating_sub(started);
    let records: u64 = walked.values().map(|sums| sums.requests).sum();
    let ratio = walking.as_micros() / told[told.len() / 2].as_micros().max(1);
    println!("the same from {records} records: {walking:.1?}, {ratio} times as long");
    assert_eq!(walked, sums);
    ledger.close().unwrap();
}

/// The processor's time that this thread has had.
fn worked() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
}

fn append(ledger: &Ledger, batch: Batch) {
    let (answer, answered) = mpsc::channel();
    ledger.append(batch, Some(Box::new(move |written| answer.send(written).unwrap())));
    answered.recv().unwrap().unwrap();
}

fn write(account: &mut Account, batch: &mut Batch, at_ms: u64, event: Event) {
    let (number, previous) = (account.number() + 1, account.digest());
    let record = Record { account: ACCOUNT, number, previous, at_ms, event };
    let digest = batch.push(&record);
    account.apply(&record, digest).unwrap();
}

fn new_key(key: u64) -> Key {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&key.to_be_bytes());
    Key {
        id: KeyId(u32::try_from(key).unwrap()),
        hash: KeyHash(hash),
        hint: "wxyz".into(),
        name: "key".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        revoked_at_ms: None,
        created_at_ms: u64::from(BEGIN_DAY) * DAY_MS,
    }
}

/// Of one of ten keys and models, two providers and reasons to stop.
fn settlement(hold: HoldId, nth: u64) -> Settlement {
    // A prime stride, so that all of them mix on every day.
    let mix = nth * 618_970_019 % 1_000_003;
    let usage = Usage { input: 200 + mix % 3_000, output: 50 + mix % 700, ..Usage::default() };
    let rates = Rates { input: 150_000_000, output: 600_000_000, ..Rates::default() };
    let cost = rates.cost(&usage, Markup::default());
    let model = mix / KEYS % MODELS;
    let attempt = Attempt {
        provider: ["alpha", "beta"][usize::from(mix / 100 % 2 == 1)].into(),
        upstream_model: format!("vendor/model-{model}-2026-11-01"),
        outcome: AttemptOutcome::Answered,
        status: Some(200),
        provider_cost: cost,
    };
    let record = UsageRecord {
        model: format!("model-{model}"),
        streamed: true,
        started_at_ms: u64::from(BEGIN_DAY) * DAY_MS,
        first_content_ms: Some(120),
        total_ms: 900,
        attempts: [attempt].into_iter().collect(),
        user: Some(format!("user-{}", mix % 5_000)),
        finish: Some(if (mix / 200).is_multiple_of(8) { Finish::Length } else { Finish::Stop }),
        client: Some(std::net::Ipv4Addr::from(u32::try_from(mix).unwrap()).into()),
        ..UsageRecord::default()
    };
    Settlement {
        hold,
        key: KeyId(u32::try_from(mix % KEYS + 1).unwrap()),
        usage,
        estimated: false,
        rates,
        markup: Markup::default(),
        cost,
        charged: cost,
        absorbed: NanoUsd::ZERO,
        draws: [Draw { grant: GrantId(1), amount: cost }].into_iter().collect(),
        end: End::Completed,
        record,
    }
}
