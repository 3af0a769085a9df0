//! What is known of a target at the moment of the choice. Pure.

use std::time::Duration;

/// Whether a target may be tried, as its provider last published it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// It answers.
    #[default]
    Passing,
    /// It failed, has cooled down, and waits for one request to probe it.
    ProbeDue,
    /// It failed and is cooling down, or is being probed.
    Shut,
    /// It is drained, or has no credential that may be used: never a candidate.
    Unavailable,
}

/// What is known of a target. The default is one that answers and of which nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether it may be tried.
    pub state: TargetState,
    /// Requests under way there.
    pub in_flight: u32,
    /// The most there may be.
    pub in_flight_max: u32,
    /// The expected time to the first content; zero where it is unknown.
    pub first_content: Duration,
    /// The rate of output in thousandths of a token per second; zero where it is unknown.
    pub output_rate_milli: u64,
    /// What is left of its provider's rate limit, in thousandths; all where it is unknown.
    pub headroom_permille: u16,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            state: TargetState::Passing,
            in_flight: 0,
            in_flight_max: u32::MAX,
            first_content: Duration::ZERO,
            output_rate_milli: 0,
            headroom_permille: 1_000,
        }
    }
}

impl Facts {
    /// A target in this state, of which nothing else is known.
    pub fn of(state: TargetState) -> Self {
        Self { state, ..Self::default() }
    }

    /// Whether it takes no more at the moment.
    pub fn is_full(&self) -> bool {
        self.in_flight >= self.in_flight_max
    }
}
