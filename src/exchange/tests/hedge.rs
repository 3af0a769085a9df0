//! Second attempts beside a slow first, and what the caller is told of attempts.

use serde_json::json;

use super::stage::{COMPLETION, COST, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, config};
use super::upstream::{Upstream, streamed, whole};

async fn hedging() -> (Stage, Upstream, Upstream) {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let hedge = "hedge = { after = \"20ms\", after_min = \"1ms\", percent = 100 }, tiers";
    let config = config(&[first.address, second.address], "").replace("tiers", hedge);
    (Stage::with(&config, "1").await, first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_first_wins_and_the_other_is_given_up() {
    for stream in [true, false] {
        let (stage, mut first, second) = hedging().await;
        let good = if stream {
            streamed(&[ROLE, HELLO, STOP, USAGE, DONE])
        } else {
            whole("200 OK", "", COMPLETION)
        };
        let second = second.plays(vec![good]);
        let silent = async {
            let mut call = first.call().await;
            call.gone().await;
        };
        let (reply, ()) = tokio::join!(stage.chat(ask(stream)), silent);
        assert_eq!(reply.status, 200);
        second.await.unwrap();
        assert_eq!(reply.header("x-infergate-provider"), "p1");
        assert_eq!(reply.header("x-infergate-trail"), "p0 outrun, p1 answered");
        let bill = stage.end().await;
        assert_eq!((&bill["charged"], &bill["end"]), (&json!(COST), &json!("completed")));
        let attempts = bill["record"]["attempts"].as_array().unwrap();
        assert_eq!((&attempts[0]["outcome"], attempts.len()), (&json!("outrun"), 2));
        assert_eq!(stage.in_flight("p0").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_first_may_still_win() {
    let (stage, mut first, mut second) = hedging().await;
    let racing = async {
        let (mut slow, mut hedge) = (first.call().await, second.call().await);
        slow.play(whole("200 OK", "", COMPLETION)).await;
        slow.close().await;
        hedge.gone().await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), racing);
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p0"));
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_that_fails_leaves_the_first_its_time() {
    let (stage, mut first, second) = hedging().await;
    let second = second.plays(vec![whole("503 Service Unavailable", "", "")]);
    let racing = async {
        let mut slow = first.call().await;
        second.await.unwrap();
        slow.play(whole("200 OK", "", COMPLETION)).await;
        slow.close().await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), racing);
    assert_eq!((reply.status, reply.header("x-infergate-provider")), (200, "p0"));
    assert_eq!(stage.end().await["charged"], COST);
}
