//! Writes down what clients see, while a load runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::timeline::{End, Point, Timeline};
use crate::client::{Ending, Seen};
use crate::generator::Observer;

/// Exchanges that are kept at most.
const POINTS_MAX: usize = 2_000_000;

/// Points in the making.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Times are counted from here.
    pub start: Instant,
    prefixes: Arc<[String]>,
    points: Arc<Mutex<Vec<Point>>>,
}

impl Recorder {
    /// Nothing yet; `prefixes` are what the `id`s of each provider's answers begin with.
    pub fn new(start: Instant, prefixes: Vec<String>) -> Self {
        Self { start, prefixes: prefixes.into(), points: Arc::default() }
    }

    /// Who gave this answer.
    pub fn provider(&self, seen: &Seen) -> Option<usize> {
        let id = seen.reading.answer_id.as_ref()?;
        self.prefixes.iter().position(|prefix| id.starts_with(prefix.as_str()))
    }

    /// What a load is to tell its exchanges to.
    pub fn observer(&self) -> Observer {
        let recorder = self.clone();
        Arc::new(move |seen| recorder.record(seen))
    }

    /// All of it.
    pub fn timeline(&self) -> Timeline {
        Timeline::new(std::mem::take(
            &mut *self.points.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn record(&self, seen: &Seen) {
        let end = match seen.ending {
            Ending::Complete => End::Whole,
            _ if seen.had_no_content() => End::EarlyError,
            _ => End::LateError,
        };
        let point = Point {
            at: seen.intended.saturating_duration_since(self.start),
            first_content: seen.first_content.unwrap_or(seen.total),
            end,
            provider: self.provider(seen),
            label: seen.label,
        };
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        if points.len() < POINTS_MAX {
            points.push(point);
        }
    }
}
