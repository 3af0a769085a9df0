//! Single HTTP requests with JSON in and out, for control ports and the admin API.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

const BODY_BYTES_MAX: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens, or not for long enough.
    #[error("{method} {path} got no answer from {address}")]
    NoAnswer {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The server.
        address: SocketAddr,
    },
    /// An answer with another status than 2xx.
    #[error("{method} {path} was answered {status}: {body}")]
    Status {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// An answer of another shape than expected.
    #[error("{method} {path} was answered with something else than expected: {body}")]
    Shape {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The beginning of the body.
        body: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A server that takes JSON.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The server.
    pub address: SocketAddr,
    /// What goes after `Bearer `, where it asks for that.
    pub token: Option<String>,
}

impl Rest {
    /// The status and body of one request.
    pub async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> Result<(u16, Bytes), Error> {
        let answer = timeout(PATIENCE, self.exchange(method, path, body)).await;
        answer.ok().flatten().ok_or_else(|| Error::NoAnswer {
            method: method.clone(),
            path: path.to_owned(),
            address: self.address,
        })
    }

    /// The value that a request is answered with, if its status is 2xx.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, Error> {
        let (status, bytes) = self.send(&method, path, body).await?;
        let path = path.to_owned();
        if !(200..300).contains(&status) {
            return Err(Error::Status { method, path, status, body: beginning(&bytes) });
        }
        serde_json::from_slice(&bytes).map_err(|source| {
            let body = beginning(&bytes);
            Error::Shape { method, path, body, source }
        })
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> Option<(u16, Bytes)> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let bytes = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await.ok()?;
        driver.abort();
        Some((status, bytes.to_bytes()))
    }
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(400).collect()
}
