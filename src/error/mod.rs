//! What a client can be told when its request is not answered: status, type, code, message. Pure.
//!
//! Types and codes are those of the OpenAI API (<https://platform.openai.com/docs/guides/error-codes>),
//! which its SDKs turn into exception classes by status. Nothing of an upstream's address, credential
//! or account, and nothing of another account, is ever in a message.

mod denial;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use infergate_actors::account::{End, RateStatus, ReasonClass, Remaining};

use crate::config::{Lifecycle, date};
use crate::dialect::chat::{self, UpstreamError};
use crate::dialect::envelope::EnvelopeError;
use crate::route::Unfit;

/// A refusal or failure, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `type` of the envelope.
    pub kind: Cow<'static, str>,
    /// The `code` of the envelope.
    pub code: Option<Cow<'static, str>>,
    /// The request field at fault.
    pub param: Option<Cow<'static, str>>,
    /// For people.
    pub message: Cow<'static, str>,
    /// Whether the SDKs should not try again although the status says so.
    pub final_answer: bool,
    /// What headers say beside; see [`ApiError::hints`].
    hints: Option<Box<Hints>>,
}

/// What a client may be told beside the error, in headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// The limit that was met.
    pub rate: RateStatus,
    /// The method that is allowed, where another was used.
    pub allowed: Option<&'static str>,
    /// The attempts that were made at providers.
    pub trail: Option<String>,
}

/// What clients are never asked to wait longer than: some SDKs sleep whatever they are told.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

impl ApiError {
    fn new(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            kind: Cow::Borrowed(kind),
            code: Some(Cow::Borrowed(code)),
            param: None,
            message: message.into(),
            final_answer: false,
            hints: None,
        }
    }

    fn invalid(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(status, "invalid_request_error", code, message)
    }

    fn server(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(status, "server_error", code, message)
    }

    /// The body of an answer with this error.
    pub fn body(&self) -> Bytes {
        self.rendered().body()
    }

    /// This error as an event in a stream already begun.
    pub fn event(&self) -> Bytes {
        self.rendered().event()
    }

    fn rendered(&self) -> chat::ApiError<'_> {
        chat::ApiError {
            message: &self.message,
            kind: &self.kind,
            param: self.param.as_deref(),
            code: self.code.as_deref(),
        }
    }

    /// Adds when to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.hints_mut().retry_after = Some(after.min(RETRY_AFTER_MAX));
        self
    }

    /// What headers say beside.
    pub fn hints(&self) -> Option<&Hints> {
        self.hints.as_deref()
    }

    fn hints_mut(&mut self) -> &mut Hints {
        self.hints.get_or_insert_default()
    }

    fn rate(mut self, rate: RateStatus) -> Self {
        self.hints_mut().rate = rate;
        self
    }

    /// Adds what attempts were made.
    pub fn trail(mut self, trail: String) -> Self {
        self.hints_mut().trail = Some(trail);
        self
    }

    /// Names the request field at fault.
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// 400: the request can't be understood.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, code, message)
    }

    /// The head of the request can't be read, as its status says.
    pub fn unreadable(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ("head_too_large", "The request's headers are too large.")
            }
            StatusCode::URI_TOO_LONG => ("url_too_long", "The request's URL is too long."),
            _ => ("invalid_request", "The request is not HTTP."),
        };
        Self::invalid(status, code, message)
    }

    /// What a provider says is wrong with the request, in its words as far as they may be shown.
    pub fn rejected(status: StatusCode, said: UpstreamError) -> Self {
        let message = said.message.map_or(
            Cow::Borrowed("The provider rejected the request without saying why."),
            Cow::Owned,
        );
        Self {
            status,
            kind: said.kind.map_or(Cow::Borrowed("invalid_request_error"), Cow::Owned),
            code: said.code.map(Cow::Owned),
            param: said.param.map(Cow::Owned),
            message,
            final_answer: false,
            hints: None,
        }
    }

    /// 400: the envelope of the request can't be read.
    pub fn envelope(error: &EnvelopeError) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: Cow::Borrowed(EnvelopeError::KIND),
            code: error.code().map(Cow::Borrowed),
            param: error.param().map(Cow::Borrowed),
            message: Cow::Owned(error.to_string()),
            final_answer: false,
            hints: None,
        }
    }

    /// 401: no key came with the request.
    pub fn missing_key() -> Self {
        let message = "You did not provide an API key. Send it as `Authorization: Bearer <key>`.";
        Self::invalid(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    /// 401: the key is not one of ours, not any more, or not yet.
    pub fn invalid_key(message: &'static str) -> Self {
        Self::invalid(StatusCode::UNAUTHORIZED, "invalid_api_key", message)
    }

    /// 429: an address that tries too many keys that are nobody's.
    pub fn too_many_wrong_keys(wait: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "too_many_wrong_keys",
            "Too many requests with incorrect API keys from this address.",
        )
        .retry_after(wait)
    }

    /// 404: no such path.
    pub fn unknown_path(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(120).collect();
        let message = format!("Unknown request URL: {method} {path}");
        Self::invalid(StatusCode::NOT_FOUND, "unknown_url", message)
    }

    /// 405: the path is known, the method is not.
    pub fn method_not_allowed(method: &str, allowed: &'static str) -> Self {
        let message = format!("{method} is not allowed here; use {allowed}.");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut error = Self::invalid(status, "method_not_allowed", message);
        error.hints_mut().allowed = Some(allowed);
        error
    }

    /// 404: no such model.
    pub fn unknown_model(model: &str) -> Self {
        let model: String = model.chars().take(120).collect();
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        Self::invalid(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
    }

    /// 404: a model that is not served any more.
    pub fn retired_model(model: &str, lifecycle: &Lifecycle) -> Self {
        let retired = match lifecycle.retired_at_ms {
            Some(at_ms) => format!("was retired on {}", date::show(at_ms)),
            None => "is not served".to_owned(),
        };
        let instead = match &lifecycle.successor {
            Some(successor) => format!(" Use `{successor}` instead."),
            None => String::new(),
        };
        let message = format!("The model `{model}` {retired}.{instead}");
        Self::invalid(StatusCode::NOT_FOUND, "model_not_available", message).param("model")
    }

    /// 404: no settled exchange of the account has this id.
    pub fn unknown_generation(id: &str) -> Self {
        let id: String = id.chars().take(120).collect();
        let message = format!(
            "The generation `{id}` does not exist, has not ended, or ended without a charge."
        );
        Self::invalid(StatusCode::NOT_FOUND, "generation_not_found", message).param("id")
    }

    /// 404: what the request needs and what its client wishes leave no provider, or 400: it is too
    /// long for all of them.
    pub fn no_provider_fits(unfit: &[(&str, Unfit)]) -> Self {
        let reasons: Vec<String> =
            unfit.iter().map(|(provider, unfit)| format!("{provider} ({unfit})")).collect();
        let reasons = reasons.join(", ");
        let message = format!("No provider of this model fits the request: {reasons}.");
        if unfit.iter().all(|(_, unfit)| matches!(unfit, Unfit::Context(_))) {
            return Self::bad_request("context_length_exceeded", message).param("messages");
        }
        Self::invalid(StatusCode::NOT_FOUND, "no_provider_fits", message)
    }

    /// 408: the body did not arrive in time.
    pub fn body_timeout() -> Self {
        let message = "The request body did not arrive in time.";
        Self::invalid(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// 413: the body is larger than allowed.
    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes.");
        Self::invalid(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
    }

    /// 415: a body encoding we do not decode.
    pub fn unsupported_encoding() -> Self {
        let message = "Send the body without `content-encoding`.";
        Self::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message)
    }

    /// 500: a fault of ours.
    pub fn internal() -> Self {
        let message = "The gateway failed to handle the request. It was not charged.";
        Self::server(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
    }

    /// 503: too much at once.
    pub fn overloaded() -> Self {
        let message = "The gateway is handling as many requests as it may. Try again shortly.";
        Self::server(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
            .retry_after(Duration::from_secs(1))
    }

    /// 503: stopping, or the store is lost.
    pub fn unavailable() -> Self {
        let message = "The gateway is not taking requests at the moment.";
        Self::server(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .retry_after(Duration::from_secs(1))
    }

    /// 503: the configuration lacks the account's plan, and so its prices.
    pub fn plan_missing() -> Self {
        let message = "The plan of this account is not set up at the gateway: only free models are \
                       open to it. Ask the gateway's operator.";
        Self::server(StatusCode::SERVICE_UNAVAILABLE, "plan_unavailable", message)
            .retry_after(Duration::from_secs(30))
    }

    /// 503: no provider can take the request now.
    pub fn no_provider(retry_after: Option<Duration>) -> Self {
        let message = "No provider of this model can take the request at the moment.";
        Self::server(StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable", message)
            .retry_after(retry_after.unwrap_or(Duration::from_secs(2)))
    }

    /// 502: every provider that was tried failed.
    pub fn provider_failed() -> Self {
        let message = "Every provider of this model that was tried failed to answer.";
        Self::server(StatusCode::BAD_GATEWAY, "provider_error", message)
    }

    /// 504: every provider that was tried was too slow.
    pub fn provider_timeout() -> Self {
        let message = "No provider of this model answered in time.";
        Self::server(StatusCode::GATEWAY_TIMEOUT, "provider_timeout", message)
    }

    /// 504: the client wants only an answer that was given before, and there is none.
    pub fn not_cached() -> Self {
        let message = "There is no kept answer to this request, and `cache-control: only-if-cached` \
                       asks for no other.";
        let error = Self::server(StatusCode::GATEWAY_TIMEOUT, "not_cached", message);
        Self { final_answer: true, ..error }
    }

    /// Inside a stream that follows another's: it has become longer than what may be shared.
    pub fn too_long_to_share() -> Self {
        let message = "The answer was shared with another request and has become too long for that. \
                       Ask again, with `cache-control: no-store`.";
        Self::server(StatusCode::BAD_GATEWAY, "answer_too_long_to_share", message)
    }

    /// 429: every provider that was tried limits our rate.
    pub fn provider_rate_limited(retry_after: Option<Duration>) -> Self {
        let message = "Every provider of this model is at its rate limit.";
        let error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "provider_rate_limited",
            message,
        );
        error.retry_after(retry_after.unwrap_or(Duration::from_secs(2)))
    }

    /// 403: neither account nor key allow it.
    fn forbidden(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", code, message)
    }

    /// 429: a limit of the account's or the key's.
    fn rate_limited(message: String, retry_after: Option<Duration>) -> Self {
        let (status, kind) = (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error");
        let error = Self::new(status, kind, "rate_limit_exceeded", message);
        match retry_after {
            Some(after) => error.retry_after(after),
            None => Self { final_answer: true, ..error },
        }
    }

    /// 429: too many tokens a minute, or in one request.
    fn token_rate(of: &str, limit: u64, retry_after: Option<Duration>) -> Self {
        let message = match retry_after {
            Some(_) => format!("Rate limit reached: {limit} tokens per minute{of}."),
            None => {
                format!("This request alone is above the limit of {limit} tokens per minute{of}.")
            }
        };
        // Where the request alone is too large, nothing has to come back first.
        let tokens = retry_after.map(|reset| Remaining { limit, remaining: 0, reset });
        Self::rate_limited(message, retry_after).rate(RateStatus { requests: None, tokens })
    }

    /// 402: the account's credit, or a budget, does not do.
    fn unpaid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", code, message)
    }

    /// 403: the account may not do this, for a reason of a class.
    fn barred(code: &'static str, status: &str, class: ReasonClass) -> Self {
        let reason = match class {
            ReasonClass::Other => String::new(),
            class => format!(" (reason: {})", class.as_str()),
        };
        let message = format!("This account is {status}{reason}.");
        Self::new(StatusCode::FORBIDDEN, "permission_error", code, message)
    }

    /// What is said inside a stream that ends before its answer does, where no denial says why.
    pub fn cut_short(end: End) -> Self {
        match end {
            End::TimedOut => Self::server(
                StatusCode::GATEWAY_TIMEOUT,
                "stream_timeout",
                "The provider stopped sending before the answer was complete.",
            ),
            End::GatewayStopping => Self::server(
                StatusCode::SERVICE_UNAVAILABLE,
                "gateway_stopping",
                "The gateway stopped before the answer was complete.",
            ),
            End::OutOfCredit => Self::unpaid(
                "insufficient_credit",
                "The credit or the budget left does not cover more of this answer.",
            ),
            _ => Self::server(
                StatusCode::BAD_GATEWAY,
                "stream_interrupted",
                "The provider's answer broke off before it was complete.",
            ),
        }
    }
}
