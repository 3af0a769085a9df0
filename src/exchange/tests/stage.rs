//! A gateway before scripted providers, and a client with an account.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::operate::fixture::{Gateway, Reply, Setup, send, text};

pub(crate) const ROLE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
pub(crate) const HELLO: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";
pub(crate) const STOP: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub(crate) const USAGE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}\n\n";
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A completion that used 10 and 3 tokens, written as no serialiser would.
pub(crate) const COMPLETION: &str = "{ \"id\":\"c1\", \"x_unknown\" : [1e-05, 3.0,9007199254740993],\n\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"H\\u00e9\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}";

/// What [`COMPLETION`] and [`USAGE`] cost at the price of [`config`]'s model, in nano-USD.
pub(crate) const COST: i64 = 10 * 1_000 + 3 * 2_000;

/// A configuration with a provider `p0`, `p1`, … at each address, tried in that order by the model
/// `small`, each with a credential of its own; `more` is put behind the first provider's settings.
pub(crate) fn config(addresses: &[SocketAddr], more: &str) -> String {
    let provider = |(number, address): (usize, &SocketAddr)| {
        let more = if number == 0 { more } else { "" };
        let credentials = format!("credentials = [\"sk-secret-{number}\"]");
        let credentials = if more.contains("credentials") { "" } else { &credentials };
        format!(
            "[[providers]]\nname = \"p{number}\"\nkind = \"openai\"\n\
             base_url = \"http://{address}/v1\"\n{credentials}\n{more}\n"
        )
    };
    let providers: String = addresses.iter().enumerate().map(provider).collect();
    let target = |number| format!("[{{ provider = \"p{number}\", model = \"up/{number}\" }}]");
    let targets: Vec<String> = (0..addresses.len()).map(target).collect();
    let targets = targets.join(", ");
    format!(
        "{providers}[[models]]\nname = \"small\"\ncontext_tokens = 100000\n\
         output_tokens_max = 20000\nprice = {{ input = \"1\", output = \"2\" }}\n\
         route = {{ after_content = \"error\", tiers = [{targets}] }}\n"
    )
}

/// [`config`] with a route that goes on elsewhere when a stream breaks off; `more` is put into it.
pub(crate) fn going_on(addresses: &[SocketAddr], more: &str) -> String {
    config(addresses, "")
        .replace("after_content = \"error\"", &format!("after_content = \"continue\"{more}"))
}

/// [`config`] with a route that keeps and shares answers; `more` is said of how.
pub(crate) fn caching(addresses: &[SocketAddr], more: &str) -> String {
    let cache = format!("after_content = \"error\", attempts_max = 1, cache = {{ {more} }}");
    config(addresses, "").replace("after_content = \"error\"", &cache)
}

/// A gateway and a client with a key.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) account: String,
    pub(crate) key: String,
}

/// An answer whose body is still coming.
pub(crate) struct Coming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: JoinHandle<()>,
    _sender: http1::SendRequest<Full<Bytes>>,
}

impl Stage {
    pub(crate) async fn before(addresses: &[SocketAddr]) -> Self {
        Self::with(&config(addresses, ""), "1").await
    }

    pub(crate) async fn with(config: &str, credit_usd: &str) -> Self {
        Self::of(Setup { config: config.to_owned(), ..Setup::default() }, credit_usd).await
    }

    pub(crate) async fn of(setup: Setup, credit_usd: &str) -> Self {
        let gateway = setup.start().await;
        let (account, key) = client(&gateway, credit_usd).await;
        Self { gateway, account, key }
    }

    /// Another account with a key.
    pub(crate) async fn other_account(&self, credit_usd: &str) -> (String, String) {
        client(&self.gateway, credit_usd).await
    }

    /// Another key of the account.
    pub(crate) async fn other_key(&self) -> String {
        let new = json!({ "name": "other" });
        text(&self.gateway.post(&format!("{}/keys", self.account), &new, 201).await["secret"])
    }

    /// The same client with another key.
    pub(crate) fn request_by(&self, key: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request = self.request(body);
        let value = format!("Bearer {key}").parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        request
    }

    /// Returns when so many exchanges of the account are under way.
    pub(crate) async fn holding(&self, count: usize) {
        while self.gateway.get(&self.account).await["holds"].as_array().unwrap().len() != count {}
    }

    pub(crate) fn request(&self, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post("/v1/chat/completions?api-version=1")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.into()))
            .unwrap()
    }

    /// Asks and waits for all of the answer.
    pub(crate) async fn chat(&self, body: impl Into<Bytes>) -> Reply {
        send(self.gateway.data, self.request(body)).await
    }

    /// Asks and waits for the head of the answer.
    pub(crate) async fn open(&self, body: impl Into<Bytes>) -> Coming {
        open(self.gateway.data, self.request(body)).await
    }

    /// Every settled bill and every voided end, in order, once nothing is in the works.
    pub(crate) async fn ends(&self) -> Vec<Value> {
        self.gateway.world.gate.wait_until_empty().await;
        let journal = self.gateway.get(&format!("{}/journal?limit=1000", self.account)).await;
        let account = self.gateway.get(&self.account).await;
        assert_eq!(account["holds"], json!([]), "a hold is left");
        let events = journal["events"].as_array().unwrap().clone();
        let end = |line: Value| {
            let event = &line["event"];
            event.get("settled").or_else(|| event.get("voided")).cloned()
        };
        events.into_iter().filter_map(end).collect()
    }

    /// The only end there is.
    pub(crate) async fn end(&self) -> Value {
        let mut ends = self.ends().await;
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends.remove(0)
    }

    /// Requests in flight at the first provider, as its actor sees it.
    pub(crate) async fn in_flight(&self, provider: &str) -> Value {
        self.gateway.get(&format!("/admin/v1/providers/{provider}")).await["in_flight"].clone()
    }
}

impl Coming {
    /// The next piece of the body; `None` at its end, also at an end that is none.
    pub(crate) async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                return Some(data);
            }
        }
    }

    /// Reads until all of `text` has come.
    pub(crate) async fn expect(&mut self, text: &str) {
        let mut read = Vec::new();
        while read.len() < text.len() {
            read.extend_from_slice(&self.piece().await.unwrap_or_else(|| panic!("{read:?}")));
        }
        assert_eq!(String::from_utf8_lossy(&read), text);
    }

    /// The rest of the body, and whether it ended as it should.
    pub(crate) async fn rest(self) -> (String, bool) {
        let mut body = self.body;
        let mut read = Vec::new();
        loop {
            match body.frame().await {
                None => return (String::from_utf8(read).unwrap(), true),
                Some(Err(_)) => return (String::from_utf8(read).unwrap(), false),
                Some(Ok(frame)) => read.extend_from_slice(&frame.into_data().unwrap()),
            }
        }
    }

    /// Leaves.
    pub(crate) async fn leave(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }
}

/// The path of a new account, and a key of it.
async fn client(gateway: &Gateway, credit_usd: &str) -> (String, String) {
    let account = format!("/admin/v1/accounts/{}", gateway.account("one").await);
    let grant = json!({ "amount_usd": credit_usd, "kind": "paid", "reference": "r" });
    gateway.post(&format!("{account}/grants"), &grant, 201).await;
    let key = gateway
        .post(
            &format!("{account}/keys"),
            &json!({ "name": "k", "scopes": ["inference", "usage_read"] }),
            201,
        )
        .await;
    (account, text(&key["secret"]))
}

pub(crate) async fn open(to: SocketAddr, mut request: Request<Full<Bytes>>) -> Coming {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    request.headers_mut().insert(header::HOST, to.to_string().parse().unwrap());
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    Coming { status, headers, body, connection, _sender: sender }
}

pub(crate) fn ask(stream: bool) -> String {
    ask_with(if stream { ",\"stream\":true" } else { "" })
}

pub(crate) fn ask_with(more: &str) -> String {
    format!("{{\"model\":\"small\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]{more}}}")
}
