//! Results as people read them: tables, ratios, and claims that hold or do not.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chart::Chart;

/// A table in Markdown, which is readable in a terminal too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of its columns.
    pub head: Vec<String>,
    /// Its cells.
    pub rows: Vec<Vec<String>>,
}

/// What a scenario found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Figures and words.
    pub tables: Vec<Table>,
    /// Figures to look at.
    #[serde(default)]
    pub charts: Vec<Chart>,
    /// What must hold.
    pub claims: Vec<Claim>,
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What.
    pub text: String,
    /// Whether it does.
    pub holds: bool,
    /// Why it does not.
    pub details: Vec<String>,
}

/// Details shown of a claim that does not hold.
pub const DETAILS_MAX: usize = 10;

impl Table {
    /// An empty table.
    pub fn new(title: &str, head: &[&str]) -> Self {
        let head = head.iter().map(|&word| word.to_owned()).collect();
        Self { title: title.to_owned(), head, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> =
            (0..self.head.len()).map(|column| width(column).unwrap_or(0)).collect();
        writeln!(f, "\n### {}\n", self.title)?;
        for (number, row) in all().enumerate() {
            let cells = row.iter().zip(&widths);
            let line = cells.fold(String::new(), |mut line, (cell, width)| {
                // Writing to a string cannot fail.
                let _ = write!(line, "| {cell:<width$} ");
                line
            });
            writeln!(f, "{line}|")?;
            if number == 0 {
                let rule = widths
                    .iter()
                    .fold(String::new(), |rule, width| rule + "|" + &"-".repeat(width + 2));
                writeln!(f, "{rule}|")?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// Shows a table at the end.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Shows a chart, in result files.
    pub fn chart(&mut self, chart: Chart) {
        self.charts.push(chart);
    }

    /// States something that must hold; `details` say why it does not.
    pub fn claim(&mut self, text: impl Into<String>, holds: bool, details: Vec<String>) {
        self.claims.push(Claim { text: text.into(), holds, details });
    }

    /// States that there is nothing in `faults`.
    pub fn claim_none(&mut self, text: impl Into<String>, faults: Vec<String>) {
        self.claim(text, faults.is_empty(), faults);
    }

    /// States that two things are equal.
    pub fn claim_equal<T: PartialEq + fmt::Debug>(
        &mut self,
        text: impl Into<String>,
        left: &T,
        right: &T,
    ) {
        let holds = left == right;
        let details = if holds { Vec::new() } else { vec![format!("{left:?} is not {right:?}")] };
        self.claim(text, holds, details);
    }

    /// Whether every claim holds.
    pub fn holds(&self) -> bool {
        self.claims.iter().all(|claim| claim.holds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            write!(f, "{table}")?;
        }
        writeln!(f)?;
        for claim in &self.claims {
            writeln!(f, "{} {}", if claim.holds { "holds " } else { "FAILS " }, claim.text)?;
            if !claim.holds {
                for detail in claim.details.iter().take(DETAILS_MAX) {
                    writeln!(f, "         {detail}")?;
                }
                let more = claim.details.len().saturating_sub(DETAILS_MAX);
                if more > 0 {
                    writeln!(f, "         and {more} more")?;
                }
            }
        }
        Ok(())
    }
}

/// A quotient for people; infinite when `denominator` is 0.
#[expect(clippy::cast_precision_loss, reason = "for display only")]
pub fn ratio(numerator: u64, denominator: u64) -> f64 {
    numerator as f64 / denominator as f64
}

/// A duration for people: microseconds, milliseconds or seconds.
pub fn time(duration: Duration) -> String {
    let micros = duration.as_secs_f64() * 1e6;
    if micros < 1_000.0 {
        format!("{micros:.0} µs")
    } else if micros < 1_000_000.0 {
        format!("{:.1} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}

/// Nano-dollars for people.
pub fn usd(nano: i64) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let nano = nano.unsigned_abs();
    format!("{sign}{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let mut table = Table::new("t", &["a", "long"]);
        table.row(vec!["12345".into(), "x".into()]);
        assert_eq!(
            table.to_string(),
            "\n### t\n\n| a     | long |\n|-------|------|\n| 12345 | x    |\n"
        );
    }

    #[test]
    fn amounts_keep_every_digit() {
        assert_eq!(usd(1), "0.000000001");
        assert_eq!(usd(-1_500_000_000), "-1.500000000");
    }

    #[test]
    fn a_report_holds_when_all_of_its_claims_do() {
        let mut report = Report::default();
        report.claim_equal("one is one", &1, &1);
        assert!(report.holds());
        report.claim_none("nothing is wrong", vec!["something".into()]);
        assert!(!report.holds());
        assert!(report.to_string().contains("FAILS  nothing is wrong\n         something"));
    }
}
