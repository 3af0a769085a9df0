//! HTTP/1.1 and HTTP/2 on one port, with and without TLS, and what is no HTTP at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::accept::{ConnectionTimeouts, tls_acceptor};
use crate::exchange::tests::stage::{DONE, HELLO, ROLE, STOP, Stage, USAGE, ask, config};
use crate::exchange::tests::upstream::{STREAM, Upstream, chunk, streamed};
use crate::operate::fixture::{Gateway, Setup, send};

/// Sends raw bytes and reads all that comes until the gateway closes.
pub(super) async fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(to).await.unwrap();
    // Refused in the middle, the rest can't be sent.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn over_http2<S>(stream: S, scheme: &str, stage: &Stage, body: String) -> (u16, Bytes)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("{scheme}://localhost/v1/chat/completions"))
        .version(Version::HTTP_2)
        .header(header::AUTHORIZATION, format!("Bearer {}", stage.key))
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    assert!(parts.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    (parts.status.as_u16(), body.collect().await.unwrap().to_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_are_spoken_on_one_port() {
    let upstream = Upstream::start().await;
    let stage = Stage::before(&[upstream.address]).await;
    let upstream = upstream.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE]); 2]);
    let plain = TcpStream::connect(stage.gateway.data).await.unwrap();
    let (status, body) = over_http2(plain, "http", &stage, ask(true)).await;
    assert_eq!((status, &*body), (200, [ROLE, HELLO, STOP, DONE].concat().as_bytes()));
    assert_eq!(stage.chat(ask(true)).await.body, body);
    upstream.await.unwrap();
    // Refused before its body is read: the stream ends, the connection goes on.
    let plain = TcpStream::connect(stage.gateway.data).await.unwrap();
    let (status, body) = over_http2(plain, "http", &stage, "x".repeat(2 << 20)).await;
    assert_eq!(status, 413);
    assert!(body.starts_with(b"{\"error\":"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_the_client_chooses_the_version_in_the_handshake() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("c.pem"), files.path().join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let upstream = Upstream::start().await;
    let setup = Setup {
        config: config(&[upstream.address], ""),
        tls: Some(tls_acceptor(&certificate, &key).unwrap()),
        ..Setup::default()
    };
    let stage = Stage::of(setup, "1").await;
    let upstream = upstream.plays(vec![streamed(&[ROLE, HELLO, STOP, USAGE, DONE])]);

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let connect = async |protocols: &[&[u8]]| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(stage.gateway.data).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    };
    let stream = connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (status, body) = over_http2(stream, "https", &stage, ask(true)).await;
    assert_eq!((status, &*body), (200, [ROLE, HELLO, STOP, DONE].concat().as_bytes()));
    upstream.await.unwrap();

    let mut stream = connect(&[b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_let_go() {
    let mut upstream = Upstream::start().await;
    let idle = Duration::from_millis(100);
    let setup = Setup {
        config: config(&[upstream.address], ""),
        timeouts: ConnectionTimeouts { head: Duration::from_secs(10), idle },
        ..Setup::default()
    };
    let stage = Stage::of(setup, "1").await;
    let mut client = TcpStream::connect(stage.gateway.data).await.unwrap();
    let body = ask(true);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\n\r\n",
        stage.key,
        body.len()
    );
    client.write_all((head + &body).as_bytes()).await.unwrap();
    let mut call = upstream.call().await;
    call.play(STREAM).await;
    // Comments: much to send, and nothing to pay for.
    let much = chunk([HELLO, &format!(": {}\n\n", "x".repeat(60_000))].concat());
    while call.is_open() {
        call.play(&much).await;
    }
    assert_eq!(stage.end().await["end"], "client_gone");
    drop(client);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lives_through_refusals_and_answers() {
    let stage = Stage::before(&[Upstream::dead().await]).await;
    let request = |path: &str, more: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{more}\r\n{body}")
    };
    let key = format!("authorization: Bearer {}\r\n", stage.key);
    let all = [
        request("/v1/nothing", "", ""),
        request("/v1/chat/completions", &key, "{"),
        request("/v1/chat/completions", "authorization: Bearer ig-wrong\r\n", ""),
        request("/healthz", "", ""),
        "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
    ];
    let answers = raw(stage.gateway.data, all.concat().as_bytes()).await;
    let statuses: Vec<&str> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["404", "400", "401", "405", "200"], "{answers}");
    assert_eq!(answers.matches("x-request-id: req_").count(), 5);
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        Just(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n".to_vec()),
        Just(b"GET /v1/models/%zz%00%2f?%% HTTP/1.1\r\n\r\n".to_vec()),
        Just(b"authorization: Bearer \xff\r\ncontent-length: 5\r\n\r\n".to_vec()),
        Just(b"transfer-encoding: chunked\r\n\r\nfffffffff\r\n".to_vec()),
        Just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        Just(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec()),
        Just(b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x82".to_vec()),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

#[test]
fn whatever_comes_in_the_gateway_lives() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(Gateway::start());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let lives = runner.run(&anything(), |bytes| {
        runtime.block_on(async {
            let mut socket = TcpStream::connect(gateway.data).await.unwrap();
            // What is refused before its end may be reset.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
            let health = Request::get("/healthz").body(Full::default()).unwrap();
            prop_assert_eq!(send(gateway.data, health).await.status, 200);
            Ok(())
        })
    });
    lives.unwrap();
}
