//! What an answer's headers say of the provider's own rate limits, and how long it asks to be left
//! alone. Pure.
//!
//! Three families are read, each whatever the order of its words:
//!
//! - OpenAI's: `x-ratelimit-remaining-requests: 59`, `x-ratelimit-reset-tokens: 6m0.5s`
//! - Anthropic's: `anthropic-ratelimit-input-tokens-reset: 2026-11-24T18:00:00Z`
//! - the drafts': `ratelimit-remaining: 59`, `x-ratelimit-reset: 60`, which speak of requests
//!
//! Where a date is given, it is held against the answer's own `date`: both are by the provider's clock,
//! and ours may be another.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use infergate_actors::provider::{Allowance, Quota};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// A number under this is a time to wait in seconds; one over it a date, in seconds or milliseconds.
const WAIT_SECONDS_MAX: f64 = 1e7;
const DATE_MILLIS_MIN: f64 = 1e11;
/// Past this a number is no date either.
const DATE_MILLIS_MAX: f64 = 1e14;
const PREFIXES: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"];
const HTTP_DATE: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

/// What is counted.
#[derive(Clone, Copy)]
enum Window {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
    /// Not said: requests.
    Unnamed,
}

#[derive(Clone, Copy)]
enum Field {
    Limit,
    Remaining,
    Reset,
}

/// One limit, as far as it was read.
#[derive(Clone, Copy, Default)]
struct Reading {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Duration>,
}

/// What is said of the provider's limits.
pub fn quota(headers: &HeaderMap) -> Quota {
    let [requests, tokens, input, output, unnamed] = readings(headers).map(Reading::allowance);
    let tokens = [tokens, input, output].into_iter().flatten();
    // Of two that are as scarce the one that stays so for longer.
    let scarcest = tokens
        .min_by_key(|allowance| (allowance.left_permille(), std::cmp::Reverse(allowance.reset)));
    Quota { requests: requests.or(unnamed), tokens: scarcest }
}

/// How long the provider asks to be left alone: `retry-after-ms`, or `retry-after` in seconds or as a
/// date (RFC 9110 §10.2.3).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> {
        let value = headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok()?;
        (value.is_finite() && (0.0..1e9).contains(&value)).then_some(value)
    };
    let millis = number("retry-after-ms").map(|millis| millis / 1e3);
    match millis.or_else(|| number(header::RETRY_AFTER.as_str())) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => until(http_date(headers.get(header::RETRY_AFTER)?)?, headers),
    }
}

/// After a 429: [`retry_after`], or else until the limits of which nothing is left are full again.
pub fn limited_for(headers: &HeaderMap) -> Option<Duration> {
    let exhausted = || {
        let readings = readings(headers).into_iter();
        readings.filter(|reading| reading.remaining == Some(0)).filter_map(|one| one.reset).max()
    };
    retry_after(headers).or_else(exhausted)
}

/// In the order of [`Window`].
fn readings(headers: &HeaderMap) -> [Reading; 5] {
    let mut readings = [Reading::default(); 5];
    for (name, value) in headers {
        let Some((window, field)) = meaning(name) else { continue };
        let Some(reading) = readings.get_mut(window as usize) else { continue };
        let Ok(text) = value.to_str() else { continue };
        match field {
            Field::Limit => reading.limit = count(text),
            Field::Remaining => reading.remaining = count(text),
            Field::Reset => reading.reset = reset(text.trim(), headers),
        }
    }
    readings
}

fn meaning(name: &HeaderName) -> Option<(Window, Field)> {
    let rest = PREFIXES.iter().find_map(|prefix| name.as_str().strip_prefix(prefix))?;
    let fields =
        [("limit", Field::Limit), ("remaining", Field::Remaining), ("reset", Field::Reset)];
    fields.into_iter().find_map(|(word, field)| {
        let before = || rest.strip_prefix(word)?.strip_prefix('-');
        let after = || rest.strip_suffix(word)?.strip_suffix('-');
        let window = if rest == word { "" } else { before().or_else(after)? };
        let window = match window {
            "requests" => Window::Requests,
            "tokens" => Window::Tokens,
            "input-tokens" => Window::InputTokens,
            "output-tokens" => Window::OutputTokens,
            "" => Window::Unnamed,
            _ => return None,
        };
        Some((window, field))
    })
}

impl Reading {
    fn allowance(self) -> Option<Allowance> {
        let Self { limit, remaining, reset } = self;
        Some(Allowance { limit, remaining: remaining?, reset })
    }
}

/// A count; the drafts allow for more behind it, `100, 100;w=60`. Some count in fractions, or below zero.
fn count(text: &str) -> Option<u64> {
    let text = text.split([',', ';', '.']).next()?.trim();
    match text.strip_prefix('-') {
        Some(digits) => digits.parse::<u64>().ok().map(|_| 0),
        None => text.parse().ok(),
    }
}

/// Until a limit is full again: a date, a time to wait, or how long as Go writes it.
fn reset(text: &str, headers: &HeaderMap) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        if (0.0..WAIT_SECONDS_MAX).contains(&number) {
            return Duration::try_from_secs_f64(number).ok();
        }
        let millis = if number < DATE_MILLIS_MIN { number * 1e3 } else { number };
        if !(WAIT_SECONDS_MAX * 1e3..DATE_MILLIS_MAX).contains(&millis) {
            return None;
        }
        let since_epoch = Duration::try_from_secs_f64(millis / 1e3).ok()?;
        return until(Timestamp::UNIX_EPOCH.checked_add(since_epoch).ok()?, headers);
    }
    go_duration(text).or_else(|| until(text.parse().ok()?, headers))
}

/// From the answer's own date on; nothing where that is past, `None` where it has no date.
fn until(then: Timestamp, headers: &HeaderMap) -> Option<Duration> {
    let now = http_date(headers.get(header::DATE)?)?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

fn http_date(value: &HeaderValue) -> Option<Timestamp> {
    HTTP_DATE.parse_timestamp(value.to_str().ok()?.trim()).ok()
}

/// `1h2m3.5s`, `20ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
        let (number, behind) = rest.split_at(rest.find(|letter| !is_number(letter))?);
        let unit_end = behind.find(is_number).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = next;
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: (&str, &str) = ("date", "Tue, 24 Nov 2026 18:00:00 GMT");

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let parsed = lines.iter().map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        });
        parsed.collect()
    }

    fn said(requests: Option<[u64; 3]>, tokens: Option<[u64; 3]>) -> Quota {
        let allowance = |[limit, remaining, reset_ms]: [u64; 3]| Allowance {
            limit: Some(limit),
            remaining,
            reset: Some(Duration::from_millis(reset_ms)),
        };
        Quota { requests: requests.map(allowance), tokens: tokens.map(allowance) }
    }

    #[test]
    fn openais_headers_are_read() {
        let read = quota(&headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-ratelimit-limit-tokens_usage_based", "7"),
        ]));
        let expected = said(Some([60, 59, 1_000]), Some([150_000, 149_984, 360_000]));
        assert_eq!(read, expected);
    }

    #[test]
    fn anthropics_headers_are_read_and_the_scarcer_tokens_count() {
        let read = quota(&headers(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-24T18:00:01Z"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "39000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-24T18:00:02Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "2000"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-24T19:01:00+01:00"),
            DATE,
        ]));
        let expected = said(Some([50, 49, 1_000]), Some([8_000, 2_000, 60_000]));
        assert_eq!(read, expected);
    }

    #[test]
    fn the_drafts_headers_are_read_as_of_requests() {
        let of = |lines: &[(&str, &str)]| quota(&headers(lines));
        let read = of(&[
            ("ratelimit-limit", "100, 100;w=60"),
            ("ratelimit-remaining", "50"),
            ("ratelimit-reset", "30"),
        ]);
        assert_eq!(read, said(Some([100, 50, 30_000]), None));
        // A date in seconds, and one in milliseconds.
        for reset in ["1795543230", "1795543230000"] {
            let read = of(&[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "-3"),
                ("x-ratelimit-reset", reset),
                DATE,
            ]);
            assert_eq!(read, said(Some([100, 0, 30_000]), None));
        }
        let read = of(&[("x-ratelimit-remaining", "9"), ("x-ratelimit-remaining-requests", "7")]);
        assert_eq!(read.requests.map(|requests| requests.remaining), Some(7));
        // Without a count of what is left nothing is known.
        assert!(of(&[("x-ratelimit-limit", "100"), ("x-ratelimit-reset", "30")]).is_empty());
    }

    #[test]
    fn a_duration_is_read_as_go_writes_it() {
        for (text, millis) in [
            ("6m0s", 360_000),
            ("1s", 1_000),
            ("20ms", 20),
            ("1h2m3.5s", 3_723_500),
            ("7.66s", 7_660),
            ("2m59.56s", 179_560),
            ("0s", 0),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "1", "1x", "1.2.3s", "-1s", "9999999999999999999999h", "1s "] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_milliseconds_or_as_a_date() {
        let read = |name, value| retry_after(&headers(&[(name, value), DATE]));
        assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        let date = "Tue, 24 Nov 2026 18:01:30 GMT";
        assert_eq!(read("retry-after", date), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(&headers(&[("retry-after", date)])), None, "no clock but theirs");
        let past = "Tue, 24 Nov 2026 17:00:00 GMT";
        assert_eq!(read("retry-after", past), Some(Duration::ZERO));
        for nonsense in ["-1", "NaN", "inf", "1e300", "soon", ""] {
            assert_eq!(read("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_limit_that_is_reached_tells_how_long_where_nothing_else_does() {
        let spent = [
            ("x-ratelimit-remaining-requests", "12"),
            ("x-ratelimit-reset-requests", "50s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "7.5s"),
        ];
        assert_eq!(limited_for(&headers(&spent)), Some(Duration::from_millis(7_500)));
        let asked = [&spent[..], &[("retry-after", "1")]].concat();
        assert_eq!(limited_for(&headers(&asked)), Some(Duration::from_secs(1)));
        assert_eq!(limited_for(&headers(&spent[..2])), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn nothing_that_a_header_can_hold_panics(
            names in prop::collection::vec(
                "(x-|anthropic-|)ratelimit(-(limit|remaining|reset|requests|input-tokens|tokens)){0,3}\
                 |retry-after(-ms)?|date", 1..8),
            values in prop::collection::vec(
                "[ -~]{0,24}|[0-9.eE+-]{1,22}|([0-9.]{1,9}[hmsun]{1,2}){1,3}|[0-9TZ:.+-]{8,30}", 8),
        ) {
            let lines: Vec<(&str, &str)> =
                names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
            let headers = headers(&lines);
            quota(&headers);
            retry_after(&headers);
            limited_for(&headers);
        }

        #[test]
        fn what_was_written_is_read(
            limit in any::<u64>(), remaining in any::<u64>(), reset_ms in 0_u64..10_000_000_000,
        ) {
            let (hours, millis) = (reset_ms / 3_600_000, reset_ms % 3_600_000);
            let (limit, remaining) = (limit.to_string(), remaining.to_string());
            let reset = format!("{hours}h{millis}ms");
            let read = quota(&headers(&[
                ("x-ratelimit-limit-tokens", &limit),
                ("x-ratelimit-remaining-tokens", &remaining),
                ("x-ratelimit-reset-tokens", &reset),
            ]));
            let tokens = read.tokens.unwrap();
            prop_assert_eq!(tokens.limit.unwrap().to_string(), limit);
            prop_assert_eq!(tokens.remaining.to_string(), remaining);
            let off = tokens.reset.unwrap().abs_diff(Duration::from_millis(reset_ms));
            prop_assert!(off < Duration::from_millis(1));
        }
    }
}
