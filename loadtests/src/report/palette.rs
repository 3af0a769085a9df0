//! The colours of pages and charts, in daylight and in the dark. Pure.
//!
//! A chart is drawn in daylight's colours. Rules of the page's style then exchange each of them where
//! the reader's screen is dark, so one drawing serves both.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour with a name in the page's style.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colour {
    pub(super) name: &'static str,
    light: u32,
    dark: u32,
}

/// What is behind everything.
pub(super) const SURFACE: Colour = Colour::new("surface", 0xFC_FC_FB, 0x1A_1A_19);
/// Letters of axes and legends.
pub(super) const QUIET: Colour = Colour::new("quiet", 0x52_51_4E, 0xC3_C2_B7);
/// Lines of a chart's grid.
pub(super) const GRID: Colour = Colour::new("grid", 0xE1_E0_D9, 0x2C_2C_2A);
/// Lines of a chart's axes.
pub(super) const AXIS: Colour = Colour::new("axis", 0xC3_C2_B7, 0x4A_49_45);
/// Stretches that are marked.
pub(super) const BAND: Colour = Colour::new("band", 0xB5_B3_A8, 0x6B_6A_63);
/// What should not be.
pub(super) const BAD: Colour = Colour::new("bad", 0xD0_3B_3B, 0xE6_67_67);
/// What should be rare.
pub(super) const WARNING: Colour = Colour::new("warning", 0xC9_85_00, 0xFA_B2_19);
/// Series, in this order: neighbours can be told apart by people who see fewer colours too.
pub(super) const SERIES: [Colour; 7] = [
    Colour::new("series-1", 0x2A_78_D6, 0x39_87_E5),
    Colour::new("series-2", 0xEB_68_34, 0xD9_59_26),
    Colour::new("series-3", 0x1B_AF_7A, 0x19_9E_70),
    Colour::new("series-4", 0xED_A1_00, 0xC9_85_01),
    Colour::new("series-5", 0xE8_7B_A4, 0xD5_51_81),
    Colour::new("series-6", 0x00_83_00, 0x00_83_01),
    Colour::new("series-7", 0x4A_3A_A7, 0x90_85_E9),
];
const FRAME: [Colour; 7] = [SURFACE, QUIET, GRID, AXIS, BAND, BAD, WARNING];

impl Colour {
    const fn new(name: &'static str, light: u32, dark: u32) -> Self {
        Self { name, light, dark }
    }

    /// For drawing.
    pub(super) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// The colour of the `index`-th series.
    pub(super) fn of_series(index: usize) -> Self {
        SERIES.get(index % SERIES.len()).copied().unwrap_or(QUIET)
    }
}

/// The variables of a page's style, and the rules that give them to charts.
pub(super) fn style() -> String {
    let all = || FRAME.into_iter().chain(SERIES);
    let variables = |dark: bool| {
        all().fold(String::new(), |mut text, colour| {
            let value = if dark { colour.dark } else { colour.light };
            // Writing to a string cannot fail.
            let _ = write!(text, "--{}:#{value:06X};", colour.name);
            text
        })
    };
    let mut style = format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        variables(false),
        variables(true)
    );
    for Colour { name, light, .. } in all() {
        let _ = writeln!(
            style,
            "svg [fill=\"#{light:06X}\"]{{fill:var(--{name})}} svg [stroke=\"#{light:06X}\"]{{stroke:var(--{name})}}"
        );
    }
    style
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_colours_are_one_in_a_drawing() {
        let all: BTreeSet<u32> = FRAME.iter().chain(&SERIES).map(|colour| colour.light).collect();
        assert_eq!(all.len(), FRAME.len() + SERIES.len());
        assert_eq!(BAD.rgb(), RGBColor(0xD0, 0x3B, 0x3B));
    }

    #[test]
    fn every_colour_has_a_value_in_the_dark() {
        let style = style();
        assert_eq!(style.matches("--series-7:#").count(), 2);
        assert!(style.contains("svg [stroke=\"#2A78D6\"]{stroke:var(--series-1)}"));
    }
}
