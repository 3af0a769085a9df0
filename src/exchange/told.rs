//! What the caller is told, in headers, of how its answer came about. Pure.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use infergate_actors::account::{Attempt, AttemptOutcome};
use infergate_actors::money::NanoUsd;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::config::{Lifecycle, date};

const MODEL: HeaderName = HeaderName::from_static("x-infergate-model");
const PROVIDER: HeaderName = HeaderName::from_static("x-infergate-provider");
/// When the model is, or will be, deprecated (RFC 9745).
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// When the model is not served any more (RFC 8594).
const SUNSET: HeaderName = HeaderName::from_static("sunset");
/// The same in words, with what to use instead.
const DEPRECATION_TOLD: HeaderName = HeaderName::from_static("x-infergate-deprecation");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-infergate-attempts");
/// What a whole answer was charged. A stream's head leaves before that is known.
const COST: HeaderName = HeaderName::from_static("x-infergate-cost");
/// Each attempt: the provider, what came of it, and the status where there was one.
pub(crate) const TRAIL: HeaderName = HeaderName::from_static("x-infergate-trail");

const NANO_PER_USD: u64 = 1_000_000_000;

/// Tells of an answer that `provider` gives as `model`, after `failed` attempts.
pub(super) fn answered(headers: &mut HeaderMap, model: &str, provider: &str, failed: &[Attempt]) {
    let mut trail = trail(failed);
    if !trail.is_empty() {
        trail.push_str(", ");
    }
    trail.push_str(provider);
    trail.push_str(" answered");
    // A name that no header can hold is left out: it may be any text.
    let values = [(MODEL, model), (PROVIDER, provider), (TRAIL, &trail)];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(ATTEMPTS, HeaderValue::from(failed.len() + 1));
}

/// Tells what a whole answer was charged, in USD.
pub(super) fn charged(headers: &mut HeaderMap, charged: NanoUsd) {
    if let Ok(value) = HeaderValue::try_from(dollars(charged)) {
        headers.insert(COST, value);
    }
}

/// An amount in USD with all of its nine decimals: also a number of JSON.
pub(super) fn dollars(amount: NanoUsd) -> String {
    let (sign, nano) = (if amount.is_negative() { "-" } else { "" }, amount.nano().unsigned_abs());
    format!("{sign}{}.{:09}", nano / NANO_PER_USD, nano % NANO_PER_USD)
}

/// Tells of an answer that `model` gave before, or gives to another.
pub(super) fn kept(headers: &mut HeaderMap, model: &str) {
    if let Ok(value) = HeaderValue::from_str(model) {
        headers.insert(MODEL, value);
    }
}

/// Tells when the model that was asked for goes: in the headers of RFC 9745 and RFC 8594, and in words.
pub(super) fn lifecycle(headers: &mut HeaderMap, lifecycle: &Lifecycle) {
    let Some(told) = lifecycle.told() else { return };
    let deprecated = lifecycle.deprecated_at_ms.map(|at_ms| format!("@{}", at_ms / 1_000));
    let retired = lifecycle.retired_at_ms.and_then(date::timestamp);
    let retired =
        retired.and_then(|at| DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok());
    let values = [(DEPRECATION, deprecated), (SUNSET, retired), (DEPRECATION_TOLD, Some(told))];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// The attempts of an exchange in order, such as `alpha server_error 503, beta cut`.
pub(crate) fn trail(attempts: &[Attempt]) -> String {
    let mut trail = String::new();
    for (index, Attempt { provider, outcome, status, .. }) in attempts.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        // Writing to a string can't fail.
        let _ = write!(trail, "{separator}{provider} {}", outcome_name(*outcome));
        if let Some(status) = status {
            let _ = write!(trail, " {status}");
        }
    }
    trail
}

/// An attempt's outcome in one word.
pub(crate) fn outcome_name(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Answered => "answered",
        AttemptOutcome::ConnectFailed => "connect_failed",
        AttemptOutcome::HeadTimeout => "head_timeout",
        AttemptOutcome::ContentTimeout => "content_timeout",
        AttemptOutcome::IdleTimeout => "idle_timeout",
        AttemptOutcome::DeadlinePassed => "deadline_passed",
        AttemptOutcome::ServerError => "server_error",
        AttemptOutcome::RateLimited => "rate_limited",
        AttemptOutcome::CredentialRefused => "credential_refused",
        AttemptOutcome::RequestRejected => "request_rejected",
        AttemptOutcome::BadAnswer => "bad_answer",
        AttemptOutcome::Cut => "cut",
        AttemptOutcome::ClientGone => "client_gone",
        AttemptOutcome::Outrun => "outrun",
    }
}

#[cfg(test)]
mod tests {
    use infergate_actors::money::NanoUsd;

    use super::*;

    #[test]
    fn the_end_of_a_model_is_told_in_dates_and_in_words() {
        let mut headers = HeaderMap::new();
        lifecycle(&mut headers, &Lifecycle { successor: Some("b".into()), ..Lifecycle::default() });
        assert!(headers.is_empty());
        let ends = Lifecycle {
            deprecated_at_ms: Some(1_796_083_200_000),
            retired_at_ms: Some(1_796_169_600_000),
            successor: Some("b".into()),
            ..Lifecycle::default()
        };
        lifecycle(&mut headers, &ends);
        for (name, value) in [
            ("deprecation", "@1796083200"),
            ("sunset", "Wed, 02 Dec 2026 00:00:00 GMT"),
            (
                "x-infergate-deprecation",
                "deprecated on 2026-12-01, retired on 2026-12-02, use \"b\"",
            ),
        ] {
            assert_eq!(headers[name], value);
        }
    }

    #[test]
    fn the_caller_reads_who_was_tried_and_what_came_of_it() {
        let attempt = |outcome, status| Attempt {
            provider: "alpha".into(),
            upstream_model: "m".into(),
            outcome,
            status,
            provider_cost: NanoUsd::ZERO,
        };
        let failed = [
            attempt(AttemptOutcome::ServerError, Some(503)),
            attempt(AttemptOutcome::Outrun, None),
        ];
        let mut headers = HeaderMap::new();
        answered(&mut headers, "small", "beta", &failed);
        assert_eq!(headers["x-infergate-attempts"], "3");
        assert_eq!(
            headers["x-infergate-trail"],
            "alpha server_error 503, alpha outrun, beta answered"
        );
        assert_eq!(
            (&headers["x-infergate-model"], &headers["x-infergate-provider"]),
            (&HeaderValue::from_static("small"), &HeaderValue::from_static("beta"))
        );
    }
}
