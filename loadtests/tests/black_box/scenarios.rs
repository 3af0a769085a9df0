//! A small version of each scenario, as a process with an exit code.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use infergate_loadtests::process::free_address;

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
    check(&["failover"]);
}

/// The caller goes straight to the first provider: what a gateway that does nothing would get.
#[test]
fn a_scorecard_is_kept_of_any_gateway() {
    let [primary, fallback] = [(); 2].map(|()| free_address().unwrap().to_string());
    let output = Command::new(executable())
        .args(["failover", "--scenarios", "s01,s08,s10,s13,s16"])
        .args(["--gateway-url", &format!("http://{primary}/v1")])
        .args(["--primary-listen", &primary, "--fallback-listen", &fallback])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{complaints}", output.status);
    let rows: Vec<Vec<&str>> =
        told.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    for (code, streamed, whole) in [
        ("S01", "safe", "safe"),
        ("S08", "safe", "safe"),
        ("S10", "fail", "fail"),
        ("S13", "pass", "pass"),
        ("S16", "safe", "safe"),
    ] {
        let row = rows.iter().find(|row| row.get(1) == Some(&code)).unwrap();
        assert_eq!((row[3], row[4]), (streamed, whole), "{code}:\n{told}");
    }
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

#[test]
fn providers_go_down_in_turn_and_no_client_notices() {
    check(&["outage"]);
}

#[test]
fn strategies_are_measured() {
    check(&["routing", "--strategies", "priority,weighted"]);
}

#[test]
fn results_become_a_page_and_markdown() {
    let folder = tempfile::TempDir::with_prefix("infergate-black-box-").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (own, other) = (path("own.json"), path("other.json"));
    check(&["idle-accounts", "--json", &own]);
    let text = std::fs::read_to_string(&own).unwrap();
    assert!(text.contains("requests_in_flight_max"), "the configuration is not in it");
    std::fs::write(&other, text.replace("\"InferGate\"", "\"another\"")).unwrap();
    let (html, markdown) = (path("report.html"), path("report.md"));
    let output = Command::new(executable())
        .args(["report", &own, &other, "--html", &html, "--markdown", &markdown])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("id=\"all-idle-accounts\"") && html.contains("KiB/active"));
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.starts_with("## `idle-accounts` side by side"), "{markdown}");
}
