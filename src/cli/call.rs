//! Calls of a running gateway's admin API.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use infergate_actors::clock::Clock;
use serde_json::Value;

use super::{Console, Exit, Gateway};
use crate::api::once::is_key;
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
    #[error("an idempotency key must have 1 to 255 visible ASCII characters")]
    IdempotencyKey,
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

impl Error {
    /// Tells it, and how the command ends with it.
    fn told(&self, console: &mut Console<'_>) -> io::Result<Exit> {
        console.complain(self)?;
        Ok(match self {
            Self::Refused { .. } => Exit::Wrong,
            Self::NoToken
            | Self::Address(_)
            | Self::IdempotencyKey
            | Self::Tls(_)
            | Self::NoAnswer(_)
            | Self::Shape(_)
            | Self::Write(_) => Exit::NotDone,
        })
    }
}

/// How a command that asked a gateway ends.
pub(super) fn told(done: Result<(), Error>, console: &mut Console<'_>) -> io::Result<Exit> {
    match done {
        Ok(()) => Ok(Exit::Well),
        Err(error) => error.told(console),
    }
}

/// One request to the admin API, and the body of the answer if it is a good one.
pub(super) async fn ask(
    gateway: &Gateway,
    method: Method,
    path: &str,
    body: Option<&Value>,
    console: &Console<'_>,
) -> Result<Bytes, Error> {
    ask_once(gateway, (method, path), body, None, console).await
}

/// The same, with an idempotency key, if there is one.
pub(super) async fn ask_once(
    gateway: &Gateway,
    (method, path): (Method, &str),
    body: Option<&Value>,
    idempotency_key: Option<&str>,
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
    let mut request = Request::builder()
        .method(method)
        .uri(uri.map_err(|_| Error::Address(url.clone()))?)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = idempotency_key {
        if !is_key(key) {
            return Err(Error::IdempotencyKey);
        }
        request = request.header("idempotency-key", key);
    }
    let request = request
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

/// The time so much later than now, in milliseconds since 1970.
pub(super) fn from_now_ms(after: Duration) -> u64 {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    Clock::real().now().wall_ms.saturating_add(after_ms)
}

/// A time for people.
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

/// A path with a query of what is there to be asked.
pub(super) fn query(path: &str, asked: &[(&str, Option<&str>)]) -> String {
    let mut query = path.to_owned();
    let given = asked.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    for (at, (name, value)) in given.enumerate() {
        // Writing to a String can't fail.
        let _ = write!(query, "{}{name}={}", if at == 0 { '?' } else { '&' }, escaped(value));
    }
    query
}

/// Writes an answer as it came.
pub(super) fn raw(answer: &[u8], console: &mut Console<'_>) -> Result<(), Error> {
    console.out.raw().write_all(answer)?;
    writeln!(console.out)?;
    Ok(())
}
