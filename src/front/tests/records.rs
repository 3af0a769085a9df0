//! What stands in an exchange's record, and that it can be read when the answer has ended.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::exchange::tests::stage::{
    COMPLETION, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with, caching,
};
use crate::exchange::tests::upstream::{STREAM, Upstream, chunk, streamed, whole};
use crate::operate::fixture::{Reply, send};

async fn get(stage: &Stage, path: &str) -> Reply {
    let request = Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", stage.key))
        .body(Full::<Bytes>::default());
    send(stage.gateway.data, request.unwrap()).await
}

/// The record of an exchange, looked up once.
async fn record(stage: &Stage, id: &str) -> Value {
    let generation = get(stage, &format!("/v1/generation?id={id}")).await;
    assert_eq!(generation.status, 200, "{:?}", generation.body);
    let page = get(stage, &format!("/api/v1/usage?id={id}")).await.json();
    let record = page["usage"][0].clone();
    assert_eq!(record["id"], id);
    assert_eq!(generation.json()["data"]["finish_reason"], record["finish"], "{page}");
    record
}

fn ended(event: &str, reason: &str) -> String {
    event.replace("\"finish_reason\":\"stop\"", &format!("\"finish_reason\":\"{reason}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_any_answer_is_there_when_it_has_ended_and_says_why_and_for_whom() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let reasons =
        [("stop", "stop"), ("length", "length"), ("function_call", "tool_calls"), ("x", "other")];
    let mut answers = Vec::new();
    for (reason, _) in reasons {
        answers.push(whole("200 OK", "", &ended(COMPLETION, reason)));
        answers.push(streamed(&[ROLE, HELLO, &ended(STOP, reason), USAGE, DONE]));
    }
    answers.push(whole("200 OK", "", &COMPLETION.replace("\"stop\"", "null")));
    let playing = upstream.plays(answers);
    for (nth, (_, finish)) in reasons.iter().enumerate() {
        for stream in [false, true] {
            let more = format!(",\"seed\":{nth},\"stream\":{stream}");
            // The second time it is the kept answer.
            for source in ["provider", "cache"] {
                let reply = stage.chat(ask_with(&more)).await;
                assert_eq!(reply.status, 200);
                let record = record(&stage, reply.header("x-request-id")).await;
                assert_eq!(record["finish"], *finish, "{record}");
                assert_eq!(
                    (&record["source"], &record["streamed"]),
                    (&json!(source), &json!(stream))
                );
                assert_eq!(
                    (&record["client"], &record["dialect"]),
                    (&json!("127.0.0.1"), &json!("openai"))
                );
                let cost = |name: &str| record[format!("{name}_nano_usd")].as_i64().unwrap();
                // A kept answer has a tenth of the price.
                let share = if source == "cache" { 10 } else { 1 };
                let parts = (cost("input_cost"), cost("output_cost"), cost("request_cost"));
                assert_eq!(parts, (10_000 / share, 6_000 / share, 0));
                assert_eq!(cost("cost"), 16_000 / share);
            }
        }
    }
    let reply = stage.chat(ask_with(",\"seed\":9")).await;
    assert!(record(&stage, reply.header("x-request-id")).await["finish"].is_null());
    playing.await.unwrap();
    let groups = get(&stage, "/api/v1/usage?group_by=finish,source&streamed=true").await.json();
    let names = |group: &Value| {
        [&group["finish"], &group["source"], &group["requests"]].map(Value::to_string)
    };
    let groups: Vec<_> = groups["groups"].as_array().unwrap().iter().map(names).collect();
    assert_eq!(groups.len(), 8);
    assert_eq!(groups[0], ["\"length\"", "\"cache\"", "1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_an_answer_that_breaks_off_is_there_when_it_has_ended() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let broken = format!("{STREAM}{}", String::from_utf8(chunk([ROLE, HELLO].concat())).unwrap());
    let playing = upstream.plays(vec![broken]);
    let reply = stage.chat(ask(true)).await;
    let record = record(&stage, reply.header("x-request-id")).await;
    assert_eq!((&record["end"], &record["finish"]), (&json!("provider_cut"), &Value::Null));
    playing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_asked_for_by_any_of_its_fields() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let playing = upstream.plays(vec![
        whole("200 OK", "", COMPLETION),
        streamed(&[ROLE, HELLO, &ended(STOP, "length"), USAGE, DONE]),
    ]);
    let whole = stage.chat(ask_with(",\"user\":\"u-1\"")).await;
    let stream = stage.chat(ask(true)).await;
    playing.await.unwrap();
    for (query, found) in [
        ("finish=stop", [true, false]),
        ("finish=length", [false, true]),
        ("finish=tool_calls", [false, false]),
        ("client=127.0.0.1", [true, true]),
        ("client=::ffff:127.0.0.1", [true, true]),
        ("client=127.0.0.2", [false, false]),
        ("dialect=openai", [true, true]),
        ("dialect=gemini", [false, false]),
        ("source=provider", [true, true]),
        ("source=cache", [false, false]),
        ("streamed=true", [false, true]),
        ("user=u-1&streamed=false", [true, false]),
        ("asked_model=small&model=small", [true, true]),
        ("asked_model=large", [false, false]),
        ("project=proj_1", [false, false]),
        ("attempts_min=1&attempts_max=1", [true, true]),
        ("attempts_min=2", [false, false]),
        ("total_ms_min=0&first_content_ms_min=0", [true, true]),
        ("total_ms_min=600000", [false, false]),
        ("first_content_ms_max=600000&status=200", [true, true]),
    ] {
        for (reply, is_found) in [&whole, &stream].into_iter().zip(found) {
            let id = reply.header("x-request-id");
            for query in [query.to_owned(), format!("{query}&id={id}")] {
                let page = get(&stage, &format!("/api/v1/usage?{query}")).await.json();
                let rows = page["usage"].as_array().unwrap();
                assert_eq!(rows.iter().any(|row| row["id"] == id), is_found, "{query}: {page}");
                let sums = get(&stage, &format!("/api/v1/usage?{query}&group_by=day,end")).await;
                let groups = sums.json()["groups"].clone();
                let count = |group: &Value| group["requests"].as_u64().unwrap();
                let counted: u64 = groups.as_array().unwrap().iter().map(count).sum();
                assert_eq!(counted, rows.len() as u64, "{query}: {groups}");
            }
        }
    }
    for (query, told) in [
        ("finish=done", "finish"),
        ("client=here", "client"),
        ("id=7", "`id`"),
        ("group_by=day,colour", "`group_by`"),
        ("attempts_min=-1", "attempts_min"),
    ] {
        let reply = get(&stage, &format!("/api/v1/usage?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        let detail = reply.json()["detail"].to_string();
        assert!(
            detail.contains(told)
                || detail.contains("unknown variant")
                || detail.contains("invalid"),
            "{query}: {detail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_named_in_the_body_or_in_a_header_that_goes_no_further() {
    let upstream = Upstream::start().await;
    let stage = Stage::with(&caching(&[upstream.address], ""), "1").await;
    let playing = upstream.plays(vec![whole("200 OK", "", COMPLETION); 2]);
    let named = async |header: Option<&str>, body: String| {
        let mut request = stage.request(body);
        if let Some(user) = header {
            request.headers_mut().insert("x-infergate-user", user.parse().unwrap());
        }
        let reply = send(stage.gateway.data, request).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        let record = record(&stage, reply.header("x-request-id")).await;
        (record["user"].clone(), record["source"].clone())
    };
    let told = |user: &str, source: &str| (json!(user), json!(source));
    assert_eq!(named(Some("bob"), ask(false)).await, told("bob", "provider"));
    // The answer is the same whoever it is for.
    assert_eq!(named(Some("eve"), ask(false)).await, told("eve", "cache"));
    let both = ask_with(",\"user\":\"ada\"");
    assert_eq!(named(Some("bob"), both).await, told("ada", "provider"));
    assert_eq!(named(None, ask(false)).await, (Value::Null, json!("cache")));
    for (call, user) in playing.await.unwrap().iter().zip([None, Some("ada")]) {
        let sent: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!((call.header("x-infergate-user"), sent["user"].as_str()), (None, user));
    }
}
