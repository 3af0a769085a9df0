//! Answers that are given again: to whom, for how long, and what they cost.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use infergate_actors::clock::Clock;
use serde_json::{Value, json};

use super::stage::{
    COMPLETION, COST, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with, caching, config,
};
use super::upstream::{Upstream, streamed, whole};
use crate::operate::fixture::{Reply, Setup, send};

const CACHE: &str = "x-infergate-cache";

impl Stage {
    async fn chat_saying(&self, control: &'static str, body: String) -> Reply {
        let mut request = self.request(body);
        let control = HeaderValue::from_static(control);
        request.headers_mut().insert(header::CACHE_CONTROL, control);
        send(self.gateway.data, request).await
    }

    async fn chat_by(&self, key: &str) -> Reply {
        send(self.gateway.data, self.request_by(key, ask(false))).await
    }
}

fn completions(count: usize) -> Vec<String> {
    vec![whole("200 OK", "", COMPLETION); count]
}

fn charged(ends: &[Value]) -> Vec<i64> {
    ends.iter().map(|end| end["charged"].as_i64().unwrap_or(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_gets_the_same_answer_for_a_share_of_the_price() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], "price_percent = 25"), "1").await;
    let upstream = upstream.plays(completions(1));
    let first = stage.chat(ask(false)).await;
    assert_eq!((first.header(CACHE), first.header("age")), ("miss", ""));
    let again = stage.chat(ask(false)).await;
    assert_eq!((again.status, again.header(CACHE), again.header("age")), (200, "hit", "0"));
    assert_eq!((&*again.body, &*first.body), (COMPLETION.as_bytes(), COMPLETION.as_bytes()));
    assert_eq!(again.header("x-infergate-model"), "small");
    assert_eq!(again.header("content-type"), "application/json");
    upstream.await.unwrap();

    let ends = stage.ends().await;
    assert_eq!(charged(&ends), [COST, COST / 4]);
    let (first, again) = (&ends[0], &ends[1]);
    assert_eq!((&again["usage"], &again["end"]), (&first["usage"], &json!("completed")));
    assert_eq!((&again["estimated"], &again["absorbed"]), (&json!(false), &json!(0)));
    assert_eq!(first["record"]["source"], "provider");
    assert_eq!(
        (&again["record"]["source"], &again["record"]["attempts"]),
        (&json!("cache"), &json!([]))
    );
    let journal = stage.gateway.get(&format!("{}/journal?limit=1000", stage.account)).await;
    let events = journal["events"].as_array().unwrap().iter();
    let holds: Vec<_> = events.filter_map(|line| line["event"].get("held")).collect();
    assert_eq!(holds[1]["amount"], COST / 4, "no more is held than it costs");
    let verified = stage.gateway.post("/admin/v1/ledger/verify", &json!({}), 200).await;
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_given_again_event_by_event() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let upstream = upstream.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE])]);
    let first = stage.chat(ask(true)).await;
    assert_eq!(first.header(CACHE), "miss");
    let again = stage.chat(ask(true)).await;
    assert_eq!((again.header(CACHE), &again.body), ("hit", &first.body));
    assert_eq!(again.header("content-type"), "text/event-stream; charset=utf-8");
    // As an SDK reads it: chunks up to the terminator, the last one with a finish reason.
    let body = String::from_utf8(again.body.to_vec()).unwrap();
    let data: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let (done, chunks) = data.split_last().unwrap();
    let chunks: Vec<Value> =
        chunks.iter().map(|data| serde_json::from_str(data).unwrap()).collect();
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!((*done, &*text), ("[DONE]", "Hello"));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    upstream.await.unwrap();
    let ends = stage.ends().await;
    assert_eq!(charged(&ends), [COST, COST / 10]);
    assert_eq!(ends[1]["record"]["streamed"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_answer_is_given_to_again_is_the_routes_to_say() {
    for (scope, other_key, other_account) in
        [("key", "miss", "miss"), ("account", "hit", "miss"), ("gateway", "hit", "hit")]
    {
        let upstream = Upstream::start().await;
        let more = format!("scope = \"{scope}\"");
        let stage = Stage::with(&caching(&[upstream.address], &more), "1").await;
        let _upstream = upstream.plays(completions(3));
        assert_eq!(stage.chat(ask(false)).await.header(CACHE), "miss");
        let key = stage.other_key().await;
        assert_eq!(stage.chat_by(&key).await.header(CACHE), other_key, "{scope}");
        let (_, key) = stage.other_account("1").await;
        assert_eq!(stage.chat_by(&key).await.header(CACHE), other_account, "{scope}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_says_by_cache_control_what_it_takes() {
    let upstream = Upstream::start().await;
    let clock = Clock::manual(1_700_000_000_000);
    let setup = Setup { config: caching(&[upstream.address], ""), clock, ..Setup::default() };
    let clock = setup.clock.clone();
    let stage = Stage::of(setup, "1").await;
    let upstream = upstream.plays(completions(4));
    let not_there = stage.chat_saying("only-if-cached", ask(false)).await;
    assert_eq!((not_there.status, &not_there.json()["error"]["code"]), (504, &json!("not_cached")));
    assert_eq!(not_there.header("x-should-retry"), "false");
    // Neither kept nor taken.
    let unkept = stage.chat_saying("no-store", ask(false)).await;
    assert_eq!((unkept.status, unkept.header(CACHE)), (200, ""));
    assert_eq!(stage.chat(ask(false)).await.header(CACHE), "miss");
    clock.advance(Duration::from_secs(30));
    let hit = stage.chat_saying("max-age=30, only-if-cached", ask(false)).await;
    assert_eq!((hit.header(CACHE), hit.header("age")), ("hit", "30"));
    assert_eq!(stage.chat_saying("max-age=29, only-if-cached", ask(false)).await.status, 504);
    // Not taken, but kept.
    assert_eq!(stage.chat_saying("no-cache", ask(false)).await.header(CACHE), "miss");
    let hit = stage.chat_saying("max-age=0", ask(false)).await;
    assert_eq!((hit.header(CACHE), hit.header("age")), ("hit", "0"));
    assert_eq!(stage.chat_saying("no-store", ask(false)).await.header(CACHE), "");
    assert_eq!(upstream.await.unwrap().len(), 4);
    let ends = stage.ends().await;
    assert_eq!(charged(&ends), [COST, COST, COST / 10, COST, COST / 10, COST]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_not_given_again_when_its_time_is_over() {
    let upstream = Upstream::start().await;
    let clock = Clock::manual(1_700_000_000_000);
    let config = caching(&[upstream.address], "ttl = \"10s\"");
    let stage = Stage::of(Setup { config, clock: clock.clone(), ..Setup::default() }, "1").await;
    let _upstream = upstream.plays(completions(2));
    for (wait, expected) in [(0, "miss"), (9, "hit"), (1, "miss"), (9, "hit")] {
        clock.advance(Duration::from_secs(wait));
        assert_eq!(stage.chat(ask(false)).await.header(CACHE), expected);
    }
    assert_eq!(stage.gateway.get("/admin/v1/cache").await["entries"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_costs_its_share_of_the_price_in_force() {
    let upstream = Upstream::start().await;
    let config = caching(&[upstream.address], "price_percent = 50");
    let stage = Stage::with(&config, "1").await;
    let _upstream = upstream.plays(completions(1));
    stage.chat(ask(false)).await;
    stage.gateway.reload(&config.replace("output = \"2\"", "output = \"12\"")).await;
    assert_eq!(stage.chat(ask(false)).await.header(CACHE), "hit");
    stage.gateway.reload(&config.replace(", cache = { price_percent = 50 }", "")).await;
    let off = stage.chat_saying("only-if-cached", ask(false)).await;
    assert_eq!((off.status, off.header(CACHE)), (504, ""));
    assert_eq!(charged(&stage.ends().await), [COST, 5 * 1_000 + 3 * 6_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_ask_gets_no_answer_again() {
    for (percent, without_credit) in [(10, 402), (0, 200)] {
        let upstream = Upstream::start().await;
        let more = format!("scope = \"gateway\", price_percent = {percent}");
        let stage = Stage::with(&caching(&[upstream.address], &more), "1").await;
        let _upstream = upstream.plays(completions(1));
        assert_eq!(stage.chat(ask(false)).await.status, 200);
        // Less than the answer costs, by less than can be charged.
        let (account, key) = stage.other_account("0.000001599").await;
        let reply = stage.chat_by(&key).await;
        assert_eq!(reply.status, without_credit, "{:?}", reply.body);
        let keys = format!("{account}/keys");
        let new = json!({ "name": "narrow", "models": ["other"] });
        let narrow = stage.gateway.post(&keys, &new, 201).await;
        assert_eq!(stage.chat_by(narrow["secret"].as_str().unwrap()).await.status, 403);
        let reason = json!({ "reason": "test" });
        stage.gateway.post(&format!("{account}/suspend"), &reason, 200).await;
        assert_eq!(stage.chat_by(&key).await.status, 403);
        assert_eq!(stage.gateway.settled(&account).await, 0);
        let shown = stage.gateway.get(&account).await;
        assert_eq!(shown["holds"], json!([]), "a hold is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_is_charged_what_it_costs_to_the_last_nano_dollar() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], "scope = \"gateway\""), "1").await;
    let _upstream = upstream.plays(completions(1));
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    let (account, key) = stage.other_account("0.0000016").await;
    assert_eq!(stage.chat_by(&key).await.header(CACHE), "hit");
    assert_eq!(stage.gateway.settled(&account).await, COST / 10);
    assert_eq!(stage.chat_by(&key).await.status, 402);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_whole_answers_at_their_full_length_are_kept() {
    let upstream = Upstream::start().await;
    let config =
        format!("[cache]\nentry_bytes_max = \"1KiB\"\n{}", caching(&[upstream.address], ""));
    let stage = Stage::with(&config, "1").await;
    let long = COMPLETION.replace("H\\u00e9", &"long ".repeat(300));
    let upstream = upstream.plays(vec![
        streamed(&[ROLE, HELLO]),
        whole("500 Internal Server Error", "", "{}"),
        whole("200 OK", "", &long),
        whole("200 OK", "", COMPLETION),
    ]);
    assert!(stage.chat(ask(true)).await.body.ends_with(b"}\n\n"));
    assert_eq!(stage.chat(ask(false)).await.status, 502);
    assert_eq!(stage.chat(ask(false)).await.body, long);
    // The credit left covers no more than a part of what the model could say.
    let (account, key) = stage.other_account("0.005").await;
    assert_eq!(stage.chat_by(&key).await.header(CACHE), "miss");
    let sent = upstream.await.unwrap().remove(3).body;
    assert!(!String::from_utf8(sent.to_vec()).unwrap().contains("20000"), "{sent:?}");
    assert_eq!(stage.gateway.settled(&account).await, COST);
    assert_eq!(stage.gateway.get("/admin/v1/cache").await["entries"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_differs_by_a_byte_is_another_one() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let _upstream = upstream.plays(completions(3));
    for (body, expected) in [
        (ask(false), "miss"),
        (ask_with(" "), "miss"),
        (ask_with(",\"temperature\":0"), "miss"),
        (ask_with(" "), "hit"),
    ] {
        assert_eq!(stage.chat(body).await.header(CACHE), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_shown_and_thrown_away() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let _upstream = upstream.plays(completions(2));
    stage.chat(ask(false)).await;
    stage.chat(ask(false)).await;
    let shown = stage.gateway.get("/admin/v1/cache").await;
    let bytes = shown["bytes"].as_u64().unwrap();
    let least = u64::try_from(COMPLETION.len()).unwrap();
    assert!(bytes > least && bytes < least + 1_000, "{shown}");
    let rest =
        json!({ "entries": 1, "bytes": bytes, "bytes_max": 64 << 20, "entry_bytes_max": 1 << 20 });
    assert_eq!(shown, rest);
    let metrics = stage.gateway.ask(Method::GET, "/metrics", None).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "infergate_cache_hits_total 1",
        "infergate_cache_misses_total 1",
        "infergate_cache_joins_total 0",
        "infergate_cache_entries 1",
        &format!("infergate_cache_bytes {bytes}"),
    ] {
        assert!(metrics.contains(line), "no `{line}` in\n{metrics}");
    }
    let purged = stage.gateway.ask(Method::DELETE, "/admin/v1/cache", None).await;
    assert_eq!((purged.status, &purged.json()["entries"]), (200, &json!(0)));
    assert_eq!(stage.chat(ask(false)).await.header(CACHE), "miss");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_another_model_gives_is_neither_kept_nor_shared() {
    let (mut failing, serving) = (Upstream::start().await, Upstream::start().await);
    let small = caching(&[failing.address], "").replace("attempts_max = 1", "attempts_max = 3");
    let other = config(&[serving.address], "").replace("\"p0\"", "\"q\"");
    let other = other.replace("\"small\"", "\"other\"").replace("output = \"2\"", "output = \"3\"");
    let (providers, models) = small.split_once("[[models]]").unwrap();
    let (provider, model) = other.split_once("[[models]]").unwrap();
    let config = format!("{providers}{provider}[[models]]{models}[[models]]{model}");
    let stage = Stage::with(&config, "1").await;
    let body = ask_with(",\"models\":[\"other\"]");
    let ask_now = || tokio::spawn(send(stage.gateway.data, stage.request(body.clone())));
    let first = ask_now();
    let mut asked = failing.call().await;
    let second = ask_now();
    stage.holding(2).await;
    let failure = whole("500 Internal Server Error", "", "{}");
    let (_failing, _serving) =
        (failing.plays(vec![failure.clone(); 2]), serving.plays(completions(3)));
    asked.play(failure).await;
    for asking in [first, second] {
        let reply = asking.await.unwrap();
        let told = (reply.header(CACHE), reply.header("x-infergate-model"));
        assert_eq!((reply.status, told), (200, ("miss", "other")));
    }
    assert_eq!(ask_now().await.unwrap().header(CACHE), "miss");
    let ends = stage.ends().await;
    assert_eq!(charged(&ends), [10 * 1_000 + 3 * 3_000; 3]);
    assert!(ends.iter().all(|end| end["record"]["served_model"] == "other"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_tells_its_cost_is_nobody_elses() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], "price_percent = 25"), "1").await;
    let upstream = upstream.plays(completions(2));
    for _ in 0..2 {
        let reply = stage.chat(ask_with(",\"usage\":{\"include\":true}")).await;
        assert_eq!((reply.status, reply.header(CACHE)), (200, ""));
        assert_eq!(reply.json()["usage"]["cost"], json!(0.000_016));
    }
    upstream.await.unwrap();
    assert_eq!(charged(&stage.ends().await), [COST, COST]);
}
