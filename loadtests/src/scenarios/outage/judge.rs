//! Judges an outage by what clients saw of it. Pure.
//!
//! Steady state is the stretch before the first failure, when all providers are up: the median of its
//! time to first content, and the highest p99 of any half second in it, because half seconds are what
//! it is compared with. A half second is as before when its p50 and p99 are within 10 % of those, or
//! within five milliseconds more, which is noise, and no client saw an error before content in it.

use std::time::Duration;

use super::super::timeline::{End, Latency, Point, Timeline};
use super::fault::Fault;
use crate::table::{Report, Table, time};

/// The first second is where waiting shows.
const FIRST: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_millis(500);
const SLIDE: Duration = Duration::from_millis(100);
const NOISE: Duration = Duration::from_millis(5);
const BACK_MAX: Duration = Duration::from_secs(2);

/// One failure, from its beginning to the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) provider: &'static str,
    pub(super) fault: Fault,
    /// When it began.
    pub(super) at: Duration,
    /// When the provider was up again.
    pub(super) until: Duration,
    /// When the next one began, or the play ended.
    pub(super) next: Duration,
}

/// What clients saw of a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    requests: usize,
    early_errors: usize,
    late_errors: usize,
    /// Time to first content above the steady median, in the first second.
    added: Latency,
    /// From the failure to the end of the first half second that was as before.
    back_in: Option<Duration>,
    /// From two seconds after the failure to the next event.
    later: Latency,
    stays: bool,
}

/// The state that everything is compared with.
pub(super) fn steady(timeline: &Timeline, from: Duration, to: Duration) -> Latency {
    let highest = windows(from, to).map(|(from, to)| timeline.latency(from, to).p99).max();
    Latency { p50: timeline.latency(from, to).p50, p99: highest.unwrap_or_default() }
}

/// Half seconds, a tenth of a second apart.
fn windows(from: Duration, to: Duration) -> impl Iterator<Item = (Duration, Duration)> {
    let begins = (0_u32..).map(move |number| from + SLIDE * number);
    begins.map(|begin| (begin, begin + WINDOW)).take_while(move |(_, end)| *end <= to)
}

fn is_as_before(now: Latency, steady: Latency) -> bool {
    let within =
        |now: Duration, before: Duration| now <= (before + before / 10).max(before + NOISE);
    within(now.p50, steady.p50) && within(now.p99, steady.p99)
}

/// What clients saw of `failure`.
pub(super) fn judge(timeline: &Timeline, failure: &Failure, steady: Latency) -> Verdict {
    let Failure { at, next, .. } = *failure;
    let all = timeline.between(at, next);
    let ended = |end: End| all.iter().filter(|point| point.end == end).count();
    let first = timeline.between(at, (at + FIRST).min(next));
    let added = |point: &Point| point.first_content.saturating_sub(steady.p50);
    let is_served = |from, to| {
        let points = timeline.between(from, to);
        !points.is_empty() && points.iter().all(|point| point.end != End::EarlyError)
    };
    let is_back = |&(from, to): &(Duration, Duration)| {
        is_served(from, to) && is_as_before(timeline.latency(from, to), steady)
    };
    let back = windows(at, next).find(is_back).map(|(_, to)| to.saturating_sub(at));
    let later = timeline.latency(at + BACK_MAX, next);
    Verdict {
        requests: all.len(),
        early_errors: ended(End::EarlyError),
        late_errors: ended(End::LateError),
        added: Latency::of(first.iter().map(added).collect()),
        back_in: back,
        later,
        stays: is_served(at + BACK_MAX, next) && is_as_before(later, steady),
    }
}

/// A table of all failures, and the claims.
pub(super) fn tell(
    report: &mut Report,
    judged: &[(Failure, Verdict)],
    steady: Latency,
    limit: Option<Duration>,
) {
    let mut before = Table::new(
        "Outage: time to first content before the first failure",
        &["state", "p50", "highest p99 of a half second"],
    );
    before.row(vec!["steady".to_owned(), time(steady.p50), time(steady.p99)]);
    report.table(before);
    let mut table = Table::new(
        "Outage: each failure",
        &[
            "provider",
            "fault",
            "requests",
            "errors before content",
            "errors after content",
            "added p50, 1st second",
            "added p99, 1st second",
            "as before in",
            "p99 from 2 s on",
        ],
    );
    for (failure, verdict) in judged {
        table.row(vec![
            failure.provider.to_owned(),
            failure.fault.name().to_owned(),
            verdict.requests.to_string(),
            verdict.early_errors.to_string(),
            verdict.late_errors.to_string(),
            format!("+{}", time(verdict.added.p50)),
            format!("+{}", time(verdict.added.p99)),
            verdict.back_in.map_or_else(|| "–".to_owned(), time),
            time(verdict.later.p99),
        ]);
    }
    report.table(table);
    // A play that is short has too few requests for quantiles.
    let Some(limit) = limit else { return };
    let faulty = |is_fault: &dyn Fn(&Verdict) -> bool, told: &dyn Fn(&Verdict) -> String| {
        let faulty = judged.iter().filter(|(_, verdict)| is_fault(verdict));
        let told = faulty.map(|(failure, verdict)| {
            format!("{} {}: {}", failure.provider, failure.fault.name(), told(verdict))
        });
        told.collect::<Vec<String>>()
    };
    let bound = limit + limit / 2;
    report.claim_none(
        format!("p99 of added time to first content is under 1.5 × the time limit of an attempt ({}) in the first second of each failure", time(limit)),
        faulty(&|verdict| verdict.added.p99 >= bound, &|verdict| format!("+{}", time(verdict.added.p99))),
    );
    report.claim_none(
        "p50 and p99 are as before, in a half second that ends within 2 s of each failure",
        faulty(&|verdict| verdict.back_in.is_none_or(|back| back > BACK_MAX), &|verdict| {
            verdict.back_in.map_or_else(|| "never".to_owned(), time)
        }),
    );
    report.claim_none(
        "p50 and p99 stay as before from 2 s after each failure to the next",
        faulty(&|verdict| !verdict.stays, &|verdict| {
            format!("{} / {}", time(verdict.later.p50), time(verdict.later.p99))
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A request every ten milliseconds for ten seconds; a failure at four, from which on requests
    /// take 500 ms for as long as it says.
    fn timeline(disturbed: Duration, end: End) -> Timeline {
        let points = (0..1_000_u64).map(|number| {
            let at = Duration::from_millis(number * 10);
            let is_late = at >= 4 * SECOND && at < 4 * SECOND + disturbed;
            let first_content = Duration::from_millis(if is_late { 520 } else { 20 });
            let end = if is_late { end } else { End::Whole };
            Point { at, first_content, end, provider: Some(0), label: 0 }
        });
        Timeline::new(points.collect())
    }

    fn failure() -> Failure {
        let (at, until, next) = (4 * SECOND, 9 * SECOND, 8 * SECOND);
        Failure { provider: "alpha", fault: Fault::Silent, at, until, next }
    }

    fn judged(disturbed: u64, end: End) -> Verdict {
        let timeline = timeline(Duration::from_millis(disturbed), end);
        let steady = steady(&timeline, Duration::ZERO, 4 * SECOND);
        assert_eq!(steady.p99.as_millis(), 20);
        judge(&timeline, &failure(), steady)
    }

    #[test]
    fn a_failure_that_nobody_notices_is_as_before_at_once() {
        let verdict = judged(0, End::Whole);
        assert_eq!(verdict.back_in, Some(WINDOW));
        assert_eq!(
            (verdict.requests, verdict.added.p99, verdict.stays),
            (400, Duration::ZERO, true)
        );
    }

    #[test]
    fn waiting_counts_until_the_first_half_second_without_it() {
        let verdict = judged(700, End::Whole);
        assert_eq!(verdict.added.p99.as_millis(), 500);
        assert_eq!(verdict.back_in.map(|back| back.as_millis()), Some(1_200));
        assert!(verdict.stays);
    }

    #[test]
    fn an_outage_without_end_is_never_as_before() {
        let verdict = judged(6_000, End::LateError);
        assert_eq!((verdict.back_in, verdict.stays, verdict.late_errors), (None, false, 400));
    }

    #[test]
    fn quick_errors_are_not_as_before() {
        let verdict = judged(6_000, End::EarlyError);
        assert_eq!((verdict.back_in, verdict.stays, verdict.early_errors), (None, false, 400));
    }

    #[test]
    fn every_claim_names_the_failure_that_breaks_it() {
        let verdict = judged(6_000, End::Whole);
        let mut report = Report::default();
        let limit = Duration::from_millis(300);
        tell(&mut report, &[(failure(), verdict)], Latency::default(), Some(limit));
        let details: Vec<&str> =
            report.claims.iter().map(|claim| claim.details[0].as_str()).collect();
        assert_eq!(
            details,
            [
                "alpha silent before the head: +500.0 ms",
                "alpha silent before the head: never",
                "alpha silent before the head: 520.0 ms / 520.0 ms"
            ]
        );
    }
}
