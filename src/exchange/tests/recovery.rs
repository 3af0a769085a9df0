//! What a provider's credentials and headers say, and how one that was given up on comes back.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::stage::{COMPLETION, Stage, ask, config};
use super::upstream::{Call, Upstream, whole};

const P0: &str = "/admin/v1/providers/p0";
/// One failure shuts the first provider, for a moment.
const BREAKER: &str =
    "breaker = { consecutive_failures = 1, cooldown = \"10ms\", cooldown_max = \"20ms\" }";
const PROBED: &str = "health_probe = { interval = \"10ms\", timeout = \"1m\" }";

fn good() -> String {
    whole("200 OK", "", COMPLETION)
}

async fn answer(mut call: Call, answer: &str) {
    call.play(answer).await;
    call.close().await;
}

async fn breaker(stage: &Stage) -> Value {
    stage.gateway.get(P0).await["deployments"][0]["breaker"].clone()
}

/// Before two providers, the first of which has failed once.
async fn failed_once(addresses: [SocketAddr; 2], first: &mut Upstream) -> Stage {
    let stage = Stage::with(&config(&addresses, &format!("{BREAKER}\n{PROBED}")), "1").await;
    let fail = async { answer(first.call().await, &whole("500 No", "", "")).await };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), fail);
    assert_eq!(reply.status, 200);
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_probe_finds_out_instead_of_a_request() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let addresses = [first.address, second.address];
    let _second = second.plays(vec![good(), good()]);
    let stage = failed_once(addresses, &mut first).await;

    let probe = first.call().await;
    assert!(probe.head.starts_with("GET /v1/models HTTP/1.1\r\n"), "{}", probe.head);
    assert_eq!(probe.header("authorization"), Some("Bearer sk-secret-0"));
    answer(probe, &whole("401 Unauthorized", "", "")).await;

    let probe = first.call().await;
    // While it is asked, requests go elsewhere.
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    let view = stage.gateway.get(P0).await;
    assert_eq!((&view["in_flight"], &view["counters"]["acquired"]), (&json!(1), &json!(1)));
    assert_eq!(view["credentials"][0]["status"], "usable");
    answer(probe, &good()).await;
    let passing = loop {
        let breaker = breaker(&stage).await;
        if breaker["state"] == "passing" {
            break breaker;
        }
    };
    assert_eq!(passing["probation"], 1);
    let reasons: Vec<_> =
        passing["reasons"].as_array().unwrap().iter().map(|reason| &reason["status"]).collect();
    assert_eq!(reasons, [500, 401]);

    let serve = async {
        let call = first.call().await;
        assert!(call.head.starts_with("POST "), "{}", call.head);
        answer(call, &good()).await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), serve);
    assert_eq!(reply.status, 200);
    let counters = stage.gateway.get(P0).await["counters"].clone();
    assert_eq!((&counters["answered"], &counters["health_probes"]), (&json!(1), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_probe_ends_with_the_configuration_that_has_it() {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let addresses = [first.address, second.address];
    let _second = second.plays(vec![good()]);
    let stage = failed_once(addresses, &mut first).await;
    let mut probe = first.call().await;
    stage.gateway.reload(&config(&addresses, BREAKER)).await;
    probe.gone().await;
    // From now on a request is the probe.
    loop {
        let breaker = breaker(&stage).await;
        if (&breaker["state"], &breaker["probe_in_ms"]) == (&json!("shut"), &json!(0)) {
            break;
        }
    }
    let serve = async {
        let call = first.call().await;
        assert!(call.head.starts_with("POST "), "{}", call.head);
        answer(call, &good()).await;
    };
    let (reply, ()) = tokio::join!(stage.chat(ask(false)), serve);
    assert_eq!(reply.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_credential_is_left_out_and_seen_and_the_other_serves_all() {
    let mut upstream = Upstream::start().await;
    let two = "credentials = [\"sk-secret-a\", \"sk-secret-b\"]";
    let stage = Stage::with(&config(&[upstream.address], two), "1").await;
    let serving = tokio::spawn(async move {
        let mut rejected = 0;
        for _ in 0..7 {
            let call = upstream.call().await;
            if call.header("authorization") == Some("Bearer sk-secret-a") {
                rejected += 1;
                answer(call, &whole("401 Unauthorized", "", "")).await;
            } else {
                answer(call, &good()).await;
            }
        }
        rejected
    });
    for _ in 0..6 {
        assert_eq!(stage.chat(ask(false)).await.status, 200);
    }
    assert_eq!(serving.await.unwrap(), 1, "asked with once and never again");
    let view = stage.gateway.get(P0).await;
    let statuses: Vec<_> = view["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| known["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["rejected", "usable"]);
    assert_eq!(view["deployments"][0]["breaker"]["state"], "passing");
    let metrics = stage.gateway.ask(http::Method::GET, "/metrics", None).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "infergate_provider_credentials{provider=\"p0\",status=\"usable\"} 1",
        "infergate_provider_credentials{provider=\"p0\",status=\"cooling\"} 0",
        "infergate_provider_credentials{provider=\"p0\",status=\"disabled\"} 1",
        "infergate_deployment_passing{provider=\"p0\",model=\"up/0\"} 1",
    ] {
        assert!(metrics.contains(line), "no `{line}` in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_headers_say_of_limits_is_heard_from_answers_and_refusals() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::before(&[first.address, second.address]).await;
    let limits = |left: u32| {
        format!(
            "x-ratelimit-limit-requests: 100\r\nx-ratelimit-remaining-requests: {left}\r\n\
             x-ratelimit-reset-requests: 1m0s\r\n"
        )
    };
    let refused = whole("429 Too Many Requests", &limits(0), "");
    let first = first.plays(vec![whole("200 OK", &limits(40), COMPLETION), refused]);
    let second = second.plays(vec![good()]);
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    let deployment = stage.gateway.get(P0).await["deployments"][0].clone();
    let said = &deployment["quotas"][0]["requests"];
    assert_eq!((&said["limit"], &said["remaining"]), (&json!(100), &json!(40)));
    let headroom = deployment["headroom_permille"].as_u64().unwrap();
    assert!((400..500).contains(&headroom), "{headroom}");

    assert_eq!(stage.chat(ask(false)).await.status, 200);
    first.await.unwrap();
    second.await.unwrap();
    let view = stage.gateway.get(P0).await;
    assert_eq!(view["deployments"][0]["quotas"][0]["requests"]["remaining"], 0);
    let (status, usable_in) =
        (&view["credentials"][0]["status"], view["credentials"][0]["usable_in_ms"].as_u64());
    assert_eq!(status, "rate_limited");
    assert!(usable_in.is_some_and(|wait| (50_000..=60_000).contains(&wait)), "{usable_in:?}");
}
