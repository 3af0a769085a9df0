//! What an account's subscription was paid with, as far as a statement has to know it of earlier months.
//! Pure.

use std::collections::{HashMap, HashSet};

use infergate_actors::account::{
    Allowance, Event, Return, SubscriptionChange, SubscriptionEvent, SubscriptionStep,
};
use infergate_actors::id::GrantId;

use super::PaidPeriod;
use crate::operate::amount::wide;

/// The payments for the subscription, and the lots that disputes have asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bought {
    periods: HashMap<String, Period>,
    /// The payment that each allowance was given for.
    allowances: HashMap<GrantId, String>,
    /// The lot of what a payment was above what was due.
    surpluses: HashMap<String, GrantId>,
    disputed: HashSet<GrantId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Period {
    plan: String,
    /// What was paid for it and did not go back.
    left: i128,
}

/// Of money that went back, what had been paid for a period: for which plan, and how much.
pub(super) struct PeriodBack {
    pub(super) plan: String,
    pub(super) paid: i128,
}

impl Bought {
    /// Notes what a statement has to know of the account's next event.
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::Subscription(event) => {
                let SubscriptionEvent::Changed(change) = &**event;
                if let Some(paid) = PaidPeriod::of(0, change) {
                    let PaidPeriod { payment, plan, paid: left, .. } = paid;
                    self.periods.insert(payment, Period { plan, left });
                }
                if let Some(Allowance { grant, payment: Some(payment), .. }) = &change.allowance {
                    self.allowances.insert(*grant, payment.clone());
                }
                if let Some(Allowance { grant, payment: Some(payment), .. }) = &change.surplus {
                    self.surpluses.insert(payment.clone(), *grant);
                }
            }
            Event::ChargedBack(back) => {
                let surplus = back.payment.as_ref().and_then(|it| self.surpluses.get(it));
                self.disputed.extend(surplus.copied().into_iter().chain([back.grant]));
            }
            _ => {}
        }
    }

    /// Whether a dispute has asked for the lot.
    pub(super) fn is_disputed(&self, grant: GrantId) -> bool {
        self.disputed.contains(&grant)
    }

    /// What of money that goes back had been paid for a period. Before that was told in dollars, what is
    /// written may be more than was paid: then it is what was left of that.
    pub(super) fn went_back(&mut self, back: &Return) -> Option<PeriodBack> {
        let payment = back.payment.as_ref().or_else(|| self.allowances.get(&back.grant))?;
        let Period { plan, left } = self.periods.get_mut(payment)?;
        let surplus = back.surplus.map_or(0, |surplus| wide(surplus.asked));
        let paid = (wide(back.asked) - surplus).clamp(0, (*left).max(0));
        *left -= paid;
        Some(PeriodBack { plan: plan.clone(), paid })
    }
}

impl PaidPeriod {
    /// What was paid for a period with a change of the subscription, and not above what was due.
    pub(super) fn of(at_ms: u64, change: &SubscriptionChange) -> Option<Self> {
        let payment = change.payment.as_ref();
        let payment = payment.filter(|_| change.step != SubscriptionStep::PaymentFailed)?;
        let plan = match change.step {
            SubscriptionStep::PaidAhead => change.contract.next_terms().0,
            _ => change.contract.plan.as_str(),
        };
        let surplus = change.surplus.as_ref().map_or(0, |surplus| wide(surplus.amount));
        let paid = wide(payment.amount) - surplus;
        Some(Self { at_ms, plan: plan.to_owned(), payment: payment.payment.clone(), paid })
    }
}
