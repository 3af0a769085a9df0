//! A provider that does what a test tells it, byte by byte: it takes one request on each connection and
//! hands the test the bytes that came and the socket to answer on.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The head of an answer that is streamed, in chunks.
pub(crate) const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                                 connection: close\r\ntransfer-encoding: chunked\r\n\r\n";

/// A listening provider.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    calls: mpsc::Receiver<Call>,
}

/// One request to it.
pub(crate) struct Call {
    pub(crate) head: String,
    pub(crate) body: Bytes,
    socket: TcpStream,
    is_open: bool,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(call) = Call::read(socket).await {
                        let _ = sender.send(call).await;
                    }
                });
            }
        });
        Self { address, calls }
    }

    /// An address where nobody listens.
    pub(crate) async fn dead() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    /// The next request.
    pub(crate) async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }

    /// Whether no request has come that was not taken.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }

    /// Answers the coming requests with these bytes, in order, and the last of them again and again.
    /// What they were is told at the end.
    pub(crate) fn plays(mut self, answers: Vec<String>) -> JoinHandle<Vec<Call>> {
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for answer in answers {
                let Some(mut call) = self.calls.recv().await else { break };
                call.play(&answer).await;
                call.close().await;
                seen.push(call);
            }
            seen
        })
    }
}

impl Call {
    /// Waits for another request on the same connection; `None` when the gateway hangs up.
    pub(crate) async fn again(&mut self) -> Option<()> {
        (self.head, self.body) = request(&mut self.socket).await?;
        Some(())
    }

    async fn read(mut socket: TcpStream) -> Option<Self> {
        socket.set_nodelay(true).ok()?;
        let (head, body) = request(&mut socket).await?;
        Some(Self { head, body, socket, is_open: true })
    }

    /// The value of a header of the request.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Writes raw bytes.
    pub(crate) async fn play(&mut self, bytes: impl AsRef<[u8]>) {
        // A gateway that has seen enough may be gone.
        self.is_open &= self.socket.write_all(bytes.as_ref()).await.is_ok();
    }

    /// Whether all that was written could be.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Writes one chunk of a body that comes in chunks: the gateway sees it as one piece.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        self.play(chunk(bytes)).await;
    }

    /// Ends the answer.
    pub(crate) async fn close(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Breaks the connection so that the other side sees it as broken.
    pub(crate) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }

    /// Returns when the gateway has hung up.
    pub(crate) async fn gone(&mut self) {
        let mut rest = Vec::new();
        while let Ok(1..) = self.socket.read_buf(&mut rest).await {}
    }
}

/// The next request on a connection.
async fn request(socket: &mut TcpStream) -> Option<(String, Bytes)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let length: usize = header(&head, "content-length").unwrap_or("0").parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some((head, Bytes::copy_from_slice(&bytes[end + 4..])));
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// One chunk of a body.
pub(crate) fn chunk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let head = format!("{:x}\r\n", bytes.len());
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

/// A whole streamed answer, an event in each chunk.
pub(crate) fn streamed(events: &[&str]) -> String {
    let chunks = events.iter().map(|event| String::from_utf8(chunk(event)).unwrap());
    format!("{STREAM}{}0\r\n\r\n", chunks.collect::<String>())
}

/// A whole answer with a length.
pub(crate) fn whole(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
