//! What passes: requests and answers as bytes, but for what must change.

use super::stage::{COMPLETION, COST, DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, ask_with};
use super::upstream::{STREAM, Upstream, streamed, whole};

/// A request with everything that a parser and a serialiser would change.
const ODD: &str = "{ \"z\":null, \"temperature\" : 1e-05,\"top_p\":3.0,\"seed\":9007199254740993,\r\n\
    \"messages\":[ {\"content\":\"\\u00e9\\/ \\ud83d\\ude00 \u{1F600}\",\"role\":\"user\",\"x\":{\"b\":1,\"a\":2}} ],\t\
    \"model\":\"small\", \"a\":[1.0E+2,-0,0.10] }  ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_passes_as_its_bytes_but_for_the_model() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let upstream = upstream.plays(vec![whole("200 OK", "x-secret: up\r\n", COMPLETION)]);
    let odd = ODD.replace(" }  ", ", \"max_tokens\" :\t512 }  ");
    let reply = stage.chat(odd.clone()).await;
    assert_eq!((reply.status, &*reply.body), (200, COMPLETION.as_bytes()));
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(reply.header("x-request-id").starts_with("req_"));
    assert_eq!(reply.header("x-secret"), "");
    assert_eq!(reply.header("x-infergate-cost"), "0.000016000", "what is charged");

    let call = &upstream.await.unwrap()[0];
    assert_eq!(call.body, odd.replace("\"small\"", "\"up/0\""));
    assert!(call.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", call.head);
    assert_eq!(call.header("authorization"), Some("Bearer sk-secret-0"));
    assert_eq!(call.header("accept-encoding"), None);
    assert!(!call.head.contains(&stage.key));

    let bill = stage.end().await;
    assert_eq!((&bill["charged"], &bill["estimated"]), (&COST.into(), &false.into()));
    assert_eq!(bill["record"]["attempts"][0]["outcome"], "answered");
}

/// Once a model's own ceiling was only held for and not told: a provider that went beyond it was
/// paid by the operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_told_the_ceiling_that_is_held_for() {
    for (asked, told) in
        [("", ",\"max_tokens\":20000"), (",\"max_tokens\":900000", ",\"max_tokens\":20000")]
    {
        let upstream = Upstream::start().await;
        let stage = Stage::before(&[upstream.address]).await;
        let upstream = upstream.plays(vec![whole("200 OK", "", COMPLETION)]);
        assert_eq!(stage.chat(ask_with(asked)).await.status, 200);
        let sent = upstream.await.unwrap().remove(0).body;
        let sent = String::from_utf8(sent.to_vec()).unwrap();
        assert!(sent.contains(told) && !sent.contains("900000"), "{sent}");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_request_asks_for_usage_and_its_chunk_is_the_gateways() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let events = [ROLE, ": ping\n\n", HELLO, STOP, USAGE, DONE];
    let upstream = upstream.plays(vec![streamed(&events)]);
    let odd = ODD.replace(" }  ", ",\"stream\":true } ");
    let reply = stage.chat(odd.clone()).await;
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    let expected = [ROLE, ": ping\n\n", HELLO, STOP, DONE].concat();
    assert_eq!((reply.status, reply.body), (200, expected.into()));

    let asked = odd.replace("\"small\"", "\"up/0\"");
    let asked = asked.replace(" } ", " ,\"stream_options\":{\"include_usage\":true}} ");
    assert_eq!(upstream.await.unwrap()[0].body, asked);
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_that_the_client_asked_for_is_the_clients() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let events = [ROLE, HELLO, STOP, USAGE, DONE];
    let upstream = upstream.plays(vec![streamed(&events), streamed(&[ROLE, HELLO, STOP, DONE])]);
    let asked = ask_with(",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    let reply = stage.chat(asked.clone()).await;
    assert_eq!(reply.body, events.concat());
    // Where the provider does not send it, the gateway says what it charges.
    let reply = stage.chat(asked.clone()).await;
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let usage = text.strip_prefix(&[ROLE, HELLO, STOP].concat()).unwrap();
    let usage = usage.strip_suffix(DONE).unwrap();
    assert!(usage.contains("\"choices\":[],\"usage\":{\"prompt_tokens\":"), "{usage}");
    let calls = upstream.await.unwrap();
    assert_eq!(calls[0].body, asked.replace("\"small\"", "\"up/0\""));
    let ends = stage.ends().await;
    assert_eq!((&ends[0]["charged"], &ends[0]["estimated"]), (&COST.into(), &false.into()));
    assert_eq!(ends[1]["estimated"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_may_be_cut_into_pieces_anywhere() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é😀\"}}]}\r\n\r\n";
    let stop = "event: x\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\r\n\
                data: \"finish_reason\":\"stop\"}]}\r\n\r\n";
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3}}\r\n\r\n";
    let done = "data: [DONE]\r\n\r\n";
    let stream = [": hi\r\n\r\n", word, stop, usage, done].concat().into_bytes();
    let passed = [": hi\r\n\r\n", word, stop, done].concat();
    let answers = (1..stream.len()).map(|at| {
        let (one, other) = stream.split_at(at);
        [super::upstream::chunk(one), super::upstream::chunk(other), b"0\r\n\r\n".to_vec()].concat()
    });
    let mut answers: Vec<Vec<u8>> = answers.collect();
    let each = stream.chunks(1).flat_map(super::upstream::chunk).collect::<Vec<_>>();
    answers.push([each, b"0\r\n\r\n".to_vec()].concat());
    let count = answers.len();
    let mut upstream = upstream;
    let playing = tokio::spawn(async move {
        for answer in answers {
            let mut call = upstream.call().await;
            call.play(STREAM).await;
            call.play(answer).await;
            call.close().await;
        }
    });
    for at in 0..count {
        let reply = stage.chat(ask(true)).await;
        assert_eq!(String::from_utf8_lossy(&reply.body), passed, "cut at {}", at + 1);
    }
    playing.await.unwrap();
    let ends = stage.ends().await;
    assert_eq!(ends.len(), count);
    assert!(ends.iter().all(|bill| bill["charged"] == COST && bill["estimated"] == false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_leaves_before_the_next_comes() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let (mut coming, mut call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = upstream.call().await;
        call.play(STREAM).await;
        call.chunk([ROLE, HELLO].concat()).await;
        call
    });
    coming.expect(&[ROLE, HELLO].concat()).await;
    for _ in 0..20 {
        call.chunk(HELLO).await;
        coming.expect(HELLO).await;
    }
    call.chunk([STOP, USAGE, DONE].concat()).await;
    // The answer is over with its last event, whether or not the provider closes it.
    assert_eq!(coming.rest().await, ([STOP, DONE].concat(), true));
    assert_eq!(stage.end().await["end"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_beyond_all_reason_is_not_believed() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let absurd = |text: &str| text.replace(":10,", &format!(":{},", u64::MAX));
    let more =
        |text: &str| text.replace("\"completion_tokens\":3,", "\"completion_tokens\":1e400,");
    let upstream = upstream.plays(vec![
        whole("200 OK", "", &absurd(COMPLETION)),
        streamed(&[ROLE, HELLO, &absurd(USAGE), HELLO, STOP, &absurd(USAGE), DONE]),
        whole("200 OK", "", &absurd(COMPLETION)),
        whole("200 OK", "", &more(COMPLETION)),
        whole("200 OK", "", COMPLETION),
    ]);
    for stream in [false, true, false, false, false] {
        assert_eq!(stage.chat(ask(stream)).await.status, 200);
    }
    upstream.await.unwrap();
    let ends = stage.ends().await;
    for bill in &ends[..3] {
        assert_eq!(bill["estimated"], true);
        assert!(bill["cost"].as_i64().unwrap() < 1_000_000, "{bill}");
        assert_eq!(bill["absorbed"], 0);
    }
    assert_eq!(ends[4]["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_of_a_stream_that_ends_a_little_late_is_used_again() {
    let mut upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let events = [ROLE, HELLO, STOP, USAGE, DONE];
    let keeps = STREAM.replace("connection: close\r\n", "");
    let (reply, mut call) = tokio::join!(stage.open(ask(true)), async {
        let mut call = upstream.call().await;
        call.play(keeps).await;
        call.chunk(events.concat()).await;
        call
    });
    assert!(reply.rest().await.1);
    assert_eq!(stage.ends().await.len(), 1);
    call.play("0\r\n\r\n").await;
    // When exactly the connection is at rest again is not to be seen from here.
    for _ in 0..100 {
        let playing = async {
            tokio::select! {
                again = call.again() => {
                    again.expect("the gateway hung up");
                    call.play(streamed(&events)).await;
                    true
                }
                mut other = upstream.call() => {
                    other.play(streamed(&events)).await;
                    false
                }
            }
        };
        let (reply, reused) = tokio::join!(stage.chat(ask(true)), playing);
        assert_eq!(reply.status, 200);
        if reused {
            return;
        }
    }
    panic!("never used again");
}

const PRICED: &str = ",\"usage\":{\"include\":true}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_the_cost_is_told_what_is_charged_and_every_other_byte_survives() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let upstream = upstream.plays(vec![whole("200 OK", "", COMPLETION)]);
    let reply = stage.chat(ask_with(PRICED)).await;
    let expected = COMPLETION.replace("_tokens\":13}", "_tokens\":13,\"cost\":0.000016}");
    assert_eq!((reply.status, &*reply.body), (200, expected.as_bytes()));
    assert_eq!(reply.header("content-length"), expected.len().to_string());
    let sent = upstream.await.unwrap().remove(0).body;
    assert!(!String::from_utf8_lossy(&sent).contains("usage"), "{sent:?}");
    assert_eq!(stage.end().await["charged"], COST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streams_last_chunk_tells_the_cost_to_who_asks_for_it() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let crlf = USAGE.replace('\n', "\r\n");
    let upstream = upstream.plays(vec![
        streamed(&[ROLE, HELLO, STOP, USAGE, DONE]),
        streamed(&[ROLE, HELLO, STOP, &crlf]),
        streamed(&[ROLE, HELLO, STOP, DONE]),
    ]);
    let priced = USAGE.replace("_tokens\":13}", "_tokens\":13,\"cost\":0.000016}");
    let asked = || ask_with(&format!(",\"stream\":true{PRICED}"));
    let reply = stage.chat(asked()).await;
    assert_eq!(reply.body, [ROLE, HELLO, STOP, &priced, DONE].concat());
    assert_eq!(reply.header("x-infergate-cost"), "", "not known when the head leaves");
    let reply = stage.chat(asked()).await;
    assert_eq!(reply.body, [ROLE, HELLO, STOP, &priced, DONE].concat());
    // Where the provider tells no usage, it is the gateway's own count, and its price.
    let reply = String::from_utf8(stage.chat(asked()).await.body.to_vec()).unwrap();
    let own = reply.strip_prefix(&*[ROLE, HELLO, STOP, "data: "].concat()).unwrap();
    let own = own.strip_suffix(&format!("\n\n{DONE}")).unwrap();
    let own: serde_json::Value = serde_json::from_str(own).unwrap();
    let ends = stage.ends().await;
    let charged = ends[2]["charged"].as_f64().unwrap() / 1e9;
    assert!((own["usage"]["cost"].as_f64().unwrap() - charged).abs() < 1e-12, "{own}");
    assert_eq!(own["choices"], serde_json::json!([]));
    let calls = upstream.await.unwrap();
    assert!(String::from_utf8_lossy(&calls[0].body).contains("\"include_usage\":true"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_of_usage_and_not_known_is_refused() {
    let stage = Stage::before(&[Upstream::dead().await]).await;
    for (usage, code) in [
        ("true", "invalid_type"),
        ("{\"include\":1}", "invalid_type"),
        ("{\"included\":true}", "unknown_parameter"),
    ] {
        let reply = stage.chat(ask_with(&format!(",\"usage\":{usage}"))).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &code.into()));
    }
}
