//! Days, weeks and months in UTC, as spend budgets count them. Pure.
//!
//! Plain arithmetic on milliseconds since 1970: a leap second is no time of its own there, and
//! a day has always as many.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 86_400_000;
/// 1970-01-01 was a Thursday: three days after a Monday.
const DAYS_AFTER_MONDAY_AT_0: u64 = 3;
/// From 0000-03-01 to 1970-01-01. Years that begin in March have their leap day at the end.
const DAYS_BEFORE_0: u64 = 719_468;
const DAYS_IN_400_YEARS: u64 = 146_097;

/// How long a spend budget lasts before it is whole again.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last of a month.
    Month,
    /// For good.
    Total,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Total];

    /// Its name, as it is written everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// When the one that `at_ms` lies in began, in milliseconds since 1970.
    pub fn began_at_ms(self, at_ms: u64) -> u64 {
        let day = at_ms / DAY_MS;
        let first = match self {
            Self::Day => day,
            // The first week of all began before 1970.
            Self::Week => day.saturating_sub((day + DAYS_AFTER_MONDAY_AT_0) % 7),
            Self::Month => day.saturating_sub(day_of_month(day) - 1),
            Self::Total => 0,
        };
        first.saturating_mul(DAY_MS)
    }

    /// When the next one begins; `None` where there is none.
    pub fn ends_at_ms(self, at_ms: u64) -> Option<u64> {
        let day = at_ms / DAY_MS;
        let next = match self {
            Self::Day => day + 1,
            Self::Week => day + 7 - (day + DAYS_AFTER_MONDAY_AT_0) % 7,
            // The 1st is at most 31 days away, and the month after that one no less than 28.
            Self::Month => {
                let beyond = day + 32 - day_of_month(day);
                beyond - (day_of_month(beyond) - 1)
            }
            Self::Total => return None,
        };
        next.checked_mul(DAY_MS)
    }
}

/// Which day of its month the `day`-th day after 1970-01-01 is, from 1 on.
///
/// The Gregorian calendar in years that begin in March: their months have 31, 30, 31, 30, 31 days,
/// twice and a bit, of which 153 is the sum.
fn day_of_month(day: u64) -> u64 {
    let of_era = (day + DAYS_BEFORE_0) % DAYS_IN_400_YEARS;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use jiff::civil::{DateTime, Weekday};
    use jiff::tz::Offset;
    use jiff::{Timestamp, ToSpan};
    use proptest::prelude::*;

    use super::*;

    /// To the end of the year 9000.
    const LAST_MS: u64 = 221_845_305_600_000;

    fn date_time(at_ms: u64) -> DateTime {
        let at_ms = i64::try_from(at_ms).unwrap();
        Offset::UTC.to_datetime(Timestamp::from_millisecond(at_ms).unwrap())
    }

    fn ms(date_time: DateTime) -> u64 {
        let at = Offset::UTC.to_timestamp(date_time).unwrap();
        u64::try_from(at.as_millisecond()).unwrap_or(0)
    }

    /// The same by a calendar library.
    fn expected(period: Period, at_ms: u64) -> (u64, Option<u64>) {
        let midnight = date_time(at_ms).start_of_day();
        let (began, span) = match period {
            Period::Day => (midnight, 1.day()),
            Period::Week => {
                let back = midnight.weekday().since(Weekday::Monday);
                (midnight.checked_sub(i64::from(back).days()).unwrap(), 1.week())
            }
            Period::Month => (midnight.first_of_month(), 1.month()),
            Period::Total => return (0, None),
        };
        (ms(began), Some(ms(began.checked_add(span).unwrap())))
    }

    proptest! {
        #[test]
        fn periods_are_those_of_the_calendar(at_ms in 0..LAST_MS) {
            for period in Period::ALL {
                let found = (period.began_at_ms(at_ms), period.ends_at_ms(at_ms));
                prop_assert_eq!(found, expected(period, at_ms), "{:?}", period);
            }
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_in_its_month() {
        for day in 0..DAYS_IN_400_YEARS {
            let day_of_month = u64::try_from(date_time(day * DAY_MS).day()).unwrap();
            assert_eq!(super::day_of_month(day), day_of_month, "day {day}");
        }
    }

    #[test]
    fn a_period_ends_with_its_last_millisecond() {
        // 2028-02-29T23:59:59.999Z, a Tuesday.
        let last = 1_835_481_599_999;
        assert_eq!(Period::Day.ends_at_ms(last), Some(last + 1));
        assert_eq!(Period::Month.ends_at_ms(last), Some(last + 1));
        assert_eq!(Period::Month.began_at_ms(last + 1), last + 1);
        assert_eq!(Period::Week.ends_at_ms(last), Some(last + 1 + 5 * DAY_MS));
        assert_eq!(Period::Total.ends_at_ms(u64::MAX), None);
        assert_eq!(Period::Day.ends_at_ms(u64::MAX), None, "beyond all time");
    }
}
