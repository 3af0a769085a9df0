//! One try at one provider: from a ticket to an answer's first content, or to what went wrong.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use infergate_actors::account::AttemptOutcome;
use infergate_actors::money::Usage;
use infergate_actors::provider::{FaultKind, Outcome, Ticket};

use super::belief::Belief;
use super::bill::Measured;
use super::patience::Patience;
use super::reader::{Piece, Reader, Unreadable};
use super::relay::Opened;
use crate::catalog::Target;
use crate::config::Timeouts;
use crate::dialect::chat::{self, UpstreamError};
use crate::dialect::meter::Meter;
use crate::error::ApiError;
use crate::upstream::{self, SendError, Verdict};

/// Not `x-request-id`: some servers refuse one that is not a UUID.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
/// An answer that is not streamed is read up to this size.
const WHOLE_BYTES_MAX: usize = 64 << 20;
/// Of an error's body no more is read than a message needs.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// How long an error's body is waited for.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// What comes before a stream's first content is held back up to this size.
const STARTUP_BYTES_MAX: usize = 1 << 20;

/// What is sent, whatever the provider.
pub(super) struct Sending<'a> {
    pub(super) body: Bytes,
    pub(super) stream: bool,
    /// Reads the answer, if it is a stream.
    pub(super) reader: Reader,
    pub(super) prompt_tokens_estimate: u64,
    pub(super) belief: Belief,
    pub(super) request_id: &'a HeaderValue,
}

/// An answer's status, and its content.
pub(super) type Reply = (StatusCode, Answer);

/// An answer with content.
pub(super) enum Answer {
    /// Being streamed.
    Stream(Box<Opened>),
    /// All there.
    Whole { body: Bytes, measured: Box<Measured> },
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: AttemptOutcome,
    pub(super) status: Option<u16>,
    pub(super) report: Outcome,
    /// What the provider has written of an answer that is of no use.
    pub(super) usage: Usage,
    /// It answered well, but not as the answer before it.
    pub(super) is_diverged: bool,
    /// What the provider says is wrong with the request.
    pub(super) rejected: Option<Box<Rejected>>,
}

/// A request that is wrong, in a provider's judgement.
#[derive(Debug)]
pub(super) struct Rejected {
    /// What the client is told of it.
    pub(super) error: ApiError,
    /// It is only too long for this model.
    pub(super) is_too_long: bool,
}

impl Failure {
    fn fault(outcome: AttemptOutcome, kind: FaultKind) -> Self {
        let report = Outcome::Fault { kind, retry_after: None };
        Self {
            outcome,
            status: None,
            report,
            usage: Usage::default(),
            is_diverged: false,
            rejected: None,
        }
    }

    /// The request could not be written down.
    pub(super) fn unsent() -> Self {
        Self { report: Outcome::Lost, ..Self::fault(AttemptOutcome::Cut, FaultKind::Cut) }
    }

    /// When the provider asks to be tried again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self.report {
            Outcome::Fault { retry_after, .. } | Outcome::RateLimited { retry_after } => {
                retry_after
            }
            _ => None,
        }
    }

    /// Whether the provider was silent: it is not tried again, as that would only be more waiting.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(
            self.outcome,
            AttemptOutcome::HeadTimeout
                | AttemptOutcome::ContentTimeout
                | AttemptOutcome::IdleTimeout
        )
    }

    /// Whether another credential of the same provider may do better at once.
    pub(super) fn is_credentials(&self) -> bool {
        matches!(
            self.report,
            Outcome::RateLimited { .. }
                | Outcome::CredentialRejected { .. }
                | Outcome::CreditExhausted
        )
    }
}

/// Sends the request and waits for the first content of its answer.
pub(super) async fn attempt(
    target: &Target,
    ticket: &Ticket,
    sending: Sending<'_>,
    patience: Patience,
) -> Result<Reply, Failure> {
    let Sending { body, stream, reader, prompt_tokens_estimate, belief, request_id } = sending;
    let request = request(target, ticket, body, stream, request_id).ok_or_else(|| {
        tracing::error!(provider = %target.provider.handle.name(), "request can't be written");
        Failure::unsent()
    })?;
    // An answer that is not streamed has its head only when all of it is there.
    let head_limit = if stream { patience.head } else { patience.unstreamed };
    let response = within(head_limit, Late::Head, target.provider.upstream.send(request)).await?;
    let response = response.map_err(|error| send_failure(&error))?;
    ticket.quota(upstream::quota(response.headers()));
    let status = response.status();
    if upstream::verdict(status) != Verdict::Answer {
        return Err(refused(target, response).await);
    }
    let answer = if stream {
        first_content(response.into_body(), reader, target.timeouts, patience).await
    } else {
        whole(response.into_body(), patience, prompt_tokens_estimate, belief).await
    };
    match answer {
        Ok(answer) => Ok((status, answer)),
        Err(failure) => Err(Failure { status: Some(status.as_u16()), ..failure }),
    }
}

fn request(
    target: &Target,
    ticket: &Ticket,
    body: Bytes,
    stream: bool,
    request_id: &HeaderValue,
) -> Option<Request<Full<Bytes>>> {
    let provider = &target.provider;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = provider.chat_uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if stream { "text/event-stream" } else { "application/json" };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(upstream::USER_AGENT));
    headers.insert(REQUEST_ID, request_id.clone());
    if let Some(secret) = ticket.credential() {
        headers.insert(header::AUTHORIZATION, upstream::bearer(secret)?);
    }
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    Some(request)
}

/// Reads a stream up to its first content. What came before it is kept for the client.
async fn first_content(
    mut body: Incoming,
    mut reader: Reader,
    timeouts: Timeouts,
    patience: Patience,
) -> Result<Answer, Failure> {
    let read = within(patience.first_content, Late::Content, read_startup(&mut body, &mut reader));
    let startup = match read.await {
        Ok(Ok(startup)) => startup,
        // What was written and thrown away is billed to us all the same.
        Ok(Err(failure)) | Err(failure) => {
            return Err(Failure { usage: reader.wasted(), ..failure });
        }
    };
    Ok(Answer::Stream(Box::new(Opened { body, reader, startup, timeouts })))
}

async fn read_startup(
    body: &mut Incoming,
    reader: &mut Reader,
) -> Result<VecDeque<Bytes>, Failure> {
    let mut startup = VecDeque::new();
    let mut held_back = 0;
    loop {
        while let Some(piece) = reader.next_piece().map_err(unreadable)? {
            match piece {
                Piece::Pass { bytes, content } => {
                    held_back += bytes.len();
                    startup.push_back(bytes);
                    if content {
                        return Ok(startup);
                    }
                }
                Piece::Withheld => {}
                // Nothing but an end, or an error instead of an answer.
                Piece::Done(_) | Piece::Error => return Err(bad_answer()),
            }
        }
        if held_back > STARTUP_BYTES_MAX {
            return Err(bad_answer());
        }
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    reader.push(data);
                }
            }
            Some(Err(_)) => return Err(Failure::fault(AttemptOutcome::Cut, FaultKind::Cut)),
            None => return Err(bad_answer()),
        }
    }
}

/// Reads an answer that is not streamed.
async fn whole(
    body: Incoming,
    patience: Patience,
    prompt_tokens_estimate: u64,
    belief: Belief,
) -> Result<Answer, Failure> {
    let limited = Limited::new(body, WHOLE_BYTES_MAX).collect();
    let collected = within(patience.unstreamed, Late::Body, limited).await?;
    let cut = |_| Failure::fault(AttemptOutcome::Cut, FaultKind::Cut);
    let body = collected.map_err(cut)?.to_bytes();
    let mut meter = Meter::new(prompt_tokens_estimate);
    let disbelieved;
    match chat::Answer::read(&body) {
        chat::Answer::Completion(mut facts) => {
            disbelieved = belief.strip(&mut facts);
            meter.observe(&facts);
        }
        chat::Answer::Error | chat::Answer::Bad(_) => return Err(bad_answer()),
    }
    let measured = Box::new(Measured::new(&meter, disbelieved));
    Ok(Answer::Whole { body, measured })
}

/// What an error status comes to.
async fn refused(target: &Target, response: Response<Incoming>) -> Failure {
    let status = response.status();
    let number = status.as_u16();
    let retry_after = upstream::retry_after(response.headers());
    let failure = |outcome, report| Failure {
        outcome,
        status: Some(number),
        report,
        usage: Usage::default(),
        is_diverged: false,
        rejected: None,
    };
    match upstream::verdict(status) {
        Verdict::RequestFault => {
            let body = Limited::new(response.into_body(), ERROR_BYTES_MAX).collect();
            let body = tokio::time::timeout(ERROR_BODY_TIMEOUT, body).await;
            let body = body.ok().and_then(Result::ok).map(Collected::to_bytes);
            let said = UpstreamError::read(&body.unwrap_or_default(), &target.provider.redaction);
            let report = Outcome::ClientFault { status: number };
            let is_too_long = said.is_too_long();
            let error = ApiError::rejected(status, said);
            Failure {
                rejected: Some(Box::new(Rejected { error, is_too_long })),
                ..failure(AttemptOutcome::RequestRejected, report)
            }
        }
        Verdict::CredentialRefused => failure(
            AttemptOutcome::CredentialRefused,
            Outcome::CredentialRejected { status: number },
        ),
        Verdict::CreditExhausted => {
            failure(AttemptOutcome::CredentialRefused, Outcome::CreditExhausted)
        }
        Verdict::RateLimited => {
            let retry_after = upstream::limited_for(response.headers());
            failure(AttemptOutcome::RateLimited, Outcome::RateLimited { retry_after })
        }
        Verdict::Answer | Verdict::ProviderFault => failure(
            AttemptOutcome::ServerError,
            Outcome::Fault { kind: FaultKind::ServerError(number), retry_after },
        ),
    }
}

fn send_failure(error: &SendError) -> Failure {
    match error {
        // Refused unread is the provider's load, not its death, but there is no softer word for it.
        SendError::Connect | SendError::Refused => {
            Failure::fault(AttemptOutcome::ConnectFailed, FaultKind::ConnectFailed)
        }
        SendError::Broken => Failure::fault(AttemptOutcome::Cut, FaultKind::Cut),
    }
}

fn unreadable(reason: Unreadable) -> Failure {
    match reason {
        Unreadable::Garbled => bad_answer(),
        // It may well be a good answer, only not the one that was begun.
        Unreadable::Diverged => {
            Failure { report: Outcome::Lost, is_diverged: true, ..bad_answer() }
        }
    }
}

fn bad_answer() -> Failure {
    Failure::fault(AttemptOutcome::BadAnswer, FaultKind::BadAnswer)
}

/// Which wait was too long.
#[derive(Clone, Copy)]
enum Late {
    Head,
    Content,
    Body,
}

async fn within<T>(
    limit: Duration,
    late: Late,
    future: impl Future<Output = T>,
) -> Result<T, Failure> {
    let (outcome, kind) = match late {
        Late::Head => (AttemptOutcome::HeadTimeout, FaultKind::HeadTimeout),
        Late::Content => (AttemptOutcome::ContentTimeout, FaultKind::ContentTimeout),
        Late::Body => (AttemptOutcome::IdleTimeout, FaultKind::IdleTimeout),
    };
    tokio::time::timeout(limit, future).await.map_err(|_| Failure::fault(outcome, kind))
}
