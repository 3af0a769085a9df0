//! A small version of each scenario, as a process with an exit code.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::stage::executable;

/// Scenarios load the machine and have time limits: together they would fail each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn check(words: &[&str]) {
    let name = words.join(" ");
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(executable())
        .args(words)
        .arg("--small")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{told}\n{complaints}", output.status);
    assert!(told.contains("holds"), "{name} claims nothing:\n{told}");
}

#[test]
fn an_account_never_spends_more_than_it_has() {
    check(&["overspend"]);
}

#[test]
fn an_account_never_spends_more_than_it_has_on_disk() {
    check(&["overspend", "--durability", "disk"]);
}

#[test]
fn public_failover_scenarios_pass_with_one_charge_each() {
    check(&["failover", "--scenarios", "s01,s02,s03,s04,s05,s11,s13,s16"]);
}

#[test]
fn no_client_notices_that_a_provider_fails() {
    check(&["faults"]);
}

#[test]
fn no_settled_charge_is_lost_or_doubled_by_a_crash() {
    check(&["crash"]);
}

#[test]
fn the_cost_of_a_request_is_measured() {
    check(&["throughput"]);
}

#[test]
fn open_streams_are_measured_and_come_to_their_end() {
    check(&["streams"]);
}

#[test]
fn accounts_are_measured() {
    check(&["idle-accounts"]);
}
