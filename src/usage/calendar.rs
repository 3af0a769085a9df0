//! Days, months and texts of times, in UTC and the Gregorian calendar. Pure.
//!
//! From days to dates and back by Howard Hinnant's method
//! (<https://howardhinnant.github.io/date_algorithms.html>).

use std::ops::Range;

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
/// Milliseconds of an hour.
pub(crate) const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Days in the 400 years after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// From 0000-03-01, where its years begin here, to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
/// The last year that has four digits.
const YEAR_MAX: u64 = 9_999;

/// The date on which a time falls: year, month and day.
pub(crate) fn date_of(at_ms: u64) -> (u64, u64, u64) {
    let days = at_ms / DAY_MS + EPOCH_DAYS;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, of_month)
}

/// When a date begins; `None` where there is no such date, or it is before 1970.
pub(crate) fn begin_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // The year begins in March, so that the odd day is its last.
    let (year_of_march, month_of_march) =
        if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, rest) = (year_of_march / 400, year_of_march % 400);
    let of_year = (153 * month_of_march + 2) / 5 + day - 1;
    let days = era * ERA_DAYS + rest * 365 + rest / 4 - rest / 100 + of_year;
    let at_ms = days.checked_sub(EPOCH_DAYS)? * DAY_MS;
    (date_of(at_ms) == (year, month, day)).then_some(at_ms)
}

/// The times of a month, written `2026-11`.
pub(crate) fn month(text: &str) -> Option<Range<u64>> {
    let (year, month) = text.split_once('-')?;
    let (year, month) = (digits(year, 4)?, digits(month, 2)?);
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some(begin_of(year, month, 1)?..begin_of(next_year, next, 1)?)
}

/// When the month of a time begins.
pub(crate) fn month_begin(at_ms: u64) -> u64 {
    let (.., day) = date_of(at_ms);
    day_begin(at_ms) - (day - 1) * DAY_MS
}

/// When the day of a time begins.
pub(crate) fn day_begin(at_ms: u64) -> u64 {
    at_ms - at_ms % DAY_MS
}

/// When the week of a time begins: on Monday.
pub(crate) fn week_begin(at_ms: u64) -> u64 {
    // The first day of 1970 was a Thursday.
    let since_monday = (at_ms / DAY_MS + 3) % 7;
    day_begin(at_ms).saturating_sub(since_monday * DAY_MS)
}

/// A time as it is written in a query: milliseconds since 1970, or a date for its beginning.
pub(crate) fn time(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mut parts = text.splitn(3, '-');
    let (year, month) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?);
    begin_of(year, month, digits(parts.next()?, 2)?)
}

/// The day of a time, written `2026-11-24`.
pub(crate) fn day_text(at_ms: u64) -> String {
    let (year, month, day) = date_of(at_ms);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The hour of a time, written `2026-11-24T20:00Z`.
pub(crate) fn hour_text(at_ms: u64) -> String {
    format!("{}T{:02}:00Z", day_text(at_ms), at_ms % DAY_MS / HOUR_MS)
}

/// A time, written `2026-11-24T20:18:05.123Z` (RFC 3339).
pub(crate) fn text(at_ms: u64) -> String {
    let of_day = at_ms % DAY_MS;
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", day_text(at_ms))
}

fn digits(text: &str, count: usize) -> Option<u64> {
    let well_formed = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_read_back_from_its_date() {
        let mut before = (1969, 12, 31);
        for day in 0..200_000 {
            let at_ms = day * DAY_MS;
            let (year, month, of_month) = date_of(at_ms);
            assert_eq!(begin_of(year, month, of_month), Some(at_ms));
            assert!((year, month, of_month) > before, "{before:?}");
            before = (year, month, of_month);
        }
        assert_eq!(before, (2517, 7, 31));
    }

    #[test]
    fn times_are_read_and_written() {
        let at_ms = 1_795_551_485_123;
        assert_eq!(text(at_ms), "2026-11-24T20:18:05.123Z");
        assert_eq!(hour_text(at_ms), "2026-11-24T20:00Z");
        assert_eq!(time("2026-11-24"), Some(day_begin(at_ms)));
        assert_eq!(time("1795551485123"), Some(at_ms));
        assert_eq!(day_text(month_begin(at_ms)), "2026-11-01");
        assert_eq!(day_text(week_begin(at_ms)), "2026-11-23");
        assert_eq!(week_begin(0), 0);
        let november = month("2026-11").unwrap();
        assert_eq!((november.end - november.start) / DAY_MS, 30);
        assert_eq!(month("2026-12").unwrap().start, november.end);
        for wrong in ["2026-13", "2026-1", "26-11", "2026", "2026-00", "1969-12", "+026-11"] {
            assert_eq!(month(wrong), None, "{wrong}");
        }
        for wrong in
            ["2026-02-29", "2026-11", "yesterday", "-1", "2026-11-24T00:00", "99999999999999999999"]
        {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert!(time("").is_none() && time("2028-02-29").is_some());
    }
}
