//! What an account is watched for, at random: each threshold is told exactly once, no top-up is due
//! while another is, and the most in a month is kept, whatever comes between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use infergate_actors::account::{
    AutoTopUp, Budget, BudgetOwner, Denial, End, KeyChange, Limits, NewKey, Order, Period, Scope,
    TopUpEnd, WatchEvent, WatchOrder, WatchSettings,
};
use infergate_actors::id::{HoldId, KeyHash, KeyId, TopUpId};
use infergate_actors::money::NanoUsd;
use proptest::prelude::*;

use crate::bench::denial;
use crate::watch::Desk;

const PERCENT: [u8; 4] = [10, 50, 80, 100];
const LOW: [i64; 2] = [40, 200];
const TOP_UP: AutoTopUp = AutoTopUp {
    threshold: NanoUsd::from_nano(120),
    amount: NanoUsd::from_nano(100),
    month_max: Some(NanoUsd::from_nano(350)),
    lasts_ms: 7_200_000,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold { key: u32, hold: u128, tokens: u64 },
    Settle { hold: u128, tokens: u64 },
    Void { hold: u128 },
    Grant { nano: i64 },
    Pay { nano: i64, names: bool },
    Fail,
    Wait { hours: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let hold = 0..8_u128;
    prop_oneof![
        6 => (1..3_u32, hold.clone(), 1..120_u64)
            .prop_map(|(key, hold, tokens)| Step::Hold { key, hold, tokens }),
        6 => (hold.clone(), 0..130_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold.prop_map(|hold| Step::Void { hold }),
        2 => (1..300_i64).prop_map(|nano| Step::Grant { nano }),
        2 => (1..300_i64, any::<bool>()).prop_map(|(nano, names)| Step::Pay { nano, names }),
        1 => Just(Step::Fail),
        2 => prop_oneof![0..4_u64, 0..900_u64].prop_map(|hours| Step::Wait { hours }),
        2 => Just(Step::Restart),
    ]
}

/// Which threshold of which budget, in which of its periods, and whether a request was refused for it.
type Threshold = (BudgetOwner, Period, u64, u8, bool);

/// What must be told, from nothing but what was charged, and when.
#[derive(Default)]
struct Judge {
    charges: Vec<(u64, KeyId, i64)>,
    told: BTreeSet<Threshold>,
    low: BTreeMap<i64, bool>,
    pending: Option<(TopUpId, u64)>,
    is_spent: bool,
    /// Due and not failed, by the month they were due in.
    months: BTreeMap<u64, i64>,
}

fn budgets(judge_of: BudgetOwner) -> Vec<Budget> {
    let budget = |period, nano| Budget { period, limit: NanoUsd::from_nano(nano) };
    match judge_of {
        BudgetOwner::Account => vec![budget(Period::Day, 300), budget(Period::Total, 1_500)],
        BudgetOwner::Key(KeyId(1)) => vec![budget(Period::Day, 90), budget(Period::Week, 250)],
        BudgetOwner::Key(_) => vec![budget(Period::Month, 170)],
        BudgetOwner::Project(_) => Vec::new(),
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new(1_000);
    let key = NewKey {
        hash: KeyHash([8; 32]),
        hint: "efgh".into(),
        name: "other".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    };
    desk.order(&Order::CreateKey(key)).0.unwrap();
    desk.order(&Order::SetBudgets(budgets(BudgetOwner::Account))).0.unwrap();
    for key in [KeyId(1), KeyId(2)] {
        let changes = vec![KeyChange::Budgets(budgets(BudgetOwner::Key(key)))];
        desk.order(&Order::ChangeKey { key, changes }).0.unwrap();
    }
    let settings = WatchSettings {
        low_balance: LOW.map(NanoUsd::from_nano).to_vec(),
        budget_percent: PERCENT.to_vec(),
        top_up: Some(TOP_UP),
    };
    desk.watch(WatchOrder::Set(settings)).0.unwrap();
    desk
}

impl Judge {
    fn spent(&self, whose: BudgetOwner, period: Period, at_ms: u64) -> i64 {
        let counts = |key| whose == BudgetOwner::Account || whose == BudgetOwner::Key(key);
        let began = period.began_at_ms(at_ms);
        let charges = self.charges.iter();
        let of_now = charges.filter(|(at, key, _)| counts(*key) && *at >= began);
        of_now.map(|(.., charged)| charged).sum()
    }

    /// The thresholds that are reached now and were not told before.
    fn reached(&self, key: KeyId, at_ms: u64) -> BTreeSet<Threshold> {
        let mut reached = BTreeSet::new();
        for whose in [BudgetOwner::Account, BudgetOwner::Key(key)] {
            for Budget { period, limit } in budgets(whose) {
                let spent = self.spent(whose, period, at_ms);
                for percent in PERCENT {
                    if spent * 100 >= limit.nano() * i64::from(percent) {
                        reached.insert((whose, period, period.began_at_ms(at_ms), percent, false));
                    }
                }
            }
        }
        reached.retain(|threshold| !self.told.contains(threshold));
        reached
    }

    /// Judges what was told in one step.
    fn judge(&mut self, expected: &BTreeSet<Threshold>, told: &[WatchEvent], desk: &Desk) {
        let balance = desk.bench.machine.account().totals().remaining.nano();
        let now_ms = desk.bench.now.wall_ms;
        let mut reached = BTreeSet::new();
        let mut lows = BTreeSet::new();
        for event in told {
            match event {
                WatchEvent::BudgetReached(it) => {
                    let threshold = (it.whose, it.period, it.began_at_ms, it.percent, it.refused);
                    assert!(reached.insert(threshold), "{threshold:?} twice");
                }
                WatchEvent::BalanceLow { threshold, balance: told } => {
                    assert!(lows.insert(threshold.nano()));
                    assert_eq!(told.nano(), balance);
                }
                WatchEvent::TopUpDue(top_up) => {
                    assert_eq!(self.pending, None, "one is due while another is");
                    assert!(balance < TOP_UP.threshold.nano() && !self.is_spent);
                    let month = self.months.entry(Period::Month.began_at_ms(now_ms)).or_default();
                    *month += top_up.amount.nano();
                    assert!(*month <= TOP_UP.month_max.unwrap().nano(), "the most in a month");
                    self.pending = Some((top_up.id, now_ms));
                }
                WatchEvent::TopUpEnded { top_up, end } => {
                    let (id, due_at_ms) = self.pending.take().expect("one is due");
                    assert_eq!(id, *top_up);
                    let is_over = now_ms >= due_at_ms + TOP_UP.lasts_ms;
                    // What is said of it late is still what became of it.
                    assert!(*end != TopUpEnd::Lapsed || is_over);
                    if let TopUpEnd::Failed { .. } = end {
                        let month = Period::Month.began_at_ms(due_at_ms);
                        *self.months.get_mut(&month).unwrap() -= TOP_UP.amount.nano();
                        self.is_spent = true;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(&reached, expected);
        self.told.extend(reached);
        for threshold in LOW {
            let is_low = self.low.entry(threshold).or_default();
            let is_new = balance < threshold && !*is_low;
            assert_eq!(lows.contains(&threshold), is_new, "{threshold} at {balance}");
            *is_low = balance < threshold;
        }
        self.is_spent &= balance < TOP_UP.threshold.nano();
    }

    /// Where there is room, one is due as soon as anything is charged.
    fn assert_due(&self, desk: &Desk) {
        let balance = desk.bench.machine.account().totals().remaining;
        let month = Period::Month.began_at_ms(desk.bench.now.wall_ms);
        let before = self.months.get(&month).copied().unwrap_or(0);
        let room = before + TOP_UP.amount.nano() <= TOP_UP.month_max.unwrap().nano();
        if balance < TOP_UP.threshold && room && !self.is_spent {
            assert!(self.pending.is_some(), "nothing is due at {balance}");
        }
    }
}

fn take(desk: &mut Desk, judge: &mut Judge, step: Step, place: usize) {
    let now_ms = desk.bench.now.wall_ms;
    let mut expected = BTreeSet::new();
    let told = match step {
        Step::Hold { key, hold, tokens } => {
            let (answer, told) = desk.ask(key, hold, tokens);
            if let Err(Denial::BudgetExceeded { scope, period, .. }) = answer {
                let whose = match scope {
                    Scope::Account => BudgetOwner::Account,
                    Scope::Key => BudgetOwner::Key(KeyId(key)),
                    Scope::Project => panic!("there is no project"),
                };
                let began = period.began_at_ms(now_ms);
                let threshold = |refused| (whose, period, began, 100, refused);
                let is_told = [true, false].iter().any(|it| judge.told.contains(&threshold(*it)));
                expected.extend((!is_told).then_some(threshold(true)));
            }
            told
        }
        Step::Settle { hold, tokens } => {
            let holds = desk.bench.machine.account().holds();
            let key = holds.get(&HoldId::from_bits(hold)).map(|hold| hold.key);
            let (charged, told) = desk.settle(hold, tokens);
            if let (Some(key), Some(charged)) = (key, charged) {
                judge.charges.push((now_ms, key, charged));
                expected = judge.reached(key, now_ms);
            }
            told
        }
        Step::Void { hold } => {
            let hold = HoldId::from_bits(hold);
            desk.told(|machine, now, batch| {
                denial(machine.void(hold, End::TimedOut, now, batch)).is_ok()
            })
            .1
        }
        Step::Grant { nano } => {
            let order = Order::Grant {
                kind: infergate_actors::account::GrantKind::Promotional,
                amount: NanoUsd::from_nano(nano),
                expires_at_ms: None,
                reference: place.to_string(),
            };
            desk.order(&order).1
        }
        Step::Pay { nano, names } => {
            let top_up = judge.pending.filter(|_| names).map(|(id, _)| id.0);
            desk.pay(&place.to_string(), nano, top_up).1
        }
        Step::Fail => {
            let top_up = judge.pending.map_or(TopUpId(0), |(id, _)| id);
            desk.watch(WatchOrder::FailTopUp { top_up, reason: "declined".into() }).1
        }
        Step::Wait { hours } => {
            desk.bench.advance(Duration::from_hours(hours));
            Vec::new()
        }
        Step::Restart => {
            desk.bench.restart();
            Vec::new()
        }
    };
    judge.judge(&expected, &told, desk);
    if let Step::Settle { hold: _, tokens: 1.. } = step
        && desk.records.last().is_some_and(|last| last.at_ms == now_ms)
    {
        judge.assert_due(desk);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_threshold_is_told_once_and_no_top_up_is_due_twice(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut desk = desk();
        let mut judge = Judge::default();
        for (place, step) in steps.into_iter().enumerate() {
            take(&mut desk, &mut judge, step, place);
        }
        desk.assert_replayed();
    }
}
