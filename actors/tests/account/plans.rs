//! Plans: what holds of an account, and what it pays for what it has begun.

use std::sync::Arc;
use std::time::Duration;

use infergate_actors::account::{
    Account, Denial, Event, Fallback, Limits, Order, Overrides, PlanEvent, PlanOrder, PlanTerms,
    Plans,
};
use infergate_actors::ledger::Batch;
use infergate_actors::money::Markup;

use crate::bench::{Bench, UNIT, admit, denial};

fn plan(name: &str, markup: &str, per_minute: Option<u32>, models: &[&str]) -> PlanTerms {
    PlanTerms {
        name: name.into(),
        limits: Limits { requests_per_minute: per_minute, ..Limits::default() },
        models: models.iter().map(|&model| model.to_owned()).collect(),
        markup: markup.parse().unwrap_or_else(|error| panic!("{markup}: {error}")),
        offer: None,
    }
}

fn set(bench: &mut Bench, plans: Vec<PlanTerms>, default: Option<&str>) -> bool {
    bench.machine.set_plans(Arc::new(Plans::new(plans, default)), bench.now)
}

fn assign(bench: &mut Bench, name: Option<&str>) -> Result<(), Denial> {
    bench.order(&Order::Plan(Box::new(PlanOrder::Assign(name.map(str::to_owned)))))
}

fn overrides(bench: &mut Bench, overrides: Overrides) {
    let order = Order::Plan(Box::new(PlanOrder::Override(overrides)));
    assert_eq!(bench.order(&order), Ok(()));
}

fn bench(credit: i64) -> Bench {
    let mut bench = Bench::new(Limits::default(), Limits::default());
    assert_eq!(bench.grant(credit, None, "credit"), Ok(()));
    bench
}

fn held(bench: &mut Bench, hold: u128, tokens: u64) -> Result<i64, Denial> {
    bench.admit(hold, tokens, tokens).map(|terms| terms.held.nano())
}

fn settled(bench: &Bench) -> i64 {
    bench.machine.account().totals().settled.nano()
}

#[test]
fn an_account_pays_what_its_plan_says_and_a_running_exchange_what_it_began_at() {
    let mut bench = bench(10_000);
    set(&mut bench, vec![plan("a", "20%", None, &[]), plan("b", "100%", None, &[])], None);
    assert_eq!(held(&mut bench, 1, 100), Ok(100), "without a plan, the list price");
    assign(&mut bench, Some("a")).unwrap();
    assert_eq!(held(&mut bench, 2, 100), Ok(120));
    assign(&mut bench, Some("b")).unwrap();
    assert_eq!(held(&mut bench, 3, 100), Ok(200));
    // Each goes on, and ends, at its own.
    assert_eq!(bench.extend(2, 100, 200), Ok(200));
    assert_eq!(
        bench.machine.account().holds().values().map(|it| it.amount.nano()).sum::<i64>(),
        540
    );
    bench.restart();
    for (hold, tokens, charged) in [(2, 200, 240), (1, 100, 100), (3, 100, 200)] {
        let before = settled(&bench);
        bench.settle(hold, tokens).unwrap();
        assert_eq!(settled(&bench) - before, charged, "{hold}");
    }
}

#[test]
fn other_figures_of_a_plan_hold_from_the_next_request_on() {
    let mut bench = bench(10_000);
    set(&mut bench, vec![plan("a", "0%", Some(5), &[])], Some("a"));
    assert_eq!(held(&mut bench, 1, 100), Ok(100));
    let cheaper = vec![plan("a", "-50%", Some(2), &["sim-small"])];
    assert!(set(&mut bench, cheaper, Some("a")));
    assert_eq!(held(&mut bench, 2, 100), Ok(50));
    // What was left of the bucket stays, as far as it fits: two, and one of them is taken.
    assert_eq!(held(&mut bench, 3, 2), Ok(1));
    let refused = held(&mut bench, 4, 1).unwrap_err();
    assert!(matches!(refused, Denial::RequestRate { limit: 2, .. }), "{refused:?}");
    bench.advance(Duration::from_mins(1));
    set(&mut bench, vec![plan("a", "0%", None, &["gpt-*"])], Some("a"));
    assert_eq!(held(&mut bench, 5, 1), Err(Denial::ModelNotInPlan));
    bench.settle(1, 100).unwrap();
    bench.settle(2, 100).unwrap();
    assert_eq!(settled(&bench), 150);
}

#[test]
fn the_first_that_says_something_holds() {
    let per_minute = |limit| Limits { requests_per_minute: limit, ..Limits::default() };
    let mut bench = bench(10_000);
    let admits = |bench: &mut Bench| {
        bench.advance(Duration::from_mins(2));
        let mut batch = Batch::new();
        let ask = |hold| admit(1_000 + hold, 1, 1);
        (0..100_u128)
            .take_while(|hold| {
                let admitted =
                    denial(bench.machine.admit(&ask(*hold), bench.now, &mut batch)).is_ok();
                if admitted {
                    bench.void(1_000 + hold).unwrap();
                }
                admitted
            })
            .count()
    };
    let plans = || vec![plan("a", "0%", Some(4), &[]), plan("d", "0%", Some(3), &[])];
    set(&mut bench, plans(), Some("d"));
    assert_eq!(admits(&mut bench), 3, "the default plan's");
    assign(&mut bench, Some("a")).unwrap();
    assert_eq!(admits(&mut bench), 4, "the plan's");
    bench.order(&Order::SetLimits(per_minute(Some(6)))).unwrap();
    assert_eq!(admits(&mut bench), 6, "its own");
    let limits = Some(per_minute(Some(2)));
    overrides(&mut bench, Overrides { limits, ..Overrides::default() });
    assert_eq!(admits(&mut bench), 2, "the override's");
    bench.restart();
    set(&mut bench, plans(), Some("d"));
    assert_eq!(admits(&mut bench), 2, "also of one that has just started, with full buckets");
    let unlimited = Some(Limits::default());
    overrides(&mut bench, Overrides { limits: unlimited, ..Overrides::default() });
    assert_eq!(admits(&mut bench), 100, "one that sets none is none");
    overrides(&mut bench, Overrides::default());
    bench.order(&Order::SetLimits(Limits::default())).unwrap();
    assert_eq!(admits(&mut bench), 4, "the plan's again");
}

#[test]
fn overrides_of_models_and_markup_stand_over_the_plan() {
    let mut bench = bench(10_000);
    set(&mut bench, vec![plan("a", "10%", None, &["gpt-*"])], None);
    assign(&mut bench, Some("a")).unwrap();
    assert_eq!(held(&mut bench, 1, 100), Err(Denial::ModelNotInPlan));
    let models = Some(vec!["sim-*".to_owned()]);
    overrides(&mut bench, Overrides { models: models.clone(), ..Overrides::default() });
    assert_eq!(held(&mut bench, 1, 100), Ok(110));
    overrides(&mut bench, Overrides { models, markup: Some(Markup(900_000)), limits: None });
    assert_eq!(held(&mut bench, 2, 100), Ok(90));
    let fallback = |model: &str| Fallback { model: model.into(), free: false, rates: UNIT };
    let mut question = admit(3, 100, 100);
    question.fallbacks = vec![fallback("gpt-large"), fallback("sim-large")];
    let terms = bench.machine.admit(&question, bench.now, &mut Batch::new()).unwrap();
    assert_eq!(terms.fallbacks_allowed.as_slice(), [false, true]);
}

#[test]
fn on_a_plan_that_is_gone_nothing_is_sold_at_a_guessed_price() {
    let mut bench = bench(10_000);
    let standard = || plan("standard", "0%", Some(2), &[]);
    set(&mut bench, vec![standard(), plan("gone", "50%", None, &[])], Some("standard"));
    assign(&mut bench, Some("gone")).unwrap();
    assert_eq!(held(&mut bench, 1, 100), Ok(150));
    assert!(!set(&mut bench, vec![standard()], Some("standard")));
    assert_eq!(held(&mut bench, 2, 100), Err(Denial::PlanMissing));
    let mut free = admit(3, 100, 100);
    (free.free, free.rates) = (true, infergate_actors::money::Rates::default());
    let mut ask = |hold| {
        let asked = infergate_actors::account::Admit {
            hold: infergate_actors::id::HoldId::from_bits(hold),
            ..free.clone()
        };
        denial(bench.machine.admit(&asked, bench.now, &mut Batch::new())).map(drop)
    };
    assert_eq!(ask(3), Ok(()));
    assert_eq!(ask(4), Ok(()));
    assert!(matches!(ask(5), Err(Denial::RequestRate { limit: 2, .. })), "the default's limits");
    // What ran before goes on, at its price.
    assert_eq!(bench.extend(1, 100, 200), Ok(200));
    bench.settle(1, 200).unwrap();
    assert_eq!(settled(&bench), 300);
    assert_eq!(assign(&mut bench, Some("nowhere")), Err(Denial::UnknownPlan));
    assign(&mut bench, None).unwrap();
    bench.advance(Duration::from_mins(1));
    assert_eq!(held(&mut bench, 6, 100), Ok(100));
}

#[test]
fn a_price_is_written_when_it_changes_and_not_with_each_request() {
    let mut bench = bench(10_000);
    set(&mut bench, vec![plan("a", "20%", None, &[])], Some("a"));
    let mut batch = Batch::new();
    for hold in 1..4 {
        bench.machine.admit(&admit(hold, 10, 10), bench.now, &mut batch).unwrap();
    }
    let priced = |(record, _): &(infergate_actors::ledger::Record, _)| match &record.event {
        Event::Plan(event) => Some(event.as_ref().clone()),
        _ => None,
    };
    let found: Vec<PlanEvent> = batch.decoded().iter().filter_map(priced).collect();
    assert_eq!(found, [PlanEvent::Priced { markup: Markup(1_200_000) }]);
    // A batch of codes is nobody's account and pays nothing.
    let codes = infergate_actors::account::CodeBatch {
        name: "codes".into(),
        hashes: vec![infergate_actors::id::KeyHash([1; 32])],
        kind: infergate_actors::account::GrantKind::Promotional,
        amount: infergate_actors::money::NanoUsd::from_nano(1),
        uses_max: 1,
        expires_at_ms: None,
        lasts_ms: None,
    };
    let id = infergate_actors::id::AccountId::new(1, 2);
    let mut batch_of_codes = Bench {
        machine: infergate_actors::account::Machine::new(Account::new(id), bench.now),
        now: bench.now,
    };
    set(&mut batch_of_codes, vec![plan("a", "20%", None, &[])], Some("a"));
    batch_of_codes.order(&Order::MakeCodes(codes)).unwrap();
    assert_eq!(batch_of_codes.machine.account().number(), 1);
}
