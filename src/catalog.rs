//! What can be asked for and where it is had: the models, routes and providers of the configuration in
//! force, ready for use. Replaced as a whole when the configuration changes; exchanges that are
//! under way keep the one they began with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::uri::InvalidUri;
use http::{HeaderName, HeaderValue, Uri};
use infergate_actors::clock::Clock;
use infergate_actors::money::Price;
use infergate_actors::provider::{
    BreakerSettings, DeploymentIndex, DeploymentSettings, DeploymentState, ProviderHandle,
    ProviderSettings, Secret,
};
use infergate_actors::supervisor::{ProviderError, Providers};

use crate::config::{self, Config, Kind, OutputCeilingField, Retry, Timeouts};
use crate::dialect::redact::Redaction;
use crate::dialect::splice::CeilingField;
use crate::route::{Budget, Facts, Share, TargetState};
use crate::simulated::Simulated;
use crate::upstream::{self, HealthProbe, Probing, TlsSetupError, Upstream};

/// Models and providers in force.
pub struct Catalog {
    models: HashMap<Arc<str>, Arc<Model>>,
    /// In the order of the configuration.
    listed: Vec<Arc<Model>>,
    /// As long as this is in force, unlike providers, which exchanges may need for longer.
    _probing: Vec<Probing>,
}

/// A public model.
pub struct Model {
    /// As configured.
    pub settings: config::Model,
    /// Its targets, tier by tier, in the places [`config::Place`] names.
    pub targets: Vec<Vec<Target>>,
    /// What its route may send beyond what it is asked.
    pub budgets: Budgets,
}

/// What a route has left to spend on further attempts; each exchange takes a moment's turn at it.
#[derive(Debug)]
pub struct Budgets {
    retry: Mutex<Budget>,
    hedge: Mutex<Budget>,
}

/// One deployment that a model's requests may go to.
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The deployment at the provider.
    pub deployment: DeploymentIndex,
    /// The provider's name for the model.
    pub upstream_model: Arc<str>,
    /// What the provider charges us, if known.
    pub cost: Option<Price>,
    /// Time allowed to an attempt.
    pub timeouts: Timeouts,
}

/// A provider.
pub struct Provider {
    /// Its actor.
    pub handle: ProviderHandle,
    /// Its connections.
    pub upstream: Upstream,
    /// Where chat completions are asked for.
    pub chat_uri: Uri,
    /// Sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What it calls the ceiling of an answer's length.
    pub ceiling_field: CeilingField,
    /// Takes credentials and addresses out of what reaches a client.
    pub redaction: Redaction,
    /// Kept running as long as an exchange needs it, also one of a configuration no longer in force.
    _simulated: Option<Simulated>,
}

/// A configuration that can't be put to use.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A provider's actor.
    #[error("provider `{name}`")]
    Provider {
        /// Which.
        name: Arc<str>,
        /// Why.
        source: ProviderError,
    },
    /// A provider's address.
    #[error("provider `{name}`: its base URL does not make a URL with a path behind it")]
    Address {
        /// Which.
        name: Arc<str>,
        /// Why.
        source: InvalidUri,
    },
    /// The provider inside this process.
    #[error("provider `{name}`: no port on the loopback interface")]
    Simulated {
        /// Which.
        name: Arc<str>,
        /// Why.
        source: std::io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

/// Unused connections to a provider are kept for this long: less than most servers keep theirs, so
/// that it is rarely the other side that closes.
const UPSTREAM_IDLE: Duration = Duration::from_secs(55);
const UPSTREAM_IDLE_MAX: usize = 1024;

impl Catalog {
    /// Puts a configuration to use: starts or changes its providers and stops the others. No provider is
    /// touched before everything else that can fail has been made.
    pub async fn build(
        config: &Config,
        providers: &Providers,
        clock: &Clock,
    ) -> Result<Self, CatalogError> {
        let drafts = config.providers.iter().map(|settings| Draft::new(settings, clock));
        let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
        let mut ready = Vec::with_capacity(drafts.len());
        let mut probing = Vec::new();
        for draft in drafts {
            let (provider, probe) = draft.start(providers, clock).await?;
            ready.push(Arc::new(provider));
            probing.extend(probe.map(HealthProbe::start));
        }
        let names: Vec<Arc<str>> =
            config.providers.iter().map(|provider| provider.name.clone()).collect();
        providers.retain(&names);
        let listed: Vec<Arc<Model>> =
            config.models.iter().map(|model| Arc::new(Model::new(model, config, &ready))).collect();
        let models =
            listed.iter().map(|model| (model.settings.name.clone(), Arc::clone(model))).collect();
        Ok(Self { models, listed, _probing: probing })
    }

    /// The model that clients call `name`.
    pub fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.get(name)
    }

    /// All models, in the order of the configuration.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.listed
    }
}

impl Model {
    fn new(settings: &config::Model, config: &Config, ready: &[Arc<Provider>]) -> Self {
        let target = |target: &config::Target| {
            let provider = ready.get(target.provider)?;
            let deployment = config
                .providers
                .get(target.provider)
                .and_then(|provider| provider.deployments.get(target.deployment))?;
            Some(Target {
                deployment: provider.handle.deployment(&target.upstream_model)?,
                provider: Arc::clone(provider),
                upstream_model: target.upstream_model.clone(),
                cost: deployment.cost.clone(),
                timeouts: target.timeouts,
            })
        };
        let tier = |tier: &Vec<config::Target>| tier.iter().filter_map(target).collect();
        let targets = settings.route.tiers.iter().map(tier).collect();
        Self { budgets: Budgets::new(&settings.route), settings: settings.clone(), targets }
    }

    /// What is known of the target at `place`.
    pub fn facts(&self, place: config::Place, now: Duration) -> Facts {
        let unknown = || Facts::of(TargetState::Unavailable);
        self.target(place).map_or_else(unknown, |target| target.facts(now))
    }

    /// The target at `place`.
    pub fn target(&self, place: config::Place) -> Option<&Target> {
        self.targets.get(usize::from(place.tier))?.get(usize::from(place.target))
    }
}

impl Budgets {
    fn new(route: &config::Route) -> Self {
        let Retry { percent, floor_per_second, window } = route.retry;
        let retry = Share { percent, floor_per_second, window };
        let percent = route.hedge.as_ref().map_or(0, |hedge| u32::from(hedge.percent));
        let hedge = Share { percent, floor_per_second: 0, window };
        Self { retry: Mutex::new(Budget::new(retry)), hedge: Mutex::new(Budget::new(hedge)) }
    }

    /// A request came.
    pub fn asked(&self, now: Duration) {
        locked(&self.retry).asked(now);
        locked(&self.hedge).asked(now);
    }

    /// Whether one more attempt may be made.
    pub fn may_retry(&self, now: Duration) -> bool {
        locked(&self.retry).is_left(now)
    }

    /// One more attempt is made. Apart from the question, as a provider may not let it in.
    pub fn retried(&self, now: Duration) {
        locked(&self.retry).spend_anyway(now);
    }

    /// Whether a second attempt may be made beside a first.
    pub fn hedge(&self, now: Duration) -> bool {
        locked(&self.hedge).spend(now)
    }
}

/// A count is right whatever became of the task that counted before.
fn locked(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    /// In how long it may be asked again, where it is shut and that is known.
    pub fn due_in(&self, now: Duration) -> Option<Duration> {
        match self.provider.handle.health().state(self.deployment, now) {
            DeploymentState::Shut { until }
            | DeploymentState::NoCredential { until: Some(until) } => {
                Some(until.saturating_sub(now))
            }
            _ => None,
        }
    }

    /// What its provider last published of it.
    pub fn facts(&self, now: Duration) -> Facts {
        let health = self.provider.handle.health();
        let state = match health.state(self.deployment, now) {
            DeploymentState::Passing => TargetState::Passing,
            DeploymentState::ProbeDue => TargetState::ProbeDue,
            DeploymentState::Shut { .. }
            | DeploymentState::AwaitingProbe
            | DeploymentState::Probing
            | DeploymentState::NoCredential { .. } => TargetState::Shut,
            DeploymentState::Closed | DeploymentState::Draining | DeploymentState::Unknown => {
                TargetState::Unavailable
            }
        };
        let Some(deployment) = health.deployment(self.deployment) else { return Facts::of(state) };
        let gauge = &deployment.gauge;
        Facts {
            in_flight: gauge.in_flight(),
            in_flight_max: deployment.in_flight_max.unwrap_or(u32::MAX),
            first_content: match gauge.expected_first_content(now) {
                // Where only whole answers came, their time is all there is to compare.
                Duration::ZERO => Duration::from_micros(gauge.total_us()),
                known => known,
            },
            output_rate_milli: gauge.output_rate_milli(),
            headroom_permille: gauge.headroom_permille(now),
            ..Facts::of(state)
        }
    }
}

/// A provider that lacks nothing but its actor.
struct Draft<'c> {
    settings: &'c config::Provider,
    upstream: Upstream,
    chat_uri: Uri,
    probe_uri: Option<Uri>,
    simulated: Option<Simulated>,
}

impl<'c> Draft<'c> {
    fn new(settings: &'c config::Provider, clock: &Clock) -> Result<Self, CatalogError> {
        let name = &settings.name;
        let (base, simulated) = match &settings.kind {
            Kind::OpenAi { base_url, .. } => (base_url.to_string(), None),
            Kind::Simulated { token_delay } => {
                let server = Simulated::start(*token_delay, clock.clone());
                let server = server
                    .map_err(|source| CatalogError::Simulated { name: name.clone(), source })?;
                (server.base_url(), Some(server))
            }
        };
        let at = |path: &str| {
            let uri = format!("{}{path}", base.trim_end_matches('/')).parse();
            uri.map_err(|source| CatalogError::Address { name: name.clone(), source })
        };
        let chat_uri: Uri = at("/chat/completions")?;
        let probe_uri = settings.health_probe.as_ref().map(|probe| at(&probe.path)).transpose()?;
        let upstream = Upstream::new(&upstream::Options {
            connect_timeout: settings.timeouts.connect,
            http2: settings.http2,
            tls: chat_uri.scheme_str() == Some("https"),
            idle_timeout: UPSTREAM_IDLE,
            idle_max: UPSTREAM_IDLE_MAX,
        })?;
        Ok(Self { settings, upstream, chat_uri, probe_uri, simulated })
    }

    /// Starts its actor, or changes the one that runs.
    async fn start(
        self,
        providers: &Providers,
        clock: &Clock,
    ) -> Result<(Provider, Option<HealthProbe>), CatalogError> {
        let Self { settings, upstream, chat_uri, probe_uri, simulated } = self;
        let handle = providers.configure(actor_settings(settings)).await;
        let handle = handle
            .map_err(|source| CatalogError::Provider { name: settings.name.clone(), source })?;
        let credentials = credentials(settings);
        let secrets: Vec<&str> = credentials.iter().map(Secret::expose).collect();
        let hosts: Vec<&str> = chat_uri.host().into_iter().collect();
        let redaction = Redaction::new(&secrets, &hosts);
        let provider = Provider {
            handle,
            upstream,
            chat_uri,
            headers: headers(settings),
            ceiling_field: match settings.output_ceiling_field {
                OutputCeilingField::MaxTokens => CeilingField::MaxTokens,
                OutputCeilingField::MaxCompletionTokens => CeilingField::MaxCompletionTokens,
            },
            redaction,
            _simulated: simulated,
        };
        let probe = settings.health_probe.as_ref().zip(probe_uri);
        let probe = probe.map(|(probe, uri)| HealthProbe {
            provider: provider.handle.clone(),
            upstream: provider.upstream.clone(),
            uri,
            headers: provider.headers.clone(),
            interval: probe.interval,
            timeout: probe.timeout,
            clock: clock.clone(),
        });
        Ok((provider, probe))
    }
}

fn headers(settings: &config::Provider) -> Vec<(HeaderName, HeaderValue)> {
    let header = |(name, value): &(HeaderName, config::Secret)| {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name.clone(), value))
    };
    settings.headers.iter().filter_map(header).collect()
}

fn credentials(settings: &config::Provider) -> Vec<Secret> {
    match &settings.kind {
        Kind::OpenAi { credentials, .. } => {
            credentials.iter().map(|secret| Secret::new(secret.expose())).collect()
        }
        Kind::Simulated { .. } => Vec::new(),
    }
}

fn actor_settings(settings: &config::Provider) -> ProviderSettings {
    let breaker = &settings.breaker;
    ProviderSettings {
        in_flight_max: Some(settings.in_flight_max),
        health_probe: settings.health_probe.is_some(),
        credentials: credentials(settings),
        deployments: settings
            .deployments
            .iter()
            .map(|deployment| DeploymentSettings {
                name: deployment.model.clone(),
                requests_per_minute: deployment.requests_per_minute,
                tokens_per_minute: deployment.tokens_per_minute,
                in_flight_max: Some(deployment.in_flight_max),
            })
            .collect(),
        breaker: BreakerSettings {
            failures_max: breaker.consecutive_failures,
            failure_percent: breaker.failure_ratio_percent,
            samples_min: breaker.samples_min,
            window: breaker.window,
            cooldown: breaker.cooldown,
            cooldown_max: breaker.cooldown_max,
            relapse_window: breaker.relapse_window,
            probe_timeout: breaker.probe_timeout,
        },
        ..ProviderSettings::new(settings.name.clone())
    }
}
