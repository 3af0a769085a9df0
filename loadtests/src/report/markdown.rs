//! Results as Markdown, for documents. Pure.

use std::fmt::Write as _;

use super::side_by_side::comparisons;
use crate::results::ResultFile;
use crate::table::Table;

/// All results, what is to be compared first.
pub(super) fn document(results: &[ResultFile]) -> String {
    let mut text = String::new();
    for comparison in comparisons(results) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "## `{}` side by side", comparison.scenario);
        for joined in &comparison.tables {
            let _ = write!(text, "{}", escaped(&joined.table()));
        }
        text.push('\n');
    }
    for result in results {
        let _ = write!(text, "{}", section(result));
    }
    text
}

fn section(result: &ResultFile) -> String {
    let ResultFile { scenario, about, subject, report, provenance, .. } = result;
    let mut text = format!("## `{scenario}`: {subject}\n\n{about}\n");
    for table in &report.tables {
        let _ = write!(text, "{}", escaped(table));
    }
    text.push('\n');
    for claim in &report.claims {
        let _ = writeln!(text, "- {} {}", if claim.holds { "✓" } else { "✗ FAILS:" }, claim.text);
    }
    let _ = writeln!(
        text,
        "\n`{}`, commit {}, {}, on {}.\n",
        provenance.command,
        provenance.commit,
        provenance.date,
        provenance.machine.line()
    );
    text
}

/// The same without signs that would end a cell.
fn escaped(table: &Table) -> Table {
    let cell = |cell: &String| cell.replace('|', "\\|").replace('\n', " ");
    Table {
        title: table.title.clone(),
        head: table.head.iter().map(cell).collect(),
        rows: table.rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn a_result_says_what_it_found_and_where_it_comes_from() {
        let text = document(&[sample("faults", "InferGate")]);
        assert!(text.starts_with("## `faults`: InferGate\n\nPlays & judges\n\n### Faults\n"));
        assert!(text.contains("- ✗ FAILS: one is two\n"));
        assert!(text.contains("`infergate-loadtests faults --small`, commit 0123456789abcdef"));
    }

    #[test]
    fn gateways_of_one_scenario_stand_side_by_side() {
        let text = document(&[sample("faults", "InferGate"), sample("faults", "nginx")]);
        assert!(text.starts_with("## `faults` side by side\n"));
        assert!(text.contains("### Faults: streamed\n\n| fault "), "{text}");
    }
}
