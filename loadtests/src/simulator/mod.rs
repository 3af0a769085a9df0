//! A simulated provider: speaks `OpenAI`'s chat completions, streamed and not, does what a script says,
//! and keeps a log of the usage it reported.
//!
//! It shares the machine with what is measured, so an answer costs it little: bytes are copied and
//! not formatted, nothing is logged to a terminal, and one thread does it all.

pub mod behaviour;
mod control;
mod exchange;
mod socket;
mod state;
pub mod stats;
mod stream;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use control::Listening;
pub use stream::{AnswerBody, Cut};

use self::exchange::{Exchange, response};
use self::socket::Socket;
use self::state::State;
use self::stream::Whole;

const BODY_BYTES_MAX: usize = 64 << 20;

/// How to run a simulator.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where requests arrive.
    #[arg(long, default_value = "127.0.0.1:9100")]
    pub listen: SocketAddr,
    /// A second port for `/control`, which stays open when the first is closed by script.
    #[arg(long)]
    pub control: Option<SocketAddr>,
    /// Part of every answer's `id`, to tell several simulators apart.
    #[arg(long, default_value = "sim")]
    pub name: String,
    /// How many ended answers the log keeps; 0 for none.
    #[arg(long, default_value_t = 200_000)]
    pub log_capacity: usize,
}

/// Why a simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken or not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Serves until it is dropped or the process ends.
pub async fn run(options: Options) -> Result<(), Error> {
    let state = Arc::new(State::new(options.name, options.log_capacity));
    let data = listen(options.listen).await?;
    if let Some(address) = options.control {
        let control = listen(address).await?;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let open = watch::Sender::new(true);
            accept(state, control, open.subscribe()).await;
        });
    }
    serve(state, options.listen, data).await
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// The data port: open while the script says so.
async fn serve(state: Arc<State>, address: SocketAddr, first: TcpListener) -> Result<(), Error> {
    let mut listening = state.listening.subscribe();
    let mut listener = Some(first);
    loop {
        let open = match listener.take() {
            Some(open) => open,
            None => listen(address).await?,
        };
        tokio::select! {
            () = accept(Arc::clone(&state), open, state.listening.subscribe()) => {}
            _ = listening.wait_for(|open| !open) => {}
        }
        let _ = listening.wait_for(|open| *open).await;
    }
}

async fn accept(state: Arc<State>, listener: TcpListener, listening: watch::Receiver<bool>) {
    loop {
        // Out of descriptors or reset before it was taken: the next one may do better.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        tokio::spawn(connection(Arc::clone(&state), stream, listening.clone()));
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, mut listening: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let (socket, reset) = Socket::new(stream);
    let service = service_fn(move |request| {
        let (state, reset) = (Arc::clone(&state), Arc::clone(&reset));
        async move { answer(&state, request, &reset).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().auto_date_header(false);
    builder.http2().auto_date_header(false).max_concurrent_streams(100_000);
    let serving = builder.serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        // How a connection ends is the other side's business, or the script's.
        _ = serving => {}
        _ = listening.wait_for(|open| !open) => {}
    }
}

async fn answer(
    state: &State,
    request: Request<Incoming>,
    reset: &Arc<AtomicBool>,
) -> Result<Response<AnswerBody>, Cut> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(control::fault(413, "the body is cut or too long"));
    };
    let body: Bytes = body.to_bytes();
    let path = head.uri.path();
    if head.method == Method::POST && path.ends_with("/chat/completions") {
        let exchange = Exchange { state, headers: &head.headers, reset };
        return exchange.answer(body).await;
    }
    if path.starts_with("/control/") {
        let query = head.uri.query().unwrap_or_default();
        return Ok(control::answer(state, &head.method, path, query, &body));
    }
    match path {
        "/healthz" => Ok(plain("ok\n")),
        path if path.ends_with("/models") => Ok(plain(r#"{"object":"list","data":[]}"#)),
        _ => Ok(control::fault(404, "no such path")),
    }
}

fn plain(text: &'static str) -> Response<AnswerBody> {
    let body = Whole::plain(Bytes::from_static(text.as_bytes()));
    response(200, HeaderValue::from_static("application/json"), body)
}
