//! What is too old is told by a clock that has stood for a while, and by no other, over restarts too.

use std::time::Duration;

use infergate_actors::clock::Clock;
use infergate_actors::id::AccountId;
use infergate_actors::ledger::{Batch, Keep, Ledger, LedgerOptions};
use tempfile::tempdir;

use crate::commits::verify;
use crate::desk::{Pen, append};
use crate::rollups::{days, in_memory};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The day of the first of [`days`].
const BEGIN_MS: u64 = 20_900 * DAY_MS;

/// Has the clock of a new directory stand for the day after which it is believed, at the next look.
pub(crate) fn stand(ledger: &Ledger, clock: &Clock) {
    ledger.roll_up().unwrap();
    clock.advance(Duration::from_millis(DAY_MS));
}

/// Everything that is kept for ten days is there still after this.
fn check_nothing_went(ledger: &Ledger, account: AccountId) {
    ledger.roll_up().unwrap();
    assert!(ledger.kept().records_from_ms < BEGIN_MS);
    assert_eq!(ledger.usage_page(account, None, 100).unwrap().len(), 5);
}

#[test]
fn a_clock_that_leapt_is_not_believed_after_a_restart_for_what_was_written_by_it() {
    let dir = tempdir().unwrap();
    let keep = Keep { records: Some(Duration::from_hours(10 * 24)), rollups: None };
    let options = LedgerOptions { keep, ..in_memory(dir.path()) };
    let begin = Clock::manual(BEGIN_MS + 4 * DAY_MS);
    let (ledger, _) = Ledger::open(options.clone(), begin.clone()).unwrap();
    stand(&ledger, &begin);
    let [account, _] = days(&ledger, 5);
    check_nothing_went(&ledger, account);
    drop(ledger);
    // Requests are served meanwhile, and stamped with the wrong time.
    let year_ms = BEGIN_MS + 365 * DAY_MS;
    for restart in 0..3 {
        let clock = Clock::manual(year_ms + restart * 8 * 3_600_000);
        let (ledger, _) = Ledger::open(options.clone(), clock.clone()).unwrap();
        let (mut pen, mut batch) = (Pen::new(ledger.new_account_id()), Batch::new());
        pen.wait_until(clock.now().wall_ms);
        pen.open(&mut batch, 1);
        append(&ledger, batch);
        check_nothing_went(&ledger, account);
        clock.advance(Duration::from_hours(7));
        check_nothing_went(&ledger, account);
    }
    // How long it stood in earlier runs is not forgotten.
    let clock = Clock::manual(year_ms + DAY_MS);
    let (ledger, _) = Ledger::open(options, clock.clone()).unwrap();
    check_nothing_went(&ledger, account);
    clock.advance(Duration::from_hours(3));
    ledger.roll_up().unwrap();
    assert!(ledger.kept().records_from_ms > BEGIN_MS + 5 * DAY_MS);
    assert_eq!(ledger.usage_page(account, None, 100).unwrap().len(), 0);
    verify(&ledger);
}

#[test]
fn an_idle_gateway_that_is_restarted_every_day_takes_out_what_is_too_old() {
    let dir = tempdir().unwrap();
    let keep = Keep { records: Some(Duration::from_hours(10 * 24)), rollups: None };
    let options = LedgerOptions { keep, ..in_memory(dir.path()) };
    let begin = Clock::manual(BEGIN_MS + 4 * DAY_MS);
    let (ledger, _) = Ledger::open(options.clone(), begin.clone()).unwrap();
    stand(&ledger, &begin);
    let [account, _] = days(&ledger, 5);
    check_nothing_went(&ledger, account);
    drop(ledger);
    for day in 6..30 {
        let (ledger, _) =
            Ledger::open(options.clone(), Clock::manual(BEGIN_MS + day * DAY_MS)).unwrap();
        ledger.roll_up().unwrap();
        assert_eq!(ledger.kept().records_from_ms, BEGIN_MS + day * DAY_MS - 10 * DAY_MS);
    }
    let (ledger, _) = Ledger::open(options, Clock::manual(BEGIN_MS + 30 * DAY_MS)).unwrap();
    assert_eq!(ledger.usage_page(account, None, 100).unwrap().len(), 0);
}

#[test]
fn a_clock_that_is_far_ahead_takes_nothing_out_before_it_stood_so_for_a_day() {
    let dir = tempdir().unwrap();
    // The year 2040, or a gateway that was off until then.
    let clock = Clock::manual(BEGIN_MS + 14 * 365 * DAY_MS);
    let keep = Keep {
        records: Some(Duration::from_hours(10 * 24)),
        rollups: Some(Duration::from_hours(20 * 24)),
    };
    let options = LedgerOptions { keep, ..in_memory(dir.path()) };
    let (ledger, _) = Ledger::open(options, clock.clone()).unwrap();
    let accounts = days(&ledger, 5);
    check_nothing_went(&ledger, accounts[0]);
    clock.advance(Duration::from_hours(23));
    check_nothing_went(&ledger, accounts[0]);
    clock.advance(Duration::from_hours(1));
    ledger.roll_up().unwrap();
    assert!(ledger.kept().records_from_ms > BEGIN_MS + 5 * DAY_MS);
    assert_eq!(ledger.usage_page(accounts[0], None, 100).unwrap().len(), 0);
    verify(&ledger);
}
