//! Durations and sizes as people write them: `"50ms"`, `"2m"`, `"10MiB"`. Pure.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a whole number and one of `ms`, `s`, `m`, `h`, `d`; `None` if it is anything else or does
/// not fit.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    measure(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads a whole number and one of `B`, `KiB`, `MiB`, `GiB`, into bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    measure(text, &SIZE_UNITS)
}

/// A duration in the largest unit that leaves a whole number.
pub(super) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS, "ms")
}

/// A size in the largest unit that leaves a whole number.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS, "B")
}

fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits_end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(digits_end)?;
    let &(_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(scale)
}

fn show(value: u64, units: &[(&str, u64)], smallest: &str) -> String {
    let whole = units.iter().find(|(_, scale)| value >= *scale && value.is_multiple_of(*scale));
    let (name, scale) = whole.copied().unwrap_or((smallest, 1));
    format!("{}{name}", value / scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_and_sizes_are_a_number_and_a_unit() {
        for (text, ms) in [
            ("0s", Some(0)),
            ("50ms", Some(50)),
            ("5s", Some(5_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("30d", Some(2_592_000_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("1.5s", None),
            ("5 s", None),
            ("5S", None),
            ("1h30m", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ] {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text}");
        }
        assert_eq!(size("10MiB"), Some(10 << 20));
        assert_eq!(size("10MB"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(value in any::<u64>(), text in ".{0,12}") {
            let value_ms = Duration::from_millis(value);
            prop_assert_eq!(duration(&show_duration(value_ms)), Some(value_ms));
            prop_assert_eq!(size(&show_size(value)), Some(value));
            let _ = (duration(&text), size(&text));
        }
    }
}
