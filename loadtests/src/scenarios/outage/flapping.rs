//! One provider is down every other second: the gateway must not answer that with a storm.

use std::time::Duration;

use tokio::time::sleep_until;

use super::super::Error;
use super::super::timeline::Timeline;
use super::play::{Play, Provider, received};
use super::{Fault, NAMES, claim_no_errors};
use crate::chart::{Axis, Band, Chart, Series, Shape};
use crate::clock;
use crate::table::{Report, ratio};

const HALF: Duration = Duration::from_secs(1);

/// When, and how many requests had reached the providers until then.
pub(super) type Sample = (Duration, u64);

/// The first provider goes down and up, for so many seconds.
pub(super) async fn play(
    fault: Fault,
    seconds: u32,
    play: &Play,
    providers: &mut [Provider],
) -> Result<(Vec<Band>, Vec<Sample>), Error> {
    let start = play.recorder.start;
    let mut bands: Vec<Band> = Vec::new();
    let mut samples = vec![(Duration::ZERO, play.received_before)];
    for second in 1..=seconds {
        sleep_until((start + HALF * second).into()).await;
        let now = clock::since(start);
        samples.push((now, received(providers).await?));
        let is_to_fail = second % 2 == 1 && second < seconds;
        if is_to_fail {
            play.fail(providers, 0, fault).await?;
            let (from, to) = (now.as_secs_f64(), (now + HALF).as_secs_f64());
            bands.push(Band { from, to, label: String::new() });
        } else if let Some(provider) = providers.first_mut()
            && second % 2 == 0
        {
            fault.end(&mut provider.simulator).await?;
        }
    }
    Ok((bands, samples))
}

/// Charts and claims.
pub(super) fn tell(
    report: &mut Report,
    fault: Fault,
    timeline: &Timeline,
    bands: &[Band],
    samples: &[Sample],
) {
    let name = format!("Flapping ({} {} in the marked seconds)", NAMES[0], fault.name());
    for chart in timeline.charts(&name, &NAMES, bands) {
        report.chart(chart);
    }
    let (mut requests, mut attempts) = (Vec::new(), Vec::new());
    for ((from, before), (to, after)) in samples.iter().zip(samples.iter().skip(1)) {
        let seconds = to.saturating_sub(*from).as_secs_f64().max(1e-3);
        let sent = u64::try_from(timeline.between(*from, *to).len()).unwrap_or(u64::MAX);
        requests.push((from.as_secs_f64(), ratio(sent, 1) / seconds));
        attempts.push((from.as_secs_f64(), ratio(after.saturating_sub(*before), 1) / seconds));
    }
    report.chart(Chart {
        title: format!("{name}: requests, and attempts that arrived"),
        shape: Shape::Lines,
        x: Axis::linear("seconds"),
        y: Axis::linear("per second"),
        series: vec![Series::new("requests", requests), Series::new("attempts", attempts)],
        bands: bands.to_vec(),
        categories: Vec::new(),
    });
    claim_no_errors(report, "Flapping", timeline);
}
