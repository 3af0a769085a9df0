//! The dry run: what it tells, and what it costs, which is nothing.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::exchange::tests::stage::{Stage, ask, ask_with, config};
use crate::exchange::tests::upstream::Upstream;
use crate::operate::fixture::{Reply, send, text};

async fn explain(stage: &Stage, key: &str, body: String) -> Reply {
    let request = Request::post("/v1/explain")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header("x-infergate-provider-ignore", "p2")
        .body(Full::new(Bytes::from(body)));
    send(stage.gateway.data, request.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_who_would_answer_and_is_charged_nothing() {
    let mut upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let addresses = upstreams.each_ref().map(|upstream| upstream.address);
    let more = "deployments = [{ model = \"up/0\", abilities = [], \
                cost = { input = \"1\", output = \"1\" } }]";
    let stage = Stage::with(&config(&addresses, more), "1").await;
    let asked = ask_with(",\"tools\":[{}]");
    let reply = explain(&stage, &stage.key, asked).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let told = reply.json();
    let [model] = &told["models"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!((&model["model"], &model["standing"]), (&json!("small"), &json!("candidate")));
    assert_eq!((&model["strategy"], &model["needs"]), (&json!("priority"), &json!(["tools"])));
    let shown = |target: &Value| {
        ["provider", "tier", "rank", "standing", "reason"].map(|name| target[name].clone())
    };
    let targets: Vec<_> = model["targets"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(
        targets,
        [
            [json!("p1"), json!(2), json!(1), json!("candidate"), Value::Null],
            [json!("p0"), json!(1), Value::Null, json!("abilities"), json!("it can't do tools")],
            [json!("p2"), json!(3), Value::Null, json!("ignore"), json!("it is among `ignore`")],
        ]
    );
    assert!(!String::from_utf8_lossy(&reply.body).contains("cost"), "{told}");
    assert!(!String::from_utf8_lossy(&reply.body).contains("up/0"), "{told}");
    assert_eq!(stage.ends().await, [] as [Value; 0]);
    assert!(upstreams.iter_mut().all(Upstream::is_idle));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_model_is_shown_where_the_key_may_use_it() {
    let upstream = Upstream::dead().await;
    let one = config(&[upstream], "");
    let (_, model) = one.split_once("[[models]]").unwrap();
    let model = |name: &str| format!("[[models]]{}", model.replace("\"small\"", name));
    let config = format!("{one}{}{}", model("\"large\""), model("\"secret\""));
    let stage = Stage::with(&config, "1").await;
    let key = json!({ "name": "two", "models": ["small", "large"] });
    let key = stage.gateway.post(&format!("{}/keys", stage.account), &key, 201).await;
    let asked = ask_with(",\"models\":[\"secret\",\"large\"]");
    let told = explain(&stage, &text(&key["secret"]), asked).await.json();
    let shown = |model: &Value| (text(&model["model"]), text(&model["standing"]));
    let models: Vec<_> = told["models"].as_array().unwrap().iter().map(shown).collect();
    let expected =
        [("small", "candidate"), ("secret", "model_not_allowed"), ("large", "candidate")];
    assert_eq!(models, expected.map(|(model, standing)| (model.to_owned(), standing.to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_is_refused_as_the_request_would_be() {
    let stage = Stage::before(&[Upstream::dead().await]).await;
    let other = json!({ "name": "other", "models": ["large"] });
    let other = stage.gateway.post(&format!("{}/keys", stage.account), &other, 201).await;
    let other = text(&other["secret"]);
    for (key, body, status, code) in [
        ("ig-nobodys", ask(false), 401, "invalid_api_key"),
        (&*stage.key, ask(false).replace("small", "large"), 404, "model_not_found"),
        (&*stage.key, ask_with(",\"models\":[\"large\"]"), 404, "model_not_found"),
        (&*stage.key, ask_with(",\"provider\":1"), 400, "invalid_type"),
        (&*other, ask(false), 403, "model_not_available"),
    ] {
        let reply = explain(&stage, key, body).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(code)));
    }
    let get = Request::get("/v1/explain").body(Full::default()).unwrap();
    assert_eq!(send(stage.gateway.data, get).await.status, 405);
}
