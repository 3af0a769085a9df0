//! Changes whose asker loses the power to make them while their body is under way.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{House, SCOPES, problem, with_webhooks};
use crate::operate::fixture::Setup;

/// What can be changed with a body, and that body.
fn changes() -> Vec<(&'static str, &'static str, Value)> {
    let hook = json!({ "url": "https://a.example/", "events": ["codes.used"] });
    let member = json!({ "email": "ada@example.com", "name": "Ada", "role": "owner" });
    vec![
        ("POST", "/api/v1/keys", json!({ "name": "spare", "scopes": SCOPES })),
        ("PATCH", "/api/v1/keys/key_1", json!({ "scopes": SCOPES })),
        ("POST", "/api/v1/keys/key_1/rotate", json!({ "overlap": "1h" })),
        ("PATCH", "/api/v1/account", json!({ "budgets": { "day_usd": "5" } })),
        ("POST", "/api/v1/redeem", json!({ "code": "igc-1" })),
        ("POST", "/api/v1/members", member),
        ("POST", "/api/v1/projects", json!({ "name": "research" })),
        ("PATCH", "/api/v1/watch", json!({ "low_balance_usd": ["5"] })),
        ("POST", "/api/v1/webhooks", hook),
    ]
}

/// A request whose head and half of whose body have gone out. The gateway has asked for the body, so that
/// it has let in whoever asks.
struct Halfway {
    stream: BufReader<TcpStream>,
    rest: Vec<u8>,
}

impl Halfway {
    async fn ask(house: &House, change: &(&str, &str, Value), key: &str) -> Self {
        Self::ask_with(house, change, key, "").await
    }

    /// The same with more headers, each with its end of line.
    async fn ask_with(
        house: &House,
        change: &(&str, &str, Value),
        key: &str,
        headers: &str,
    ) -> Self {
        let (halfway, line) = Self::begin(house, change, key, headers).await;
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "{}", change.1);
        halfway
    }

    /// The same of one that may be refused: with the first line of what is answered to its head.
    async fn begin(
        house: &House,
        (method, path, body): &(&str, &str, Value),
        key: &str,
        headers: &str,
    ) -> (Self, String) {
        let mut rest = body.to_string().into_bytes();
        let mut stream = BufReader::new(TcpStream::connect(house.gateway.data).await.unwrap());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\
             connection: close\r\n{headers}\r\n",
            rest.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let end = rest.split_off(rest.len() / 2);
        if line.contains("100") {
            stream.read_line(&mut String::new()).await.unwrap();
            stream.write_all(&rest).await.unwrap();
        }
        (Self { stream, rest: end }, line)
    }

    /// The status that it is answered with once all of it is there.
    async fn finish(mut self) -> u16 {
        self.stream.write_all(&self.rest).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_while_its_request_comes_changes_nothing() {
    let house = House::with(with_webhooks()).await;
    house.key(&["inference"], json!({})).await;
    for change in changes() {
        let (id, secret) = house.key(&SCOPES, json!({})).await;
        let halfway = Halfway::ask(&house, &change, &secret).await;
        assert_eq!(house.delete("/api/v1/key", &secret).await.status, 200);
        let before = house.account().await;
        assert_eq!(halfway.finish().await, 401, "{change:?} with {id}");
        assert_eq!(house.account().await, before, "{change:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_may_is_what_it_may_when_its_request_has_come() {
    let house = House::new().await;
    let (id, secret) = house.key(&SCOPES, json!({})).await;
    let path = format!("/admin/v1/accounts/{}/keys/{id}", house.id);
    let narrowed = [
        json!({ "models": ["small"] }),
        json!({ "scopes": ["inference", "usage_read"] }),
        json!({ "allowed_ips": ["192.0.2.0/24"] }),
    ];
    for narrower in narrowed {
        let change = ("POST", "/api/v1/keys", json!({ "name": "spare" }));
        let halfway = Halfway::ask(&house, &change, &secret).await;
        house.gateway.ask(http::Method::PATCH, &path, Some(&narrower)).await;
        let before = house.account().await;
        assert_eq!(halfway.finish().await, 403, "{narrower}");
        assert_eq!(house.account().await, before, "{narrower}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_compared_with_the_one_that_there_is_when_the_request_has_come() {
    let house = House::new().await;
    let (_, secret) = house.key(&SCOPES, json!({})).await;
    let etag = house.get("/api/v1/account", &secret).await.header("etag").to_owned();
    let late = ("PATCH", "/api/v1/account", json!({ "budgets": { "day_usd": "5" } }));
    let wanted = format!("if-match: {etag}\r\n");
    let halfway = Halfway::ask_with(&house, &late, &secret, &wanted).await;
    let first = json!({ "budgets": { "day_usd": "4" } });
    assert_eq!(house.patch("/api/v1/account", &secret, first).await.status, 200);
    assert_eq!(halfway.finish().await, 412);
    assert_eq!(house.account().await["budgets"]["day"]["limit_usd"], "4");
}

/// Whoever sends only half of what they announce takes a place until they are given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_end_keep_nobody_elses_request_out() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let change = ("PATCH", "/api/v1/account", json!({ "budgets": { "day_usd": "5" } }));
    let mut under_way = Vec::new();
    let mut secrets = Vec::new();
    // As many as are worked on at one time, of accounts that have all that one may have.
    for number in 0..4 {
        let account = house.gateway.account(&format!("other {number}")).await;
        let (id, secret) = house.key_of(&account, &["inference"], json!({})).await;
        for _ in 0..64 {
            under_way.push(Halfway::ask(&house, &change, &secret).await);
        }
        let (mut refused, line) = Halfway::begin(&house, &change, &secret, "").await;
        assert_eq!(line, "HTTP/1.1 429 Too Many Requests\r\n", "{number}");
        let mut answer = String::new();
        refused.stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        secrets.push((id, secret));
    }
    assert_eq!(house.get("/api/v1/account", &owner).await.status, 200);
    assert_eq!(house.patch(change.1, &owner, change.2.clone()).await.status, 200);
    // Nor does it keep anybody from ending a key.
    for (id, secret) in &secrets {
        let ended = house.delete("/api/v1/key", secret).await;
        assert_eq!((ended.status, ended.json()["id"].as_str()), (200, Some(id.as_str())));
    }
    let last = under_way.pop().unwrap();
    assert_eq!(last.finish().await, 401, "its key was ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_whoever_signs_up_are_bounded_by_address() {
    let mut setup = Setup::default();
    setup.config.push_str("[signup]\npolicy = \"open\"\nper_hour_and_address = 0\n");
    let house = House::with(setup).await;
    let wish = json!({ "name": "ACME", "email": "ada@example.com" });
    let change = ("POST", "/api/v1/signup", wish);
    let mut under_way = Vec::new();
    for _ in 0..64 {
        under_way.push(Halfway::ask(&house, &change, "").await);
    }
    let (_, line) = Halfway::begin(&house, &change, "", "").await;
    assert_eq!(line, "HTTP/1.1 429 Too Many Requests\r\n");
    assert_eq!(under_way.pop().unwrap().finish().await, 201);
    assert_eq!(Halfway::ask(&house, &change, "").await.finish().await, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_read_as_far_as_anybody_needs_it() {
    let house = House::new().await;
    let (_, owner) = house.key(&SCOPES, json!({})).await;
    let long = json!({ "name": "k", "models": ["m".repeat(256 << 10)] });
    let told = problem(&house.post("/api/v1/keys", &owner, long).await, 413);
    assert!(told.contains("262144"), "{told}");
}
