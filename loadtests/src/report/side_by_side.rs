//! Puts results of one scenario with several gateways next to each other. Pure.

use super::cell::{Figure, Verdict};
use crate::results::ResultFile;
use crate::table::Table;

/// Several gateways in one scenario.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) scenario: String,
    pub(super) subjects: Vec<String>,
    pub(super) tables: Vec<Joined>,
}

/// One column of a table, or one of a single row, of several gateways.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Joined {
    pub(super) title: String,
    /// The names of the columns that tell rows apart.
    pub(super) keys: Vec<String>,
    pub(super) subjects: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Whether rows count different things, so that only figures of one row compare.
    pub(super) is_mixed: bool,
}

/// A row's keys, and each gateway's cell; a row that one lacks is empty there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) keys: Vec<String>,
    pub(super) cells: Vec<String>,
}

/// The scenarios that were played with more than one gateway.
pub(super) fn comparisons(results: &[ResultFile]) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = Vec::new();
    for result in results {
        if comparisons.iter().any(|known| known.scenario == result.scenario) {
            continue;
        }
        let mut same: Vec<&ResultFile> = Vec::new();
        for other in results.iter().filter(|other| other.scenario == result.scenario) {
            // Of several results of one gateway the first counts.
            if same.iter().all(|known| known.subject != other.subject) {
                same.push(other);
            }
        }
        if same.len() > 1 {
            comparisons.push(compare(&result.scenario, &same));
        }
    }
    comparisons
}

fn compare(scenario: &str, results: &[&ResultFile]) -> Comparison {
    let subjects: Vec<String> = results.iter().map(|result| result.subject.clone()).collect();
    let mut joined: Vec<Joined> = claims(results, &subjects).into_iter().collect();
    let first = results.first().map(|result| result.report.tables.as_slice()).unwrap_or_default();
    for table in first {
        let same = results.iter().map(|result| {
            let tables = result.report.tables.iter();
            tables.into_iter().find(|other| other.title == table.title && other.head == table.head)
        });
        let same: Vec<Option<&Table>> = same.collect();
        if same.iter().flatten().count() > 1 {
            joined.extend(join(table, &same, &subjects));
        }
    }
    Comparison { scenario: scenario.to_owned(), subjects, tables: joined }
}

/// What was claimed of more than one gateway.
fn claims(results: &[&ResultFile], subjects: &[String]) -> Option<Joined> {
    let mut rows: Vec<Row> = Vec::new();
    for claim in results.iter().flat_map(|result| &result.report.claims) {
        if rows.iter().any(|row| row.keys.contains(&claim.text)) {
            continue;
        }
        let cells = results.iter().map(|result| {
            let same = result.report.claims.iter().find(|other| other.text == claim.text);
            let word = same.map(|same| if same.holds { Verdict::Pass } else { Verdict::Fail });
            word.map_or_else(String::new, |verdict| verdict.word().to_owned())
        });
        rows.push(Row { keys: vec![claim.text.clone()], cells: cells.collect() });
    }
    let is_shared = |row: &Row| row.cells.iter().filter(|cell| !cell.is_empty()).count() > 1;
    rows.retain(is_shared);
    (!rows.is_empty()).then(|| Joined {
        title: "Claims".to_owned(),
        keys: vec!["claim".to_owned()],
        subjects: subjects.to_vec(),
        rows,
        is_mixed: false,
    })
}

/// Joins tables of one shape: columns of verdicts or figures are compared, those before them are keys.
fn join(first: &Table, tables: &[Option<&Table>], subjects: &[String]) -> Vec<Joined> {
    let is_compared = |column: usize| {
        let cells = || {
            let rows = tables.iter().flatten().flat_map(|table| &table.rows);
            rows.filter_map(move |row| row.get(column)).filter(|cell| *cell != "–")
        };
        cells().next().is_some()
            && cells().all(|cell| Verdict::of(cell).is_some() || Figure::of(cell).is_some())
    };
    // The first column names the row, even where it is a number.
    let mut columns = (1..first.head.len()).filter(|&column| is_compared(column)).peekable();
    let Some(&begin) = columns.peek() else { return Vec::new() };
    let row = |row: &Vec<String>, column: usize| {
        let keys = row.get(..begin)?;
        let cell = |table: Option<&Table>| row_of(table, keys)?.get(column).cloned();
        let cells = tables.iter().map(|table| cell(*table).unwrap_or_default()).collect();
        Some(Row { keys: keys.to_vec(), cells })
    };
    let joined = columns.map(|column| Joined {
        title: format!("{}: {}", first.title, first.head.get(column).map_or("", String::as_str)),
        keys: first.head.iter().take(begin).cloned().collect(),
        subjects: subjects.to_vec(),
        rows: first.rows.iter().filter_map(|one| row(one, column)).collect(),
        is_mixed: false,
    });
    let joined = joined.filter(|joined| joined.sum().is_some() || joined.differs()).collect();
    if first.rows.len() == 1 { turned(first, joined) } else { joined }
}

/// Of a table with a single row its columns become rows: a table for each would say little.
fn turned(first: &Table, joined: Vec<Joined>) -> Vec<Joined> {
    let Some(one) = joined.first().cloned() else { return joined };
    let name = |title: &str| title.strip_prefix(&first.title).unwrap_or(title).to_owned();
    let rows = joined.into_iter().flat_map(|column| {
        let keys = vec![name(&column.title).trim_start_matches(": ").to_owned()];
        column.rows.into_iter().map(move |row| Row { keys: keys.clone(), cells: row.cells })
    });
    let (title, keys) = (first.title.clone(), vec!["figure".to_owned()]);
    vec![Joined { title, keys, rows: rows.collect(), is_mixed: true, ..one }]
}

/// The row of a table that begins with these keys.
fn row_of<'a>(table: Option<&'a Table>, keys: &[String]) -> Option<&'a Vec<String>> {
    table?.rows.iter().find(|row| row.starts_with(keys))
}

impl Joined {
    /// As a plain table, with the sums of verdicts at its end.
    pub(super) fn table(&self) -> Table {
        let head = self.keys.iter().chain(&self.subjects).cloned().collect();
        let plain = |row: &Row| row.keys.iter().chain(&row.cells).cloned().collect();
        let rows = self.rows.iter().chain(&self.sum()).map(plain).collect();
        Table { title: self.title.clone(), head, rows }
    }

    /// Whether there is anything to compare: figures that are the same everywhere say nothing.
    fn differs(&self) -> bool {
        let differ = |row: &Row| row.cells.iter().any(|cell| Some(cell) != row.cells.first());
        self.rows.iter().any(differ)
    }

    /// How many rows each gateway passed, where it is verdicts that are compared.
    pub(super) fn sum(&self) -> Option<Row> {
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        if !cells().any(|cell| Verdict::of(cell).is_some()) {
            return None;
        }
        let passed = (0..self.subjects.len()).map(|subject| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(subject));
            let passed = cells.filter(|cell| Verdict::of(cell) == Some(Verdict::Pass)).count();
            format!("{passed} of {}", self.rows.len())
        });
        let mut keys = vec![String::new(); self.keys.len()];
        if let Some(last) = keys.last_mut() {
            "passed".clone_into(last);
        }
        Some(Row { keys, cells: passed.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn one_gateway_is_compared_with_nobody() {
        let results = [sample("a", "InferGate"), sample("b", "nginx"), sample("a", "InferGate")];
        assert_eq!(comparisons(&results), []);
    }

    #[test]
    fn a_single_row_is_turned_and_what_is_the_same_is_left_out() {
        let result = |subject: &str, attempts: &str| {
            let mut result = sample("a", subject);
            let mut table = Table::new("Attempts", &["play", "requests", "attempts"]);
            table.row(["Outage", "900", attempts].map(str::to_owned).to_vec());
            result.report.tables = vec![table];
            result
        };
        let comparisons = comparisons(&[result("InferGate", "907"), result("nginx", "903")]);
        let [_, attempts] = comparisons[0].tables.as_slice() else { panic!("{comparisons:?}") };
        assert_eq!((attempts.title.as_str(), attempts.is_mixed), ("Attempts", true));
        assert_eq!(attempts.table().rows, [["attempts", "907", "903"]]);
    }

    #[test]
    fn rows_are_found_by_their_keys_and_may_be_missing() {
        let mut other = sample("a", "nginx");
        other.report.tables[0].rows.reverse();
        other.report.tables[0].rows.truncate(1);
        let comparisons = comparisons(&[sample("a", "InferGate"), other]);
        let [claims, streamed, p99] = comparisons[0].tables.as_slice() else {
            panic!("{comparisons:?}")
        };
        assert_eq!(claims.rows[1].cells, ["fail", "fail"]);
        assert_eq!(streamed.title, "Faults: streamed");
        assert_eq!(streamed.rows[0].cells, ["pass", ""]);
        assert_eq!(streamed.rows[1].cells, ["fail: 502", "fail: 502"]);
        assert_eq!(streamed.sum().unwrap().cells, ["1 of 2", "0 of 2"]);
        assert_eq!(p99.rows[0].cells, ["21.5 ms", ""]);
        assert_eq!(p99.sum(), None);
        let table = streamed.table();
        assert_eq!(table.head, ["fault", "InferGate", "nginx"]);
        assert_eq!(table.rows[2], ["passed", "1 of 2", "0 of 2"]);
    }
}
