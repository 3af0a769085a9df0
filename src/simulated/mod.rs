//! The provider inside the process: it makes the first run work without any credential.
//!
//! A real HTTP server on a loopback port of its own, so that a request to it takes every step that
//! one to a real provider takes. It answers chat completions, streamed and not, by repeating what
//! it is told; any model name will do.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use infergate_actors::clock::Clock;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

mod answer;
mod serve;
#[cfg(test)]
mod tests;
mod wire;

use serve::Service;

/// Connections beyond this many wait to be accepted.
const CONNECTIONS_MAX: usize = 16_384;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The running provider. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulated {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Simulated {
    /// Starts it on a free loopback port of the current tokio runtime. `token_delay` passes before
    /// each token of a stream.
    pub fn start(token_delay: Duration, clock: Clock) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        // A burst of requests is a burst of connections here.
        let listener = socket.listen(4_096)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let service = Arc::new(Service::new(token_delay, clock));
        let accepting = tokio::spawn(accept(listener, service, stopped));
        Ok(Self { address, stop, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, as a provider's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Stops accepting and lets answers in flight end, for at most `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        // What is left after the grace ends with `self`.
        let _ = timeout(grace, &mut self.accepting).await;
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // The connections are tasks of a set that the task owns: they end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = asked(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&service), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Ends when the provider is to stop; also when nobody is left who could ask for it.
async fn asked(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn connection(stream: TcpStream, service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    // Tokens are small and must leave at once; without it they merely leave later.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = asked(&mut stopped) => serving.as_mut().graceful_shutdown(),
    }
    // A client that breaks off is no concern of ours.
    let _ = serving.await;
}
