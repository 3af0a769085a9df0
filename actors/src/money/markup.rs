//! A markup as people write it: a percentage, exact, such as `20%`, `12.5%` or `-5%`. Pure.

use std::fmt;
use std::str::FromStr;

use super::Markup;

/// What a percent counts of [`Markup`]'s millionths.
const PERCENT: i64 = 10_000;
/// Digits behind the point that a millionth allows.
const DECIMALS: usize = 4;
/// In percent.
const MOST: i64 = 100_000;

/// A text that is no markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no markup: write a percentage from -100% to 100000% such as `20%`, `12.5%` or `-5%`, with up to 4 digits behind the point"
)]
pub struct MarkupError;

impl Markup {
    /// The list price.
    pub const LIST: Self = Self(1_000_000);
}

impl FromStr for Markup {
    type Err = MarkupError;

    fn from_str(text: &str) -> Result<Self, MarkupError> {
        let number = text.strip_suffix('%').ok_or(MarkupError)?;
        let (is_below, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |part: &str, digits_max: usize| {
            (1..=digits_max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 6) || !is_number(fraction, DECIMALS) {
            return Err(MarkupError);
        }
        let digits = format!("{whole}{fraction:0<DECIMALS$}");
        let millionths: i64 = digits.parse().map_err(|_| MarkupError)?;
        if millionths > MOST * PERCENT {
            return Err(MarkupError);
        }
        let millionths = if is_below { -millionths } else { millionths };
        let of_list = i64::from(Self::LIST.0) + millionths;
        u32::try_from(of_list).map(Self).map_err(|_| MarkupError)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millionths = i64::from(self.0) - i64::from(Self::LIST.0);
        let sign = if millionths < 0 { "-" } else { "" };
        let (whole, rest) =
            (millionths.unsigned_abs() / 10_000, millionths.unsigned_abs() % 10_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}%");
        }
        let fraction = format!("{rest:0DECIMALS$}");
        write!(f, "{sign}{whole}.{}%", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_markup_is_a_percentage_on_the_list_price() {
        for (text, millionths) in [
            ("0%", 1_000_000),
            ("20%", 1_200_000),
            ("12.5%", 1_125_000),
            ("0.0001%", 1_000_001),
            ("-5%", 950_000),
            ("-100%", 0),
            ("100000%", 1_001_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Markup(millionths)), "{text}");
            assert_eq!(Markup(millionths).to_string(), text);
        }
        for wrong in
            ["", "%", "20", "+5%", "1.%", ".5%", "1.23456%", "100001%", "-101%", "1e1%", "--1%"]
        {
            assert_eq!(wrong.parse::<Markup>(), Err(MarkupError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millionths in 0..=1_001_000_000_u32, text in ".{0,12}") {
            prop_assert_eq!(Markup(millionths).to_string().parse(), Ok(Markup(millionths)));
            let _ = text.parse::<Markup>();
        }
    }
}
