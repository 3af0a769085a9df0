//! Periods of a subscription: months or days, each counted from the same anchor, in UTC. Pure.
//!
//! A month ends on the day of the month that the anchor has, or on the last one where there is no such
//! day: from January 31 on, periods end on February 28, March 31, April 30.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 86_400_000;
/// From 0000-03-01 to 1970-01-01. Years that begin in March have their leap day at the end.
const DAYS_BEFORE_0: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;

/// How long one period lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillingPeriod {
    /// A month.
    Month,
    /// So many days.
    Days(u16),
}

/// A day of the calendar, in years that begin in March: month 0 is March, month 11 February.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: u64,
    month: u64,
    /// From 1 on.
    day: u64,
}

impl BillingPeriod {
    /// When the `count`-th period ends that is counted from `anchor_ms`, both in milliseconds since 1970;
    /// the 0th ends there.
    pub fn end_ms(self, anchor_ms: u64, count: u32) -> u64 {
        let (day, time) = (anchor_ms / DAY_MS, anchor_ms % DAY_MS);
        let end = match self {
            Self::Days(days) => {
                Some(day).zip(u64::from(days).checked_mul(count.into())).map(|(a, b)| a + b)
            }
            Self::Month => months_after(day, count.into()),
        };
        let end = end.and_then(|day| day.checked_mul(DAY_MS)?.checked_add(time));
        end.unwrap_or(u64::MAX)
    }
}

/// The day so many months after the `day`-th day after 1970-01-01, or the last of that month.
fn months_after(day: u64, months: u64) -> Option<u64> {
    let Date { year, month, day } = date(day.checked_add(DAYS_BEFORE_0)?);
    let months = month.checked_add(months)?;
    let (year, month) = (year.checked_add(months / 12)?, months % 12);
    day_of(Date { year, month, day: day.min(days_in(year, month)) }).checked_sub(DAYS_BEFORE_0)
}

/// The date of the `day`-th day after 0000-03-01. The months of such a year have 31, 30, 31, 30, 31
/// days, twice and a bit, of which 153 is the sum.
fn date(day: u64) -> Date {
    let (era, of_era) = (day / DAYS_IN_400_YEARS, day % DAYS_IN_400_YEARS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    Date { year: era * 400 + year, month, day: of_year - (153 * month + 2) / 5 + 1 }
}

/// The inverse of [`date`].
fn day_of(Date { year, month, day }: Date) -> u64 {
    let (era, year) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_IN_400_YEARS + 365 * year + year / 4 - year / 100 + of_year
}

/// How many days the month has.
fn days_in(year: u64, month: u64) -> u64 {
    let (next_year, next) = if month == 11 { (year + 1, 0) } else { (year, month + 1) };
    day_of(Date { year: next_year, month: next, day: 1 }) - day_of(Date { year, month, day: 1 })
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use jiff::tz::Offset;
    use jiff::{Timestamp, ToSpan};
    use proptest::prelude::*;

    use super::*;

    fn date_time(at_ms: u64) -> DateTime {
        let at_ms = i64::try_from(at_ms).unwrap();
        Offset::UTC.to_datetime(Timestamp::from_millisecond(at_ms).unwrap())
    }

    fn ms(text: &str) -> u64 {
        let at: Timestamp = text.parse().unwrap();
        u64::try_from(at.as_millisecond()).unwrap()
    }

    #[test]
    fn a_month_that_is_too_short_ends_the_period_on_its_last_day_and_the_next_is_whole_again() {
        let anchor = ms("2027-01-31T10:20:30.400Z");
        let ends =
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"];
        for (count, day) in (0..).zip(ends) {
            let end = BillingPeriod::Month.end_ms(anchor, count);
            assert_eq!(end, ms(&format!("{day}T10:20:30.400Z")), "{count}");
        }
        assert_eq!(BillingPeriod::Month.end_ms(anchor, 13), ms("2028-02-29T10:20:30.400Z"));
        let end = BillingPeriod::Days(30).end_ms(anchor, 2);
        assert_eq!(end, ms("2027-04-01T10:20:30.400Z"));
        assert_eq!(BillingPeriod::Month.end_ms(u64::MAX, u32::MAX), u64::MAX, "beyond all time");
    }

    proptest! {
        #[test]
        fn months_are_those_of_the_calendar(anchor_ms in 0..200_000_000_000_000_u64, count in 0..600_u32) {
            let expected = date_time(anchor_ms).checked_add(i64::from(count).months()).unwrap();
            prop_assert_eq!(date_time(BillingPeriod::Month.end_ms(anchor_ms, count)), expected);
        }

        #[test]
        fn periods_follow_each_other(anchor_ms in 0..200_000_000_000_000_u64, count in 0..600_u32, days in 1..400_u16) {
            for period in [BillingPeriod::Month, BillingPeriod::Days(days)] {
                prop_assert!(period.end_ms(anchor_ms, count) < period.end_ms(anchor_ms, count + 1));
                prop_assert_eq!(period.end_ms(anchor_ms, 0), anchor_ms);
            }
        }
    }
}
