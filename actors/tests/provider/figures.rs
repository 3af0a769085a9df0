//! What routing reads of a deployment: usual times, output rate, headroom.

use infergate_actors::provider::{
    Allowance, DeploymentState, FaultKind, Outcome, ProviderMachine, Quota,
};

use super::machine::{ANSWER, LARGE, SMALL, grant, machine, ms, run, settings};

#[test]
fn one_that_was_outrun_is_no_fault_but_not_fast_either() {
    let mut machine = machine(settings());
    run(&mut machine, ms(0), LARGE, ANSWER);
    let expected = |machine: &ProviderMachine, at| {
        machine.health().deployments[0].gauge.expected_first_content(ms(at)).as_millis()
    };
    assert_eq!(expected(&machine, 0), 200);
    run(&mut machine, ms(0), LARGE, Outcome::Outrun { waited: ms(150) });
    assert_eq!(expected(&machine, 0), 200);
    run(&mut machine, ms(0), LARGE, Outcome::Outrun { waited: ms(1_000) });
    assert_eq!(expected(&machine, 0), 400);
    assert_eq!(expected(&machine, 10_000), 200);
    for _ in 0..50 {
        run(&mut machine, ms(0), LARGE, Outcome::Outrun { waited: ms(1_000) });
    }
    assert_eq!(machine.health().state(LARGE, ms(0)), DeploymentState::Passing);
    let view = machine.view(ms(0));
    assert_eq!((view.counters.outrun, view.counters.lost), (52, 0));
    // The patience of those who waited counts for the usual time, or it would shrink.
    assert!(view.deployments[0].first_content_p95_us.unwrap() >= 1_000_000);
}

#[test]
fn a_wait_for_content_that_came_to_nothing_shows_in_what_is_expected() {
    let mut machine = machine(settings());
    run(&mut machine, ms(0), LARGE, ANSWER);
    let ticket = grant(&mut machine, ms(0), LARGE).ticket;
    let fault = Outcome::Fault { kind: FaultKind::ContentTimeout, retry_after: None };
    machine.report(ms(5_000), ticket, fault);
    let gauge = machine.health().deployments[0].gauge.clone();
    assert!(gauge.expected_first_content(ms(5_000)) > ms(1_400));
}

#[test]
fn the_output_rate_is_that_of_the_time_after_the_first_content() {
    let mut machine = machine(settings());
    let answer = |first_content, total, output_tokens| Outcome::Answered {
        first_content: Some(ms(first_content)),
        total: ms(total),
        tokens: 500,
        output_tokens,
    };
    let rate =
        |machine: &ProviderMachine| machine.health().deployments[0].gauge.output_rate_milli();
    run(&mut machine, ms(0), LARGE, answer(500, 900, 7));
    assert_eq!(rate(&machine), 0);
    run(&mut machine, ms(0), LARGE, answer(500, 2_500, 100));
    assert_eq!(rate(&machine), 50_000);
    // A quarter of the way to ten tokens a second, in time per token.
    run(&mut machine, ms(0), LARGE, answer(500, 10_500, 100));
    assert_eq!(rate(&machine), 25_000);
    // In one piece: all of the time counts.
    run(&mut machine, ms(10_000), SMALL, answer(2_000, 2_000, 100));
    assert_eq!(machine.view(ms(10_000)).deployments[1].output_rate_milli, 50_000);
}

#[test]
fn headroom_is_that_of_the_best_credential_that_can_be_used() {
    let mut machine = machine(settings());
    let requests = |remaining| Quota {
        requests: Some(Allowance { limit: Some(100), remaining, reset: Some(ms(60_000)) }),
        tokens: None,
    };
    let headroom = |machine: &ProviderMachine, at| {
        machine.health().deployments[0].gauge.headroom_permille(ms(at))
    };
    let (one, two) = (grant(&mut machine, ms(0), LARGE), grant(&mut machine, ms(0), LARGE));
    machine.quota(ms(0), one.ticket, requests(80));
    assert_eq!(headroom(&machine, 0), 1000, "of the other credential nothing is known");
    machine.quota(ms(0), two.ticket, requests(10));
    assert_eq!((headroom(&machine, 0), headroom(&machine, 30_000)), (800, 900));
    let view = machine.view(ms(1_000));
    assert_eq!(view.deployments[0].quotas[1].requests.map(|requests| requests.remaining), Some(10));
    assert_eq!(machine.health().deployments[1].gauge.headroom_permille(ms(0)), 1000);
    // The one with more left cools down.
    machine.report(ms(0), one.ticket, Outcome::CreditExhausted);
    assert_eq!(headroom(&machine, 0), 100);
    machine.report(ms(0), two.ticket, ANSWER);
    machine.quota(ms(0), two.ticket, requests(0));
    assert_eq!(headroom(&machine, 0), 100, "a ticket that has ended says nothing more");
    // The other one is taken out of the configuration.
    let mut fewer = settings();
    fewer.credentials.truncate(1);
    machine.configure(fewer, ms(0));
    assert_eq!(headroom(&machine, 0), 800);
}
