//! A ledger that journal version 1 wrote, in use by this build.

use std::path::{Path, PathBuf};
use std::time::Duration;

use infergate_actors::account::{Account, Breakdown, Event, Settle, Source, Status, UsageRecord};
use infergate_actors::id::{AccountId, KeyId};
use infergate_actors::ledger::{
    Digest, RECORD_VERSION, VerifyOnStart, export_directory, import, repair, verify_directory,
};
use tempfile::{TempDir, tempdir};

use crate::desk::{Desk, OPTIONS, hash_of, set_status, settle};

/// An export of a ledger with every kind of event, made by the last build that wrote version 1: two
/// accounts, one of them with a hold without an end. It never changes.
const EXPORT: &[u8] = include_bytes!("../fixtures/version-1.export");
const EVENTS: u64 = 28;

fn accounts() -> [AccountId; 2] {
    [AccountId(1), AccountId(2)]
}

/// A data directory with what version 1 wrote, byte for byte.
fn old() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("data");
    let report = import(&mut &*EXPORT, &path).unwrap();
    assert_eq!((report.events, report.providers), (EVENTS, 1));
    (dir, path)
}

fn verified(path: &Path) -> (u64, u64) {
    let report = verify_directory::<Account>(path).unwrap();
    assert!(report.is_clean(), "{:#?}", report.differences);
    (report.events, report.settlements)
}

#[test]
fn what_version_1_wrote_is_verified_exported_and_repaired_as_it_is() {
    let (dir, path) = old();
    assert_eq!(verified(&path), (EVENTS, 5));
    let mut again = Vec::new();
    export_directory(&path, 1, &mut again).unwrap();
    // The starts differ: that one counts in the header.
    assert_eq!(again[54..], EXPORT[54..]);
    let new = dir.path().join("repaired");
    let report = repair(&path, &new).unwrap();
    assert_eq!((report.dropped, report.notes.len()), (None, 0));
    assert_eq!(verified(&new), (EVENTS, 5));
}

#[tokio::test]
async fn a_ledger_of_version_1_is_opened_served_from_and_written_on() {
    for verify_on_start in [VerifyOnStart::Full, VerifyOnStart::Tail] {
        let (_dir, path) = old();
        let desk = Desk::open_at(&path, OPTIONS, |it| it.verify_on_start = verify_on_start).await;
        let [one, two] = accounts();
        // The hold without an end was voided by recovery, which is the first event of this version.
        let (first, second) = (desk.view(one).await, desk.view(two).await);
        assert_eq!((first.status, first.events, first.holds.len()), (Status::Active, 19, 0));
        assert_eq!((first.totals.settled.nano(), second.totals.settled.nano()), (109, 40));
        assert_eq!(first.keys[1].key.revoked_at_ms, Some(1_800_000_002_022));
        let known = desk.system.accounts.find_key(hash_of(one)).await.unwrap();
        assert_eq!(known, Some((one, KeyId(1))));
        let usage = desk.ledger.usage_page(two, None, 10).unwrap();
        let Event::Settled(settlement) = &usage[0].entry.record.event else { panic!() };
        let UsageRecord { model, served_model, source, .. } = &settlement.record;
        let read = (model.as_str(), served_model.as_deref(), *source);
        assert_eq!(read, ("sim-small", None, Source::Provider));

        let (hold, ..) = desk.hold(one, 20).await.unwrap();
        let record = UsageRecord {
            model: "sim-small".into(),
            served_model: Some("sim-large".into()),
            source: Source::Cache,
            ..UsageRecord::default()
        };
        let bill = Settle { record: record.clone(), ..settle(hold, 11) };
        desk.system.accounts.settle(one, bill).await.unwrap();
        desk.grant(two, 5, "after").await.unwrap();
        // Rebuilt from a tail of both versions, and from a snapshot on top of it.
        desk.clock.advance(Duration::from_mins(1));
        desk.sleep(0).await;
        assert_eq!(desk.view(one).await.totals.settled.nano(), 120);
        desk.verify().await;
        check_journal(&desk, one, &record);
        desk.system.stop().await;
        desk.ledger.close().unwrap();
        drop(desk);
        // Void, hold and settlement; the grant.
        assert_eq!(verified(&path), (EVENTS + 4, 6));
    }
}

/// Each event carries the digest of the bytes before it, whatever version wrote those.
fn check_journal(desk: &Desk, account: AccountId, last: &UsageRecord) {
    let journal = desk.ledger.account_journal(account, 0, 100).unwrap();
    assert_eq!(journal.len(), 21);
    let mut previous = Digest::default();
    for (place, entry) in journal.iter().enumerate() {
        assert_eq!(entry.record.previous, previous);
        previous = entry.digest;
        let is_new = Digest::of(&entry.record.encode()) == entry.digest;
        assert_eq!(is_new, place >= 18, "event {place} of version {RECORD_VERSION}");
    }
    let Event::Settled(settlement) = &journal[20].record.event else { panic!() };
    assert_eq!(&settlement.record, last);
}

#[tokio::test]
async fn an_account_that_breaks_down_among_old_events_is_rebuilt_from_them() {
    let (_dir, path) = old();
    let desk = Desk::open_at(&path, OPTIONS, |_| {}).await;
    let [one, _] = accounts();
    let suspend = set_status(Status::Suspended);
    let before = desk.order(one, suspend).await.unwrap();
    desk.break_down(one, Breakdown::Now).await;
    let after = desk.view(one).await;
    assert_eq!((after.digest, after.events), (before.digest, before.events));
    assert_eq!(after.available, before.available);
    desk.verify().await;
}
