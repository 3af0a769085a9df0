//! An amount of money in nano-dollars. Pure.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NANO_PER_USD: i64 = 1_000_000_000;
const DECIMALS: usize = 9;

/// An amount in units of 1e-9 USD: exact, and wide enough for 9.2 billion dollars.
///
/// Arithmetic is by name (`checked_*`, `saturating_*`): there is no operator that can overflow
/// silently.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct NanoUsd(i64);

/// A text that is not an amount of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point.
    #[error("not a decimal number of dollars such as \"12.50\"")]
    NotANumber,
    /// Finer than a nano-dollar.
    #[error("more than nine digits after the point")]
    TooFine,
    /// Does not fit.
    #[error("beyond 9.2 billion dollars")]
    TooLarge,
}

impl NanoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount from its number of nano-dollars.
    pub const fn from_nano(nano: i64) -> Self {
        Self(nano)
    }

    /// An amount from whole dollars; saturates at [`NanoUsd::MAX`].
    pub const fn from_usd(usd: i64) -> Self {
        Self(usd.saturating_mul(NANO_PER_USD))
    }

    /// The number of nano-dollars.
    pub const fn nano(self) -> i64 {
        self.0
    }

    /// Whether this is less than nothing.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether this is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The sum, if it fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it fits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum, or the nearest amount that fits.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or the nearest amount that fits.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Dollars, exact, without needless zeros: `0.00000015`, `20`, `-3.5`.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let scale = NANO_PER_USD.unsigned_abs();
        let (usd, nano) = (magnitude / scale, magnitude % scale);
        let sign = if self.0 < 0 { "-" } else { "" };
        if nano == 0 {
            return write!(f, "{sign}{usd}");
        }
        let fraction = format!("{nano:09}");
        write!(f, "{sign}{usd}.{}", fraction.trim_end_matches('0'))
    }
}

/// Reads what [`fmt::Display`] writes; never through a floating-point number.
impl FromStr for NanoUsd {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let well_formed = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_point_without_digits = digits.contains('.') && fraction.is_empty();
        if whole.is_empty()
            || !well_formed(whole)
            || !well_formed(fraction)
            || has_point_without_digits
        {
            return Err(AmountError::NotANumber);
        }
        if fraction.len() > DECIMALS {
            return Err(AmountError::TooFine);
        }
        let usd: i64 = whole.parse().map_err(|_| AmountError::TooLarge)?;
        let nano: i64 = format!("{fraction:0<9}").parse().map_err(|_| AmountError::NotANumber)?;
        let total = usd.checked_mul(NANO_PER_USD).and_then(|usd| usd.checked_add(nano));
        let total = total.ok_or(AmountError::TooLarge)?;
        Ok(Self(if negative { -total } else { total }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_as_exact_dollars() {
        for (nano, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (150, "0.00000015"),
            (20_000_000_000, "20"),
            (-3_500_000_000, "-3.5"),
        ] {
            assert_eq!(NanoUsd(nano).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "1e3", "+1", "--1", "1.0.0", " 1", "½"] {
            assert_eq!(text.parse::<NanoUsd>(), Err(AmountError::NotANumber), "{text}");
        }
        assert_eq!("0.0000000001".parse::<NanoUsd>(), Err(AmountError::TooFine));
        assert_eq!("9223372037".parse::<NanoUsd>(), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn an_amount_reads_back_as_written(nano in (i64::MIN + 1)..=i64::MAX) {
            let amount = NanoUsd(nano);
            prop_assert_eq!(amount.to_string().parse::<NanoUsd>(), Ok(amount));
        }
    }
}
