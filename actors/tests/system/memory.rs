//! What an account costs in memory while it is awake.

use std::time::Duration;

use infergate_actors::account::AccountOptions;
use infergate_actors::ledger::VerifyOnStart;

use crate::desk::{Desk, OPTIONS};

const ACCOUNTS: u64 = 20_000;

/// `cargo test --release -p infergate-actors --test system memory -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn an_account_awake_costs_little() {
    let options = AccountOptions { idle: Duration::from_hours(1), ..OPTIONS };
    let desk = Desk::with(options, |ledger| {
        ledger.fsync_interval = Duration::from_millis(50);
        ledger.verify_on_start = VerifyOnStart::Tail;
    })
    .await;
    let mut accounts = Vec::new();
    for _ in 0..ACCOUNTS {
        accounts.push(desk.account(1_000_000).await);
    }
    desk.sleep(0).await;
    let asleep = resident_kib();
    for account in &accounts {
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

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
