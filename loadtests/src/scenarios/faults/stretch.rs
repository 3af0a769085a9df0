//! Stretches of time and what clients saw in them. Pure.

use std::time::{Duration, Instant};

use super::Fault;
use crate::client::Ending;
use crate::generator::{histogram, quantile, record};
use crate::table::time;

/// A fault is over for clients when the failing provider gets less than this share of the requests.
const LEFT_PERCENT: u64 = 20;

/// One exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) begun: Instant,
    pub(super) latency: Duration,
    pub(super) ending: Ending,
    pub(super) had_no_content: bool,
    /// The first provider's answer.
    pub(super) first: bool,
}

/// Exchanges that began from here to there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) from: Instant,
    pub(super) to: Instant,
}

/// One fault, before, during and after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) fault: Fault,
    pub(super) steady: Stretch,
    pub(super) faulty: Stretch,
    pub(super) recovery: Stretch,
    /// Until the failing provider got few requests, by its own count.
    pub(super) left_in: Option<Duration>,
    /// Until the gateway showed its breaker as shut.
    pub(super) shut_in: Option<Duration>,
    /// From the end of the fault until it had half of its share again.
    pub(super) back_in: Option<Duration>,
}

/// When the failing provider began to get few requests, from its own counts over time.
pub(super) fn left_in(samples: &[(Duration, u64)], rate: u32) -> Option<Duration> {
    let &(end, received_end) = samples.last()?;
    samples.iter().map(|&(at, received)| (at, end.saturating_sub(at), received)).find_map(
        |(at, rest, received)| {
            let got = u128::from(received_end.saturating_sub(received));
            let sent = u128::from(rate) * rest.as_millis() / 1_000;
            let few = got * 100 <= sent * u128::from(LEFT_PERCENT);
            (few && rest >= Duration::from_millis(800)).then_some(at)
        },
    )
}

impl Stretch {
    fn points(self, points: &[Point]) -> impl Iterator<Item = &Point> {
        points.iter().filter(move |point| point.begun >= self.from && point.begun < self.to)
    }

    /// The first provider's share of the answers, in percent; `None` when there were none.
    pub(super) fn share_percent(self, points: &[Point]) -> Option<u64> {
        let (mut first, mut all) = (0, 0);
        for point in self.points(points).filter(|point| point.ending == Ending::Complete) {
            all += 1;
            first += u64::from(point.first);
        }
        (first * 100_u64).checked_div(all)
    }

    fn latency(self, points: &[Point]) -> (Duration, Duration) {
        let mut histogram = histogram();
        for point in self.points(points).filter(|point| point.ending == Ending::Complete) {
            record(&mut histogram, point.latency);
        }
        (quantile(&histogram, 0.5), quantile(&histogram, 0.99))
    }

    fn parts(self, count: u32) -> impl Iterator<Item = Self> {
        let step = self.to.saturating_duration_since(self.from) / count;
        (0..count).map(move |part| Self {
            from: self.from + step * part,
            to: self.from + step * (part + 1),
        })
    }
}

impl Outline {
    pub(super) const HEAD: &'static [&'static str] = &[
        "fault",
        "requests",
        "errors, no content",
        "errors after content",
        "left in",
        "shut in",
        "back in",
        "steady p50/p99",
        "added p50",
        "added p99",
    ];
    pub(super) const SHARES_HEAD: &'static [&'static str] =
        &["fault", "stretch", "1st quarter", "2nd", "3rd", "4th"];

    /// Whether traffic left the provider in time, where it had to.
    pub(super) fn left(&self) -> bool {
        !self.fault.must_leave()
            || if self.fault.counts() { self.left_in.is_some() } else { self.shut_in.is_some() }
    }

    pub(super) fn row(&self, points: &[Point]) -> Vec<String> {
        let whole = Stretch { from: self.faulty.from, to: self.recovery.to };
        let all: Vec<&Point> = whole.points(points).collect();
        let failed = |early: bool| {
            let failed = all.iter().filter(|point| point.ending != Ending::Complete);
            failed.filter(|point| point.had_no_content == early).count().to_string()
        };
        let (steady, faulty) = (self.steady.latency(points), self.faulty.latency(points));
        let shown = |moment: Option<Duration>| moment.map_or_else(|| "–".to_owned(), time);
        vec![
            self.fault.name().to_owned(),
            all.len().to_string(),
            failed(true),
            failed(false),
            shown(self.left_in),
            shown(self.shut_in),
            shown(self.back_in),
            format!("{} / {}", time(steady.0), time(steady.1)),
            format!("+{}", time(faulty.0.saturating_sub(steady.0))),
            format!("+{}", time(faulty.1.saturating_sub(steady.1))),
        ]
    }

    pub(super) fn share_rows(&self, points: &[Point]) -> Vec<Vec<String>> {
        let stretches =
            [("steady", self.steady), ("fault", self.faulty), ("recovery", self.recovery)];
        stretches
            .into_iter()
            .map(|(name, stretch)| {
                let mut row = vec![self.fault.name().to_owned(), name.to_owned()];
                row.extend(stretch.parts(4).map(|part| {
                    let first = part.share_percent(points);
                    first.map_or_else(|| "–".to_owned(), |first| format!("{first} %"))
                }));
                row
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn traffic_has_left_once_few_requests_come_for_the_rest_of_the_time() {
        let millis = Duration::from_millis;
        let falling = [(millis(0), 0), (millis(500), 50), (millis(1_000), 55), (millis(2_000), 60)];
        assert_eq!(left_in(&falling, 100), Some(millis(500)));
        let steady = [(millis(0), 0), (millis(1_000), 100), (millis(2_000), 200)];
        assert_eq!(left_in(&steady, 100), None);
        assert_eq!(left_in(&[], 100), None);
    }

    #[test]
    fn a_share_counts_whole_answers_of_its_stretch() {
        let from = clock::now();
        let point = |millis, first, ending| Point {
            begun: from + Duration::from_millis(millis),
            latency: Duration::from_millis(1),
            ending,
            had_no_content: false,
            first,
        };
        let points = [
            point(0, true, Ending::Complete),
            point(1, false, Ending::Complete),
            point(2, true, Ending::Cut),
            point(10, true, Ending::Complete),
        ];
        let stretch = Stretch { from, to: from + Duration::from_millis(10) };
        assert_eq!(stretch.share_percent(&points), Some(50));
        assert_eq!(Stretch { from: stretch.to, to: stretch.to }.share_percent(&points), None);
        assert_eq!(stretch.latency(&points).0.as_millis(), 1);
    }
}
