//! Every strategy, with providers that are unequal, that drift, and that fail.
//!
//! Three providers have prices of their own, and the slow one of the first situation is the cheapest.
//! Clients are sessions whose prompts begin alike: how often a session meets the provider of its turn
//! before is how often that provider's prompt cache could have hit.

mod judge;
mod situation;

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

pub use situation::Situation;

use self::judge::Measured;
use super::recorder::Recorder;
use super::{AMPLE, Common, Error, MODEL, PRICE, Stage};
use crate::client::{Ask, Protocol, Target};
use crate::clock;
use crate::generator::Load;
use crate::journal::Fact;
use crate::price::Price;
use crate::process::gateway::{Gateway, Setup, Timeouts};
use crate::process::simulator::Simulator;
use crate::table::Report;

/// The providers' names, cheapest first.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const TOKENS: u32 = 10;
const SESSIONS: u32 = 50;
/// Turns after which a session begins to repeat itself.
const TURNS: u32 = 4;
const DRIVE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
const BREAKER: &str =
    "breaker = { cooldown = \"500ms\", cooldown_max = \"2s\", probe_timeout = \"2s\" }";

/// The order within a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Strategy {
    /// As listed.
    Priority,
    /// By lot.
    Weighted,
    /// By time to first content, rate and load.
    Fastest,
    /// By requests in flight.
    LeastBusy,
    /// By the expected cost.
    Cheapest,
    /// By what is left of the provider's rate limit.
    Headroom,
    /// The same one for the same session.
    Sticky,
}

/// How long, how hard, and what.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Requests a second; half of them streamed.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Seconds of each strategy in each situation.
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Only these strategies.
    #[arg(long, value_enum, value_delimiter = ',')]
    strategies: Vec<Strategy>,
    /// Only these situations.
    #[arg(long, value_enum, value_delimiter = ',')]
    situations: Vec<Situation>,
}

/// What all measurements share.
struct Range {
    providers: Vec<Simulator>,
    rate: u32,
    time: Duration,
}

impl Strategy {
    const ALL: &'static [Self] = &[
        Self::Priority,
        Self::Weighted,
        Self::Fastest,
        Self::LeastBusy,
        Self::Cheapest,
        Self::Headroom,
        Self::Sticky,
    ];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Weighted => "weighted",
            Self::Fastest => "fastest",
            Self::LeastBusy => "least_busy",
            Self::Cheapest => "cheapest",
            Self::Headroom => "headroom",
            Self::Sticky => "sticky",
        }
    }
}

/// Plays it.
pub async fn run(options: &Options, common: &Common) -> Result<Report, Error> {
    let chosen =
        |words: &[Strategy]| if words.is_empty() { Strategy::ALL.to_vec() } else { words.to_vec() };
    let situations =
        if options.situations.is_empty() { Situation::ALL } else { &options.situations };
    let stage = Stage::new(common)?;
    let mut providers = Vec::new();
    for name in NAMES {
        providers.push(stage.simulator(name).await?);
    }
    let range = Range {
        providers,
        rate: if common.small { 60 } else { options.rate },
        time: if common.small {
            Duration::from_millis(1_500)
        } else {
            Duration::from_secs(u64::from(options.seconds.max(1)))
        },
    };
    let mut measured = Vec::new();
    for strategy in chosen(&options.strategies) {
        let gateway = stage.gateway(strategy.word(), &range.setup(strategy)).await?;
        for &situation in situations {
            measured.push(range.measure(&gateway, strategy, situation).await?);
        }
    }
    let mut report = Report::default();
    for &situation in situations {
        judge::tell(&mut report, situation, &measured);
    }
    judge::claims(&mut report, &measured, !common.small);
    Ok(report)
}

impl Range {
    fn setup(&self, strategy: Strategy) -> Setup {
        let named = NAMES.iter().zip(&self.providers);
        let addresses: Vec<_> =
            named.map(|(name, provider)| ((*name).to_owned(), provider.address())).collect();
        let mut setup = Setup::several(MODEL, PRICE, &addresses);
        setup.timeouts =
            Timeouts { connect_ms: 1_000, head_ms: 1_000, first_content_ms: 1_000, idle_ms: 2_000 };
        setup.unstreamed_ms = Some(2_000);
        setup.strategy = Some(strategy.word().to_owned());
        BREAKER.clone_into(&mut setup.provider_lines);
        setup.costs =
            (2..).zip(NAMES).map(|(tenths, name)| (name.to_owned(), part(tenths))).collect();
        setup
    }

    async fn measure(
        &self,
        gateway: &Gateway,
        strategy: Strategy,
        situation: Situation,
    ) -> Result<Measured, Error> {
        self.set(situation, 0).await?;
        let admin = gateway.admin();
        let (account, key) = admin.customer(situation.name(), AMPLE).await?;
        let target =
            Target { address: gateway.address(), key: key.into(), protocol: Protocol::Http1 };
        let prefixes = self.providers.iter().map(Simulator::answer_prefix).collect();
        let recorder = Recorder::new(clock::now(), prefixes);
        // Enough for answers that take a second.
        let connections = usize::try_from(self.rate).unwrap_or(1);
        let mut load = Load::new(target, connections, asks(), u64::MAX).lasting(self.time);
        load.observer = Some(recorder.observer());
        let (_, driven) = tokio::join!(load.open(self.rate), self.drive(situation, &recorder));
        driven?;
        super::at_rest(admin, &account).await?;
        let mut measured = Measured::new(strategy, situation, recorder.timeline());
        for record in admin.journal(&account, 0).await? {
            let attempts = record.event.attempts();
            measured.attempts += attempts.len();
            measured.cost += attempts.iter().map(|attempt| attempt.provider_cost).sum::<i64>();
            if let Fact::Settled(settlement) = &record.event {
                measured.charged += settlement.charged;
            }
        }
        Ok(measured)
    }

    /// Changes the providers as the play goes on.
    async fn drive(&self, situation: Situation, recorder: &Recorder) -> Result<(), Error> {
        loop {
            let elapsed = clock::since(recorder.start);
            if elapsed >= self.time {
                return Ok(());
            }
            let permille = elapsed.as_millis() * 1_000 / self.time.as_millis().max(1);
            self.set(situation, u32::try_from(permille).unwrap_or(1_000)).await?;
            sleep(DRIVE).await;
        }
    }

    async fn set(&self, situation: Situation, permille: u32) -> Result<(), Error> {
        for (number, provider) in (0..).zip(&self.providers) {
            provider.behave(MODEL, &situation.behaviour(number, permille)).await?;
        }
        Ok(())
    }
}

/// So many tenths of what clients pay.
fn part(tenths: u64) -> Price {
    Price {
        input: PRICE.input / 10 * tenths,
        cached_input: PRICE.cached_input / 10 * tenths,
        output: PRICE.output / 10 * tenths,
        request: 0,
    }
}

/// A turn of each session, and then the next of each. A session says its name, and begins alike.
fn asks() -> Vec<Ask> {
    let turns = (0..TURNS).flat_map(|turn| (0..SESSIONS).map(move |session| (turn, session)));
    turns
        .map(|(turn, session)| {
            let streamed = (turn + session) % 2 == 0;
            let mut messages = vec![
                json!({ "role": "system", "content": format!("You help customer {session}.") }),
                json!({ "role": "user", "content": "Say the same word again and again, please." }),
            ];
            for _ in 0..turn {
                messages.push(json!({ "role": "assistant", "content": "word word" }));
                messages.push(json!({ "role": "user", "content": "Go on." }));
            }
            let mut body = json!({
                "model": MODEL,
                "max_tokens": TOKENS,
                "prompt_cache_key": format!("session-{session}"),
                "messages": messages,
            });
            if let (true, Some(fields)) = (streamed, body.as_object_mut()) {
                fields.insert("stream".to_owned(), json!(true));
                fields.insert("stream_options".to_owned(), json!({ "include_usage": true }));
            }
            let body = Bytes::from(body.to_string());
            Ask { body, label: session, ..Ask::chat(MODEL, TOKENS, streamed).within(PATIENCE) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_and_keeps_its_name() {
        let asks = asks();
        let (first, second) = (&asks[3], &asks[usize::try_from(SESSIONS).unwrap() + 3]);
        assert_eq!((first.label, second.label), (3, 3));
        assert!(first.body.len() < second.body.len());
        let begin = |ask: &Ask| String::from_utf8_lossy(&ask.body).contains("\"session-3\"");
        assert!(begin(first) && begin(second));
        assert_eq!(asks.iter().filter(|ask| ask.streamed).count(), asks.len() / 2);
    }

    #[test]
    fn every_strategy_has_the_name_that_options_know_it_by() {
        use clap::ValueEnum;
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_possible_value().unwrap().get_name(), strategy.word());
        }
        assert_eq!(Strategy::ALL, Strategy::value_variants());
    }
}
