//! The scorecard: sixteen rows, sums, and why whatever did not pass did not. Pure.

use std::collections::BTreeMap;

use super::judge::{Judgement, Observation, Verdict, judge};
use super::sixteen::{Case, Sixteen};
use crate::table::{Table, time};

/// One run, judged.
#[derive(Debug)]
pub(super) struct Scorecard {
    cases: Vec<(Case, Judgement, Observation)>,
}

impl Scorecard {
    pub(super) fn new(observed: &[(Case, Observation)]) -> Self {
        let judged = |(case, seen): &(Case, Observation)| (*case, judge(*case, seen), seen.clone());
        Self { cases: observed.iter().map(judged).collect() }
    }

    /// The verdict on a scenario, streamed or not: the worst of its cases.
    fn verdict(&self, scenario: Sixteen, streamed: bool) -> Option<Verdict> {
        let of_scenario = |(case, ..): &&(Case, Judgement, Observation)| {
            case.scenario == scenario && case.streamed == streamed
        };
        self.cases.iter().filter(of_scenario).map(|(_, judgement, _)| judgement.verdict).min()
    }

    fn scenarios(&self) -> Vec<Sixteen> {
        let mut scenarios: Vec<Sixteen> =
            self.cases.iter().map(|(case, ..)| case.scenario).collect();
        scenarios.dedup();
        scenarios
    }

    /// The rows.
    pub(super) fn table(&self, title: &str) -> Table {
        let head = [
            "scenario",
            "fault at the first provider",
            "streamed",
            "not streamed",
            "time",
            "requests",
        ];
        let mut table = Table::new(title, &head);
        for scenario in self.scenarios() {
            let shown = |streamed| {
                let verdict = self.verdict(scenario, streamed);
                verdict.map_or_else(|| "–".to_owned(), |verdict| verdict.to_string())
            };
            let of_scenario = || self.cases.iter().filter(|(case, ..)| case.scenario == scenario);
            let times: Vec<String> = of_scenario()
                .filter_map(|(.., seen)| seen.calls.iter().map(|call| call.total).max())
                .map(time)
                .collect();
            let requests: Vec<String> = of_scenario()
                .map(|(.., seen)| seen.reached())
                .map(|(primary, fallback)| format!("{primary}+{fallback}"))
                .collect();
            table.row(vec![
                scenario.code(),
                scenario.fault().to_owned(),
                shown(true),
                shown(false),
                times.join(" / "),
                requests.join(" / "),
            ]);
        }
        table
    }

    /// Why what did not pass did not.
    pub(super) fn reasons(&self, title: &str) -> Table {
        let mut table = Table::new(title, &["case", "verdict", "why"]);
        for (case, judgement, _) in &self.cases {
            if judgement.verdict != Verdict::Pass {
                let verdict = judgement.verdict.to_string();
                // A gateway's own words may hold what a table can't.
                let reason = judgement.reason.replace('|', "/").replace(['\n', '\r'], " ");
                table.row(vec![case.name(), verdict, reason]);
            }
        }
        table
    }

    /// How many of each verdict, streamed or not.
    pub(super) fn sums(&self, streamed: bool) -> BTreeMap<Verdict, usize> {
        let mut sums = BTreeMap::new();
        for verdict in self.scenarios().into_iter().filter_map(|s| self.verdict(s, streamed)) {
            *sums.entry(verdict).or_default() += 1;
        }
        sums
    }

    /// The cases that did not pass, with the reason.
    pub(super) fn not_passed(&self, streamed: bool) -> Vec<String> {
        let failed = self.cases.iter().filter(|(case, judgement, _)| {
            case.streamed == streamed && judgement.verdict != Verdict::Pass
        });
        failed
            .map(|(case, judgement, _)| {
                format!("{} {}: {}", judgement.verdict, case.name(), judgement.reason)
            })
            .collect()
    }
}

/// The head of a table of sums.
pub(super) const SUMS_HEAD: &[&str] = &["run", "requests", "pass", "partial", "safe", "fail"];

/// Two rows of sums: streamed, and not.
pub(super) fn sum_rows(run: u32, card: &Scorecard) -> Vec<Vec<String>> {
    let row = |(streamed, name): (bool, &str)| {
        let sums = card.sums(streamed);
        let mut row = vec![run.to_string(), name.to_owned()];
        for verdict in [Verdict::Pass, Verdict::Partial, Verdict::Safe, Verdict::Fail] {
            row.push(sums.get(&verdict).copied().unwrap_or(0).to_string());
        }
        row
    };
    [(true, "streamed"), (false, "not streamed")].into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_as_good_as_the_worst_of_its_cases() {
        let cases = Case::of(&[Sixteen::S11]);
        let verdicts = [Verdict::Pass, Verdict::Safe, Verdict::Partial];
        let judged = cases.into_iter().zip(verdicts).map(|(case, verdict)| {
            (case, Judgement { verdict, reason: "r|\n".to_owned() }, Observation::default())
        });
        let card = Scorecard { cases: judged.collect() };
        assert_eq!(card.sums(true), BTreeMap::from([(Verdict::Safe, 1)]));
        assert_eq!(card.sums(false), BTreeMap::from([(Verdict::Partial, 1)]));
        assert_eq!(card.not_passed(true).len(), 1);
        assert!(card.reasons("t").to_string().contains("| r/"));
        assert!(card.table("t").to_string().contains("| safe     | partial      |"));
    }
}
