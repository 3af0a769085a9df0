//! Asking a running gateway, over its admin API.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use super::{Console, Exit, Gateway};
use crate::config::BaseUrl;
use crate::upstream::{Options, TlsSetupError, Upstream};

const TOKEN_VARIABLE: &str = "INFERGATE_ADMIN_TOKEN";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("put the admin token into the environment as {TOKEN_VARIABLE}")]
    NoToken,
    #[error("`{0}` is no address of an admin port such as `http://127.0.0.1:8081`")]
    Address(String),
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    #[error("no gateway answers at {0}: is it running, and is this its admin port?")]
    NoAnswer(String),
    #[error("the gateway answered {status}: {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("the gateway answered something else than was expected")]
    Shape(#[from] serde_json::Error),
    #[error("can't write")]
    Write(#[from] io::Error),
}

/// How a command ended, with what it complains of.
pub(super) fn ended(done: Result<(), Error>, console: &mut Console<'_>) -> io::Result<Exit> {
    let Err(error) = done else { return Ok(Exit::Well) };
    console.complain(&error)?;
    Ok(match error {
        Error::Refused { .. } => Exit::Wrong,
        Error::NoToken
        | Error::Address(_)
        | Error::Tls(_)
        | Error::NoAnswer(_)
        | Error::Shape(_)
        | Error::Write(_) => Exit::NotDone,
    })
}

/// One request to the admin API, and the body of the answer if it is a good one.
pub(super) async fn ask(
    gateway: &Gateway,
    method: Method,
    path: &str,
    body: Option<&Value>,
    console: &Console<'_>,
) -> Result<Bytes, Error> {
    let token = (console.environment)(TOKEN_VARIABLE).filter(|token| !token.is_empty());
    let mut authorization =
        HeaderValue::try_from(format!("Bearer {}", token.ok_or(Error::NoToken)?))
            .map_err(|_| Error::NoToken)?;
    authorization.set_sensitive(true);
    let url = &gateway.admin_url;
    let address = |_| Error::Address(url.clone());
    let uri = url.parse::<BaseUrl>().map_err(address)?.join(path);
    let request = Request::builder()
        .method(method)
        .uri(uri.map_err(|_| Error::Address(url.clone()))?)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body.map(Value::to_string).unwrap_or_default()))
        .map_err(|_| Error::Address(url.clone()))?;
    let client = Upstream::new(&Options {
        connect_timeout: CONNECT_TIMEOUT,
        http2: false,
        tls: false,
        idle_timeout: ANSWER_TIMEOUT,
        idle_max: 1,
    })?;
    let exchange = async {
        let (head, body) = client.send(request).await.ok()?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.ok()?;
        Some((head.status, body.to_bytes()))
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.ok().flatten();
    let (status, body) = answer.ok_or_else(|| Error::NoAnswer(url.clone()))?;
    if status.is_success() {
        return Ok(body);
    }
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("without a reason");
    Err(Error::Refused { status, detail: detail.to_owned() })
}

/// A time, as people read it.
pub(super) fn date(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| format!("{at_ms} ms after 1970"), |at| at.to_string())
}

/// Percent-encoding of all but the unreserved characters (RFC 3986 §2.1, §2.3).
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
