//! How much more than was asked for a route may send: retries, or second attempts beside a slow first,
//! as a share of the requests that came lately. Pure.
//!
//! An outage makes every request a candidate for a retry, and a provider that is down because it has
//! too much to do is not helped by more. What is bounded here is the sum over all exchanges; each of
//! them has a bound of its own besides. After Finagle's retry budgets
//! (<https://twitter.github.io/finagle/guide/Clients.html#retries>).

use std::time::Duration;

const SLOTS: usize = 10;

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// In a hundred requests.
    pub percent: u32,
    /// However few requests there were.
    pub floor_per_second: u32,
    /// Which requests count as recent.
    pub window: Duration,
}

/// The requests of the last window, and what was spent on them.
#[derive(Clone, Debug)]
pub struct Budget {
    share: Share,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Which stretch of time it counts, from 1; 0 for none yet.
    number: u64,
    requests: u32,
    spent: u32,
}

impl Budget {
    /// Nothing asked and nothing spent.
    pub fn new(share: Share) -> Self {
        Self { share, slots: [Slot::default(); SLOTS] }
    }

    /// A request came.
    pub fn asked(&mut self, now: Duration) {
        let slot = self.slot(now);
        slot.requests = slot.requests.saturating_add(1);
    }

    /// Whether there is one to spend.
    pub fn is_left(&self, now: Duration) -> bool {
        self.spent(now) < self.allowed(now)
    }

    /// Spends one, if there is one to spend.
    pub fn spend(&mut self, now: Duration) -> bool {
        let allowed = self.is_left(now);
        if allowed {
            self.spend_anyway(now);
        }
        allowed
    }

    /// Spends one whether it is there or not.
    pub fn spend_anyway(&mut self, now: Duration) {
        let slot = self.slot(now);
        slot.spent = slot.spent.saturating_add(1);
    }

    fn allowed(&self, now: Duration) -> u64 {
        let requests: u64 = self.recent(now).map(|slot| u64::from(slot.requests)).sum();
        let floor = u64::from(self.share.floor_per_second)
            .saturating_mul(u64::try_from(self.share.window.as_millis()).unwrap_or(u64::MAX))
            / 1_000;
        (requests.saturating_mul(u64::from(self.share.percent)) / 100).max(floor)
    }

    fn spent(&self, now: Duration) -> u64 {
        self.recent(now).map(|slot| u64::from(slot.spent)).sum()
    }

    fn recent(&self, now: Duration) -> impl Iterator<Item = &Slot> {
        let newest = self.number(now);
        let oldest = newest.saturating_sub(SLOTS as u64 - 1).max(1);
        self.slots.iter().filter(move |slot| (oldest..=newest).contains(&slot.number))
    }

    fn number(&self, now: Duration) -> u64 {
        let length = (self.share.window.as_nanos() / SLOTS as u128).max(1);
        u64::try_from(now.as_nanos() / length).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    fn slot(&mut self, now: Duration) -> &mut Slot {
        let number = self.number(now);
        let place = usize::try_from(number % SLOTS as u64).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "a remainder of the number of slots")]
        let slot = &mut self.slots[place];
        // Two tasks may read the clock in one order and come here in the other.
        if slot.number < number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARE: Share =
        Share { percent: 20, floor_per_second: 1, window: Duration::from_secs(10) };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_share_of_the_requests_may_be_spent_and_a_floor_however_few_there_are() {
        let mut budget = Budget::new(SHARE);
        assert_eq!((0..20).filter(|_| budget.spend(at(0))).count(), 10);
        (0..100).for_each(|_| budget.asked(at(1)));
        assert_eq!((0..20).filter(|_| budget.spend(at(2))).count(), 10);
    }

    #[test]
    fn what_was_spent_long_ago_is_forgotten() {
        let mut budget = Budget::new(SHARE);
        (0..10).for_each(|_| assert!(budget.spend(at(500))));
        assert!(!budget.spend(at(9_900)));
        assert!(budget.spend(at(10_500)));
    }

    proptest! {
        #[test]
        fn no_window_spends_more_than_its_share(
            steps in prop::collection::vec((0_u64..400, prop::bool::ANY), 1..600),
        ) {
            let mut budget = Budget::new(SHARE);
            let (mut now, mut asked, mut spent) = (0, Vec::new(), Vec::new());
            for (pause, is_request) in steps {
                now += pause;
                if is_request {
                    budget.asked(at(now));
                    asked.push(now);
                } else if budget.spend(at(now)) {
                    spent.push(now);
                    let recent = |times: &[u64]| {
                        // A slot more on the side of the requests: the window moves in steps.
                        let from = now.saturating_sub(10_000);
                        times.iter().filter(|time| **time >= from).count()
                    };
                    let within = spent.iter().filter(|time| **time + 9_000 > now).count();
                    prop_assert!(within <= (recent(&asked) * 20 / 100).max(10));
                }
            }
        }
    }
}
