//! A process that is killed, and what the next one finds.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use infergate_actors::account::Account;
use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Durability, Ledger};
use infergate_actors::supervisor::System;
use tempfile::tempdir;

use crate::desk::{Desk, OPTIONS, ledger_options};

const CHILD: &str = "INFERGATE_SYSTEM_TEST_CHILD";

#[tokio::test]
async fn after_a_kill_what_was_acknowledged_is_there_and_open_holds_are_voided() {
    let dir = tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["crash::the_child_works_until_it_is_killed", "--exact", "--nocapture"])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (mut acknowledged, mut account) = (0, None);
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["account", id] => account = Some(AccountId(id.parse().unwrap())),
            ["settled", "10"] => acknowledged += 10,
            _ => {}
        }
        if acknowledged == 500 {
            // What it had printed before it died counts too, so reading goes on.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();

    let clock = Clock::real();
    let (ledger, report) = Ledger::open(ledger_options(dir.path()), clock.clone()).unwrap();
    assert!(!report.closed_in_order);
    assert!((4..=5).contains(&report.voided.len()), "{:?}", report.voided);
    let system = System::start(ledger.clone(), clock, OPTIONS).await.unwrap();
    let view = system.accounts.inspect(account.unwrap()).await.unwrap();
    let settled = view.totals.settled.nano();
    // At most one more was written than was acknowledged.
    assert!(settled == acknowledged || settled == acknowledged + 10, "{settled} {acknowledged}");
    assert_eq!(view.totals.remaining.nano(), 1_000_000 - settled);
    assert_eq!(view.available, view.totals.remaining);
    assert!(view.holds.is_empty());
    assert!(ledger.verify::<Account>().unwrap().is_clean());
}

/// Does nothing unless the test above has started it.
#[tokio::test]
async fn the_child_works_until_it_is_killed() {
    let Some(path) = env::var_os(CHILD) else { return };
    let desk = Desk::open_at(Path::new(&path), OPTIONS, |_| {}).await;
    let account = desk.account(1_000_000).await;
    let mut out = std::io::stdout();
    writeln!(out, "\naccount {}", account.0).unwrap();
    for _ in 0..4 {
        let (.., ticket) = desk.hold(account, 100).await.unwrap();
        desk.ledger.wait(ticket, Durability::Process).await.unwrap();
    }
    for _ in 0..50_000 {
        let (hold, ..) = desk.hold(account, 20).await.unwrap();
        desk.settle(account, hold, 10).await.unwrap();
        writeln!(out, "settled 10").unwrap();
        out.flush().unwrap();
    }
}
