//! A provider's machine: what is let through, what a report does.

use std::time::Duration;

use infergate_actors::provider::breaker::Cause;
use infergate_actors::provider::machine::{Grant, Notice};
use infergate_actors::provider::{
    DeploymentIndex, DeploymentSettings, DeploymentState, FaultKind, Mode, Outcome,
    ProviderMachine, ProviderSettings, Refusal, Secret,
};

pub(super) const LARGE: DeploymentIndex = DeploymentIndex(0);
pub(super) const SMALL: DeploymentIndex = DeploymentIndex(1);

pub(super) const ANSWER: Outcome = Outcome::Answered {
    first_content: Some(Duration::from_millis(200)),
    total: Duration::from_millis(900),
    tokens: 10,
    output_tokens: 8,
};

pub(super) const CUT: Outcome = Outcome::Fault { kind: FaultKind::Cut, retry_after: None };

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn settings() -> ProviderSettings {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("large"), DeploymentSettings::new("small")];
    settings.credentials = vec![Secret::new("sk-0000000000000001"), Secret::new("sk-2")];
    settings
}

pub(super) fn machine(settings: ProviderSettings) -> ProviderMachine {
    ProviderMachine::new(settings, &[], ms(0))
}

pub(super) fn grant(machine: &mut ProviderMachine, now: Duration, index: DeploymentIndex) -> Grant {
    machine.acquire(now, index, 10).expect("a request let through")
}

pub(super) fn refusal(
    machine: &mut ProviderMachine,
    now: Duration,
    index: DeploymentIndex,
) -> Refusal {
    machine.acquire(now, index, 10).expect_err("a refusal")
}

pub(super) fn run(
    machine: &mut ProviderMachine,
    now: Duration,
    index: DeploymentIndex,
    outcome: Outcome,
) -> Option<Notice> {
    let ticket = grant(machine, now, index).ticket;
    machine.report(now, ticket, outcome)
}

pub(super) fn shut(machine: &mut ProviderMachine, index: DeploymentIndex) {
    while machine.health().state(index, ms(0)) == DeploymentState::Passing {
        run(machine, ms(0), index, CUT);
    }
}

#[test]
fn an_operators_mode_comes_before_everything_else() {
    let mut machine = machine(settings());
    for (mode, refused, state) in [
        (Mode::Closed, Refusal::Closed, DeploymentState::Closed),
        (Mode::Draining, Refusal::Draining, DeploymentState::Draining),
    ] {
        let under_way = grant(&mut machine, ms(0), LARGE).ticket;
        machine.set_mode(mode);
        assert_eq!(refusal(&mut machine, ms(0), LARGE), refused);
        assert_eq!(machine.health().state(LARGE, ms(0)), state);
        machine.report(ms(0), under_way, ANSWER);
        assert_eq!(machine.in_flight(), 0);
        machine.set_mode(Mode::Open);
    }
    assert_eq!(refusal(&mut machine, ms(0), DeploymentIndex(7)), Refusal::Unknown);
}

#[test]
fn ceilings_of_deployment_and_provider_hold() {
    let mut settings = settings();
    settings.in_flight_max = Some(3);
    settings.deployments[0].in_flight_max = Some(2);
    let mut machine = machine(settings);
    let first = grant(&mut machine, ms(0), LARGE);
    grant(&mut machine, ms(0), LARGE);
    assert_eq!(refusal(&mut machine, ms(0), LARGE), Refusal::InFlight);
    grant(&mut machine, ms(0), SMALL);
    assert_eq!(refusal(&mut machine, ms(0), SMALL), Refusal::InFlight);
    machine.report(ms(0), first.ticket, Outcome::Lost);
    assert_eq!(machine.health().deployments[0].gauge.in_flight(), 1);
    grant(&mut machine, ms(0), SMALL);
}

#[test]
fn a_ticket_ends_once() {
    let mut machine = machine(settings());
    let old = grant(&mut machine, ms(0), LARGE).ticket;
    machine.report(ms(0), old, ANSWER);
    let new = grant(&mut machine, ms(0), LARGE).ticket;
    assert_ne!(old, new);
    machine.report(ms(0), old, ANSWER);
    assert_eq!(machine.in_flight(), 1);
    machine.report(ms(0), new, ANSWER);
    let counters = machine.view(ms(0)).counters;
    assert_eq!((counters.acquired, counters.answered, counters.strays), (2, 2, 1));
}

#[test]
fn requests_per_minute_are_those_contracted() {
    let mut settings = settings();
    settings.deployments[0].requests_per_minute = Some(2);
    settings.deployments[1].requests_per_minute = Some(0);
    let mut machine = machine(settings);
    grant(&mut machine, ms(0), LARGE);
    grant(&mut machine, ms(0), LARGE);
    let retry_after = Some(ms(30_000));
    assert_eq!(refusal(&mut machine, ms(0), LARGE), Refusal::RequestRate { retry_after });
    grant(&mut machine, ms(30_000), LARGE);
    assert_eq!(refusal(&mut machine, ms(0), SMALL), Refusal::RequestRate { retry_after: None });
}

#[test]
fn tokens_are_trued_up_when_they_are_known() {
    let left_after = |outcome: Outcome| {
        let mut settings = settings();
        settings.deployments[0].tokens_per_minute = Some(100);
        let mut machine = machine(settings);
        let ticket = machine.acquire(ms(0), LARGE, 60).unwrap().ticket;
        let wait = Refusal::TokenRate { retry_after: ms(12_000) };
        assert_eq!(machine.acquire(ms(0), LARGE, 60).unwrap_err(), wait);
        assert_eq!(machine.acquire(ms(0), LARGE, 101), Err(Refusal::TooLarge { limit: 100 }));
        machine.report(ms(0), ticket, outcome);
        let bucket = machine.view(ms(0)).deployments[0].tokens.unwrap();
        i64::try_from(bucket.remaining).unwrap() - i64::try_from(bucket.debt).unwrap()
    };
    let answered = |tokens| Outcome::Answered {
        first_content: Some(ms(1)),
        total: ms(2),
        tokens,
        output_tokens: 0,
    };
    let fault = |kind| Outcome::Fault { kind, retry_after: None };
    for (outcome, left) in [
        (answered(25), 75),
        (answered(60), 40),
        (answered(130), -30),
        (fault(FaultKind::ConnectFailed), 100),
        (fault(FaultKind::ServerError(503)), 40),
        (Outcome::RateLimited { retry_after: None }, 40),
        (Outcome::CredentialRejected { status: 401 }, 100),
        (Outcome::CreditExhausted, 100),
        (Outcome::ClientFault { status: 400 }, 100),
        (Outcome::Lost, 40),
    ] {
        assert_eq!(left_after(outcome), left, "{outcome:?}");
    }
}

#[test]
fn what_a_refused_request_would_have_taken_is_not_taken() {
    let mut settings = settings();
    settings.deployments[0].tokens_per_minute = Some(100);
    settings.deployments[0].requests_per_minute = Some(1);
    let mut machine = machine(settings);
    machine.acquire(ms(0), LARGE, 10).unwrap();
    for _ in 0..5 {
        machine.acquire(ms(0), LARGE, 10).unwrap_err();
    }
    let view = machine.view(ms(0));
    assert_eq!(view.deployments[0].tokens.unwrap().remaining, 90);
    assert_eq!(view.counters.refused["request_rate"], 5);
}

#[test]
fn one_deployment_shut_leaves_the_others_alone() {
    let mut machine = machine(settings());
    shut(&mut machine, LARGE);
    let until = ms(2_000);
    assert_eq!(refusal(&mut machine, ms(0), LARGE), Refusal::Shut { until });
    grant(&mut machine, ms(0), SMALL);
    let health = machine.health();
    assert_eq!(health.state(LARGE, ms(1_999)), DeploymentState::Shut { until });
    assert_eq!(health.state(LARGE, until), DeploymentState::ProbeDue);
    assert_eq!(health.state(SMALL, ms(0)), DeploymentState::Passing);
}

#[test]
fn a_probe_is_one_request_and_its_content_is_proof_enough() {
    let mut machine = machine(settings());
    shut(&mut machine, LARGE);
    let probe = grant(&mut machine, ms(2_000), LARGE);
    assert!(probe.probe);
    assert_eq!(refusal(&mut machine, ms(2_000), LARGE), Refusal::ProbeRunning);
    assert_eq!(machine.health().state(LARGE, ms(2_000)), DeploymentState::Probing);
    let notice = machine.content_started(ms(2_100), probe.ticket);
    assert_eq!(notice, Some(Notice::Recovered { deployment: "large".into() }));
    assert!(!grant(&mut machine, ms(2_100), LARGE).probe);
    assert_eq!(machine.view(ms(2_100)).deployments[0].breaker.probation, 5);
    // Cut after all: a failure of the new life, which is on probation.
    let notice = machine.report(ms(9_000), probe.ticket, CUT);
    let (cause, wait) = (Cause::Relapsed, ms(4_000));
    assert_eq!(notice, Some(Notice::Shut { deployment: "large".into(), cause, wait }));
}

#[test]
fn a_probe_learns_from_each_outcome() {
    for (outcome, state) in [
        (ANSWER, DeploymentState::Passing),
        (Outcome::ClientFault { status: 400 }, DeploymentState::Passing),
        (CUT, DeploymentState::Shut { until: ms(6_000) }),
        (Outcome::Lost, DeploymentState::Shut { until: ms(4_000) }),
        (Outcome::CreditExhausted, DeploymentState::Shut { until: ms(4_000) }),
        (
            Outcome::RateLimited { retry_after: Some(ms(1)) },
            DeploymentState::Shut { until: ms(4_000) },
        ),
    ] {
        let mut machine = machine(settings());
        shut(&mut machine, LARGE);
        run(&mut machine, ms(2_000), LARGE, outcome);
        assert_eq!(machine.health().state(LARGE, ms(2_000)), state, "{outcome:?}");
    }
}

#[test]
fn a_credential_in_trouble_is_not_the_providers_fault() {
    let mut machine = machine(settings());
    let notice = run(&mut machine, ms(0), LARGE, Outcome::CredentialRejected { status: 401 });
    let credential = "sk-…0001".to_owned();
    assert_eq!(notice, Some(Notice::Disabled { credential, status: 401 }));
    assert_eq!(machine.health().state(LARGE, ms(0)), DeploymentState::Passing);
    for _ in 0..3 {
        let grant = grant(&mut machine, ms(0), SMALL);
        assert_eq!(grant.secret, Some(Secret::new("sk-2")));
    }
    let until = Some(ms(7_000));
    run(&mut machine, ms(0), LARGE, Outcome::RateLimited { retry_after: until });
    assert_eq!(machine.health().state(SMALL, ms(0)), DeploymentState::NoCredential { until });
    assert_eq!(machine.health().state(SMALL, ms(7_000)), DeploymentState::Passing);
    let refused = refusal(&mut machine, ms(1_000), SMALL);
    assert_eq!(refused, Refusal::NoCredential { retry_after: Some(ms(6_000)) });
    assert_eq!(refused.label(), "no_credential");
    run(&mut machine, ms(7_000), SMALL, Outcome::CredentialRejected { status: 403 });
    let refused = refusal(&mut machine, ms(7_000), SMALL);
    assert_eq!(refused, Refusal::NoCredential { retry_after: None });
    assert!(!machine.enable_credential("00000000".parse().unwrap()));
    let fingerprint = machine.view(ms(0)).credentials[0].fingerprint.parse().unwrap();
    assert!(machine.enable_credential(fingerprint));
    assert!(grant(&mut machine, ms(7_000), SMALL).secret.is_some());
}

#[test]
fn a_probe_with_a_rejected_credential_is_told_as_the_credentials_fault() {
    let mut machine = machine(settings());
    shut(&mut machine, LARGE);
    let rejected = Outcome::CredentialRejected { status: 401 };
    let notice = run(&mut machine, ms(2_000), LARGE, rejected);
    assert!(matches!(notice, Some(Notice::Disabled { .. })), "{notice:?}");
    let until = ms(4_000);
    assert_eq!(machine.health().state(LARGE, ms(2_000)), DeploymentState::Shut { until });
}

#[test]
fn a_provider_without_credentials_is_asked_without() {
    let mut machine = machine(ProviderSettings { credentials: vec![], ..settings() });
    assert_eq!(grant(&mut machine, ms(0), LARGE).secret, None);
    run(&mut machine, ms(0), LARGE, Outcome::RateLimited { retry_after: None });
    assert!(matches!(refusal(&mut machine, ms(0), LARGE), Refusal::NoCredential { .. }));
}

#[test]
fn health_is_not_published_for_plain_successes() {
    let mut machine = machine(settings());
    assert!(machine.take_health_changed());
    for _ in 0..3 {
        run(&mut machine, ms(5), LARGE, ANSWER);
        run(&mut machine, ms(5), LARGE, CUT);
        run(&mut machine, ms(5), LARGE, Outcome::ClientFault { status: 400 });
    }
    assert!(machine.take_changed());
    assert!(!machine.take_health_changed());
    let gauge = &machine.health().deployments[0].gauge;
    assert_eq!((gauge.first_content_us(), gauge.total_us()), (200_000, 900_000));
    for _ in 0..5 {
        run(&mut machine, ms(5), LARGE, CUT);
    }
    assert!(machine.take_health_changed());
}

#[test]
fn new_settings_keep_the_state_and_the_place_of_what_stays() {
    let mut machine = machine(settings());
    shut(&mut machine, SMALL);
    run(&mut machine, ms(0), LARGE, Outcome::CredentialRejected { status: 401 });
    let under_way = grant(&mut machine, ms(0), LARGE).ticket;
    let mut changed = settings();
    changed.deployments = ["new", "small", "new"].map(DeploymentSettings::new).to_vec();
    machine.configure(changed, ms(0));
    let health = machine.health();
    assert_eq!(health.index("large"), None);
    assert_eq!(health.state(LARGE, ms(0)), DeploymentState::Unknown);
    assert_eq!(refusal(&mut machine, ms(0), LARGE), Refusal::Unknown);
    assert_eq!(
        (health.index("small"), health.index("new")),
        (Some(SMALL), Some(DeploymentIndex(2)))
    );
    assert_eq!(health.deployments.len(), 3);
    assert!(matches!(refusal(&mut machine, ms(0), SMALL), Refusal::Shut { .. }));
    let statuses = machine.view(ms(0)).credentials.into_iter().map(|known| known.status);
    assert_eq!(statuses.collect::<Vec<_>>(), ["usable", "rejected"]);
    machine.report(ms(0), under_way, ANSWER);
    assert_eq!(machine.in_flight(), 0);
    machine.configure(settings(), ms(0));
    assert_eq!(machine.health().index("large"), Some(LARGE));
}

#[test]
fn a_view_shows_no_secret() {
    let machine = machine(settings());
    let shown = format!("{:?}", machine.view(ms(0)));
    assert!(shown.contains("sk-…0001"), "{shown}");
    assert!(!shown.contains("sk-0000"), "{shown}");
    assert!(!shown.contains("sk-2"), "{shown}");
    assert!(!format!("{machine:?}").contains("sk-0000"));
}
