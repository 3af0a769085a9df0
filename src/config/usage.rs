//! What a configuration says about usage: how long its records and sums are kept. Pure.

use std::time::Duration;

use infergate_actors::ledger::Keep;

use super::tree::{Node, Section};

const FOREVER: &str = "forever";
const DAY: Duration = Duration::from_hours(24);
const KEEP_MAX: Duration = Duration::from_hours(24 * 36_525);

/// Reads `[usage]`.
pub(super) fn usage(section: Section<'_>) -> Keep {
    let mut s = section;
    let mut spot = s.spot.key("keep_rollups");
    let records = s.optional("keep_records", keep).and_then(Kept::time);
    let rollups = s.optional("keep_rollups", |node| {
        spot = node.spot.clone();
        keep(node)
    });
    let rollups = rollups.and_then(Kept::time);
    if rollups.is_some_and(|rollups| records.is_none_or(|records| records > rollups)) {
        s.log.fault(&spot, "is less than keep_records: sums must be kept as long as records");
    }
    s.end();
    Keep { records, rollups }
}

/// How long something is kept, as it is written.
enum Kept {
    Forever,
    For(Duration),
}

impl Kept {
    fn time(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(time) => Some(time),
        }
    }
}

fn keep(node: &Node<'_>) -> Option<Kept> {
    if node.value.as_str() == Some(FOREVER) {
        return Some(Kept::Forever);
    }
    node.duration(DAY..=KEEP_MAX).map(Kept::For)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn what_is_kept_is_a_time_or_for_ever() {
        let read = |text: &str| Config::parse("c", text, &|_| None).map(|config| config.usage);
        let day = |days: u64| Some(Duration::from_hours(24 * days));
        assert_eq!(read(""), Ok(Keep::default()));
        let text = "[usage]\nkeep_records = \"90d\"\nkeep_rollups = \"forever\"";
        assert_eq!(read(text), Ok(Keep { records: day(90), rollups: None }));
        let text = "[usage]\nkeep_records = \"90d\"\nkeep_rollups = \"400d\"";
        assert_eq!(read(text), Ok(Keep { records: day(90), rollups: day(400) }));
        for (wrong, told) in [
            ("[usage]\nkeep_records = \"1h\"", "out of range"),
            ("[usage]\nkeep_records = \"ever\"", "no duration"),
            ("[usage]\nkeep_records = \"90d\"\nkeep_rollups = \"89d\"", "less than keep_records"),
            ("[usage]\nkeep_rollups = \"89d\"", "less than keep_records"),
        ] {
            let faults = read(wrong).unwrap_err().to_string();
            assert!(faults.contains(told), "{faults}");
        }
    }
}
