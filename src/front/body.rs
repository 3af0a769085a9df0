//! Bodies: a client's request body read within limits, and the body of an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::accept::ActiveRequest;
use crate::error::ApiError;
use crate::exchange::Handout;
use crate::usage::{Export, Format};

/// Limits on bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Of a request's body, in bytes.
    pub bytes_max: usize,
    /// From the end of a request's head to the end of its body.
    pub timeout: Duration,
    /// How long a client may take nothing of a stream.
    pub stall: Duration,
}

/// Room for a body is made in advance up to this; a client that announces more has to send it first.
const RESERVE_MAX: usize = 64 * 1024;

/// Reads a whole body. A body that announces too great a length is refused before it is read.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    limits: BodyLimits,
) -> Result<Bytes, ApiError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ApiError::unsupported_encoding());
    }
    let announced = body.size_hint().lower();
    if announced > limits.bytes_max as u64 {
        return Err(ApiError::body_too_large(limits.bytes_max));
    }
    match tokio::time::timeout(limits.timeout, collect(body, limits.bytes_max)).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::body_timeout()),
    }
}

async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, ApiError> {
    // Most bodies come in one frame, which then is the body, without a copy.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| ApiError::bad_request("invalid_body", "The request body broke off.");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > bytes_max {
            return Err(ApiError::body_too_large(bytes_max));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            let announced = usize::try_from(body.size_hint().lower()).unwrap_or(RESERVE_MAX);
            rest.reserve(first.len() + data.len() + announced.min(RESERVE_MAX));
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The body of an answer.
pub struct AnswerBody {
    content: Content,
    /// While this lives, the connection is not idle.
    active: Option<ActiveRequest>,
}

enum Content {
    Whole(Option<Bytes>),
    Stream(Arc<Handout>),
    /// None at its end.
    Export(Option<Export>, Format),
}

impl AnswerBody {
    /// A body that is there already.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { content: Content::Whole((!bytes.is_empty()).then_some(bytes)), active: None }
    }

    /// A body that comes from a provider as it is sent.
    pub(crate) fn stream(handout: Arc<Handout>) -> Self {
        Self { content: Content::Stream(handout), active: None }
    }

    /// A body that is written as it is read from the ledger.
    pub(crate) fn export(export: Export, format: Format) -> Self {
        Self { content: Content::Export(Some(export), format), active: None }
    }

    /// Keeps the connection from being idle until the body is through.
    pub(crate) fn keep(mut self, active: ActiveRequest) -> Self {
        self.active = Some(active);
        self
    }
}

/// No body.
impl Default for AnswerBody {
    fn default() -> Self {
        Self::whole(Bytes::new())
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(handout) => {
                handout.poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Content::Export(export, format) => {
                let Some(pieces) = export else { return Poll::Ready(None) };
                let piece = ready!(pieces.0.poll_recv(cx));
                let is_over = piece.as_ref().is_none_or(Bytes::is_empty);
                // A break is told: it must not look like the end.
                let piece = piece.unwrap_or_else(|| Export::broken(*format));
                if is_over {
                    *export = None;
                }
                Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Stream(_) | Content::Export(..) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_export_that_breaks_off_says_so_and_one_that_ends_does_not() {
        for ends in [true, false] {
            let (pieces, export) = mpsc::channel(2);
            pieces.send(Bytes::from_static(b"{}\n")).await.unwrap();
            if ends {
                pieces.send(Bytes::new()).await.unwrap();
            }
            drop(pieces);
            let body = AnswerBody::export(Export(export), Format::Ndjson);
            let body = body.collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(body.contains("broke off"), !ends, "{body}");
            assert!(body.starts_with("{}\n"), "{body}");
        }
    }
}
