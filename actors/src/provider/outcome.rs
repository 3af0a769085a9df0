//! What a request to a provider came to, and why one was not let through. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A deployment's place in its provider. A name keeps its place as long as the process runs, also over
/// reconfigurations and restarts of the actor; a place is never given to another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentIndex(pub u16);

/// Whether an operator lets requests through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In use.
    #[default]
    Open,
    /// Out of use; nobody need wait for what is under way.
    Closed,
    /// Nothing new; what is under way is to end by itself.
    Draining,
}

/// What one request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer.
    Answered {
        /// From sending the request to the first content, where that tells how soon the provider begins:
        /// not of an answer that came as a whole, nor of one that had to repeat another first.
        first_content: Option<Duration>,
        /// From sending the request to the end.
        total: Duration,
        /// Tokens used, prompt and completion.
        tokens: u64,
        /// Those of the completion.
        output_tokens: u64,
    },
    /// The provider failed.
    Fault {
        /// How.
        kind: FaultKind,
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// 429: the provider limits this credential's rate.
    RateLimited {
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// 401 or 403: the provider does not take this credential.
    CredentialRejected {
        /// The status.
        status: u16,
    },
    /// 402: the account behind this credential is empty.
    CreditExhausted,
    /// The request is wrong, in the provider's judgement: a sign of life.
    ClientFault {
        /// The status.
        status: u16,
    },
    /// A health probe was answered well: a sign of life, and nothing to measure by.
    Alive,
    /// Cancelled because another attempt answered first: no verdict, but not fast either.
    Outrun {
        /// From sending the request on: nothing had come within that time.
        waited: Duration,
    },
    /// The client left or the task was cancelled: no verdict.
    Lost,
}

/// How a provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No connection.
    ConnectFailed,
    /// No head in time.
    HeadTimeout,
    /// No content in time.
    ContentTimeout,
    /// Content, then nothing for too long.
    IdleTimeout,
    /// This server error status.
    ServerError(u16),
    /// An answer that is not one: an error event, an empty or garbled body.
    BadAnswer,
    /// The connection broke before the end of the answer.
    Cut,
}

/// Why a request was not let through. Times are monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such deployment, or not any more.
    #[error("the provider has no such deployment")]
    Unknown,
    /// An operator closed the provider.
    #[error("the provider is closed")]
    Closed,
    /// An operator drains the provider.
    #[error("the provider is being drained")]
    Draining,
    /// Its breaker is shut.
    #[error("the deployment is shut after failures")]
    Shut {
        /// Until then.
        until: Duration,
    },
    /// It is being probed by one request.
    #[error("the deployment is being probed")]
    ProbeRunning,
    /// As many requests as allowed are under way.
    #[error("the provider has its maximum of requests in flight")]
    InFlight,
    /// Over the contracted requests per minute. `None`: the limit is zero.
    #[error("over the provider's requests per minute")]
    RequestRate {
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// Over the contracted tokens per minute.
    #[error("over the provider's tokens per minute")]
    TokenRate {
        /// When to try again.
        retry_after: Duration,
    },
    /// More tokens than the contracted limit lets through in any minute: no wait helps.
    #[error("the request is larger than the provider's tokens per minute")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// No credential can be used. `None`: all are disabled.
    #[error("the provider has no credential that can be used now")]
    NoCredential {
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The provider's actor is not running; it is being restarted.
    #[error("the provider's actor is being restarted")]
    Unavailable,
}

impl FaultKind {
    /// How many there are, statuses of server errors not told apart.
    pub(super) const COUNT: usize = 7;

    /// All labels, by [`FaultKind::number`].
    pub(super) const LABELS: [&'static str; Self::COUNT] = [
        "connect_failed",
        "head_timeout",
        "content_timeout",
        "idle_timeout",
        "server_error",
        "bad_answer",
        "cut",
    ];

    /// Its name in metrics and views.
    pub fn label(self) -> &'static str {
        Self::LABELS.get(self.number()).copied().unwrap_or_default()
    }

    /// The status, where it came with one.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::ServerError(status) => Some(status),
            Self::ConnectFailed
            | Self::HeadTimeout
            | Self::ContentTimeout
            | Self::IdleTimeout
            | Self::BadAnswer
            | Self::Cut => None,
        }
    }

    pub(super) fn number(self) -> usize {
        match self {
            Self::ConnectFailed => 0,
            Self::HeadTimeout => 1,
            Self::ContentTimeout => 2,
            Self::IdleTimeout => 3,
            Self::ServerError(_) => 4,
            Self::BadAnswer => 5,
            Self::Cut => 6,
        }
    }
}

impl Refusal {
    /// How many there are.
    pub(super) const COUNT: usize = 11;

    /// All labels, by [`Refusal::number`].
    pub(super) const LABELS: [&'static str; Self::COUNT] = [
        "unknown",
        "closed",
        "draining",
        "shut",
        "probe_running",
        "in_flight",
        "request_rate",
        "token_rate",
        "too_large",
        "no_credential",
        "unavailable",
    ];

    /// Its name in metrics and views.
    pub fn label(self) -> &'static str {
        Self::LABELS.get(self.number()).copied().unwrap_or_default()
    }

    /// When trying again may help, where that is known.
    pub fn retry_after(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Shut { until } => Some(until.saturating_sub(now)),
            Self::RequestRate { retry_after } | Self::NoCredential { retry_after } => retry_after,
            Self::TokenRate { retry_after } => Some(retry_after),
            Self::Unknown
            | Self::Closed
            | Self::Draining
            | Self::ProbeRunning
            | Self::InFlight
            | Self::TooLarge { .. }
            | Self::Unavailable => None,
        }
    }

    pub(super) fn number(self) -> usize {
        match self {
            Self::Unknown => 0,
            Self::Closed => 1,
            Self::Draining => 2,
            Self::Shut { .. } => 3,
            Self::ProbeRunning => 4,
            Self::InFlight => 5,
            Self::RequestRate { .. } => 6,
            Self::TokenRate { .. } => 7,
            Self::TooLarge { .. } => 8,
            Self::NoCredential { .. } => 9,
            Self::Unavailable => 10,
        }
    }
}
