//! What clients saw, over time: errors, time to first content, and who answered. Pure.

use std::time::Duration;

use crate::chart::{Axis, Band, Chart, Series, Shape, Tone};

/// Latency and counts are drawn for each stretch of this length.
pub const STEP: Duration = Duration::from_millis(100);
/// A client that has just begun opens its connections: what happens meanwhile is not drawn.
pub const WARM_UP: Duration = Duration::from_millis(500);
/// Shares of providers are drawn for each stretch of this length: shorter ones have few requests.
const SHARE_STEP: Duration = Duration::from_millis(500);

/// One exchange, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it was to begin, counted from the beginning of the play.
    pub at: Duration,
    /// From then to the first content; to the end where there was none.
    pub first_content: Duration,
    /// How it ended.
    pub end: End,
    /// Who answered, as a place in the list of providers.
    pub provider: Option<usize>,
    /// The number that the ask was given.
    pub label: u32,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the whole answer.
    Whole,
    /// With an error, before any content.
    EarlyError,
    /// With an error, after content.
    LateError,
}

/// All exchanges of a play, in the order in which they were to begin.
#[derive(Clone, Debug, Default)]
pub struct Timeline(Vec<Point>);

/// Two quantiles of time to first content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// What one in a hundred exceeds.
    pub p99: Duration,
}

impl Latency {
    /// Of these times; zero when there are none.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().unwrap_or_default()
        };
        Self { p50: at(50), p99: at(99) }
    }
}

impl Timeline {
    /// Of these exchanges, in any order.
    pub fn new(mut points: Vec<Point>) -> Self {
        points.sort_by_key(|point| point.at);
        Self(points)
    }

    /// The exchanges that were to begin from here to there.
    pub fn between(&self, from: Duration, to: Duration) -> &[Point] {
        let begin = self.0.partition_point(|point| point.at < from);
        let end = self.0.partition_point(|point| point.at < to);
        self.0.get(begin..end).unwrap_or_default()
    }

    /// All exchanges.
    pub fn all(&self) -> &[Point] {
        &self.0
    }

    /// Time to first content of the exchanges that had any.
    pub fn latency(&self, from: Duration, to: Duration) -> Latency {
        let points = self.between(from, to).iter();
        let with_content = points.filter(|point| point.end != End::EarlyError);
        Latency::of(with_content.map(|point| point.first_content).collect())
    }

    /// Whole stretches of this length, from when the client is warm to the last request.
    pub fn steps(&self, step: Duration) -> impl Iterator<Item = (Duration, Duration)> + use<> {
        let end = self.0.last().map_or(Duration::ZERO, |point| point.at);
        let from = (0_u32..).map(move |number| WARM_UP + step.saturating_mul(number));
        from.map(move |from| (from, from + step)).take_while(move |(_, to)| *to <= end)
    }

    /// Charts of requests and errors, of latency, and of who answered.
    pub fn charts(&self, name: &str, providers: &[&str], bands: &[Band]) -> Vec<Chart> {
        let chart = |title: &str, shape, y, series| Chart {
            title: format!("{name}: {title}"),
            shape,
            x: Axis::linear("seconds"),
            y,
            series,
            bands: bands.to_vec(),
            categories: Vec::new(),
        };
        let counts = vec![
            self.counts("requests", |_| true),
            self.counts("errors before content", |end| end == End::EarlyError).toned(Tone::Bad),
            self.counts("errors after content", |end| end == End::LateError).toned(Tone::Warning),
        ];
        let shares = (0..).zip(providers).map(|(index, provider)| self.share(provider, index));
        vec![
            chart("requests and errors", Shape::Lines, Axis::linear("per 100 ms"), counts),
            chart(
                "time to first content",
                Shape::Lines,
                Axis::logarithmic("milliseconds"),
                vec![
                    self.latencies("p50", |latency| latency.p50),
                    self.latencies("p99", |latency| latency.p99),
                ],
            ),
            chart("who answered", Shape::Stacked, Axis::linear("% of answers"), shares.collect()),
        ]
    }

    fn counts(&self, name: &str, is_counted: impl Fn(End) -> bool) -> Series {
        let points = self.steps(STEP).map(|(from, to)| {
            let count = self.between(from, to).iter().filter(|point| is_counted(point.end)).count();
            (from.as_secs_f64(), f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
        });
        Series::new(name, points.collect())
    }

    fn latencies(&self, name: &str, quantile: impl Fn(Latency) -> Duration) -> Series {
        let points = self.steps(STEP).filter_map(|(from, to)| {
            let time = quantile(self.latency(from, to));
            (!time.is_zero()).then_some((from.as_secs_f64(), time.as_secs_f64() * 1e3))
        });
        Series::new(name, points.collect())
    }

    fn share(&self, name: &str, provider: usize) -> Series {
        let points = self.steps(SHARE_STEP).map(|(from, to)| {
            let share = share(self.between(from, to), provider).unwrap_or(0.0);
            (from.as_secs_f64(), share)
        });
        Series::new(name, points.collect())
    }
}

/// The provider's share of the answers, in percent; `None` when there were none.
pub fn share(points: &[Point], provider: usize) -> Option<f64> {
    let answered = points.iter().filter_map(|point| point.provider);
    let (own, all) = answered.fold((0_u32, 0_u32), |(own, all), answering| {
        (own + u32::from(answering == provider), all + 1)
    });
    (all > 0).then(|| f64::from(own) * 100.0 / f64::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: u64, first_content: u64, end: End, provider: usize) -> Point {
        let (at, first_content) = (Duration::from_millis(at), Duration::from_millis(first_content));
        Point { at, first_content, end, provider: Some(provider), label: 0 }
    }

    #[test]
    fn a_quantile_is_a_time_that_was_seen() {
        let millis = |times: &[u64]| times.iter().map(|&ms| Duration::from_millis(ms)).collect();
        let hundred: Vec<u64> = (1..=100).rev().collect();
        let latency = Latency::of(millis(&hundred));
        assert_eq!((latency.p50.as_millis(), latency.p99.as_millis()), (50, 99));
        assert_eq!(Latency::of(millis(&[7])).p99.as_millis(), 7);
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }

    #[test]
    fn a_stretch_has_what_was_to_begin_in_it() {
        let timeline = Timeline::new(vec![
            point(200, 9, End::Whole, 0),
            point(0, 5, End::Whole, 0),
            point(100, 6, End::LateError, 1),
            point(150, 700, End::EarlyError, 1),
        ]);
        let from = Duration::from_millis(100);
        assert_eq!(timeline.between(from, Duration::from_millis(200)).len(), 2);
        assert_eq!(timeline.latency(Duration::ZERO, from * 10).p99.as_millis(), 9);
        assert_eq!(timeline.steps(STEP).count(), 0);
        assert_eq!(share(timeline.all(), 0), Some(50.0));
        assert_eq!(share(&[], 0), None);
    }

    #[test]
    fn charts_show_every_step() {
        let points = (0..16).map(|number| point(number * 100, 20, End::Whole, 0)).collect();
        let charts = Timeline::new(points).charts("Turns", &["alpha", "beta"], &[]);
        let [counts, latency, shares] = charts.as_slice() else { panic!("{}", charts.len()) };
        assert_eq!(counts.series[0].points.len(), 10);
        assert_eq!(latency.series[1].points[3], (0.8, 20.0));
        assert_eq!(shares.series[0].points[0], (0.5, 100.0));
        assert_eq!(shares.series[1].points[0], (0.5, 0.0));
    }
}
