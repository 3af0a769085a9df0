//! What a model at a provider can do beside answering text with text. Pure.

use std::fmt;

/// A set of abilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Abilities(u8);

impl Abilities {
    /// It takes pictures, videos or files.
    pub const VISION: Self = Self(1);
    /// It takes or gives sound.
    pub const AUDIO: Self = Self(1 << 1);
    /// It calls tools.
    pub const TOOLS: Self = Self(1 << 2);
    /// It answers in a JSON schema that it is given.
    pub const JSON_SCHEMA: Self = Self(1 << 3);
    /// It thinks, as hard as it is asked to.
    pub const REASONING: Self = Self(1 << 4);
    /// It goes on from the beginning of an answer that it is given.
    pub const PREFILL: Self = Self(1 << 5);

    /// Every ability with its name in the configuration.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("vision", Self::VISION),
        ("audio", Self::AUDIO),
        ("tools", Self::TOOLS),
        ("json_schema", Self::JSON_SCHEMA),
        ("reasoning", Self::REASONING),
        ("prefill", Self::PREFILL),
    ];

    /// What a model is taken to be able to do where nobody has said: all but to go on from the
    /// beginning of an answer, which many refuse and some do wrong.
    pub const ASSUMED: Self = Self(0b1_1111);

    /// Those of both sets.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are not in `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether all of `others` are among them.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(_, one)| self.has(*one)).map(|(name, _)| name)
    }
}

/// Their names with commas between.
impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_prefill_are_assumed() {
        let all =
            Abilities::NAMES.iter().fold(Abilities::default(), |all, (_, one)| all.with(*one));
        assert_eq!(all.without(Abilities::PREFILL), Abilities::ASSUMED);
        assert!(all.has(Abilities::ASSUMED) && !Abilities::ASSUMED.has(all));
        assert_eq!(Abilities::VISION.with(Abilities::PREFILL).to_string(), "vision, prefill");
        assert!(Abilities::default().is_empty() && all.has(Abilities::default()));
    }
}
