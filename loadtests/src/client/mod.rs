//! A client that is light enough to load a gateway from the same machine, and reads enough of each
//! answer to judge it.

pub mod reading;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

pub use reading::{Reading, Usage, WireError};

use crate::clock;

/// Where requests go, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// The key to call with.
    pub key: Arc<str>,
    /// The protocol.
    pub protocol: Protocol,
}

/// How a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time.
    #[default]
    Http1,
    /// HTTP/2 without TLS.
    H2c,
}

/// One chat completion to ask for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The JSON body.
    pub body: Bytes,
    /// Whether it asks for a stream.
    pub streamed: bool,
    /// Break off after so many events with content.
    pub leave_after: Option<u32>,
    /// How long to wait for the end.
    pub deadline: Duration,
    /// A number of the asker's own, which comes back in [`Seen`].
    pub label: u32,
}

/// How an exchange ended, in the client's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The whole answer was received.
    Complete,
    /// An error status.
    Refused,
    /// A stream that said that it failed.
    ErrorEvent,
    /// Ended without its end: no `[DONE]`, or a body shorter than announced.
    Cut,
    /// The client broke it off, as told.
    Left,
    /// No connection, or none that gave a head.
    NoHead,
    /// The client's own deadline passed.
    TimedOut,
}

/// What a client saw of one exchange.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was to begin; all times count from here.
    pub intended: Instant,
    /// Until the first event with content, or the whole body when unstreamed.
    pub first_content: Option<Duration>,
    /// Until the end.
    pub total: Duration,
    /// The status, where there was a head.
    pub status: Option<u16>,
    /// How it ended.
    pub ending: Ending,
    /// The `x-request-id`.
    pub request_id: Option<String>,
    /// What was in the body.
    pub reading: Reading,
    /// Whether a stream was asked for.
    pub streamed: bool,
    /// The number that the ask was given.
    pub label: u32,
}

/// A connection that is opened when it is needed, and again after it broke.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    authorization: HeaderValue,
    host: HeaderValue,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: Sender,
    driver: AbortHandle,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    H2c(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Ask {
    /// A chat completion of `model` with a short prompt and a ceiling of `tokens_max`.
    pub fn chat(model: &str, tokens_max: u32, streamed: bool) -> Self {
        let stream =
            if streamed { r#""stream":true,"stream_options":{"include_usage":true},"# } else { "" };
        let body = format!(
            concat!(
                r#"{{"model":"{}",{}"max_tokens":{},"temperature":0.7,"messages":["#,
                r#"{{"role":"system","content":"You are a terse assistant."}},"#,
                r#"{{"role":"user","content":"Say the same word again and again, please."}}]}}"#
            ),
            model, stream, tokens_max
        );
        Self {
            body: Bytes::from(body),
            streamed,
            leave_after: None,
            deadline: Duration::from_mins(1),
            label: 0,
        }
    }

    /// The same, broken off after `contents` events with content.
    pub fn leaving_after(mut self, contents: u32) -> Self {
        self.leave_after = Some(contents);
        self
    }

    /// The same, waited for until `deadline` has passed.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl Seen {
    /// Whether nothing of an answer reached the client: no content, no part of a good body.
    pub fn had_no_content(&self) -> bool {
        let partly = self.status == Some(200) && !self.streamed && self.reading.bytes > 0;
        self.reading.contents == 0 && !partly
    }

    fn nothing(intended: Instant, ask: &Ask) -> Self {
        Self {
            intended,
            first_content: None,
            total: Duration::ZERO,
            status: None,
            ending: Ending::NoHead,
            request_id: None,
            reading: Reading::default(),
            streamed: ask.streamed,
            label: ask.label,
        }
    }
}

impl Connection {
    /// A connection to `target`, not opened yet.
    pub fn new(target: Target) -> Self {
        let authorization = HeaderValue::from_str(&format!("Bearer {}", target.key))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        let host = HeaderValue::from_str(&target.address.to_string())
            .unwrap_or(HeaderValue::from_static("localhost"));
        Self { target, authorization, host, open: None }
    }

    /// Connects, if it is not connected; a failure shows at the next ask.
    pub async fn open_now(&mut self) {
        self.ready().await;
    }

    /// Asks, and reads the answer to its end, or until the ask says to break off.
    pub async fn ask(&mut self, ask: &Ask, intended: Instant) -> Seen {
        let mut seen = Seen::nothing(intended, ask);
        let ending = tokio::time::timeout(ask.deadline, self.exchange(ask, &mut seen)).await;
        seen.ending = ending.unwrap_or(Ending::TimedOut);
        if !matches!(seen.ending, Ending::Complete | Ending::Refused | Ending::ErrorEvent) {
            self.open = None;
        }
        seen.total = clock::since(intended);
        seen
    }

    async fn exchange(&mut self, ask: &Ask, seen: &mut Seen) -> Ending {
        let Some(answer) = self.send(ask).await else { return Ending::NoHead };
        let status = answer.status().as_u16();
        seen.status = Some(status);
        seen.request_id = answer
            .headers()
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let streamed = ask.streamed && status == 200;
        let whole = read(answer.into_body(), streamed, ask.leave_after, seen).await;
        match whole {
            Read::Left => Ending::Left,
            Read::Ended if status != 200 => Ending::Refused,
            Read::Ended if seen.reading.error.is_some() => Ending::ErrorEvent,
            Read::Ended if seen.reading.whole => Ending::Complete,
            Read::Ended | Read::Broken => Ending::Cut,
        }
    }

    async fn send(&mut self, ask: &Ask) -> Option<Response<Incoming>> {
        let mut request = self.request(ask);
        // A kept connection may have been closed meanwhile: then the request comes back unsent.
        for _ in 0..2 {
            let open = self.ready().await?;
            request = match &mut open.sender {
                Sender::Http1(sender) => match sender.try_send_request(request).await {
                    Ok(answer) => return Some(answer),
                    Err(mut error) => error.take_message()?,
                },
                Sender::H2c(sender) => match sender.try_send_request(request).await {
                    Ok(answer) => return Some(answer),
                    Err(mut error) => error.take_message()?,
                },
            };
            self.open = None;
        }
        None
    }

    fn request(&self, ask: &Ask) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = match self.target.protocol {
            Protocol::Http1 => Uri::from_static("/v1/chat/completions"),
            Protocol::H2c => format!("http://{}/v1/chat/completions", self.target.address)
                .parse()
                .unwrap_or(Uri::from_static("/v1/chat/completions")),
        };
        let headers = request.headers_mut();
        if self.target.protocol == Protocol::Http1 {
            headers.insert(HOST, self.host.clone());
        }
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request
    }

    async fn ready(&mut self) -> Option<&mut Open> {
        let usable = match self.open.as_mut().map(|open| &mut open.sender) {
            Some(Sender::Http1(sender)) => sender.ready().await.is_ok(),
            Some(Sender::H2c(sender)) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.open = None;
            self.open = Some(open(&self.target).await?);
        }
        self.open.as_mut()
    }
}

async fn open(target: &Target) -> Option<Open> {
    let stream = TcpStream::connect(target.address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let io = TokioIo::new(stream);
    match target.protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::handshake(io).await.ok()?;
            let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            Some(Open { sender: Sender::Http1(sender), driver })
        }
        Protocol::H2c => {
            let handshake = http2::handshake(TokioExecutor::new(), io).await;
            let (sender, connection) = handshake.ok()?;
            let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            Some(Open { sender: Sender::H2c(sender), driver })
        }
    }
}

enum Read {
    Ended,
    Broken,
    Left,
}

async fn read(
    mut body: Incoming,
    streamed: bool,
    leave_after: Option<u32>,
    seen: &mut Seen,
) -> Read {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        let Some(bytes) = frame.data_ref() else { continue };
        if !streamed {
            seen.reading.body(bytes);
            continue;
        }
        seen.reading.stream(bytes);
        if seen.first_content.is_none() && seen.reading.contents > 0 {
            seen.first_content = Some(clock::since(seen.intended));
        }
        if leave_after.is_some_and(|contents| seen.reading.contents >= contents) {
            return Read::Left;
        }
    }
    if !streamed {
        seen.reading.body_ended();
        if seen.reading.contents > 0 {
            seen.first_content = Some(clock::since(seen.intended));
        }
    }
    Read::Ended
}
