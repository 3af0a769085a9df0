//! What is to be told of an account at this moment. Pure.
//!
//! The balance is what is left in the credit lots, open holds included: it falls when something is
//! charged, lapses or goes back, and not each time that a request sets something aside.

use smallvec::SmallVec;

use super::settings::default_percent;
use super::{AutoTopUp, BudgetOwner, BudgetReached, Told, TopUp, TopUpEnd, Watch};
use crate::account::budget::Counted;
use crate::account::project::{ProjectEvent, Spender};
use crate::account::{
    Account, Denial, Event, Period, ReasonClass, Scope, Status, WatchEvent, WatchView,
};
use crate::id::{KeyId, ProjectId, TopUpId};
use crate::money::NanoUsd;

/// What is to be told at one time; mostly nothing.
pub(in crate::account) type Due = SmallVec<[WatchEvent; 1]>;

/// Whose budgets may have something to tell, beside the account's own.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::account) struct Touched {
    key: Option<KeyId>,
    project: Option<ProjectId>,
}

impl Touched {
    /// What somebody spent.
    pub(in crate::account) fn by(spender: Spender) -> Self {
        Self { key: Some(spender.key), project: spender.project }
    }

    /// What was changed.
    pub(in crate::account) fn note(&mut self, event: &Event) {
        match event {
            Event::KeyChanged { key, .. } => self.key = Some(*key),
            Event::Project(event) => {
                if let ProjectEvent::Changed { project, .. } = &**event {
                    self.project = Some(*project);
                }
            }
            _ => {}
        }
    }
}

impl Account {
    /// The account's watch, as it is now.
    pub fn watch(&self) -> WatchView {
        self.tenancy.watch.as_deref().map(Watch::view).unwrap_or_default()
    }

    /// The top-up whose time is over.
    pub(in crate::account) fn lapsed_top_up(&self, now_ms: u64) -> Option<WatchEvent> {
        let pending = self.tenancy.watch.as_deref()?.top_ups.pending?;
        let end = TopUpEnd::Lapsed;
        let lapsed = WatchEvent::TopUpEnded { top_up: pending.id, end };
        (pending.lapses_at_ms <= now_ms).then_some(lapsed)
    }

    /// What is to be told of the budgets that were touched, and of the account's own: nothing, and at no
    /// cost, where there are none.
    pub(in crate::account) fn budgets_due(&self, touched: Touched, now_ms: u64, due: &mut Due) {
        let Touched { key, project } = touched;
        let of_key = key.and_then(|key| Some((BudgetOwner::Key(key), self.working_counted(key)?)));
        let of_project = project.and_then(|project| {
            Some((BudgetOwner::Project(project), self.project(project)?.counted()?))
        });
        let of_account = self.counted().map(|counted| (BudgetOwner::Account, counted));
        let all = [of_account, of_project, of_key].into_iter().flatten();
        for (whose, Counted { budgets, spending }) in all {
            for budget in budgets {
                let (began_at_ms, spent) = spending.newest(budget.period);
                if began_at_ms < budget.period.began_at_ms(now_ms) {
                    // Nothing is spent in the present one yet.
                    continue;
                }
                let reached = |percent: &u8| is_reached(spent, budget.limit, *percent);
                let told = self.told(whose, budget.period, (began_at_ms, budget.limit));
                let told = told.map_or(0, |told| told.percent);
                let new = self.percent().iter().filter(|percent| **percent > told);
                for percent in new.take_while(|percent| reached(percent)) {
                    due.push(WatchEvent::BudgetReached(BudgetReached {
                        whose,
                        period: budget.period,
                        began_at_ms,
                        percent: *percent,
                        limit: budget.limit,
                        spent,
                        refused: false,
                    }));
                }
            }
        }
    }

    /// What is to be told of a request of this spender that was refused: that all of a budget is gone, as
    /// far as such requests are concerned. A smaller one may still fit, so what is spent is told beside.
    pub(in crate::account) fn refusal_due(
        &self,
        spender: Spender,
        denial: Denial,
        now_ms: u64,
    ) -> Option<WatchEvent> {
        let Denial::BudgetExceeded { scope, period, limit, .. } = denial else { return None };
        let (whose, counted) = match scope {
            Scope::Account => (BudgetOwner::Account, self.counted()?),
            Scope::Key => (BudgetOwner::Key(spender.key), self.working_counted(spender.key)?),
            Scope::Project => {
                let project = spender.project?;
                (BudgetOwner::Project(project), self.project(project)?.counted()?)
            }
        };
        let (newest, spent) = counted.spending.newest(period);
        let began_at_ms = period.began_at_ms(now_ms).max(newest);
        let spent = if newest == began_at_ms { spent } else { NanoUsd::ZERO };
        let told = self.told(whose, period, (began_at_ms, limit));
        let is_told = told.is_some_and(|told| told.refused || told.percent >= 100);
        let is_asked_for = self.percent().contains(&100);
        (is_asked_for && !is_told).then_some(WatchEvent::BudgetReached(BudgetReached {
            whose,
            period,
            began_at_ms,
            percent: 100,
            limit,
            spent,
            refused: true,
        }))
    }

    /// What is to be told of the balance.
    pub(in crate::account) fn balance_due(&self, now_ms: u64, due: &mut Due) {
        let Some(watch) = self.tenancy.watch.as_deref() else { return };
        let balance = self.totals.remaining;
        for threshold in watch.settings.low_balance.iter().rev() {
            if balance < *threshold && !watch.low.contains(threshold) {
                due.push(WatchEvent::BalanceLow { threshold: *threshold, balance });
            }
        }
        if let Some(auto) = watch.settings.top_up.filter(|_| self.may_top_up()) {
            due.extend(watch.top_up_due(auto, balance, now_ms));
        }
    }

    /// What is counted of a key that is not revoked: of others nothing is told, or kept.
    fn working_counted(&self, key: KeyId) -> Option<Counted<'_>> {
        self.key_counted(key).filter(|_| self.working_key(key).is_ok())
    }

    /// Whether a card may be charged for it: not where that is what is in dispute.
    fn may_top_up(&self) -> bool {
        match self.status {
            Status::Active => true,
            Status::Restricted => match self.status_class() {
                ReasonClass::Payment | ReasonClass::Fraud | ReasonClass::Abuse => false,
                ReasonClass::Request | ReasonClass::Other => true,
            },
            Status::Suspended | Status::Closed => false,
        }
    }

    fn percent(&self) -> &[u8] {
        let watch = self.tenancy.watch.as_deref();
        watch.map_or(default_percent(), |watch| &watch.settings.budget_percent)
    }

    /// What was told of a budget in this period.
    fn told(&self, whose: BudgetOwner, period: Period, now: (u64, NanoUsd)) -> Option<&Told> {
        let told = self.tenancy.watch.as_deref().and_then(|it| it.reached.get(&(whose, period)));
        told.filter(|told| (told.began_at_ms, told.limit) == now)
    }
}

impl Watch {
    fn top_up_due(&self, auto: AutoTopUp, balance: NanoUsd, now_ms: u64) -> Option<WatchEvent> {
        let AutoTopUp { threshold, amount, month_max, lasts_ms } = auto;
        let top_ups = &self.top_ups;
        if balance >= threshold || top_ups.pending.is_some() {
            return None;
        }
        if top_ups.is_spent || top_ups.went_back {
            return None;
        }
        let is_same_month = Period::Month.began_at_ms(now_ms) <= top_ups.month_began_at_ms;
        let before = if is_same_month { top_ups.month } else { NanoUsd::ZERO };
        let is_too_much = |most| before.checked_add(amount).is_none_or(|sum| sum > most);
        if month_max.is_some_and(is_too_much) {
            return None;
        }
        Some(WatchEvent::TopUpDue(TopUp {
            id: TopUpId(top_ups.made.saturating_add(1)),
            amount,
            threshold,
            balance,
            due_at_ms: now_ms,
            lapses_at_ms: now_ms.saturating_add(lasts_ms),
        }))
    }
}

/// Whether so many percent of a budget are spent. Of a budget of nothing none ever is.
fn is_reached(spent: NanoUsd, limit: NanoUsd, percent: u8) -> bool {
    let wide = |amount: NanoUsd| i128::from(amount.nano());
    limit.is_positive() && wide(spent) * 100 >= wide(limit) * i128::from(percent)
}
