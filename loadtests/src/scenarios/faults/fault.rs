//! The ways in which a provider fails, and how each begins and ends.

use super::super::{Error, MODEL};
use crate::process::simulator::Simulator;
use crate::simulator::behaviour::{Behaviour, ErrorRule, Faults, Hang, Span};

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// The process is killed.
    Kill,
    /// Connections are refused; the process lives.
    Refuse,
    /// Requests are taken and never answered.
    Hang,
    /// The process is frozen: connections are made by the kernel, nothing comes back.
    Freeze,
    /// A head comes back, and no content.
    Silent,
    /// Ten times slower, within all time limits.
    Slow,
    /// Status 500.
    #[value(name = "500")]
    Status500,
    /// Status 429 with `retry-after`.
    #[value(name = "429")]
    Status429,
    /// An error event instead of content.
    ErrorEvent,
    /// A stream without any event.
    Empty,
    /// Streams and bodies end in their middle, without a word.
    Cut,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Kill,
        Self::Refuse,
        Self::Hang,
        Self::Freeze,
        Self::Silent,
        Self::Slow,
        Self::Status500,
        Self::Status429,
        Self::ErrorEvent,
        Self::Empty,
        Self::Cut,
    ];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Refuse => "refuses connections",
            Self::Hang => "hangs before the head",
            Self::Freeze => "frozen",
            Self::Silent => "hangs after the head",
            Self::Slow => "ten times slower",
            Self::Status500 => "answers 500",
            Self::Status429 => "answers 429",
            Self::ErrorEvent => "error event first",
            Self::Empty => "empty streams",
            Self::Cut => "cut in the middle",
        }
    }

    /// How a provider behaves before and after.
    pub fn healthy() -> Behaviour {
        Behaviour {
            head_ms: Span::Range([4, 12]),
            first_token_ms: Span::Range([0, 4]),
            tokens_per_second: 1_000,
            ..Behaviour::default()
        }
    }

    /// Whether traffic has to leave a provider that fails like this. A slow one still answers; and
    /// only streams can have an error event or be empty, so half of its answers are good.
    pub(super) fn must_leave(self) -> bool {
        !matches!(self, Self::Slow | Self::ErrorEvent | Self::Empty | Self::Kill | Self::Refuse)
    }

    /// Whether the simulator can still tell how many requests it gets.
    pub(super) fn counts(self) -> bool {
        !matches!(self, Self::Kill | Self::Freeze)
    }

    pub(super) async fn begin(self, simulator: &mut Simulator) -> Result<(), Error> {
        let faults = match self {
            Self::Kill => {
                simulator.process().kill().await;
                return Ok(());
            }
            Self::Freeze => return Ok(simulator.process().freeze().await?),
            Self::Refuse => return Ok(simulator.listen(false).await?),
            Self::Slow => {
                let slow = Behaviour { slow_percent: 1_000, ..Self::healthy() };
                return Ok(simulator.behave(MODEL, &slow).await?);
            }
            Self::Hang => Faults::hang(Hang::BeforeHead),
            Self::Silent => Faults::hang(Hang::AfterHead),
            Self::Status500 => Faults::status(500),
            Self::Status429 => {
                let rule = ErrorRule {
                    status: 429,
                    per_million: 1_000_000,
                    body: None,
                    retry_after: Some("1".to_owned()),
                };
                Faults { error: Some(rule), ..Faults::default() }
            }
            Self::ErrorEvent => Faults { error_event_at: Some(0), ..Faults::default() },
            Self::Empty => Faults { empty_stream: true, ..Faults::default() },
            Self::Cut => Faults { cut_after: Some(4), ..Faults::default() },
        };
        Ok(simulator.behave(MODEL, &Behaviour { faults, ..Self::healthy() }).await?)
    }

    pub(super) async fn end(self, simulator: &mut Simulator) -> Result<(), Error> {
        match self {
            Self::Kill => simulator.restart().await?,
            Self::Freeze => simulator.process().thaw().await?,
            Self::Refuse => simulator.listen(true).await?,
            _ => {}
        }
        Ok(simulator.behave(MODEL, &Self::healthy()).await?)
    }
}
