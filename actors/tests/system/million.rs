//! What a million accounts that exist and do nothing cost: time to start, and memory.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use infergate_actors::account::{Account, Event, GrantKind, Key, Limits};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, GrantId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Ledger, LedgerOptions, Record, Snapshot, VerifyOnStart};
use infergate_actors::money::NanoUsd;
use infergate_actors::supervisor::System;
use sha2::{Digest as _, Sha256};

use crate::desk::OPTIONS;
use crate::memory::{resident_kib, status_kib};

const ACCOUNTS: u64 = 1_000_000;
const BATCH: u64 = 500;
const LOOKED_UP: u64 = 1_000;
const CHILD: &str = "INFERGATE_MILLION_TEST_CHILD";
const AT_MS: u64 = 1_800_000_000_000;

/// `cargo test --release -p infergate-actors --test system million -- --ignored --nocapture`
///
/// The accounts are made, and each start is measured, in a process of its own.
#[test]
#[ignore = "a measurement"]
fn a_million_idle_accounts_cost_little() {
    let dir = tempfile::tempdir().unwrap();
    for child in ["makes_them", "starts_with_all_proven", "starts_with_the_tail_proven"] {
        let done = Command::new(env::current_exe().unwrap())
            .args([&format!("million::the_child_{child}"), "--exact", "--ignored", "--nocapture"])
            .env(CHILD, dir.path())
            .status();
        assert!(done.unwrap().success());
    }
}

/// Does nothing unless the test above has started it; nor do the next two.
#[test]
#[ignore = "for the measurement"]
fn the_child_makes_them() {
    let Some(path) = env::var_os(CHILD) else { return };
    let clock = Clock::real();
    let started = clock.mono();
    let (ledger, _) = Ledger::open(LedgerOptions::new(&path), Clock::real()).unwrap();
    let accounts: Vec<u64> = (1..=ACCOUNTS).collect();
    for counts in accounts.chunks(usize::try_from(BATCH).unwrap()) {
        let mut batch = Batch::new();
        for count in counts {
            write_account(&mut batch, AccountId::new(0, *count));
        }
        let (answer, answered) = mpsc::channel();
        ledger.append(batch, Some(Box::new(move |written| answer.send(written).unwrap())));
        answered.recv().unwrap().unwrap();
    }
    ledger.close().unwrap();
    println!("{ACCOUNTS} accounts made in {:.1?}", clock.mono().saturating_sub(started));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "for the measurement"]
async fn the_child_starts_with_all_proven() {
    start(VerifyOnStart::Full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "for the measurement"]
async fn the_child_starts_with_the_tail_proven() {
    start(VerifyOnStart::Tail).await;
}

async fn start(verify_on_start: VerifyOnStart) {
    let Some(path) = env::var_os(CHILD) else { return };
    let before = resident_kib();
    let clock = Clock::real();
    let started = clock.mono();
    let options = LedgerOptions { verify_on_start, ..LedgerOptions::new(Path::new(&path)) };
    let (ledger, report) = Ledger::open(options, clock.clone()).unwrap();
    let system = System::start(ledger.clone(), clock.clone(), OPTIONS).await.unwrap();
    let took = clock.mono().saturating_sub(started);
    println!(
        "{verify_on_start:?}: started in {took:.2?}, {} events proven; {before} KiB before, {} \
         after (at most {})",
        report.events,
        resident_kib(),
        status_kib("VmHWM:"),
    );
    let looking = clock.mono();
    for nth in 0..LOOKED_UP {
        // A prime stride: all over the place, and the same at each run.
        let account = AccountId::new(0, nth * 618_970_019 % ACCOUNTS + 1);
        let found = system.accounts.find_key(hash_of(account)).await.unwrap();
        assert_eq!(found, Some((account, KeyId(1))));
    }
    let each = clock.mono().saturating_sub(looking) / u32::try_from(LOOKED_UP).unwrap();
    println!(
        "{verify_on_start:?}: {LOOKED_UP} keys looked up, {each:.1?} each; {} KiB after; {} MiB on \
         disk",
        resident_kib(),
        ledger.disk_bytes().1 >> 20,
    );
    assert_eq!(system.accounts.living(), 0);
    system.stop().await;
    ledger.close().unwrap();
}

/// What an account that fell asleep has left: its events and a snapshot.
fn write_account(batch: &mut Batch, id: AccountId) {
    let mut account = Account::new(id);
    let key = Key {
        id: KeyId(1),
        hash: hash_of(id),
        hint: "wxyz".into(),
        name: "key".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        revoked_at_ms: None,
        created_at_ms: AT_MS,
    };
    let granted = Event::Granted {
        grant: GrantId(1),
        kind: GrantKind::Trial,
        amount: NanoUsd::from_nano(20_000_000_000),
        expires_at_ms: None,
        reference: "trial".into(),
    };
    let opened = Event::Opened { name: format!("customer {}", id.count()) };
    for event in [opened, Event::KeyCreated { key }, granted] {
        let (number, previous) = (account.number() + 1, account.digest());
        let record = Record { account: id, number, previous, at_ms: AT_MS, event };
        let digest = batch.push(&record);
        account.apply(&record, digest).unwrap();
    }
    batch.snapshot(Snapshot {
        account: id,
        number: account.number(),
        digest: account.digest(),
        at_ms: AT_MS,
        state: account.snapshot(),
    });
}

/// As scattered as those of real secrets.
fn hash_of(account: AccountId) -> KeyHash {
    KeyHash(Sha256::digest(account.0.to_be_bytes()).into())
}
