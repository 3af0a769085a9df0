//! S15, an outage of a minute: twenty requests, judged together. Pure.

use std::time::Duration;

use super::{Heard, Judgement, Observation, Told, Verdict};
use crate::simulator::stats::Outcome;
use crate::table::time;

/// When the first provider is healthy again.
pub const RECOVERY: Duration = Duration::from_mins(1);
/// By when it has to be in use again, from the beginning.
pub const BACK_BY: Duration = Duration::from_secs(90);
/// Between two requests.
pub const INTERVAL: Duration = Duration::from_secs(4);
/// How many there are, and how many more are sent while it is not in use again.
pub const REQUESTS: u32 = 20;
/// What reaches the first provider while it fails: enough to see that it does, and few probes.
const PROBES_MAX: usize = 10;
/// Three for each of the fifteen requests, as if nobody noticed anything.
const HAMMERING: usize = 45;

pub(super) fn judge(seen: &Observation) -> Judgement {
    let fail = |reason: String| Judgement::new(Verdict::Fail, reason);
    let mut errors = Vec::new();
    for call in &seen.calls {
        match call.told() {
            Told::Answer => {}
            Told::Nothing => return fail(format!("no end within {}", time(call.total))),
            Told::Lie(what) => return fail(what),
            Told::Error | Told::Cut => errors.push(call),
        }
    }
    let at_primary = || seen.attempts.iter().filter(|attempt| attempt.primary);
    let probes = at_primary().filter(|attempt| attempt.at < RECOVERY).count();
    if probes > HAMMERING {
        return fail(format!("{probes} requests to the first provider while it failed"));
    }
    if let Some(first) = errors.first() {
        let (failed, all) = (errors.len(), seen.calls.len());
        let words = Heard::error_words(first);
        return Judgement::new(Verdict::Safe, format!("{failed} of {all} got an error: {words}"));
    }
    if probes > PROBES_MAX {
        let reason = format!("{probes} requests to it while it failed, at most {PROBES_MAX}");
        return Judgement::new(Verdict::Partial, reason);
    }
    let back = at_primary()
        .find(|attempt| attempt.at >= RECOVERY && attempt.entry.outcome == Outcome::Completed);
    if back.is_none_or(|back| back.at > BACK_BY) {
        let after = time(BACK_BY.saturating_sub(RECOVERY));
        let reason = format!("not in use again {after} after its recovery");
        return Judgement::new(Verdict::Partial, reason);
    }
    Judgement::pass()
}
