//! Decimal numbers as JSON writes them, read exactly, and markups. Pure.

use std::str::FromStr;

/// A dollar a token is so many nano-dollars per million tokens: 10 to this power.
const RATE_EXPONENT: i64 = 15;
/// A longer one is no price of anything.
const DIGITS_MAX: usize = 60;
/// No price has a longer exponent.
const EXPONENT_MAX: i64 = 60;
/// A hundredth of a percent is what a markup is counted in.
const ONE: u128 = 10_000;

/// What is put on a cost to make it a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markup {
    /// In hundredths of a percent.
    basis_points: u32,
}

/// Reads dollars a token, such as `1.5e-07`, as nano-dollars per million tokens: exactly, or rounded up
/// where it is finer than that. `None` for what is no number, less than nothing, or too large.
pub(super) fn rate(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let is_number = !whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > DIGITS_MAX || exponent.abs() > EXPONENT_MAX {
        return None;
    }
    // What the last digit counts: ten to this power.
    let place = exponent + RATE_EXPONENT - i64::try_from(fraction.len()).ok()?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(place).unwrap_or(0);
    let cut = usize::try_from(-place).unwrap_or(0);
    let (kept, rest) = digits.split_at(digits.len().saturating_sub(cut));
    let units: u64 = match kept {
        "" => 0,
        kept => format!("{kept}{}", "0".repeat(zeros)).parse().ok()?,
    };
    let is_exact = rest.bytes().all(|byte| byte == b'0');
    if is_exact { Some(units) } else { units.checked_add(1) }
}

impl Markup {
    /// A cost with the markup on it, rounded up.
    pub(super) fn on(self, cost: u64) -> u64 {
        let marked = u128::from(cost) * (ONE + u128::from(self.basis_points));
        u64::try_from(marked.div_ceil(ONE)).unwrap_or(u64::MAX)
    }
}

/// `20%` or `12.5%`.
impl FromStr for Markup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no markup such as `20%` or `12.5%`, of at most 10000%");
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |part: &str, digits_max| {
            (1..=digits_max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 5) || !is_number(fraction, 2) {
            return Err(wrong());
        }
        let basis_points: u32 = format!("{whole}{fraction:0<2}").parse().map_err(|_| wrong())?;
        if basis_points > 1_000_000 { Err(wrong()) } else { Ok(Self { basis_points }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_of_a_token_is_read_to_the_last_digit() {
        for (text, units) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("1.5e-07", Some(150_000_000)),
            ("1.5E-7", Some(150_000_000)),
            ("15e-8", Some(150_000_000)),
            ("0.00000015", Some(150_000_000)),
            ("0.000000150000000000000", Some(150_000_000)),
            ("3e-06", Some(3_000_000_000)),
            ("1e-15", Some(1)),
            ("1e-16", Some(1)),
            ("2.9999999999999997e-07", Some(300_000_000)),
            ("1", Some(1_000_000_000_000_000)),
            ("1.8e4", Some(18_000_000_000_000_000_000)),
            ("2e4", None),
            ("1e99", None),
            ("-1e-7", None),
            ("", None),
            (".5", None),
            ("e5", None),
            ("\"1e-7\"", None),
            ("null", None),
            ("1e-7x", None),
        ] {
            assert_eq!(rate(text), units, "{text}");
        }
    }

    #[test]
    fn a_markup_is_put_on_and_rounded_up() {
        for (text, cost, price) in [
            ("20%", 100, 120),
            ("12.5%", 1_000, 1_125),
            ("0%", 7, 7),
            ("0.01%", 1, 2),
            ("100%", 3, 6),
        ] {
            assert_eq!(text.parse::<Markup>().unwrap().on(cost), price, "{text}");
        }
        for wrong in ["", "%", "20", "-5%", "1.%", "1.234%", "10001%", "+1%", "1e1%"] {
            assert!(wrong.parse::<Markup>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_rate_reads_back_however_it_is_written(units in any::<u64>(), shift in 0..20_i32) {
            prop_assert_eq!(rate(&format!("{units}e-15")), Some(units));
            let shifted = format!("{units}{}e-{}", "0".repeat(shift.unsigned_abs() as usize), 15 + shift);
            prop_assert_eq!(rate(&shifted), Some(units));
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,80}") {
            let _ = (rate(&text), text.parse::<Markup>());
        }
    }
}
