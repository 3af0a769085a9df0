//! What a client says, in `cache-control`, of answers that were given before. Pure.

use std::time::Duration;

use http::{HeaderMap, header};

/// A client's wish about kept answers; by default it takes what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Nothing is kept of the answer, nor taken from what is kept.
    pub(crate) no_store: bool,
    /// Only a new answer will do; it may be kept.
    pub(crate) no_cache: bool,
    /// Only a kept answer will do.
    pub(crate) only_if_cached: bool,
    /// No older answer will do.
    pub(crate) max_age: Option<Duration>,
}

impl Control {
    /// What a request's headers say (RFC 9111, 5.2.1). What is not known here is passed over, and an
    /// age that is no number is none at all.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        // Most requests say nothing.
        for value in headers.get_all(header::CACHE_CONTROL) {
            let Ok(value) = value.to_str() else { continue };
            for directive in value.split(',') {
                control.add(directive.trim());
            }
        }
        control
    }

    fn add(&mut self, directive: &str) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => {
                let seconds = argument.trim().trim_matches('"').parse().unwrap_or(0);
                let age = Duration::from_secs(seconds);
                self.max_age = Some(self.max_age.map_or(age, |other| other.min(age)));
            }
            _ => {}
        }
    }

    /// Whether an answer of this age will do, where answers may be given again for `ttl`.
    pub(super) fn takes(&self, age: Duration, ttl: Duration) -> bool {
        age < ttl && self.max_age.is_none_or(|most| age <= most)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Control {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, HeaderValue::try_from(*value).unwrap());
        }
        Control::of_headers(&headers)
    }

    #[test]
    fn directives_are_read_from_every_header_whatever_their_case() {
        assert_eq!(read(&[]), Control::default());
        assert_eq!(read(&["public, max-stale=7"]), Control::default());
        let all = read(&["No-Store ,no-cache", "only-if-cached, MAX-AGE=30"]);
        let max_age = Some(Duration::from_secs(30));
        assert_eq!(all, Control { no_store: true, no_cache: true, only_if_cached: true, max_age });
    }

    #[test]
    fn the_shortest_age_counts_and_one_that_is_no_number_is_none_at_all() {
        for (value, seconds) in
            [("max-age=9, max-age=3", 3), ("max-age=\"5\"", 5), ("max-age=soon", 0), ("max-age", 0)]
        {
            assert_eq!(read(&[value]).max_age, Some(Duration::from_secs(seconds)), "{value}");
        }
    }

    #[test]
    fn an_answer_is_taken_until_its_time_is_over_and_no_older_than_wished() {
        let (second, ttl) = (Duration::from_secs(1), Duration::from_secs(10));
        let any = Control::default();
        assert!(any.takes(Duration::ZERO, ttl) && any.takes(9 * second, ttl));
        assert!(!any.takes(ttl, ttl));
        let young = Control { max_age: Some(second), ..any };
        assert!(young.takes(second, ttl) && !young.takes(2 * second, ttl));
        assert!(!young.takes(second, second));
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd_to_be_read(value in "[ -~]{0,60}") {
            let _ = read(&[&value]);
        }
    }
}
