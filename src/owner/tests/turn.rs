//! Changes whose asker loses the power to make them while their body is under way.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{House, SCOPES, with_webhooks};

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
        (method, path, body): &(&str, &str, Value),
        key: &str,
        headers: &str,
    ) -> Self {
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
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "{path}");
        stream.read_line(&mut line).await.unwrap();
        let end = rest.split_off(rest.len() / 2);
        stream.write_all(&rest).await.unwrap();
        Self { stream, rest: end }
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
