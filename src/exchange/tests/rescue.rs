//! Streams that break off after their first content and go on at another provider.

use serde_json::{Value, json};

use super::stage::{Coming, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with, going_on};
use super::upstream::{Call, STREAM, Upstream, streamed, whole};

/// A chunk of another answer than the one of [`HELLO`].
fn other(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c2\",\"object\":\"chat.completion.chunk\",\"created\":8,\"model\":\"two\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn word(text: &str) -> String {
    other(&format!("{{\"content\":\"{text}\"}}"), "null")
}

/// As the client gets it: as a chunk of the first answer.
fn joined(chunk: &str) -> String {
    chunk.replace("\"c2\"", "\"c1\"").replace(":8,", ":7,").replace("\"two\"", "\"up\"")
}

/// The second provider's usage: 12 and 4 tokens.
fn usage() -> String {
    USAGE.replace(":10,", ":12,").replace(":3,", ":4,").replace(":13}", ":16}")
}

async fn before(prefill: bool) -> (Stage, Upstream, Upstream) {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let mut config = going_on(&[first.address, second.address], "");
    if prefill {
        config = config.replace("\"up/1\"", "\"up/1\", abilities = [\"prefill\"]");
    }
    (Stage::with(&config, "1").await, first, second)
}

/// A stream whose first word has reached the client, and whose provider then breaks off.
async fn broken(stage: &Stage, upstream: &mut Upstream, body: String) -> Coming {
    let (mut coming, call) = tokio::join!(stage.open(body), async {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    coming.expect(&[ROLE, HELLO].concat()).await;
    call.reset();
    coming
}

fn messages(call: &Call) -> Value {
    serde_json::from_slice::<Value>(&call.body).unwrap()["messages"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_takes_a_beginning_goes_on_from_it_and_the_client_sees_one_answer() {
    let (stage, mut first, second) = before(true).await;
    let role = other("{\"role\":\"assistant\",\"content\":\"\"}", "null");
    let (new, stop) = (word(" world"), other("{}", "\"stop\""));
    let second = second.plays(vec![streamed(&[&role, &new, &stop, &usage(), DONE])]);
    let coming = broken(&stage, &mut first, ask(true)).await;
    let (rest, in_order) = coming.rest().await;
    assert_eq!((rest, in_order), ([&joined(&new), &*joined(&stop), DONE].concat(), true));

    let call = &second.await.unwrap()[0];
    let asked = json!([{"role":"user","content":"hi"},{"role":"assistant","content":"Hello"}]);
    assert_eq!(messages(call), asked);
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("completed"), &json!(true)));
    // What was begun elsewhere is output here, and the sum is what the second provider counted.
    let used = |class: &str| bill["usage"][class].as_u64().unwrap();
    assert_eq!(used("input") + used("output"), 16);
    assert!(used("output") > 4);
    let attempts = bill["record"]["attempts"].as_array().unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].clone()).collect();
    assert_eq!(outcomes, ["cut", "answered"]);
    assert_eq!(stage.in_flight("p0").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_takes_none_is_asked_again_and_what_it_repeats_is_left_out() {
    let (stage, mut first, second) = before(false).await;
    let (old, mixed, stop) = (word("Hel"), word("lo world"), other("{}", "\"stop\""));
    let second = second.plays(vec![streamed(&[&old, &mixed, &stop, &usage(), DONE])]);
    let body = ask_with(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let (rest, _) = broken(&stage, &mut first, body).await.rest().await;
    let told = [&joined(&word(" world")), &*joined(&stop), &joined(&usage()), DONE].concat();
    // The usage is written anew, but says the same.
    let (chunks, counts) = rest.split_once("\"usage\":").unwrap();
    assert_eq!(chunks, told.split_once("\"usage\":").unwrap().0);
    assert!(counts.starts_with("{\"prompt_tokens\":12,\"completion_tokens\":4"), "{counts}");

    assert_eq!(messages(&second.await.unwrap()[0]), json!([{"role":"user","content":"hi"}]));
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("completed"), &json!(false)));
    assert_eq!((&bill["usage"]["input"], &bill["usage"]["output"]), (&json!(12), &json!(4)));
    assert_eq!(bill["charged"], 12 * 1_000 + 4 * 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_goes_another_way_is_not_joined() {
    let (stage, mut first, second) = before(false).await;
    let answers = vec![streamed(&[&word("Hi there"), &other("{}", "\"stop\""), DONE]); 4];
    let second = second.plays(answers);
    let coming = broken(&stage, &mut first, ask(true)).await;
    drop(first);
    let (rest, in_order) = coming.rest().await;
    assert!(in_order && rest.contains("stream_interrupted") && !rest.contains("DONE"), "{rest}");
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("provider_cut"), &json!(true)));
    second.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_refuses_a_beginning_after_all_is_asked_again_without_it() {
    let (stage, mut first, second) = before(true).await;
    let refused = whole("400 Bad Request", "", "{\"error\":{\"message\":\"no prefill\"}}");
    let again = streamed(&[&word("Hello"), &word(" world"), &other("{}", "\"stop\""), DONE]);
    let second = second.plays(vec![refused, again]);
    let (rest, _) = broken(&stage, &mut first, ask(true)).await.rest().await;
    let told = [&joined(&word(" world")), &*joined(&other("{}", "\"stop\"")), DONE].concat();
    assert_eq!(rest, told);
    let calls = second.await.unwrap();
    assert_eq!(messages(&calls[1]), json!([{"role":"user","content":"hi"}]));
    assert_eq!(stage.end().await["end"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tool_calls_are_not_gone_on_with() {
    let (stage, mut first, mut second) = before(true).await;
    let call_begun = other(
        "{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
        "null",
    );
    let (mut coming, call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = first.call().await;
        call.play(STREAM).await;
        call.chunk(&call_begun).await;
        call
    });
    coming.expect(&call_begun).await;
    call.reset();
    assert!(coming.rest().await.0.contains("stream_interrupted"));
    assert!(second.is_idle());
    assert_eq!(stage.end().await["end"], "provider_cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_another_is_looked_for_pays_for_what_it_got() {
    let (stage, mut first, mut second) = before(true).await;
    let coming = broken(&stage, &mut first, ask(true)).await;
    let mut call = second.call().await;
    coming.leave().await;
    call.gone().await;
    let bill = stage.end().await;
    assert_eq!((&bill["end"], &bill["estimated"]), (&json!("client_gone"), &json!(true)));
    assert_eq!((stage.in_flight("p0").await, stage.in_flight("p1").await), (json!(0), json!(0)));
    let _ = STOP;
}
