//! What the words and figures in a table's cell mean. Pure.

/// How something was passed, as scorecards say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Partial,
    /// It failed, and did no harm.
    Safe,
    Fail,
}

/// A figure and what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    /// In seconds where it is a time.
    pub(super) value: f64,
    pub(super) unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    None,
    Time,
    Percent,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [Self::Pass, Self::Partial, Self::Safe, Self::Fail];

    /// The verdict that a cell begins with, whatever comes after the word.
    pub(super) fn of(cell: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| {
            let begin = cell.get(..verdict.word().len());
            let rest = cell.get(verdict.word().len()..).unwrap_or_default();
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(verdict.word()))
                && !rest.starts_with(|c: char| c.is_alphanumeric())
        })
    }

    /// As it is written, and named in the page's style.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Partial => "partial",
            Self::Safe => "safe",
            Self::Fail => "fail",
        }
    }

    /// A sign for those who see no colours.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Partial => "◐",
            Self::Safe => "○",
            Self::Fail => "✗",
        }
    }
}

impl Figure {
    /// The figure that a cell is, if it is one and nothing else.
    pub(super) fn of(cell: &str) -> Option<Self> {
        let cell = cell.trim();
        let digits = cell.strip_prefix('+').unwrap_or(cell);
        let end = digits.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
        let (number, unit) = digits.split_at(end.unwrap_or(digits.len()));
        let number: f64 = number.parse().ok()?;
        let (factor, unit) = match unit.trim() {
            "" => (1.0, Unit::None),
            "µs" => (1e-6, Unit::Time),
            "ms" => (1e-3, Unit::Time),
            "s" => (1.0, Unit::Time),
            "%" => (1.0, Unit::Percent),
            _ => return None,
        };
        Some(Self { value: number * factor, unit })
    }
}

/// Whether a cell is set to the right: a figure, a pair of them, or the sign that there is none.
pub(super) fn is_numeric(cell: &str) -> bool {
    cell == "–" || cell.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_the_word_that_a_cell_begins_with() {
        for (cell, verdict) in [
            ("pass", Some(Verdict::Pass)),
            ("PASS (5/5)", Some(Verdict::Pass)),
            ("fail: status 502", Some(Verdict::Fail)),
            ("partial", Some(Verdict::Partial)),
            ("safe, 502", Some(Verdict::Safe)),
            ("passing", None),
            ("failover", None),
            ("", None),
            ("ünïcode", None),
        ] {
            assert_eq!(Verdict::of(cell), verdict, "{cell}");
        }
    }

    #[test]
    fn a_figure_is_a_number_with_a_unit_and_nothing_else() {
        for (cell, value, unit) in [
            ("21.5 ms", 0.0215, Unit::Time),
            ("+5.89 s", 5.89, Unit::Time),
            ("171 µs", 0.000_171, Unit::Time),
            ("33 %", 33.0, Unit::Percent),
            ("1564", 1_564.0, Unit::None),
        ] {
            let figure = Figure::of(cell).unwrap();
            assert!((figure.value - value).abs() < 1e-9 && figure.unit == unit, "{cell}");
        }
        for cell in ["–", "21.5 ms / 29.3 ms", "3 killed", "", "1.2.3"] {
            assert_eq!(Figure::of(cell), None, "{cell}");
        }
        assert!(is_numeric("21.5 ms / 29.3 ms") && is_numeric("–") && !is_numeric("killed"));
    }
}
