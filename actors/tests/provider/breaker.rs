//! The breaker, by scripts and a table of every state and event.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use infergate_actors::provider::breaker::{Breaker, Gate, Permit, State, Turn};
use infergate_actors::provider::{BreakerSettings, FaultKind};
use proptest::prelude::*;

fn settings() -> BreakerSettings {
    BreakerSettings {
        failures_max: 3,
        failure_percent: 50,
        samples_min: 8,
        window: ms(10_000),
        cooldown: ms(1_000),
        cooldown_max: ms(6_000),
        relapse_window: ms(20_000),
        probe_timeout: ms(5_000),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs a script. A line is a time in milliseconds, a command, and what one more request would be told
/// then. `in A` lets a request in and calls it A; `A ok`, `A fail [retry-after]` and `A lost` end it;
/// `ok`, `fail` and `lost` alone do both.
fn check(script: &str) {
    let mut breaker = Breaker::new(settings());
    let mut permits: BTreeMap<String, Permit> = BTreeMap::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("=>").expect("a command => a gate");
        let words: Vec<&str> = command.split_whitespace().collect();
        let now = ms(words[0].parse().expect("a time"));
        match words[1..] {
            [] => {}
            ["in", name] => match breaker.enter(now) {
                Ok(permit) => drop(permits.insert(name.to_owned(), permit)),
                Err(gate) => {
                    assert_eq!(format!("refused, {}", told(gate)), expected.trim(), "{line}");
                    continue;
                }
            },
            [outcome @ ("ok" | "fail" | "lost")] => {
                let permit = breaker.enter(now).expect("a request let in");
                end(&mut breaker, now, permit, outcome, None);
            }
            [name, outcome, ref retry_after @ ..] => {
                let permit = permits[name];
                let retry_after = retry_after.first().map(|text| ms(text.parse().expect("a time")));
                end(&mut breaker, now, permit, outcome, retry_after);
            }
            _ => panic!("no such command: {line}"),
        }
        assert_eq!(told(breaker.gate(now)), expected.trim(), "{line}");
    }
}

fn end(
    breaker: &mut Breaker,
    now: Duration,
    permit: Permit,
    outcome: &str,
    retry_after: Option<Duration>,
) -> Turn {
    match outcome {
        "ok" => breaker.on_success(now, permit),
        "fail" => breaker.on_failure(now, permit, FaultKind::HeadTimeout, retry_after),
        "lost" => breaker.on_lost(now, permit),
        _ => panic!("no such outcome: {outcome}"),
    }
}

fn told(gate: Gate) -> String {
    match gate {
        Gate::Passing => "passing".to_owned(),
        Gate::ProbeDue => "probe due".to_owned(),
        Gate::Probing => "probing".to_owned(),
        Gate::Shut { until } => format!("shut until {}", until.as_millis()),
    }
}

#[test]
fn failures_in_a_row_shut_it_and_a_success_between_them_does_not() {
    check(
        "
        0 fail => passing
        1 fail => passing
        2 ok   => passing
        3 fail => passing
        4 lost => passing
        5 fail => passing
        6 fail => shut until 1006
        1005   => shut until 1006
        1006   => probe due
    ",
    );
}

#[test]
fn a_share_of_failures_shuts_it_once_there_are_enough_requests() {
    check(
        "
        0    fail => passing
        1    ok   => passing
        2    fail => passing
        3    fail => passing
        4    ok   => passing
        5    fail => passing
        6    ok   => passing
        7    fail => shut until 1007
    ",
    );
}

#[test]
fn failures_older_than_the_window_are_forgotten() {
    check(
        "
        0     fail => passing
        1     ok   => passing
        2     fail => passing
        3     fail => passing
        4     ok   => passing
        5     fail => passing
        11000 ok   => passing
        11001 fail => passing
        11002 ok   => passing
        11003 fail => passing
    ",
    );
}

#[test]
fn a_probe_that_succeeds_lets_everybody_in_again() {
    check(
        "
        0    fail => passing
        0    fail => passing
        0    fail => shut until 1000
        1000 in P => probing
        1001 in Q => refused, probing
        1500 P ok => passing
        1501 ok   => passing
    ",
    );
}

#[test]
fn on_probation_one_failure_is_enough() {
    let recovered = "
        0    fail => passing
        0    fail => passing
        0    fail => shut until 1000
        1000 ok   => passing
    ";
    for passed in 0..3 {
        let successes = "1001 ok => passing\n".repeat(passed);
        check(&format!("{recovered}{successes}1002 fail => shut until 3002"));
    }
    let off_probation = "1001 ok => passing\n1001 lost => passing\n".repeat(3);
    check(&format!(
        "{recovered}{off_probation}
        1002 fail => passing
        1003 fail => passing
        1004 fail => shut until 3004
    "
    ));
}

#[test]
fn a_relapse_doubles_the_cool_down_and_a_later_failure_begins_anew() {
    check(
        "
        0     fail => passing
        0     fail => passing
        0     fail => shut until 1000
        1000  ok   => passing
        1000  fail => shut until 3000
        3000  ok   => passing
        22999 fail => shut until 26999
        26999 ok   => passing
        26999 fail => shut until 32999
        32999 fail => shut until 38999
        38999 ok   => passing
        58999 fail => shut until 59999
    ",
    );
}

#[test]
fn a_probe_that_fails_doubles_the_cool_down_up_to_its_maximum() {
    check(
        "
        0     fail => passing
        0     fail => passing
        0     fail => shut until 1000
        1000  fail => shut until 3000
        3000  fail => shut until 7000
        7000  fail => shut until 13000
        13000 fail => shut until 19000
        19000 ok   => passing
    ",
    );
}

#[test]
fn a_probe_that_is_lost_starts_the_same_cool_down_again() {
    check(
        "
        0    fail => passing
        0    fail => passing
        0    fail => shut until 1000
        1000 fail => shut until 3000
        3000 lost => shut until 5000
        5000 lost => shut until 7000
        7000 fail => shut until 11000
    ",
    );
}

#[test]
fn a_probe_of_which_nothing_is_heard_gives_way_to_another() {
    check(
        "
        0     fail => passing
        0     fail => passing
        0     fail => shut until 1000
        1000  in P => probing
        5999       => probing
        6000       => probe due
        6000  in Q => probing
        6001  P ok => probing
        6002  in R => refused, probing
        6003  Q ok => passing
        6004  P fail => passing
    ",
    );
}

#[test]
fn a_provider_may_ask_for_a_longer_cool_down_but_not_a_shorter_or_endless_one() {
    for (asked, until) in [(10, 1_000), (2_500, 2_500), (3_600_000, 6_000)] {
        check(&format!(
            "
            0 fail => passing
            0 fail => passing
            0 in A => passing
            0 A fail {asked} => shut until {until}
        "
        ));
    }
}

#[test]
fn what_was_let_in_before_it_shut_says_nothing_after_it_has_recovered() {
    check(
        "
        0    in A => passing
        0    in B => passing
        0    in C => passing
        0    in D => passing
        0    in E => passing
        1    fail => passing
        1    fail => passing
        1    A fail => shut until 1001
        2    B fail 5000 => shut until 1001
        3    C ok => shut until 1001
        1001 ok => passing
        1002 B fail => passing
        1002 C fail => passing
        1002 D fail => passing
        1002 E lost => passing
    ",
    );
}

/// Each state, by how to get there: a breaker, the permit of a request that runs, and the time.
fn states() -> Vec<(&'static str, Breaker, Permit, Duration)> {
    let mut passing = Breaker::new(settings());
    let permit = passing.enter(ms(0)).unwrap();
    for _ in 0..2 {
        passing.on_failure(ms(0), permit, FaultKind::Cut, None);
    }
    let mut shut = passing.clone();
    shut.on_failure(ms(0), permit, FaultKind::Cut, None);
    let mut probing = shut.clone();
    let probe = probing.enter(ms(1_000)).unwrap();
    let mut recovered = probing.clone();
    recovered.on_success(ms(1_500), probe);
    let renewed = recovered.renew();
    vec![
        ("passing", passing, permit, ms(0)),
        ("shut", shut.clone(), permit, ms(500)),
        ("cooled", shut, permit, ms(1_000)),
        ("probing", probing.clone(), probe, ms(1_500)),
        ("silent", probing.clone(), probe, ms(6_000)),
        ("probing, old", probing.clone(), permit, ms(1_500)),
        ("probation", recovered, renewed, ms(2_000)),
    ]
}

#[test]
fn every_state_answers_every_event_as_it_always_did() {
    let mut table = String::new();
    for (state, breaker, permit, now) in states() {
        for event in ["in", "ok", "fail", "lost"] {
            let mut breaker = breaker.clone();
            let result = match event {
                "in" => match breaker.enter(now) {
                    Ok(Permit { probe: true, .. }) => "let in as probe".to_owned(),
                    Ok(Permit { probe: false, .. }) => "let in".to_owned(),
                    Err(_) => "refused".to_owned(),
                },
                outcome => match end(&mut breaker, now, permit, outcome, None) {
                    Turn::Stayed => "stayed".to_owned(),
                    Turn::Recovered => "recovered".to_owned(),
                    Turn::Tripped { cause, .. } => format!("tripped, {cause:?}"),
                },
            };
            let gate = told(breaker.gate(now));
            writeln!(table, "{state:12} {event:4} {result} -> {gate}").unwrap();
        }
    }
    let expected = "\
passing      in   let in -> passing
passing      ok   stayed -> passing
passing      fail tripped, FailuresInARow -> shut until 1000
passing      lost stayed -> passing
shut         in   refused -> shut until 1000
shut         ok   stayed -> shut until 1000
shut         fail stayed -> shut until 1000
shut         lost stayed -> shut until 1000
cooled       in   let in as probe -> probing
cooled       ok   stayed -> probe due
cooled       fail stayed -> probe due
cooled       lost stayed -> probe due
probing      in   refused -> probing
probing      ok   recovered -> passing
probing      fail tripped, ProbeFailed -> shut until 3500
probing      lost tripped, ProbeLost -> shut until 2500
silent       in   let in as probe -> probing
silent       ok   recovered -> passing
silent       fail tripped, ProbeFailed -> shut until 8000
silent       lost tripped, ProbeLost -> shut until 7000
probing, old in   refused -> probing
probing, old ok   stayed -> probing
probing, old fail stayed -> probing
probing, old lost stayed -> probing
probation    in   let in -> passing
probation    ok   stayed -> passing
probation    fail tripped, Relapsed -> shut until 4000
probation    lost stayed -> passing
";
    assert_eq!(table, expected);
}

#[test]
fn the_last_reasons_are_kept_and_no_more() {
    let mut breaker = Breaker::new(BreakerSettings { failures_max: 100, ..settings() });
    for at in 0..20 {
        let permit = breaker.enter(ms(at)).unwrap();
        let kind = FaultKind::ServerError(500 + u16::try_from(at).unwrap());
        breaker.on_failure(ms(at), permit, kind, None);
        breaker.on_success(ms(at), permit);
        breaker.on_success(ms(at), permit);
    }
    let kinds: Vec<FaultKind> = breaker.reasons().map(|reason| reason.kind).collect();
    assert_eq!(kinds.len(), 8);
    assert_eq!(kinds.last(), Some(&FaultKind::ServerError(519)));
}

#[test]
fn new_settings_keep_the_state() {
    let mut breaker = Breaker::new(settings());
    for _ in 0..2 {
        let permit = breaker.enter(ms(0)).unwrap();
        breaker.on_failure(ms(0), permit, FaultKind::Cut, None);
    }
    breaker.configure(BreakerSettings { cooldown: ms(4_000), ..settings() });
    let permit = breaker.enter(ms(0)).unwrap();
    breaker.on_failure(ms(0), permit, FaultKind::Cut, None);
    assert_eq!(breaker.gate(ms(0)), Gate::Shut { until: ms(4_000) });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn there_is_one_probe_at_a_time_and_nothing_passes_while_it_is_shut(
        steps in prop::collection::vec((0_u64..1_500, 0_u8..5, any::<prop::sample::Index>()), 1..300),
    ) {
        let mut breaker = Breaker::new(settings());
        let mut now = ms(0);
        let mut running: Vec<(Permit, Duration)> = Vec::new();
        let mut shut_until = ms(0);
        for (pause_ms, event, which) in steps {
            now += ms(pause_ms);
            if event < 2 || running.is_empty() {
                let Ok(permit) = breaker.enter(now) else { continue };
                prop_assert!(now >= shut_until);
                let fresh = |since: Duration| now < since + ms(5_000);
                let mut probes = running.iter().filter(|(other, since)| other.probe && fresh(*since));
                let rival = probes.any(|_| true) && matches!(breaker.state(), State::Probing { .. });
                prop_assert!(!(permit.probe && rival), "two probes at {now:?}");
                running.push((permit, now));
                continue;
            }
            let (permit, _) = running.swap_remove(which.index(running.len()));
            let outcome = ["ok", "fail", "lost"][usize::from(event - 2)];
            match end(&mut breaker, now, permit, outcome, None) {
                Turn::Tripped { until, .. } => {
                    prop_assert!(until > now && until <= now + ms(6_000));
                    shut_until = until;
                }
                Turn::Recovered => prop_assert!(permit.probe && outcome == "ok"),
                Turn::Stayed => {}
            }
        }
    }

    #[test]
    fn cool_downs_grow_while_it_flaps_and_probation_ends_with_successes_in_a_row(
        rounds in prop::collection::vec((0_u32..6, 0_u64..19_000), 1..20),
    ) {
        let mut breaker = Breaker::new(settings());
        let mut now = ms(0);
        let mut before = Duration::ZERO;
        let fail = |breaker: &mut Breaker, now| {
            let permit = breaker.enter(now).unwrap();
            breaker.on_failure(now, permit, FaultKind::Cut, None)
        };
        for (successes, pause_ms) in rounds {
            for _ in 0..successes {
                let permit = breaker.enter(now).unwrap();
                breaker.on_success(now, permit);
            }
            // Sooner after the recovery than the relapse window is long.
            now += ms(pause_ms);
            let is_trusted = before.is_zero() || successes >= 3;
            let mut failures = 1;
            let until = loop {
                match fail(&mut breaker, now) {
                    Turn::Tripped { until, .. } => break until,
                    Turn::Stayed => failures += 1,
                    Turn::Recovered => panic!("a failure is no recovery"),
                }
            };
            prop_assert_eq!(failures, if is_trusted { 3 } else { 1 });
            let cooldown = until.saturating_sub(now);
            let grown = (before * 2).clamp(ms(1_000), ms(6_000));
            prop_assert_eq!(cooldown, grown);
            before = cooldown;
            now = until;
            let probe = breaker.enter(now).unwrap();
            prop_assert_eq!(breaker.on_success(now, probe), Turn::Recovered);
        }
    }
}
