//! Plays the cases, all at the same time: each has a model of its own. Two simulated providers stand
//! behind the gateway, and their logs say what reached them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::super::{Error, Stage};
use super::door::{Call, Door};
use super::judge::outage::{BACK_BY, INTERVAL, RECOVERY, REQUESTS};
use super::judge::{Attempt, Heard, Observation};
use super::sixteen::{Case, Sixteen};
use super::transcript::Transcript;
use crate::clock;
use crate::process::simulator::Simulator;
use crate::rest;
use crate::simulator::stats::{Entry, Outcome};

/// Longer than any limit, so that a caller who gives up has waited long enough.
const PATIENCE: Duration = Duration::from_secs(65);
/// The same of each request of S15, and of one that follows another.
const PATIENCE_SHORT: Duration = Duration::from_secs(20);
/// Between the beginnings of two cases: together they would be a load, which not all gateways bear.
const STAGGER: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(50);
const POLLS_MAX: u32 = 200;

/// The two providers.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) primary: Arc<Simulator>,
    pub(super) fallback: Arc<Simulator>,
}

impl Field {
    /// Starts both, where told to or on free ports.
    pub(super) async fn start(
        stage: &Stage,
        primary: Option<SocketAddr>,
        fallback: Option<SocketAddr>,
    ) -> Result<Self, Error> {
        Ok(Self {
            primary: Arc::new(stage.simulator_at("primary", primary).await?),
            fallback: Arc::new(stage.simulator_at("fallback", fallback).await?),
        })
    }

    /// Plays `cases` through `door`; what was observed of each, in their order.
    pub(super) async fn play(
        &self,
        door: &Door,
        cases: &[Case],
    ) -> Result<Vec<(Case, Observation)>, Error> {
        for case in cases {
            self.primary.behave(&case.name(), &case.primary()).await?;
            self.fallback.behave(&case.fallback_name(), &case.fallback()).await?;
            // For gateways that can't give a model another name at another provider.
            self.fallback.behave(&case.name(), &case.fallback()).await?;
        }
        let mut playing = JoinSet::new();
        let begun = clock::now();
        for (place, &case) in cases.iter().enumerate() {
            let (field, door) = (self.clone(), Arc::new(door.clone()));
            let turn = begun + STAGGER * u32::try_from(place).unwrap_or(0);
            playing.spawn(async move {
                sleep_until(turn.into()).await;
                (place, case, field.case(case, &door).await)
            });
        }
        let mut played = Vec::new();
        while let Some(ended) = playing.join_next().await {
            // A task that panicked has printed why; its case is missing and so not passed.
            let Ok((place, case, calls)) = ended else { continue };
            played.push((place, case, calls?));
        }
        played.sort_by_key(|(place, ..)| *place);
        self.primary.reset().await?;
        self.fallback.reset().await?;
        self.at_rest().await?;
        let mut observed = Vec::new();
        let (at_primary, at_fallback) =
            (self.primary.entries().await?, self.fallback.entries().await?);
        for (_, case, calls) in played {
            let start = calls.first().map_or_else(clock::now, |call| call.began);
            let mut reached = attempts(case, &self.primary, true, &at_primary, start);
            reached.extend(attempts(case, &self.fallback, false, &at_fallback, start));
            reached.sort_by_key(|attempt| attempt.at);
            let calls = calls.iter().map(|call| heard(call, start)).collect();
            observed.push((case, Observation { calls, attempts: reached }));
        }
        Ok(observed)
    }

    /// Waits, but not for ever, until no provider is at work any more: only then logs are complete.
    async fn at_rest(&self) -> Result<(), rest::Error> {
        for _ in 0..POLLS_MAX {
            let (primary, fallback) = (self.primary.counts().await?, self.fallback.counts().await?);
            if primary.in_flight + fallback.in_flight == 0 {
                break;
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn case(&self, case: Case, door: &Arc<Door>) -> Result<Vec<Call>, rest::Error> {
        match case.scenario {
            Sixteen::S15 => self.outage(case, door).await,
            Sixteen::S09 => {
                let mut calls = vec![ask(door, case, PATIENCE).await];
                self.primary.behave(&case.name(), &Case::recovered()).await?;
                calls.push(ask(door, case, PATIENCE_SHORT).await);
                Ok(calls)
            }
            _ => Ok(vec![ask(door, case, PATIENCE).await]),
        }
    }

    /// A request every four seconds, whatever came of the ones before.
    async fn outage(&self, case: Case, door: &Arc<Door>) -> Result<Vec<Call>, rest::Error> {
        let start = clock::now();
        let mut calling = JoinSet::new();
        let mut recovered = false;
        for turn in 0.. {
            let at = INTERVAL * turn;
            if at > BACK_BY || (turn >= REQUESTS && self.is_back(case, start).await?) {
                break;
            }
            sleep_until((start + at).into()).await;
            if at >= RECOVERY && !recovered {
                self.primary.behave(&case.name(), &Case::recovered()).await?;
                recovered = true;
            }
            let door = Arc::clone(door);
            calling.spawn(async move { ask(&door, case, PATIENCE_SHORT).await });
        }
        let mut calls = calling.join_all().await;
        calls.sort_by_key(|call| call.began);
        Ok(calls)
    }

    /// Whether the first provider has answered since its recovery.
    async fn is_back(&self, case: Case, start: Instant) -> Result<bool, rest::Error> {
        let log = self.primary.entries().await?;
        let attempts = attempts(case, &self.primary, true, &log, start);
        Ok(attempts
            .iter()
            .any(|attempt| attempt.at >= RECOVERY && attempt.entry.outcome == Outcome::Completed))
    }
}

async fn ask(door: &Door, case: Case, patience: Duration) -> Call {
    let name = case.name();
    let body = case.body(&door.model(&name));
    door.call(&name, body, case.streamed, patience).await
}

fn attempts(
    case: Case,
    simulator: &Simulator,
    primary: bool,
    (entries, began): &(Vec<Entry>, Instant),
    start: Instant,
) -> Vec<Attempt> {
    let (name, fallback_name) = (case.name(), case.fallback_name());
    let of_case = |entry: &&Entry| *entry.model == *name || *entry.model == *fallback_name;
    let attempt = |entry: &Entry| Attempt {
        at: (*began + Duration::from_millis(entry.arrived_ms)).saturating_duration_since(start),
        primary,
        answer_id: simulator.answer_id(entry),
        entry: entry.clone(),
    };
    entries.iter().filter(of_case).map(attempt).collect()
}

fn heard(call: &Call, start: Instant) -> Heard {
    let ended = call.transport == super::door::Transport::Ended;
    let transcript = if call.streamed && call.status == Some(200) {
        Transcript::of_stream(&call.body, ended)
    } else {
        Transcript::of_body(&call.body)
    };
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    Heard {
        began: call.began.saturating_duration_since(start),
        total: call.total,
        transport: call.transport,
        status: call.status,
        transcript,
        names_fallback: call.headers.values().any(|value| text(value).contains("fallback")),
        request_id: call.headers.get("x-request-id").map(text),
    }
}
