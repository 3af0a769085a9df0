//! What a provider's status says: whose fault it is, and whether another may do better. Pure.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

/// What an answer's head taught us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An answer; its body decides the rest.
    Answer,
    /// The request is wrong wherever it goes: the client is told.
    RequestFault,
    /// Our credential at this provider is refused.
    CredentialRefused,
    /// Our credit at this provider is used up.
    CreditExhausted,
    /// The credential's rate limit is reached.
    RateLimited,
    /// The provider's own fault, or none of the above: another may do better.
    ProviderFault,
}

/// What a status says. The provider knows neither our client nor its key: its 401, 402, 403 and 429
/// are about us.
pub fn verdict(status: StatusCode) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Answer,
        400 | 411 | 413 | 414 | 415 | 422 | 431 => Verdict::RequestFault,
        401 | 403 => Verdict::CredentialRefused,
        402 => Verdict::CreditExhausted,
        429 => Verdict::RateLimited,
        // Among them 404: a model that this provider does not know (any more) is ours to have
        // configured, and the next target may know it.
        _ => Verdict::ProviderFault,
    }
}

/// How long the provider asks to be left alone: `retry-after-ms`, or `retry-after` in seconds (RFC
/// 9110 §10.2.3). A date is not read: its meaning depends on two clocks agreeing.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<f64> {
        let value = headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok()?;
        (value.is_finite() && (0.0..1e9).contains(&value)).then_some(value)
    };
    let millis = number("retry-after-ms").map(|millis| millis / 1e3);
    let seconds = millis.or_else(|| number(header::RETRY_AFTER.as_str()))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_fault_it_is() {
        for (status, expected) in [
            (200, Verdict::Answer),
            (400, Verdict::RequestFault),
            (401, Verdict::CredentialRefused),
            (402, Verdict::CreditExhausted),
            (404, Verdict::ProviderFault),
            (408, Verdict::ProviderFault),
            (422, Verdict::RequestFault),
            (429, Verdict::RateLimited),
            (500, Verdict::ProviderFault),
            (529, Verdict::ProviderFault),
            (302, Verdict::ProviderFault),
        ] {
            assert_eq!(verdict(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_or_milliseconds() {
        let read = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        for nonsense in ["-1", "NaN", "inf", "1e300", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(read("retry-after", nonsense), None, "{nonsense}");
        }
    }
}
