//! Reading providers and their deployments. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use super::meant::{
    Breaker, Deployment, HealthProbe, Kind, OutputCeilingField, Provider, Timeouts,
};
use super::price::price;
use super::tree::{Node, Section, show};
use super::{Abilities, BaseUrl, DataCollection, Secret, settings};

/// The most bytes of an upstream or public model name.
pub(super) const MODEL_NAME_BYTES_MAX: usize = 256;
const PROVIDER_NAME_BYTES_MAX: usize = 64;
const PROVIDERS_MAX: usize = 256;
/// No model is near it.
pub(super) const TOKENS_MAX: u64 = 1_000_000_000;
const DEPLOYMENTS_MAX: usize = 4_096;
/// All requests to a provider over HTTP/2 share a connection, and the ones beyond its limit on streams
/// would wait there unseen: so many streams every server should allow (RFC 9113 §6.5.2).
const HTTP2_STREAMS: u32 = 100;
const CREDENTIALS_MAX: usize = 256;
const HEADERS_MAX: usize = 32;
const TOKEN_DELAY: Duration = Duration::from_millis(15);
/// Headers that the gateway writes itself; those of the connection must not be forged either.
const HEADERS_OURS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What providers do where they do not say otherwise.
pub(super) struct Defaults {
    pub(super) in_flight_max: u32,
    pub(super) timeouts: Timeouts,
    pub(super) breaker: Breaker,
}

/// The providers read, and how each name stands.
#[derive(Default)]
pub(super) struct Providers {
    pub(super) on: Vec<Provider>,
    pub(super) standing: HashMap<String, Standing>,
    pub(super) notes: Vec<String>,
}

/// Whether a named provider is there.
#[derive(Clone, Copy)]
pub(super) enum Standing {
    /// At this index of [`Providers::on`].
    On(usize),
    /// Switched off, or at fault: a reference to it is no fault of its own.
    Off,
}

/// Reads all of `[[providers]]`.
pub(super) fn providers(root: &mut Section<'_>, defaults: &Defaults) -> Providers {
    let mut providers = Providers::default();
    for mut section in root.sections("providers", PROVIDERS_MAX) {
        let name = section.required("name", "\"openai\"", |node| {
            let name = node.name(
                PROVIDER_NAME_BYTES_MAX,
                |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
                "letters, digits, `-`, `_` and `.`",
            )?;
            if providers.standing.contains_key(&name) {
                node.fault(format!("a provider before is called {} too: rename one", show(&name)));
            }
            Some(name)
        });
        let optional = section.optional("optional", Node::flag).unwrap_or_default();
        let log = section.log;
        if optional {
            log.tolerate_missing();
        }
        let read = provider(section, name.as_deref().unwrap_or_default(), defaults);
        let missing = log.missing();
        let Some(name) = name else { continue };
        let standing = match read {
            Some(provider) if missing.is_empty() => {
                providers.on.push(provider);
                Standing::On(providers.on.len() - 1)
            }
            _ => Standing::Off,
        };
        if !missing.is_empty() {
            let variables = missing.join(" and no ");
            let note = format!("provider \"{name}\" is off: the environment has no {variables}");
            providers.notes.push(note);
        }
        providers.standing.entry(name).or_insert(standing);
    }
    providers
}

/// Reads one; `None` when what it speaks is at fault or waits for a variable.
fn provider(section: Section<'_>, name: &str, defaults: &Defaults) -> Option<Provider> {
    let mut s = section;
    let kind = kind(&mut s);
    let http2 = s.optional("http2", Node::flag).unwrap_or_default();
    let most = if http2 { HTTP2_STREAMS } else { u32::MAX };
    let in_flight_max = s
        .optional("in_flight_max", |node| node.number_u32(1..=1_000_000))
        .unwrap_or(defaults.in_flight_max.min(most));
    let timeouts = settings::timeouts(s.section("timeouts")).over(&defaults.timeouts, s.log);
    let breaker = settings::breaker(s.section("breaker"), &defaults.breaker);
    let health_probe = s.optional("health_probe", health_probe);
    let ceiling_fields = [
        ("max_tokens", OutputCeilingField::MaxTokens),
        ("max_completion_tokens", OutputCeilingField::MaxCompletionTokens),
    ];
    let output_ceiling_field = s
        .optional("output_ceiling_field", |node| node.choice(&ceiling_fields))
        .unwrap_or(OutputCeilingField::MaxTokens);
    let headers = headers(&s.section("headers"));
    let words = [("allow", DataCollection::Allow), ("deny", DataCollection::Deny)];
    let data_collection = s.optional("data_collection", |node| node.choice(&words));
    let deployments = deployments(&mut s, in_flight_max);
    s.end();
    Some(Provider {
        name: name.into(),
        kind: kind?,
        http2,
        in_flight_max,
        timeouts,
        breaker,
        health_probe,
        output_ceiling_field,
        headers,
        data_collection: data_collection.unwrap_or_default(),
        deployments,
    })
}

fn health_probe(node: &Node<'_>) -> Option<HealthProbe> {
    let mut s = node.section()?;
    let path = s.optional("path", |node| {
        let path = node.text()?;
        let is_path = path.starts_with('/') && path.parse::<PathAndQuery>().is_ok();
        if !is_path || path.contains('#') {
            node.fault(format!("{} is no path: write it like \"/models\"", node.shown()));
        }
        Some(path)
    });
    let milli = Duration::from_millis(1);
    let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
    let probe = HealthProbe {
        path: path.unwrap_or_else(|| "/models".to_owned()),
        interval: settings::duration(&mut s, "interval", 5 * second, milli, 60 * minute),
        timeout: settings::duration(&mut s, "timeout", 2 * second, milli, minute),
    };
    s.end();
    Some(probe)
}

fn kind(s: &mut Section<'_>) -> Option<Kind> {
    #[derive(Clone, Copy)]
    enum Word {
        OpenAi,
        Simulated,
    }
    let words = [("openai", Word::OpenAi), ("simulated", Word::Simulated)];
    let word = s.required("kind", "\"openai\"", |node| node.choice(&words));
    let misplaced = |node: Option<Node<'_>>, owner: &str| {
        if let Some(node) = node {
            node.fault(format!("only a provider of kind \"{owner}\" has it: remove it"));
        }
    };
    let (base_url, credentials) = (s.get("base_url"), s.get("credentials"));
    let token_delay = s.get("token_delay");
    match word? {
        Word::OpenAi => {
            misplaced(token_delay, "simulated");
            if base_url.is_none() {
                let spot = s.spot.key("base_url");
                s.log.fault(&spot, "missing: add `base_url = \"https://…/v1\"`");
            }
            let base_url = base_url.and_then(|node| {
                let parsed = node.text()?.parse::<BaseUrl>();
                parsed.map_err(|error| node.fault(format!("{} {error}", node.shown()))).ok()
            });
            let credentials = credentials.map(|node| credential_list(&node)).unwrap_or_default();
            Some(Kind::OpenAi { base_url: base_url?, credentials })
        }
        Word::Simulated => {
            misplaced(base_url, "openai");
            misplaced(credentials, "openai");
            let range = Duration::ZERO..=Duration::from_secs(10);
            let token_delay = token_delay.and_then(|node| node.duration(range));
            Some(Kind::Simulated { token_delay: token_delay.unwrap_or(TOKEN_DELAY) })
        }
    }
}

/// Reads our keys at a provider. No message quotes one.
fn credential_list(node: &Node<'_>) -> Vec<Secret> {
    let nodes = node.list().unwrap_or_default();
    if nodes.len() > CREDENTIALS_MAX {
        node.fault(format!("{} of them: at most {CREDENTIALS_MAX}", nodes.len()));
    }
    let mut credentials: Vec<Secret> = Vec::new();
    for node in nodes.iter().take(CREDENTIALS_MAX) {
        let Some(text) = node.text() else { continue };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            node.fault("no credential: it is empty or holds a character that is none of ASCII's");
        }
        if credentials.iter().any(|credential| credential.expose() == text) {
            node.fault("the same credential as one before it: remove it");
        }
        credentials.push(Secret::new(text));
    }
    credentials
}

fn headers(section: &Section<'_>) -> Vec<(HeaderName, Secret)> {
    let entries = section.entries();
    if entries.len() > HEADERS_MAX {
        section.log.fault(&section.spot, format!("{}: at most {HEADERS_MAX}", entries.len()));
    }
    let mut headers: Vec<(HeaderName, Secret)> = Vec::new();
    for (name, node) in entries.into_iter().take(HEADERS_MAX) {
        let Ok(header) = name.parse::<HeaderName>() else {
            node.fault("no name of a header: letters, digits and `-`");
            continue;
        };
        if header == http::header::AUTHORIZATION {
            node.fault("written by the gateway: put the credential into `credentials`");
        } else if HEADERS_OURS.contains(&header.as_str()) {
            node.fault("written by the gateway: remove it");
        }
        if headers.iter().any(|(other, _)| *other == header) {
            node.fault("the same header twice: upper and lower case are one");
        }
        let Some(value) = node.text() else { continue };
        if HeaderValue::from_str(&value).is_err() {
            node.fault("no value of a header: it holds a control character");
        }
        headers.push((header, Secret::new(value)));
    }
    headers
}

fn deployments(s: &mut Section<'_>, in_flight_max: u32) -> Vec<Deployment> {
    let mut deployments: Vec<Deployment> = Vec::new();
    for mut s in s.sections("deployments", DEPLOYMENTS_MAX) {
        let model = s.required("model", "\"gpt-…\"", |node| {
            let model = model_name(node)?;
            if deployments.iter().any(|deployment| *deployment.model == *model) {
                node.fault("listed before for this provider: merge the two");
            }
            Some(model)
        });
        let limits = Deployment {
            model: model.as_deref().unwrap_or_default().into(),
            requests_per_minute: s
                .optional("requests_per_minute", |node| node.number_u32(1..=u32::MAX)),
            tokens_per_minute: s.optional("tokens_per_minute", |node| node.number(1..=u64::MAX)),
            in_flight_max: s
                .optional("in_flight_max", |node| node.number_u32(1..=1_000_000))
                .unwrap_or(in_flight_max),
            cost: s.optional("cost", |node| price(node, None)),
            context_tokens: s.optional("context_tokens", tokens),
            output_tokens_max: s.optional("output_tokens_max", tokens),
            abilities: s.optional("abilities", abilities),
        };
        s.end();
        deployments.push(limits);
    }
    deployments
}

/// A bound on tokens.
pub(super) fn tokens(node: &Node<'_>) -> Option<u64> {
    node.number(1..=TOKENS_MAX)
}

/// A list of abilities.
pub(super) fn abilities(node: &Node<'_>) -> Option<Abilities> {
    let mut abilities = Abilities::default();
    for node in node.list()? {
        if let Some(ability) = node.choice(&Abilities::NAMES) {
            if abilities.has(ability) {
                node.fault("named before: remove one");
            }
            abilities = abilities.with(ability);
        }
    }
    Some(abilities)
}

/// A model's name, public or upstream.
pub(super) fn model_name(node: &Node<'_>) -> Option<String> {
    let allowed = "ASCII's visible characters";
    node.name(MODEL_NAME_BYTES_MAX, |byte| byte.is_ascii_graphic(), allowed)
}

/// The index of the provider's deployment of `model`, made without limits if there is none.
pub(super) fn deployment_index(provider: &mut Provider, model: &Arc<str>) -> usize {
    let found = provider.deployments.iter().position(|deployment| deployment.model == *model);
    found.unwrap_or_else(|| {
        provider.deployments.push(Deployment {
            model: Arc::clone(model),
            requests_per_minute: None,
            tokens_per_minute: None,
            in_flight_max: provider.in_flight_max,
            cost: None,
            context_tokens: None,
            output_tokens_max: None,
            abilities: None,
        });
        provider.deployments.len() - 1
    })
}
