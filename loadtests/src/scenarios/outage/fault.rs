//! The ways in which a provider goes down in an outage, and how it comes back.

use super::super::{Error, MODEL};
use crate::process::simulator::Simulator;
use crate::simulator::behaviour::{Behaviour, Faults, Hang, Span};

/// One way to go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// The process is killed; connections are refused.
    Killed,
    /// The process lives, and its port is closed.
    Refusing,
    /// Requests are taken, nothing comes back.
    Silent,
    /// A head comes back, and no content.
    Mute,
    /// Status 503.
    #[value(name = "503")]
    Status503,
    /// Connections break after the first event, before content; bodies in their middle.
    Cut,
    /// Streams break after four tokens; bodies in their middle.
    Midway,
}

impl Fault {
    /// What happens in turn when nothing else is asked for.
    pub const IN_TURN: &'static [Self] =
        &[Self::Killed, Self::Silent, Self::Status503, Self::Cut, Self::Mute, Self::Midway];

    /// What it is called in tables and charts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Refusing => "refuses connections",
            Self::Silent => "silent before the head",
            Self::Mute => "silent after the head",
            Self::Status503 => "answers 503",
            Self::Cut => "cut before content",
            Self::Midway => "cut midway",
        }
    }

    /// Whether it is noticed by a time limit only.
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Silent | Self::Mute)
    }

    /// How a provider behaves that is up.
    pub fn healthy() -> Behaviour {
        Behaviour {
            head_ms: Span::Range([4, 12]),
            first_token_ms: Span::Range([0, 4]),
            tokens_per_second: 1_000,
            ..Behaviour::default()
        }
    }

    /// The provider goes down.
    pub(super) async fn begin(self, simulator: &mut Simulator) -> Result<(), Error> {
        let faults = match self {
            Self::Killed => {
                simulator.process().kill().await;
                return Ok(());
            }
            Self::Refusing => return Ok(simulator.listen(false).await?),
            Self::Silent => Faults::hang(Hang::BeforeHead),
            Self::Mute => Faults::hang(Hang::AfterHead),
            Self::Status503 => Faults::status(503),
            Self::Cut => Faults { cut_after: Some(0), ..Faults::default() },
            Self::Midway => Faults { cut_after: Some(4), ..Faults::default() },
        };
        Ok(simulator.behave(MODEL, &Behaviour { faults, ..Self::healthy() }).await?)
    }

    /// The provider is up again.
    pub(super) async fn end(self, simulator: &mut Simulator) -> Result<(), Error> {
        match self {
            Self::Killed => simulator.restart().await?,
            Self::Refusing => simulator.listen(true).await?,
            _ => {}
        }
        Ok(simulator.behave(MODEL, &Self::healthy()).await?)
    }
}
