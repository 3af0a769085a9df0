//! Puts words to what hyper answers by itself, bare of a body, where a head can't be read: like any
//! other answer, that one is to say what is wrong and to carry a request id.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{Response, StatusCode, header};
use hyper::rt::{Read, ReadBufCursor, Write};
use memchr::memmem;

use super::Service;

/// What a refusal of hyper's own begins with, and does not have.
const REFUSAL: &[u8] = b"HTTP/1.1 4";
const OURS: &[u8] = b"x-request-id";

pin_project_lite::pin_project! {
    /// A connection's stream, before whose bare refusals a service puts its own.
    pub(super) struct Explained<I, S> {
        #[pin]
        stream: I,
        service: S,
        // What is written instead of what hyper wants written.
        instead: Option<Bytes>,
    }
}

impl<I, S: Service> Explained<I, S> {
    pub(super) fn new(stream: I, service: S) -> Self {
        Self { stream, service, instead: None }
    }
}

/// The status of a refusal of hyper's own.
fn bare_refusal(bytes: &[u8]) -> Option<StatusCode> {
    if !bytes.starts_with(REFUSAL) || memmem::find(bytes, OURS).is_some() {
        return None;
    }
    StatusCode::from_bytes(bytes.get(9..12)?).ok()
}

/// An HTTP/1.1 answer, after which the connection is closed.
fn last_answer(response: &Response<Bytes>) -> Bytes {
    let status = response.status();
    let mut bytes = BytesMut::new();
    let reason = status.canonical_reason().unwrap_or_default();
    bytes.put_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
    for (name, value) in response.headers() {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    let length = response.body().len();
    let end =
        format!("{}: {length}\r\n{}: close\r\n\r\n", header::CONTENT_LENGTH, header::CONNECTION);
    bytes.put_slice(end.as_bytes());
    bytes.put_slice(response.body());
    bytes.freeze()
}

impl<I: Read, S> Read for Explained<I, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

impl<I: Write, S: Service> Write for Explained<I, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut this = self.project();
        if this.instead.is_none() {
            let explained = bare_refusal(bytes).and_then(|status| this.service.unreadable(status));
            *this.instead = explained.as_ref().map(last_answer);
        }
        let Some(instead) = this.instead else { return this.stream.poll_write(cx, bytes) };
        while !instead.is_empty() {
            match ready!(this.stream.as_mut().poll_write(cx, instead))? {
                0 => return Poll::Ready(Ok(0)),
                written => instead.advance(written),
            }
        }
        *this.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(first) = first
            && (self.instead.is_some() || first.starts_with(REFUSAL))
        {
            return self.poll_write(cx, first);
        }
        self.project().stream.poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_hypers_own_is_put_into_words() {
        for (bytes, status) in [
            ("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", Some(400)),
            ("HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n", Some(431)),
            ("HTTP/1.1 404 Not Found\r\nx-request-id: req_1\r\n\r\n{}", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("data: HTTP/1.1 400", None),
        ] {
            let found = bare_refusal(bytes.as_bytes()).map(|status| status.as_u16());
            assert_eq!(found, status, "{bytes}");
        }
    }
}
