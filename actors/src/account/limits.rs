//! How much an account or a key may do in a minute and at one time. Not journaled: an actor
//! that starts has full buckets, so it falls asleep only when they are full. Pure.

use std::time::Duration;

use super::{Denial, Limits, RateStatus, Remaining, Scope};
use crate::limit::{RequestRate, TokenBucket, Wait};

/// The buckets of one account or one key.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    limits: Limits,
    requests: Option<RequestRate>,
    tokens: Option<TokenBucket>,
    in_flight: u32,
}

impl Limiter {
    /// Full buckets for `limits`, with `in_flight` requests under way.
    pub(super) fn new(limits: Limits, in_flight: u32, now: Duration) -> Self {
        let mut limiter = Self { in_flight, ..Self::default() };
        limiter.set(limits, now);
        limiter
    }

    /// Changes the limits; what is left in the buckets stays as far as it fits.
    pub(super) fn set(&mut self, limits: Limits, now: Duration) {
        match (&mut self.requests, limits.requests_per_minute) {
            (Some(rate), Some(limit)) => rate.resize(limit, now),
            (rate, limit) => *rate = limit.map(|limit| RequestRate::new(limit, now)),
        }
        match (&mut self.tokens, limits.tokens_per_minute) {
            (Some(bucket), Some(limit)) => bucket.resize(limit, now),
            (bucket, limit) => *bucket = limit.map(|limit| TokenBucket::new(limit, now)),
        }
        self.limits = limits;
    }

    /// Whether one more request of about `tokens` may begin. Changes nothing.
    pub(super) fn check(&self, scope: Scope, tokens: u64, now: Duration) -> Result<(), Denial> {
        if let Some(limit) = self.limits.in_flight
            && self.in_flight >= limit
        {
            return Err(Denial::InFlight { scope, limit: u64::from(limit) });
        }
        if let Some(bucket) = &self.tokens
            && let Err(wait) = bucket.peek(now, tokens)
        {
            let limit = bucket.capacity();
            return Err(Denial::TokenRate { scope, limit, retry_after: wait_time(wait) });
        }
        if let Some(rate) = &self.requests
            && let Err(wait) = rate.peek(now)
        {
            let retry_after = wait_time(wait).unwrap_or(Duration::MAX);
            return Err(Denial::RequestRate { scope, limit: u64::from(rate.limit()), retry_after });
        }
        Ok(())
    }

    /// Counts a request that [`Limiter::check`] let through.
    pub(super) fn begin(&mut self, tokens: u64, now: Duration) {
        self.in_flight = self.in_flight.saturating_add(1);
        if let Some(bucket) = &mut self.tokens {
            bucket.debit(now, tokens);
        }
        if let Some(rate) = &mut self.requests {
            // Checked a moment ago by the only one who takes; a refusal can't be.
            let _ = rate.check(now);
        }
    }

    /// Counts the end of a request that was begun with `estimate` and used `used` tokens.
    pub(super) fn end(&mut self, estimate: u64, used: u64, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(bucket) = &mut self.tokens {
            bucket.correct(now, estimate, used);
        }
    }

    /// What is left.
    pub(super) fn status(&self, now: Duration) -> RateStatus {
        RateStatus {
            requests: self.requests.as_ref().map(|rate| Remaining {
                limit: u64::from(rate.limit()),
                remaining: u64::from(rate.remaining(now)),
                reset: rate.full_after(now).unwrap_or_default(),
            }),
            tokens: self.tokens.as_ref().map(|bucket| Remaining {
                limit: bucket.capacity(),
                remaining: bucket.remaining(now),
                reset: bucket.full_after(now).unwrap_or_default(),
            }),
        }
    }

    /// Whether new buckets would be as full as these.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        let is_full = |after: Option<Duration>| after.is_none_or(|after| after.is_zero());
        self.requests.as_ref().is_none_or(|rate| is_full(rate.full_after(now)))
            && self.tokens.as_ref().is_none_or(|bucket| is_full(bucket.full_after(now)))
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }
}

impl RateStatus {
    /// Of each kind, the one with less left.
    pub(super) fn tightest(self, other: Self) -> Self {
        let tighter = |one: Option<Remaining>, other: Option<Remaining>| match (one, other) {
            (Some(one), Some(other)) if other.remaining < one.remaining => Some(other),
            (Some(one), _) => Some(one),
            (None, other) => other,
        };
        Self {
            requests: tighter(self.requests, other.requests),
            tokens: tighter(self.tokens, other.tokens),
        }
    }
}

fn wait_time(wait: Wait) -> Option<Duration> {
    match wait {
        Wait::After(time) => Some(time),
        Wait::Never => None,
    }
}
