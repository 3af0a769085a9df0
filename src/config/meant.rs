//! What a configuration means once it is checked: plain values without doubt. Pure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use infergate_actors::account::{CreditRules, GuardRules, Plans};
use infergate_actors::ledger::Keep;
use infergate_actors::money::{NanoUsd, Price};

use crate::notify::{NotifySettings, Webhook};

use super::{Abilities, BaseUrl, Cache, DataCollection, Lifecycle, Prices, Route, Secret, SignUp};

/// A whole configuration: every reference leads somewhere, every default is filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The port that clients use.
    pub server: Server,
    /// The operator's port.
    pub admin: Admin,
    /// Where the ledger is, and what it promises.
    pub store: Store,
    /// What the demo account gets.
    pub trial: Trial,
    /// Which credit may buy what, and what payments lead to.
    pub credit: CreditRules,
    /// When a key is used so unusually that it is stopped; `None`: never.
    pub guard: Option<GuardRules>,
    /// How long records and sums of usage are kept.
    pub usage: Keep,
    /// What accounts may do and pay, by plan.
    pub plans: Plans,
    /// Who may open an account of their own.
    pub sign_up: SignUp,
    /// How much may be kept of answers.
    pub cache: Cache,
    /// How those outside are told of what happens.
    pub notices: NotifySettings,
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// The providers that are on.
    pub providers: Vec<Provider>,
    /// The models that are on.
    pub models: Vec<Model>,
    /// The names of the models that are off, because none of their providers is on.
    pub models_off: Vec<Arc<str>>,
    /// The file that more models are read from; relative to the working directory.
    pub catalog: Option<PathBuf>,
    /// What an operator should know and is no fault, such as a provider that is off.
    pub notes: Vec<String>,
}

/// In a list of origins: every one, those that browsers hide included.
pub(crate) const EVERY_ORIGIN: &str = "*";

/// The data port and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The longest request head, in bytes.
    pub head_bytes_max: usize,
    /// The longest request body, in bytes.
    pub body_bytes_max: usize,
    /// How long a client may take to send a head.
    pub head_timeout: Duration,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How long a connection may stay without a request.
    pub idle_timeout: Duration,
    /// Requests in flight over all accounts; more are answered 503.
    pub requests_in_flight_max: u32,
    /// Changes that an account may make under `/api/v1` in a minute; zero: as many as it likes.
    pub owner_changes_per_minute: u32,
    /// How long streams in flight may go on after a stop was asked for.
    pub shutdown_grace: Duration,
    /// A client that takes nothing of its stream for this long is dropped.
    pub client_stall: Duration,
    /// Pages of these origins may use the port: patterns, or a star for all.
    pub allowed_origins: Vec<String>,
    /// The certificate, where the gateway speaks TLS itself.
    pub tls: Option<Tls>,
}

/// A certificate and its key, as PEM files that could be opened when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where the operator connects.
    pub listen: SocketAddr,
}

/// The ledger's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its folder; relative to the working directory.
    pub path: PathBuf,
    /// What an answered request survives.
    pub durability: Durability,
    /// At [`Durability::Process`], the longest time until a settlement is on disk.
    pub fsync_interval: Duration,
    /// An account is snapshotted after this many events.
    pub snapshot_every_events: u32,
    /// How much of the journal is proved at start.
    pub verify_on_start: Verify,
    /// An account's actor stops after this time without a message.
    pub account_idle: Duration,
    /// This machine's number in the ids it hands out; no two nodes share one.
    pub node: u16,
}

/// What an answered request survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however sudden.
    Process,
    /// The loss of power too.
    Disk,
}

/// How much of the journal is proved at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// All of it.
    Full,
    /// What came after the snapshots.
    Tail,
}

/// The credit of the demo account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// How much.
    pub credit: NanoUsd,
    /// How long it lasts; `None` for ever.
    pub expires_after: Option<Duration>,
}

/// Time allowed to one attempt at a provider. None is longer than `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until connected.
    pub connect: Duration,
    /// From sent until the answer's head.
    pub head: Duration,
    /// From the head until a stream's first content.
    pub first_content: Duration,
    /// From sent until an answer that is not streamed is there, however long it may be.
    pub unstreamed: Duration,
    /// Such an answer may take `first_content` and the time that all tokens it may have take at this
    /// rate, if that is less than `unstreamed`.
    pub unstreamed_tokens_per_second: u32,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// Until the last byte.
    pub total: Duration,
}

/// When a deployment is shut, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row that shut it.
    pub consecutive_failures: u32,
    /// Share of failures within `window` that shuts it, in percent.
    pub failure_ratio_percent: u8,
    /// What the share is taken over.
    pub window: Duration,
    /// The share says nothing before there are this many samples.
    pub samples_min: u32,
    /// How long it stays shut the first time.
    pub cooldown: Duration,
    /// Each failed probe, and each relapse, doubles the cool-down up to this.
    pub cooldown_max: Duration,
    /// Shut again so soon after a recovery, it has relapsed.
    pub relapse_window: Duration,
    /// A probe without a verdict counts as failed after this.
    pub probe_timeout: Duration,
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its unique name.
    pub name: Arc<str>,
    /// What it speaks and where it is.
    pub kind: Kind,
    /// Whether to speak HTTP/2 to it: by ALPN over TLS, by prior knowledge otherwise.
    pub http2: bool,
    /// The most requests in flight to it.
    pub in_flight_max: u32,
    /// Its timeouts, where a route does not have its own.
    pub timeouts: Timeouts,
    /// The breaker of each of its deployments.
    pub breaker: Breaker,
    /// How it is asked whether it is well again, if it is.
    pub health_probe: Option<HealthProbe>,
    /// What it calls the ceiling on output tokens.
    pub output_ceiling_field: OutputCeilingField,
    /// Headers sent with each request to it.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Whether it may keep what it is sent.
    pub data_collection: DataCollection,
    /// Its models: first those it lists, in order, then those that only routes name.
    pub deployments: Vec<Deployment>,
}

/// How a provider is asked whether it is well again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthProbe {
    /// What is asked for: appended to the base URL.
    pub path: String,
    /// How often, while there is something to ask.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What a provider speaks and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's API or one compatible with it.
    OpenAi {
        /// Where paths such as `/chat/completions` are appended.
        base_url: BaseUrl,
        /// Our keys there, each sent as a bearer token; none where it asks for none.
        credentials: Vec<Secret>,
    },
    /// The provider inside this process.
    Simulated {
        /// Time between two tokens of a stream.
        token_delay: Duration,
    },
}

/// The request field that limits a provider's output tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputCeilingField {
    /// `max_tokens`: what most compatible servers know.
    MaxTokens,
    /// `max_completion_tokens`: what OpenAI's newer models insist on.
    MaxCompletionTokens,
}

/// One model at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// Requests a minute that the provider allows; `None` if it sets no limit.
    pub requests_per_minute: Option<u32>,
    /// Tokens a minute that the provider allows; `None` if it sets no limit.
    pub tokens_per_minute: Option<u64>,
    /// The most requests in flight to it.
    pub in_flight_max: u32,
    /// What the provider charges us, if it is known.
    pub cost: Option<Price>,
    /// Input and output tokens together, where the model has a bound of its own here.
    pub context_tokens: Option<u64>,
    /// The most output tokens of one answer, where the model has a bound of its own here.
    pub output_tokens_max: Option<u64>,
    /// What it can do; `None` where nobody has said.
    pub abilities: Option<Abilities>,
}

/// A public model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name clients ask for; unique.
    pub name: Arc<str>,
    /// Input and output tokens together.
    pub context_tokens: u64,
    /// The most output tokens of one answer; at most `context_tokens`.
    pub output_tokens_max: u64,
    /// The most input tokens one image can count as; at most `context_tokens`.
    pub image_tokens_max: u64,
    /// What clients pay, by time.
    pub price: Prices,
    /// Whether nothing is charged; then `price` is zero, and never otherwise.
    pub free: bool,
    /// Shown in the list of models.
    pub owned_by: String,
    /// Shown in the list of models: seconds since 1970-01-01T00:00:00Z.
    pub created: u64,
    /// What it is said to be, and when it goes.
    pub lifecycle: Lifecycle,
    /// Where its requests go.
    pub route: Route,
}

impl Timeouts {
    /// How long an answer that is not streamed may take, all choices of which together may have so
    /// many tokens.
    pub fn unstreamed_for(&self, output_tokens_max: u64) -> Duration {
        let rate = u64::from(self.unstreamed_tokens_per_second.max(1));
        let generating = Duration::from_secs(output_tokens_max.div_ceil(rate));
        self.first_content.saturating_add(generating).min(self.unstreamed)
    }
}

impl Config {
    /// The model that clients call `name`, if it is on.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| &*model.name == name)
    }

    /// The provider called `name`, if it is on.
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| &*provider.name == name)
    }
}
