//! Models that are listed, deprecated and retired.

use http::{Request, header};
use http_body_util::Full;
use serde_json::json;

use crate::exchange::tests::stage::{COMPLETION, Stage, ask, ask_with, config};
use crate::exchange::tests::upstream::{Upstream, whole};
use crate::operate::fixture::{Reply, send};

/// `small`, which is deprecated and will be retired, and `old`, which was retired.
fn fading(upstream: &Upstream) -> String {
    let one = config(&[upstream.address], "");
    let (_, model) = one.split_once("[[models]]").unwrap();
    let old = model
        .replace("\"small\"", "\"old\"")
        .replace("price =", "retired_at = \"2001-01-01\"\nsuccessor = \"small\"\nprice =");
    let small = one.replace(
        "price =",
        "deprecated_at = \"2001-01-01\"\nretired_at = \"2901-01-01\"\nsuccessor = \"old\"\nprice =",
    );
    format!("{small}[[models]]{old}")
}

async fn get(stage: &Stage, path: &str) -> Reply {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", stage.key));
    send(stage.gateway.data, request.body(Full::default()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_model_is_refused_and_its_successor_named() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&fading(&upstream), "1").await;
    let old = ask(false).replace("small", "old");
    let told = "The model `old` was retired on 2001-01-01. Use `small` instead.";
    let instead = ask_with(",\"models\":[\"small\"]").replacen("small", "old", 1);
    for reply in
        [stage.chat(old).await, stage.chat(instead).await, get(&stage, "/v1/models/old").await]
    {
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["code"]), (404, &json!("model_not_available")));
        assert_eq!((&error["message"], &error["param"]), (&json!(told), &json!("model")));
    }
    let listed = get(&stage, "/v1/models").await.json();
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|m| &m["id"]).collect();
    assert_eq!(names, ["small"]);
    assert_eq!(listed["data"][0]["pricing"]["prompt"], "0.000001");
    assert_eq!(listed["data"][0]["expiration_date"], "2901-01-01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_model_that_would_stand_in_is_explained_as_such() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&fading(&upstream), "1").await;
    let explain = async |body: String| {
        let request = Request::post("/v1/explain")
            .header(header::AUTHORIZATION, format!("Bearer {}", stage.key));
        send(stage.gateway.data, request.body(Full::new(body.into())).unwrap()).await
    };
    let told = explain(ask_with(",\"models\":[\"old\"]")).await.json();
    let standings: Vec<_> =
        told["models"].as_array().unwrap().iter().map(|model| &model["standing"]).collect();
    assert_eq!(standings, ["candidate", "model_retired"]);
    let old = explain(ask(false).replace("small", "old")).await;
    assert_eq!((old.status, &old.json()["error"]["code"]), (404, &json!("model_not_available")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deprecated_model_answers_and_says_that_it_goes() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&fading(&upstream), "1").await;
    let _upstream = upstream.plays(vec![whole("200 OK", "", COMPLETION)]);
    // A retired model that would only stand in for another is left out.
    let reply = stage.chat(ask_with(",\"models\":[\"old\"]")).await;
    assert_eq!((reply.status, reply.header("deprecation")), (200, "@978307200"));
    assert_eq!(reply.header("sunset"), "Sat, 01 Jan 2901 00:00:00 GMT");
    let told = "deprecated on 2001-01-01, retired on 2901-01-01, use \"old\"";
    assert_eq!(reply.header("x-infergate-deprecation"), told);
}
