//! Sockets: accepts connections, speaks HTTP/1.1 and HTTP/2 on one port, with TLS where a certificate
//! is configured, and stops gracefully. Knows nothing of what is asked or answered.

mod deadline;
mod tls;
mod unreadable;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use infergate_actors::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use deadline::{Activity, DeadlineStream};
use unreadable::Explained;

pub use deadline::{ActiveRequest, ConnectionTimeouts};
pub use tls::{TlsError, acceptor as tls_acceptor};
pub use tokio_rustls::TlsAcceptor;

/// How connections are treated.
#[derive(Clone)]
pub struct Options {
    /// The most bytes of a request's head.
    pub head_bytes_max: usize,
    /// Time limits of a connection at rest.
    pub timeouts: ConnectionTimeouts,
    /// HTTP/2 streams that one connection may have open.
    pub streams_max: u32,
    /// TLS, where there is a certificate.
    pub tls: Option<TlsAcceptor>,
    /// The clock for the time limits.
    pub clock: Clock,
}

/// What answers the requests. Called once a request's head is there.
pub trait Service: Clone + Send + Sync + 'static {
    /// The answers' bodies.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + 'static;

    /// Answers one request. `active` is to be kept until the answer's last byte is handed over.
    fn answer(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        active: ActiveRequest,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// What an HTTP/1.1 client is told whose request's head can't be read, as `status` says: the last
    /// answer on its connection. `None`: the bare status.
    fn unreadable(&self, _status: StatusCode) -> Option<Response<Bytes>> {
        None
    }
}

/// hyper refuses a smaller buffer for heads.
const HEAD_BUFFER_MIN: usize = 8 * 1024;
/// Resets a client may have pending before its connection is closed: the defence against
/// CVE-2023-44487 (rapid reset).
const PENDING_RESETS_MAX: usize = 64;
/// How long connections that are to be cut may take for their last word.
const CUT_GRACE: Duration = Duration::from_secs(1);
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept (out of descriptors, say) there is no point in trying at once.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Serves `listener` until `stop` turns true; then takes no more connections and lets requests in the
/// works finish for at most `grace`. What is open then is cut, after `before_cut` was called. Returns
/// how many connections that were.
pub async fn serve<S: Service>(
    listener: TcpListener,
    options: Options,
    service: S,
    mut stop: watch::Receiver<bool>,
    grace: Duration,
    before_cut: impl FnOnce(),
) -> usize {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended would be kept until somebody asks.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, client)) => {
                let connection =
                    Connection { options: options.clone(), service: service.clone(), client };
                connections.spawn(connection.serve(stream, graceful.watcher()));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
    drop(listener);
    let mut done = pin!(graceful.shutdown());
    if tokio::time::timeout(grace, &mut done).await.is_ok() {
        return 0;
    }
    while connections.try_join_next().is_some() {}
    let open = connections.len();
    before_cut();
    // Streams in motion say why they end; those that stand still just end.
    let _ = tokio::time::timeout(CUT_GRACE, done).await;
    connections.shutdown().await;
    open
}

struct Connection<S> {
    options: Options,
    service: S,
    client: SocketAddr,
}

impl<S: Service> Connection<S> {
    async fn serve(self, stream: TcpStream, watcher: Watcher) {
        // Each event of a stream is to leave at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let served = match self.options.tls.clone() {
            None => self.speak(TokioIo::new(stream), watcher).await,
            // Boxed, because a connection without TLS is not to carry the room for it.
            Some(acceptor) => Box::pin(self.speak_tls(acceptor, stream, watcher)).await,
        };
        if let Err(error) = served {
            // Clients come and go: not worth more than a debug line.
            tracing::debug!(error, "connection ended");
        }
    }

    async fn speak_tls(
        self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        watcher: Watcher,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let handshake = tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        match handshake.await {
            Ok(Ok(stream)) => self.speak(TokioIo::new(stream), watcher).await,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }

    async fn speak<I>(
        self,
        stream: I,
        watcher: Watcher,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let Self { options, service, client } = self;
        let activity = Activity::default();
        let stream =
            DeadlineStream::new(stream, options.timeouts, activity.clone(), options.clock.clone());
        let stream = Box::pin(Explained::new(stream, service.clone()));
        let answer = service_fn(move |request: Request<Incoming>| {
            let has_body = !request.body().is_end_stream();
            let active = activity.begin(request.version() == Version::HTTP_2, has_body);
            let service = service.clone();
            // Boxed, because it is over when a stream's head is sent, and the connection would keep
            // its room until the stream is.
            Box::pin(
                async move { Ok::<_, Infallible>(service.answer(request, client, active).await) },
            )
        });
        let connection = options.builder().serve_connection(stream, answer).into_owned();
        drop(options);
        watcher.watch(connection).await
    }
}

impl Options {
    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(self.head_bytes_max.max(HEAD_BUFFER_MIN))
            .half_close(false);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.head_bytes_max).unwrap_or(u32::MAX))
            .max_concurrent_streams(self.streams_max)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .keep_alive_interval(Some(self.timeouts.idle))
            .keep_alive_timeout(self.timeouts.head);
        builder
    }
}
