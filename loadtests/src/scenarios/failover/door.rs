//! A gateway's front door, of any make: a base URL, a key, and one request at a time, each on a
//! connection of its own and kept as it came.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock;

/// Bytes of an answer that are kept at most.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Where requests go, and how.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    host: String,
    path: String,
    key: String,
    /// Further headers, in which `{scenario}` stands for the scenario's name.
    headers: Vec<(String, String)>,
    /// The model to ask for, in the same way.
    model: String,
}

/// What the base URL or a header should have been.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one that this client speaks.
    #[error("{0:?} is no base URL: write one such as http://127.0.0.1:4000/v1")]
    Url(String),
    /// A header without a colon.
    #[error("{0:?} is no header: write `name: value`")]
    Header(String),
}

/// How the transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Where it should.
    Ended,
    /// In the middle of the body.
    Broken,
    /// Without any head.
    NoHead,
    /// The caller's patience was over first.
    TimedOut,
}

/// One request and what came back.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was sent.
    pub began: Instant,
    /// Until its end.
    pub total: Duration,
    /// Whether it asked for a stream.
    pub streamed: bool,
    /// How the transport ended.
    pub transport: Transport,
    /// The status, where there was a head.
    pub status: Option<u16>,
    /// The head's other half.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Vec<u8>,
}

impl Door {
    /// The door at `url`, opened with `key`.
    pub fn new(url: &str, key: &str, model: &str, headers: &[String]) -> Result<Self, Error> {
        let bad = || Error::Url(url.to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = host.to_socket_addrs().ok().and_then(|mut found| found.next());
        let mut pairs = Vec::new();
        for header in headers {
            let pair = header.split_once(':').ok_or_else(|| Error::Header(header.clone()))?;
            pairs.push((pair.0.trim().to_owned(), pair.1.trim().to_owned()));
        }
        Ok(Self {
            address: address.ok_or_else(bad)?,
            host: host.to_owned(),
            path: format!("/{}/chat/completions", path.trim_matches('/')).replace("//", "/"),
            key: key.to_owned(),
            headers: pairs,
            model: model.to_owned(),
        })
    }

    /// The model to ask for in this scenario.
    pub fn model(&self, scenario: &str) -> String {
        self.model.replace("{scenario}", scenario)
    }

    /// Sends one request and reads the answer to its end, for as long as `patience` lasts.
    pub async fn call(
        &self,
        scenario: &str,
        body: String,
        streamed: bool,
        patience: Duration,
    ) -> Call {
        let mut call = Call {
            began: clock::now(),
            total: Duration::ZERO,
            streamed,
            transport: Transport::NoHead,
            status: None,
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        let transport = timeout(patience, self.exchange(scenario, body, &mut call)).await;
        call.transport = transport.unwrap_or(Transport::TimedOut);
        call.total = clock::since(call.began);
        call
    }

    async fn exchange(&self, scenario: &str, body: String, call: &mut Call) -> Transport {
        let Some(request) = self.request(scenario, body) else { return Transport::NoHead };
        let Ok(stream) = TcpStream::connect(self.address).await else { return Transport::NoHead };
        let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
            return Transport::NoHead;
        };
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        let Ok(answer) = sender.send_request(request).await else { return Transport::NoHead };
        call.status = Some(answer.status().as_u16());
        call.headers = answer.headers().clone();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Transport::Broken };
            let Some(bytes) = frame.data_ref() else { continue };
            if call.body.len() + bytes.len() <= BODY_BYTES_MAX {
                call.body.extend_from_slice(bytes);
            }
        }
        drop(driver);
        Transport::Ended
    }

    fn request(&self, scenario: &str, body: String) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value.replace("{scenario}", scenario));
        }
        request.body(Full::new(Bytes::from(body))).ok()
    }
}

/// A connection's task, which ends when the caller gives up.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_names_a_server_and_a_path() {
        for (url, path) in [
            ("http://127.0.0.1:4000/v1", "/v1/chat/completions"),
            ("http://127.0.0.1:4000/v1/", "/v1/chat/completions"),
            ("http://127.0.0.1:4000", "/chat/completions"),
        ] {
            let door = Door::new(url, "k", "x/{scenario}", &[]).unwrap();
            assert_eq!((door.path.as_str(), door.host.as_str()), (path, "127.0.0.1:4000"));
            assert_eq!(door.model("s01-stream"), "x/s01-stream");
        }
        assert!(Door::new("https://127.0.0.1", "k", "", &[]).is_err());
        assert!(Door::new("http://127.0.0.1:1", "k", "", &["no header".to_owned()]).is_err());
    }
}
