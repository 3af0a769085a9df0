//! Who is asked again, and who is not: bugs that were, each with what it lost.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::stage::{
    COMPLETION, COST, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with, config, going_on,
};
use super::upstream::{STREAM, Upstream, streamed, whole};

fn good() -> String {
    whole("200 OK", "", COMPLETION)
}

/// [`config`] of one model `small` at `p0`, with a dearer model `big` at the other providers.
fn two_models(addresses: &[SocketAddr]) -> String {
    let alone = going_on(&addresses[..1], "");
    let both = going_on(addresses, "");
    let (providers, models) = both.split_once("[[models]]").unwrap();
    let (_, small) = alone.split_once("[[models]]").unwrap();
    let first = "[{ provider = \"p0\", model = \"up/0\" }], ";
    let big = models
        .replace("\"small\"", "\"big\"")
        .replace(first, "")
        .replace("output = \"2\"", "output = \"20\"");
    format!("{providers}[[models]]{small}[[models]]{big}")
}

fn outcomes(bill: &Value) -> Vec<(Value, Value)> {
    let attempts = bill["record"]["attempts"].as_array().unwrap();
    attempts.iter().map(|try_| (try_["provider"].clone(), try_["outcome"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_models_broken_stream_goes_on_at_that_model() {
    let (small, mut big, other) =
        (Upstream::start().await, Upstream::start().await, Upstream::start().await);
    let config = two_models(&[small.address, big.address, other.address]);
    let stage = Stage::with(&config, "1").await;
    let small = small.plays(vec![whole("500 Internal Server Error", "", ""); 1]);
    let other = other.plays(vec![streamed(&[ROLE, HELLO, HELLO, STOP, USAGE, DONE])]);
    let (mut coming, call) =
        tokio::join!(stage.open(ask_with(",\"stream\":true,\"models\":[\"big\"]")), async {
            let mut call = big.call().await;
            call.play(STREAM).await;
            call.chunk([ROLE, HELLO].concat()).await;
            call
        });
    coming.expect(&[ROLE, HELLO].concat()).await;
    call.reset();
    let (rest, in_order) = coming.rest().await;
    assert_eq!((rest, in_order), ([HELLO, STOP, DONE].concat(), true));
    small.await.unwrap();
    other.await.unwrap();
    let bill = stage.end().await;
    let expected = [("p0", "server_error"), ("p1", "cut"), ("p2", "answered")];
    assert_eq!(outcomes(&bill), expected.map(|(name, end)| (json!(name), json!(end))));
    assert_eq!(bill["record"]["served_model"], "big");
    assert_eq!(bill["charged"], 10 * 1_000 + 3 * 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_is_too_dear_is_left_out_and_the_model_asked_for_answers() {
    let (small, big) = (Upstream::start().await, Upstream::start().await);
    let config = two_models(&[small.address, big.address]);
    let stage = Stage::with(&config, "0.0003").await;
    let small = small.plays(vec![good()]);
    let body = ask_with(",\"models\":[\"big\"],\"max_tokens\":50");
    assert_eq!(stage.chat(body).await.status, 200);
    small.await.unwrap();
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_bad_credentials_does_not_take_the_attempts_of_others() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let keys: Vec<String> = (0..6).map(|number| format!("\"sk-secret-bad-{number}\"")).collect();
    let more = format!("credentials = [{}]", keys.join(", "));
    let stage = Stage::with(&config(&[first.address, second.address], &more), "1").await;
    let first = first.plays(vec![whole("401 Unauthorized", "", ""); 6]);
    let second = second.plays(vec![good()]);
    let reply = stage.chat(ask(false)).await;
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p1"));
    second.await.unwrap();
    first.abort();
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_providers_long_pause_is_not_anothers() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::before(&[first.address, second.address]).await;
    let first = first.plays(vec![whole("500 Internal Server Error", "", ""), good()]);
    let second = second.plays(vec![whole("429 Too Many Requests", "retry-after: 120\r\n", "")]);
    let reply = stage.chat(ask(false)).await;
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p0"));
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_provider_is_given_up_for_one_that_is_back_soon() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let more = "timeouts = { head = \"50ms\" }";
    let config = config(&[second.address, first.address], "").replacen(
        "credentials = [\"sk-secret-1\"]",
        &format!("credentials = [\"sk-secret-1\"]\n{more}"),
        1,
    );
    let stage = Stage::with(&config, "1").await;
    let answer = streamed(&[ROLE, HELLO, STOP, USAGE, DONE]);
    let limited = whole("429 Too Many Requests", "retry-after: 1\r\n", "");
    let second = second.plays(vec![limited, answer]);
    let silent = async {
        let mut call = first.call().await;
        call.gone().await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(true)), silent);
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p0"));
    second.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_of_two_says_that_the_request_is_wrong_the_others_answer_counts() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let hedge = "hedge = { after = \"20ms\", after_min = \"1ms\", percent = 100 }, tiers";
    let config = config(&[first.address, second.address], "").replace("tiers", hedge);
    let stage = Stage::with(&config, "1").await;
    let second = second.plays(vec![whole("400 Bad Request", "", "{\"error\":{}}")]);
    let racing = async {
        let mut slow = first.call().await;
        second.await.unwrap();
        slow.play(good()).await;
        slow.close().await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), racing);
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p0"));
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_does_not_repeat_no_other_is_asked_to_repeat() {
    let (mut first, second, mut third) =
        (Upstream::start().await, Upstream::start().await, Upstream::start().await);
    let config = going_on(&[first.address, second.address, third.address], "");
    let stage = Stage::with(&config, "1").await;
    let other = HELLO.replace("Hello", "Something else");
    let second = second.plays(vec![streamed(&[ROLE, &other, STOP, DONE])]);
    let (mut coming, call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = first.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    coming.expect(&[ROLE, HELLO].concat()).await;
    call.reset();
    assert!(coming.rest().await.0.contains("stream_interrupted"));
    second.await.unwrap();
    assert!(third.is_idle());
    assert_eq!(outcomes(&stage.end().await).len(), 2);
}
