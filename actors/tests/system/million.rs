//! What a million accounts with three keys each cost: time to start, memory, to check a key, and until
//! the first request of one that sleeps is let in.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use infergate_actors::account::{Account, Admit, Event, GrantKind, Key, Limits, Presented};
use infergate_actors::clock::Clock;
use infergate_actors::id::{AccountId, ExchangeIds, GrantId, HoldId, KeyHash, KeyId};
use infergate_actors::ledger::{Batch, Ledger, LedgerOptions, Record, Snapshot, VerifyOnStart};
use infergate_actors::money::{NanoUsd, Rates};
use infergate_actors::supervisor::System;
use sha2::{Digest as _, Sha256};

use crate::desk::OPTIONS;
use crate::memory::{resident_kib, status_kib};

const ACCOUNTS: u64 = 1_000_000;
const BATCH: u64 = 500;
const KEYS: u32 = 3;
const LOOKED_UP: u64 = 10_000;
const WOKEN: u64 = 2_000;
const CHILD: &str = "INFERGATE_MILLION_TEST_CHILD";
const AT_MS: u64 = 1_800_000_000_000;

/// `cargo test --release -p infergate-actors --test system million -- --ignored --nocapture`
///
/// The accounts are made, and each start is measured, in a process of its own.
#[test]
#[ignore = "a measurement"]
fn a_million_accounts_with_three_million_keys_cost_little() {
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
    let accounts = &system.accounts;
    let nth_key = |nth: u64| KeyId(u32::try_from(nth % u64::from(KEYS)).unwrap() + 1);
    let mut times = Times::new(&clock);
    for nth in 0..LOOKED_UP {
        let (account, key) = (nth_account(nth), nth_key(nth));
        let found = times.take(accounts.find_key(hash_of(account, key))).await;
        assert_eq!(found.unwrap(), Some((account, key)));
    }
    println!("{verify_on_start:?}: key of an account asleep {}", times.told());
    for nth in 0..LOOKED_UP {
        let hash = hash_of(AccountId::new(1, nth), KeyId(1));
        assert_eq!(times.take(accounts.find_key(hash)).await.unwrap(), None);
    }
    println!("{verify_on_start:?}: unknown key {}", times.told());
    assert_eq!(accounts.living(), 0, "a look-up wakes nobody");
    let ids = ExchangeIds::new(0, ledger.epoch());
    for nth in 0..WOKEN {
        // Others than those whose keys were looked up.
        let (account, key) = (nth_account(LOOKED_UP + nth), nth_key(nth));
        let asking = async {
            let found = accounts.find_key(hash_of(account, key)).await.unwrap();
            assert_eq!(found, Some((account, key)));
            accounts.admit(account, request(ids.next(), key)).await.unwrap()
        };
        times.take(asking).await;
    }
    println!("{verify_on_start:?}: first request of an account asleep let in {}", times.told());
    for nth in 0..LOOKED_UP {
        let (account, key) = (nth_account(LOOKED_UP + nth % WOKEN), nth_key(nth % WOKEN));
        let found = times.take(accounts.find_key(hash_of(account, key))).await;
        assert_eq!(found.unwrap(), Some((account, key)));
    }
    println!("{verify_on_start:?}: key of an account awake {}", times.told());
    println!(
        "{verify_on_start:?}: {} KiB after, with {WOKEN} awake; {} MiB on disk",
        resident_kib(),
        ledger.disk_bytes().1 >> 20,
    );
    assert_eq!(accounts.living() as u64, WOKEN);
    system.stop().await;
    ledger.close().unwrap();
}

/// What an account that fell asleep has left: its events and a snapshot.
fn write_account(batch: &mut Batch, id: AccountId) {
    let mut account = Account::new(id);
    let created = |key: u32| {
        let (id, hash) = (KeyId(key), hash_of(id, KeyId(key)));
        let key = Key {
            id,
            hash,
            hint: "wxyz".into(),
            name: "key".into(),
            models: Vec::new(),
            expires_at_ms: None,
            limits: Limits::default(),
            revoked_at_ms: None,
            created_at_ms: AT_MS,
        };
        Event::KeyCreated { key }
    };
    let granted = Event::Granted {
        grant: GrantId(1),
        kind: GrantKind::Trial,
        amount: NanoUsd::from_nano(20_000_000_000),
        expires_at_ms: None,
        reference: "trial".into(),
    };
    let opened = Event::Opened { name: format!("customer {}", id.count()) };
    let keys = (1..=KEYS).map(created);
    for event in [opened].into_iter().chain(keys).chain([granted]) {
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
fn hash_of(account: AccountId, key: KeyId) -> KeyHash {
    KeyHash(
        Sha256::digest([account.0.to_be_bytes(), u64::from(key.0).to_be_bytes()].concat()).into(),
    )
}

/// A prime stride: all over the place, and the same at each run.
fn nth_account(nth: u64) -> AccountId {
    AccountId::new(0, nth * 618_970_019 % ACCOUNTS + 1)
}

fn request(hold: HoldId, key: KeyId) -> Admit {
    Admit {
        hold,
        key,
        presented: Presented::default(),
        model: "sim-small".into(),
        free: false,
        rates: Rates { output: 1_000_000, ..Rates::default() },
        prompt_tokens_max: 0,
        completion_tokens_max: 10,
        completion_tokens_first: 10,
        completion_tokens_min: 10,
        tokens_estimate: 10,
        fallbacks: Vec::new(),
    }
}

/// How long each of some things took.
pub(crate) struct Times<'c> {
    clock: &'c Clock,
    taken: Vec<Duration>,
}

impl<'c> Times<'c> {
    pub(crate) fn new(clock: &'c Clock) -> Self {
        Self { clock, taken: Vec::new() }
    }

    async fn take<T>(&mut self, what: impl Future<Output = T>) -> T {
        let started = self.clock.mono();
        let done = what.await;
        self.taken.push(self.clock.mono().saturating_sub(started));
        done
    }

    /// In words; the next ones begin.
    fn told(&mut self) -> String {
        self.taken.sort_unstable();
        let at = |percent: usize| self.taken[(self.taken.len() - 1) * percent / 100];
        let told = format!("p50 {:.1?}, p99 {:.1?}, at most {:.1?}", at(50), at(99), at(100));
        self.taken.clear();
        told
    }
}
