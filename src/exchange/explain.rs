//! What would become of a request: its candidates, in order, and why. Nothing is asked of any
//! account or provider, and nothing is charged.

use std::sync::Arc;

use bytes::Bytes;
use infergate_actors::money::{Markup, NanoUsd};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Caller, World};
use crate::catalog::Model;
use crate::dialect::envelope::{Envelope, Limits};
use crate::dialect::wish::Wish;
use crate::error::ApiError;
use crate::route::{self, Asked, Considered, Standing, TargetState};

const NOT_ALLOWED: &str = "model_not_allowed";
const RETIRED: &str = "model_retired";

/// What is to be explained.
pub(crate) struct Question<'a> {
    pub(crate) caller: Caller,
    /// What the caller pays, relative to the list price.
    pub(crate) markup: Markup,
    /// What the headers wish for.
    pub(crate) wish: Wish,
    pub(crate) body: &'a Bytes,
    /// Whether costs and loads are shown, which are the operator's to know.
    pub(crate) for_operator: bool,
}

/// One of the models that a request names, and where it would go for that.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExplainedModel")]
pub(crate) struct Explained {
    model: String,
    /// `candidate`, or why the model is not asked.
    standing: &'static str,
    strategy: Option<&'static str>,
    input_tokens_estimated: Option<u64>,
    needs: Vec<&'static str>,
    targets: Vec<Shown>,
}

/// One target, those to be tried first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExplainedTarget")]
struct Shown {
    provider: Arc<str>,
    /// Counting from 1.
    tier: u32,
    weight: u32,
    /// `candidate`, or the name of what keeps it from being one.
    standing: &'static str,
    /// Counting from 1.
    rank: Option<usize>,
    reason: Option<String>,
    state: &'static str,
    first_content_expected_ms: Option<u64>,
    output_tokens_per_second: Option<u64>,
    total_expected_ms: Option<u64>,
    #[serde(flatten)]
    inside: Option<Inside>,
}

/// What only the operator sees.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExplainedInside")]
struct Inside {
    upstream_model: Arc<str>,
    in_flight: u32,
    headroom_permille: u16,
    cost_expected_usd: Option<String>,
    cost_expected_nano_usd: Option<i64>,
}

/// The models that a request names, in order, each with its targets. `allows` says which of them the
/// caller may use.
pub(crate) fn explain(
    world: &World,
    question: Question<'_>,
    allows: impl Fn(&str) -> bool,
) -> Result<Vec<Explained>, ApiError> {
    let Question { caller, markup, wish, body, for_operator } = question;
    let envelope = Envelope::parse(body, &Limits::default());
    let envelope = envelope.map_err(|error| ApiError::envelope(&error))?;
    let wish = envelope.wish.clone().over(wish);
    let catalog = world.catalog.load_full();
    let names = std::iter::once(&*envelope.model).chain(wish.models.iter().map(String::as_str));
    let wall_ms = world.clock.now().wall_ms;
    let mut explained = Vec::new();
    for (index, name) in names.enumerate() {
        let model = catalog.model(name).ok_or_else(|| ApiError::unknown_model(name))?;
        if !allows(name) {
            explained.push(Explained::not_asked(name, NOT_ALLOWED));
            continue;
        }
        if model.settings.lifecycle.is_retired(wall_ms) {
            if index == 0 {
                return Err(ApiError::retired_model(name, &model.settings.lifecycle));
            }
            explained.push(Explained::not_asked(name, RETIRED));
            continue;
        }
        let Caller { account, key, .. } = caller;
        let asked = Asked::new(&envelope, &wish, &model.settings, account, key, wall_ms);
        explained.push(Explained::of(world, model, &asked.marked(markup), for_operator));
    }
    Ok(explained)
}

impl Explained {
    /// The model's public name.
    pub(crate) fn name(&self) -> &str {
        &self.model
    }

    /// Whether the caller may use the model.
    pub(crate) fn is_allowed(&self) -> bool {
        self.standing != NOT_ALLOWED
    }

    fn not_asked(name: &str, standing: &'static str) -> Self {
        Self {
            model: name.to_owned(),
            standing,
            strategy: None,
            input_tokens_estimated: None,
            needs: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn of(world: &World, model: &Model, asked: &Asked<'_>, for_operator: bool) -> Self {
        let (route, now) = (&model.settings.route, world.clock.mono());
        let considered =
            route::explain(route, asked, |place| model.facts(place, now), world.dice());
        let is_candidate = |one: &Considered| matches!(one.standing, Standing::Candidate(_));
        let any = considered.iter().any(is_candidate);
        Self {
            model: model.settings.name.to_string(),
            standing: if any { "candidate" } else { "no_candidate" },
            strategy: Some(route.strategy.name()),
            input_tokens_estimated: Some(asked.input_tokens),
            needs: asked.needs.names().collect(),
            targets: considered
                .iter()
                .filter_map(|one| Shown::of(model, one, for_operator))
                .collect(),
        }
    }
}

impl Shown {
    fn of(model: &Model, considered: &Considered, for_operator: bool) -> Option<Self> {
        let Considered { place, standing, facts, cost, time } = considered;
        let target = model.settings.route.target(*place)?;
        let first_content = millis(facts.first_content);
        let inside = || Inside {
            upstream_model: target.upstream_model.clone(),
            in_flight: facts.in_flight,
            headroom_permille: facts.headroom_permille,
            cost_expected_usd: cost.map(|cost| cost.to_string()),
            cost_expected_nano_usd: cost.map(NanoUsd::nano),
        };
        Some(Self {
            provider: target.provider_name.clone(),
            tier: u32::from(place.tier) + 1,
            weight: target.weight,
            standing: standing.name(),
            rank: match standing {
                Standing::Candidate(rank) => Some(rank + 1),
                _ => None,
            },
            reason: standing.reason(),
            state: match facts.state {
                TargetState::Passing => "passing",
                TargetState::ProbeDue => "probe_due",
                TargetState::Shut => "shut",
                TargetState::Unavailable => "unavailable",
            },
            first_content_expected_ms: Some(first_content).filter(|time| *time > 0),
            output_tokens_per_second: Some(facts.output_rate_milli / 1_000)
                .filter(|rate| *rate > 0),
            total_expected_ms: time.map(millis),
            inside: for_operator.then(inside),
        })
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
