//! An account's month: what it had, what came in, what was used, what lapsed, what is left.
//!
//! It is a fold over all of the account's events: those before the month give what it opened with,
//! so that one month's closing is the next one's opening to the nano-dollar, whatever lies between.

mod bought;
mod line;
mod moved;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use infergate_actors::account::{Event, GrantKind, Return, SubscriptionEvent, SurplusReturn};
use infergate_actors::id::{AccountId, GrantId};
use infergate_actors::ledger::{LedgerError, Sums};
use infergate_actors::money::NanoUsd;
use serde::ser::{Serialize, SerializeMap, Serializer};

use self::bought::Bought;
use self::line::Line;
use self::moved::{Moved, Why};
use super::column::{Json, csv_head, csv_line};
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
    bought: Bought,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PaidPeriod {
    at_ms: u64,
    plan: String,
    payment: String,
    /// How much, in nano-USD.
    paid: i128,
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
    /// The lot, or the plan that was paid for where nothing was given for it yet.
    item: String,
    amount: NanoUsd,
    reference: Option<String>,
    /// What had been paid for a period and went back, in nano-USD.
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
            bought: Bought::default(),
        }
    }

    /// Takes the account's next event.
    pub(super) fn observe(&mut self, at_ms: u64, event: &Event) {
        if at_ms >= self.span.end {
            return;
        }
        self.bought.observe(event);
        let moved = Moved::by(event);
        if at_ms < self.span.start {
            self.opening += moved.change();
            if let Moved::Back { back, .. } = moved {
                self.bought.went_back(back);
            }
            return;
        }
        match moved {
            Moved::In { grant, kind, amount, reference } => {
                let reference = reference.to_owned();
                self.credits.push(Credit { at_ms, grant, kind, amount, reference });
            }
            Moved::Lapsed { grant, amount } => {
                self.taken.push(Taken::of(grant, Why::Expiry, at_ms, amount));
            }
            Moved::Later { grant, amount } => {
                let is_disputed = self.bought.is_disputed(grant);
                let why = if is_disputed { Why::Dispute } else { Why::Refund };
                self.taken.push(Taken::of(grant, why, at_ms, amount));
            }
            Moved::Back { why, back } => self.went_back(why, at_ms, back),
            Moved::Used(bill) => {
                self.usage.entry(served(bill).to_owned()).or_default().add(&Sums::of(bill));
            }
            Moved::Outside(event) => {
                let SubscriptionEvent::Changed(change) = event;
                self.periods.extend(PaidPeriod::of(at_ms, change));
            }
            Moved::Nothing => {}
        }
    }

    /// A line for what was bought, and one for what was paid above that, where it went back too.
    fn went_back(&mut self, why: Why, at_ms: u64, back: &Return) {
        let reference = Some(back.payment.as_deref().unwrap_or(&back.id).to_owned());
        let period = self.bought.went_back(back);
        let paid = period.as_ref().map(|period| period.paid);
        let is_of_surplus_alone = back.surplus.is_some() && paid.unwrap_or(0) == 0;
        if !is_of_surplus_alone {
            let bought = Taken::of(back.grant, why, at_ms, back.taken);
            // What has given nothing yet has no lot.
            let item = match period {
                Some(period) if back.grant == GrantId(0) => period.plan,
                Some(_) | None => bought.item.clone(),
            };
            self.taken.push(Taken { item, reference: reference.clone(), paid, ..bought });
        }
        self.taken.extend(back.surplus.map(|surplus| {
            let SurplusReturn { grant, taken, .. } = surplus;
            Taken { reference, ..Taken::of(grant, why, at_ms, taken) }
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

    /// What was paid for periods, less what was paid back.
    fn subscriptions(&self) -> i128 {
        let paid: i128 = self.periods.iter().map(|period| period.paid).sum();
        paid - self.taken.iter().filter_map(|taken| taken.paid).sum::<i128>()
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

impl Taken {
    fn of(grant: GrantId, why: Why, at_ms: u64, amount: NanoUsd) -> Self {
        Self { why, at_ms, item: grant.to_string(), amount, reference: None, paid: None }
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
