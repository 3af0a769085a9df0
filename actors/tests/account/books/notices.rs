//! What is to be told of an account, each once: thresholds of budgets in each of their periods, balances
//! that it falls below, and top-ups, of which none is due while another is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use infergate_actors::account::{
    AutoTopUp, BudgetOwner, BudgetReached, Event, Period, Status, TopUp, TopUpEnd, WatchEvent,
    WatchSettings,
};
use infergate_actors::id::TopUpId;
use infergate_actors::ledger::Record;

use super::{Access, Budgets, Owner};

/// What stands for a request that was refused, among the percentages.
const REFUSED: u8 = 101;

/// What was told, and what has to be.
pub(crate) struct Notices {
    percent: Vec<u8>,
    low_balance: Vec<i64>,
    top_up: Option<AutoTopUp>,
    /// How often each budget has become another one.
    changes: HashMap<(Owner, Period), (i64, u32)>,
    /// Per budget as it was then: the period, by when it began, and the percentage.
    told: BTreeSet<(Owner, Period, u32, u64, u8)>,
    /// The same by its limit: one that comes back is the one that it was.
    told_of: BTreeSet<(Owner, Period, i64, u64, u8)>,
    /// Told, and not passed upwards since.
    low: BTreeSet<i64>,
    status: Status,
    pending: Option<TopUp>,
    /// Due and not failed, by the month they were due in.
    months: BTreeMap<u64, i64>,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            percent: vec![50, 80, 100],
            low_balance: Vec::new(),
            top_up: None,
            changes: HashMap::new(),
            told: BTreeSet::new(),
            told_of: BTreeSet::new(),
            low: BTreeSet::new(),
            status: Status::default(),
            pending: None,
            months: BTreeMap::new(),
        }
    }
}

impl Notices {
    /// Takes an event in, behind `budgets`; `balance` is what is left then.
    pub(crate) fn take(&mut self, record: &Record, budgets: &Budgets, balance: i64) {
        self.note_limits(budgets);
        match &record.event {
            Event::StatusSet(set) => self.status = set.status,
            Event::Watch(event) => self.told(event, record.at_ms, budgets, balance),
            _ => {}
        }
        self.low.retain(|threshold| balance < *threshold);
    }

    fn note_limits(&mut self, budgets: &Budgets) {
        for (owner, period, limit) in budgets.limits() {
            let (known, changes) = self.changes.entry((owner, period)).or_default();
            if *known != limit {
                (*known, *changes) = (limit, *changes + 1);
            }
        }
    }

    fn told(&mut self, event: &WatchEvent, at_ms: u64, budgets: &Budgets, balance: i64) {
        match event {
            WatchEvent::SettingsChanged { settings } => self.set(settings),
            WatchEvent::BudgetReached(reached) => self.reached(reached, at_ms, budgets),
            WatchEvent::BalanceLow { threshold, balance: told } => {
                assert_eq!(told.nano(), balance);
                let threshold = threshold.nano();
                assert!(balance < threshold && self.low_balance.contains(&threshold));
                assert!(self.low.insert(threshold), "{threshold} twice");
            }
            WatchEvent::TopUpDue(top_up) => self.due(top_up, at_ms, balance),
            WatchEvent::TopUpEnded { top_up, end } => self.ended(*top_up, end, at_ms),
            WatchEvent::WebhookSet { .. } | WatchEvent::WebhookRemoved { .. } => {}
        }
    }

    fn set(&mut self, settings: &WatchSettings) {
        self.percent.clone_from(&settings.budget_percent);
        self.low_balance = settings.low_balance.iter().map(|nano| nano.nano()).collect();
        self.low.retain(|threshold| self.low_balance.contains(threshold));
        self.top_up = settings.top_up;
    }

    fn reached(&mut self, it: &BudgetReached, at_ms: u64, budgets: &Budgets) {
        let owner = owner(it.whose);
        let (limit, spent) = (it.limit.nano(), it.spent.nano());
        let is_its = |budget: &_| *budget == (owner, it.period, limit);
        assert!(budgets.limits().any(|budget| is_its(&budget)), "{it:?} of no budget");
        assert_eq!(it.began_at_ms, it.period.began_at_ms(at_ms));
        assert_eq!(spent, budgets.spent(owner, it.period, at_ms));
        assert!(self.percent.contains(&it.percent), "nobody wants to hear of {it:?}");
        assert!(
            it.refused || spent * 100 >= limit * i64::from(it.percent),
            "{it:?} is not reached"
        );
        let (_, change) = self.changes[&(owner, it.period)];
        let percent = if it.refused { REFUSED } else { it.percent };
        let all = (owner, it.period, change, it.began_at_ms, 100);
        assert!(!it.refused || !self.told.contains(&all), "{it:?} behind all of it");
        let told = (owner, it.period, change, it.began_at_ms, percent);
        assert!(self.told.insert(told), "{told:?} twice");
        self.told_of.insert((owner, it.period, limit, it.began_at_ms, percent));
    }

    fn due(&mut self, top_up: &TopUp, at_ms: u64, balance: i64) {
        assert_eq!(self.pending, None, "one is due while another is");
        let auto = self.top_up.expect("a top-up that is asked for");
        assert!(balance < auto.threshold.nano() && top_up.balance.nano() == balance);
        assert!(!matches!(self.status, Status::Suspended | Status::Closed));
        assert_eq!((top_up.amount, top_up.due_at_ms), (auto.amount, at_ms));
        let month = self.months.entry(Period::Month.began_at_ms(at_ms)).or_default();
        *month += top_up.amount.nano();
        assert!(auto.month_max.is_none_or(|most| *month <= most.nano()), "the most in a month");
        self.pending = Some(*top_up);
    }

    fn ended(&mut self, top_up: TopUpId, end: &TopUpEnd, at_ms: u64) {
        let pending = self.pending.take().expect("one is due");
        assert_eq!(pending.id, top_up);
        match end {
            TopUpEnd::Lapsed => assert!(at_ms >= pending.lapses_at_ms, "lapsed before its time"),
            TopUpEnd::Failed { .. } => {
                let month = Period::Month.began_at_ms(pending.due_at_ms);
                *self.months.get_mut(&month).expect("its month") -= pending.amount.nano();
            }
            TopUpEnd::Paid { .. } => {}
        }
    }

    /// The top-up that is waited for.
    pub(crate) fn pending(&self) -> Option<TopUpId> {
        self.pending.map(|top_up| top_up.id)
    }

    /// Behind a settlement: nothing that these have reached is untold.
    pub(crate) fn check_reached(
        &self,
        owners: &[Owner],
        now_ms: u64,
        (budgets, access): (&Budgets, &Access),
    ) {
        // Of a key that does not work any more, nothing is told.
        let is_dead = |owner: &Owner| matches!(owner, Owner::Key(key) if access.is_revoked(*key));
        let all = budgets.limits().filter(|(owner, ..)| owners.contains(owner) && !is_dead(owner));
        for (owner, period, limit) in all.filter(|(.., limit)| *limit > 0) {
            let (spent, began) = (budgets.spent(owner, period, now_ms), period.began_at_ms(now_ms));
            let is_told = |least: u8| {
                let of = |percent| (owner, period, limit, began, percent);
                self.told_of.range(of(least)..of(REFUSED)).next().is_some()
            };
            for percent in &self.percent {
                let is_reached = spent * 100 >= limit * i64::from(*percent);
                // In a period without a charge there is nothing to tell of.
                assert!(
                    spent == 0 || !is_reached || is_told(*percent),
                    "untold: {owner:?} {percent}"
                );
            }
        }
    }

    /// Behind a request that was refused for a budget: somebody was told.
    pub(crate) fn check_refused(&self, owner: Owner, (period, limit): (Period, i64), now_ms: u64) {
        let began = period.began_at_ms(now_ms);
        let is_told = |percent| self.told_of.contains(&(owner, period, limit, began, percent));
        let is_asked_for = self.percent.contains(&100);
        assert!(!is_asked_for || is_told(100) || is_told(REFUSED), "untold: {owner:?} refused");
    }

    /// Behind any question: no balance below a threshold is untold.
    pub(crate) fn check_low(&self, balance: i64) {
        let below = self.low_balance.iter().filter(|threshold| balance < **threshold);
        let below: BTreeSet<i64> = below.copied().collect();
        assert_eq!(self.low, below, "at {balance}");
    }
}

fn owner(whose: BudgetOwner) -> Owner {
    match whose {
        BudgetOwner::Account => Owner::Account,
        BudgetOwner::Key(key) => Owner::Key(key),
        BudgetOwner::Project(project) => Owner::Project(project),
    }
}
