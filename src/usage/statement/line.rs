//! The lines of a statement. Pure.

use infergate_actors::account::GrantKind;

use super::moved::Why;
use super::{Credit, PaidPeriod, Taken};
use crate::operate::amount::{usd, wide};
use crate::usage::calendar;
use crate::usage::column::{Columns, Value};

/// One line of a statement.
pub(super) struct Line<'s> {
    pub(super) what: &'static str,
    pub(super) at_ms: Option<u64>,
    pub(super) item: String,
    pub(super) reference: Option<&'s str>,
    pub(super) requests: Option<u64>,
    /// What it does to the balance; of the first and the last line the balance itself.
    pub(super) amount: i128,
    /// What was paid for it that is no credit; below nothing where that was paid back.
    pub(super) paid: Option<i128>,
}

impl Credit {
    pub(super) fn line(&self) -> Line<'_> {
        let kind = match self.kind {
            GrantKind::Trial => "trial",
            GrantKind::Paid => "paid",
            GrantKind::Subscription => "subscription",
            GrantKind::Promotional => "promotional",
            GrantKind::Adjustment => "adjustment",
            GrantKind::Compensation => "compensation",
        };
        Line {
            what: "credit",
            at_ms: Some(self.at_ms),
            item: format!("{} {kind}", self.grant),
            reference: Some(&self.reference),
            requests: None,
            amount: wide(self.amount),
            paid: None,
        }
    }
}

impl PaidPeriod {
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            what: "subscription",
            at_ms: Some(self.at_ms),
            item: self.plan.clone(),
            reference: Some(&self.payment),
            requests: None,
            amount: 0,
            paid: Some(self.paid),
        }
    }
}

impl Taken {
    pub(super) fn line(&self) -> Line<'_> {
        Line {
            what: match self.why {
                Why::Expiry => "expiry",
                Why::Refund => "refund",
                Why::Dispute => "dispute",
            },
            at_ms: Some(self.at_ms),
            item: self.item.clone(),
            reference: self.reference.as_deref(),
            requests: None,
            amount: -wide(self.amount),
            paid: self.paid.map(|paid| -paid),
        }
    }
}

impl Columns for Line<'_> {
    fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
        tell("line", Value::text(Some(self.what)));
        let at = self.at_ms.map(calendar::text);
        tell("at", Value::text(at.as_deref()));
        tell("item", Value::text(Some(&self.item)));
        tell("reference", Value::text(self.reference));
        tell("requests", Value::number(self.requests));
        tell("amount_usd", Value::owned(&usd(self.amount)));
        tell("amount_nano_usd", Value::Number(self.amount));
        let paid = self.paid.map(usd);
        tell("paid_usd", Value::text(paid.as_deref()));
        tell("paid_nano_usd", Value::number(self.paid));
    }
}
