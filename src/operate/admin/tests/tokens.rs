//! Operators' tokens: who may do what, until when.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use infergate_actors::account::OperatorRole;
use infergate_actors::clock::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::operate::admin::rules::{RULES, Rule, Verb};
use crate::operate::admin::{self, door};
use crate::operate::fixture::{Gateway, Setup, text};

const TOKENS: &str = "/admin/v1/tokens";

pub(super) async fn token(gateway: &Gateway, name: &str, role: &str) -> Value {
    gateway.post(TOKENS, &json!({ "name": name, "role": role }), 201).await
}

pub(super) fn method(rule: &Rule) -> Method {
    match rule.method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

/// A path of the rule at which there is nothing.
pub(super) fn path(rule: &Rule) -> String {
    let names = [
        ("{account}", "acct_00000000000000ff"),
        ("{key}", "key_9"),
        ("{token}", "tok_99"),
        ("{provider}", "nobody"),
        ("{fingerprint}", "00000000"),
        ("{project}", "proj_9"),
        ("{member}", "mem_9"),
        ("{batch}", "acct_00000000000000fe"),
        ("{top_up}", "topup_9"),
        ("{webhook}", "hook_9"),
    ];
    let path = names.iter().fold(rule.path.to_owned(), |path, (name, id)| path.replace(name, id));
    assert!(!path.contains('{'), "{path}: say here what to put there");
    path
}

async fn status(gateway: &Gateway, token: &str, rule: &Rule) -> u16 {
    let body = (rule.method != Verb::Get).then(|| json!({}));
    gateway.ask_as(token, (method(rule), &path(rule)), &[], body.as_ref()).await.status
}

#[tokio::test]
async fn every_route_of_the_router_has_its_rule_and_every_rule_its_route() {
    let gateway = Gateway::start().await;
    let routes = admin::routes();
    let paths: Vec<String> = routes.served().iter().map(|it| it.path.clone()).collect();
    let mut served = routes.into_router().with_state(gateway.operator.clone());
    for path in paths.iter().filter(|path| !door::OPEN_PATHS.contains(&path.as_str())) {
        let concrete = path.replace(['{', '}'], "");
        let request = Request::builder().method("TRACE").uri(concrete).body(Body::empty());
        let response = served.call(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        let sorted = |methods: &str| {
            let mut methods: Vec<_> = methods.split(',').map(str::to_owned).collect();
            methods.sort_unstable();
            methods
        };
        let taken = response.headers()["allow"].to_str().unwrap();
        assert_eq!(sorted(taken), sorted(&Rule::allowed(path)), "{path}");
    }
    for rule in RULES {
        assert!(paths.iter().any(|path| path == rule.path), "{} is no route", rule.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_gets_to_what_it_may_and_to_nothing_else() {
    let gateway = Gateway::start().await;
    for role in OperatorRole::ALL {
        let made = token(&gateway, role.name(), role.name()).await;
        let secret = text(&made["secret"]);
        for rule in RULES {
            let status = status(&gateway, &secret, rule).await;
            let is_refused = status == 403;
            assert_eq!(is_refused, !rule.needs.is_of(role), "{role:?} {} {status}", rule.action);
            assert_ne!(status, 401, "{}", rule.action);
        }
    }
    let billing = gateway.get(TOKENS).await["tokens"][2].clone();
    assert_eq!((&billing["name"], &billing["role"]), (&json!("billing"), &json!("billing")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_is_needed_and_who_has_it() {
    let gateway = Gateway::start().await;
    let made = token(&gateway, "sam", "support").await;
    let secret = text(&made["secret"]);
    let reply =
        gateway.ask_as(&secret, (Method::POST, "/admin/v1/codes"), &[], Some(&json!({}))).await;
    assert_eq!((reply.status, reply.header("content-type")), (403, "application/problem+json"));
    let detail = text(&reply.json()["detail"]);
    for part in ["`code.create`", "`money`", "owner, admin, billing", "`sam`", "support"] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    let gateway = Gateway::start().await;
    let made = token(&gateway, "ann", "admin").await;
    let secret = text(&made["secret"]);
    assert!(secret.starts_with("iga-") && secret.ends_with(&text(&made["hint"])));
    let own = format!("{TOKENS}/self");
    let asked = gateway.ask_as(&secret, (Method::GET, &own), &[], None).await;
    let expected = json!({ "id": "tok_1", "name": "ann", "role": "admin", "expires_at_ms": null });
    assert_eq!((asked.status, asked.json()), (200, expected));
    assert_eq!(gateway.get(&own).await["name"], "root");

    let listed = gateway.get(TOKENS).await;
    assert!(listed["tokens"][0].get("secret").is_none() && !listed.to_string().contains(&secret));
    let again = json!({ "name": "ann", "role": "owner" });
    gateway.post(TOKENS, &again, 409).await;
    gateway.post(TOKENS, &json!({ "name": "root", "role": "owner" }), 409).await;
    gateway.post(TOKENS, &json!({ "name": "x", "role": "king" }), 422).await;

    let one = format!("{TOKENS}/tok_1");
    let revoked = gateway.ask(Method::DELETE, &one, None).await;
    assert_eq!((revoked.status, &revoked.json()["status"]), (200, &json!("revoked")));
    assert_eq!(gateway.ask_as(&secret, (Method::GET, &own), &[], None).await.status, 401);
    // Its name is free, and it stays what it is.
    assert_eq!(token(&gateway, "ann", "owner").await["id"], "tok_2");
    assert_eq!(gateway.ask(Method::DELETE, &one, None).await.status, 200);
    let rotation = json!({ "overlap": "1h" });
    gateway.post(&format!("{one}/rotate"), &rotation, 409).await;
    gateway.post(&format!("{TOKENS}/tok_9/rotate"), &rotation, 404).await;
    // Also behind a restart.
    let next = gateway.restarted().await;
    assert_eq!(next.ask_as(&secret, (Method::GET, &own), &[], None).await.status, 401);
    assert_eq!(next.get(TOKENS).await["tokens"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_expires_and_a_former_secret_too() {
    let start_ms = 1_790_000_000_000;
    let clock = Clock::manual(start_ms);
    let gateway = Setup { clock: clock.clone(), ..Setup::default() }.start().await;
    let hour_ms = 3_600_000;
    let new = json!({ "name": "ann", "role": "admin", "expires_at_ms": start_ms + 2 * hour_ms });
    let first = text(&gateway.post(TOKENS, &new, 201).await["secret"]);
    let rotation = json!({ "overlap": "1h" });
    let rotated = gateway.post(&format!("{TOKENS}/tok_1/rotate"), &rotation, 200).await;
    let second = text(&rotated["secret"]);
    let own = format!("{TOKENS}/self");
    let works = async |secret: &str| {
        gateway.ask_as(secret, (Method::GET, &own), &[], None).await.status == 200
    };
    assert!(works(&first).await && works(&second).await);
    clock.advance(Duration::from_hours(1));
    assert!(!works(&first).await && works(&second).await);
    clock.advance(Duration::from_hours(1));
    assert!(!works(&second).await);
    assert_eq!(gateway.get(TOKENS).await["tokens"][0]["status"], "expired");
    let past = json!({ "name": "bob", "role": "admin", "expires_at_ms": start_ms });
    gateway.post(TOKENS, &past, 422).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_listed_page_by_page_and_a_typo_is_told() {
    let gateway = Gateway::start().await;
    for name in ["a", "b", "c"] {
        token(&gateway, name, "read_only").await;
    }
    let page = gateway.get(&format!("{TOKENS}?limit=2")).await;
    assert_eq!(page["next"], "tok_2");
    let rest = gateway.get(&format!("{TOKENS}?limit=2&after=tok_2")).await;
    assert_eq!((&rest["tokens"][0]["name"], &rest["next"]), (&json!("c"), &Value::Null));
    let secret = text(&token(&gateway, "d", "read_only").await["secret"]);
    let mut typo = secret[..secret.len() - 1].to_owned();
    typo.push(if secret.ends_with('x') { 'y' } else { 'x' });
    let reply = gateway.ask_as(&typo, (Method::GET, TOKENS), &[], None).await;
    assert!(reply.status == 401 && text(&reply.json()["detail"]).contains("mistyped"));
    // A key can't be what looks like one.
    let account = gateway.account("one").await;
    let key = json!({ "name": "k", "secret": secret });
    gateway.post(&format!("/admin/v1/accounts/{account}/keys"), &key, 409).await;
}

#[tokio::test]
async fn a_token_that_is_revoked_while_a_body_comes_does_nothing_more() {
    let gateway = Gateway::start().await;
    let made = token(&gateway, "bob", "owner").await;
    let secret = text(&made["secret"]);
    let body = json!({ "name": "eve", "role": "owner" }).to_string();
    let mut socket = TcpStream::connect(gateway.admin).await.unwrap();
    let head = format!(
        "POST {TOKENS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        body.len(),
        &body[..3]
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let one = format!("{TOKENS}/{}", text(&made["id"]));
    assert_eq!(gateway.ask(Method::DELETE, &one, None).await.status, 200);
    socket.write_all(&body.as_bytes()[3..]).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(gateway.get(TOKENS).await["tokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn keys_that_manage_their_account_are_not_for_every_role_to_give() {
    let gateway = Gateway::start().await;
    let ann = text(&token(&gateway, "ann", "support").await["secret"]);
    let keys = format!("/admin/v1/accounts/{}/keys", gateway.account("one").await);
    let ask = async |method: Method, path: &str, body: Value| {
        gateway.ask_as(&ann, (method, path), &[], Some(&body)).await.status
    };
    let plain = json!({ "name": "k", "scopes": ["inference", "usage_read"] });
    let strong = json!({ "name": "m", "scopes": ["account_management"] });
    assert_eq!(ask(Method::POST, &keys, plain).await, 201);
    assert_eq!(ask(Method::POST, &keys, strong.clone()).await, 403);
    gateway.post(&keys, &strong, 201).await;
    let [one, two] = ["key_1", "key_2"].map(|key| format!("{keys}/{key}"));
    let wider = json!({ "scopes": ["key_management"] });
    assert_eq!(ask(Method::PATCH, &one, wider).await, 403);
    assert_eq!(ask(Method::PATCH, &one, json!({ "name": "n" })).await, 200);
    assert_eq!(ask(Method::PATCH, &two, json!({ "name": "n" })).await, 403);
    let overlap = json!({ "overlap": "0s" });
    assert_eq!(ask(Method::POST, &format!("{one}/rotate"), overlap.clone()).await, 200);
    assert_eq!(ask(Method::POST, &format!("{two}/rotate"), overlap).await, 403);
    // What shuts is for everybody who looks after keys.
    assert_eq!(ask(Method::DELETE, &two, json!({})).await, 200);
}
