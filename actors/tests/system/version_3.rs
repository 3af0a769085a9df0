//! A whole data directory that a build before journal version 4 left when it was killed, in use by
//! this build: its store, its snapshots of accounts (version 2), and a hold without an end.

use std::fs;
use std::path::Path;

use infergate_actors::account::{Account, Status};
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::ledger::{VerifyOnStart, verify_directory};
use tempfile::TempDir;

use crate::desk::{Desk, OPTIONS};

/// Made over the admin API of that build: keys changed and rotated, budgets, a payment refunded and
/// another disputed, codes made and used, statuses set, an account closed. It never changes.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/version-3");
/// With the void of the hold that had no end.
const EVENTS: u64 = 54;
const SETTLEMENTS: u64 = 12;

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn old() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(Path::new(DIRECTORY), dir.path());
    dir
}

/// Each account's status, events, credit and charges in nano-dollars, keys, and keys that work.
const ACCOUNTS: [(Status, u64, i64, i64, usize); 4] = [
    (Status::Active, 3, 20_000_000_000, 0, 1),
    (Status::Active, 30, 13_500_000_000, 621_000, 1),
    (Status::Closed, 10, 5_000_000_000, 138_000, 1),
    (Status::Active, 9, 2_000_000_000, 69_000, 1),
];

#[tokio::test]
async fn a_killed_directory_of_version_3_is_opened_served_from_and_written_on() {
    for verify_on_start in [VerifyOnStart::Full, VerifyOnStart::Tail] {
        let dir = old();
        let desk =
            Desk::open_at(dir.path(), OPTIONS, |it| it.verify_on_start = verify_on_start).await;
        for (number, expected) in (1..).zip(ACCOUNTS) {
            let view = desk.view(AccountId(number)).await;
            let works = view.keys.iter().filter(|key| key.key.revoked_at_ms.is_none()).count();
            let totals = (view.totals.granted.nano(), view.totals.settled.nano());
            assert_eq!((view.status, view.events, totals.0, totals.1, works), expected);
            assert!(view.holds.is_empty());
        }
        let second = desk.view(AccountId(2)).await;
        assert_eq!(second.totals.remaining.nano(), 12_499_379_000);
        let key = second.keys.iter().find(|key| key.key.id == KeyId(2)).unwrap();
        let spent: Vec<i64> = key.budgets.iter().map(|budget| budget.spent.nano()).collect();
        // The day it was spent on is over on this clock, and so is the month.
        assert_eq!((key.settings.former.len(), spent), (1, vec![0, 0]));

        // On with it, in the same chain.
        desk.grant(AccountId(4), 5, "after").await.unwrap();
        let (hold, ..) = desk.hold(AccountId(4), 20).await.unwrap();
        desk.settle(AccountId(4), hold, 11).await.unwrap();
        desk.sleep(0).await;
        assert_eq!(desk.view(AccountId(4)).await.totals.settled.nano(), 69_011);
        desk.verify().await;
        desk.system.stop().await;
        desk.ledger.close().unwrap();
        drop(desk);
        let report = verify_directory::<Account>(dir.path()).unwrap();
        assert!(report.is_clean(), "{:#?}", report.differences);
        assert_eq!((report.events, report.settlements), (EVENTS + 3, SETTLEMENTS + 1));
    }
}
