//! Failures before any content: another provider answers, and the client pays for the winner only.

use serde_json::{Value, json};

use super::stage::{COMPLETION, COST, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, config};
use super::upstream::{Call, STREAM, Upstream, streamed, whole};

fn good(stream: bool) -> String {
    if stream {
        streamed(&[ROLE, HELLO, STOP, USAGE, DONE])
    } else {
        whole("200 OK", "", COMPLETION)
    }
}

/// A request whose first provider, with `more` settings, does `fault`. What is recorded of that attempt.
async fn fails_over(more: &str, stream: bool, fault: impl AsyncFnOnce(Call)) -> Value {
    let (mut first, second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::with(&config(&[first.address, second.address], more), "1").await;
    let second = second.plays(vec![good(stream)]);
    let faulty = async { fault(first.call().await).await };
    let (reply, ()) = tokio::join!(stage.chat(ask(stream)), faulty);
    let passed = if stream { [ROLE, HELLO, STOP, DONE].concat() } else { COMPLETION.to_owned() };
    assert_eq!((reply.status, String::from_utf8_lossy(&reply.body)), (200, passed.into()));
    let call = &second.await.unwrap()[0];
    assert_eq!(call.header("authorization"), Some("Bearer sk-secret-1"));

    let bill = stage.end().await;
    assert_eq!((&bill["charged"], &bill["end"]), (&COST.into(), &"completed".into()));
    assert_eq!(stage.in_flight("p0").await, 0);
    let attempts = bill["record"]["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[1]["outcome"]), (2, &json!("answered")), "{attempts:?}");
    assert_eq!((&attempts[0]["provider"], &attempts[1]["provider"]), (&json!("p0"), &json!("p1")));
    attempts[0].clone()
}

fn outcome(attempt: &Value) -> (&str, &Value) {
    (attempt["outcome"].as_str().unwrap(), &attempt["status"])
}

/// A fault that is all the bytes of an answer.
async fn fails_over_from(stream: bool, answer: &str) -> Value {
    fails_over("", stream, async |mut call| {
        call.play(answer).await;
        call.close().await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_is_not_the_requests_fault_fails_over() {
    for (status, expected) in [
        ("500 Internal Server Error", "server_error"),
        ("408 Request Timeout", "server_error"),
        ("404 Not Found", "server_error"),
        ("302 Found", "server_error"),
        ("529 Overloaded", "server_error"),
        ("429 Too Many Requests", "rate_limited"),
        ("401 Unauthorized", "credential_refused"),
        ("402 Payment Required", "credential_refused"),
        ("403 Forbidden", "credential_refused"),
    ] {
        let headers = "location: http://127.0.0.1:9/\r\nretry-after: 30\r\n";
        let failed = fails_over_from(true, &whole(status, headers, "{}")).await;
        let number: u16 = status[..3].parse().unwrap();
        assert_eq!(outcome(&failed), (expected, &json!(number)), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_fails_over() {
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n";
    let cut = format!("{STREAM}{:x}\r\n{ROLE}\r\n", ROLE.len());
    for (stream, answer, expected) in [
        (true, streamed(&[error]), "bad_answer"),
        (true, streamed(&[ROLE, ": ping\n\n", error]), "bad_answer"),
        (true, streamed(&[]), "bad_answer"),
        (true, streamed(&[ROLE]), "bad_answer"),
        (true, streamed(&[ROLE, USAGE, DONE]), "bad_answer"),
        (true, streamed(&[ROLE, "data: {\"choi\n\n"]), "bad_answer"),
        (true, streamed(&["data: \u{fffd}\u{0}\n\n"]), "bad_answer"),
        (true, whole("200 OK", "content-type: text/html\r\n", "<html>\n\n</html>"), "bad_answer"),
        (true, whole("200 OK", "content-type: application/json\r\n", COMPLETION), "bad_answer"),
        (true, whole("204 No Content", "", ""), "bad_answer"),
        (true, cut, "cut"),
        (false, whole("200 OK", "", ""), "bad_answer"),
        (false, whole("200 OK", "", "{\"error\":{\"message\":\"no\"}}"), "bad_answer"),
        (false, whole("200 OK", "", &COMPLETION[..60]), "bad_answer"),
        (false, whole("200 OK", "", "{\"object\":\"list\"}"), "bad_answer"),
        (false, streamed(&[ROLE, HELLO, STOP, USAGE, DONE]), "bad_answer"),
        (false, whole("200 OK", "", COMPLETION).replace("length: ", "length: 1"), "cut"),
    ] {
        let failed = fails_over_from(stream, &answer).await;
        assert_eq!(failed["outcome"], expected, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fails_or_breaks_before_the_head_fails_over() {
    let failed = fails_over("", true, async |call| call.reset()).await;
    assert_eq!(outcome(&failed), ("cut", &Value::Null));
    let failed = fails_over_from(false, "HTTP/1.1 garbage\r\n\r\n").await;
    assert_eq!(outcome(&failed), ("cut", &Value::Null));

    let (dead, second) = (Upstream::dead().await, Upstream::start().await);
    let stage = Stage::before(&[dead, second.address]).await;
    let second = second.plays(vec![good(false)]);
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    second.await.unwrap();
    let failed = &stage.end().await["record"]["attempts"][0];
    assert_eq!(outcome(failed), ("connect_failed", &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_provider_is_hung_up_on_and_another_asked() {
    let silent = async |mut call: Call| call.gone().await;
    let failed = fails_over("timeouts = { head = \"50ms\" }", true, silent).await;
    assert_eq!(failed["outcome"], "head_timeout");
    let silent = async |mut call: Call| call.gone().await;
    let failed = fails_over("timeouts = { unstreamed = \"50ms\" }", false, silent).await;
    assert_eq!(failed["outcome"], "head_timeout");
    let starting = async |mut call: Call| {
        call.play(STREAM).await;
        call.chunk([ROLE, ": ping\n\n"].concat()).await;
        call.gone().await;
    };
    let failed = fails_over("timeouts = { first_content = \"50ms\" }", true, starting).await;
    assert_eq!(outcome(&failed), ("content_timeout", &json!(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_credential_of_the_same_provider_comes_before_another_provider() {
    for (refusal, outcome) in [
        ("429 Too Many Requests", "rate_limited"),
        ("401 Unauthorized", "credential_refused"),
        ("402 Payment Required", "credential_refused"),
    ] {
        let (first, mut second) = (Upstream::start().await, Upstream::start().await);
        let two = "credentials = [\"sk-secret-a\", \"sk-secret-b\"]";
        let stage = Stage::with(&config(&[first.address, second.address], two), "1").await;
        let first = first.plays(vec![whole(refusal, "retry-after: 30\r\n", ""), good(false)]);
        assert_eq!(stage.chat(ask(false)).await.status, 200);
        let calls = first.await.unwrap();
        assert_ne!(calls[0].header("authorization"), calls[1].header("authorization"));
        assert!(second.is_idle());
        let bill = stage.end().await;
        assert_eq!(bill["record"]["attempts"][0]["outcome"], outcome);
        assert_eq!(
            (&bill["charged"], bill["record"]["attempts"].as_array().unwrap().len()),
            (&COST.into(), 2)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_provider_rejects_is_told_so_and_asked_nowhere_else() {
    let (first, mut second) = (Upstream::start().await, Upstream::start().await);
    let stage = Stage::before(&[first.address, second.address]).await;
    let error = format!(
        "{{\"error\":{{\"message\":\"max_tokens is too large for sk-secret-0 at http://{}/v1\",\
         \"type\":\"invalid_request_error\",\"param\":\"max_tokens\",\"code\":\"invalid_value\"}}}}",
        first.address
    );
    let first = first.plays(vec![whole("400 Bad Request", "", &error)]);
    let reply = stage.chat(ask(false)).await;
    first.await.unwrap();
    assert!(second.is_idle());
    let told = &reply.json()["error"];
    assert_eq!(
        (reply.status, &told["param"], &told["code"]),
        (400, &json!("max_tokens"), &json!("invalid_value"))
    );
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with("max_tokens is too large"), "{message}");
    assert!(!message.contains("sk-secret") && !message.contains("127.0.0.1"), "{message}");
    assert_eq!(stage.end().await["end"], "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_answers_the_client_is_told_why_and_not_charged() {
    let told = async |answer: Option<String>, more: &str| {
        let upstream = Upstream::start().await;
        // The last candidate has until the deadline, whatever its own limits are.
        let config =
            config(&[upstream.address], more).replace("tiers =", "deadline = \"1s\", tiers =");
        let stage = Stage::with(&config, "1").await;
        let upstream = match answer {
            Some(answer) => upstream.plays(vec![answer; 4]),
            None => tokio::spawn(async move {
                let mut upstream = upstream;
                let mut call = upstream.call().await;
                call.gone().await;
                vec![call]
            }),
        };
        let reply = stage.chat(ask(true)).await;
        let void = stage.end().await;
        upstream.abort();
        let text = format!("{:?} {:?}", reply.headers, reply.body);
        assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
        let code = reply.json()["error"]["code"].as_str().unwrap().to_owned();
        (reply.status, code, reply.header("retry-after").to_owned(), void["end"].clone())
    };
    let secret = "{\"error\":{\"message\":\"sk-secret-0 of org-secret at http://127.0.0.1:1/\"}}";
    let answer = |status| Some(whole(status, "x-up: secret\r\n", secret));
    assert_eq!(
        told(answer("500 Internal Server Error"), "").await,
        (502, "provider_error".into(), String::new(), json!("provider_error"))
    );
    let limited = whole("429 Too Many Requests", "retry-after: 40\r\n", secret);
    let (status, code, retry_after, end) = told(Some(limited), "").await;
    assert_eq!((status, &*code, end), (429, "provider_rate_limited", json!("provider_error")));
    // What the provider asks for, less the moment that has passed.
    assert!(matches!(retry_after.parse(), Ok(30..=40)), "{retry_after}");
    assert_eq!(
        told(None, "timeouts = { head = \"50ms\" }").await,
        (504, "provider_timeout".into(), String::new(), json!("timed_out"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_provider_that_fails_is_asked_again_within_the_attempts() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let failure = whole("503 Service Unavailable", "", "");
    let upstream = upstream.plays(vec![failure.clone(), failure, good(false)]);
    assert_eq!(stage.chat(ask(false)).await.status, 200);
    assert_eq!(upstream.await.unwrap().len(), 3);
    let attempts = stage.end().await["record"]["attempts"].as_array().unwrap().clone();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].clone()).collect();
    assert_eq!(outcomes, ["server_error", "server_error", "answered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_out_of_use_is_not_waited_for() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    stage.gateway.post("/admin/v1/providers/p0/close", &Value::Null, 200).await;
    let reply = stage.chat(ask(false)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "2"));
    assert!(upstream.is_idle());
    assert_eq!(stage.end().await["end"], "provider_error");
}
