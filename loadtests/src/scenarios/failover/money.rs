//! The money of the sixteen, by the gateway's journal: one charge an answer, at the usage of the
//! provider that gave it; every attempt recorded, with what the provider bills for it. Pure.

use std::collections::HashMap;

use super::judge::{Attempt, Heard, Observation, Told};
use super::setting::COST;
use super::sixteen::Case;
use crate::client::{Ending, Reading, Seen, Usage};
use crate::journal::{self, Fact, Record, Settlement};
use crate::simulator::stats::{Entry, Outcome};
use crate::table::{Table, usd};

/// What the journal holds of the cases.
#[derive(Debug)]
pub(super) struct Books<'a> {
    settlements: HashMap<u128, Vec<&'a Settlement>>,
    /// Answers without exactly one charge, or with a charge where there was no answer.
    pub(super) charges: Vec<String>,
    /// Attempts that are not recorded as they were made.
    pub(super) attempts: Vec<String>,
    /// What each case cost.
    pub(super) table: Table,
}

/// Attempts at the providers for one exchange.
fn of_exchange<'a>(seen: &'a Observation, call: &Heard) -> Vec<&'a Attempt> {
    let id = call.request_id.as_deref();
    let mine = |attempt: &&Attempt| id.is_some() && attempt.entry.request_id.as_deref() == id;
    seen.attempts.iter().filter(mine).collect()
}

/// What the providers logged, by the `id` of the answer.
pub(super) fn logs(observed: &[(Case, Observation)]) -> HashMap<String, Entry> {
    let attempts = observed.iter().flat_map(|(_, seen)| &seen.attempts);
    attempts.map(|attempt| (attempt.answer_id.clone(), attempt.entry.clone())).collect()
}

/// What callers saw, as the auditor reads it.
pub(super) fn seen(observed: &[(Case, Observation)], now: std::time::Instant) -> Vec<Seen> {
    let calls = observed.iter().flat_map(|(case, seen)| seen.calls.iter().map(move |c| (case, c)));
    let seen = |(case, call): (&Case, &Heard)| {
        let mut reading = Reading::default();
        reading.answer_id.clone_from(&call.transcript.id);
        reading.usage = call.transcript.usage;
        Seen {
            intended: now,
            first_content: None,
            total: call.total,
            status: call.status,
            ending: match call.told() {
                Told::Answer => Ending::Complete,
                Told::Error if call.status != Some(200) => Ending::Refused,
                Told::Error => Ending::ErrorEvent,
                Told::Nothing => Ending::TimedOut,
                Told::Cut | Told::Lie(_) => Ending::Cut,
            },
            request_id: call.request_id.clone(),
            reading,
            streamed: case.streamed,
            label: 0,
        }
    };
    calls.map(seen).collect()
}

impl<'a> Books<'a> {
    /// Holds the journal against what was observed.
    pub(super) fn new(records: &'a [Record], observed: &[(Case, Observation)]) -> Self {
        let mut settlements: HashMap<u128, Vec<&Settlement>> = HashMap::new();
        for record in records {
            if let Fact::Settled(settlement) = &record.event {
                settlements.entry(settlement.hold).or_default().push(settlement);
            }
        }
        let head =
            &["case", "answers", "charges", "charged USD", "attempts", "recorded", "cost USD"];
        let table = Table::new("Failover: money by the journal", head);
        let (charges, attempts) = (Vec::new(), Vec::new());
        let mut books = Self { settlements, charges, attempts, table };
        for (case, seen) in observed {
            books.case(*case, seen);
        }
        books
    }

    fn case(&mut self, case: Case, seen: &Observation) {
        let (mut answers, mut charges, mut paid_in_all, mut recorded, mut cost) = (0, 0, 0, 0, 0);
        for call in &seen.calls {
            let id = call.request_id.as_deref().and_then(journal::hold);
            let of_call = id.and_then(|id| self.settlements.get(&id)).cloned().unwrap_or_default();
            let paid: Vec<&Settlement> =
                of_call.iter().copied().filter(|settlement| settlement.charged > 0).collect();
            let told = call.told();
            answers += usize::from(told == Told::Answer);
            charges += paid.len();
            paid_in_all += paid.iter().map(|settlement| settlement.charged).sum::<i64>();
            let made = of_exchange(seen, call);
            for settlement in &of_call {
                recorded += settlement.record.attempts.len();
                let costs = settlement.record.attempts.iter().map(|attempt| attempt.provider_cost);
                cost += costs.sum::<i64>();
            }
            let name = || format!("{}, {}", case.name(), call.request_id.as_deref().unwrap_or("-"));
            if told == Told::Answer && paid.len() != 1 {
                self.charges.push(format!("{}: {} charges for an answer", name(), paid.len()));
            }
            if paid.len() > 1 || (call.status != Some(200) && !paid.is_empty()) {
                self.charges.push(format!("{}: {} charges, {told:?}", name(), paid.len()));
            }
            if let (Told::Answer, [settlement]) = (&told, paid.as_slice()) {
                self.recorded(&name(), settlement, &made);
            }
        }
        let cells = [
            case.name(),
            answers.to_string(),
            charges.to_string(),
            usd(paid_in_all),
            seen.attempts.len().to_string(),
            recorded.to_string(),
            usd(cost),
        ];
        self.table.row(cells.to_vec());
    }

    /// Holds the attempts that a settlement records against those that reached the providers.
    fn recorded(&mut self, name: &str, settlement: &Settlement, made: &[&Attempt]) {
        // Which provider was asked first is known to a millisecond only: each is compared on its own.
        let mut made = made.to_vec();
        made.sort_by(|one, other| one.entry.model.cmp(&other.entry.model));
        let mut recorded: Vec<&journal::Attempt> = settlement.record.attempts.iter().collect();
        recorded.sort_by(|one, other| one.upstream_model.cmp(&other.upstream_model));
        let models: Vec<&str> = made.iter().map(|attempt| &*attempt.entry.model).collect();
        let written: Vec<&str> =
            recorded.iter().map(|attempt| attempt.upstream_model.as_str()).collect();
        if models != written {
            let fault = format!("{name}: {models:?} were asked, {written:?} are recorded");
            return self.attempts.push(fault);
        }
        for (made, recorded) in made.iter().zip(&recorded) {
            let entry = &made.entry;
            let billed = recorded.provider_cost;
            let usage = Usage { prompt_tokens: entry.prompt, completion_tokens: entry.completion };
            let right = match entry.outcome {
                Outcome::Completed => billed == COST.cost(usage, entry.cached),
                Outcome::Refused => billed == 0,
                // What a provider bills for part of an answer is an estimate.
                Outcome::Cut | Outcome::Failed | Outcome::Cancelled => {
                    billed >= 0 && (entry.completion == 0 || billed > 0 || !entry.streamed)
                }
            };
            if !right {
                let (model, outcome) = (&entry.model, entry.outcome);
                let fault = format!("{name}: {billed} for {usage:?} of {model}, {outcome:?}");
                self.attempts.push(fault);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::door::Transport;
    use super::super::sixteen::{Sixteen, TOKENS};
    use super::super::transcript::Transcript;
    use super::*;
    use crate::words::{self, Words};

    const CASE: Case = Case { scenario: Sixteen::S08, streamed: true, left_open: false };

    fn id(number: u128) -> String {
        format!("req_{number:032x}")
    }

    /// A complete answer of the exchange 1: 40 tokens of the first provider, 20 of the fallback.
    fn continued() -> Observation {
        let mut text = Vec::new();
        (0..u64::from(TOKENS)).for_each(|index| words::put(&mut text, index));
        let transcript = Transcript {
            words: Words::of(&String::from_utf8(text).unwrap()),
            done: true,
            id: Some("answer".to_owned()),
            ..Transcript::default()
        };
        let attempt = |primary: bool, prefilled: u64| Attempt {
            at: Duration::ZERO,
            primary,
            answer_id: String::new(),
            entry: Entry {
                sequence: 0,
                model: if primary { CASE.name() } else { CASE.fallback_name() }.into(),
                request_id: Some(id(1).into()),
                streamed: true,
                arrived_ms: 0,
                ended_ms: 0,
                status: Some(200),
                prompt: if primary { 31 } else { 37 + prefilled },
                cached: 0,
                prefilled,
                completion: if primary { 40 } else { 20 },
                outcome: if primary { Outcome::Cut } else { Outcome::Completed },
            },
        };
        let call = Heard {
            began: Duration::ZERO,
            total: Duration::ZERO,
            transport: Transport::Ended,
            status: Some(200),
            transcript,
            names_fallback: true,
            request_id: Some(id(1)),
        };
        Observation { calls: vec![call], attempts: vec![attempt(true, 0), attempt(false, 40)] }
    }

    /// A settlement of exchange 1, whose attempts cost as given.
    fn settled(number: u64, costs: &[i64]) -> Record {
        let names = [CASE.name(), CASE.fallback_name()];
        let attempts: Vec<_> = costs
            .iter()
            .zip(names)
            .map(|(cost, name)| format!(r#"{{"upstream_model":"{name}","provider_cost":{cost}}}"#))
            .collect();
        let json = format!(
            r#"{{"number":{number},"event":{{"settled":{{"hold":1,"usage":{{}},"estimated":false,
            "cost":5,"charged":5,"absorbed":0,"draws":[],"end":"completed",
            "record":{{"model":"m","attempts":[{}]}}}}}}}}"#,
            attempts.join(",")
        );
        serde_json::from_str(&json).unwrap()
    }

    fn check(records: &[Record], charge: Option<&str>, attempt: Option<&str>) {
        let observed = [(CASE, continued())];
        let books = Books::new(records, &observed);
        for (faults, expected) in [(books.charges, charge), (books.attempts, attempt)] {
            let found = faults.first().map(String::as_str).unwrap_or_default();
            assert!(found.contains(expected.unwrap_or_default()), "{found}");
            assert_eq!(found.is_empty(), expected.is_none(), "{found}");
        }
    }

    #[test]
    fn an_answer_is_charged_once_and_its_attempts_are_recorded_at_their_cost() {
        let right = COST.cost(Usage { prompt_tokens: 77, completion_tokens: 20 }, 0);
        check(&[settled(1, &[9, right])], None, None);
        check(&[], Some("0 charges for an answer"), None);
        let twice = [settled(1, &[9, right]), settled(2, &[9, right])];
        check(&twice, Some("2 charges"), None);
        check(&[settled(1, &[9])], None, Some("are recorded"));
        check(&[settled(1, &[9, right + 1])], None, Some("Completed"));
        check(&[settled(1, &[0, right])], None, Some("Cut"));
    }
}
