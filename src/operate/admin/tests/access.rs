//! Who is let in, and what is said to what can't be understood.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

use crate::operate::fixture::{Gateway, Reply, TOKEN, send};

async fn raw(gateway: &Gateway, request: http::request::Builder, body: &str) -> Reply {
    send(gateway.admin, request.body(Full::from(Bytes::from(body.to_owned()))).unwrap()).await
}

#[track_caller]
fn assert_problem(reply: &Reply, status: u16, detail: &str) {
    assert_eq!(reply.status, status, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("cache-control"), "no-store");
    let problem = reply.json();
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string());
    let said = problem["detail"].as_str().unwrap();
    assert!(said.contains(detail), "`{said}` does not say `{detail}`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_health_and_metrics_is_shown_without_the_token() {
    let gateway = Gateway::start().await;
    let paths = ["/admin/v1/accounts", "/admin", "/admin/v1/nothing", "/", "//admin/v1/accounts"];
    for path in paths {
        for token in [None, Some("Bearer wrong"), Some("Basic ig-admin-of-the-tests")] {
            let request = Request::get(path);
            let request = match token {
                Some(token) => request.header("authorization", token),
                None => request,
            };
            let reply = raw(&gateway, request, "").await;
            assert_problem(&reply, 401, "admin token");
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(raw(&gateway, Request::get(path), "").await.status, 200, "{path}");
    }
    gateway.get("/admin/v1/accounts").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tries_tokens_is_slowed_down_and_the_right_token_is_not() {
    let gateway = Gateway::start().await;
    let mut last = 0;
    for _ in 0..200 {
        let wrong = Request::get("/admin/v1/actors").header("authorization", "Bearer guess");
        let reply = raw(&gateway, wrong, "").await;
        last = reply.status;
        if last == 429 {
            assert_problem(&reply, 429, "too many");
            assert_ne!(reply.header("retry-after"), "");
            break;
        }
    }
    assert_eq!(last, 429);
    gateway.get("/admin/v1/actors").await;
}

/// A method, a path, a body, and the status and a part of the detail that they are answered with.
type Problem<'p> = (&'p str, &'p str, &'p str, u16, &'p str);

async fn assert_problems(gateway: &Gateway, problems: &[Problem<'_>]) {
    for (method, path, body, status, detail) in problems {
        let request = Request::builder()
            .method(*method)
            .uri(*path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json; charset=utf-8");
        let reply = raw(gateway, request, body).await;
        assert_problem(&reply, *status, detail);
        if *status == 405 {
            assert_ne!(reply.header("allow"), "", "{method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_request_is_said_as_a_problem() {
    let gateway = Gateway::start().await;
    let accounts = "/admin/v1/accounts";
    let account = &format!("{accounts}/{}", gateway.account("one").await);
    let none = "/admin/v1/accounts/acct_00000000000000ff";
    let journal = |query: &str| format!("{account}/journal?{query}");
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(257));
    let problems: [Problem<'_>; 24] = [
        ("GET", "/admin/v1/nothing", "", 404, "/admin/v1/nothing"),
        ("DELETE", accounts, "", 405, "DELETE"),
        ("GET", "/admin/v1/snapshot", "", 405, "GET"),
        ("POST", accounts, "{", 400, "not JSON"),
        ("POST", accounts, "", 400, "not JSON"),
        ("POST", accounts, "{}", 422, "missing field `name`"),
        ("POST", accounts, r#"{"name":"a","nmae":1}"#, 422, "unknown field `nmae`"),
        ("POST", accounts, r#"{"name":" "}"#, 422, "`name` is empty"),
        ("POST", accounts, r#"{"name":"a\nb"}"#, 422, "control character"),
        ("POST", accounts, &long, 422, "longer than 256"),
        ("POST", accounts, r#"{"name":"a","limits":{"in_flight":-1}}"#, 422, "invalid value"),
        ("GET", "/admin/v1/accounts/7", "", 400, "acct_<16 hex digits>"),
        ("GET", "/admin/v1/accounts/%ff", "", 400, "UTF-8"),
        ("GET", none, "", 404, "does not exist"),
        ("GET", &format!("{none}/journal"), "", 404, "does not exist"),
        ("POST", &format!("{none}/keys"), r#"{"name":"k"}"#, 404, "does not exist"),
        ("POST", &format!("{none}/suspend"), r#"{"reason":"r"}"#, 404, "does not exist"),
        ("PATCH", none, r#"{"limits":{}}"#, 404, "does not exist"),
        ("PATCH", account, r#"{"limits":{"speed":1}}"#, 422, "unknown field `speed`"),
        ("GET", "/admin/v1/accounts?limit=101", "", 400, "1 to 100"),
        ("GET", "/admin/v1/accounts?after=x", "", 400, "`x` is not an id"),
        ("GET", "/admin/v1/accounts?page=1", "", 400, "unknown field `page`"),
        ("GET", "/admin/v1/actors?after=x", "", 400, "`x` is not an id"),
        ("GET", &journal("limit=0"), "", 400, "1 to 1000"),
    ];
    assert_problems(&gateway, &problems).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_an_order_is_said_as_a_problem() {
    let gateway = Gateway::start().await;
    let id = gateway.account("one").await;
    let of = |rest: &str| format!("/admin/v1/accounts/{id}{rest}");
    let (grants, keys) = (of("/grants"), of("/keys"));
    let grant = |rest: &str| format!(r#"{{"kind":"paid","reference":"r"{rest}}}"#);
    let twice = grant(r#","amount_usd":"1","amount_nano_usd":1"#);
    let key = |rest: &str| format!(r#"{{"name":"k"{rest}}}"#);
    let problems: [Problem<'_>; 19] = [
        ("POST", &grants, &grant(""), 422, "exactly one of"),
        ("POST", &grants, &twice, 422, "exactly one of"),
        ("POST", &grants, &grant(r#","amount_usd":"1e3""#), 422, "not a decimal number"),
        ("POST", &grants, &grant(r#","amount_usd":1"#), 422, "invalid type"),
        ("POST", &grants, &grant(r#","amount_nano_usd":0"#), 422, "above zero"),
        ("POST", &grants, &grant(r#","amount_usd":"-5""#), 422, "above zero"),
        ("POST", &grants, &grant(r#","amount_usd":"1","expires_at_ms":5"#), 422, "in the past"),
        ("POST", &grants, r#"{"kind":"gift","reference":"r","amount_usd":"1"}"#, 422, "`gift`"),
        ("POST", &keys, &key(r#","secret":"short""#), 422, "16 to 512"),
        ("POST", &keys, &key(r#","secret":"ig-admin-of-the-tests""#), 409, "admin token"),
        ("POST", &keys, &key(r#","expires_at_ms":5"#), 422, "in the past"),
        ("DELETE", &of("/keys/one"), "", 400, "key_<number>"),
        ("DELETE", &of("/keys/key_9"), "", 404, "unknown"),
        ("POST", &of("/suspend"), r#"{"reason":""}"#, 422, "`reason` is empty"),
        ("GET", "/admin/v1/providers/nobody", "", 404, "`nobody`"),
        ("POST", "/admin/v1/providers/nobody/close", "", 404, "`nobody`"),
        ("POST", "/admin/v1/providers/simulated/stop", "", 404, "nothing at"),
        ("POST", "/admin/v1/providers/real/credentials/x/enable", "", 400, "fingerprint"),
        ("POST", "/admin/v1/providers/real/credentials/00000000/enable", "", 404, "no such"),
    ];
    assert_problems(&gateway, &problems).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_must_be_called_json_and_not_be_long() {
    let gateway = Gateway::start().await;
    let request =
        || Request::post("/admin/v1/accounts").header("authorization", format!("Bearer {TOKEN}"));
    let reply = raw(&gateway, request(), r#"{"name":"a"}"#).await;
    assert_problem(&reply, 415, "content-type");
    let form = request().header("content-type", "application/x-www-form-urlencoded");
    assert_problem(&raw(&gateway, form, "name=a").await, 415, "content-type");
    let long = request().header("content-type", "application/json");
    let reply = raw(&gateway, long, &" ".repeat((1 << 20) + 1)).await;
    assert_problem(&reply, 413, "longer than 1048576 bytes");
    assert_eq!(
        gateway.ask(Method::GET, "/admin/v1/accounts", None).await.json()["accounts"],
        serde_json::json!([])
    );
}
