//! What has been tried in an exchange so far, and what follows from it. Pure.

use std::time::Duration;

use infergate_actors::account::{Attempt, AttemptOutcome, End};
use infergate_actors::provider::Refusal;
use smallvec::SmallVec;

use super::errand::Spot;
use super::told::trail;
use crate::error::ApiError;

/// The first pause between two rounds; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause of our own choosing.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long the outcome of another exchange's probe is waited for at a time.
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// What has been tried.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) attempts: SmallVec<[Attempt; 1]>,
    /// Those that have been asked.
    pub(super) tried: SmallVec<[Spot; 4]>,
    /// Those that were silent: asked again they would only be waited for again.
    pub(super) silent: SmallVec<[Spot; 2]>,
    /// Those whose stream broke off.
    pub(super) broke: SmallVec<[Spot; 2]>,
    /// Those that do not take an answer's beginning after all.
    pub(super) no_prefill: SmallVec<[Spot; 2]>,
    /// Whom to ask once more is no retry: another credential is used, or another way to ask.
    pub(super) free: Option<Spot>,
    /// Someone who was to repeat what was said has said something else.
    pub(super) has_diverged: bool,
    /// The request is too long for models of so many tokens.
    pub(super) too_long_for: Option<u64>,
    /// What a provider said that another might have served, for the client when none did.
    pub(super) verdict: Option<Box<ApiError>>,
    /// The soonest that anyone may be worth another try, as far as this round knows.
    pub(super) retry_after: Option<Duration>,
}

/// An exchange that nobody answers.
pub(super) struct Lost {
    pub(super) error: Box<ApiError>,
    pub(super) end: End,
}

impl Tally {
    /// A provider did not let the request through.
    pub(super) fn refused(&mut self, refusal: Refusal, now: Duration) {
        let after = match refusal {
            // How long a probe takes is not known.
            Refusal::ProbeRunning => Some(PROBE_PAUSE),
            refusal => refusal.retry_after(now),
        };
        if let Some(after) = after {
            self.worth_trying_after(after);
        }
    }

    /// Someone may be worth another try after so long.
    pub(super) fn worth_trying_after(&mut self, after: Duration) {
        self.retry_after = Some(self.retry_after.map_or(after, |soonest| soonest.min(after)));
    }

    /// How long to wait before the next round: what was asked for, or a doubling time of which
    /// between half and all is waited, so that many clients do not come back at the same moment.
    pub(super) fn pause(&self, round: u32, dice: u64) -> Duration {
        let doubled = PAUSE_FIRST.saturating_mul(1 << round.min(6)).min(PAUSE_MAX);
        let half = doubled / 2;
        let part = u32::try_from(dice % 1_000).unwrap_or(0);
        let jittered = half + half * part / 1_000;
        self.retry_after.map_or(jittered, |after| after.max(jittered))
    }

    /// What the client is told, from what the attempts came to.
    pub(super) fn lost(&mut self) -> Lost {
        let (error, end) = match self.verdict.take() {
            Some(error) => (*error, End::Rejected),
            None => self.failed(),
        };
        self.lost_with(error, end)
    }

    /// The client is told this, and what was tried.
    pub(super) fn lost_with(&self, error: ApiError, end: End) -> Lost {
        let error = match &*self.attempts {
            [] => error,
            attempts => error.trail(trail(attempts)),
        };
        Lost { error: Box::new(error), end }
    }

    fn failed(&self) -> (ApiError, End) {
        let all = |what: fn(&AttemptOutcome) -> bool| {
            !self.attempts.is_empty() && self.attempts.iter().all(|try_| what(&try_.outcome))
        };
        let is_timeout = |outcome: &AttemptOutcome| {
            matches!(
                outcome,
                AttemptOutcome::HeadTimeout
                    | AttemptOutcome::ContentTimeout
                    | AttemptOutcome::IdleTimeout
                    | AttemptOutcome::DeadlinePassed
            )
        };
        if self.attempts.is_empty() {
            (ApiError::no_provider(self.retry_after), End::ProviderError)
        } else if all(|outcome| *outcome == AttemptOutcome::RateLimited) {
            (ApiError::provider_rate_limited(self.retry_after), End::ProviderError)
        } else if all(is_timeout) {
            (ApiError::provider_timeout(), End::TimedOut)
        } else {
            (ApiError::provider_failed(), End::ProviderError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_pause_doubles_and_is_drawn_from_its_upper_half() {
        let tally = Tally::default();
        for (round, least, most) in [(0, 50, 100), (1, 100, 200), (3, 400, 800), (60, 2_500, 5_000)]
        {
            assert_eq!(tally.pause(round, 0), ms(least));
            assert!(tally.pause(round, 999) >= ms(most - most / 100));
            assert!(tally.pause(round, 999) < ms(most));
        }
    }

    #[test]
    fn what_a_provider_asks_for_is_waited_for() {
        let mut tally = Tally::default();
        tally.worth_trying_after(ms(9_000));
        tally.worth_trying_after(ms(2_000));
        assert_eq!(tally.pause(0, 7), ms(2_000));
        tally.worth_trying_after(ms(1));
        assert!(tally.pause(0, 7) >= ms(50));
    }
}
