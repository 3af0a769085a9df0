//! Projects, and what keys have beside their settings: referrers, and the guard.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Admit, Budget, Denial, End, Event, Fallback, GuardRules, KeyChange, Limits, NewKey, NewProject,
    Order, Origin, Period, Presented, ProjectChange, Scope, Settle, Suspicion, Terms, UsageRecord,
};
use infergate_actors::id::{HoldId, KeyHash, KeyId, ProjectId};
use infergate_actors::ledger::Batch;
use infergate_actors::money::Usage;

use crate::bench::{Bench, UNIT, admit, denial};
use crate::credit::nano;

const KEYS: [KeyId; 2] = [KeyId(1), KeyId(2)];
const PROJECT: ProjectId = ProjectId(1);

fn new_key(hash: u8, rest: Vec<KeyChange>) -> NewKey {
    NewKey {
        hash: KeyHash([hash; 32]),
        hint: "efgh".into(),
        name: "other".into(),
        models: Vec::new(),
        expires_at_ms: None,
        limits: Limits::default(),
        rest,
    }
}

/// An account with credit, a project as it is wanted, and two keys in it.
fn bench(project: NewProject) -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    bench.grant(1_000_000, None, "first").unwrap();
    bench.order(&Order::CreateProject(project)).unwrap();
    change(&mut bench, KEYS[0], KeyChange::Project(Some(PROJECT)));
    let joins = vec![KeyChange::Project(Some(PROJECT))];
    bench.order(&Order::CreateKey(new_key(8, joins))).unwrap();
    bench
}

fn change(bench: &mut Bench, key: KeyId, change: KeyChange) {
    bench.order(&Order::ChangeKey { key, changes: vec![change] }).unwrap();
}

fn change_project(bench: &mut Bench, change: ProjectChange) {
    let changes = vec![change];
    bench.order(&Order::ChangeProject { project: PROJECT, changes }).unwrap();
}

fn ask(bench: &mut Bench, key: KeyId, hold: u128, tokens: u64) -> Result<Terms, Denial> {
    let asked = Admit { key, ..admit(hold, tokens, tokens) };
    denial(bench.machine.admit(&asked, bench.now, &mut Batch::new()))
}

fn in_project(limits: Limits, budgets: Vec<Budget>) -> NewProject {
    NewProject { name: "team".into(), models: Vec::new(), limits, budgets }
}

fn day(amount: i64) -> Vec<Budget> {
    vec![Budget { period: Period::Day, limit: nano(amount) }]
}

/// What budgets of the project leave of what was taken.
fn taken(bench: &Bench) -> (i64, i64) {
    let snapshot = bench.copy();
    let project = snapshot.machine.account().project(PROJECT).unwrap().clone();
    let views = project.budget_views(bench.now.wall_ms);
    (views[0].spent.nano(), views[0].held.nano())
}

#[test]
fn keys_of_a_project_share_its_budget_and_one_that_is_moved_leaves_its_holds_behind() {
    let mut bench = bench(in_project(Limits::default(), day(100)));
    assert_eq!(ask(&mut bench, KEYS[0], 1, 60).unwrap().held, nano(60));
    assert_eq!(ask(&mut bench, KEYS[1], 2, 60).unwrap().held, nano(40), "what is left");
    let refused = Denial::BudgetExceeded {
        scope: Scope::Project,
        period: Period::Day,
        limit: nano(100),
        resets_at_ms: Some(86_400_000),
    };
    assert_eq!(ask(&mut bench, KEYS[1], 3, 1).unwrap_err(), refused);

    // Out of the project, the key is free; what it held before is the project's still.
    change(&mut bench, KEYS[1], KeyChange::Project(None));
    assert_eq!(ask(&mut bench, KEYS[1], 3, 500).unwrap().held, nano(500));
    assert_eq!(taken(&bench), (0, 100));
    assert_eq!(bench.extend(2, 40, 50), Err(refused));
    bench.settle(2, 90).unwrap();
    assert_eq!(taken(&bench), (40, 60));
    assert_eq!(bench.machine.account().totals().absorbed, nano(50), "not beyond the budget");
    bench.settle(3, 500).unwrap();
    assert_eq!(taken(&bench), (40, 60), "spent by nobody's project");
    bench.void(1).unwrap();
    assert_eq!(taken(&bench), (40, 0));
    bench.advance(Duration::from_hours(24));
    assert_eq!(taken(&bench), (0, 0));
}

#[test]
fn what_was_held_before_the_first_budget_counts_and_what_was_spent_does_not() {
    let mut bench = bench(in_project(Limits::default(), Vec::new()));
    ask(&mut bench, KEYS[0], 1, 70).unwrap();
    bench.settle(1, 70).unwrap();
    ask(&mut bench, KEYS[0], 2, 70).unwrap();
    change_project(&mut bench, ProjectChange::Budgets(day(100)));
    assert_eq!(taken(&bench), (0, 70));
    assert_eq!(ask(&mut bench, KEYS[1], 3, 50).unwrap().held, nano(30));
}

#[test]
fn limits_of_a_project_are_for_all_its_keys_and_the_tightest_is_told() {
    let limits =
        Limits { requests_per_minute: Some(3), in_flight: Some(2), tokens_per_minute: Some(1_000) };
    let mut bench = bench(in_project(limits, Vec::new()));
    let first = ask(&mut bench, KEYS[0], 1, 10).unwrap();
    assert_eq!(first.rate.requests.map(|rate| (rate.limit, rate.remaining)), Some((3, 2)));
    ask(&mut bench, KEYS[1], 2, 10).unwrap();
    let full = Denial::InFlight { scope: Scope::Project, limit: 2 };
    assert_eq!(ask(&mut bench, KEYS[0], 3, 10).unwrap_err(), full);
    bench.restart();
    assert_eq!(ask(&mut bench, KEYS[0], 3, 10).unwrap_err(), full, "they run still");
    // Out of the project, but its request counts to it until it ends.
    change(&mut bench, KEYS[1], KeyChange::Project(None));
    assert_eq!(ask(&mut bench, KEYS[0], 3, 10).unwrap_err(), full);
    ask(&mut bench, KEYS[1], 4, 10).unwrap();
    bench.settle(2, 10).unwrap();
    for hold in [3, 5, 6] {
        ask(&mut bench, KEYS[0], hold, 10).unwrap();
        bench.settle(hold, 10).unwrap();
    }
    let refused = ask(&mut bench, KEYS[0], 7, 10).unwrap_err();
    let Denial::RequestRate { scope: Scope::Project, limit: 3, .. } = refused else {
        panic!("{refused:?}")
    };
    change_project(&mut bench, ProjectChange::Limits(Limits::default()));
    ask(&mut bench, KEYS[0], 7, 10_000).unwrap();
}

#[test]
fn a_key_may_use_only_what_its_project_may() {
    let only = NewProject { models: vec!["sim-*".into()], ..in_project(Limits::default(), vec![]) };
    let mut bench = bench(only);
    let fallback = |model: &str| Fallback { model: model.into(), free: false, rates: UNIT };
    let asked = |hold, model: &str| Admit {
        key: KEYS[1],
        model: model.into(),
        fallbacks: vec![fallback("gpt"), fallback("sim-b")],
        ..admit(hold, 5, 5)
    };
    let ask = |bench: &mut Bench, asked: &Admit| {
        denial(bench.machine.admit(asked, bench.now, &mut Batch::new()))
    };
    assert_eq!(ask(&mut bench, &asked(1, "gpt")).unwrap_err(), Denial::ModelNotAllowed);
    let terms = ask(&mut bench, &asked(1, "sim-a")).unwrap();
    assert_eq!(terms.fallbacks_allowed.as_slice(), [false, true]);
    change_project(&mut bench, ProjectChange::Models(Vec::new()));
    assert!(ask(&mut bench, &asked(2, "gpt")).is_ok());
}

#[test]
fn keys_of_an_archived_project_do_not_work_until_it_is_restored_and_what_runs_goes_on() {
    let mut bench = bench(in_project(Limits::default(), day(100)));
    ask(&mut bench, KEYS[0], 1, 10).unwrap();
    bench.order(&Order::ArchiveProject(PROJECT)).unwrap();
    let before = bench.machine.account().number();
    bench.order(&Order::ArchiveProject(PROJECT)).unwrap();
    assert_eq!(bench.machine.account().number(), before, "it is archived already");
    assert_eq!(ask(&mut bench, KEYS[0], 2, 1).unwrap_err(), Denial::ProjectArchived);
    assert_eq!(bench.extend(1, 10, 20), Ok(20));
    bench.settle(1, 20).unwrap();
    let joins = vec![KeyChange::Project(Some(PROJECT))];
    let refused = bench.order(&Order::CreateKey(new_key(9, joins)));
    assert_eq!(refused, Err(Denial::ProjectArchived));
    change(&mut bench, KEYS[1], KeyChange::Project(None));
    ask(&mut bench, KEYS[1], 3, 1).unwrap();
    bench.order(&Order::RestoreProject(PROJECT)).unwrap();
    ask(&mut bench, KEYS[0], 2, 1).unwrap();
    let stranger = KeyChange::Project(Some(ProjectId(2)));
    let order = Order::ChangeKey { key: KEYS[0], changes: vec![stranger] };
    assert_eq!(bench.order(&order), Err(Denial::UnknownProject));
    assert_eq!(bench.order(&Order::ArchiveProject(ProjectId(0))), Err(Denial::UnknownProject));
}

#[test]
fn a_key_with_referrers_is_used_from_their_pages_only() {
    let mut bench = bench(in_project(Limits::default(), Vec::new()));
    let ask = |bench: &mut Bench, hold, origin: Origin| {
        let presented = Presented { origin, ..Presented::default() };
        let asked = Admit { presented, ..admit(hold, 1, 1) };
        denial(bench.machine.admit(&asked, bench.now, &mut Batch::new())).map(drop)
    };
    ask(&mut bench, 1, Origin::Unsaid).unwrap();
    change(&mut bench, KEYS[0], KeyChange::Referrers(vec!["*.example.com".into()]));
    ask(&mut bench, 2, Origin::Of("https://app.example.com".into())).unwrap();
    for elsewhere in [Origin::Unsaid, Origin::Of("https://example.org".into())] {
        assert_eq!(ask(&mut bench, 3, elsewhere), Err(Denial::ReferrerNotAllowed));
    }
    bench.restart();
    assert_eq!(ask(&mut bench, 3, Origin::Unsaid), Err(Denial::ReferrerNotAllowed));
    let wrong = vec![KeyChange::Referrers(vec!["a b".into()])];
    let refused = bench.order(&Order::ChangeKey { key: KEYS[0], changes: wrong });
    assert_eq!(refused, Err(Denial::BadReferrer));
    change(&mut bench, KEYS[0], KeyChange::Referrers(Vec::new()));
    ask(&mut bench, 3, Origin::Unsaid).unwrap();
}

/// An account under a guard that learns for a day.
struct Watched(Bench, u128);

impl Watched {
    fn start() -> Self {
        let mut watched = Self(bench(in_project(Limits::default(), Vec::new())), 0);
        watched.guard();
        watched
    }

    fn guard(&mut self) {
        let rules = GuardRules {
            learning: Duration::from_hours(24),
            networks_new_max: Some(2),
            networks_within: Duration::from_hours(1),
            spend_factor: Some(10),
            spend_floor: nano(50),
        };
        self.0.machine.set_guard(Some(Arc::new(rules)));
    }

    /// One request from a network; what was written at its end.
    fn asks(&mut self, network: u8, tokens: u64) -> Result<Vec<Event>, Denial> {
        let Self(bench, hold) = self;
        *hold += 1;
        ask(bench, KEYS[0], *hold, tokens)?;
        let client = Some(IpAddr::from([10, 0, network, 1]));
        let settle = Settle {
            hold: HoldId::from_bits(*hold),
            usage: Usage { output: tokens, ..Usage::default() },
            estimated: false,
            rates: UNIT,
            end: End::Completed,
            record: UsageRecord { client, ..UsageRecord::default() },
        };
        let mut batch = Batch::new();
        denial(bench.machine.settle(settle, bench.now, &mut batch)).unwrap();
        Ok(batch.decoded().into_iter().map(|(record, _)| record.event).skip(1).collect())
    }

    fn rotate(&mut self, hash: u8) {
        let (hash, hint) = (KeyHash([hash; 32]), "next".to_owned());
        let overlap = Duration::from_hours(100);
        self.0.order(&Order::RotateKey { key: KEYS[0], hash, hint, overlap }).unwrap();
    }
}

#[test]
fn a_key_that_comes_from_many_new_networks_is_stopped_until_it_is_released() {
    let mut watched = Watched::start();
    assert_eq!(watched.asks(0, 1), Ok(vec![Event::KeyGuarded { key: KEYS[0], on: true }]));
    for network in 1..9 {
        assert_eq!(watched.asks(network, 1), Ok(vec![]), "it is being learned");
    }
    watched.0.advance(Duration::from_hours(30));
    // A restart forgets nothing, and restricts nobody.
    watched.0.restart();
    watched.guard();
    for network in [1, 21, 22] {
        assert_eq!(watched.asks(network, 1), Ok(vec![]));
    }
    let suspicion = Suspicion::Networks { new: 3 };
    assert_eq!(watched.asks(23, 1), Ok(vec![Event::KeyRestricted { key: KEYS[0], suspicion }]));
    assert_eq!(watched.asks(1, 1), Err(Denial::KeyRestricted));
    watched.0.restart();
    watched.guard();
    assert_eq!(watched.asks(1, 1), Err(Denial::KeyRestricted));
    assert!(ask(&mut watched.0, KEYS[1], 900, 1).is_ok(), "another key");
    let (by, reason) = ("tester".to_owned(), "mine".to_owned());
    let release = Order::ReleaseKey { key: KEYS[0], by, reason };
    watched.0.order(&release).unwrap();
    let number = watched.0.machine.account().number();
    watched.0.order(&release).unwrap();
    assert_eq!(watched.0.machine.account().number(), number, "it is released already");
    for network in [21, 22, 23] {
        assert_eq!(watched.asks(network, 1), Ok(vec![]));
    }
}

#[test]
fn a_key_that_spends_as_never_before_is_stopped_until_it_is_rotated_and_no_secret_outlives_that() {
    let mut watched = Watched::start();
    watched.asks(0, 1).unwrap();
    for _ in 0..30 {
        assert_eq!(watched.asks(0, 10), Ok(vec![]));
        watched.0.advance(Duration::from_hours(1));
    }
    assert_eq!(watched.asks(0, 100), Ok(vec![]));
    watched.rotate(20);
    let suspicion = Suspicion::Spend { spent: nano(101), usual: nano(10) };
    assert_eq!(watched.asks(0, 1), Ok(vec![Event::KeyRestricted { key: KEYS[0], suspicion }]));
    assert_eq!(watched.asks(0, 1), Err(Denial::KeyRestricted));
    watched.rotate(21);
    assert_eq!(watched.asks(0, 1), Ok(vec![]));
    for (hash, expected) in [(7, false), (20, false), (21, true)] {
        let presented = Presented { secret: Some(KeyHash([hash; 32])), ..Presented::default() };
        let asked = Admit { presented, ..admit(1_000 + u128::from(hash), 1, 1) };
        let bench = &mut watched.0;
        let answer = denial(bench.machine.admit(&asked, bench.now, &mut Batch::new()));
        assert_eq!(answer.is_ok(), expected, "{hash}: {answer:?}");
    }
}

#[test]
fn nothing_is_kept_of_keys_when_nobody_looks() {
    let mut watched = Watched::start();
    watched.0.machine.set_guard(None);
    assert_eq!(watched.asks(0, 1), Ok(vec![]));
    watched.guard();
    assert_eq!(watched.asks(0, 1), Ok(vec![Event::KeyGuarded { key: KEYS[0], on: true }]));
    let larger = watched.0.machine.account().snapshot().len();
    watched.0.machine.set_guard(None);
    assert_eq!(watched.asks(0, 1), Ok(vec![Event::KeyGuarded { key: KEYS[0], on: false }]));
    assert!(watched.0.machine.account().snapshot().len() < larger);
    assert_eq!(watched.asks(0, 1), Ok(vec![]));
}
