//! A gateway in a process of its own: configuration written, started, killed, started again.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Child, Error, Plan, Programs, free_address};
use crate::admin::Admin;
use crate::price::Price;
use crate::rest::Rest;

const PATIENCE: Duration = Duration::from_mins(1);
const ADMIN_TOKEN: &str = "loadtests-admin-token-0123456789abcdef";
const DEMO_KEY: &str = "ig-loadtests-demo-key-0123456789abcdef0123456789";

/// What a gateway is to be configured with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Providers, each a name and where its simulator listens.
    pub providers: Vec<(String, SocketAddr)>,
    /// Models, by public name.
    pub models: Vec<Model>,
    /// When an answer's last byte may leave.
    pub durability: Durability,
    /// Patience with providers.
    pub timeouts: Timeouts,
    /// Leave times, attempts and breakers to what the gateway does by default.
    pub by_default: bool,
    /// Further providers and models, as the configuration writes them.
    pub more: String,
    /// Lines to add to every provider, such as `breaker = { … }`.
    pub provider_lines: String,
    /// How long an account stays in memory without a request, in seconds.
    pub account_idle_s: u64,
    /// The only processor that the gateway may run on.
    pub cpu: Option<u32>,
    /// Until an answer that is not streamed is there, in milliseconds; else the product's default.
    pub unstreamed_ms: Option<u64>,
    /// The order within a tier, as the configuration names it; else as [`Model::shared`] says.
    pub strategy: Option<String>,
    /// What a provider bills us, by its name.
    pub costs: Vec<(String, Price)>,
}

/// A model and its route.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name, at clients and at every provider.
    pub name: String,
    /// What it costs.
    pub price: Price,
    /// Whether all providers share one tier, or each is the fallback of the one before.
    pub shared: bool,
}

/// What survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// `kill -9`.
    #[default]
    Process,
    /// Power loss too.
    Disk,
}

/// Patience with providers, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To a connection.
    pub connect_ms: u64,
    /// To a head.
    pub head_ms: u64,
    /// To the first content.
    pub first_content_ms: u64,
    /// Between two pieces of a body.
    pub idle_ms: u64,
}

/// A gateway, running or killed.
#[derive(Debug)]
pub struct Gateway {
    data: SocketAddr,
    admin: Admin,
    configuration: String,
    plan: Plan,
    child: Child,
    started_in: Duration,
}

impl Durability {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Disk => "disk",
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, head_ms: 300_000, first_content_ms: 300_000, idle_ms: 300_000 }
    }
}

impl Setup {
    /// One model at one provider, with patience for everything.
    pub fn single(model: &str, price: Price, provider: SocketAddr) -> Self {
        Self {
            providers: vec![("alpha".to_owned(), provider)],
            models: vec![Model { name: model.to_owned(), price, shared: true }],
            durability: Durability::Process,
            timeouts: Timeouts::default(),
            by_default: false,
            more: String::new(),
            provider_lines: String::new(),
            account_idle_s: 3_600,
            cpu: None,
            unstreamed_ms: None,
            strategy: None,
            costs: Vec::new(),
        }
    }

    /// One model at several providers, by their names.
    pub fn several(model: &str, price: Price, providers: &[(String, SocketAddr)]) -> Self {
        let nowhere = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        Self { providers: providers.to_vec(), ..Self::single(model, price, nowhere) }
    }

    /// The configuration file.
    fn toml(&self, data: SocketAddr, admin: SocketAddr, store: &Path) -> String {
        let Timeouts { connect_ms, head_ms, first_content_ms, idle_ms } = self.timeouts;
        let unstreamed = self.unstreamed_ms.map_or_else(String::new, |milliseconds| {
            format!("unstreamed = \"{milliseconds}ms\"\n")
        });
        let mut text = format!(
            "[server]
listen = \"{data}\"
requests_in_flight_max = 60000

[admin]
listen = \"{admin}\"

[store]
path = {:?}
durability = \"{}\"
account_idle = \"{}s\"
",
            store.display().to_string(),
            self.durability.word(),
            self.account_idle_s,
        );
        if !self.by_default {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "
[timeouts]
connect = \"{connect_ms}ms\"
head = \"{head_ms}ms\"
first_content = \"{first_content_ms}ms\"
idle = \"{idle_ms}ms\"
total = \"900s\"
{unstreamed}
[routing]
attempts_max = 4
deadline = \"900s\"
",
            );
        }
        for (name, address) in &self.providers {
            let _ = write!(
                text,
                "
[[providers]]
name = \"{name}\"
kind = \"openai\"
base_url = \"http://{address}/v1\"
credentials = [\"simulated-credential-{name}\"]
in_flight_max = 60000
{}{}
",
                self.deployments(name),
                self.provider_lines
            );
        }
        for model in &self.models {
            let _ = write!(
                text,
                "
[[models]]
name = \"{}\"
context_tokens = 128000
output_tokens_max = 16384
price = {}
route = {}
",
                model.name,
                model.price.toml(),
                self.route(model)
            );
        }
        text.push_str(&self.more);
        text
    }

    /// What the provider's models cost us, where that is to be known.
    fn deployments(&self, provider: &str) -> String {
        let Some((_, cost)) = self.costs.iter().find(|(name, _)| name == provider) else {
            return String::new();
        };
        let models = self
            .models
            .iter()
            .map(|model| format!("{{ model = \"{}\", cost = {} }}", model.name, cost.toml()));
        format!("deployments = [{}]\n", models.collect::<Vec<_>>().join(", "))
    }

    fn route(&self, model: &Model) -> String {
        let targets: Vec<String> = self
            .providers
            .iter()
            .map(|(name, _)| {
                format!("{{ provider = \"{name}\", model = \"{}\", weight = 1 }}", model.name)
            })
            .collect();
        let (strategy, tiers) = match &self.strategy {
            Some(strategy) => (strategy.as_str(), targets.join(", ")),
            None if model.shared => ("weighted", targets.join(", ")),
            None => ("priority", targets.join("], [")),
        };
        format!("{{ strategy = \"{strategy}\", tiers = [[{tiers}]] }}")
    }
}

impl Gateway {
    /// Writes the configuration under `directory` and starts a gateway with its data beside it.
    pub async fn start(
        programs: &Programs,
        directory: &Path,
        setup: &Setup,
    ) -> Result<Self, Error> {
        let (data, admin) = (free_address()?, free_address()?);
        let file: PathBuf = directory.join("infergate.toml");
        let store = directory.join("data");
        let configuration = setup.toml(data, admin, &store);
        fs::write(&file, &configuration)
            .map_err(|source| Error::Prepare { what: file.display().to_string(), source })?;
        let mut words = programs.gateway.clone();
        words.extend([OsString::from("serve"), "--config".into(), file.into()]);
        let environment =
            [("INFERGATE_ADMIN_TOKEN", ADMIN_TOKEN), ("INFERGATE_DEMO_KEY", DEMO_KEY)];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let log = directory.join("gateway.log");
        let plan = Plan { words, environment, log, cpu: setup.cpu };
        let mut child = Child::start(plan.clone())?;
        let started_in = child.ready(data, "/readyz", PATIENCE).await?;
        let rest = Rest { address: admin, token: Some(ADMIN_TOKEN.to_owned()) };
        Ok(Self { data, admin: Admin::new(rest), configuration, plan, child, started_in })
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.data
    }

    /// Its admin API.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Its configuration file.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// The process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    /// From the start of the process to the first ready answer.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Starts it again on the same data and ports, after it ended or was killed.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.child.kill().await;
        self.child = Child::start(self.plan.clone())?;
        self.started_in = self.child.ready(self.data, "/readyz", PATIENCE).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_is_a_tier_of_its_own() {
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let mut setup = Setup::single("m", Price::default(), address);
        setup.providers.push(("beta".to_owned(), address));
        let model = |shared| Model { name: "m".into(), price: Price::default(), shared };
        let tiers = |route: String| route.matches("], [").count() + 1;
        assert_eq!(tiers(setup.route(&model(true))), 1);
        assert_eq!(tiers(setup.route(&model(false))), 2);
        setup.strategy = Some("fastest".to_owned());
        assert!(setup.route(&model(false)).starts_with("{ strategy = \"fastest\", tiers = [[{"));
        assert_eq!(tiers(setup.route(&model(false))), 1);
    }

    #[test]
    fn a_cost_is_written_for_the_provider_that_has_one() {
        let mut setup = Setup::single("m", Price::default(), "127.0.0.1:1".parse().unwrap());
        setup.costs.push(("alpha".to_owned(), Price { input: 1, ..Price::default() }));
        let written = setup.deployments("alpha");
        assert!(
            written.starts_with("deployments = [{ model = \"m\", cost = { input = \"0.000000001\"")
        );
        assert_eq!(setup.deployments("beta"), "");
    }
}
