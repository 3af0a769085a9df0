//! Spend budgets: what they leave, when they are whole again, and that nothing gets past them.

use std::collections::HashMap;
use std::time::Duration;

use infergate_actors::account::{
    Account, Admit, Budget, Denial, GrantKind, KeyChange, Limits, NewKey, Order, Period, Scope,
    Terms,
};
use infergate_actors::id::{KeyHash, KeyId};
use infergate_actors::ledger::Batch;
use infergate_actors::money::NanoUsd;
use proptest::prelude::*;

use crate::bench::{Bench, admit, denial};
use crate::credit;

const HOUR_MS: u64 = 3_600_000;
const KEYS: [KeyId; 2] = [KeyId(1), KeyId(2)];

fn budget(period: Period, nano: i64) -> Budget {
    Budget { period, limit: NanoUsd::from_nano(nano) }
}

fn set(bench: &mut Bench, key: KeyId, budgets: &[Budget]) {
    let changes = vec![KeyChange::Budgets(budgets.to_vec())];
    bench.order(&Order::ChangeKey { key, changes }).unwrap();
}

/// An account with two keys and more credit than anything here costs.
fn bench() -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(1_000_000, None, "first").unwrap();
    let key = NewKey {
        hash: KeyHash([8; 32]),
        hint: "efgh".into(),
        name: "other".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest: Vec::new(),
    };
    bench.order(&Order::CreateKey(key)).unwrap();
    bench
}

fn ask(bench: &mut Bench, key: KeyId, hold: u128, tokens: u64) -> Result<Terms, Denial> {
    let admit = Admit { key, ..admit(hold, tokens, tokens) };
    denial(bench.machine.admit(&admit, bench.now, &mut Batch::new()))
}

fn wait(bench: &mut Bench, hours: u64) {
    bench.advance(Duration::from_hours(hours));
}

#[test]
fn a_budget_lowers_the_ceiling_then_refuses_and_is_whole_again_at_midnight() {
    // The clock starts at 00:16:40 of a Thursday.
    let mut bench = bench();
    set(&mut bench, KEYS[0], &[budget(Period::Day, 100)]);
    assert_eq!(ask(&mut bench, KEYS[0], 1, 60).unwrap().completion_tokens_max, 60);
    assert_eq!(ask(&mut bench, KEYS[0], 2, 60).unwrap().completion_tokens_max, 40);
    let exceeded = Err(Denial::BudgetExceeded {
        scope: Scope::Key,
        period: Period::Day,
        limit: NanoUsd::from_nano(100),
        resets_at_ms: Some(24 * HOUR_MS),
    });
    assert_eq!(ask(&mut bench, KEYS[0], 3, 1), exceeded);
    assert_eq!(ask(&mut bench, KEYS[1], 4, 60).unwrap().completion_tokens_max, 60);
    bench.settle(1, 10).unwrap();
    bench.void(2).unwrap();
    bench.restart();
    assert_eq!(ask(&mut bench, KEYS[0], 5, 200).unwrap().completion_tokens_max, 90);
    assert!(matches!(bench.extend(5, 90, 95), Err(Denial::BudgetExceeded { .. })));
    wait(&mut bench, 24);
    // What was held yesterday is spent today.
    assert_eq!(bench.extend(5, 90, 200), Ok(100));
    bench.settle(5, 70).unwrap();
    assert_eq!(ask(&mut bench, KEYS[0], 6, 200).unwrap().completion_tokens_max, 30);
}

#[test]
fn the_tightest_of_all_budgets_decides_and_says_so() {
    let mut bench = bench();
    set(&mut bench, KEYS[0], &[budget(Period::Month, 300), budget(Period::Total, 150)]);
    bench.order(&Order::SetBudgets(vec![budget(Period::Week, 200)])).unwrap();
    ask(&mut bench, KEYS[0], 1, 100).unwrap();
    bench.settle(1, 100).unwrap();
    assert_eq!(ask(&mut bench, KEYS[0], 2, 100).unwrap().completion_tokens_max, 50);
    let denial = ask(&mut bench, KEYS[0], 3, 1).unwrap_err();
    let total = Denial::BudgetExceeded {
        scope: Scope::Key,
        period: Period::Total,
        limit: NanoUsd::from_nano(150),
        resets_at_ms: None,
    };
    assert_eq!(denial, total);
    assert_eq!(ask(&mut bench, KEYS[1], 4, 100).unwrap().completion_tokens_max, 50);
    let denial = ask(&mut bench, KEYS[1], 5, 1).unwrap_err();
    let Denial::BudgetExceeded { scope: Scope::Account, period: Period::Week, .. } = denial else {
        panic!("{denial:?}")
    };
}

#[test]
fn a_cost_beyond_the_budget_is_not_charged() {
    let mut bench = bench();
    set(&mut bench, KEYS[0], &[budget(Period::Day, 50)]);
    ask(&mut bench, KEYS[0], 1, 40).unwrap();
    bench.settle(1, 70).unwrap();
    let totals = bench.machine.account().totals();
    assert_eq!((totals.settled.nano(), totals.absorbed.nano()), (50, 20));
}

#[test]
fn short_credit_is_told_from_a_short_budget() {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    set(&mut bench, KEYS[0], &[budget(Period::Day, 0)]);
    assert!(matches!(bench.admit(1, 1, 1), Err(Denial::InsufficientCredit { .. })));
    bench.grant(10, None, "first").unwrap();
    assert!(matches!(bench.admit(1, 1, 1), Err(Denial::BudgetExceeded { .. })));
}

#[test]
fn a_hold_takes_what_its_budget_and_the_credit_that_may_pay_both_allow() {
    let mut bench = credit::bench(credit::rules());
    credit::grant(&mut bench, GrantKind::Trial, 100, None, "trial");
    credit::grant(&mut bench, GrantKind::Paid, 50, None, "paid");
    set(&mut bench, KEYS[1], &[budget(Period::Day, 60)]);
    let held = |bench: &mut Bench, hold, model, tokens| {
        credit::ask(bench, &credit::question(hold, model, tokens)).map(|terms| terms.held.nano())
    };
    assert_eq!(held(&mut bench, 1, "gpt", 90), Ok(50), "the trial does not pay for it");
    assert_eq!(held(&mut bench, 2, "sim-b", 90), Ok(10), "the budget leaves no more");
    assert!(matches!(held(&mut bench, 3, "gpt", 1), Err(Denial::InsufficientCredit { .. })));
    assert!(matches!(held(&mut bench, 3, "sim-b", 1), Err(Denial::BudgetExceeded { .. })));
    let account = bench.machine.account();
    assert_eq!(Account::restore(&account.snapshot()).as_ref(), Ok(account));
    bench.settle(1, 20).unwrap();
    bench.settle(2, 70).unwrap();
    let totals = bench.machine.account().totals();
    assert_eq!((totals.settled.nano(), totals.absorbed.nano()), (60, 30));
}

#[test]
fn budgets_that_cannot_be_are_refused() {
    let mut bench = bench();
    for wrong in [
        vec![budget(Period::Day, -1)],
        vec![budget(Period::Day, 1), budget(Period::Week, 1), budget(Period::Day, 2)],
    ] {
        assert_eq!(bench.order(&Order::SetBudgets(wrong.clone())), Err(Denial::BadBudget));
        let changes = vec![KeyChange::Budgets(wrong)];
        let order = Order::ChangeKey { key: KEYS[0], changes };
        assert_eq!(bench.order(&order), Err(Denial::BadBudget));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold { key: usize, hold: u128, tokens: u64, first: u64 },
    Extend { hold: u128, tokens: u64 },
    Settle { hold: u128, tokens: u64 },
    Void { hold: u128 },
    Wait { hours: u64 },
    SetKey { key: usize, period: Period, nano: i64 },
    SetAccount { period: Period, nano: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let hold = 0..12_u128;
    let period = || prop::sample::select(&Period::ALL);
    prop_oneof![
        6 => (0..2_usize, hold.clone(), 1..200_u64, 1..200_u64)
            .prop_map(|(key, hold, tokens, first)| Step::Hold { key, hold, tokens, first }),
        2 => (hold.clone(), 1..400_u64).prop_map(|(hold, tokens)| Step::Extend { hold, tokens }),
        4 => (hold.clone(), 0..300_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold.prop_map(|hold| Step::Void { hold }),
        2 => (0..200_u64).prop_map(|hours| Step::Wait { hours }),
        1 => (0..2_usize, period(), 0..500_i64)
            .prop_map(|(key, period, nano)| Step::SetKey { key, period, nano }),
        1 => (period(), 0..800_i64).prop_map(|(period, nano)| Step::SetAccount { period, nano }),
        1 => Just(Step::Restart),
    ]
}

/// Whose budget: a key's, or the account's.
type Owner = Option<usize>;

/// A second set of books: every charge and every open hold, and no sums kept.
#[derive(Default)]
struct Books {
    charges: Vec<(usize, u64, i64)>,
    holds: HashMap<u128, (usize, i64)>,
    budgets: HashMap<Owner, (Period, i64)>,
    /// What may be spent and held in all: the budget, or what was before it was lowered.
    caps: HashMap<Owner, i64>,
}

impl Books {
    fn taken(&self, owner: Owner, period: Period, now_ms: u64) -> i64 {
        let is_mine = |key: usize| owner.is_none_or(|owner| owner == key);
        let began = period.began_at_ms(now_ms);
        let charged = self.charges.iter().filter(|(key, at, _)| is_mine(*key) && *at >= began);
        let held = self.holds.values().filter(|(key, _)| is_mine(*key));
        charged.map(|(.., nano)| nano).sum::<i64>() + held.map(|(_, nano)| nano).sum::<i64>()
    }

    fn set(&mut self, owner: Owner, period: Period, nano: i64, now_ms: u64) {
        self.budgets.insert(owner, (period, nano));
        self.caps.insert(owner, nano.max(self.taken(owner, period, now_ms)));
    }

    fn check(&mut self, now_ms: u64) {
        for (owner, (period, limit)) in self.budgets.clone() {
            let taken = self.taken(owner, period, now_ms);
            let cap = self.caps[&owner];
            assert!(taken <= cap, "{owner:?} {period:?}: {taken} of {cap}");
            self.caps.insert(owner, cap.min(limit.max(taken)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_commands_spends_beyond_any_budget(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut bench = bench();
        let mut books = Books::default();
        // Counted from the first budget on, so there is one from the start.
        for (place, key) in KEYS.into_iter().enumerate() {
            set(&mut bench, key, &[budget(Period::Day, 300)]);
            books.set(Some(place), Period::Day, 300, bench.now.wall_ms);
        }
        bench.order(&Order::SetBudgets(vec![budget(Period::Week, 500)])).unwrap();
        books.set(None, Period::Week, 500, bench.now.wall_ms);
        for step in steps {
            take(&mut bench, &mut books, step);
            books.check(bench.now.wall_ms);
            let sums = bench.machine.account().totals();
            prop_assert_eq!(sums.held.nano(), books.holds.values().map(|(_, nano)| nano).sum::<i64>());
        }
    }
}

fn take(bench: &mut Bench, books: &mut Books, step: Step) {
    let held = |bench: &Bench| bench.machine.account().totals().held.nano();
    let settled = |bench: &Bench| bench.machine.account().totals().settled.nano();
    let now_ms = bench.now.wall_ms;
    match step {
        Step::Hold { key, hold, tokens, first } => {
            let admit = Admit { key: KEYS[key], ..admit(hold, tokens, first) };
            let answer = denial(bench.machine.admit(&admit, bench.now, &mut Batch::new()));
            match answer {
                Ok(terms) => {
                    books.holds.insert(hold, (key, terms.held.nano()));
                }
                Err(Denial::DuplicateHold) => assert!(books.holds.contains_key(&hold)),
                Err(Denial::BudgetExceeded { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        Step::Extend { hold, tokens } => {
            let before = held(bench);
            if bench.extend(hold, 0, tokens).is_ok() {
                books.holds.get_mut(&hold).unwrap().1 += held(bench) - before;
            }
        }
        Step::Settle { hold, tokens } => {
            let before = settled(bench);
            if bench.settle(hold, tokens).is_ok() {
                let (key, _) = books.holds.remove(&hold).unwrap();
                books.charges.push((key, now_ms, settled(bench) - before));
            }
        }
        Step::Void { hold } => {
            assert_eq!(bench.void(hold).is_ok(), books.holds.remove(&hold).is_some());
        }
        Step::Wait { hours } => wait(bench, hours),
        Step::SetKey { key, period, nano } => {
            set(bench, KEYS[key], &[budget(period, nano)]);
            books.set(Some(key), period, nano, now_ms);
        }
        Step::SetAccount { period, nano } => {
            bench.order(&Order::SetBudgets(vec![budget(period, nano)])).unwrap();
            books.set(None, period, nano, now_ms);
        }
        Step::Restart => bench.restart(),
    }
}
