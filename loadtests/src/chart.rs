//! Charts as data, as results carry them; drawing them is the report's business. Pure.

use serde::{Deserialize, Serialize};

/// Figures over time, or by category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// How the figures are drawn.
    pub shape: Shape,
    /// What is to the right.
    pub x: Axis,
    /// What is up.
    pub y: Axis,
    /// The figures.
    pub series: Vec<Series>,
    /// Stretches of the horizontal axis that are marked.
    #[serde(default)]
    pub bands: Vec<Band>,
    /// Names along the horizontal axis of [`Shape::Bars`]: a point's `x` counts them from 0.
    #[serde(default)]
    pub categories: Vec<String>,
}

/// How figures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A line for each series.
    Lines,
    /// Areas on top of each other; all series have the same `x`.
    Stacked,
    /// A bar for each series in each category.
    Bars,
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Whether equal steps multiply; figures must then be positive.
    #[serde(default)]
    pub logarithmic: bool,
}

/// Figures that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// What its colour is to say.
    #[serde(default)]
    pub tone: Tone,
    /// `x` and `y`, in the order of `x`.
    pub points: Vec<(f64, f64)>,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Nothing but which series it is.
    #[default]
    Plain,
    /// This should not be.
    Bad,
    /// This should be rare.
    Warning,
}

/// A marked stretch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it marks.
    pub label: String,
}

impl Axis {
    /// An axis with equal steps.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: false }
    }

    /// An axis on which equal steps multiply.
    pub fn logarithmic(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: true }
    }
}

impl Series {
    /// A series of a plain colour.
    pub fn new(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), tone: Tone::Plain, points }
    }

    /// The same in another tone.
    pub fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}
