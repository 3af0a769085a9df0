//! What an account costs in memory while it is awake.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use infergate_actors::account::Limits;
use infergate_actors::ledger::VerifyOnStart;
use tokio::task::JoinSet;

use crate::desk::{Desk, OPTIONS};

const ACCOUNTS: u64 = 20_000;
const MAKERS: u64 = 50;
const CHILD: &str = "INFERGATE_MEMORY_TEST_CHILD";

/// `cargo test --release -p infergate-actors --test system memory -- --ignored --nocapture`
///
/// The accounts are made by another process: what it took to make them is not to be counted, nor
/// given back to be used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn an_account_awake_costs_little() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new(env::current_exe().unwrap())
        .args(["memory::the_child_makes_accounts", "--exact", "--ignored"])
        .env(CHILD, dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    let desk = Desk::open_at(dir.path(), OPTIONS, |ledger| {
        ledger.verify_on_start = VerifyOnStart::Tail;
    })
    .await;
    let accounts = desk.ledger.account_ids(None, usize::MAX).unwrap();
    assert_eq!(accounts.len() as u64, ACCOUNTS);
    let asleep = resident_kib();
    for account in &accounts {
        desk.system.accounts.find_key(crate::desk::hash_of(*account)).await.unwrap();
        desk.view(*account).await;
    }
    assert_eq!(desk.system.accounts.living() as u64, ACCOUNTS);
    let awake = resident_kib();
    for account in &accounts {
        let (hold, ..) = desk.hold(*account, 10).await.unwrap();
        desk.settle(*account, hold, 10).await.unwrap();
    }
    let worked = resident_kib();
    println!("asleep {asleep} KiB, awake {awake}, after an exchange each {worked}");
    let each = |kib: u64| kib.saturating_sub(asleep) * 1024 / ACCOUNTS;
    println!("{} bytes each awake, {} after an exchange", each(awake), each(worked));
}

/// Does nothing unless the test above has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "for the measurement"]
async fn the_child_makes_accounts() {
    let Some(path) = env::var_os(CHILD) else { return };
    let desk = Arc::new(Desk::open_at(Path::new(&path), OPTIONS, |_| {}).await);
    let mut making = JoinSet::new();
    for _ in 0..MAKERS {
        let desk = Arc::clone(&desk);
        making.spawn(async move {
            let limits = Limits { requests_per_minute: Some(600), ..Limits::default() };
            for _ in 0..ACCOUNTS / MAKERS {
                desk.account_with(1_000_000, limits).await;
            }
        });
    }
    making.join_all().await;
    desk.system.stop().await;
    desk.ledger.close().unwrap();
}

pub(crate) fn resident_kib() -> u64 {
    status_kib("VmRSS:")
}

/// A line of what the kernel says about this process.
pub(crate) fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
