//! Everything at once, at random: credit of all kinds that comes, lapses, is paid back and disputed;
//! several keys and projects, each with budgets that change, and keys that move between projects; periods
//! that end; restarts from a snapshot and from the events alone.
//!
//! On top of the judge of [`crate::credit_random`], a second one that reads the events and keeps no sums:
//! of each hold, whose budgets applied to it when it was taken.

use std::time::Duration;

use infergate_actors::account::{
    Admit, KeyChange, Limits, Machine, NewKey, NewProject, Order, Period,
};
use infergate_actors::id::{KeyHash, KeyId, ProjectId};
use infergate_actors::ledger::Batch;
use proptest::prelude::*;

use crate::bench::Bench;
use crate::books::{Budgets, Owner, budget_order};
use crate::credit::{self, question, rules};
use crate::credit_random::{self, MODELS, Run};

const KEYS: [KeyId; 4] = [KeyId(1), KeyId(2), KeyId(3), KeyId(4)];
const PROJECTS: [ProjectId; 3] = [ProjectId(1), ProjectId(2), ProjectId(3)];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Of the account's money, and what becomes of holds.
    Money(credit_random::Step),
    Hold {
        key: usize,
        hold: u128,
        model: usize,
        fallback: Option<usize>,
        tokens: u64,
        first: u64,
    },
    Wait {
        hours: u64,
    },
    Budget {
        owner: Owner,
        period: Period,
        nano: Option<i64>,
    },
    Move {
        key: usize,
        project: Option<usize>,
    },
    Archive {
        project: usize,
        is_archived: bool,
    },
    Replay,
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        1 => Just(Owner::Account),
        2 => prop::sample::select(&KEYS).prop_map(Owner::Key),
        3 => prop::sample::select(&PROJECTS).prop_map(Owner::Project),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let model = || 0..MODELS.len();
    let hold = (0..KEYS.len(), 0..8_u128, model(), proptest::option::of(model()));
    prop_oneof![
        12 => credit_random::step().prop_map(Step::Money),
        10 => (hold, 1..200_u64, 1..200_u64).prop_map(
            |((key, hold, model, fallback), tokens, first)| {
                Step::Hold { key, hold, model, fallback, tokens, first }
            }
        ),
        2 => (0..200_u64).prop_map(|hours| Step::Wait { hours }),
        3 => (owner(), prop::sample::select(&Period::ALL), proptest::option::weighted(0.9, 0..400_i64))
            .prop_map(|(owner, period, nano)| Step::Budget { owner, period, nano }),
        3 => (0..KEYS.len(), proptest::option::weighted(0.8, 0..PROJECTS.len()))
            .prop_map(|(key, project)| Step::Move { key, project }),
        1 => (0..PROJECTS.len(), any::<bool>())
            .prop_map(|(project, is_archived)| Step::Archive { project, is_archived }),
        1 => Just(Step::Replay),
    ]
}

/// Four keys, three projects, and a first budget for each of them, since spending counts from there.
fn begin(books: &mut Budgets) -> Run {
    let mut run = Run::new(credit::bench(rules()));
    let mut batch = Batch::new();
    for number in [3, 4] {
        let key = NewKey {
            hash: KeyHash([number + 10; 32]),
            hint: "ijkl".into(),
            name: "another".into(),
            models: Vec::new(),
            expires_at_ms: None,
            limits: Limits::default(),
            rest: Vec::new(),
        };
        run.order(&Order::CreateKey(key), &mut batch);
    }
    for project in PROJECTS {
        let name = project.to_string();
        run.order(&Order::CreateProject(NewProject { name, ..NewProject::default() }), &mut batch);
        run.order(&budget_order(Owner::Project(project), Period::Day, Some(300)), &mut batch);
    }
    for key in KEYS {
        run.order(&budget_order(Owner::Key(key), Period::Week, Some(300)), &mut batch);
    }
    run.order(&budget_order(Owner::Account, Period::Month, Some(2_000)), &mut batch);
    // The first key is for fewer models than these tests ask for.
    let changes = vec![KeyChange::Models(Vec::new())];
    run.order(&Order::ChangeKey { key: KEYS[0], changes }, &mut batch);
    run.witness.read(&batch);
    read(books, &batch);
    run
}

fn read(books: &mut Budgets, batch: &Batch) {
    batch.decoded().iter().for_each(|(record, _)| books.take(record));
}

fn take(run: &mut Run, step: Step, place: usize) -> Batch {
    let mut batch = Batch::new();
    match step {
        Step::Money(step) => return run.take(step, place),
        Step::Hold { key, hold, model, fallback, tokens, first } => {
            let asked = question(hold, MODELS[model], tokens);
            let asked = Admit { key: KEYS[key], completion_tokens_first: first, ..asked };
            run.hold(asked, (model, fallback), &mut batch);
        }
        Step::Wait { hours } => run.bench.advance(Duration::from_hours(hours)),
        Step::Budget { owner, period, nano } => {
            run.order(&budget_order(owner, period, nano), &mut batch);
        }
        Step::Move { key, project } => {
            let project = project.map(|project| PROJECTS[project]);
            let is_archived = |project| {
                let known = run.bench.machine.account().project(project);
                known.expect("a project").archived_at_ms.is_some()
            };
            if !project.is_some_and(is_archived) {
                let changes = vec![KeyChange::Project(project)];
                run.order(&Order::ChangeKey { key: KEYS[key], changes }, &mut batch);
            }
        }
        Step::Archive { project, is_archived } => {
            let order = if is_archived { Order::ArchiveProject } else { Order::RestoreProject };
            run.order(&order(PROJECTS[project]), &mut batch);
        }
        Step::Replay => {
            let machine = Machine::new(run.witness.copy.clone(), run.bench.now);
            run.go_on_with(Bench { machine, now: run.bench.now });
        }
    }
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_order_of_anything_breaks_the_balance_a_lot_or_any_budget_that_applied(
        steps in prop::collection::vec(step(), 1..160),
    ) {
        let mut books = Budgets::default();
        let mut run = begin(&mut books);
        for (place, step) in steps.into_iter().enumerate() {
            let batch = take(&mut run, step, place);
            run.witness.read(&batch);
            read(&mut books, &batch);
            books.check(run.bench.now.wall_ms);
            let (account, witness) = (run.bench.machine.account(), &run.witness);
            prop_assert_eq!(account, &witness.copy);
            prop_assert_eq!(account.totals().remaining.nano(), witness.books.balance());
            prop_assert!(account.totals().held <= account.totals().remaining);
            prop_assert_eq!(account.totals().held.nano(), books.held());
        }
        // What is held is covered, by the credit and by every budget: it settles in full.
        let account = run.bench.machine.account();
        let open: Vec<_> = account.holds().iter().map(|(id, hold)| (*id, hold.amount)).collect();
        let before = account.totals().absorbed;
        for (hold, amount) in open {
            run.bench.settle(hold.0, u64::try_from(amount.nano()).unwrap()).unwrap();
        }
        prop_assert_eq!(run.bench.machine.account().totals().absorbed, before);
    }
}
