//! What of a provider survives a restart.

use std::time::Duration;

use infergate_actors::clock::Now;
use infergate_actors::provider::breaker::Cause;
use infergate_actors::provider::{
    DeploymentIndex, DeploymentSettings, DeploymentState, FaultKind, Mode, Outcome,
    ProviderMachine, ProviderSettings, RestoreError, Secret,
};
use proptest::prelude::*;

const LARGE: DeploymentIndex = DeploymentIndex(0);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(wall_ms: u64, mono_ms: u64) -> Now {
    Now { wall_ms, mono: ms(mono_ms) }
}

fn settings() -> ProviderSettings {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("large"), DeploymentSettings::new("small")];
    settings.credentials = vec![Secret::new("one"), Secret::new("two"), Secret::new("three")];
    settings
}

fn run(machine: &mut ProviderMachine, now_ms: u64, outcome: Outcome) {
    let ticket = machine.acquire(ms(now_ms), LARGE, 1).expect("a request let through").ticket;
    machine.report(ms(now_ms), ticket, outcome);
}

/// At 100 s: closed, `large` shut until 102 s, one credential disabled, one cooling until 107 s, its
/// latency known.
fn worn() -> ProviderMachine {
    let mut machine = ProviderMachine::new(settings(), &[], ms(0));
    let answer = Outcome::Answered {
        first_content: Some(ms(30)),
        total: ms(70),
        tokens: 1,
        output_tokens: 1,
    };
    run(&mut machine, 100_000, answer);
    run(&mut machine, 100_000, Outcome::CredentialRejected { status: 403 });
    run(&mut machine, 100_000, Outcome::RateLimited { retry_after: Some(ms(7_000)) });
    for _ in 0..5 {
        let kind = FaultKind::ServerError(500);
        run(&mut machine, 100_000, Outcome::Fault { kind, retry_after: None });
    }
    machine.set_mode(Mode::Closed);
    machine
}

fn restored(snapshot: &[u8], now: Now) -> ProviderMachine {
    let mut machine = ProviderMachine::new(settings(), &[], now.mono);
    machine.restore(snapshot, now).expect("a snapshot that can be read");
    machine
}

#[test]
fn mode_breakers_credentials_and_latency_survive() {
    let snapshot = worn().snapshot(at(1_000_000, 100_000));
    // 500 ms later, in another process whose clock starts at zero.
    let mut machine = restored(&snapshot, at(1_000_500, 10));
    let view = machine.view(ms(10));
    assert_eq!(view.mode, Mode::Closed);
    let statuses: Vec<_> =
        view.credentials.iter().map(|known| (known.status, known.usable_in_ms)).collect();
    let expected = [("usable", Some(0)), ("rejected", None), ("rate_limited", Some(6_500))];
    assert_eq!(statuses, expected);
    assert_eq!(view.credentials[1].rejected_with, Some(403));
    let large = &view.deployments[0];
    assert_eq!((large.first_content_us, large.total_us), (30_000, 70_000));
    assert_eq!((large.breaker.state, large.breaker.probe_in_ms), ("shut", Some(1_500)));
    machine.set_mode(Mode::Open);
    let until = ms(1_510);
    assert_eq!(machine.health().state(LARGE, ms(10)), DeploymentState::Shut { until });
    assert_eq!(machine.health().deployments[0].gauge.total_us(), 70_000);
}

#[test]
fn a_second_life_writes_what_the_first_one_wrote() {
    let now = at(1_000_000, 100_000);
    let first = worn().snapshot(now);
    assert_eq!(restored(&first, now).snapshot(now), first);
}

#[test]
fn a_probe_that_was_under_way_is_due_again() {
    let mut machine = worn();
    machine.set_mode(Mode::Open);
    assert!(machine.acquire(ms(102_000), LARGE, 1).is_ok_and(|grant| grant.probe));
    let snapshot = machine.snapshot(at(1_002_000, 102_000));
    let machine = restored(&snapshot, at(1_002_000, 5));
    assert_eq!(machine.health().state(LARGE, ms(5)), DeploymentState::ProbeDue);
}

#[test]
fn what_is_not_configured_any_more_is_ignored() {
    let snapshot = worn().snapshot(at(0, 100_000));
    let mut other = ProviderSettings::new("acme");
    other.deployments = vec![DeploymentSettings::new("new")];
    let mut machine = ProviderMachine::new(other, &[], ms(0));
    machine.restore(&snapshot, at(0, 0)).unwrap();
    assert_eq!(machine.view(ms(0)).deployments[0].breaker.state, "passing");
    assert_eq!(machine.view(ms(0)).credentials[0].status, "usable");
}

#[test]
fn other_versions_and_damage_are_told_apart() {
    let snapshot = worn().snapshot(at(0, 100_000));
    let mut machine = ProviderMachine::new(settings(), &[], ms(0));
    let mut later = snapshot.clone();
    later[0] = 3;
    for (bytes, error) in [
        (&later[..], RestoreError::Version(3)),
        (&[], RestoreError::Damaged),
        (&[0], RestoreError::Damaged),
        (&snapshot[..snapshot.len() - 1], RestoreError::Damaged),
    ] {
        assert_eq!(machine.restore(bytes, at(0, 0)), Err(error));
    }
    assert_eq!(machine.view(ms(0)).mode, Mode::Open);
}

#[test]
fn version_one_is_read_for_ever() {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("m")];
    let mut machine = ProviderMachine::new(settings, &[], ms(0));
    let bytes = [
        1,   // version
        100, // taken at 100 ms
        1,   // closed
        1, 1, b'm', 1, 60, 120, 2, 7,
        9, // m: shut, 60 ms left of 120, probe failed; 7 µs, 9 µs
        0, // no credential in trouble
    ];
    machine.restore(&bytes, at(120, 0)).unwrap();
    let view = machine.view(ms(0));
    assert_eq!((view.mode, view.deployments[0].breaker.probe_in_ms), (Mode::Closed, Some(40)));
    assert_eq!(machine.snapshot(at(100, 0))[..3], [2, 100, 1]);
}

#[test]
fn version_two_is_read_for_ever() {
    let mut settings = ProviderSettings::new("acme");
    settings.deployments = vec![DeploymentSettings::new("m"), DeploymentSettings::new("n")];
    let mut machine = ProviderMachine::new(settings, &[], ms(0));
    let bytes = [
        2,   // version
        100, // taken at 100 ms
        0,   // open
        2, 1, b'm', 0, 7, 9, 3, 1, 60,
        120, // m: passing; 3 to go, 60 ms left; 120 ms the last time
        1, b'n', 1, 60, 120, 4, 7, 9, 0, 0, // n: shut by a relapse
        0, // no credential in trouble
    ];
    machine.restore(&bytes, at(120, 0)).unwrap();
    let view = machine.view(ms(39));
    let breaker = &view.deployments[0].breaker;
    assert_eq!((breaker.state, breaker.probation, breaker.cooldown_ms), ("passing", 3, Some(120)));
    assert_eq!(machine.view(ms(40)).deployments[0].breaker.cooldown_ms, None);
    assert_eq!(view.deployments[1].breaker.cause, Some(Cause::Relapsed));
    let mut written = bytes;
    (written[1], written[11], written[16]) = (100, 40, 40);
    assert_eq!(machine.snapshot(at(100, 0)), written);
}

#[test]
fn probation_and_what_a_relapse_costs_survive() {
    let mut machine = worn();
    machine.set_mode(Mode::Open);
    let fault = Outcome::Fault { kind: FaultKind::Cut, retry_after: None };
    run(&mut machine, 102_000, fault);
    run(&mut machine, 106_000, Outcome::ClientFault { status: 400 });
    let snapshot = machine.snapshot(at(1_000_000, 106_000));
    let mut machine = restored(&snapshot, at(1_050_000, 10));
    assert_eq!(machine.view(ms(10)).deployments[0].breaker.probation, 5);
    run(&mut machine, 10, fault);
    let until = ms(10 + 8_000);
    assert_eq!(machine.health().state(LARGE, ms(10)), DeploymentState::Shut { until });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200), now in any::<u64>(), cut in any::<u16>(),
    ) {
        let now = at(now, now);
        let mut machine = ProviderMachine::new(settings(), &[], now.mono);
        let _error = machine.restore(&bytes, now);
        for version in [1, 2] {
            bytes.insert(0, version);
            let _error = machine.restore(&bytes, now);
        }
        let mut flipped = worn().snapshot(at(5, 100_000));
        let place = usize::from(cut) % flipped.len();
        flipped[place] ^= bytes[bytes.len() - 1];
        if machine.restore(&flipped, now).is_ok() {
            machine.view(now.mono);
            machine.snapshot(now);
            let _refusal = machine.acquire(now.mono, LARGE, 1);
        }
    }
}
