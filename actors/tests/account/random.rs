//! Random commands, judged by the auditor, with a crash and a replay at any point.

use std::time::Duration;

use infergate_actors::account::{Denial, End, Limits, Settle, UsageRecord};
use infergate_actors::id::HoldId;
use infergate_actors::ledger::Batch;
use infergate_actors::money::Usage;
use proptest::prelude::*;

use crate::auditor::Auditor;
use crate::bench::{Bench, UNIT, denial};

#[derive(Clone, Copy, Debug)]
enum Step {
    Grant { nano: i64, lasts_ms: Option<u64> },
    Hold { hold: u128, tokens: u64, first: u64 },
    Extend { hold: u128, tokens: u64 },
    Settle { hold: u128, tokens: u64 },
    Void { hold: u128 },
    Wait { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let hold = 0..12_u128;
    prop_oneof![
        1 => (1..500_i64, proptest::option::of(1..5_000_u64))
            .prop_map(|(nano, lasts_ms)| Step::Grant { nano, lasts_ms }),
        4 => (hold.clone(), 1..200_u64, 1..200_u64)
            .prop_map(|(hold, tokens, first)| Step::Hold { hold, tokens, first }),
        2 => (hold.clone(), 1..400_u64).prop_map(|(hold, tokens)| Step::Extend { hold, tokens }),
        3 => (hold.clone(), 0..300_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold.prop_map(|hold| Step::Void { hold }),
        1 => (0..3_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_commands_overspends_or_ends_a_hold_twice(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut bench = Bench::new(Limits::default(), Limits::default());
        let mut auditor = Auditor::default();
        for (place, step) in steps.into_iter().enumerate() {
            take(&mut bench, &mut auditor, step, place);
            let account = bench.machine.account();
            auditor.lapsed(account.totals().expired.nano());
            prop_assert_eq!(i128::from(account.totals().remaining.nano()), auditor.balance());
            prop_assert_eq!(i128::from(account.available().nano()), auditor.available());
            prop_assert!(auditor.available() >= 0);
        }
    }
}

fn take(bench: &mut Bench, auditor: &mut Auditor, step: Step, place: usize) {
    let held = |bench: &Bench| bench.machine.account().totals().held.nano();
    let settled = |bench: &Bench| bench.machine.account().totals().settled.nano();
    match step {
        Step::Grant { nano, lasts_ms } => {
            let expires = lasts_ms.map(|lasts_ms| bench.now.wall_ms + lasts_ms);
            bench.grant(nano, expires, &place.to_string()).unwrap();
            auditor.granted(nano);
        }
        Step::Hold { hold, tokens, first } => {
            let before = held(bench);
            match bench.admit(hold, tokens, first) {
                Ok(permit) => {
                    assert_eq!(held(bench) - before, permit.held.nano());
                    auditor.held(hold, permit.held.nano());
                    // Had the answer been lost, the next one would be the same.
                    let again = bench.admit_again(hold, tokens, first);
                    assert_eq!(again.as_ref(), Ok(&permit));
                    assert_eq!(held(bench) - before, permit.held.nano());
                }
                Err(Denial::DuplicateHold) => assert!(auditor.is_open(hold)),
                Err(Denial::InsufficientCredit { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        Step::Extend { hold, tokens } => {
            let before = held(bench);
            if bench.extend(hold, 0, tokens).is_ok() {
                auditor.extended(hold, held(bench) - before);
            }
        }
        Step::Settle { hold, tokens } => {
            let before = settled(bench);
            match bench.settle(hold, tokens) {
                Ok(()) => auditor.ended(hold, settled(bench) - before),
                Err(denial) => {
                    assert_eq!(denial, Denial::UnknownHold);
                    assert!(!auditor.is_open(hold));
                }
            }
        }
        Step::Void { hold } => {
            let known = auditor.is_open(hold);
            assert_eq!(bench.void(hold).is_ok(), known);
            if known {
                auditor.ended(hold, 0);
            }
        }
        Step::Wait { ms } => bench.advance(Duration::from_millis(ms)),
        Step::Restart => bench.restart(),
    }
}

#[test]
fn a_settlement_of_another_hold_changes_nothing() {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(10, None, "first").unwrap();
    let before = bench.machine.account().clone();
    let settle = Settle {
        hold: HoldId::from_bits(9),
        usage: Usage { output: 1, ..Usage::default() },
        estimated: true,
        rates: UNIT,
        end: End::ClientGone,
        record: UsageRecord::default(),
    };
    let refused = denial(bench.machine.settle(settle, bench.now, &mut Batch::new()));
    assert_eq!(refused, Err(Denial::UnknownHold));
    assert_eq!(bench.machine.account(), &before);
}
