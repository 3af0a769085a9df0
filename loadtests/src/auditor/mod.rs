//! The judge's own books. An account's events are folded again here, by a second and simpler reading
//! of the rules, and held against what clients received and what providers reported. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::admin::Account;
use crate::client::{Ending, Seen, Usage};
use crate::journal::{Fact, Hold, Record, Settlement, hold};
use crate::price::Price;
use crate::simulator::stats::{Entry, Outcome};

/// Faults that are remembered.
const FAULTS_MAX: usize = 1_000;

/// One account's books.
#[derive(Debug)]
pub struct Book {
    prices: BTreeMap<String, Price>,
    granted: i64,
    settled: i64,
    absorbed: i64,
    expired: i64,
    held: i64,
    holds: HashMap<u128, i64>,
    ended: HashMap<u128, End>,
    number: u64,
    digest: Option<String>,
    faults: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Voided,
    Settled { charged: i64, estimated: bool, usage: Usage, cached: u64 },
}

/// What the books say in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Credit added.
    pub granted: i64,
    /// Charged.
    pub settled: i64,
    /// Paid by the operator.
    pub absorbed: i64,
    /// Lapsed.
    pub expired: i64,
    /// What is left.
    pub balance: i64,
    /// What of it is set aside.
    pub held: i64,
    /// Exchanges that ended with a charge.
    pub charges: u64,
    /// Exchanges that ended without one.
    pub voids: u64,
}

impl Book {
    /// Empty books of an account that pays these prices, by model.
    pub fn new(prices: impl IntoIterator<Item = (String, Price)>) -> Self {
        Self {
            prices: prices.into_iter().collect(),
            granted: 0,
            settled: 0,
            absorbed: 0,
            expired: 0,
            held: 0,
            holds: HashMap::new(),
            ended: HashMap::new(),
            number: 0,
            digest: None,
            faults: Vec::new(),
        }
    }

    /// The last event that was read.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The sums so far.
    pub fn sums(&self) -> Sums {
        let charges = self.ended.values().filter(|end| matches!(end, End::Settled { .. })).count();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Sums {
            granted: self.granted,
            settled: self.settled,
            absorbed: self.absorbed,
            expired: self.expired,
            balance: self.balance(),
            held: self.held,
            charges: count(charges),
            voids: count(self.ended.len() - charges),
        }
    }

    /// What was found wrong.
    pub fn into_faults(self) -> Vec<String> {
        self.faults
    }

    /// Folds further events into the books.
    pub fn read(&mut self, records: &[Record]) {
        for record in records {
            self.place(record);
            match &record.event {
                Fact::Granted(grant) => self.granted += grant.amount,
                Fact::Expired(lapsed) => self.expired += lapsed.amount,
                Fact::Held(hold) => self.hold(record.number, *hold),
                Fact::Extended(hold) => self.extend(record.number, *hold),
                Fact::Settled(settlement) => self.settle(record.number, settlement),
                Fact::Voided(voided) => {
                    self.release(record.number, voided.hold);
                    self.ended.insert(voided.hold, End::Voided);
                }
                Fact::Other => {}
            }
            if self.balance() < self.held {
                let (balance, held) = (self.balance(), self.held);
                self.fault(format!(
                    "after event {}: balance {balance} is less than what is held, {held}",
                    record.number
                ));
            }
        }
    }

    /// Holds the gateway's own state of the account against the books.
    pub fn account(&mut self, account: &Account, at_rest: bool) {
        let pairs = [
            ("granted", account.granted, self.granted),
            ("settled", account.settled, self.settled),
            ("absorbed", account.absorbed, self.absorbed),
            ("expired", account.expired, self.expired),
            ("balance", account.balance, self.balance()),
            ("held", account.held, self.held),
            ("available", account.available, self.balance() - self.held),
        ];
        for (name, shown, kept) in pairs {
            if shown != kept {
                self.fault(format!("{name} is shown as {shown} and is {kept} by the events"));
            }
        }
        if at_rest && self.held != 0 {
            let holds = self.holds.len();
            self.fault(format!("at rest {} in {holds} holds is still set aside", self.held));
        }
    }

    /// Holds what clients saw against the books: whole answers are charged, once, at what their
    /// provider reported (`winners`, the logs by answer id); refused ones are not; and nobody pays for an
    /// exchange that no client made.
    pub fn answers(&mut self, seen: &[Seen], winners: &HashMap<String, Entry>) {
        let mut known = HashSet::new();
        let mut headless = 0_usize;
        for exchange in seen {
            let id = exchange.request_id.as_deref().and_then(hold);
            match id {
                Some(id) => {
                    if !known.insert(id) {
                        self.fault(format!("req_{id:032x} was given to two exchanges"));
                    }
                }
                None => headless += 1,
            }
            match exchange.ending {
                Ending::Complete => self.complete(exchange, id, winners),
                Ending::Refused => self.refused(exchange, id),
                _ => {}
            }
        }
        let unknown = self.charged().filter(|id| !known.contains(id)).count();
        if unknown > headless {
            self.fault(format!(
                "{unknown} charged exchanges were seen by nobody, and only {headless} clients saw no head"
            ));
        }
    }

    fn charged(&self) -> impl Iterator<Item = u128> + '_ {
        let charged = |end: &End| matches!(end, End::Settled { charged, .. } if *charged > 0);
        self.ended.iter().filter(move |(_, end)| charged(end)).map(|(&id, _)| id)
    }

    fn complete(&mut self, seen: &Seen, id: Option<u128>, winners: &HashMap<String, Entry>) {
        let Some(id) = id else {
            self.fault("a whole answer came without an x-request-id".to_owned());
            return;
        };
        let (usage, cached, estimated) = match self.ended.get(&id) {
            Some(&End::Settled { usage, cached, estimated, .. }) => (usage, cached, estimated),
            other => {
                let state = other.map_or("not in the ledger", |_| "voided");
                self.fault(format!("req_{id:032x} was answered in whole and is {state}"));
                return;
            }
        };
        // A provider that was killed has taken its log with it: then the answer's own word counts.
        let winner = seen.reading.answer_id.as_ref().and_then(|answer| winner(answer, winners));
        let in_answer =
            seen.reading.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens, cached));
        let in_log = winner.map(|winner| {
            let prompt = winner.prompt.saturating_sub(winner.prefilled);
            (prompt, winner.completion.saturating_add(winner.prefilled), winner.cached)
        });
        let Some(reported) = in_log.or(in_answer) else { return };
        let billed = (usage.prompt_tokens, usage.completion_tokens, cached);
        // Where one answer ends and another goes on with it no provider says: that is the gateway's
        // own count, and to be marked as such.
        let is_continued = winner.is_some_and(|winner| winner.prefilled > 0);
        if reported != billed || estimated != is_continued {
            self.fault(format!(
                "req_{id:032x} is billed for {billed:?} (estimated: {estimated}), its provider reported {reported:?}"
            ));
        }
    }

    fn refused(&mut self, seen: &Seen, id: Option<u128>) {
        let end = id.and_then(|id| self.ended.get(&id)).copied();
        if let (Some(id), Some(End::Settled { charged, .. })) = (id, end)
            && charged > 0
        {
            let status = seen.status.unwrap_or(0);
            self.fault(format!("req_{id:032x} was refused with {status} and charged {charged}"));
        }
    }

    fn balance(&self) -> i64 {
        self.granted - self.settled - self.expired
    }

    fn place(&mut self, record: &Record) {
        if self.number != 0 && record.number != self.number + 1 {
            let before = self.number;
            self.fault(format!("event {} follows event {before}", record.number));
        }
        let previous = record.previous.as_ref().map(|digest| digest.get().to_owned());
        if self.digest.is_some() && previous.is_some() && previous != self.digest {
            self.fault(format!("event {} does not carry the digest before it", record.number));
        }
        self.number = record.number;
        self.digest = record.digest.as_ref().map(|digest| digest.get().to_owned());
    }

    fn hold(&mut self, number: u64, hold: Hold) {
        if self.ended.contains_key(&hold.hold)
            || self.holds.insert(hold.hold, hold.amount).is_some()
        {
            self.fault(format!("event {number}: req_{:032x} is held a second time", hold.hold));
        }
        self.held += hold.amount;
    }

    fn extend(&mut self, number: u64, more: Hold) {
        match self.holds.get_mut(&more.hold) {
            Some(amount) => {
                *amount += more.amount;
                self.held += more.amount;
            }
            None => self.fault(format!("event {number}: req_{:032x} is not held", more.hold)),
        }
    }

    fn release(&mut self, number: u64, id: u128) {
        if let Some(amount) = self.holds.remove(&id) {
            self.held -= amount;
        } else {
            let again = if self.ended.contains_key(&id) { " any more" } else { "" };
            self.fault(format!("event {number}: req_{id:032x} is not held{again}"));
        }
    }

    fn settle(&mut self, number: u64, settlement: &Settlement) {
        self.release(number, settlement.hold);
        self.settled += settlement.charged;
        self.absorbed += settlement.absorbed;
        let Settlement { usage, cost, charged, absorbed, .. } = settlement;
        let name = format!("event {number}: req_{:032x}", settlement.hold);
        let counted = Usage {
            prompt_tokens: usage.input + usage.cached_input,
            completion_tokens: usage.output + usage.reasoning,
        };
        match self.prices.get(&settlement.record.model) {
            Some(price) => {
                let right = price.cost(counted, usage.cached_input);
                if right != *cost {
                    self.fault(format!("{name} costs {cost} and {usage:?} should cost {right}"));
                }
            }
            None => self.fault(format!("{name} is of unknown model {:?}", settlement.record.model)),
        }
        if charged + absorbed != *cost || *charged < 0 || *absorbed < 0 {
            self.fault(format!("{name}: {charged} charged and {absorbed} absorbed of {cost}"));
        }
        let drawn: i64 = settlement.draws.iter().map(|draw| draw.amount).sum();
        if drawn != *charged {
            self.fault(format!("{name}: {charged} charged and {drawn} drawn from credit"));
        }
        let end = End::Settled {
            charged: *charged,
            estimated: settlement.estimated,
            usage: counted,
            cached: usage.cached_input,
        };
        self.ended.insert(settlement.hold, end);
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// Who ended the answer that began with this `id`: whoever began it, or another that was asked for the
/// same exchange after that one had failed. Where it went on from what had been sent, that is output of
/// the whole answer, and not prompt.
fn winner<'a>(answer: &str, winners: &'a HashMap<String, Entry>) -> Option<&'a Entry> {
    let began = winners.get(answer)?;
    let is_completed = |entry: &Entry| entry.outcome == Outcome::Completed;
    if is_completed(began) || began.request_id.is_none() {
        return Some(began);
    }
    let same = |entry: &&Entry| is_completed(entry) && entry.request_id == began.request_id;
    winners.values().find(same).or(Some(began))
}

#[cfg(test)]
mod tests;
