//! How a stream ends once its first content has reached the client, and what is charged then.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{COST, Coming, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with, config};
use super::upstream::{Call, STREAM, Upstream, streamed};
use crate::operate::fixture::Setup;

/// A stream whose role and first word have reached the client.
pub(super) async fn begun(stage: &Stage, upstream: &mut Upstream) -> (Coming, Call) {
    let (mut coming, call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    assert_eq!(coming.status, 200);
    coming.expect(&[ROLE, HELLO].concat()).await;
    (coming, call)
}

/// The error event that all of a stream's rest is.
pub(super) fn error_in(rest: &str) -> Value {
    let data = rest.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
    let data = data.unwrap_or_else(|| panic!("{rest}"));
    let error: Value = serde_json::from_str(data).unwrap_or_else(|_| panic!("{rest}"));
    error["error"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_ends_with_an_error_and_what_came_is_charged() {
    let error = "data: {\"error\":{\"message\":\"at http://127.0.0.1:1 with sk-secret-0\"}}\n\n";
    let chunk = |text: &str| super::upstream::chunk(text);
    for (how, end) in [
        (Vec::new(), "nothing more"),
        (b"0\r\n\r\n".to_vec(), "an end before the finish reason"),
        (b"zz\r\n".to_vec(), "a garbled chunk"),
        (chunk("data: {\"choices\":[{\"ind\n\n"), "a garbled event"),
        (chunk(&HELLO[..40]), "half an event"),
        (chunk(error), "an error event"),
    ] {
        let mut upstream = Upstream::start().await;
        let stage = Stage::before(&[upstream.address]).await;
        let (coming, mut call) = begun(&stage, &mut upstream).await;
        call.play(how).await;
        call.close().await;
        let (rest, in_order) = coming.rest().await;
        assert_eq!(error_in(&rest)["code"], "stream_interrupted", "{end}");
        assert!(in_order && !rest.contains("127.0.0.1") && !rest.contains("secret"), "{rest}");
        let bill = stage.end().await;
        assert_eq!((&bill["end"], &bill["estimated"]), (&json!("provider_cut"), &json!(true)));
        assert!(bill["charged"].as_i64().unwrap() > 0, "{end}");
        assert_eq!(bill["record"]["attempts"][0]["outcome"], "cut");
        assert_eq!(stage.in_flight("p0").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_connection_is_a_cut() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (coming, call) = begun(&stage, &mut upstream).await;
    call.reset();
    assert_eq!(error_in(&coming.rest().await.0)["code"], "stream_interrupted");
    assert_eq!(stage.end().await["end"], "provider_cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_falls_silent_is_timed_out() {
    let mut upstream = Upstream::start().await;
    let more = "timeouts = { idle = \"50ms\" }";
    let stage = Stage::with(&config(&[upstream.address], more), "1").await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    let (rest, ()) = tokio::join!(coming.rest(), call.gone());
    assert_eq!(error_in(&rest.0)["code"], "stream_timeout");
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("timed_out"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_has_a_total_time_however_busy_it_is() {
    let mut upstream = Upstream::start().await;
    let times = "timeouts = { total = \"2s\", head = \"2s\", first_content = \"2s\", \
                 unstreamed = \"2s\", idle = \"2s\", connect = \"2s\" }";
    let stage = Stage::with(&config(&[upstream.address], times), "1").await;
    let playing = tokio::spawn(async move {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk(HELLO).await;
        while call.is_open() {
            call.chunk(": ping\n\n").await;
            tokio::task::yield_now().await;
        }
    });
    let (rest, _) = stage.open(ask(true)).await.rest().await;
    assert!(rest.contains("\"stream_timeout\""));
    assert_eq!(stage.end().await["end"], "timed_out");
    playing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_a_terminator_is_given_one() {
    // Closed behind its end, with and without the last blank line; and not closed at all.
    for (last, closes) in [(STOP, true), (STOP.trim_end(), true), (STOP, false)] {
        let mut upstream = Upstream::start().await;
        let stage = Stage::before(&[upstream.address]).await;
        let (coming, mut call) = begun(&stage, &mut upstream).await;
        call.chunk(last).await;
        if closes {
            call.play("0\r\n\r\n").await;
        }
        assert_eq!(coming.rest().await, ([STOP, DONE].concat(), true));
        let bill = stage.end().await;
        assert_eq!((&bill["end"], &bill["estimated"]), (&json!("completed"), &json!(true)));
        assert_eq!(bill["record"]["attempts"][0]["outcome"], "answered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_behind_the_terminator_is_nobodys() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let upstream = upstream.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE, HELLO, USAGE])]);
    let reply = stage.chat(ask(true)).await;
    assert_eq!(reply.body, [ROLE, HELLO, STOP, DONE].concat());
    upstream.await.unwrap();
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_cancels_the_provider_and_pays_for_what_came() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    coming.leave().await;
    call.gone().await;
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("client_gone"), &json!(true)));
    assert!(bill["charged"].as_i64().unwrap() > 0);
    assert_eq!(bill["record"]["attempts"][0]["outcome"], "client_gone");
    assert_eq!(stage.in_flight("p0").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_any_content_pays_nothing() {
    for stream in [true, false] {
        let mut upstream = Upstream::start().await;
        let stage = Stage::before(&[upstream.address]).await;
        let asking = tokio::spawn({
            let (to, request) = (stage.gateway.data, stage.request(ask(stream)));
            async move { super::stage::open(to, request).await.status }
        });
        let mut call = upstream.call().await;
        if stream {
            call.play(STREAM).await;
            call.chunk(ROLE).await;
        }
        asking.abort();
        let _ = asking.await;
        call.gone().await;
        assert_eq!(stage.end().await["end"], "client_gone");
        let account = stage.gateway.get(&stage.account).await;
        assert_eq!(
            (&account["settled_nano_usd"], &account["available_usd"]),
            (&json!(0), &json!("1"))
        );
        assert_eq!(stage.in_flight("p0").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_outruns_its_credit_ends_with_length() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&config(&[upstream.address], ""), "0.02").await;
    let asked = ask_with(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let playing = tokio::spawn(async move {
        let mut call = upstream.call().await;
        // More than the first hold covers, so the provider is not told a ceiling.
        assert!(!String::from_utf8_lossy(&call.body).contains("max_"), "{:?}", call.body);
        call.play(STREAM).await;
        let words = HELLO.replace("Hello", &"word ".repeat(200));
        while call.is_open() {
            call.chunk(&words).await;
        }
    });
    let (rest, in_order) = stage.open(asked).await.rest().await;
    playing.await.unwrap();
    let tail = &rest[rest.len() - 600..];
    assert!(in_order && rest.ends_with(DONE), "{tail}");
    assert!(
        tail.contains("\"finish_reason\":\"length\"") && tail.contains("\"usage\":{"),
        "{tail}"
    );
    let bill = stage.end().await;
    assert_eq!(bill["end"], "out_of_credit");
    let account = stage.gateway.get(&stage.account).await;
    let left = account["balance_nano_usd"].as_i64().unwrap();
    // Two kinds of step: the first hold and at least one extension.
    assert!(bill["usage"]["output"].as_u64().unwrap() > 8_192, "{bill}");
    assert!(left >= 0 && account["settled_nano_usd"] == 20_000_000 - left, "{account}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_that_does_not_reach_lowers_the_ceiling_or_refuses() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&config(&[upstream.address], ""), "0.001").await;
    let upstream =
        upstream.plays(vec![super::upstream::whole("200 OK", "", super::stage::COMPLETION); 2]);
    let body = ask(false);
    // The prompt counts as its bytes, at 1000 nano-USD each; a completion token costs 2000.
    let affordable = |body: &str, credit: usize| (credit - body.len() * 1_000) / 2_000;
    assert_eq!(stage.chat(body.clone()).await.status, 200);
    let high = ask_with(",\"max_tokens\":5000,\"max_completion_tokens\":10");
    let credit = 1_000_000 - usize::try_from(COST).unwrap();
    assert_eq!(stage.chat(high.clone()).await.status, 200);
    let calls = upstream.await.unwrap();
    let expected = body
        .replace("\"small\"", "\"up/0\"")
        .replace("]}", &format!("],\"max_tokens\":{}}}", affordable(&body, 1_000_000)));
    assert_eq!(calls[0].body, expected);
    let lowered = format!("\"max_tokens\":{}", affordable(&high, credit));
    let expected = high.replace("\"small\"", "\"up/0\"").replace("\"max_tokens\":5000", &lowered);
    assert_eq!(calls[1].body, expected);

    let long = ask_with(&format!(",\"user\":\"{}\"", "x".repeat(1_000)));
    let reply = stage.chat(long).await;
    let error = &reply.json()["error"];
    assert_eq!(
        (reply.status, &error["type"], &error["code"]),
        (402, &json!("insufficient_quota"), &json!("insufficient_credit"))
    );
    assert_eq!(stage.ends().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_gateway_lets_streams_end() {
    let mut upstream = Upstream::start().await;
    let config = config(&[upstream.address], "");
    let setup = Setup { config, grace: Duration::from_mins(1), ..Setup::default() };
    let mut stage = Stage::of(setup, "1").await;
    let (mut coming, mut call) = begun(&stage, &mut upstream).await;
    stage.gateway.begin_shut_down();
    call.chunk(HELLO).await;
    coming.expect(HELLO).await;
    call.chunk([STOP, USAGE, DONE].concat()).await;
    assert_eq!(coming.rest().await, ([STOP, DONE].concat(), true));
    assert_eq!(stage.gateway.shut_down().await, 0);
    assert_eq!(stage.gateway.settled(&stage.account).await, COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_the_grace_is_cut_and_charged() {
    let mut upstream = Upstream::start().await;
    let mut stage = Stage::before(&[upstream.address]).await;
    let (coming, mut call) = begun(&stage, &mut upstream).await;
    assert_eq!(stage.gateway.shut_down().await, 1);
    call.gone().await;
    let (rest, in_order) = coming.rest().await;
    assert!(!in_order && !rest.contains("[DONE]"), "{rest}");
    stage.gateway.world.gate.wait_until_empty().await;
    assert!(stage.gateway.settled(&stage.account).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_configuration_changes_routes_and_cuts_no_stream() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::before(&[first.address]).await;
    let (coming, mut call) = begun(&stage, &mut first).await;
    stage.gateway.reload(&config(&[second.address], "")).await;
    let second = second.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE])]);
    assert_eq!(stage.chat(ask(true)).await.status, 200);
    second.await.unwrap();
    call.chunk([STOP, USAGE, DONE].concat()).await;
    assert_eq!(coming.rest().await, ([STOP, DONE].concat(), true));
    let ends = stage.ends().await;
    assert!(ends.len() == 2 && ends.iter().all(|bill| bill["charged"] == COST), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_inside_the_process_ends_its_streams_after_a_reload() {
    let simulated = |name: &str| {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"simulated\"\ntoken_delay = \"20ms\"\n\
             [[models]]\nname = \"small\"\ncontext_tokens = 8000\noutput_tokens_max = 1000\n\
             price = {{ input = \"1\", output = \"2\" }}\n\
             route = {{ tiers = [[{{ provider = \"{name}\" }}]] }}\n"
        )
    };
    let stage = Stage::with(&simulated("one"), "1").await;
    let mut coming = stage.open(ask(true).replace("hi", "one two three four five")).await;
    assert!(coming.piece().await.is_some());
    stage.gateway.reload(&simulated("other")).await;
    let (rest, in_order) = coming.rest().await;
    assert!(in_order && rest.ends_with(DONE), "{rest}");
    assert_eq!(stage.end().await["end"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_dropped_and_pays_for_what_it_was_sent() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (_coming, mut call) = begun(&stage, &mut upstream).await;
    let world = &stage.gateway.world;
    let minute = Duration::from_mins(1);
    let in_an_hour = world.clock.mono() + Duration::from_hours(1);
    while stage.in_flight("p0").await != 1 {}
    // It is the provider's turn: however long that takes, the client is not to blame.
    assert_eq!(world.handouts.drop_stalled(in_an_hour, minute), 0);
    let writing = tokio::spawn(async move {
        let words = HELLO.repeat(1_000);
        while call.is_open() {
            call.chunk(&words).await;
        }
    });
    while world.handouts.drop_stalled(in_an_hour, minute) == 0 {
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("client_stalled"), &json!(true)));
    assert!(bill["charged"].as_i64().unwrap() > 0);
}
