//! A gateway for tests: a real store, the simulated provider, both ports on sockets.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use infergate_actors::account::AccountOptions;
use infergate_actors::clock::Clock;
use infergate_actors::ledger::{Durability, Ledger, LedgerOptions};
use infergate_actors::supervisor::System;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::admin::{self, Operator};
use super::metrics::Metrics;
use crate::accept::{self, ConnectionTimeouts, TlsAcceptor};
use crate::auth;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::exchange::{World, WorldParts};
use crate::front::{BodyLimits, Front};
use crate::notify::Notifier;

pub(crate) const TOKEN: &str = "ig-admin-of-the-tests";

pub(crate) const CREDENTIAL: &str = "sk-of-the-tests";

/// One model at the provider inside the process, and a provider with a credential.
const CONFIG: &str = r#"
[[providers]]
name = "simulated"
kind = "simulated"
token_delay = "0ms"
[[providers]]
name = "real"
kind = "openai"
base_url = "http://127.0.0.1:9"
credentials = ["sk-of-the-tests"]
[[models]]
name = "small"
context_tokens = 8000
output_tokens_max = 1000
price = { input = "1", output = "2" }
route = { tiers = [[{ provider = "simulated" }]] }
"#;

pub(crate) struct Gateway {
    pub(crate) directory: TempDir,
    /// In there, or all of it.
    pub(crate) data_dir: PathBuf,
    pub(crate) world: Arc<World>,
    pub(crate) operator: Arc<Operator>,
    pub(crate) system: System,
    pub(crate) notifier: Notifier,
    pub(crate) front: Front,
    pub(crate) admin: SocketAddr,
    pub(crate) data: SocketAddr,
    /// Both ports close when it is dropped.
    stop: watch::Sender<bool>,
    serving: JoinHandle<usize>,
}

/// How a gateway is to be.
pub(crate) struct Setup {
    pub(crate) config: String,
    pub(crate) in_flight_max: usize,
    pub(crate) body: BodyLimits,
    pub(crate) timeouts: ConnectionTimeouts,
    pub(crate) grace: Duration,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) clock: Clock,
    /// A data directory to go on with.
    pub(crate) data: Option<TempDir>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Default for Setup {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            config: CONFIG.to_owned(),
            in_flight_max: 100,
            body: BodyLimits { bytes_max: 1 << 20, timeout: seconds(10), stall: seconds(10) },
            timeouts: ConnectionTimeouts { head: seconds(10), idle: seconds(10) },
            grace: Duration::ZERO,
            tls: None,
            clock: Clock::real(),
            data: None,
        }
    }
}

impl Setup {
    pub(crate) async fn start(self) -> Gateway {
        let is_new = self.data.is_none();
        let directory = self.data.unwrap_or_else(|| TempDir::new().unwrap());
        let clock = self.clock;
        let config = Config::parse("test.toml", &self.config, &|_| None).unwrap();
        let path = directory.path();
        let data_dir = if is_new { path.join("data") } else { path.to_owned() };
        let (ledger, system) = system(&config, &data_dir, &clock).await;
        let notices = config.notices.clone();
        let notifier = Notifier::start(ledger.clone(), clock.clone(), notices, &config.webhooks)
            .await
            .unwrap();
        let catalog = Catalog::build(&config, &system.providers, &clock).await.unwrap();
        let world = Arc::new(World::new(WorldParts {
            accounts: system.accounts.clone(),
            ledger,
            catalog,
            in_flight_max: self.in_flight_max,
            node: 0,
            clock: clock.clone(),
            metrics: Metrics::new().unwrap(),
            durability: Durability::Process,
            cache: config.cache,
        }));
        let (stop, stopped) = watch::channel(false);
        let (listener, admin) = listen().await;
        let operator = Arc::new(Operator::new(
            Arc::clone(&world),
            system.clone(),
            notifier.clone(),
            auth::hash(TOKEN),
        ));
        operator.recover().await.unwrap();
        let router = admin::router(Arc::clone(&operator));
        tokio::spawn(admin::serve(listener, router, clock.clone(), stopped.clone()));
        let (listener, data) = listen().await;
        let options = accept::Options {
            head_bytes_max: 16 * 1024,
            timeouts: self.timeouts,
            streams_max: 10,
            tls: self.tls,
            clock,
        };
        let front = Front::new(Arc::clone(&world), self.body, notifier.clone());
        front.set_origins(&config.server.allowed_origins);
        front.set_sign_up(config.sign_up.clone());
        front.set_owner_changes(config.server.owner_changes_per_minute);
        let before_cut = {
            let world = Arc::clone(&world);
            move || world.cut()
        };
        let serving =
            accept::serve(listener, options, front.clone(), stopped, self.grace, before_cut);
        let serving = tokio::spawn(serving);
        Gateway {
            directory,
            data_dir,
            world,
            operator,
            system,
            notifier,
            front,
            admin,
            data,
            stop,
            serving,
        }
    }
}

/// The actors over a ledger, as the configuration wants them.
async fn system(config: &Config, data_dir: &Path, clock: &Clock) -> (Ledger, System) {
    let options = LedgerOptions {
        keep: config.usage,
        // Sums are brought up to date where a test says so.
        rollup_interval: Duration::from_hours(1),
        ..LedgerOptions::new(data_dir)
    };
    let (ledger, _) = Ledger::open(options, clock.clone()).unwrap();
    let accounts = AccountOptions { snapshot_every_events: 1_000, idle: Duration::from_mins(5) };
    let system = System::start(ledger.clone(), clock.clone(), accounts).await.unwrap();
    system.accounts.set_credit_rules(config.credit.clone());
    system.accounts.set_guard(config.guard.clone());
    system.accounts.set_plans(config.plans.clone());
    system.accounts.load_due_times().await.unwrap();
    (ledger, system)
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// What SIGTERM does, up to the end of the last connection. How many were cut.
    pub(crate) async fn shut_down(&mut self) -> usize {
        self.begin_shut_down();
        (&mut self.serving).await.unwrap()
    }

    pub(crate) fn begin_shut_down(&self) {
        self.world.stop();
        self.stop.send_replace(true);
    }

    /// Lets pages of these origins use the data port.
    pub(crate) fn set_origins(&self, origins: &[String]) {
        self.front.set_origins(origins);
    }

    /// Puts another configuration to use, as the reloader does.
    pub(crate) async fn reload(&self, config: &str) {
        let config = Config::parse("test.toml", config, &|_| None).unwrap();
        let catalog = Catalog::build(&config, &self.system.providers, &self.world.clock).await;
        self.world.cache.resize(config.cache);
        self.world.accounts.set_credit_rules(config.credit.clone());
        let kept = self.notifier.kept().await.unwrap();
        self.notifier.reconfigure(config.notices.clone(), &config.webhooks, &kept);
        self.world.accounts.set_guard(config.guard.clone());
        self.world.accounts.set_plans(config.plans.clone());
        self.front.set_sign_up(config.sign_up.clone());
        self.front.set_owner_changes(config.server.owner_changes_per_minute);
        self.world.catalog.store(Arc::new(catalog.unwrap()));
    }

    /// Asks the admin port, with the token.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(json(body)),
            None => request.body(Full::default()),
        };
        send(self.admin, request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = self.ask(Method::GET, path, None).await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        reply.json()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        let reply = self.ask(Method::POST, path, Some(body)).await;
        assert_eq!(reply.status, status, "{path}: {:?}", reply.body);
        reply.json()
    }

    /// Asks the data port, with a key where there is one.
    pub(crate) async fn ask_data(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(json(body)),
            None => request.body(Full::default()),
        };
        send(self.data, request.unwrap()).await
    }

    /// What an account, by its path, has been charged, in nano-USD. Also when the ports are closed.
    pub(crate) async fn settled(&self, account: &str) -> i64 {
        let id = account.rsplit('/').next().unwrap().parse().unwrap();
        self.world.accounts.inspect(id).await.unwrap().totals.settled.nano()
    }

    /// Opens an account; its id.
    pub(crate) async fn account(&self, name: &str) -> String {
        let new = serde_json::json!({ "name": name });
        text(&self.post("/admin/v1/accounts", &new, 201).await["id"])
    }

    /// Asks the data port for a chat completion; the status.
    pub(crate) async fn chat(&self, key: &str) -> u16 {
        self.chat_with(key, "small").await
    }

    /// The same, of a model.
    pub(crate) async fn chat_with(&self, key: &str, model: &str) -> u16 {
        let body = serde_json::json!({
            "model": model, "max_tokens": 20, "messages": [{ "role": "user", "content": "hello" }],
        });
        let request = Request::post("/v1/chat/completions")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(json(&body));
        send(self.data, request.unwrap()).await.status
    }

    /// What a machine that loses power now would find: a copy of the data directory.
    pub(crate) fn copy_of_data(&self) -> TempDir {
        let copy = TempDir::new().unwrap();
        copy_folder(&self.data_dir, copy.path());
        copy
    }

    /// What starts behind such a loss of power.
    pub(crate) async fn restarted(&self) -> Gateway {
        let clock = self.world.clock.clone();
        Setup { data: Some(self.copy_of_data()), clock, ..Setup::default() }.start().await
    }

    /// Asks the admin port with some token and some headers.
    pub(crate) async fn ask_as(
        &self,
        token: &str,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        send(self.admin, with_headers(token, (method, path), headers, body)).await
    }

    /// The same of the data port, with a key.
    pub(crate) async fn ask_data_as(
        &self,
        key: &str,
        to: (Method, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        send(self.data, with_headers(key, to, headers, body)).await
    }
}

fn with_headers(
    bearer: &str,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.map_or_else(Full::default, json)).unwrap()
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(to: SocketAddr, mut request: Request<Full<Bytes>>) -> Reply {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let host = to.to_string().parse().unwrap();
    request.headers_mut().insert(header::HOST, host);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn json(value: &Value) -> Full<Bytes> {
    Full::from(value.to_string())
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
