//! A receiver of messages on a port of its own, that does as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Nothing here takes longer, on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a receiver does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Take,
    Answer(u16),
    /// Never answers.
    Stall,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) id: String,
    timestamp: String,
    signature: String,
    bytes: Bytes,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    got: mpsc::Receiver<Got>,
    give: mpsc::Sender<Got>,
    serving: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(super) async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (give, got) = mpsc::channel(10_000);
        let mode = Arc::new(Mutex::new(mode));
        let mut receiver = Self { address, mode, got, give, serving: None };
        receiver.serve(listener);
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(super) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// Its process is gone, and its connections with it.
    pub(super) async fn kill(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
    }

    /// It is back where it was.
    pub(super) fn come_back(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(16).unwrap());
    }

    /// The next message, whatever was answered to it.
    pub(super) async fn next(&mut self) -> Got {
        tokio::time::timeout(PATIENCE, self.got.recv()).await.expect("a message").unwrap()
    }

    /// The next of a kind; those before it are let go.
    pub(super) async fn next_of(&mut self, kind: &str) -> Got {
        loop {
            let got = self.next().await;
            if got.kind() == kind {
                return got;
            }
        }
    }

    /// Lets all go that has come so far.
    pub(super) fn forget(&mut self) {
        while self.got.try_recv().is_ok() {}
    }

    fn serve(&mut self, listener: TcpListener) {
        let (mode, give) = (Arc::clone(&self.mode), self.give.clone());
        self.serving = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (mode, give) = (Arc::clone(&mode), give.clone());
                let answer =
                    service_fn(move |request| answer(request, Arc::clone(&mode), give.clone()));
                // Dropped with the set, when the whole task is.
                connections
                    .spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        }));
    }
}

async fn answer(
    request: Request<Incoming>,
    mode: Arc<Mutex<Mode>>,
    give: mpsc::Sender<Got>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
    let got = Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        bytes: body.collect().await?.to_bytes(),
    };
    let mode = *mode.lock().unwrap();
    give.send(got).await.unwrap();
    let status = match mode {
        Mode::Take => 204,
        Mode::Answer(status) => status,
        Mode::Stall => std::future::pending().await,
    };
    let answer = Response::builder().status(status).header("location", "http://127.0.0.1:9/");
    Ok(answer.body(Full::default()).unwrap())
}

impl Got {
    pub(super) fn body(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(super) fn kind(&self) -> String {
        self.body()["type"].as_str().unwrap().to_owned()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.body()["data"]["sequence"].as_u64().unwrap()
    }

    /// Whether any signature is this secret's: HMAC as RFC 2104 has it, written out.
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(&key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new_with_prefix(pad(0x36))
            .chain_update(format!("{}.{}.", self.id, self.timestamp))
            .chain_update(&self.bytes)
            .finalize();
        let outer = Sha256::new_with_prefix(pad(0x5c)).chain_update(inner).finalize();
        let expected = format!("v1,{}", STANDARD.encode(outer));
        self.signature.split(' ').any(|signature| signature == expected)
    }

    pub(super) fn signatures(&self) -> usize {
        self.signature.split(' ').count()
    }
}
