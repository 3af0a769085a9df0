//! What a provider says is left of its own rate limits. Pure.
//!
//! Providers limit by account and model, which is to us: by credential and deployment. What is told of
//! a deployment is the best of its credentials that can be used now, because one whose limit is reached
//! cools and the others carry on.

use std::time::Duration;

use super::credential::CredentialId;

/// A full window, in thousandths.
const FULL: u16 = 1000;
/// A limit of which the provider does not say when it is full again is taken for one by the minute.
const RESET_UNKNOWN: Duration = Duration::from_mins(1);

/// What an answer's headers said about its provider's rate limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens; where input and output are counted apart, the scarcer of the two.
    pub tokens: Option<Allowance>,
}

/// One rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// All of it.
    pub limit: Option<u64>,
    /// What is left.
    pub remaining: u64,
    /// When it is full again, from the answer on.
    pub reset: Option<Duration>,
}

/// How a limit fills up: evenly, as the token buckets of the large providers do. Of one that fills at
/// a stroke too much is expected until then, which the next answer puts right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refill {
    /// From then on it is full.
    pub full_at: Duration,
    /// How long it takes from empty to full.
    pub whole: Duration,
}

/// What is known of a deployment's limits, by credential.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas(Vec<Heard>);

#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) credential: CredentialId,
    pub(super) requests: Option<Reading>,
    pub(super) tokens: Option<Reading>,
}

/// What was said, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) allowance: Allowance,
    pub(super) at: Duration,
}

impl Quota {
    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none()
    }
}

impl Allowance {
    /// What is left, in thousandths of the limit; without a limit, all or nothing.
    pub fn left_permille(self) -> u16 {
        let limit = match self.limit {
            Some(limit) => u128::from(limit),
            None => u128::from(self.remaining),
        };
        let left = (u128::from(self.remaining) * u128::from(FULL)).checked_div(limit).unwrap_or(0);
        u16::try_from(left).unwrap_or(FULL).min(FULL)
    }
}

impl Refill {
    /// How an allowance that was told at `at` fills up.
    pub fn of(allowance: Allowance, at: Duration) -> Self {
        let missing = FULL - allowance.left_permille();
        let reset = allowance.reset.unwrap_or(RESET_UNKNOWN);
        if missing == 0 || reset.is_zero() {
            return Self::default();
        }
        let whole = reset.saturating_mul(u32::from(FULL)) / u32::from(missing);
        Self { full_at: at.saturating_add(reset), whole }
    }

    /// What is left of it, in thousandths.
    pub fn permille(self, now: Duration) -> u16 {
        let wait = self.full_at.saturating_sub(now).as_micros();
        if wait == 0 {
            return FULL;
        }
        let missing = (wait * u128::from(FULL)).checked_div(self.whole.as_micros());
        let missing = missing.and_then(|missing| u16::try_from(missing).ok()).unwrap_or(FULL);
        FULL.saturating_sub(missing)
    }
}

impl Quotas {
    /// Notes what an answer to this credential said. What it did not speak of stays as it was.
    pub(super) fn hear(&mut self, now: Duration, credential: CredentialId, quota: Quota) {
        let place = self.0.iter().position(|heard| heard.credential == credential);
        let place = place.unwrap_or_else(|| {
            self.0.push(Heard { credential, requests: None, tokens: None });
            self.0.len() - 1
        });
        let Some(heard) = self.0.get_mut(place) else { return };
        let reading = |allowance| Reading { allowance, at: now };
        heard.requests = quota.requests.map(reading).or(heard.requests);
        heard.tokens = quota.tokens.map(reading).or(heard.tokens);
    }

    /// Forgets the credentials that are gone.
    pub(super) fn retain(&mut self, is_known: impl Fn(CredentialId) -> bool) {
        self.0.retain(|heard| is_known(heard.credential));
    }

    /// The limits, requests and tokens, of the one among `credentials` that has most left; full if
    /// there is one that nothing is known of, or none at all.
    pub(super) fn best(
        &self,
        now: Duration,
        credentials: impl Iterator<Item = CredentialId>,
    ) -> [Refill; 2] {
        let left = |limits: &[Refill; 2]| limits.map(|limit| limit.permille(now)).into_iter().min();
        credentials.map(|id| self.limits(id)).max_by_key(left).unwrap_or_default()
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is known.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Heard> {
        self.0.iter()
    }

    fn limits(&self, credential: CredentialId) -> [Refill; 2] {
        let Some(heard) = self.0.iter().find(|heard| heard.credential == credential) else {
            return [Refill::default(); 2];
        };
        [heard.requests, heard.tokens].map(|reading| {
            reading.map(|reading| Refill::of(reading.allowance, reading.at)).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn allowance(limit: u64, remaining: u64, reset_ms: u64) -> Allowance {
        Allowance { limit: Some(limit), remaining, reset: Some(ms(reset_ms)) }
    }

    #[test]
    fn a_limit_fills_evenly_until_it_is_full() {
        let refill = Refill::of(allowance(200, 50, 30_000), ms(1_000));
        let left = [0, 1_000, 11_000, 30_999, 31_000, 90_000].map(|at| refill.permille(ms(at)));
        assert_eq!(left, [225, 250, 500, 1000, 1000, 1000]);
    }

    #[test]
    fn what_is_not_said_is_taken_for_a_limit_by_the_minute_and_for_all_or_nothing() {
        let spent = Allowance { limit: None, remaining: 0, reset: None };
        assert_eq!(spent.left_permille(), 0);
        assert_eq!(Refill::of(spent, ms(0)).permille(ms(15_000)), 250);
        let some = Allowance { limit: None, remaining: 3, reset: None };
        assert_eq!(Refill::of(some, ms(0)).permille(ms(0)), 1000);
        assert_eq!(Refill::of(allowance(0, 0, 0), ms(0)).permille(ms(0)), 1000);
    }

    #[test]
    fn an_answer_that_speaks_of_requests_leaves_what_is_known_of_tokens() {
        let id = credentials(1).remove(0);
        let mut quotas = Quotas::default();
        let tokens = Some(allowance(100, 10, 60_000));
        quotas.hear(ms(0), id, Quota { tokens, ..Quota::default() });
        let requests = Some(allowance(100, 90, 60_000));
        quotas.hear(ms(0), id, Quota { requests, ..Quota::default() });
        let left = quotas.best(ms(0), [id].into_iter()).map(|limit| limit.permille(ms(0)));
        assert_eq!(left, [900, 100]);
    }

    #[test]
    fn the_credential_with_most_left_counts_and_one_unheard_of_is_full() {
        let ids = credentials(3);
        let mut quotas = Quotas::default();
        let requests = |left| Quota { requests: Some(allowance(100, left, 60_000)), tokens: None };
        quotas.hear(ms(0), ids[0], requests(20));
        quotas.hear(ms(0), ids[1], requests(70));
        let left = |ids: &[CredentialId]| {
            quotas.best(ms(0), ids.iter().copied()).map(|limit| limit.permille(ms(0)))[0]
        };
        assert_eq!(left(&ids[..2]), 700);
        assert_eq!(left(&ids[..1]), 200);
        assert_eq!(left(&ids), 1000);
        assert_eq!(left(&[]), 1000);
    }

    fn credentials(count: usize) -> Vec<CredentialId> {
        let secrets: Vec<_> =
            (0..count).map(|number| crate::provider::Secret::new(format!("sk-{number}"))).collect();
        let pool = super::super::credential::CredentialPool::new(
            crate::provider::settings::CoolingSettings::default(),
            &secrets,
        );
        pool.iter().map(|credential| credential.id).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn it_starts_at_what_was_said_never_falls_and_is_full_at_the_reset(
            limit in 0_u64..100_000, remaining in 0_u64..100_000, reset_ms in 1_u64..100_000,
            mut at in prop::collection::vec(0_u64..120_000, 1..20),
        ) {
            let told = allowance(limit, remaining, reset_ms);
            let refill = Refill::of(told, ms(7));
            let start = refill.permille(ms(7));
            prop_assert!(start.abs_diff(told.left_permille()) <= 1);
            at.sort_unstable();
            let mut before = start;
            for at in at {
                let left = refill.permille(ms(7 + at));
                prop_assert!(left >= before && left <= FULL);
                prop_assert!(at < reset_ms || left == FULL);
                before = left;
            }
        }

        #[test]
        fn no_input_overflows(
            limit in any::<Option<u64>>(), remaining in any::<u64>(),
            reset in any::<Option<u64>>(), at in any::<u64>(), now in any::<u64>(),
        ) {
            let reset = reset.map(Duration::from_secs);
            let refill = Refill::of(Allowance { limit, remaining, reset }, Duration::from_secs(at));
            prop_assert!(refill.permille(Duration::from_secs(now)) <= FULL);
        }
    }
}
