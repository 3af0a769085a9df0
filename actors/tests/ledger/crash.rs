//! A process killed at any instant loses nothing that was acknowledged.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use infergate_actors::id::{AccountId, ExchangeIds};
use infergate_actors::ledger::Batch;
use tempfile::tempdir;

use crate::commits::verify;
use crate::desk::{Pen, open};

const CHILD: &str = "INFERGATE_LEDGER_TEST_CHILD";
const ROUNDS: usize = 8;

#[test]
fn whatever_was_acknowledged_is_there_after_a_kill() {
    let dir = tempdir().unwrap();
    // Of each account: the number of the last event that was acknowledged.
    let mut acknowledged: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["crash::the_child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut left = 40 + 170 * round;
        for line in lines {
            let Some(rest) = line.strip_prefix("acknowledged ") else { continue };
            let (account, number) = rest.split_once(' ').unwrap();
            acknowledged.insert(account.parse().unwrap(), number.parse().unwrap());
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
                // What it had printed before it died counts too, so reading goes on.
                left = usize::MAX;
            }
        }
        child.wait().unwrap();
        let (ledger, report) = open(dir.path());
        assert!(!report.closed_in_order);
        for (account, number) in &acknowledged {
            let last = ledger.account_journal(AccountId(*account), number - 1, 1).unwrap();
            assert_eq!(last.len(), 1, "event {number} of account {account}");
        }
        assert_eq!(verify(&ledger).totals.held, 0);
    }
    assert!(acknowledged.len() >= ROUNDS);
}

/// Does nothing unless the test above has started it.
#[test]
fn the_child_writes_until_it_is_killed() {
    let Some(path) = env::var_os(CHILD) else { return };
    let (ledger, _) = open(&PathBuf::from(path));
    let ids = ExchangeIds::new(0, ledger.epoch());
    let (answer, answers) = mpsc::channel();
    let mut pens: Vec<Pen> = (0..4).map(|_| Pen::new(ledger.new_account_id())).collect();
    let mut number = 3;
    for pen in &mut pens {
        let mut batch = Batch::new();
        pen.open(&mut batch, i64::MAX / 2);
        ledger.append(batch, None);
    }
    let mut out = std::io::stdout().lock();
    loop {
        number += 2;
        for pen in &mut pens {
            let hold = ids.next();
            let mut batch = Batch::new().lazy();
            pen.hold(&mut batch, hold, 100_000);
            ledger.append(batch, None);
            let mut batch = Batch::new();
            pen.settle(&mut batch, hold, 10);
            let (answer, account) = (answer.clone(), pen.account.0);
            let then = Box::new(move |result: Result<(), _>| {
                result.unwrap();
                answer.send((account, number)).unwrap();
            });
            ledger.append(batch, Some(then));
        }
        for _ in &pens {
            let (account, number) = answers.recv().unwrap();
            writeln!(out, "acknowledged {account} {number}").unwrap();
            out.flush().unwrap();
        }
    }
}
