//! Draws charts as SVG. Pure.
//!
//! The drawing is twice as wide as it is shown, because the crate places everything on whole pixels.
//! Letters are the page's own: only their places are decided here, for which no font is needed.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Error;
use super::palette::{AXIS, BAD, BAND, Colour, GRID, QUIET, SURFACE, WARNING};
use crate::chart::{Chart, Series, Shape, Tone};

const WIDTH: u32 = 1_920;
const HEIGHT: u32 = 540;
const LANE_HEIGHT: u32 = 40;
const LETTERS: f64 = 30.0;
/// About the width of a letter of that size.
const LETTER_WIDTH: f64 = 13.0;
const GROUP_WIDTH: f64 = 0.78;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The chart as an `svg` element.
pub(super) fn svg(chart: &Chart) -> Result<String, Error> {
    let mut text = String::new();
    let drawn = draw(chart, &mut text);
    drawn
        .map_err(|error| Error::Chart { title: chart.title.clone(), reason: error.to_string() })?;
    // The page gives it its width; the height follows.
    let sized = format!("width=\"{WIDTH}\" height=\"{}\" ", height(chart));
    Ok(text.replacen(&sized, "role=\"img\" ", 1))
}

/// The colour of the `index`-th series.
pub(super) fn colour(series: &Series, index: usize) -> Colour {
    match series.tone {
        Tone::Plain => Colour::of_series(index),
        Tone::Bad => BAD,
        Tone::Warning => WARNING,
    }
}

fn height(chart: &Chart) -> u32 {
    let lanes = lanes(chart, f64::from(WIDTH) / span(&xs(chart)));
    let count = lanes.iter().flatten().max().map_or(0, |lane| lane + 1);
    HEIGHT + LANE_HEIGHT * count
}

fn draw(chart: &Chart, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, (WIDTH, height(chart))).into_drawing_area();
    let ys = ys(chart);
    if chart.y.logarithmic {
        plot(&root, chart, ys.log_scale())?;
    } else {
        plot(&root, chart, ys)?;
    }
    root.present()
}

fn plot<Y>(root: &Area<'_>, chart: &Chart, ys: Y) -> Drawn
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let xs = xs(chart);
    let mut canvas = ChartBuilder::on(root)
        .margin_top(height(chart) - HEIGHT + 16)
        .margin_right(36)
        .x_label_area_size(84)
        .y_label_area_size(150)
        .build_cartesian_2d(xs.clone(), ys)?;
    let bottom = canvas.y_range().start;
    for band in &chart.bands {
        let (from, to) = (band.from.max(xs.start), band.to.min(xs.end));
        let corners = [(from, bottom), (to, canvas.y_range().end)];
        canvas.draw_series([Rectangle::new(corners, BAND.rgb().mix(0.16).filled())])?;
    }
    let letters = || ("sans-serif", LETTERS).into_font().color(&QUIET.rgb());
    let category = |at: &f64| category(chart, *at);
    let up = |value: &f64| if chart.y.logarithmic { rare(*value) } else { number(value) };
    let mut mesh = canvas.configure_mesh();
    mesh.disable_x_mesh()
        .axis_style(AXIS.rgb())
        .bold_line_style(GRID.rgb())
        .light_line_style(TRANSPARENT)
        .label_style(letters())
        .x_desc(chart.x.label.as_str())
        .y_desc(chart.y.label.as_str())
        .y_labels(if chart.y.logarithmic { 12 } else { 6 })
        .x_labels(12)
        .y_label_formatter(&up);
    match chart.shape {
        Shape::Bars => mesh
            .x_labels(2 * chart.categories.len().max(1))
            .x_label_formatter(&category)
            .set_tick_mark_size(LabelAreaPosition::Bottom, 10),
        Shape::Lines | Shape::Stacked => mesh.x_label_formatter(&number),
    }
    .draw()?;
    let mut below: Vec<f64> = Vec::new();
    for (index, series) in chart.series.iter().enumerate() {
        let paint = colour(series, index).rgb();
        match chart.shape {
            Shape::Lines => {
                let line = PathElement::new(series.points.clone(), paint.stroke_width(4));
                canvas.draw_series([line])?;
            }
            Shape::Stacked => {
                let (outline, tops) = layer(series, &below);
                canvas.draw_series([Polygon::new(outline.clone(), paint.mix(0.85).filled())])?;
                canvas.draw_series([PathElement::new(outline, SURFACE.rgb().stroke_width(2))])?;
                below = tops;
            }
            Shape::Bars => {
                let bars = bars(series, index, chart.series.len(), bottom);
                canvas.draw_series(bars.map(|corners| Rectangle::new(corners, paint.filled())))?;
            }
        }
    }
    let at = |x: f64| canvas.backend_coord(&(x, bottom)).0;
    labels(root, chart, at)
}

/// The bands' names, in lanes above the chart.
fn labels(root: &Area<'_>, chart: &Chart, at: impl Fn(f64) -> i32) -> Drawn {
    let lanes = lanes(chart, f64::from(WIDTH) / span(&xs(chart)));
    let letters = ("sans-serif", LETTERS).into_font().color(&QUIET.rgb());
    let letters = letters.pos(Pos::new(HPos::Left, VPos::Center));
    for (band, lane) in chart.bands.iter().zip(lanes) {
        let Some(lane) = lane else { continue };
        let top = i32::try_from(lane * LANE_HEIGHT).unwrap_or(0) + 6;
        let end = top + i32::try_from(LANE_HEIGHT).unwrap_or(0) - 6;
        let corners = [(at(band.from), top), (at(band.to), end)];
        root.draw(&Rectangle::new(corners, BAND.rgb().mix(0.4).filled()))?;
        let place = (at(band.from) + 8, i32::midpoint(top, end));
        root.draw(&Text::new(band.label.clone(), place, letters.clone()))?;
    }
    Ok(())
}

/// A lane for each band with a name, so that neither bands nor names touch others of their lane.
fn lanes(chart: &Chart, pixels_per_unit: f64) -> Vec<Option<u32>> {
    let mut ends: Vec<f64> = Vec::new();
    let mut lanes = Vec::new();
    for band in &chart.bands {
        if band.label.is_empty() {
            lanes.push(None);
            continue;
        }
        let name = length(&band.label) * LETTER_WIDTH + 24.0;
        let end = band.to.max(band.from + name / pixels_per_unit);
        let free = ends.iter().position(|&end| end <= band.from + f64::EPSILON);
        let lane = free.unwrap_or(ends.len());
        match ends.get_mut(lane) {
            Some(taken) => *taken = end,
            None => ends.push(end),
        }
        lanes.push(u32::try_from(lane).ok());
    }
    lanes
}

#[expect(clippy::cast_precision_loss, reason = "a count of letters or bars")]
fn length(text: &str) -> f64 {
    text.chars().count() as f64
}

fn span(range: &Range<f64>) -> f64 {
    (range.end - range.start).max(f64::EPSILON)
}

fn points(chart: &Chart) -> impl Iterator<Item = (f64, f64)> {
    chart.series.iter().flat_map(|series| series.points.iter().copied())
}

#[expect(clippy::cast_precision_loss, reason = "a count of categories")]
fn xs(chart: &Chart) -> Range<f64> {
    if chart.shape == Shape::Bars {
        return -0.5..chart.categories.len().max(1) as f64 - 0.5;
    }
    let (from, to) = points(chart)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), (x, _)| (from.min(x), to.max(x)));
    if from < to { from..to } else { 0.0..1.0 }
}

fn ys(chart: &Chart) -> Range<f64> {
    let top = match chart.shape {
        Shape::Stacked => {
            let tops =
                chart.series.iter().fold(Vec::new(), |below, series| layer(series, &below).1);
            tops.into_iter().fold(0.0, f64::max)
        }
        Shape::Lines | Shape::Bars => points(chart).map(|(_, y)| y).fold(0.0, f64::max),
    };
    if chart.y.logarithmic {
        let low = points(chart).map(|(_, y)| y).filter(|y| *y > 0.0).fold(f64::INFINITY, f64::min);
        let low = if low.is_finite() { 10_f64.powf(low.log10().floor()) } else { 1.0 };
        return low..(top * 1.3).max(low * 10.0);
    }
    0.0..if top > 0.0 { top * 1.06 } else { 1.0 }
}

/// The outline of a series on top of those below, and its upper edge.
fn layer(series: &Series, below: &[f64]) -> (Vec<(f64, f64)>, Vec<f64>) {
    let base = || below.iter().copied().chain(std::iter::repeat(0.0));
    let tops: Vec<f64> = series.points.iter().zip(base()).map(|((_, y), base)| y + base).collect();
    let upper = series.points.iter().zip(&tops).map(|(&(x, _), &top)| (x, top));
    let lower: Vec<(f64, f64)> =
        series.points.iter().zip(base()).map(|(&(x, _), base)| (x, base)).collect();
    (upper.chain(lower.into_iter().rev()).collect(), tops)
}

/// Corners of the bars of the `index`-th of `count` series.
#[expect(clippy::cast_precision_loss, reason = "counts of series")]
fn bars(
    series: &Series,
    index: usize,
    count: usize,
    bottom: f64,
) -> impl Iterator<Item = [(f64, f64); 2]> {
    let width = GROUP_WIDTH / count.max(1) as f64;
    let offset = width * index as f64 - GROUP_WIDTH / 2.0;
    // A little air between neighbours.
    series
        .points
        .iter()
        .map(move |&(x, y)| [(x + offset + width * 0.04, bottom), (x + offset + width * 0.96, y)])
}

fn category(chart: &Chart, at: f64) -> String {
    let near =
        (0_u32..).zip(&chart.categories).find(|(index, _)| (f64::from(*index) - at).abs() < 0.01);
    near.map(|(_, name)| name.clone()).unwrap_or_default()
}

/// A number as axes show it: no digits that say nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the axes call it")]
fn number(value: &f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A number on an axis that multiplies: those between 1, 2, 5 and 10 would stand on each other.
fn rare(value: f64) -> String {
    let first = value / 10_f64.powf(value.log10().floor());
    let is_shown = [1.0, 2.0, 5.0].iter().any(|shown| (first - shown).abs() < 0.01);
    if is_shown { number(&value) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Axis, Band};

    fn chart(shape: Shape, logarithmic: bool) -> Chart {
        let y = Axis { label: "ms".into(), logarithmic };
        Chart {
            title: "t".into(),
            shape,
            x: Axis::linear("seconds"),
            y,
            series: vec![
                Series::new("a", vec![(0.0, 1.0), (1.0, 2.0), (2.0, 400.0)]),
                Series::new("b", vec![(0.0, 3.0), (1.0, 0.5), (2.0, 4.0)]).toned(Tone::Bad),
            ],
            bands: vec![
                Band { from: 0.0, to: 1.0, label: "alpha is down".into() },
                Band { from: 0.5, to: 2.0, label: "beta & gamma".into() },
            ],
            categories: ["x", "y", "z"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn every_shape_is_drawn_with_its_axes_and_colours() {
        for (shape, logarithmic) in [
            (Shape::Lines, false),
            (Shape::Lines, true),
            (Shape::Stacked, false),
            (Shape::Bars, false),
        ] {
            let svg = svg(&chart(shape, logarithmic)).unwrap();
            assert!(svg.starts_with("<svg role=\"img\" viewBox"), "{svg}");
            for part in ["seconds", "ms", "alpha is down", "beta &amp; gamma", "#2A78D6", "#D03B3B"]
            {
                assert!(svg.contains(part), "{part} is not in {shape:?}");
            }
        }
    }

    #[test]
    fn a_chart_without_figures_is_drawn_too() {
        for shape in [Shape::Lines, Shape::Stacked, Shape::Bars] {
            let empty = Chart { series: Vec::new(), categories: Vec::new(), ..chart(shape, true) };
            assert!(svg(&empty).is_ok(), "{shape:?}");
        }
    }

    #[test]
    fn bands_that_overlap_have_lanes_of_their_own() {
        assert_eq!(lanes(&chart(Shape::Lines, false), 960.0), [Some(0), Some(1)]);
        let mut apart = chart(Shape::Lines, false);
        apart.bands[1].from = 1.0;
        assert_eq!(lanes(&apart, 960.0), [Some(0), Some(0)]);
        apart.bands[0].label.clear();
        assert_eq!(lanes(&apart, 960.0), [None, Some(0)]);
    }

    #[test]
    fn layers_lie_on_each_other() {
        let (_, tops) = layer(&Series::new("a", vec![(0.0, 1.0), (1.0, 2.0)]), &[]);
        let (outline, tops) = layer(&Series::new("b", vec![(0.0, 3.0), (1.0, 4.0)]), &tops);
        assert_eq!(tops, [4.0, 6.0]);
        assert_eq!(outline, [(0.0, 4.0), (1.0, 6.0), (1.0, 2.0), (0.0, 1.0)]);
    }

    #[test]
    fn a_number_has_no_digits_that_say_nothing() {
        for (value, text) in [(0.0, "0"), (10.0, "10"), (2.5, "2.5"), (-0.0, "0"), (0.01, "0.01")] {
            assert_eq!(number(&value), text);
        }
        let shown: Vec<String> = (1..=11).map(|step| rare(f64::from(step) * 10.0)).collect();
        assert_eq!(shown.concat(), "102050100");
    }
}
