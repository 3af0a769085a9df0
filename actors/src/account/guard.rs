//! Whether a key is used as it never was: what a secret looks like that somebody else has got hold of. Pure.
//!
//! What is usual of a key is the fold of its settlements since the guard began to look at it, so that it
//! outlives a sleep and a restart, and neither of them restricts a key. It is judged only behind a
//! settlement, and only when it was looked at for long enough. Of one key no more is kept than
//! [`NETWORKS_MAX`] networks and seven numbers.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::NanoUsd;

/// How many networks are remembered of a key. One that comes from more while it is being learned comes
/// from everywhere, and is not judged by them.
const NETWORKS_MAX: usize = 64;
const DAYS: usize = 7;
const HOUR_MS: u64 = 3_600_000;
const HOURS_IN_DAY: u64 = 24;

/// When a key's use is so unusual that it is restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardRules {
    /// How long a key is looked at before it is judged.
    pub learning: Duration,
    /// How many networks new to a key may use it within `networks_within`. `None`: any number.
    pub networks_new_max: Option<u32>,
    /// See there.
    pub networks_within: Duration,
    /// How many times what it spent in its dearest hour of the last week a key may spend in an hour.
    /// `None`: any amount.
    pub spend_factor: Option<u32>,
    /// What every key may spend in an hour.
    pub spend_floor: NanoUsd,
}

/// What is unusual of a key. Variants are only ever added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// Many networks that are new to it.
    Networks {
        /// How many.
        new: u32,
    },
    /// It spends much more than ever.
    Spend {
        /// In this hour.
        spent: NanoUsd,
        /// In the dearest hour of the last week.
        usual: NanoUsd,
    },
}

/// What is usual of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Habits {
    began_at_ms: u64,
    networks: Vec<Seen>,
    /// It came from more networks than are remembered.
    roams: bool,
    /// The hour of its last settlement, counted from 1970, and what it has spent in it.
    hour: u64,
    spent: NanoUsd,
    /// What it spent in the dearest hour of each of the last days, the present hour left out: of day
    /// `n` since 1970 at `n % 7`.
    dearest: [NanoUsd; DAYS],
}

/// A network: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    network: u64,
    first_ms: u64,
    last_ms: u64,
}

impl Habits {
    /// Of a key that is looked at from here on.
    pub(super) fn new(at_ms: u64) -> Self {
        Self {
            began_at_ms: at_ms,
            networks: Vec::new(),
            roams: false,
            hour: at_ms / HOUR_MS,
            spent: NanoUsd::ZERO,
            dearest: [NanoUsd::ZERO; DAYS],
        }
    }

    /// Takes in a settlement.
    pub(super) fn settled(&mut self, charged: NanoUsd, client: Option<IpAddr>, at_ms: u64) {
        self.turn_to(at_ms / HOUR_MS);
        self.spent = self.spent.saturating_add(charged);
        if let Some(client) = client {
            self.seen(network(client), at_ms);
        }
    }

    /// All that it was used for until now is usual.
    pub(super) fn excuse(&mut self) {
        self.file();
        self.forget_news();
    }

    /// What it spent in this hour was not its own, and no network is new any more.
    pub(super) fn disown(&mut self) {
        self.spent = NanoUsd::ZERO;
        self.forget_news();
    }

    /// What is unusual at this moment.
    pub(super) fn suspicion(&self, rules: &GuardRules, now_ms: u64) -> Option<Suspicion> {
        let learned_at_ms = self.began_at_ms.saturating_add(millis(rules.learning));
        if now_ms < learned_at_ms {
            return None;
        }
        let since_ms = now_ms.saturating_sub(millis(rules.networks_within)).max(learned_at_ms);
        if let Some(most) = rules.networks_new_max.filter(|_| !self.roams) {
            let is_new = |seen: &&Seen| seen.first_ms >= since_ms;
            let new = self.networks.iter().filter(is_new).count();
            let new = u32::try_from(new).unwrap_or(u32::MAX);
            if new > most {
                return Some(Suspicion::Networks { new });
            }
        }
        let factor = rules.spend_factor?;
        let (spent, usual) = (self.spent_in(now_ms / HOUR_MS), self.usual());
        let most = i128::from(usual.nano()).saturating_mul(factor.into());
        let is_much = spent > rules.spend_floor && i128::from(spent.nano()) > most;
        is_much.then_some(Suspicion::Spend { spent, usual })
    }

    fn spent_in(&self, hour: u64) -> NanoUsd {
        if hour == self.hour { self.spent } else { NanoUsd::ZERO }
    }

    fn usual(&self) -> NanoUsd {
        self.dearest.iter().copied().max().unwrap_or(NanoUsd::ZERO)
    }

    /// Ends the present hour, unless `hour` is that, or one before it: a clock may be set back.
    fn turn_to(&mut self, hour: u64) {
        if hour <= self.hour {
            return;
        }
        self.file();
        let days = (hour / HOURS_IN_DAY).saturating_sub(self.hour / HOURS_IN_DAY);
        // Days behind the last one, in the places of those that are a week ago.
        for day in 1..=days.min(DAYS as u64) {
            if let Some(dearest) = self.dearest.get_mut(place(self.hour / HOURS_IN_DAY + day)) {
                *dearest = NanoUsd::ZERO;
            }
        }
        self.hour = hour;
    }

    /// What was spent in the present hour is a part of what is usual.
    fn file(&mut self) {
        let spent = std::mem::replace(&mut self.spent, NanoUsd::ZERO);
        if let Some(dearest) = self.dearest.get_mut(place(self.hour / HOURS_IN_DAY)) {
            *dearest = spent.max(*dearest);
        }
    }

    fn seen(&mut self, network: u64, at_ms: u64) {
        if let Some(known) = self.networks.iter_mut().find(|known| known.network == network) {
            known.last_ms = known.last_ms.max(at_ms);
            return;
        }
        let seen = Seen { network, first_ms: at_ms, last_ms: at_ms };
        if self.networks.len() < NETWORKS_MAX {
            self.networks.push(seen);
            return;
        }
        self.roams = true;
        if let Some(oldest) = self.networks.iter_mut().min_by_key(|known| known.last_ms) {
            *oldest = seen;
        }
    }

    fn forget_news(&mut self) {
        for seen in &mut self.networks {
            seen.first_ms = 0;
        }
    }
}

fn place(day: u64) -> usize {
    usize::try_from(day % DAYS as u64).unwrap_or(0)
}

fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        // The upper bit keeps the two kinds apart.
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 80).unwrap_or(u64::MAX) | 1 << 63,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_MS: u64 = 24 * HOUR_MS;
    const START_MS: u64 = 20_000 * DAY_MS;

    fn rules() -> GuardRules {
        GuardRules {
            learning: Duration::from_hours(24),
            networks_new_max: Some(3),
            networks_within: Duration::from_hours(1),
            spend_factor: Some(5),
            spend_floor: nano(100),
        }
    }

    fn nano(nano: i64) -> NanoUsd {
        NanoUsd::from_nano(nano)
    }

    fn v4(network: u8) -> IpAddr {
        IpAddr::from([10, 0, network, 7])
    }

    #[test]
    fn a_key_is_learned_before_it_is_judged() {
        let mut habits = Habits::new(START_MS);
        for network in 0..20 {
            habits.settled(nano(1_000_000), Some(v4(network)), START_MS + 1);
        }
        assert_eq!(habits.suspicion(&rules(), START_MS + DAY_MS - 1), None);
        // What it did then is what is usual of it.
        assert_eq!(habits.suspicion(&rules(), START_MS + DAY_MS), None);
    }

    #[test]
    fn more_new_networks_than_may_be_are_suspicious_until_they_are_excused() {
        let mut habits = Habits::new(START_MS);
        habits.settled(nano(1), Some(v4(0)), START_MS);
        let at = START_MS + 2 * DAY_MS;
        for network in [1, 2, 3, 0, 3] {
            habits.settled(nano(1), Some(v4(network)), at);
            assert_eq!(habits.suspicion(&rules(), at), None);
        }
        // The same network as 3, another address.
        habits.settled(nano(1), Some(IpAddr::from([10, 0, 3, 200])), at);
        assert_eq!(habits.suspicion(&rules(), at), None);
        habits.settled(nano(1), Some("2001:db8::1".parse().unwrap()), at);
        assert_eq!(habits.suspicion(&rules(), at), Some(Suspicion::Networks { new: 4 }));
        // An hour later they are not new any more.
        assert_eq!(habits.suspicion(&rules(), at + HOUR_MS + 1), None);
        habits.excuse();
        assert_eq!(habits.suspicion(&rules(), at), None);
    }

    #[test]
    fn spending_many_times_the_dearest_hour_of_a_week_is_suspicious_above_the_floor() {
        let mut habits = Habits::new(START_MS);
        habits.settled(nano(60), None, START_MS);
        let at = START_MS + 3 * DAY_MS;
        habits.settled(nano(300), None, at);
        assert_eq!(habits.suspicion(&rules(), at), None, "five times is not more than that");
        habits.settled(nano(1), None, at);
        let found = Suspicion::Spend { spent: nano(301), usual: nano(60) };
        assert_eq!(habits.suspicion(&rules(), at), Some(found));
        assert_eq!(habits.suspicion(&rules(), at + HOUR_MS), None, "another hour");
        habits.settled(nano(1_400), None, at + HOUR_MS);
        assert_eq!(habits.suspicion(&rules(), at + HOUR_MS), None, "301 is usual now");
        let mut small = Habits::new(START_MS);
        small.settled(nano(100), None, at);
        assert_eq!(small.suspicion(&rules(), at), None, "a small key");
        small.settled(nano(1), None, at);
        assert!(small.suspicion(&rules(), at).is_some());
    }

    #[test]
    fn what_somebody_else_spent_is_not_usual() {
        let (mut habits, at) = (Habits::new(START_MS), START_MS + 2 * DAY_MS);
        habits.settled(nano(50), None, START_MS);
        habits.settled(nano(9_000), None, at);
        habits.disown();
        assert_eq!(habits.suspicion(&rules(), at), None);
        habits.settled(nano(251), None, at + HOUR_MS);
        assert!(habits.suspicion(&rules(), at + HOUR_MS).is_some());
    }

    #[test]
    fn a_rule_that_is_left_out_restricts_nobody() {
        let none = GuardRules { networks_new_max: None, spend_factor: None, ..rules() };
        let (mut habits, at) = (Habits::new(START_MS), START_MS + 2 * DAY_MS);
        for network in 0..60 {
            habits.settled(nano(1_000_000), Some(v4(network)), at);
        }
        assert_eq!(habits.suspicion(&none, at), None);
        assert!(habits.suspicion(&rules(), at).is_some());
    }

    /// The definition, with all settlements at hand.
    fn usual_slowly(settled: &[(u64, i64)], hour: u64) -> i64 {
        let day = hour / HOURS_IN_DAY;
        let sum = |of: u64| {
            let here = settled.iter().filter(|(at_ms, _)| at_ms / HOUR_MS == of);
            here.map(|(_, nano)| nano).sum::<i64>()
        };
        let first = day.saturating_sub(DAYS as u64 - 1) * HOURS_IN_DAY;
        (first..hour).map(sum).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn what_is_usual_is_the_dearest_hour_of_the_last_seven_days(
            steps in prop::collection::vec((0..3 * DAY_MS, 0..1_000_i64), 1..40),
            short in any::<bool>(),
        ) {
            let (mut habits, mut settled, mut at_ms) = (Habits::new(START_MS), Vec::new(), START_MS);
            for (pause_ms, amount) in steps {
                at_ms += if short { pause_ms / 100 } else { pause_ms };
                habits.settled(nano(amount), None, at_ms);
                settled.push((at_ms, amount));
                let usual = usual_slowly(&settled, at_ms / HOUR_MS);
                prop_assert_eq!(habits.usual(), nano(usual));
            }
        }

        #[test]
        fn memory_is_bounded_and_a_key_from_everywhere_is_not_judged_by_its_networks(
            clients in prop::collection::vec(any::<u32>(), 70..200),
        ) {
            let mut habits = Habits::new(START_MS);
            let mut known = std::collections::HashSet::new();
            for client in clients {
                habits.settled(nano(0), Some(IpAddr::from(client.to_be_bytes())), START_MS);
                known.insert(client >> 8);
            }
            prop_assert!(habits.networks.len() <= NETWORKS_MAX);
            prop_assert_eq!(habits.roams, known.len() > NETWORKS_MAX);
        }
    }
}
