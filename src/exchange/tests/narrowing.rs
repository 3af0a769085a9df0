//! What a client wishes decides who is asked, and no provider sees the wish.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::stage::{COMPLETION, Stage, ask_with, config};
use super::upstream::{Upstream, whole};
use crate::operate::fixture::{Reply, send};

async fn chat(stage: &Stage, more: &str, headers: &[(&'static str, &'static str)]) -> Reply {
    let mut request: Request<Full<Bytes>> = stage.request(ask_with(more));
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    send(stage.gateway.data, request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_in_the_body_or_a_header_goes_to_whom_it_names() {
    for (more, headers) in [
        (",\"models\":[],\"provider\":{\"only\":[\"p1\"]}", &[][..]),
        (",\"provider\":{\"ignore\":[\"p0\"]}", &[]),
        (",\"provider\":{\"order\":[\"p1\"]}", &[("x-infergate-provider-order", "p0")]),
        ("", &[("x-infergate-provider-only", "P1"), ("x-session-id", "s")]),
    ] {
        let (mut first, second) = (Upstream::start().await, Upstream::start().await);
        let stage = Stage::before(&[first.address, second.address]).await;
        let second = second.plays(vec![whole("200 OK", "", COMPLETION)]);
        assert_eq!(chat(&stage, more, headers).await.status, 200, "{more} {headers:?}");
        assert!(first.is_idle());
        let body: Value = serde_json::from_slice(&second.await.unwrap()[0].body).unwrap();
        let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["max_tokens", "messages", "model"], "{more}");
        assert_eq!(stage.end().await["record"]["attempts"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fallbacks_nobody_else_is_asked() {
    let (first, mut second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::before(&[first.address, second.address]).await;
    let first = first.plays(vec![whole("503 Service Unavailable", "", ""); 4]);
    let reply = chat(&stage, ",\"provider\":{\"allow_fallbacks\":false}", &[]).await;
    assert_eq!(reply.status, 502);
    assert!(second.is_idle());
    first.abort();
    assert_eq!(stage.end().await["end"], "provider_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_fits_the_client_is_told_why_of_each_and_not_charged() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let more = "data_collection = \"deny\"";
    let stage = Stage::with(&config(&[first.address, second.address], more), "1").await;
    let wish = ",\"provider\":{\"ignore\":[\"p0\"],\"data_collection\":\"deny\"}";
    let reply = chat(&stage, wish, &[]).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (404, &json!("no_provider_fits")));
    assert_eq!(
        error["message"],
        "No provider of this model fits the request: p0 (it is among `ignore`), \
         p1 (its provider may keep what it is sent)."
    );
    assert_eq!(stage.end().await["end"], "rejected");
    assert!(first.is_idle() && second.is_idle());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_too_long_for_all_is_the_requests_fault() {
    let mut upstream = Upstream::start().await;
    let more = "deployments = [{ model = \"up/0\", context_tokens = 10 }]";
    let stage = Stage::with(&config(&[upstream.address], more), "1").await;
    let reply = chat(&stage, "", &[]).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (400, &json!("context_length_exceeded")));
    assert!(error["message"].as_str().unwrap().contains("its context of 10 tokens"));
    assert!(upstream.is_idle());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_wish_is_refused_in_the_apis_words() {
    let stage = Stage::before(&[Upstream::dead().await]).await;
    for (more, headers, param) in [
        (",\"provider\":{\"sort\":\"best\"}", &[][..], "provider.sort"),
        (",\"models\":\"other\"", &[], "models"),
        ("", &[("x-infergate-allow-fallbacks", "maybe")], "x-infergate-allow-fallbacks"),
    ] {
        let reply = chat(&stage, more, headers).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["param"]), (400, &json!(param)), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    assert_eq!(stage.ends().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_stays_with_its_provider() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let config = config(&[first.address, second.address], "");
    let tier = "[{ provider = \"p0\" }, { provider = \"p1\" }]";
    let (head, _) = config.split_once("route = ").unwrap();
    let config = format!("{head}route = {{ strategy = \"sticky\", tiers = [{tier}] }}\n");
    let stage = Stage::with(&config, "1").await;
    let good = vec![whole("200 OK", "", COMPLETION); 20];
    let providers = [first.plays(good.clone()), second.plays(good)];
    for _ in 0..2 {
        for session in 0..8 {
            let more = format!(",\"prompt_cache_key\":\"session {session}\"");
            assert_eq!(stage.chat(ask_with(&more)).await.status, 200);
        }
    }
    let ends = stage.ends().await;
    let home = |end: &Value| end["record"]["attempts"][0]["provider"].clone();
    let homes: Vec<Value> = ends.iter().map(home).collect();
    assert_eq!(homes[..8], homes[8..]);
    assert!(homes.contains(&json!("p0")) && homes.contains(&json!("p1")), "{homes:?}");
    providers.iter().for_each(tokio::task::JoinHandle::abort);
}
