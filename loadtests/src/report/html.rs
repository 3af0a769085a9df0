//! Results as one page that needs nothing else: style and drawings are in it, and no script. Pure.

use std::fmt::Write as _;
use std::slice;

use super::cell::{Figure, Verdict, is_numeric};
use super::side_by_side::{Comparison, Joined, Row, comparisons};
use super::{Error, draw, palette};
use crate::chart::{Chart, Shape};
use crate::results::{Provenance, ResultFile};
use crate::table::{Claim, DETAILS_MAX, Report, Table};

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) fn page(title: &str, results: &[ResultFile]) -> Result<String, Error> {
    let compared = comparisons(results);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{}{STYLE}</style>\n<main>\n<h1>{title}</h1>\n",
        palette::style(),
        title = escaped(title),
    );
    put(&mut html, &lede(results));
    put(&mut html, &tiles(results, &compared));
    for comparison in &compared {
        put(&mut html, &side_by_side(comparison));
    }
    for (number, result) in results.iter().enumerate() {
        put(&mut html, &article(number, result)?);
    }
    put(&mut html, "</main>\n</html>\n");
    Ok(html)
}

fn put(html: &mut String, part: &str) {
    html.push_str(part);
}

/// Text, with what would be markup in it written as text.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

fn lede(results: &[ResultFile]) -> String {
    let Some(Provenance { commit, date, machine, .. }) =
        results.first().map(|result| &result.provenance)
    else {
        return String::new();
    };
    let day = date.split('T').next().unwrap_or_default();
    format!(
        "<p class=\"lede\">Played on {}, commit <code>{}</code>, on {}.</p>\n",
        escaped(day),
        escaped(&short(commit)),
        escaped(&machine.line())
    )
}

/// A commit, as far as people read it.
fn short(commit: &str) -> String {
    let mark = if commit.ends_with("-dirty") { "-dirty" } else { "" };
    let digits: String = commit.trim_end_matches("-dirty").chars().take(12).collect();
    digits + mark
}

fn held(report: &Report) -> (usize, usize) {
    (report.claims.iter().filter(|claim| claim.holds).count(), report.claims.len())
}

fn tiles(results: &[ResultFile], compared: &[Comparison]) -> String {
    let sums = results.iter().map(|result| held(&result.report));
    let (holding, all) = sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let mut html = format!(
        "<div class=\"tiles\">\n<div class=\"tile\"><div class=\"name\">Claims that hold</div>{}</div>\n",
        score(holding, all)
    );
    for comparison in compared {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            html,
            "<a class=\"tile\" href=\"#all-{name}\"><div class=\"name\">{name}</div>\
             <div class=\"figure\">{}</div><div class=\"word\">gateways side by side</div></a>",
            comparison.subjects.len(),
            name = escaped(&comparison.scenario),
        );
    }
    for (number, result) in results.iter().enumerate() {
        let (holding, all) = held(&result.report);
        let _ = writeln!(
            html,
            "<a class=\"tile\" href=\"#result-{number}\"><div class=\"name\">{} · {}</div>{}</a>",
            escaped(&result.scenario),
            escaped(&result.subject),
            score(holding, all)
        );
    }
    html + "</div>\n"
}

fn score(holding: usize, all: usize) -> String {
    let word = match all - holding {
        0 => "<div class=\"word good\">✓ all hold</div>".to_owned(),
        1 => "<div class=\"word wrong\">✗ 1 does not hold</div>".to_owned(),
        failing => format!("<div class=\"word wrong\">✗ {failing} do not hold</div>"),
    };
    format!("<div class=\"figure\">{holding} <small>of {all}</small></div>{word}")
}

fn article(number: usize, result: &ResultFile) -> Result<String, Error> {
    let ResultFile { scenario, about, subject, report, provenance, .. } = result;
    let mut html = format!(
        "<article id=\"result-{number}\">\n<h2>{}<span class=\"badge\">{}</span></h2>\n\
         <p class=\"about\">{}</p>\n",
        escaped(scenario),
        escaped(subject),
        escaped(about)
    );
    put(&mut html, &claims(&report.claims));
    for chart in &report.charts {
        put(&mut html, &figure(chart)?);
    }
    for shown in &report.tables {
        put(&mut html, &table(shown));
    }
    put(&mut html, &origin(provenance));
    put(&mut html, "</article>\n");
    Ok(html)
}

fn claims(claims: &[Claim]) -> String {
    let mut html = "<ul class=\"claims\">\n".to_owned();
    for claim in claims {
        let (class, mark, word) =
            if claim.holds { ("holds", "✓", "holds: ") } else { ("fails", "✗", "fails: ") };
        let _ = write!(
            html,
            "<li class=\"{class}\"><span class=\"mark\" title=\"{word}\">{mark}</span>{}",
            escaped(&claim.text)
        );
        if !claim.holds && !claim.details.is_empty() {
            put(&mut html, "<ul>");
            for detail in claim.details.iter().take(DETAILS_MAX) {
                let _ = write!(html, "<li>{}</li>", escaped(detail));
            }
            let more = claim.details.len().saturating_sub(DETAILS_MAX);
            if more > 0 {
                let _ = write!(html, "<li>and {more} more</li>");
            }
            put(&mut html, "</ul>");
        }
        put(&mut html, "</li>\n");
    }
    html + "</ul>\n"
}

fn figure(chart: &Chart) -> Result<String, Error> {
    let mut html = format!("<figure>\n<h3>{}</h3>\n<div class=\"legend\">", escaped(&chart.title));
    let class = if chart.shape == Shape::Lines { "" } else { " class=\"block\"" };
    for (index, series) in chart.series.iter().enumerate() {
        let colour = draw::colour(series, index).name;
        let name = escaped(&series.name);
        let _ =
            write!(html, "<span><i{class} style=\"background:var(--{colour})\"></i>{name}</span>");
    }
    let named = format!("role=\"img\" aria-label=\"{}\"", escaped(&chart.title));
    let svg = draw::svg(chart)?.replacen("role=\"img\"", &named, 1);
    let _ = write!(html, "</div>\n{svg}</figure>\n");
    Ok(html)
}

fn table(table: &Table) -> String {
    let is_number = |column: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| is_numeric(cell)) && column > 0
    };
    let mut html =
        format!("<h3>{}</h3>\n<div class=\"scroll\"><table>\n<tr>", escaped(&table.title));
    for (column, name) in table.head.iter().enumerate() {
        let class = if is_number(column) { " class=\"number\"" } else { "" };
        let _ = write!(html, "<th{class}>{}</th>", escaped(name));
    }
    put(&mut html, "</tr>\n");
    for row in &table.rows {
        put(&mut html, "<tr>");
        for (column, text) in row.iter().enumerate() {
            put(&mut html, &cell(text, is_number(column)));
        }
        put(&mut html, "</tr>\n");
    }
    html + "</table></div>\n"
}

fn cell(text: &str, is_number: bool) -> String {
    if let Some(verdict) = Verdict::of(text) {
        return verdict_cell(verdict, text, text);
    }
    let class = match (is_number, text.len() > 40) {
        (true, _) => " class=\"number\"",
        (false, true) => " class=\"words\"",
        (false, false) => "",
    };
    format!("<td{class}>{}</td>", escaped(text))
}

fn side_by_side(comparison: &Comparison) -> String {
    let name = escaped(&comparison.scenario);
    let mut html = format!(
        "<article id=\"all-{name}\">\n<h2>{name}<span class=\"badge\">side by side</span></h2>\n\
         <p class=\"about\">{}, each played by the same scenario.</p>\n",
        escaped(&comparison.subjects.join(", "))
    );
    for joined in &comparison.tables {
        put(&mut html, &joined_table(joined));
    }
    html + "</article>\n"
}

fn joined_table(joined: &Joined) -> String {
    let mut html =
        format!("<h3>{}</h3>\n<div class=\"scroll\"><table>\n<tr>", escaped(&joined.title));
    for name in joined.keys.iter().chain(&joined.subjects) {
        let _ = write!(html, "<th>{}</th>", escaped(name));
    }
    put(&mut html, "</tr>\n");
    for row in &joined.rows {
        put(&mut html, "<tr>");
        let keys = row.keys.iter().map(|key| cell(key, false));
        let same = if joined.is_mixed { slice::from_ref(row) } else { &joined.rows };
        let most = most(same);
        let cells = row.cells.iter().map(|text| compared(text, most));
        html.extend(keys.chain(cells));
        put(&mut html, "</tr>\n");
    }
    if let Some(sum) = joined.sum() {
        put(&mut html, "<tr class=\"sum\">");
        html.extend(sum.keys.iter().chain(&sum.cells).map(|text| cell(text, false)));
        put(&mut html, "</tr>\n");
    }
    html + "</table></div>\n"
}

/// The largest figure of these rows.
fn most(rows: &[Row]) -> f64 {
    let figures = rows.iter().flat_map(|row| &row.cells).filter_map(|cell| Figure::of(cell));
    figures.map(|figure| figure.value).fold(0.0, f64::max)
}

/// A cell among others of its kind: a verdict in short, or a figure with a bar as long as it is large.
fn compared(text: &str, most: f64) -> String {
    match (Verdict::of(text), Figure::of(text)) {
        (Some(verdict), _) => verdict_cell(verdict, verdict.word(), text),
        (None, Some(figure)) if most > 0.0 => format!(
            "<td class=\"measure\">{}<i style=\"width:{:.1}%\"></i></td>",
            escaped(text),
            (figure.value / most * 100.0).clamp(0.0, 100.0)
        ),
        _ => cell(if text.is_empty() { "–" } else { text }, false),
    }
}

fn verdict_cell(verdict: Verdict, shown: &str, all: &str) -> String {
    let (word, mark) = (verdict.word(), verdict.mark());
    format!(
        "<td class=\"verdict {word}\"><span title=\"{}\"><b>{mark}</b>{}</span></td>",
        escaped(all),
        escaped(shown)
    )
}

fn origin(provenance: &Provenance) -> String {
    let Provenance { commit, date, command, machine, configurations } = provenance;
    let mut html = "<dl class=\"where\">\n".to_owned();
    for (name, value) in [
        ("Command", format!("<code>{}</code>", escaped(command))),
        ("Commit", format!("<code>{}</code>", escaped(commit))),
        ("Date", escaped(date)),
        ("Machine", escaped(&machine.line())),
    ] {
        let _ = writeln!(html, "<dt>{name}</dt><dd>{value}</dd>");
    }
    put(&mut html, "</dl>\n");
    for configuration in configurations {
        let _ = writeln!(
            html,
            "<details><summary>Configuration: {}</summary><pre>{}</pre></details>",
            escaped(&configuration.name),
            escaped(&configuration.text)
        );
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Series};
    use crate::results::tests::sample;

    #[test]
    fn a_page_shows_claims_figures_and_where_they_come_from() {
        let mut result = sample("faults", "InferGate");
        result.report.chart(Chart {
            title: "Over time".into(),
            shape: Shape::Lines,
            x: Axis::linear("seconds"),
            y: Axis::linear("requests"),
            series: vec![Series::new("all", vec![(0.0, 1.0), (1.0, 2.0)])],
            bands: Vec::new(),
            categories: Vec::new(),
        });
        let html = page("Load <1>", &[result]).unwrap();
        for part in [
            "<h1>Load &lt;1&gt;</h1>",
            "1 <small>of 2</small>",
            "Plays &amp; judges",
            "<td>killed &lt;9&gt;</td><td class=\"verdict pass\"><span title=\"pass\"><b>✓</b>pass</span></td>",
            "<td class=\"number\">21.5 ms</td>",
            "<svg role=\"img\" aria-label=\"Over time\"",
            "<summary>Configuration: gateway</summary><pre>[server]\n</pre>",
        ] {
            assert!(html.contains(part), "{part}");
        }
        for forbidden in ["<script", "http://", "https://", "<link"] {
            let without_namespace = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!without_namespace.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn gateways_stand_side_by_side_with_bars_for_figures() {
        let mut other = sample("faults", "nginx");
        other.report.tables[0].rows[1][2] = "0.75 s".into();
        let html = page("t", &[sample("faults", "InferGate"), other]).unwrap();
        assert!(html.contains("InferGate, nginx, each played by the same scenario."));
        assert!(html.contains("<td class=\"measure\">1.50 s<i style=\"width:100.0%\"></i></td>"));
        assert!(html.contains("<td class=\"measure\">0.75 s<i style=\"width:50.0%\"></i></td>"));
    }

    #[test]
    fn a_commit_is_shortened_and_stays_dirty() {
        assert_eq!(short("0123456789abcdef-dirty"), "0123456789ab-dirty");
        assert_eq!(short("unknown"), "unknown");
    }
}
