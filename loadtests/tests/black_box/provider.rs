//! The simulated provider does what its script says, and the client notices.

use std::time::Duration;

use infergate_loadtests::client::{Ask, Ending, Protocol, Usage};
use infergate_loadtests::clock;
use infergate_loadtests::generator::Load;
use infergate_loadtests::scenarios::failover::door::{Door, Transport};
use infergate_loadtests::simulator::stats::Outcome;

use crate::stage::{MODEL, Provider, connection, eventually};

fn streamed() -> Ask {
    Ask::chat(MODEL, 6, true).within(Duration::from_secs(20))
}

fn whole() -> Ask {
    Ask::chat(MODEL, 6, false).within(Duration::from_secs(20))
}

#[tokio::test]
async fn a_script_decides_what_a_client_sees() {
    use Ending::{Complete, Cut, ErrorEvent, NoHead, Refused};
    let provider = Provider::start().await;
    // A behaviour; how a stream ends and its tokens; how an unstreamed answer ends.
    for (script, stream_ending, tokens, whole_ending) in [
        (r"{}", Complete, 6, Complete),
        (r#"{"tokens":2}"#, Complete, 2, Complete),
        (r#"{"first_token_ms":5,"late_role":true}"#, Complete, 6, Complete),
        (r#"{"faults":{"error":{"status":503}}}"#, Refused, 0, Refused),
        (r#"{"faults":{"limited_credential":"k"}}"#, Refused, 0, Refused),
        (r#"{"faults":{"limited_credential":"other"}}"#, Complete, 6, Complete),
        (r#"{"faults":{"cut_before_head":true}}"#, NoHead, 0, NoHead),
        (r#"{"faults":{"cut_before_head":true,"cut_by_reset":true}}"#, NoHead, 0, NoHead),
        (r#"{"faults":{"cut_after":4}}"#, Cut, 4, Cut),
        (r#"{"faults":{"cut_after":4,"cut_by_reset":true}}"#, Cut, 4, Cut),
        (r#"{"faults":{"truncate_body":true}}"#, Complete, 6, Cut),
        (r#"{"faults":{"missing_done":true}}"#, Cut, 6, Complete),
        (r#"{"faults":{"invalid_event_at":3}}"#, Complete, 6, Complete),
        (r#"{"faults":{"garbled_body":true}}"#, Complete, 6, Cut),
        (r#"{"faults":{"stall_after":4,"stall_ms":1}}"#, Cut, 4, Cut),
        (r#"{"context_tokens":4}"#, Refused, 0, Refused),
        (r#"{"rejects_prefill":true}"#, Complete, 6, Complete),
        (r#"{"faults":{"error_event_at":0}}"#, ErrorEvent, 0, Complete),
        (r#"{"faults":{"error_event_at":3}}"#, ErrorEvent, 3, Complete),
        (r#"{"faults":{"empty_stream":true}}"#, Cut, 0, Complete),
    ] {
        provider.behave(script).await;
        let seen = provider.ask(&streamed()).await;
        assert_eq!((seen.ending, seen.reading.contents), (stream_ending, tokens), "{script}");
        assert!(seen.reading.words.are_exactly(u64::from(tokens)), "{script}");
        let seen = provider.ask(&whole()).await;
        assert_eq!(seen.ending, whole_ending, "{script}, not streamed");
        let all = if script.contains("tokens\":2") { 2 } else { 6 };
        assert!(whole_ending != Complete || seen.reading.words.are_exactly(all), "{script}");
    }
}

#[tokio::test]
async fn a_script_adds_headers_to_answers_and_errors() {
    let provider = Provider::start().await;
    let url = format!("http://{}/v1", provider.simulator.address());
    let door = Door::new(&url, "k", MODEL, &[]).unwrap();
    for (rest, status) in [("", 200), (r#","faults":{"error":{"status":429}}"#, 429)] {
        let headers = r#""headers":{"x-ratelimit-remaining-requests":"5"}"#;
        provider.behave(&format!("{{{headers}{rest}}}")).await;
        let body = format!(r#"{{"model":"{MODEL}"}}"#);
        let call = door.call("", body, false, Duration::from_secs(20)).await;
        assert_eq!((call.transport, call.status), (Transport::Ended, Some(status)));
        assert_eq!(call.headers["x-ratelimit-remaining-requests"], "5");
    }
}

#[tokio::test]
async fn an_invalid_event_is_noticed() {
    let provider = Provider::start().await;
    provider.behave(r#"{"faults":{"invalid_event_at":3}}"#).await;
    assert_eq!(provider.ask(&streamed()).await.reading.garbled, 1);
}

#[tokio::test]
async fn the_first_requests_fail_and_then_none() {
    let provider = Provider::start().await;
    provider.behave(r#"{"faults":{"error":{"status":500}},"faults_first":2}"#).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(provider.ask(&whole()).await.status);
    }
    assert_eq!(statuses, [Some(500), Some(500), Some(200), Some(200)]);
}

#[tokio::test]
async fn the_log_has_the_usage_that_the_answer_reports() {
    let provider = Provider::start().await;
    let reported = Usage { prompt_tokens: 70, completion_tokens: 6 };
    for (script, ask, protocol) in [
        (r#"{"prompt_tokens":70,"cached_tokens":9}"#, whole(), Protocol::Http1),
        (r#"{"prompt_tokens":70,"cached_tokens":9}"#, streamed(), Protocol::Http1),
        (r#"{"prompt_tokens":70,"cached_tokens":9}"#, streamed(), Protocol::H2c),
        (
            r#"{"prompt_tokens":70,"cached_tokens":9,"usage":"on_finish"}"#,
            streamed(),
            Protocol::H2c,
        ),
    ] {
        provider.behave(script).await;
        let seen = provider.connection("k", protocol).ask(&ask, clock::now()).await;
        assert_eq!(seen.ending, Ending::Complete, "{script} {protocol:?}");
        assert_eq!(seen.reading.usage, Some(reported), "{script} {protocol:?}");
        let log = provider.simulator.log().await.unwrap();
        let entry = &log[seen.reading.answer_id.as_ref().unwrap()];
        assert_eq!((entry.prompt, entry.cached, entry.completion), (70, 9, 6));
        assert_eq!(entry.outcome, Outcome::Completed);
    }
    provider.behave(r#"{"usage":"off"}"#).await;
    assert_eq!(provider.ask(&whole()).await.reading.usage, None);
}

#[tokio::test]
async fn a_hanging_answer_goes_on_when_it_is_told_to() {
    for (fault, ask) in [
        (r#"{"faults":{"hang":"before_head"}}"#, streamed()),
        (r#"{"faults":{"hang":"before_head"}}"#, whole()),
        (r#"{"faults":{"hang":"after_head"}}"#, streamed()),
        (r#"{"faults":{"hang":"after_head"}}"#, whole()),
        (r#"{"faults":{"stall_after":2}}"#, streamed()),
        (r#"{"faults":{"stall_after":2}}"#, whole()),
    ] {
        let provider = Provider::start().await;
        provider.behave(fault).await;
        let mut client = provider.connection("k", Protocol::Http1);
        let asking = tokio::spawn(async move { client.ask(&ask, clock::now()).await });
        let arrived = async || provider.simulator.counts().await.unwrap().in_flight == 1;
        eventually("the request arrives", arrived).await;
        assert!(!asking.is_finished(), "{fault}");
        provider.behave("{}").await;
        assert_eq!(asking.await.unwrap().ending, Ending::Complete, "{fault}");
    }
}

#[tokio::test]
async fn a_stream_without_its_end_may_stay_open() {
    let provider = Provider::start().await;
    provider.behave(r#"{"faults":{"missing_done":true,"left_open":true}}"#).await;
    let mut client = provider.connection("k", Protocol::Http1);
    let asking = tokio::spawn(async move { client.ask(&streamed(), clock::now()).await });
    let ended = async || provider.simulator.counts().await.unwrap().completed == 1;
    eventually("the answer ends", ended).await;
    assert!(!asking.is_finished());
    provider.behave("{}").await;
    let seen = asking.await.unwrap();
    assert_eq!((seen.ending, seen.reading.contents), (Ending::Cut, 6));
}

#[tokio::test]
async fn an_answer_goes_on_from_what_the_request_has_already() {
    let provider = Provider::start().await;
    let mut ask = streamed();
    let body = String::from_utf8(ask.body.to_vec()).unwrap();
    let prefill = r#"},{"role":"assistant","content":" w0 w1 w2 w3"}]}"#;
    ask.body = body.replace("}]}", prefill).into();
    provider.behave(r#"{"tokens":6,"prompt_tokens":70}"#).await;
    let seen = provider.ask(&ask).await;
    assert_eq!(seen.ending, Ending::Complete);
    assert_eq!((seen.reading.contents, seen.reading.words.misplaced()), (2, 2));
    assert_eq!(seen.reading.usage, Some(Usage { prompt_tokens: 74, completion_tokens: 2 }));
    let log = provider.simulator.log().await.unwrap();
    let entry = &log[seen.reading.answer_id.as_ref().unwrap()];
    assert_eq!((entry.prompt, entry.prefilled, entry.completion), (74, 4, 2));
    assert_eq!((entry.status, entry.streamed), (Some(200), true));
    assert!(entry.arrived_ms <= entry.ended_ms);

    provider.behave(r#"{"rejects_prefill":true}"#).await;
    let seen = provider.ask(&ask).await;
    assert_eq!((seen.ending, seen.status), (Ending::Refused, Some(400)));
    assert!(seen.reading.error.unwrap().message.unwrap().contains("user message"));
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let provider = Provider::start().await;
        provider.behave(r#"{"tokens_per_second":100,"tokens":1000}"#).await;
        let ask = Ask::chat(MODEL, 1_000, true).leaving_after(2);
        let seen = provider.connection("k", protocol).ask(&ask, clock::now()).await;
        assert_eq!(seen.ending, Ending::Left);
        let gone = async || provider.simulator.counts().await.unwrap().in_flight == 0;
        eventually("the provider notices", gone).await;
        let counts = provider.simulator.counts().await.unwrap();
        assert_eq!((counts.cancelled, counts.completed), (1, 0), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_closed_port_refuses_and_opens_again() {
    let provider = Provider::start().await;
    let mut kept = provider.connection("k", Protocol::Http1);
    assert_eq!(kept.ask(&whole(), clock::now()).await.ending, Ending::Complete);
    provider.simulator.listen(false).await.unwrap();
    let refuses = async || provider.ask(&whole()).await.ending == Ending::NoHead;
    eventually("connections are refused", refuses).await;
    assert_eq!(kept.ask(&whole(), clock::now()).await.ending, Ending::NoHead);
    provider.simulator.listen(true).await.unwrap();
    let answers = async || provider.ask(&whole()).await.ending == Ending::Complete;
    eventually("connections are taken again", answers).await;
    assert_eq!(kept.ask(&whole(), clock::now()).await.ending, Ending::Complete);
}

#[tokio::test]
async fn a_killed_provider_comes_back_on_its_ports_with_other_answer_ids() {
    let mut provider = Provider::start().await;
    let first = provider.ask(&whole()).await.reading.answer_id.unwrap();
    provider.simulator.process().kill().await;
    assert_eq!(provider.ask(&whole()).await.ending, Ending::NoHead);
    provider.simulator.restart().await.unwrap();
    let second = provider.ask(&whole()).await.reading.answer_id.unwrap();
    assert_ne!(first, second);
    let prefix = provider.simulator.answer_prefix();
    assert!(first.starts_with(&prefix) && second.starts_with(&prefix));
}

#[tokio::test]
async fn both_loops_send_what_they_are_told_to() {
    let provider = Provider::start().await;
    let target = infergate_loadtests::client::Target {
        address: provider.simulator.address(),
        key: "k".into(),
        protocol: Protocol::Http1,
    };
    let asks = vec![streamed(), whole()];
    let closed = Load::new(target.clone(), 4, asks.clone(), 40).keeping(1_000).closed().await;
    assert_eq!((closed.complete, closed.failed(), closed.seen.len()), (40, 0, 40));
    assert_eq!(closed.contents, 20 * 6 + 20);
    let open = Load::new(target, 4, asks, 40).open(1_000).await;
    assert_eq!((open.complete, open.failed()), (40, 0));
    assert!(open.elapsed >= Duration::from_millis(39));
    assert_eq!(provider.simulator.counts().await.unwrap().completed, 80);
}

#[tokio::test]
async fn a_late_answer_counts_from_when_it_was_to_begin() {
    let provider = Provider::start().await;
    provider.behave(r#"{"head_ms":60}"#).await;
    let target = infergate_loadtests::client::Target {
        address: provider.simulator.address(),
        key: "k".into(),
        protocol: Protocol::Http1,
    };
    // One connection cannot keep up with 100 a second at 60 ms each: the fifth waits for the others.
    let tally = Load::new(target, 1, vec![whole()], 5).keeping(5).open(100).await;
    let last = tally.seen.last().unwrap().total;
    assert!(last >= Duration::from_millis(5 * 60 - 40), "{last:?}");
}

#[tokio::test]
async fn nobody_listening_is_an_ending_and_not_a_hang() {
    let address = infergate_loadtests::process::free_address().unwrap();
    let seen = connection(address, "k", Protocol::Http1).ask(&whole(), clock::now()).await;
    assert_eq!((seen.ending, seen.status), (Ending::NoHead, None));
}
