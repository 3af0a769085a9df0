//! A connection that closes itself when its client is too slow or has nothing to say.
//!
//! hyper's own limit on reading a head counts an idle keep-alive connection as a slow head, so it
//! can't tell the two apart. Here they are: between two requests a connection may rest for
//! `idle_timeout`; from a request's first byte on, its head must be there within `head_timeout`.
//! While a request is being answered, its client may take its time, but not take nothing at all for
//! `idle_timeout`.
//!
//! A client that is refused while it still sends a body must get to read why: closed at once, the
//! connection would be reset by what comes in then, and the answer lost. So it is read on from for a
//! moment.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use infergate_actors::clock::Clock;
use tokio::time::Sleep;

/// How long a connection may take, or take nothing.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionTimeouts {
    /// From a request's first byte to the end of its head.
    pub head: Duration,
    /// Between two requests, and between two bytes that a client takes of an answer.
    pub idle: Duration,
}

/// How long a client that was refused in the middle of its body is listened to.
const LINGER: Duration = Duration::from_secs(2);
/// And how much is listened to.
const LINGER_BYTES_MAX: usize = 256 << 20;
const LINGER_READ_BYTES: usize = 8 << 10;

/// Tells a [`DeadlineStream`] whether its connection has requests in the works.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<ActivityState>);

#[derive(Debug, Default)]
struct ActivityState {
    in_flight: AtomicU32,
    multiplexed: AtomicBool,
    /// The last request's body was not read to its end.
    unread: AtomicBool,
}

/// While this lives, a request of the connection is being answered.
#[derive(Debug)]
pub struct ActiveRequest(Activity);

impl Activity {
    /// A request's head is complete. `multiplexed`: the connection speaks HTTP/2, where bytes between
    /// requests are not the beginning of a head.
    pub(super) fn begin(&self, multiplexed: bool, has_body: bool) -> ActiveRequest {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        if multiplexed {
            self.0.multiplexed.store(true, Ordering::Relaxed);
        }
        // One stream among several is refused without an end to the connection.
        self.0.unread.store(has_body && !multiplexed, Ordering::Relaxed);
        ActiveRequest(self.clone())
    }
}

impl ActiveRequest {
    /// To be called when all of the request's body has been read.
    pub fn body_was_read(&self) {
        self.0.0.unread.store(false, Ordering::Relaxed);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the connection waits for while no request is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// A request's first byte, since then.
    Idle(Duration),
    /// The rest of a head, since then.
    Head(Duration),
    /// Nothing: a request is being answered.
    Busy,
}

pin_project_lite::pin_project! {
    /// A stream with [`ConnectionTimeouts`].
    pub struct DeadlineStream<S> {
        #[pin]
        stream: S,
        #[pin]
        sleep: Sleep,
        waiting: Waiting,
        timeouts: ConnectionTimeouts,
        activity: Activity,
        clock: Clock,
        // Runs while the client takes nothing.
        stalled: Option<Pin<Box<Sleep>>>,
        linger: Option<Linger>,
    }
}

/// What is still listened to.
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl<S> DeadlineStream<S> {
    /// Wraps a connection that was just accepted: its first head must come within the head timeout.
    pub(super) fn new(
        stream: S,
        timeouts: ConnectionTimeouts,
        activity: Activity,
        clock: Clock,
    ) -> Self {
        let waiting = Waiting::Head(clock.mono());
        let sleep = tokio::time::sleep(timeouts.head);
        Self { stream, sleep, waiting, timeouts, activity, clock, stalled: None, linger: None }
    }

    /// Keeps the deadline while the stream has nothing to read.
    fn poll_deadline(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut this = self.project();
        loop {
            let now = this.clock.mono();
            *this.waiting = this.waiting.observed(&this.activity.0, now);
            let until = match *this.waiting {
                Waiting::Idle(since) => since.saturating_add(this.timeouts.idle),
                Waiting::Head(since) => since.saturating_add(this.timeouts.head),
                // Looked at again when the sleep that runs anyway is over: the request may have
                // ended by then without a byte having been read.
                Waiting::Busy => now.saturating_add(this.timeouts.idle),
            };
            ready!(this.sleep.as_mut().poll(cx));
            if until <= now {
                let reason = match *this.waiting {
                    Waiting::Idle(_) => "idle connection closed",
                    Waiting::Head(_) | Waiting::Busy => "request head not complete in time",
                };
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            let left = until.saturating_sub(now);
            this.sleep.as_mut().reset(tokio::time::Instant::now() + left);
        }
    }
}

impl Waiting {
    /// What the connection waits for, knowing what it waited for when it was last looked at.
    fn observed(self, activity: &ActivityState, now: Duration) -> Self {
        if activity.in_flight.load(Ordering::Relaxed) > 0 {
            return Self::Busy;
        }
        match self {
            Self::Busy => Self::Idle(now),
            Self::Idle(_) | Self::Head(_) => self,
        }
    }

    /// The same, after bytes were read.
    fn after_bytes(self, activity: &ActivityState, now: Duration) -> Self {
        match self.observed(activity, now) {
            Self::Idle(_) if activity.multiplexed.load(Ordering::Relaxed) => Self::Idle(now),
            Self::Idle(_) => Self::Head(now),
            waiting @ (Self::Head(_) | Self::Busy) => waiting,
        }
    }
}

impl<S: Read> Read for DeadlineStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = self.as_mut().project().stream.poll_read(cx, buffer) {
            let this = self.project();
            *this.waiting = this.waiting.after_bytes(&this.activity.0, this.clock.mono());
            return Poll::Ready(result);
        }
        self.poll_deadline(cx).map(Err)
    }
}

/// Passes on what came of a write, unless it has been waited for too long.
fn unless_stalled<T>(
    stalled: &mut Option<Pin<Box<Sleep>>>,
    limit: Duration,
    cx: &mut Context<'_>,
    written: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *stalled = None;
        return written;
    }
    let sleep = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
    ready!(sleep.as_mut().poll(cx));
    let reason = "the client takes nothing";
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
}

impl<S: Read + Write> Write for DeadlineStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write(cx, bytes);
        unless_stalled(this.stalled, this.timeouts.idle, cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let flushed = this.stream.poll_flush(cx);
        unless_stalled(this.stalled, this.timeouts.idle, cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if this.linger.is_none() {
            let shut = this.stream.as_mut().poll_shutdown(cx);
            ready!(unless_stalled(this.stalled, this.timeouts.idle, cx, shut))?;
            if !this.activity.0.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Linger {
            until: Box::pin(tokio::time::sleep(LINGER)),
            bytes_left: LINGER_BYTES_MAX,
        });
        loop {
            if linger.bytes_left == 0 || linger.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; LINGER_READ_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(this.stream.as_mut().poll_read(cx, buffer.unfilled()));
            let length = buffer.filled().len();
            if read.is_err() || length == 0 {
                return Poll::Ready(Ok(()));
            }
            linger.bytes_left = linger.bytes_left.saturating_sub(length);
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.stream.poll_write_vectored(cx, slices);
        unless_stalled(this.stalled, this.timeouts.idle, cx, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_connection_waits_for_a_head_then_nothing_then_idles() {
        let activity = Activity::default();
        let waiting = Waiting::Head(seconds(0)).after_bytes(&activity.0, seconds(1));
        assert_eq!(waiting, Waiting::Head(seconds(0)), "the first byte does not restart the head");
        let request = activity.begin(false, false);
        assert_eq!(waiting.observed(&activity.0, seconds(2)), Waiting::Busy);
        drop(request);
        let waiting = Waiting::Busy.observed(&activity.0, seconds(3));
        assert_eq!(waiting, Waiting::Idle(seconds(3)));
        assert_eq!(waiting.after_bytes(&activity.0, seconds(4)), Waiting::Head(seconds(4)));
    }

    #[test]
    fn bytes_between_multiplexed_requests_are_no_head() {
        let activity = Activity::default();
        drop(activity.begin(true, false));
        let waiting = Waiting::Idle(seconds(1)).after_bytes(&activity.0, seconds(2));
        assert_eq!(waiting, Waiting::Idle(seconds(2)));
    }
}
