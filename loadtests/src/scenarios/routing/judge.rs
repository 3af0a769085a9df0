//! Tables, charts and claims on what strategies did. Pure.

use std::collections::HashMap;
use std::time::Duration;

use super::super::timeline::{End, Latency, Point, Timeline, share};
use super::{NAMES, Situation, Strategy};
use crate::chart::{Axis, Chart, Series, Shape};
use crate::table::{Report, Table, ratio, time, usd};

/// Lines over time have a point for each of these.
const STEP: Duration = Duration::from_millis(500);
/// The slow one of three gets less than this from a strategy that looks at speed, in percent.
const SLOW_SHARE_MAX: f64 = 20.0;
/// Standard deviations that a share drawn by lot may be off.
const DEVIATIONS: f64 = 5.0;

/// One strategy in one situation.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) strategy: Strategy,
    pub(super) situation: Situation,
    timeline: Timeline,
    pub(super) attempts: usize,
    /// What providers bill, in nano-dollars.
    pub(super) cost: i64,
    /// What clients paid, in nano-dollars.
    pub(super) charged: i64,
}

impl Measured {
    pub(super) fn new(strategy: Strategy, situation: Situation, timeline: Timeline) -> Self {
        Self { strategy, situation, timeline, attempts: 0, cost: 0, charged: 0 }
    }

    fn latency(&self) -> Latency {
        self.timeline.latency(Duration::ZERO, Duration::MAX)
    }

    fn errors(&self, end: End) -> usize {
        self.timeline.all().iter().filter(|point| point.end == end).count()
    }

    fn share(&self, provider: usize) -> f64 {
        share(self.timeline.all(), provider).unwrap_or(0.0)
    }

    /// An amount for each thousand requests, in dollars.
    fn per_thousand(&self, nano: i64) -> String {
        let requests = i64::try_from(self.timeline.all().len()).unwrap_or(i64::MAX).max(1);
        let mut text = usd(nano.saturating_mul(1_000) / requests);
        // A hundredth of a cent is enough to compare.
        text.truncate(text.find('.').map_or(text.len(), |point| point + 5));
        text
    }

    fn row(&self) -> Vec<String> {
        let latency = self.latency();
        let requests = u64::try_from(self.timeline.all().len()).unwrap_or(u64::MAX);
        let attempts = ratio(u64::try_from(self.attempts).unwrap_or(u64::MAX), requests);
        let mut row = vec![
            self.strategy.word().to_owned(),
            requests.to_string(),
            self.errors(End::EarlyError).to_string(),
            self.errors(End::LateError).to_string(),
            time(latency.p50),
            time(latency.p99),
        ];
        row.extend((0..NAMES.len()).map(|provider| format!("{:.0} %", self.share(provider))));
        let again = again(self.timeline.all()).unwrap_or(0.0);
        row.push(format!("{again:.0} %"));
        row.push(format!("{attempts:.3}"));
        row.push(self.per_thousand(self.cost));
        row.push(self.per_thousand(self.charged));
        row
    }
}

/// Of the answers that were not their session's first, those by the provider of the turn before, in
/// percent; `None` when there were none.
fn again(points: &[Point]) -> Option<f64> {
    let mut last: HashMap<u32, usize> = HashMap::new();
    let (mut same, mut all) = (0_u32, 0_u32);
    for point in points {
        let Some(provider) = point.provider else { continue };
        if let Some(before) = last.insert(point.label, provider) {
            all += 1;
            same += u32::from(before == provider);
        }
    }
    (all > 0).then(|| f64::from(same) * 100.0 / f64::from(all))
}

/// A table and charts of one situation.
pub(super) fn tell(report: &mut Report, situation: Situation, measured: &[Measured]) {
    let mut table = Table::new(
        &format!("Routing, {}: {}", situation.name(), situation.told()),
        &[
            "strategy",
            "requests",
            "errors before content",
            "errors after content",
            "p50",
            "p99",
            NAMES[0],
            NAMES[1],
            NAMES[2],
            "same as turn before",
            "attempts per request",
            "cost USD/1000",
            "charged USD/1000",
        ],
    );
    let of_this: Vec<&Measured> =
        measured.iter().filter(|measured| measured.situation == situation).collect();
    for measured in &of_this {
        table.row(measured.row());
    }
    report.table(table);
    let figure = |told: &str, label: &str, series| Chart {
        title: format!("Routing, {}: {told}", situation.name()),
        shape: Shape::Bars,
        x: Axis::linear("strategy"),
        y: Axis::linear(label),
        series,
        bands: Vec::new(),
        categories: of_this.iter().map(|one| one.strategy.word().to_owned()).collect(),
    };
    let bars = |name: &str, value: &dyn Fn(&Measured) -> f64| {
        let values = (0_u32..).zip(&of_this).map(|(index, one)| (f64::from(index), value(one)));
        Series::new(name, values.collect())
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    report.chart(figure(
        "time to first content",
        "milliseconds",
        vec![
            bars("p50", &|one| millis(one.latency().p50)),
            bars("p99", &|one| millis(one.latency().p99)),
        ],
    ));
    let shares = (0..).zip(NAMES).map(|(provider, name)| bars(name, &|one| one.share(provider)));
    report.chart(figure("who answered", "% of answers", shares.collect()));
    if situation == Situation::Drifting {
        report.chart(over_time(&of_this));
    }
}

fn over_time(measured: &[&Measured]) -> Chart {
    let line = |one: &&Measured| {
        let points = one.timeline.steps(STEP).map(|(from, to)| {
            (from.as_secs_f64(), one.timeline.latency(from, to).p50.as_secs_f64() * 1e3)
        });
        Series::new(one.strategy.word(), points.collect())
    };
    Chart {
        title: "Routing, drifting: median time to first content over time".to_owned(),
        shape: Shape::Lines,
        x: Axis::linear("seconds"),
        y: Axis::linear("milliseconds"),
        series: measured.iter().map(line).collect(),
        bands: Vec::new(),
        categories: Vec::new(),
    }
}

/// What must hold of each strategy. Quantiles and shares that need time are claimed when `is_long`.
pub(super) fn claims(report: &mut Report, measured: &[Measured], is_long: bool) {
    let failed = measured.iter().filter(|one| one.errors(End::EarlyError) > 0).map(|one| {
        let (strategy, situation) = (one.strategy.word(), one.situation.name());
        format!("{strategy}, {situation}: {}", one.errors(End::EarlyError))
    });
    report.claim_none("no client without content saw an error", failed.collect());
    for one in measured.iter().filter(|one| one.situation == Situation::Skewed) {
        skewed(report, one, is_long);
    }
    let median = |strategy| {
        let drifting = measured
            .iter()
            .find(|one| one.strategy == strategy && one.situation == Situation::Drifting);
        drifting.map(|one| one.latency().p50)
    };
    if let (true, Some(fastest), Some(weighted)) =
        (is_long, median(Strategy::Fastest), median(Strategy::Weighted))
    {
        report.claim(
            "fastest has a lower median than weighted while providers drift",
            fastest < weighted,
            vec![format!("{} and {}", time(fastest), time(weighted))],
        );
    }
}

fn skewed(report: &mut Report, one: &Measured, is_long: bool) {
    let slow = one.share(0);
    let told = |share: f64| vec![format!("{share:.1} %")];
    match one.strategy {
        Strategy::Priority => {
            report.claim("priority takes the first while it is up", slow > 99.0, told(slow));
        }
        Strategy::Weighted => {
            let answers = one.timeline.all().len().max(1);
            let answers = f64::from(u32::try_from(answers).unwrap_or(u32::MAX));
            let deviation = 100.0 * (2.0 / 9.0 / answers).sqrt();
            let off = (0..NAMES.len()).map(|provider| one.share(provider) - 100.0 / 3.0);
            let most = off.map(f64::abs).fold(0.0, f64::max);
            report.claim(
                "weighted gives equal weights equal shares, within five standard deviations",
                most <= DEVIATIONS * deviation,
                vec![format!("{most:.1} points off, {:.1} allowed", DEVIATIONS * deviation)],
            );
        }
        Strategy::Fastest | Strategy::LeastBusy if is_long => {
            let name = one.strategy.word();
            let text = format!("{name} gives the slow one of three less than 20 %");
            report.claim(text, slow < SLOW_SHARE_MAX, told(slow));
        }
        Strategy::Cheapest => {
            report.claim("cheapest takes the cheapest, slow as it is", slow > 99.0, told(slow));
        }
        Strategy::Sticky => {
            let again = again(one.timeline.all()).unwrap_or(0.0);
            report.claim(
                "sticky leads at least 95 % of turns to the provider of the turn before",
                again >= 95.0,
                told(again),
            );
        }
        Strategy::Fastest | Strategy::LeastBusy | Strategy::Headroom => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(strategy: Strategy, providers: &[usize]) -> Measured {
        let points = (0_u32..).zip(providers).map(|(number, &provider)| Point {
            at: Duration::from_millis(u64::from(number) * 100),
            first_content: Duration::from_millis(20),
            end: End::Whole,
            provider: Some(provider),
            label: number % 2,
        });
        Measured::new(strategy, Situation::Skewed, Timeline::new(points.collect()))
    }

    fn claim(strategy: Strategy, providers: &[usize]) -> bool {
        let mut report = Report::default();
        claims(&mut report, &[measured(strategy, providers)], true);
        assert_eq!(report.claims.len(), 2, "{strategy:?}");
        report.holds()
    }

    #[test]
    fn each_strategy_is_held_to_its_own_law() {
        for (strategy, good, bad) in [
            (Strategy::Priority, [0; 6], [0, 0, 0, 1, 0, 0]),
            (Strategy::Fastest, [1, 2, 1, 2, 1, 2], [0, 1, 2, 0, 1, 2]),
            (Strategy::LeastBusy, [1, 2, 1, 2, 1, 2], [0, 1, 2, 0, 1, 2]),
            (Strategy::Cheapest, [0; 6], [1; 6]),
            (Strategy::Sticky, [0, 1, 0, 1, 0, 1], [0, 1, 0, 2, 0, 1]),
        ] {
            assert!(claim(strategy, &good) && !claim(strategy, &bad), "{strategy:?}");
        }
        assert!(claim(Strategy::Weighted, &[0, 1, 2].repeat(50)));
        assert!(!claim(Strategy::Weighted, &[0, 0, 2].repeat(50)));
    }

    #[test]
    fn a_turn_counts_when_it_is_not_its_sessions_first() {
        let points = |providers: &[usize]| measured(Strategy::Sticky, providers).timeline;
        assert_eq!(again(points(&[0, 1]).all()), None);
        assert_eq!(again(points(&[0, 1, 0, 0]).all()), Some(50.0));
    }

    #[test]
    fn amounts_are_for_a_thousand_requests() {
        let mut one = measured(Strategy::Cheapest, &[0; 4]);
        one.cost = 20_000_000;
        assert_eq!(one.per_thousand(one.cost), "5.0000");
        let mut report = Report::default();
        tell(&mut report, Situation::Skewed, &[one]);
        assert_eq!(report.tables[0].rows[0].len(), report.tables[0].head.len());
        assert_eq!(report.charts.len(), 2);
    }
}
