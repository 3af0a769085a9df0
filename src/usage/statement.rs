//! An account's month: what it had, what came in, what was used, what lapsed, what is left.
//!
//! It is a fold over all of the account's events: those before the month give what it opened with,
//! so that one month's closing is the next one's opening to the nano-dollar, whatever lies between.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use infergate_actors::account::{
    Event, GrantKind, Return, Settlement, SubscriptionEvent, SubscriptionPayment, SubscriptionStep,
};
use infergate_actors::id::{AccountId, GrantId};
use infergate_actors::ledger::{LedgerError, Sums};
use infergate_actors::money::NanoUsd;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::calendar;
use super::column::{Columns, Json, Value, csv_head, csv_line};
use super::row::served;
use crate::exchange::World;
use crate::operate::amount::{usd, wide};

/// Events that one step reads.
const STEP: usize = 1_000;

/// A statement. Amounts are in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    account: AccountId,
    span: Range<u64>,
    opening: i128,
    credits: Vec<Credit>,
    usage: BTreeMap<String, Sums>,
    /// What was taken out of the credit other than for use.
    taken: Vec<Taken>,
    /// What was paid for the subscription, which buys a period and is no credit.
    periods: Vec<PaidPeriod>,
}

/// What an event moves.
enum Moved<'e> {
    /// Credit that came in.
    In {
        grant: GrantId,
        kind: GrantKind,
        amount: NanoUsd,
        reference: &'e str,
    },
    /// Credit that went other than for use.
    Out {
        why: Why,
        grant: GrantId,
        amount: NanoUsd,
        reference: Option<&'e str>,
    },
    /// Credit that was used.
    Used(&'e Settlement),
    /// Money that is no credit.
    Outside(&'e SubscriptionEvent),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PaidPeriod {
    at_ms: u64,
    plan: String,
    payment: SubscriptionPayment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Credit {
    at_ms: u64,
    grant: GrantId,
    kind: GrantKind,
    amount: NanoUsd,
    reference: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    why: Why,
    at_ms: u64,
    grant: GrantId,
    amount: NanoUsd,
    reference: Option<String>,
}

/// Why credit was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Expiry,
    Refund,
    Dispute,
}

/// One line of a statement.
struct Line<'s> {
    what: &'static str,
    at_ms: Option<u64>,
    item: String,
    reference: Option<&'s str>,
    requests: Option<u64>,
    /// What it does to the balance; of the first and the last line the balance itself.
    amount: i128,
    /// What was paid for it that is no credit.
    paid: Option<i128>,
}

/// Reads an account's statement of the month that takes `span`.
pub(crate) async fn read(
    world: &Arc<World>,
    account: AccountId,
    span: Range<u64>,
) -> Result<Statement, LedgerError> {
    let mut statement = Statement::new(account, span);
    let mut after = 0;
    loop {
        let _turn = world.reads.acquire().await;
        let read = move |ledger: &infergate_actors::ledger::Ledger| {
            ledger.account_journal(account, after, STEP)
        };
        let entries = world.accounts.read(read).await?;
        for entry in &entries {
            statement.observe(entry.record.at_ms, &entry.record.event);
        }
        match entries.last() {
            Some(last) if entries.len() == STEP => after = last.record.number,
            Some(_) | None => return Ok(statement),
        }
    }
}

impl Statement {
    pub(super) fn new(account: AccountId, span: Range<u64>) -> Self {
        Self {
            account,
            span,
            opening: 0,
            credits: Vec::new(),
            usage: BTreeMap::new(),
            taken: Vec::new(),
            periods: Vec::new(),
        }
    }

    /// Takes the account's next event.
    pub(super) fn observe(&mut self, at_ms: u64, event: &Event) {
        if at_ms >= self.span.end {
            return;
        }
        let moved = Moved::by(event);
        if at_ms < self.span.start {
            self.opening += moved.change();
            return;
        }
        match moved {
            Moved::In { grant, kind, amount, reference } => {
                let reference = reference.to_owned();
                self.credits.push(Credit { at_ms, grant, kind, amount, reference });
            }
            Moved::Out { why, grant, amount, reference } => {
                let reference = reference.map(str::to_owned);
                self.taken.push(Taken { why, at_ms, grant, amount, reference });
            }
            Moved::Used(bill) => {
                self.usage.entry(served(bill).to_owned()).or_default().add(&Sums::of(bill));
            }
            Moved::Outside(event) => self.paid_for(at_ms, event),
            Moved::Nothing => {}
        }
    }

    fn paid_for(&mut self, at_ms: u64, SubscriptionEvent::Changed(change): &SubscriptionEvent) {
        let paid =
            change.payment.as_ref().filter(|_| change.step != SubscriptionStep::PaymentFailed);
        let plan = match change.step {
            SubscriptionStep::PaidAhead => change.contract.next_terms().0,
            _ => change.contract.plan.as_str(),
        };
        self.periods.extend(paid.map(|payment| PaidPeriod {
            at_ms,
            plan: plan.to_owned(),
            payment: payment.clone(),
        }));
    }

    /// What the account had when the month began.
    pub(super) fn opening(&self) -> i128 {
        self.opening
    }

    /// What it had when the month ended, or has now.
    pub(super) fn closing(&self) -> i128 {
        self.opening + self.credited() - self.charged() - self.expired() - self.returned()
    }

    fn credited(&self) -> i128 {
        self.credits.iter().map(|credit| wide(credit.amount)).sum()
    }

    fn charged(&self) -> i128 {
        self.usage.values().map(|sums| sums.charged).sum()
    }

    fn expired(&self) -> i128 {
        self.taken_by(|why| why == Why::Expiry)
    }

    fn returned(&self) -> i128 {
        self.taken_by(|why| why != Why::Expiry)
    }

    fn subscriptions(&self) -> i128 {
        self.periods.iter().map(|paid| wide(paid.payment.amount)).sum()
    }

    fn taken_by(&self, is_meant: impl Fn(Why) -> bool) -> i128 {
        let meant = self.taken.iter().filter(|taken| is_meant(taken.why));
        meant.map(|taken| wide(taken.amount)).sum()
    }

    /// The same as lines of CSV.
    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let lines = self.lines();
        if let Some(first) = lines.first() {
            csv_head(first, &mut out);
        }
        for line in &lines {
            csv_line(line, &mut out);
        }
        out
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let balance = |what, at_ms, amount| Line {
            what,
            at_ms: Some(at_ms),
            item: "balance".to_owned(),
            reference: None,
            requests: None,
            amount,
            paid: None,
        };
        let mut lines = vec![balance("opening", self.span.start, self.opening())];
        lines.extend(self.credits.iter().map(Credit::line));
        lines.extend(self.usage.iter().map(|(model, sums)| Line {
            what: "usage",
            at_ms: None,
            item: model.clone(),
            reference: None,
            requests: Some(sums.requests),
            amount: -sums.charged,
            paid: None,
        }));
        lines.extend(self.taken.iter().map(Taken::line));
        lines.extend(self.periods.iter().map(PaidPeriod::line));
        lines.push(balance("closing", self.span.end, self.closing()));
        lines
    }
}

impl<'e> Moved<'e> {
    fn by(event: &'e Event) -> Self {
        match event {
            Event::Granted { grant, kind, amount, reference, .. } => {
                Self::In { grant: *grant, kind: *kind, amount: *amount, reference }
            }
            Event::Paid(payment) => Self::In {
                grant: payment.grant,
                kind: GrantKind::Paid,
                amount: payment.amount,
                reference: &payment.payment,
            },
            Event::Expired { grant, amount } => Self::out(Why::Expiry, *grant, *amount),
            Event::Reclaimed { grant, amount } => Self::out(Why::Dispute, *grant, *amount),
            Event::Refunded(back) => Self::back(Why::Refund, back),
            Event::ChargedBack(back) => Self::back(Why::Dispute, back),
            Event::Settled(bill) => Self::Used(bill),
            Event::Subscription(event) => Self::Outside(event),
            Event::Opened { .. }
            | Event::StatusChanged { .. }
            | Event::LimitsChanged { .. }
            | Event::KeyCreated { .. }
            | Event::KeyRevoked { .. }
            | Event::KeyChanged { .. }
            | Event::KeyRotated { .. }
            | Event::BudgetsChanged { .. }
            | Event::StatusSet(_)
            | Event::CodesMade(_)
            | Event::CodeUsed { .. }
            | Event::Held { .. }
            | Event::HeldOf { .. }
            | Event::Extended { .. }
            | Event::Voided { .. }
            | Event::Project(_)
            | Event::Member(_)
            | Event::Plan(_)
            | Event::Watch(_)
            | Event::Operator(_)
            | Event::Once(_)
            | Event::KeyGuarded { .. }
            | Event::KeyRestricted { .. }
            | Event::KeyReleased { .. } => Self::Nothing,
        }
    }

    fn out(why: Why, grant: GrantId, amount: NanoUsd) -> Self {
        Self::Out { why, grant, amount, reference: None }
    }

    fn back(why: Why, back: &'e Return) -> Self {
        let reference = Some(back.payment.as_deref().unwrap_or(&back.id));
        Self::Out { why, grant: back.grant, amount: back.taken, reference }
    }

    /// What it does to the balance.
    fn change(&self) -> i128 {
        match self {
            Self::In { amount, .. } => wide(*amount),
            Self::Out { amount, .. } => -wide(*amount),
            Self::Used(bill) => -wide(bill.charged),
            Self::Outside(_) | Self::Nothing => 0,
        }
    }
}

impl Credit {
    fn line(&self) -> Line<'_> {
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
    fn line(&self) -> Line<'_> {
        Line {
            what: "subscription",
            at_ms: Some(self.at_ms),
            item: self.plan.clone(),
            reference: Some(&self.payment.payment),
            requests: None,
            amount: 0,
            paid: Some(wide(self.payment.amount)),
        }
    }
}

impl Taken {
    fn line(&self) -> Line<'_> {
        Line {
            what: match self.why {
                Why::Expiry => "expiry",
                Why::Refund => "refund",
                Why::Dispute => "dispute",
            },
            at_ms: Some(self.at_ms),
            item: self.grant.to_string(),
            reference: self.reference.as_deref(),
            requests: None,
            amount: -wide(self.amount),
            paid: None,
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

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("account", &self.account.to_string())?;
        map.serialize_entry("from_ms", &self.span.start)?;
        map.serialize_entry("to_ms", &self.span.end)?;
        for (name, amount) in [
            ("opening", self.opening()),
            ("credited", self.credited()),
            ("charged", self.charged()),
            ("expired", self.expired()),
            ("returned", self.returned()),
            ("closing", self.closing()),
            ("subscription_paid", self.subscriptions()),
        ] {
            map.serialize_entry(&format!("{name}_usd"), &usd(amount))?;
            map.serialize_entry(&format!("{name}_nano_usd"), &amount)?;
        }
        let lines = self.lines();
        let lines: Vec<_> = lines.iter().map(Json).collect();
        map.serialize_entry("lines", &lines)?;
        map.end()
    }
}
