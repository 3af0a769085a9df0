//! Probes that are nobody's request.

use infergate_actors::provider::{
    DeploymentIndex, DeploymentState, FaultKind, Mode, Outcome, Refusal,
};

use super::machine::{CUT, LARGE, SMALL, grant, machine, ms, refusal, run, settings, shut};

#[test]
fn a_health_probe_decides_about_the_breaker_and_measures_nothing() {
    let mut settings = settings();
    settings.health_probe = true;
    settings.deployments[0].tokens_per_minute = Some(100);
    settings.deployments[0].requests_per_minute = Some(9);
    for (outcome, state) in [
        (Outcome::Alive, DeploymentState::Passing),
        (CUT, DeploymentState::Shut { until: ms(6_000) }),
        (
            Outcome::Fault { kind: FaultKind::HeadTimeout, retry_after: None },
            DeploymentState::Shut { until: ms(6_000) },
        ),
        (Outcome::Lost, DeploymentState::Shut { until: ms(4_000) }),
    ] {
        let mut machine = machine(settings.clone());
        assert_eq!(machine.acquire_health_probe(ms(0), LARGE), None, "nothing to probe");
        shut(&mut machine, LARGE);
        assert_eq!(machine.acquire_health_probe(ms(1_999), LARGE), None, "it cools down");
        let before = machine.view(ms(2_000));
        assert_eq!(machine.health().state(LARGE, ms(2_000)), DeploymentState::AwaitingProbe);
        let probe = machine.acquire_health_probe(ms(2_000), LARGE).unwrap();
        assert!(probe.probe && probe.secret.is_some());
        assert_eq!(machine.acquire_health_probe(ms(2_000), LARGE), None, "one at a time");
        assert_eq!(refusal(&mut machine, ms(2_000), LARGE), Refusal::ProbeRunning);
        machine.report(ms(2_000), probe.ticket, outcome);
        assert_eq!(machine.health().state(LARGE, ms(2_000)), state, "{outcome:?}");

        let mut after = machine.view(ms(2_000));
        assert_eq!(after.counters.health_probes, 1);
        after.counters.health_probes = 0;
        after.counters.refused = before.counters.refused.clone();
        after.deployments[0].breaker = before.deployments[0].breaker.clone();
        assert_eq!(after, before);
    }
}

#[test]
fn where_nothing_else_is_left_a_request_is_the_probe_after_all() {
    let mut settings = settings();
    settings.health_probe = true;
    let mut machine = machine(settings);
    shut(&mut machine, LARGE);
    assert!(grant(&mut machine, ms(2_000), LARGE).probe);
    assert_eq!(machine.acquire_health_probe(ms(2_000), LARGE), None, "one at a time");
}

#[test]
fn no_health_probe_is_sent_to_what_is_out_of_use() {
    let mut machine = machine(settings());
    shut(&mut machine, LARGE);
    for mode in [Mode::Closed, Mode::Draining] {
        machine.set_mode(mode);
        assert_eq!(machine.acquire_health_probe(ms(2_000), LARGE), None, "{mode:?}");
    }
    machine.set_mode(Mode::Open);
    for _ in 0..2 {
        run(&mut machine, ms(0), SMALL, Outcome::CredentialRejected { status: 401 });
    }
    assert_eq!(machine.acquire_health_probe(ms(2_000), LARGE), None, "no credential");
    assert_eq!(machine.acquire_health_probe(ms(2_000), DeploymentIndex(9)), None);
}
