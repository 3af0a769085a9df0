//! What three providers are like while strategies are measured: a function of how far the play is. Pure.

use crate::simulator::behaviour::{Behaviour, Faults, Span};

/// What the providers are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Situation {
    /// The first is five times slower than the others.
    Skewed,
    /// Each becomes up to five times slower and fast again, one after the other.
    Drifting,
    /// All are up; then the first answers 503; then the second breaks connections before content.
    Failing,
}

impl Situation {
    /// All of them, in the order in which they are played.
    pub const ALL: &'static [Self] = &[Self::Skewed, Self::Drifting, Self::Failing];

    /// What it is called in tables and claims.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skewed => "skewed",
            Self::Drifting => "drifting",
            Self::Failing => "failing",
        }
    }

    /// What it means, in tables.
    pub fn told(self) -> &'static str {
        match self {
            Self::Skewed => "alpha is five times slower",
            Self::Drifting => "each is up to five times slower in its turn",
            Self::Failing => "from a third on alpha answers 503, then beta is cut before content",
        }
    }

    /// How the provider behaves when so many thousandths of the play are over.
    pub fn behaviour(self, provider: u32, permille: u32) -> Behaviour {
        let healthy = Behaviour {
            head_ms: Span::Range([4, 12]),
            first_token_ms: Span::Range([0, 4]),
            tokens_per_second: 500,
            ..Behaviour::default()
        };
        let failing = |faults| Behaviour { faults, ..healthy.clone() };
        match self {
            Self::Skewed if provider == 0 => Behaviour { slow_percent: 500, ..healthy },
            Self::Drifting => Behaviour { slow_percent: drift(provider, permille), ..healthy },
            Self::Failing => match (provider, permille) {
                (0, 333..667) => failing(Faults::status(503)),
                (1, 667..) => failing(Faults { cut_after: Some(0), ..Faults::default() }),
                _ => healthy,
            },
            Self::Skewed => healthy,
        }
    }
}

/// A slow-down in percent that goes up and down once and a half, a third of a turn apart.
fn drift(provider: u32, permille: u32) -> u32 {
    let phase = (permille * 3 / 2 + provider * 333) % 1_000;
    100 + phase.min(1_000 - phase) * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_always_up() {
        for &situation in Situation::ALL {
            for permille in 0..=1_000 {
                let is_up =
                    |provider| situation.behaviour(provider, permille).faults == Faults::default();
                assert!((0..3).filter(|&provider| is_up(provider)).count() >= 2);
            }
        }
    }

    #[test]
    fn drifting_providers_take_turns_between_once_and_five_times() {
        let all = (0..=1_000).flat_map(|permille| (0..3).map(move |p| drift(p, permille)));
        assert_eq!((all.clone().min(), all.max()), (Some(100), Some(500)));
        let fastest = |permille| (0..3).min_by_key(|&p| drift(p, permille));
        assert_ne!(fastest(0), fastest(500));
    }
}
