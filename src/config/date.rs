//! Dates as people write them: `2026-12-01`, which is its first instant in UTC, or an instant such as
//! `2026-12-01T09:00:00Z`. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::tree::Node;

const DATE_BYTES: usize = "2026-12-01".len();

/// Reads a date, in milliseconds since 1970; `None` for anything else, and for what was before.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let instant = if text.len() == DATE_BYTES {
        Offset::UTC.to_timestamp(text.parse::<Date>().ok()?.at(0, 0, 0, 0)).ok()?
    } else {
        text.parse::<Timestamp>().ok()?
    };
    u64::try_from(instant.as_millisecond()).ok()
}

/// The date of an instant in UTC.
pub(crate) fn show(at_ms: u64) -> String {
    let date = timestamp(at_ms).map(|at| Offset::UTC.to_datetime(at).date().to_string());
    date.unwrap_or_else(|| format!("{at_ms} ms after 1970"))
}

/// The instant.
pub(crate) fn timestamp(at_ms: u64) -> Option<Timestamp> {
    i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

impl Node<'_> {
    /// A date, in milliseconds since 1970.
    pub(super) fn date(&self) -> Option<u64> {
        let advice = "write one in quotes, such as \"2026-12-01\" or \"2026-12-01T09:00:00Z\"";
        let date = if self.value.is_str() { parse(&self.text()?) } else { None };
        if date.is_none() {
            self.fault(format!("{} is no date since 1970: {advice}", self.shown()));
        }
        date
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_its_first_instant_in_utc() {
        for (text, at_ms) in [
            ("1970-01-01", Some(0)),
            ("2026-12-01", Some(1_796_083_200_000)),
            ("2026-12-01T09:00:00Z", Some(1_796_115_600_000)),
            ("2026-12-01T09:00:00+09:00", Some(1_796_083_200_000)),
            ("1969-12-31", None),
            ("2026-02-29", None),
            ("2026-12", None),
            ("2026-12-01T09:00:00", None),
            ("20261201T0", None),
            ("", None),
        ] {
            assert_eq!(parse(text), at_ms, "{text}");
        }
        assert_eq!(show(1_796_115_600_000), "2026-12-01");
    }
}
