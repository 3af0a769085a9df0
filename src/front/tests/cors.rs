//! What pages of other origins are told.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::json;

use crate::exchange::tests::stage::{DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, config};
use crate::exchange::tests::upstream::{Upstream, streamed};
use crate::operate::fixture::{Reply, send, text};

const PAGE: &str = "https://app.example.com";
const CHAT: &str = "/v1/chat/completions";

async fn stage(origins: &str) -> (Stage, Upstream) {
    let upstream = Upstream::start().await;
    let providers = config(&[upstream.address], "");
    let config = format!("[server]\nallowed_origins = {origins}\n{providers}");
    (Stage::with(&config, "1").await, upstream)
}

async fn from(stage: &Stage, page: &str, method: Method, path: &str, body: String) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ORIGIN, page)
        .header(header::AUTHORIZATION, format!("Bearer {}", stage.key))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)));
    send(stage.gateway.data, request.unwrap()).await
}

async fn preflight(stage: &Stage, page: &str, path: &str) -> Reply {
    let request = Request::options(path)
        .header(header::ORIGIN, page)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,x-stainless-os")
        .body(Full::default());
    send(stage.gateway.data, request.unwrap()).await
}

fn allowed(reply: &Reply) -> Option<&str> {
    reply.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|it| it.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_allowed_asks_after_a_preflight_without_a_key() {
    let (stage, upstream) = stage(&format!("[\"{PAGE}\", \"*.dev.test\"]")).await;
    for path in [CHAT, "/v1/models", "/api/v1/keys"] {
        let reply = preflight(&stage, PAGE, path).await;
        assert_eq!((reply.status, allowed(&reply)), (200, Some(PAGE)), "{path}");
        let (headers, methods) = ("access-control-allow-headers", "access-control-allow-methods");
        assert_eq!(reply.header(headers), "authorization,content-type,x-stainless-os");
        assert_eq!(reply.header(methods), "GET,HEAD,POST,PATCH,DELETE");
        assert_eq!(reply.header("access-control-max-age"), "7200");
        // Caches keep apart what different pages are told.
        assert!(reply.header("vary").contains("origin"), "{path}");
        assert!(reply.body.is_empty(), "{path}");
    }
    let upstream = upstream.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE])]);
    let reply = from(&stage, "http://a.dev.test", Method::POST, CHAT, ask(true)).await;
    assert_eq!((reply.status, allowed(&reply)), (200, Some("http://a.dev.test")));
    assert_eq!(reply.header("access-control-expose-headers"), "*");
    assert!(reply.header("x-request-id").starts_with("req_"));
    assert_eq!(reply.body, [ROLE, HELLO, STOP, DONE].concat());
    upstream.await.unwrap();
    // Also what is wrong can be read by the page.
    let reply = from(&stage, PAGE, Method::POST, CHAT, "{".to_owned()).await;
    assert_eq!((reply.status, allowed(&reply)), (400, Some(PAGE)));
    let reply = from(&stage, PAGE, Method::GET, "/api/v1/nothing", String::new()).await;
    assert_eq!((reply.status, allowed(&reply)), (404, Some(PAGE)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_pages_are_told_nothing_and_what_is_allowed_changes_while_running() {
    let (stage, _upstream) = stage(&format!("[\"{PAGE}\"]")).await;
    for page in ["https://evil.org", "https://app.example.com.evil.org", "null"] {
        assert_eq!(allowed(&preflight(&stage, page, CHAT).await), None, "{page}");
        let reply = from(&stage, page, Method::GET, "/v1/models", String::new()).await;
        assert_eq!((reply.status, allowed(&reply)), (200, None), "{page}");
    }
    // Whoever is no browser is told only that a page would be told something else, where it would be.
    let key = stage.key.clone();
    let no_page = async |vary: Option<&str>| {
        for (path, status) in [("/v1/models", 200), ("/v1/nothing", 404)] {
            let reply = stage.gateway.ask_data(Method::GET, path, &key, None).await;
            assert_eq!((reply.status, allowed(&reply)), (status, None));
            let told = reply.headers.get(header::VARY).map(|it| it.to_str().unwrap());
            assert_eq!(told, vary, "{path}");
        }
    };
    no_page(Some("origin")).await;

    stage.gateway.set_origins(&["*".to_owned()]);
    no_page(None).await;
    for page in ["https://evil.org", "null"] {
        assert_eq!(allowed(&preflight(&stage, page, CHAT).await), Some("*"), "{page}");
    }
    stage.gateway.set_origins(&[]);
    no_page(None).await;
    let reply = preflight(&stage, PAGE, CHAT).await;
    assert_eq!((reply.status, allowed(&reply)), (405, None));
    let body = reply.json();
    assert_eq!(text(&body["error"]["code"]), "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_tied_to_its_pages_refuses_another_page_that_may_ask() {
    let (stage, _upstream) = stage("[\"*\"]").await;
    let key = format!("{}/keys/key_1", stage.account);
    let tied = json!({ "allowed_referrers": [PAGE] });
    assert_eq!(stage.gateway.ask(Method::PATCH, &key, Some(&tied)).await.status, 200);
    let reply = from(&stage, "https://evil.org", Method::GET, "/v1/models", String::new()).await;
    assert_eq!((reply.status, allowed(&reply)), (403, Some("*")));
    let reply = from(&stage, PAGE, Method::GET, "/v1/models", String::new()).await;
    assert_eq!((reply.status, allowed(&reply)), (200, Some("*")));
}
