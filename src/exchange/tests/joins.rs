//! Requests that are the same and come at the same time: one is asked for all, and each pays its part.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::stage::{
    COMPLETION, COST, Coming, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, caching, open,
};
use super::upstream::{Call, STREAM, Upstream, streamed, whole};

const CACHE: &str = "x-infergate-cache";

/// A stream whose role and first word have reached the client that asked first.
async fn begun(stage: &Stage, upstream: &mut Upstream) -> (Coming, Call) {
    let (mut first, call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    assert_eq!(first.headers[CACHE], "miss");
    first.expect(&[ROLE, HELLO].concat()).await;
    (first, call)
}

/// Another client that has read as far.
async fn joined(stage: &Stage) -> Coming {
    let mut other = stage.open(ask(true)).await;
    assert_eq!((other.status, &other.headers[CACHE]), (200, &"joined".parse().unwrap()));
    other.expect(&[ROLE, HELLO].concat()).await;
    other
}

fn by_source<'e>(ends: &'e [Value], source: &str) -> Vec<&'e Value> {
    ends.iter().filter(|end| end["record"]["source"] == source).collect()
}

async fn finish(call: &mut Call) {
    for event in [STOP, USAGE, DONE] {
        call.chunk(event).await;
    }
    call.play("0\r\n\r\n").await;
    call.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_are_one_upstream_and_pay_one_price_and_49_shares() {
    for stream in [false, true] {
        let mut upstream = Upstream::start().await;
        let stage = Stage::with(&caching(&[upstream.address], ""), "10").await;
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let (to, request) = (stage.gateway.data, stage.request(ask(stream)));
                tokio::spawn(async move {
                    let coming = open(to, request).await;
                    let told = coming.headers[CACHE].to_str().unwrap().to_owned();
                    (told, coming.rest().await)
                })
            })
            .collect();
        let mut call = upstream.call().await;
        stage.holding(50).await;
        let (answer, expected) = if stream {
            (streamed(&[ROLE, HELLO, STOP, USAGE, DONE]), [ROLE, HELLO, STOP, DONE].concat())
        } else {
            (whole("200 OK", "", COMPLETION), COMPLETION.to_owned())
        };
        call.play(answer).await;
        let mut misses = 0;
        for asking in asking {
            let (told, got) = asking.await.unwrap();
            misses += usize::from(told == "miss");
            assert!(told == "miss" || told == "joined", "{told}");
            assert_eq!(got, (expected.clone(), true));
        }
        assert!(upstream.is_idle() && misses == 1);
        let ends = stage.ends().await;
        assert_eq!(ends.len(), 50);
        assert!(ends.iter().all(|end| end["end"] == "completed" && end["estimated"] == false));
        let charges = |source| -> Vec<i64> {
            by_source(&ends, source).iter().map(|end| end["charged"].as_i64().unwrap()).collect()
        };
        assert_eq!((charges("provider"), charges("joined")), (vec![COST], vec![COST / 10; 49]));
        assert!(
            by_source(&ends, "joined").iter().all(|end| end["record"]["attempts"] == json!([]))
        );
        let verified = stage.gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
        assert_eq!(verified["ok"], true, "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_later_gets_the_stream_from_its_beginning() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let other = joined(&stage).await;
    finish(&mut call).await;
    let rest = ([STOP, DONE].concat(), true);
    assert_eq!((first.rest().await, other.rest().await), (rest.clone(), rest));
    let hit = stage.chat(ask(true)).await;
    assert_eq!(hit.header(CACHE), "hit");
    let ends = stage.ends().await;
    assert_eq!(by_source(&ends, "joined")[0]["charged"], COST / 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_client_leaves_is_driven_on_for_the_others() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let mut other = joined(&stage).await;
    first.leave().await;
    call.chunk(HELLO).await;
    other.expect(HELLO).await;
    // One who joins now finds all of it, too.
    let mut late = stage.open(ask(true)).await;
    late.expect(&[ROLE, HELLO, HELLO].concat()).await;
    finish(&mut call).await;
    let rest = ([STOP, DONE].concat(), true);
    assert_eq!((other.rest().await, late.rest().await), (rest.clone(), rest));
    let ends = stage.ends().await;
    let first = by_source(&ends, "provider")[0];
    assert_eq!((&first["charged"], &first["end"]), (&json!(COST), &json!("completed")));
    assert_eq!(by_source(&ends, "joined").len(), 2);
    assert_eq!(stage.in_flight("p0").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_everybody_leaves_is_given_up() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let other = joined(&stage).await;
    first.leave().await;
    other.leave().await;
    call.gone().await;
    let ends = stage.ends().await;
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|end| end["end"] == "client_gone" && end["estimated"] == true));
    let charged = |source| by_source(&ends, source)[0]["charged"].as_i64().unwrap();
    assert_eq!(charged("provider"), charged("joined") * 10);
    // What broke off is not kept, and is not joined.
    let again = begun(&stage, &mut upstream).await;
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_alone_pays_for_what_it_got_and_disturbs_nobody() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let other = joined(&stage).await;
    other.leave().await;
    stage.holding(1).await;
    finish(&mut call).await;
    assert_eq!(first.rest().await, ([STOP, DONE].concat(), true));
    let ends = stage.ends().await;
    let other = by_source(&ends, "joined")[0];
    assert_eq!((&other["end"], &other["estimated"]), (&json!("client_gone"), &json!(true)));
    assert!(other["charged"].as_i64().unwrap() > 0);
    assert_eq!(by_source(&ends, "provider")[0]["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_first_gets_no_answer_another_asks_for_the_rest() {
    for stream in [false, true] {
        let mut upstream = Upstream::start().await;
        let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let (to, request) = (stage.gateway.data, stage.request(ask(stream)));
                tokio::spawn(async move {
                    let coming = open(to, request).await;
                    (coming.status, coming.rest().await)
                })
            })
            .collect();
        let mut call = upstream.call().await;
        stage.holding(4).await;
        call.play(whole("500 Internal Server Error", "", "{}")).await;
        let mut call = upstream.call().await;
        stage.holding(3).await;
        let (answer, expected) = if stream {
            (streamed(&[ROLE, HELLO, STOP, USAGE, DONE]), [ROLE, HELLO, STOP, DONE].concat())
        } else {
            (whole("200 OK", "", COMPLETION), COMPLETION.to_owned())
        };
        call.play(answer).await;
        let mut failed = 0;
        for asking in asking {
            let (status, got) = asking.await.unwrap();
            match status {
                200 => assert_eq!(got, (expected.clone(), true)),
                status => {
                    assert_eq!(status, StatusCode::BAD_GATEWAY);
                    failed += 1;
                }
            }
        }
        assert!(failed == 1 && upstream.is_idle());
        let ends = stage.ends().await;
        assert_eq!(by_source(&ends, "provider")[0]["charged"], COST);
        let shares: Vec<_> = by_source(&ends, "joined").iter().map(|end| &end["charged"]).collect();
        assert_eq!(shares, [&json!(COST / 10); 2]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_first_leaves_before_its_answer_another_asks() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let ask_now = || tokio::spawn(open(stage.gateway.data, stage.request(ask(true))));
    let first = ask_now();
    let mut call = upstream.call().await;
    let other = ask_now();
    stage.holding(2).await;
    first.abort();
    call.gone().await;
    let mut call = upstream.call().await;
    call.play(streamed(&[ROLE, HELLO, STOP, USAGE, DONE])).await;
    let other = other.await.unwrap();
    assert_eq!(other.headers[CACHE], "miss");
    assert_eq!(other.rest().await, ([ROLE, HELLO, STOP, DONE].concat(), true));
    let ends = stage.ends().await;
    assert_eq!(
        ends.iter().map(|end| &end["end"]).collect::<Vec<_>>(),
        ["client_gone", "completed"]
    );
    assert_eq!(ends[1]["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_says_is_wrong_is_wrong_for_all() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let ask_now = || tokio::spawn(open(stage.gateway.data, stage.request(ask(false))));
    let (first, mut call) = (ask_now(), upstream.call().await);
    let other = ask_now();
    stage.holding(2).await;
    let error = "{\"error\":{\"message\":\"no such tool\",\"type\":\"invalid_request_error\"}}";
    call.play(whole("400 Bad Request", "", error)).await;
    for asking in [first, other] {
        let coming = asking.await.unwrap();
        assert_eq!(coming.status, 400);
        assert!(coming.rest().await.0.contains("no such tool"));
    }
    assert!(upstream.is_idle());
    let ends = stage.ends().await;
    assert!(ends.len() == 2 && ends.iter().all(|end| end["end"] == "rejected"), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_breaks_off_for_all_and_is_paid_as_far_as_it_came() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let (first, call) = begun(&stage, &mut upstream).await;
    let other = joined(&stage).await;
    call.reset();
    let (first, other) = (first.rest().await, other.rest().await);
    assert!(first.1 && first.0.contains("\"stream_interrupted\""), "{first:?}");
    assert_eq!(first, other);
    let ends = stage.ends().await;
    assert!(ends.iter().all(|end| end["end"] == "provider_cut" && end["estimated"] == true));
    let charged = |source| by_source(&ends, source)[0]["charged"].as_i64().unwrap();
    assert_eq!(charged("provider"), charged("joined") * 10);
    assert_eq!(stage.gateway.get("/admin/v1/cache").await["entries"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_key_is_revoked_is_ended_and_nobody_else() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let key = stage.other_key().await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let mut other = open(stage.gateway.data, stage.request_by(&key, ask(true))).await;
    other.expect(&[ROLE, HELLO].concat()).await;
    let revoke = format!("{}/keys/key_2?reason=lost", stage.account);
    let reply = stage.gateway.ask(http::Method::DELETE, &revoke, None).await;
    assert!(reply.status < 300, "{:?}", reply.body);
    let (rest, in_order) = other.rest().await;
    assert!(in_order && rest.contains("revoked"), "{rest}");
    finish(&mut call).await;
    assert_eq!(first.rest().await, ([STOP, DONE].concat(), true));
    let ends = stage.ends().await;
    let other = by_source(&ends, "joined")[0];
    assert_eq!((&other["end"], &other["estimated"]), (&json!("key_revoked"), &json!(true)));
    assert!(other["charged"].as_i64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_is_told_when_its_account_is_suspended() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let ask_now = || tokio::spawn(open(stage.gateway.data, stage.request(ask(true))));
    let first = ask_now();
    let call = upstream.call().await;
    let other = ask_now();
    stage.holding(2).await;
    let reason = json!({ "reason": "test" });
    stage.gateway.post(&format!("{}/suspend", stage.account), &reason, 200).await;
    assert_eq!(other.await.unwrap().status, 403);
    first.abort();
    drop(call);
    let ends = stage.ends().await;
    assert!(ends.iter().any(|end| end["end"] == "suspended"), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_becomes_too_long_is_shared_no_more_and_not_kept() {
    let mut upstream = Upstream::start().await;
    let config =
        format!("[cache]\nentry_bytes_max = \"1KiB\"\n{}", caching(&[upstream.address], ""));
    let stage = Stage::with(&config, "1").await;
    let (mut first, mut call) = begun(&stage, &mut upstream).await;
    let other = joined(&stage).await;
    for _ in 0..6 {
        call.chunk(HELLO).await;
    }
    let (rest, in_order) = other.rest().await;
    assert!(in_order && rest.contains("\"answer_too_long_to_share\""), "{rest}");
    first.expect(&HELLO.repeat(6)).await;
    // Nobody finds it any more.
    let (next, mut next_call) = begun(&stage, &mut upstream).await;
    for call in [&mut call, &mut next_call] {
        finish(call).await;
    }
    let expected = ([STOP, DONE].concat(), true);
    assert_eq!((first.rest().await, next.rest().await), (expected.clone(), expected));
    let ends = stage.ends().await;
    let other = by_source(&ends, "joined")[0];
    assert_eq!((&other["end"], &other["estimated"]), (&json!("provider_cut"), &json!(true)));
    let got = rest.matches("Hello").count() + 1;
    let tokens = other["usage"]["output"].as_u64().unwrap();
    assert!(tokens >= got as u64, "{tokens} of {got}");
    assert_eq!(by_source(&ends, "provider").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_and_one_that_wants_its_own_answer_join_nobody() {
    let mut upstream = Upstream::start().await;
    let config = caching(&[upstream.address], "scope = \"gateway\"");
    let stage = Stage::with(&config, "1").await;
    let (_, key) = stage.other_account("1").await;
    let (first, mut call) = begun(&stage, &mut upstream).await;
    let mut own = stage.request(ask(true));
    own.headers_mut().insert("cache-control", "no-cache".parse().unwrap());
    for request in [stage.request_by(&key, ask(true)), own] {
        let asking = tokio::spawn(open(stage.gateway.data, request));
        let mut call = upstream.call().await;
        call.play(streamed(&[ROLE, HELLO, STOP, USAGE, DONE])).await;
        let coming = asking.await.unwrap();
        assert_eq!(coming.headers[CACHE], "miss");
        coming.rest().await;
    }
    finish(&mut call).await;
    first.rest().await;
    assert!(stage.ends().await.iter().all(|end| end["charged"] == COST));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_route_says_so_nobody_joins() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], "coalesce = false"), "1").await;
    let (_first, _call) = begun(&stage, &mut upstream).await;
    let _second = begun(&stage, &mut upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_ask_after_another_can_hold_what_that_one_has_let_go() {
    let mut upstream = Upstream::start().await;
    // The first holds $0.04 for 20,000 tokens, and its prompt; a tenth of that is left for another.
    let stage = Stage::with(&caching(&[upstream.address], ""), "0.045").await;
    let ask_now = || tokio::spawn(open(stage.gateway.data, stage.request(ask(false))));
    let (first, mut call) = (ask_now(), upstream.call().await);
    let other = ask_now();
    stage.holding(2).await;
    call.play(whole("500 Internal Server Error", "", "{}")).await;
    assert_eq!(first.await.unwrap().status, 502);
    let mut call = upstream.call().await;
    let sent = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(sent.contains("\"max_tokens\":20000"), "{sent}");
    call.play(whole("200 OK", "", COMPLETION)).await;
    let other = other.await.unwrap();
    assert_eq!((other.status, &other.headers[CACHE]), (200, &"miss".parse().unwrap()));
    other.rest().await;
    assert_eq!(stage.ends().await[1]["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_holds_up_nobody_who_follows_it() {
    let mut upstream = Upstream::start().await;
    let bounds = "[cache]\nbytes_max = \"1GiB\"\nentry_bytes_max = \"64MiB\"\n";
    let config = format!("{bounds}{}", caching(&[upstream.address], ""));
    let stage = Stage::with(&config, "1").await;
    let (_first, mut call) = begun(&stage, &mut upstream).await;
    let other = tokio::spawn(joined(&stage).await.rest());
    let writing = tokio::spawn(async move {
        let words = HELLO.repeat(1_000);
        for _ in 0..100 {
            call.chunk(&words).await;
        }
        finish(&mut call).await;
    });
    // Long enough that whoever reads at all is not taken for one that does not.
    let world = &stage.gateway.world;
    let stall = Duration::from_secs(2);
    while world.handouts.drop_stalled(world.clock.mono(), stall) == 0 {
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    let (rest, in_order) = other.await.unwrap();
    assert!(in_order && rest.ends_with(DONE), "{}", rest.len());
    assert_eq!(rest.matches("Hello").count(), 100_000);
    let ends = stage.ends().await;
    assert!(ends.iter().all(|end| end["end"] == "completed"), "{ends:?}");
    assert_eq!(by_source(&ends, "provider")[0]["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_whenever_every_hold_ends_and_nothing_is_left_to_join() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "10").await;
    for round in 0..12_usize {
        let (first, mut call) = begun(&stage, &mut upstream).await;
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(joined(&stage).await);
        }
        let ask_now = || tokio::spawn(open(stage.gateway.data, stage.request(ask(true))));
        let waiting: Vec<_> = (0..3).map(|_| ask_now()).collect();
        stage.holding(8).await;
        let mut first = Some(first);
        for (number, other) in others.into_iter().enumerate() {
            if number == round % 5 {
                drop(first.take());
            }
            match (round + number) % 3 {
                0 => other.leave().await,
                1 => drop(other),
                _ => drop(tokio::spawn(other.rest())),
            }
            call.chunk(HELLO).await;
        }
        for (number, waiting) in waiting.into_iter().enumerate() {
            if number == round % 3 {
                waiting.abort();
            }
        }
        match round % 3 {
            0 => finish(&mut call).await,
            1 => call.reset(),
            _ => drop(call),
        }
        drop(first);
        stage.gateway.ask(http::Method::DELETE, "/admin/v1/cache", None).await;
        stage.ends().await;
        assert_eq!(stage.gateway.world.cache.joinable(), 0);
        assert_eq!(stage.in_flight("p0").await, 0);
        assert!(upstream.is_idle());
    }
    let ends = stage.ends().await;
    let mut holds: Vec<_> = ends.iter().map(|end| end["hold"].as_str().unwrap()).collect();
    holds.sort_unstable();
    holds.dedup();
    assert_eq!(holds.len(), ends.len(), "a hold ended twice");
    let verified = stage.gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
    assert_eq!(verified["ok"], true, "{verified}");
}
